"""What an environment was at one moment, kept in one small file.

Standard library only: this module also runs inside session environments. A snapshot is
written with ``marshal``, which reads 11,000 rows in 3 ms, behind a checksum.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import marshal
import os
import stat
from errno import EINVAL
from io import FileIO
from zlib import crc32

from pytest_envsync.atomic import write_at_once
from pytest_envsync.patterns import pattern
from pytest_envsync.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    # For type checkers only: an interpreter of a session may be too old for the notation.
    Row = tuple[int, int, int, str]
    """Of one entry: size in bytes, mtime in ns, ``st_mode``, link target.

    Only regular files have a size and a time (others: 0 and ``NO_TIME``), only symbolic links a target.
    """

    Digests = dict[str, dict[str, bytes]]
    """Directory to file name to sha256, for the files of which it is known."""

NO_TIME = -1
CACHE = "__pycache__"
BYTECODE = pattern(r".\.cpython-\d+t?(?:\.opt-\w+)?\.pyc$")
"""Names in ``__pycache__`` that never count."""

_REWRITTEN = pattern(r".\.cpython-\d+t?-pytest-[^/]+\.py[co]$")
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_MAGIC = b"envsync-snapshot-3\n"


class Snapshot(NamedTuple):
    """An environment at one moment.

    *directories* maps each directory (posix, relative to the prefix, ``""`` for the prefix itself)
    to its entries by name; ``"."`` in the prefix's own is the prefix. *bytecode* maps ``__pycache__``
    directories to the names in them that do not count, with size and mtime in ns. *owners* are all pairs of user and
    group that its entries belonged to, the prefix's first; none when they do not count.
    """

    directories: dict[str, dict[str, Row]]
    bytecode: dict[str, dict[str, tuple[int, int]]]
    owners: tuple[tuple[int, int], ...] = ()


def is_cache(directory: str) -> bool:
    """Whether *directory* (posix) is one for bytecode."""
    return directory.endswith(CACHE) and directory.rpartition("/")[2] == CACHE


def is_bytecode(path: str) -> bool:
    """Whether the file at *path* (posix) never counts."""
    directory, _, name = path.rpartition("/")
    return is_cache(directory) and BYTECODE.search(name) is not None


def is_rewritten(path: str) -> bool:
    """Whether the file at *path* (posix) is bytecode of a module that pytest rewrote, by its name."""
    directory, _, name = path.rpartition("/")
    return is_cache(directory) and _REWRITTEN.search(name) is not None


def row_of(status: os.stat_result, target: str = "") -> Row:
    """Return the row of an entry from its ``lstat``; *target* is that of a symbolic link."""
    if stat.S_ISREG(status.st_mode):
        return (status.st_size, status.st_mtime_ns, status.st_mode, "")
    return (0, NO_TIME, status.st_mode, target)


def take_snapshot(prefix: str | os.PathLike[str]) -> Snapshot:
    """Return what is below *prefix* now. Raises OSError when a part of it cannot be read."""
    root = os.fspath(prefix)
    directories: dict[str, dict[str, Row]] = {}
    bytecode: dict[str, dict[str, tuple[int, int]]] = {}
    prefix_status = os.stat(root)
    owners = {(prefix_status.st_uid, prefix_status.st_gid): None}
    pending = [""]
    while pending:
        directory = pending.pop()
        rows: dict[str, Row] = {}
        compiled: dict[str, tuple[int, int]] = {}
        below = directory + "/" if directory else ""
        in_cache = is_cache(directory)
        with os.scandir(f"{root}/{directory}") as entries:
            for entry in entries:
                name = entry.name
                is_compiled = in_cache and (BYTECODE.search(name) or _REWRITTEN.search(name))
                if is_compiled and not entry.is_dir(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    compiled[name] = (status.st_size, status.st_mtime_ns)
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(below + name)
                    if name == CACHE:
                        continue
                target = os.readlink(entry.path) if entry.is_symlink() else ""
                status = entry.stat(follow_symlinks=False)
                owners[status.st_uid, status.st_gid] = None
                rows[name] = row_of(status, target)
        directories[directory] = rows
        if compiled:
            bytecode[directory] = compiled
    directories[""]["."] = row_of(prefix_status)
    return Snapshot(directories, bytecode, tuple(owners))


def save_snapshot(snapshot: Snapshot, path: str | os.PathLike[str]) -> None:
    """Write *snapshot* to *path*, at once or not at all."""
    # Version 2 has no references between objects and is read by every Python 3.
    data = marshal.dumps((snapshot.directories, snapshot.bytecode, snapshot.owners), 2)
    write_at_once(path, _MAGIC + crc32(data).to_bytes(4, "big") + data)


def load_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """Read a snapshot. Raises OSError, and ValueError when the file is damaged."""
    with open(path, "rb") as file:
        content = file.read()
    data = memoryview(content)[len(_MAGIC) + 4 :]
    if content[: len(_MAGIC)] != _MAGIC or crc32(data).to_bytes(4, "big") != content[len(_MAGIC) : len(_MAGIC) + 4]:
        raise ValueError(f"`{os.fspath(path)}` is damaged, or written by another version")
    directories, bytecode, owners = marshal.loads(data)  # noqa: S302 - our own file; its checksum was just compared
    return Snapshot(directories, bytecode, owners)


def digest_of(path: str) -> bytes:
    """Return the sha256 of a regular file; empty for anything else. Raises OSError."""
    from hashlib import sha256

    if not stat.S_ISREG(os.lstat(path).st_mode):
        return b""
    digest = sha256()
    with open_regular(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def open_regular(path: str) -> FileIO:
    """Open a regular file to read; a FIFO that stands in its place is not waited for. Raises OSError."""
    descriptor = os.open(path, _READ)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(EINVAL, "not a regular file", path)
    return FileIO(descriptor)
