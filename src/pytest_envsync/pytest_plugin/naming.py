"""Names of environments, as they stand in test ids, reports and headers.

Pure. The name of a lockfile is the NAME of ``pylock.NAME.toml``, else the file's stem; equal
stems get the folder in front.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import PurePath

from pytest_envsync.patterns import pattern

GROUP = "envsync-"
"""What the names of our xdist groups begin with."""

NAME = pattern(r"[A-Za-z0-9._-]+")
_PYLOCK = pattern(r"pylock\.([^.]+)\.toml")
_NAMED = pattern(r"([A-Za-z0-9._-]+)=(.+)", re.DOTALL)
_LOGIN = pattern(r"//[^/]*@")
_OTHER = pattern(r"[^A-Za-z0-9._-]+")


class NameClash(ValueError):  # noqa: N818 - says what happened
    """Two environments have one name. *name* is it; *files* are what they are made of."""

    def __init__(self, name: str, files: Sequence[str]) -> None:
        super().__init__(
            f"two environments are called `{name}` ({', '.join(files)}): give them names, as in --envsync NAME=LOCK"
        )
        self.name = name
        self.files = tuple(files)


def split_name(text: str) -> tuple[str | None, str]:
    """Split ``NAME=LOCK``; without a name, the first part is None."""
    match = _NAMED.fullmatch(text)
    return (match[1], match[2]) if match else (None, text)


def name_of(path: str) -> str:
    """Return the name of a lockfile (a path or an address)."""
    base = PurePath(_LOGIN.sub("//", path.split("?", 1)[0].split("#", 1)[0]) if "://" in path else path)
    match = _PYLOCK.fullmatch(base.name)
    return _OTHER.sub("-", match[1] if match else base.stem).strip("-") or "lock"


def unique_names(named: Sequence[tuple[str | None, str]]) -> list[str]:
    """Return a name for each of *named*: pairs of a given name, or None, and a path.

    Raises NameClash when two would be called the same.
    """
    names = [given or name_of(path) for given, path in named]
    for index, (given, path) in enumerate(named):
        alike = {other for also_given, other in named if also_given is None and name_of(other) == name_of(path)}
        if given is None and len(alike) > 1:
            folder = _OTHER.sub("-", PurePath(path).parent.name).strip("-")
            names[index] = f"{folder}-{name_of(path)}" if folder else names[index]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise NameClash(name, [named[names.index(name)][1], named[index][1]])
    return names


def identity(parts: Sequence[str]) -> str:
    """Join the parts of an id that vary; empty ones are left out."""
    return "-".join(part for part in parts if part)


def python_part(request: str | None) -> str:
    """Return what stands for an interpreter in an id: ``py3.12``, or the name of its executable.

    None is the running one.
    """
    if request is None:
        return f"py{sys.version_info.major}.{sys.version_info.minor}"
    match = re.fullmatch(r"(?:cpython|python|py)?[-@]?(\d+(?:\.\d+)*t?)", request, re.IGNORECASE)
    if match:
        return f"py{match[1]}"
    path = PurePath(request)
    parts = [part for part in path.parts if re.search(r"\d+\.\d+", part)]
    return _OTHER.sub("-", parts[-1] if parts else path.name).strip("-") or "python"
