"""Where the cache is, and how processes meet in it.

One lock file per key, a private temporary directory, and an atomic rename: nothing else is
shared between processes.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_envsync.cache_location import cache_location
from pytest_envsync.errors import LockTimeout, StoreError

TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file marks a cache directory of pytest-envsync; see the Cache Directory Tagging Specification.\n"
)
_POLL = 0.02  # seconds between two tries of a lock that is held


def cache_directory(cache_dir: str | None, environ: Mapping[str, str], *, cwd: str) -> Path:
    """Return the root of the cache, absolute; it need not exist. *cache_dir* is the setting."""
    return Path(cache_location(cache_dir, environ, cwd=cwd))


def make_root(root: Path) -> None:
    """Make the cache directory, for its owner alone, if it is not there.

    One that cannot be made is told by what needs it.
    """
    with suppress(OSError):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_cache(root: Path) -> None:
    """Make the cache directory and its tag. Raises StoreError when it cannot be written."""
    tag = root / "CACHEDIR.TAG"
    if tag.exists():
        return
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        tag.write_text(TAG, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"the cache directory `{root}` cannot be written: {error.strerror or error}",
            hint="name another one with --cache-dir or ENVSYNC_CACHE_DIR",
        ) from error


def lock_timeout(environ: Mapping[str, str]) -> float:
    """Return how long to wait for a lock, in seconds (``UV_LOCK_TIMEOUT``, 300)."""
    try:
        return float(environ.get("ENVSYNC_LOCK_TIMEOUT") or environ.get("UV_LOCK_TIMEOUT") or 300)
    except ValueError:
        return 300.0


@contextmanager
def exclusive(path: Path, *, timeout: float, waiting: Callable[[str, float], None] | None = None) -> Iterator[None]:
    """Hold the lock file *path*; the holder's process id stands in it.

    *waiting* is called with the holder's id (text, maybe empty) and the seconds waited: once at
    the beginning, then each second. Raises LockTimeout after *timeout* seconds and OSError
    where the file system has no locks.
    """
    if sys.platform == "win32":
        with _exclusive_by_library(path, timeout=timeout, waiting=waiting):
            yield
        return
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        began = time.monotonic()
        said = -1.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = time.monotonic() - began
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                if waited > timeout:
                    raise LockTimeout(
                        f"process {holder or 'unknown'} has held `{path}` for more than {timeout:.0f} s",
                        hint="wait for it or end it; UV_LOCK_TIMEOUT sets how long to wait, in seconds",
                    ) from None
                if waiting is not None and waited - said >= 1:
                    waiting(holder, waited)
                    said = waited
                time.sleep(_POLL)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _exclusive_by_library(
    path: Path, *, timeout: float, waiting: Callable[[str, float], None] | None
) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(path))
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
        yield
    finally:
        lock.release()
