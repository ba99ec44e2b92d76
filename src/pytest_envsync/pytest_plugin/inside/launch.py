"""The command and the variables of a pytest process inside an environment.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.foreign_variables import FOREIGN
from pytest_envsync.pytest_plugin import guard
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.pytest_plugin.inside.way import Form
    from pytest_envsync.pytest_plugin.overlay.making import Overlay

HOST_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PATH")
"""What a process of the host interpreter gets back when something inside starts one."""

_DROPPED = (*FOREIGN, "PYTEST_VERSION")
_SITES = {"site-packages", "dist-packages"}


class Paths(NamedTuple):
    """What became of the entries of ``PYTHONPATH``.

    *front* stay where they are; *behind* go behind the environment; *dropped* belonged to other interpreters;
    *shadows* are pairs of an entry of *front* and the name of an import package of the lock that it hides.
    """

    front: list[str]
    behind: list[str]
    dropped: list[str]
    shadows: list[tuple[str, str]]

    def header(self) -> list[str]:
        """Return the header lines."""
        lines = []
        if self.dropped:
            count = len(self.dropped)
            lines.append(f"PYTHONPATH: {count} {'entries' if count > 1 else 'entry'} of other interpreters dropped")
        if self.behind:
            lines.append(f"PYTHONPATH: behind the environment: {', '.join(self.behind)}")
        lines += [f"PYTHONPATH: {entry} hides `{name}` of the lock" for entry, name in self.shadows]
        return lines


def sort_paths(text: str, *, rootdir: str, directory: str, site_packages: str, extra: Iterable[str] = ()) -> Paths:
    """Sort the entries of ``PYTHONPATH``; *extra* directories go behind the environment as well.

    Entries inside *rootdir* stay in front, as in a plain session. Site-packages of other
    interpreters are dropped. What is left goes behind the environment, so that the lock wins.
    Relative entries are relative to *directory*.
    """
    front: list[str] = []
    behind: list[str] = []
    dropped: list[str] = []
    for entry in filter(None, text.split(os.pathsep)):
        path = os.path.normpath(os.path.join(directory, entry))  # noqa: PTH118 - plain text
        if _SITES & set(Path(path).parts):
            dropped.append(path)
        elif _is_below(path, rootdir):
            front.append(path)
        else:
            behind.append(path)
    behind += [path for path in extra if path not in front and path not in behind]
    shadows = [(entry, name) for entry in front for name in _shadowed(entry, site_packages)]
    return Paths(front, behind, dropped, shadows)


def _is_below(path: str, directory: str) -> bool:
    one, other = os.path.realpath(path), os.path.realpath(directory)
    return one == other or one.startswith(other.rstrip(os.sep) + os.sep)


def _shadowed(entry: str, site_packages: str) -> list[str]:
    """Return the import packages of *site_packages* that *entry* brings too."""
    return sorted(_importable(entry) & _importable(site_packages))


def _importable(directory: str) -> set[str]:
    names: set[str] = set()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    names.add(entry.name[:-3])
                elif "." not in entry.name and os.path.isfile(os.path.join(entry.path, "__init__.py")):  # noqa: PTH113, PTH118 - text
                    names.add(entry.name)
    except OSError:
        return set()
    return names


def session_environ(
    environ: Mapping[str, str],
    *,
    prefix: str,
    bin_directory: str,
    cache_dir: str,
    guard_path: str,
    overlay: Overlay | None = None,
    paths: Paths | None = None,
) -> dict[str, str]:
    """Return the variables of a process inside the environment at *prefix*."""
    found = {name: value for name, value in environ.items() if name not in _DROPPED}
    path = [bin_directory, *([overlay.bin] if overlay and "pytest" in overlay.distributions else [])]
    found["PATH"] = os.pathsep.join([*path, *filter(None, [environ.get("PATH", os.defpath)])])
    found["VIRTUAL_ENV"] = prefix
    found["PYTHONNOUSERSITE"] = "1"
    found["ENVSYNC_CACHE_DIR"] = cache_dir
    found[guard.VARIABLE] = guard_path
    if paths is not None:
        found.pop("PYTHONPATH", None)
        if paths.front:
            found["PYTHONPATH"] = os.pathsep.join(paths.front)
    return found


def host_environ(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return what the host interpreter was started with, to be given back to it later."""
    return {name: environ.get(name) for name in HOST_VARIABLES}


def session_command(python: str, form: Form, overlay: Overlay, *, behind: bool, bin_directory: str) -> list[str]:
    """Return the command of pytest inside, in the *form* that it was started in outside.

    With *behind* there are directories to be put behind the environment first.
    """
    flags = list(form.flags)
    if behind:
        return [python, *flags, str(Path(overlay.bin).parent / "enter.py"), "module" if form.module else "script"]
    if form.script is None or form.module:
        return [python, *flags, "-m", "pytest"]
    own = Path(bin_directory, "pytest")
    return [python, *flags, str(own if own.is_file() else Path(overlay.bin, "pytest"))]
