"""One process at a time changes an environment.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_envsync.cache import exclusive, lock_timeout, now_and_then, shared

if TYPE_CHECKING:
    from pytest_envsync.narration import Reporter


@contextmanager
def environment_lock(
    prefix: str, *, environ: Mapping[str, str], reporter: Reporter, is_dry: bool = False
) -> Iterator[None]:
    """Hold the lock of the environment at *prefix*; that it cannot be locked is only a warning.

    A dry run waits for whoever changes the environment, and writes nothing: there need not be a lock file.

    Raises StrangeLockError when what stands in its place is none, and
    LockTimeout: going on would undo, or mix with, what the other process is doing.
    """

    def waiting(holder: str, seconds: float) -> None:
        reporter.note(f"waiting for process {holder or '?'} to leave {prefix} ({seconds:.0f} s)")

    if not os.path.isdir(prefix):
        # A dry run of an environment that would be made.
        yield
        return
    timeout = lock_timeout(environ)
    path, told = f"{prefix}/.lock", now_and_then(waiting)
    if is_dry:
        with shared(path, timeout=timeout, waiting=told, make=False):
            yield
        return
    with exclusive(path, timeout=timeout, waiting=told, unlocked=reporter.warn, optional=True):
        yield
