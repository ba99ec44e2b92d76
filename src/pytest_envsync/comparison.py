"""One pass over an environment, beside the rows of its snapshot.

Standard library only: this module also runs inside session environments. It reads, and judges
nothing: ``diff`` does.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
from errno import ENAMETOOLONG

from pytest_envsync.snapshot import BYTECODE, CACHE, NO_TIME, Snapshot, is_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_envsync.snapshot import Row

_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_BY_DESCRIPTOR = os.scandir in os.supports_fd


class Walk:
    """What one pass found, in lists without order; paths are posix and relative to the prefix.

    *added*, *removed* and *changed* are files, and directories that end in a slash. *retimed* files differ by their
    time only. *compiled* is bytecode that the snapshot does not know, *recompiled* is other than it knows. *new* and
    *gone* are directories.
    """

    def __init__(self, root: str, snapshot: Snapshot) -> None:
        self._root = root
        self._snapshot = snapshot
        self.added: list[str] = []
        self.removed: list[str] = []
        self.changed: list[str] = []
        self.retimed: list[str] = []
        self.compiled: list[str] = []
        self.recompiled: list[str] = []
        self.new: list[str] = []
        self.gone: list[str] = []
        self._uids: frozenset[int] | None = None
        self._gids: frozenset[int] = frozenset()
        self._visited: set[str] = set()
        self._pending = [""]

    def run(self) -> None:
        """Go through all of the prefix. Raises OSError for what is neither gone nor closed to us."""
        known = self._snapshot.directories
        self._look_at_root()
        while self._pending:
            directory = self._pending.pop()
            self._visited.add(directory)
            try:
                self._scan(directory, known.get(directory, {}))
            except (FileNotFoundError, NotADirectoryError):
                self._visited.discard(directory)
            except PermissionError:
                # Its mode is told as changed; what is in it cannot be told before that is mended.
                self._visited.update(name for name in known if name.startswith(directory + "/"))
            except OSError as error:
                # Nested so deep that no path leads there: it is new, and its upper part is told.
                if error.errno != ENAMETOOLONG or directory in known:
                    raise
        self._tell_missing_directories()
        self._tell_empty_directories()

    def _look_at_root(self) -> None:
        try:
            status = os.stat(self._root)
        except FileNotFoundError:
            return  # all that is in it is told as removed
        self._settle_owners(status)
        if status.st_mode != self._snapshot.directories[""]["."][2] or not self._is_owned(status):
            self.changed.append("./")

    def _settle_owners(self, prefix: os.stat_result) -> None:
        owners = set(self._snapshot.owners)
        if not owners:
            return
        if (prefix.st_uid, prefix.st_gid) not in owners and os.name != "nt" and prefix.st_uid == os.geteuid():
            # Unpacked from an archive, by another user than the one who made it.
            owners.add((prefix.st_uid, prefix.st_gid))
        self._uids = frozenset(uid for uid, _ in owners)
        self._gids = frozenset(gid for _, gid in owners)

    def _is_owned(self, status: os.stat_result) -> bool:
        return self._uids is None or (status.st_uid in self._uids and status.st_gid in self._gids)

    def _scan(self, directory: str, rows: dict[str, Row]) -> None:
        """Compare what is in *directory*, by a descriptor where that can be done. Raises OSError.

        Its entries then need no long path to be looked at: that is a fifth of the whole comparison.
        """
        place = f"{self._root}/{directory}"
        if not _BY_DESCRIPTOR:
            with os.scandir(place) as scan:
                self._compare(directory, rows, scan)
            return
        descriptor = os.open(place, _DIRECTORY)
        try:
            with os.scandir(descriptor) as scan:
                self._compare(directory, rows, scan)
        finally:
            os.close(descriptor)

    def _compare(self, directory: str, rows: dict[str, Row], scan: Iterable[os.DirEntry[str]]) -> None:
        below = directory + "/" if directory else ""
        left = dict(rows)
        left.pop(".", None)
        uids, gids = self._uids, self._gids
        if is_cache(directory):
            scan = self._without_bytecode(directory, scan)
        for entry in scan:
            name = entry.name
            row = left.pop(name, None)
            if is_directory := entry.is_dir(follow_symlinks=False):
                self._pending.append(below + name)
                if name == CACHE and row is None:
                    continue
            if row is None:
                (self.new if is_directory else self.added).append(below + name)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                left[name] = row
                continue
            # Not a tuple of all three: building 11,000 of them takes a tenth of the whole comparison.
            if status.st_mode == row[2] and (uids is None or (status.st_uid in uids and status.st_gid in gids)):
                if status.st_mtime_ns == row[1] and status.st_size == row[0]:
                    continue
                if row[1] == NO_TIME and not row[3]:
                    continue
            self._tell(below + name, row, status)
        self.removed += [below + name for name, row in left.items() if not stat.S_ISDIR(row[2])]

    def _without_bytecode(self, directory: str, scan: Iterable[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
        """Compare the bytecode in *directory* and return the other entries."""
        known = self._snapshot.bytecode.get(directory, {})
        others = []
        for entry in scan:
            row = known.get(entry.name)
            if row is None:
                # Whatever else has such a name is no bytecode that an interpreter wrote.
                if BYTECODE.search(entry.name) and entry.is_file(follow_symlinks=False):
                    self.compiled.append(f"{directory}/{entry.name}")
                else:
                    others.append(entry)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
                others.append(entry)
            elif status.st_mtime_ns != row[1] or status.st_size != row[0]:
                self.recompiled.append(f"{directory}/{entry.name}")
        return others

    def _tell(self, path: str, row: Row, status: os.stat_result) -> None:
        was, now = stat.S_ISDIR(row[2]), stat.S_ISDIR(status.st_mode)
        if was and now:
            self.changed.append(path + "/")
        elif was:
            self.added.append(path)
        elif now:
            self.removed.append(path)
            self.new.append(path)
        elif status.st_mode != row[2] or not self._is_owned(status):
            self.changed.append(path)
        elif row[3]:
            if os.readlink(f"{self._root}/{path}") != row[3]:
                self.changed.append(path)
        else:
            (self.retimed if status.st_size == row[0] else self.changed).append(path)

    def _tell_missing_directories(self) -> None:
        for directory, rows in self._snapshot.directories.items():
            if directory in self._visited:
                continue
            self.gone.append(directory)
            below = directory + "/" if directory else ""
            self.removed += [below + name for name, row in rows.items() if not stat.S_ISDIR(row[2])]
            if not rows and not is_cache(directory):
                self.removed.append(directory + "/")

    def _tell_empty_directories(self) -> None:
        if not self.new:
            return
        occupied: set[str] = set()
        for path in self.added:
            occupied.update(parents(path))
        for directory in sorted(self.new, key=len, reverse=True):
            if directory not in occupied:
                self.added.append(directory + "/")
                occupied.update(parents(directory))


def parents(path: str) -> Iterator[str]:
    """Yield the directories above *path* (posix, relative), the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path
