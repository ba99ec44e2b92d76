"""What stands on disk below an environment, and the shortest list of renames that takes given files away.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

Standing = Literal["file", "directory", "link"]
"""What a name stands for; *link* is a symbolic link to a directory, any other link is a file."""

_CACHE = "__pycache__"
_NOTHING: Mapping[str, Standing] = {}


class Disk:
    """The directories of an environment, each read once: later changes are not seen.

    Directories that belong to no distribution are never taken away: *standing* ones, and all that are not below
    one of *owned*.
    """

    def __init__(self, standing: Collection[str], owned: Iterable[str]) -> None:
        self._standing = standing
        self._owned = tuple(f"{directory}/" for directory in owned)
        self._names: dict[str, Mapping[str, Standing]] = {}

    def is_standing(self, directory: str) -> bool:
        """Whether *directory* belongs to no distribution."""
        return directory in self._standing or not directory.startswith(self._owned)

    def names(self, directory: str) -> Mapping[str, Standing]:
        """Return what *directory* holds; nothing when it is not there."""
        known = self._names.get(directory)
        if known is None:
            known = self._names[directory] = _listing(directory) if self._is_there(directory) else _NOTHING
        return known

    def kind(self, path: str) -> Standing | None:
        """Return what stands at *path*, None for nothing."""
        parent, _, name = path.rpartition("/")
        return self.names(parent).get(name)

    def _is_there(self, directory: str) -> bool:
        """Whether it is worth asking: not where the parent was read and does not have it."""
        if self.is_standing(directory):
            return True
        parent, _, name = directory.rpartition("/")
        return not parent or self.names(parent).get(name) in {"directory", "link"}


def _listing(directory: str) -> Mapping[str, Standing]:
    names: dict[str, Standing] = {}
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    names[entry.name] = "directory"
                else:
                    names[entry.name] = "link" if entry.is_symlink() and entry.is_dir() else "file"
    except (FileNotFoundError, NotADirectoryError):
        return _NOTHING
    return names


def is_compiled_from(compiled: str, sources: Collection[str]) -> bool:
    """Whether the bytecode file name *compiled* (PEP 3147) belongs to one of the module file names *sources*."""
    if not compiled.endswith(".pyc"):
        return False
    end = compiled.find(".")
    while end > 0:
        if f"{compiled[:end]}.py" in sources:
            return True
        end = compiled.find(".", end + 1)
    return False


def files_below(disk: Disk, directory: str) -> Iterable[str]:
    """Yield the paths of all files (and links) below *directory*."""
    for name, kind in disk.names(directory).items():
        if kind == "directory":
            yield from files_below(disk, f"{directory}/{name}")
        else:
            yield f"{directory}/{name}"


def linked_directories(disk: Disk, directories: Iterable[str], sites: Collection[str]) -> set[str]:
    """Return the links to directories that stand where *directories*, or those above them, are below *sites*."""
    found: set[str] = set()
    plain: set[str] = set(sites)
    within = tuple(f"{site}/" for site in sites)
    for directory in directories:
        if not directory.startswith(within):
            continue
        below: list[str] = []
        while directory not in plain:
            plain.add(directory)
            below.append(directory)
            directory = directory.rpartition("/")[0]  # noqa: PLW2901 - the way up
        # The highest link hides what is beneath it.
        found.update([path for path in reversed(below) if disk.kind(path) == "link"][:1])
    return found


def find_renames(disk: Disk, files: Iterable[str], directories: Collection[str], claimed: Collection[str]) -> list[str]:
    """Return the fewest paths whose renaming takes *files* and *directories* away, sorted.

    A directory goes as a whole when nothing in it stays; what is compiled from a module goes with it, and
    a directory that would be left empty goes too. Of *directories* everything goes but the *claimed* files.
    Paths that are not on disk are left out. A symbolic link to a directory is never gone through: it goes itself.
    """
    return sorted(_Renames(disk, files, directories, claimed).find())


class _Renames:
    """The search for whole directories."""

    def __init__(
        self, disk: Disk, files: Iterable[str], directories: Collection[str], claimed: Collection[str]
    ) -> None:
        self.disk = disk
        self.claimed = claimed
        self.directories = directories
        self.files: dict[str, set[str]] = {}
        self.children: dict[str, set[str]] = {}
        for path in files:
            parent, _, name = path.rpartition("/")
            self.files.setdefault(parent, set()).add(name)
        self.tops: set[str] = set()
        for directory in self.files:
            self._climb(directory)
        for directory in directories:
            parent, _, name = directory.rpartition("/")
            self.children.setdefault(parent, set()).add(name)
            self._climb(parent)

    def _climb(self, directory: str) -> None:
        """Note the way down to *directory* from the lowest directory that stands."""
        while not self.disk.is_standing(directory):
            parent, _, name = directory.rpartition("/")
            children = self.children.setdefault(parent, set())
            if name in children or not parent:
                return
            children.add(name)
            directory = parent
        self.tops.add(directory)

    def find(self) -> list[str]:
        found: list[str] = []
        for directory in self.tops:
            found += self._visit(directory, inside=False)[0]
        return found

    def _visit(self, directory: str, *, inside: bool) -> tuple[list[str], bool]:
        """Return what goes of *directory*, and whether all of it does."""
        files = self.files.get(directory, set())
        children = self.children.get(directory, set())
        going: list[str] = []
        whole = True
        names = self.disk.names(directory)
        for name, kind in names.items():
            path = f"{directory}/{name}"
            if kind == "directory":
                if name == _CACHE and files and not inside:
                    continue
                within = inside or path in self.directories
                if within or (name in children and not self.disk.is_standing(path)):
                    pieces, all_of_it = self._visit(path, inside=within)
                    going += [path] if all_of_it else pieces
                    whole = whole and all_of_it
                else:
                    whole = False
            elif name in files or (kind == "link" and name in children) or (inside and path not in self.claimed):
                going.append(path)
            else:
                whole = False
        if files and not inside and names.get(_CACHE) == "directory":
            pieces, all_of_it = self._compiled(f"{directory}/{_CACHE}", files, whole=whole)
            going += pieces
            whole = whole and all_of_it
        return going, whole and not self.disk.is_standing(directory)

    def _compiled(self, cache: str, sources: set[str], *, whole: bool) -> tuple[list[str], bool]:
        """Return what goes of a cache of bytecode: all of it when all sources go, else what is theirs.

        Below site-packages also what is compiled from no module that is there.
        """
        directory = cache.rpartition("/")[0]
        is_own = not self.disk.is_standing(directory)
        if whole and is_own:
            return [cache], True
        names = self.disk.names(cache)
        listed = self.files.get(cache, set())
        present = self.disk.names(directory)
        going = [
            name
            for name, kind in names.items()
            if name in listed
            or is_compiled_from(name, sources)
            or (is_own and kind == "file" and name.endswith(".pyc") and not is_compiled_from(name, present))
        ]
        if len(going) == len(names):
            return [cache], True
        return [f"{cache}/{name}" for name in going], False
