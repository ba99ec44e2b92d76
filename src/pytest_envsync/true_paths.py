"""Paths that mean what the operating system takes them for.

Behind a link to a directory, ``..`` is the parent of what the link leads to: ``link/../low.txt`` is not always
``low.txt``, which is what text alone would make of it. Standard library only: runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os


def settled(path: str) -> str:
    """Return *path* without the parts that lead nowhere: ``.``, and ``..`` behind a directory that is no link.

    Any other ``..`` stays: the operating system answers it, or refuses it, each time that the path is used.
    """
    plain = os.path.normpath(path)
    # Windows itself takes paths as text.
    if ".." not in path or os.name == "nt":
        # POSIX lets two leading slashes mean something of their own; nobody means it here.
        return plain[1:] if plain.startswith("//") and os.name != "nt" else plain
    kept = start = os.sep if path.startswith(os.sep) else ""
    for part in path.split("/"):
        if part in {"", "."}:
            continue
        if part == ".." and kept == os.sep:
            continue
        before, _, last = kept.rpartition(os.sep)
        if part == ".." and last not in {"", ".."} and _is_real(kept):
            kept = before or start
        else:
            kept = os.path.join(kept, part)  # noqa: PTH118 - plain text
    return kept or "."


def resolved(path: str) -> str:
    """Return *path*, absolute and without ``..``: links in front of the last one are followed, those behind it not.

    For the places of environments and projects: Python itself takes what it imports from as text.
    """
    if ".." not in path or os.name == "nt":
        return os.path.abspath(path)  # noqa: PTH100 - plain text
    plain = settled(path if os.path.isabs(path) else os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH117, PTH118 - as above
    head, found, tail = f"{plain}{os.sep}".rpartition(f"{os.sep}..{os.sep}")
    if not found:
        return plain
    return os.path.normpath(os.path.join(os.path.realpath(f"{head}/.."), tail))  # noqa: PTH118 - plain text


def _is_real(directory: str) -> bool:
    return os.path.isdir(directory) and not os.path.islink(directory)  # noqa: PTH112, PTH114 - plain text
