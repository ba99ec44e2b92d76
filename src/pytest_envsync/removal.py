"""Remove directory trees, however they were left: closed, or nested deeper than a path may be long.

Standard library only, and little of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

_LONG = 500  # bytes below the top; systems take paths of 4096 bytes, or 1024
_OPEN = os.R_OK | os.W_OK | os.X_OK
_AS_WE_ARE = os.access in os.supports_effective_ids


def remove_tree(path: str) -> None:
    """Remove the directory at *path* with all that is in it; what is gone already is as good. Raises OSError.

    Closed directories are opened, links are not followed. Nothing here recurses: a test may nest directories by the
    thousand, each named by the one above, so that no path leads to them. Somebody else may be at it too.
    """
    # Each directory is in it twice: to be emptied, and then, when all that was in it is gone, to be removed.
    pending = [(path, False)]
    longest = len(os.fsencode(path)) + _LONG
    refilled: set[str] = set()
    while pending:
        directory, is_emptied = pending.pop()
        with suppress(FileNotFoundError):
            if not is_emptied:
                inside = list(_emptied(directory, path, longest))
                pending += [(directory, True), *inside]
            elif not _is_removed(directory):
                if directory in refilled:
                    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), directory)
                # A process that was left behind wrote into it, or somebody else moved up what lay deep.
                refilled.add(directory)
                pending.append((directory, False))


def _emptied(directory: str, top: str, longest: int) -> Iterator[tuple[str, bool]]:
    """Remove the files in *directory*, and yield its directories: they are next.

    One whose path is longer than *longest* bytes is moved right into *top* before.
    """
    for name, is_directory in _listed(directory):
        place = os.path.join(directory, name)
        with suppress(FileNotFoundError):  # somebody else removed it meanwhile
            if not is_directory:
                _unlink(place)
            elif len(os.fsencode(place)) > longest:
                yield _moved_up(place, top), False
            else:
                yield place, False


def _is_removed(directory: str) -> bool:
    """Remove *directory* unless something is in it."""
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        return False
    return True


def _listed(directory: str) -> list[tuple[str, bool]]:
    """Return the names in *directory*, which is opened if it is closed, and whether each is a directory."""
    if not stat.S_ISDIR(os.lstat(directory).st_mode):
        raise NotADirectoryError(f"`{directory}` is no directory")
    _open(directory)
    with os.scandir(directory) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


def _open(directory: str) -> None:
    if not os.access(directory, _OPEN, effective_ids=_AS_WE_ARE):
        with suppress(PermissionError):  # somebody else's; it may be empty
            os.chmod(directory, stat.S_IRWXU)


def _unlink(place: str) -> None:
    try:
        os.unlink(place)
    except PermissionError:
        if os.name != "nt":
            raise
        os.chmod(place, stat.S_IRUSR | stat.S_IWUSR)
        os.unlink(place)


def _moved_up(place: str, top: str) -> str:
    """Move the directory at *place* right into *top*, where its path is short again; return where it is."""
    short = os.path.join(top, f".{os.urandom(8).hex()}")
    _open(place)  # it is written to: it gets another parent
    os.rename(place, short)
    return short
