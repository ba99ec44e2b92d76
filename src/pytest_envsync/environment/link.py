"""Place files of the store in an environment: clone, hard link, copy or symbolic link.

A clone or a copy has an inode of its own, may be written, and keeps the time of its source, because bytecode is
valid only for that time. A hard link is the store's own inode, which nobody may write.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from pytest_envsync.atomic import name_beside
from pytest_envsync.errors import InstallError, UsageError

LINK_MODES = ("clone", "hardlink", "copy", "symlink")
_FALLBACKS = {
    None: ("clone", "hardlink", "copy"),
    "clone": ("clone", "hardlink", "copy"),
    "hardlink": ("hardlink", "copy"),
    "symlink": ("symlink", "copy"),
    "copy": ("copy",),
}
_FICLONE = 0x40049409  # linux/fs.h
_CHUNK = 1 << 20
_UNSUPPORTED = {
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EINVAL,
    errno.ENOTTY,
}
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

Place = Callable[[str, str, int, int], None]
"""Source, destination (which must not exist), the mode in the store, and the time in nanoseconds."""


def check_link_mode(link_mode: str | None, *, no_cache: bool) -> None:
    """Refuse what cannot work, before anything is touched. Raises UsageError."""
    if link_mode is not None and link_mode not in LINK_MODES:
        raise UsageError(f"unknown link mode `{link_mode}` (expected one of: {', '.join(LINK_MODES)})")
    if link_mode == "symlink" and no_cache:
        raise UsageError(
            "symbolic links cannot point into a cache that is removed at the end (--link-mode symlink with --no-cache)",
            hint="leave out one of the two, or use --link-mode copy",
        )


def choose_link_mode(link_mode: str | None, source: str, directory: str) -> tuple[str, str | None]:
    """Return the link mode that works between the store and *directory*, and a warning if it is second choice.

    It is tried with *source*, a file of the store; what the trial makes in *directory* is removed. None is
    clone, else hard link, else copy.
    """
    *modes, last = _FALLBACKS[link_mode]
    for mode in modes:
        if _works(mode, source, directory):
            return mode, None
    if not modes:
        return last, None
    what = "symbolic links" if modes == ["symlink"] else "hard links"
    return last, f"{what} into the cache are not possible in `{directory}`, so files are copied (--link-mode copy)"


def _works(mode: str, source: str, directory: str) -> bool:
    trial = f"{directory}/trial"
    try:
        if mode == "hardlink":
            os.link(source, trial)
        else:
            placing(mode)(source, trial, 0, 0)
        os.unlink(trial)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise InstallError(f"`{source}` cannot be placed in `{directory}`: {error.strerror or error}") from error
    return True


def placing(mode: str) -> Place:
    """Return the function that places one file by *mode*; it raises OSError."""
    return {"clone": clone_file, "hardlink": link_file, "copy": copy_file, "symlink": symlink_file}[mode]


def link_file(source: str, destination: str, mode: int, time: int) -> None:
    """Make *destination* the same inode as *source*; where one more link of it is refused, a copy."""
    try:
        os.link(source, destination)
    except OSError as error:
        if error.errno == errno.EMLINK:
            _renew(source)
            os.link(source, destination)
        elif error.errno in _UNSUPPORTED:
            copy_file(source, destination, mode, time)
        else:
            raise


def symlink_file(source: str, destination: str, mode: int, time: int) -> None:  # noqa: ARG001 - see Place
    """Make *destination* a symbolic link to *source*."""
    os.symlink(source, destination)


def clone_file(source: str, destination: str, mode: int, time: int) -> None:
    """Make *destination* share the blocks of *source* until one of them is written."""
    if sys.platform == "darwin":
        _clone_on_macos(source, destination)
        os.chmod(destination, 0o755 if mode & 0o111 else 0o644)
        os.utime(destination, ns=(time, time))
        return
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "no cloning here", destination)
    import fcntl

    reading = os.open(source, os.O_RDONLY | _BINARY)
    try:
        writing = _create(destination, mode)
        try:
            fcntl.ioctl(writing, _FICLONE, reading)
            os.utime(writing, ns=(time, time))
        except OSError:
            os.unlink(destination)
            raise
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def copy_file(source: str, destination: str, mode: int, time: int) -> None:
    """Copy *source* to *destination*, which the user may write."""
    reading = os.open(source, os.O_RDONLY | _BINARY)
    try:
        writing = _create(destination, mode)
        try:
            _copy_content(reading, writing)
            if os.utime in os.supports_fd:
                os.utime(writing, ns=(time, time))
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    if os.utime not in os.supports_fd:
        os.utime(destination, ns=(time, time))


def write_file(destination: str, content: bytes, mode: int) -> None:
    """Write a new file with *mode* less the umask; *destination* must not exist."""
    writing = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(writing, view) :]
    finally:
        os.close(writing)


def replace_file(source: str, destination: str, link_mode: str, *, mode: int, time: int) -> None:
    """Place *source* at *destination* in the stead of what stands there, in one step.

    For repairs of single files; *link_mode* is one of LINK_MODES. Raises OSError.
    """
    beside = name_beside(destination)
    try:
        placing(link_mode)(source, beside, mode, time)
        os.replace(beside, destination)
        if os.path.lexists(beside):  # renaming one link of an inode over another does nothing (POSIX)
            os.unlink(beside)
    except OSError:
        if os.path.lexists(beside):
            os.unlink(beside)
        raise


def _create(destination: str, mode: int) -> int:
    return os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o777 if mode & 0o111 else 0o666)


def _copy_content(reading: int, writing: int) -> None:
    if sys.platform == "linux":
        try:
            while os.copy_file_range(reading, writing, _CHUNK * 64):
                pass
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        else:
            return
    while content := os.read(reading, _CHUNK):
        view = memoryview(content)
        while view:
            view = view[os.write(writing, view) :]


def _renew(source: str) -> None:
    """Give a file of the store a fresh inode: file systems bound how many links one may have.

    Environments keep the old inode, whose content is the same.
    """
    status = os.stat(source)
    beside = name_beside(source)
    try:
        copy_file(source, beside, status.st_mode, status.st_mtime_ns)
        os.chmod(beside, status.st_mode & 0o7777)
        os.replace(beside, source)
    except OSError:
        if os.path.lexists(beside):
            os.unlink(beside)
        raise


def _clone_on_macos(source: str, destination: str) -> None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if library.clonefile(os.fsencode(source), os.fsencode(destination), 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), destination)
