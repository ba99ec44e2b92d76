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
    for error in _removing(path):
        raise error


def discard_tree(path: str | os.PathLike[str]) -> None:
    """Remove what can be removed of the directory at *path*, as ``remove_tree`` does; the rest stays."""
    for _ in _removing(os.fspath(path)):
        pass


def _removing(top: str) -> Iterator[OSError]:
    """Remove the tree at *top*, and yield what keeps something in it."""
    # Each directory is in it twice: to be emptied, and then, when all that was in it is gone, to be removed.
    pending = [(top, False)]
    longest = len(os.fsencode(top)) + _LONG
    refilled: set[str] = set()
    has_failed = False
    while pending:
        directory, is_emptied = pending.pop()
        try:
            if is_emptied:
                if _is_removed(directory, is_last=has_failed or directory in refilled):
                    continue
                # A process that was left behind wrote into it, or somebody else moved up what lay deep.
                refilled.add(directory)
            listed = _listed(directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            has_failed = True
            yield error
            continue
        pending.append((directory, True))
        for name, is_directory in listed:
            place = os.path.join(directory, name)
            try:
                if not is_directory:
                    _unlink(place)
                else:
                    is_long = len(os.fsencode(place)) > longest
                    pending.append((_moved_up(place, top) if is_long else place, False))
            except FileNotFoundError:
                continue  # somebody else removed it meanwhile
            except OSError as error:
                has_failed = True
                yield error


def _is_removed(directory: str, *, is_last: bool) -> bool:
    """Remove *directory* unless something is in it, which is an error when *is_last*."""
    try:
        os.rmdir(directory)
    except OSError as error:
        if is_last or error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
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
