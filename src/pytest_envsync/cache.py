"""Where the cache is, and how processes meet in it.

One lock file per key, a private temporary directory, and an atomic rename: nothing else is
shared between processes.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from pytest_envsync import lock_file
from pytest_envsync.cache_location import cache_location
from pytest_envsync.errors import LockTimeout, StoreError, StrangeLockError

if TYPE_CHECKING:
    from pathlib import Path

    AnyPath = str | os.PathLike[str]

TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file marks a cache directory of pytest-envsync; see the Cache Directory Tagging Specification.\n"
)
_SIGNED = 4096  # bytes of a tag that are looked at
ELSEWHERE = "name another directory with --cache-dir or ENVSYNC_CACHE_DIR"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_POLL = 0.02  # seconds between two tries of a lock that is held


def cache_directory(cache_dir: str | None, environ: Mapping[str, str], *, cwd: str) -> Path:
    """Return the root of the cache, absolute; it need not exist. *cache_dir* is the setting."""
    from pathlib import Path

    return Path(cache_location(cache_dir, environ, cwd=cwd))


def make_root(root: AnyPath) -> None:
    """Make the cache directory, for its owner alone, if it is not there.

    One that cannot be made is told by what needs it.
    """
    with suppress(OSError):
        _make(root)


def make_cache(root: AnyPath) -> None:
    """Make the cache directory and its tag. Raises StoreError when it cannot be written."""
    tag = os.path.join(root, "CACHEDIR.TAG")
    if os.path.lexists(tag):
        return
    try:
        _make(root)
        # Never through a link; and another process may be first.
        with suppress(FileExistsError), open(tag, "x", encoding="utf-8") as file:
            file.write(TAG)
    except OSError as error:
        raise StoreError(
            f"the cache directory `{root}` cannot be written: {error.strerror or error}",
            hint=ELSEWHERE,
        ) from error


def is_tagged(root: AnyPath) -> bool:
    """Whether the directory has the tag that ``make_cache`` writes: other tools, and environments, have theirs.

    Lines that somebody added do not count. A tag is a plain file (Cache Directory Tagging Specification).
    """
    tag = os.path.join(root, "CACHEDIR.TAG")
    try:
        if not stat.S_ISREG(os.lstat(tag).st_mode):
            return False
        with open(tag, "rb") as file:
            lines = file.read(_SIGNED).splitlines()
    except OSError:
        return False
    signature, comment = TAG.encode().splitlines()
    return lines[:1] == [signature] and comment in lines


def _make(root: AnyPath) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(root)), exist_ok=True)
    try:
        os.mkdir(root, 0o700)
    except FileExistsError:
        if not os.path.isdir(root):
            raise


def cache_fault(error: OSError, what: str, root: AnyPath) -> StoreError:
    """Return what to say of an *error* that kept *what* from being written below the cache directory *root*."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StoreError(
            f"no space is left in the cache directory `{root}` for {what}: {reason}",
            hint=f"run `envsync cache prune`, or {ELSEWHERE}",
        )
    if error.errno in _DENIED:
        return StoreError(f"the cache directory `{root}` cannot be written: {reason}", hint=ELSEWHERE)
    place = f" (`{error.filename}`)" if error.filename else ""
    return StoreError(f"{what} cannot be kept in the cache directory `{root}`: {reason}{place}")


def lock_timeout(environ: Mapping[str, str]) -> float:
    """Return how long to wait for a lock, in seconds (``UV_LOCK_TIMEOUT``, 300)."""
    try:
        return float(environ.get("ENVSYNC_LOCK_TIMEOUT") or environ.get("UV_LOCK_TIMEOUT") or 300)
    except ValueError:
        return 300.0


Waiting = Callable[[str, float], None]
"""Told who holds a lock (a process id as text, maybe empty) and the seconds waited: at first, then each second."""

SELDOM = 60.0
"""The longest time in seconds between two words on one wait."""


def now_and_then(tell: Waiting, *, after: float = 0.0) -> Waiting:
    """Return what tells *tell* less and less often: after 1, 2, 4, 8 seconds and so on, and nothing before *after*."""
    due = after

    def waiting(holder: str, seconds: float) -> None:
        nonlocal due
        if seconds >= due:
            due = max(1.0, seconds + min(seconds, SELDOM) - 0.5)
            tell(holder, seconds)

    return waiting


@contextmanager
def exclusive(
    path: AnyPath,
    *,
    timeout: float,
    waiting: Waiting | None = None,
    unlocked: Callable[[str], object] | None = None,
    optional: bool = False,
) -> Iterator[bool]:
    """Hold the lock file *path* alone; the holder's process id stands in it.

    Yields whether it is held: where the file system has no locks it is not, and *unlocked* is told so in a sentence.
    Work then goes on; what would take something away from others must not. Raises LockTimeout after *timeout*
    seconds, and StoreError when the file is not there and cannot be made: with *optional* that is as if there
    were no locks.
    """
    with ExitStack() as stack:
        is_held = False
        try:
            is_held = stack.enter_context(_held(path, timeout=timeout, waiting=waiting, unlocked=unlocked))
        except StoreError as error:
            if not optional:
                raise
            if unlocked is not None:
                unlocked(str(error))
        yield is_held


@contextmanager
def shared(path: AnyPath, *, timeout: float, waiting: Waiting | None = None, make: bool = True) -> Iterator[bool]:
    """Hold the lock file *path* together with others: what ``exclusive`` on the same file waits for.

    Without *make* nothing is written, for those who only look. Yields whether it is held: where there are no locks, or
    the file is not there and not made, it is not. Raises LockTimeout when somebody has it alone for more than
    *timeout* seconds.
    """
    with ExitStack() as stack:
        is_held = False
        with suppress(StoreError):
            is_held = stack.enter_context(_held(path, is_shared=True, timeout=timeout, waiting=waiting, make=make))
        yield is_held


@contextmanager
def _held(
    path: AnyPath,
    *,
    timeout: float,
    is_shared: bool = False,
    waiting: Waiting | None = None,
    unlocked: Callable[[str], object] | None = None,
    make: bool = True,
) -> Iterator[bool]:
    if sys.platform == "win32":
        with _held_by_library(path, is_shared=is_shared, timeout=timeout, waiting=waiting) as is_held:
            yield is_held
        return
    deadline = time.monotonic() + timeout
    descriptor = _open_lock(path, make=make)
    try:
        is_held = True
        try:
            _lock(descriptor, path, is_shared=is_shared, timeout=timeout, waiting=waiting)
            while not lock_file.is_there(descriptor, path):
                # Whoever held it has removed it: the next one locks another file.
                os.close(descriptor)
                descriptor = -1
                descriptor = _open_lock(path, make=make, is_again=True)
                left = max(0.0, deadline - time.monotonic())
                _lock(descriptor, path, is_shared=is_shared, timeout=left, waiting=waiting)
        except OSError as error:
            is_held = False
            if unlocked is not None:
                reason = error.strerror or error
                unlocked(f"`{path}` cannot be locked, so two processes may be in each other's way: {reason}")
        if is_held and not is_shared:
            with suppress(OSError):  # opened for reading, or the disk is full: nobody can tell who holds it
                lock_file.write_holder(descriptor)
        yield is_held
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def drop_lock(path: AnyPath) -> None:
    """Remove the lock file *path*, which the caller holds alone; whoever waits for it makes another."""
    if sys.platform != "win32":  # there nobody can remove what others have open
        with suppress(OSError):
            os.unlink(path)


def _open_lock(path: AnyPath, *, make: bool, is_again: bool = False) -> int:
    """Open the lock file, with *make* made if it is missing; for reading where it belongs to somebody else."""
    try:
        if make and not is_again:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        return lock_file.open_lock(path, make=make)
    except lock_file.NotALockFileError as error:
        raise StrangeLockError(
            f"the lock file `{os.fspath(path)}` is not one of ours: {error.strerror}",
            hint="remove it, and do it again: what it leads to is left alone",
        ) from error
    except OSError as error:
        with suppress(OSError):
            return lock_file.open_lock(path, make=False)
        reason = error.strerror or error
        raise StoreError(f"the lock file `{path}` cannot be written: {reason}", hint=ELSEWHERE) from error


def _lock(descriptor: int, path: AnyPath, *, is_shared: bool, timeout: float, waiting: Waiting | None) -> None:
    began = time.monotonic()
    said = -1.0
    while True:
        try:
            lock_file.try_lock(descriptor, is_shared=is_shared)
        except BlockingIOError:  # noqa: PERF203 - between two tries it sleeps
            waited = time.monotonic() - began
            holder = os.pread(descriptor, lock_file.HOLDER, 0).decode("ascii", "replace").strip()
            if waited > timeout:
                raise LockTimeout(
                    f"process {holder or 'unknown'} has held `{path}` for more than {timeout:.0f} s",
                    hint="wait for it or end it; UV_LOCK_TIMEOUT sets how long to wait, in seconds",
                ) from None
            if waiting is not None and waited - said >= 1:
                waiting(holder, waited)
                said = waited
            time.sleep(_POLL)
        else:
            return


@contextmanager
def _held_by_library(path: AnyPath, *, is_shared: bool, timeout: float, waiting: Waiting | None) -> Iterator[bool]:
    if is_shared:
        yield False
        return
    from filelock import FileLock, Timeout

    os.makedirs(os.path.dirname(path), exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting is not None:
            waiting("", 0.0)
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise LockTimeout(f"another process has held `{path}` for more than {timeout:.0f} s") from None
    try:
        yield True
    finally:
        lock.release()
