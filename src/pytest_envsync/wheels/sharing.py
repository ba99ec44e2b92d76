"""Hold a lock file together with others: what ``cache.exclusive`` on the same file waits for.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_envsync.errors import LockTimeout

_POLL = 0.02  # seconds between two tries


@contextmanager
def shared(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock file *path*; any number of holders may be at it.

    Raises LockTimeout when somebody has it alone for more than *timeout* seconds. Where there are no locks, or the file
    cannot be made, nothing is held.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        yield
        return
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockTimeout(
                        f"another process has held `{path}` for more than {timeout:.0f} s",
                        hint="wait for it or end it",
                    ) from None
                time.sleep(_POLL)
            except OSError:
                break  # a file system without locks
        yield
    finally:
        os.close(descriptor)
