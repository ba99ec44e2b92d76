"""What tells whether a file is still the one that was seen, without reading it.

One answer for everybody who asks, so that no two parts of a run judge one file differently. Standard library only, and
little of it: this is imported where milliseconds count.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os

Stamp = tuple[int, int, int, int]
"""Time of the content and of the inode (both in nanoseconds), size in bytes, inode."""


def stamp_of(path: str) -> Stamp | None:
    """Return the stamp of a file or directory, of what a symbolic link leads to; None when it is not there.

    A file that is put in the place of another one may have its time and size (``cp -p``, rsync, a store that gives
    every file the same time); it has another inode, or its inode another time, which nobody sets back. An
    unpacked archive has both, so that what was noted of the files in it counts for nothing, and they are read again.
    Raises OSError when it cannot be looked at.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - plain text
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def is_same_file(first: str, second: str) -> bool:
    """Whether two paths lead to one file or directory; those of what is not there are compared as they are."""
    try:
        return os.path.samefile(first, second)  # noqa: PTH121 - plain text
    except OSError:
        return os.path.normpath(first) == os.path.normpath(second)
