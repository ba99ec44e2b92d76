"""Make the environment of ``--venv``: one process at a time, and only if it is not there.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_envsync.environment.discovery import find_target
from pytest_envsync.narration import SilentReporter
from pytest_envsync.true_paths import resolved

if TYPE_CHECKING:
    from pytest_envsync.narration import Reporter
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.target import Target


def find_or_make(
    options: SyncOptions,
    *,
    cwd: str,
    environ: Mapping[str, str],
    cache_dir: str | os.PathLike[str],
    reporter: Reporter | None = None,
) -> tuple[Target, bool]:
    """Return the place that *options* mean (``find_target``), and whether its directory was made just now.

    What another process is making is waited for: half made it would look like the remains of one that was killed.
    """
    told = reporter or SilentReporter()
    place = None if options.venv is None else resolved(os.path.join(cwd, os.path.expanduser(options.venv)))
    if place is None or os.path.isfile(os.path.join(place, "pyvenv.cfg")):
        return find_target(options, cwd=cwd, environ=environ, cache_dir=cache_dir, reporter=told), False
    with _making(place, cache_dir, environ=environ, reporter=told):
        is_new = not os.path.exists(place)
        return find_target(options, cwd=cwd, environ=environ, cache_dir=cache_dir, reporter=told), is_new


@contextmanager
def _making(
    place: str, cache_dir: str | os.PathLike[str], *, environ: Mapping[str, str], reporter: Reporter
) -> Iterator[None]:
    """Hold what keeps others from making an environment at *place*, which is not there or half made."""
    import hashlib

    from pytest_envsync.cache import exclusive, lock_timeout

    def waiting(holder: str, seconds: float) -> None:
        if seconds >= 1:
            reporter.note(f"waiting for process {holder or '?'} to make {place} ({seconds:.0f} s)")

    name = hashlib.sha256(os.fsencode(os.path.realpath(place))).hexdigest()[:24]
    path = f"{os.fspath(cache_dir)}/locks/making-{name}.lock"
    with exclusive(path, timeout=lock_timeout(environ), waiting=waiting, unlocked=reporter.warn, optional=True):
        yield
