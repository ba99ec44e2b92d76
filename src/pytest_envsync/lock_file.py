"""Open and lock a lock file (flock), and see that it still is the one at its path.

Standard library only, and little of it: the command in the environment waits for it. Raises OSError throughout; where
there is no ``fcntl``, ImportError.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import os
import stat

# A FIFO in its place must not be waited for; a link must not lead to a file of somebody else.
_SAFE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


HOLDER = 20
"""Bytes of a lock file that name its holder: the process id, and spaces."""


class NotALockFileError(OSError):
    """What stands at the path of a lock file is a link, a directory or something else that is no file of its own."""


def open_lock(path: str | os.PathLike[str], *, make: bool) -> int:
    """Open the lock file at *path* and return its descriptor; with *make* it is made if it is missing, and writable.

    Raises NotALockFileError for what is no regular file.
    """
    flags = os.O_RDWR | os.O_CREAT if make else os.O_RDONLY
    try:
        descriptor = os.open(path, flags | _SAFE, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) or os.path.islink(path):  # noqa: PTH114 - plain text
            raise NotALockFileError(error.errno, "it is a link", os.fspath(path)) from error
        if error.errno in (errno.EISDIR, errno.ENXIO):
            raise NotALockFileError(error.errno, "it is no file", os.fspath(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotALockFileError(errno.EINVAL, "it is no file", os.fspath(path))
    return descriptor


def try_lock(descriptor: int, *, is_shared: bool = False) -> None:
    """Lock an open lock file. Raises BlockingIOError while somebody else holds it, OSError where there are no locks."""
    import fcntl

    fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def is_there(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Whether the open file is the one at *path*: whoever held the lock may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def write_holder(descriptor: int) -> None:
    """Put this process's id into a lock file that is held, for those who wait.

    One that has several names is left as it is: its content may be somebody else's.
    """
    status = os.fstat(descriptor)
    if status.st_nlink == 1:
        # Not emptied first: ext4 then writes the new content to the disk at once, and the sync waits for it.
        os.pwrite(descriptor, str(os.getpid()).ljust(HOLDER).encode(), 0)
        if status.st_size > HOLDER:
            os.ftruncate(descriptor, HOLDER)
