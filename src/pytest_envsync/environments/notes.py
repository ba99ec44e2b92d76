"""Clear the cache of small files that speak of what is long gone, and of what killed processes left half-made.

What is removed here is never missed: it costs a look, a question or a start of an interpreter to have it again.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pytest_envsync.cache import drop_lock, exclusive
from pytest_envsync.environments.generations import remove_tree
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.leases import DAY, process_start
from pytest_envsync.wheels.store.spoiled import forget_spoiled

UNREFERENCED = 60
"""How long a wheel is kept that no environment was made of, in days; and what is known of a question."""

_DAYS = {
    "questions/*": UNREFERENCED,
    "memo/*/*": UNREFERENCED,
    "remembered/*": UNREFERENCED,
    "probes/*": UNREFERENCED,
    "templates/*": UNREFERENCED,
    "interpreters/*": UNREFERENCED,
    "index/*/*": UNREFERENCED,
    "scratch/*": 1,
    # Only what killed processes left half-written there: each of these files slows down or blocks a short way.
    "environments/*/.*": 1,
    "environments/*/leases/.*": 1,
    "spoiled/.*": 1,
    "synced/.*": 1,
}
"""Days after which a file, or a directory with all in it, goes; counted from when it was last written to."""

_HALF_WRITTEN = 1
_UNHELD = 14


def clear_notes(cache_dir: Path, *, now: float) -> None:
    """Remove from the cache what was not written to for long, and notes of environments that are gone.

    What a living process has in its hands stays: a lock that is held, and its scratch directory.
    """
    for pattern, days in _DAYS.items():
        for path in cache_dir.glob(pattern):
            with suppress(OSError, EnvsyncError):
                if pattern.startswith("environments/") and _is_behind_link(path, cache_dir):
                    continue
                is_rest = path.name.startswith(".")
                if pattern == "scratch/*" and _is_held(path):
                    continue
                if now - path.stat().st_mtime >= (_HALF_WRITTEN if is_rest else days) * DAY:
                    remove_tree(str(path)) if path.is_dir() else path.unlink()
    for path in _notes_of_what_is_gone(cache_dir):
        with suppress(OSError):
            if now - path.stat().st_mtime >= _UNHELD * DAY:
                path.unlink()
    _clear_locks(cache_dir, now)
    forget_spoiled(cache_dir, now=now)


def _is_behind_link(path: Path, cache_dir: Path) -> bool:
    """Whether a link leads from *cache_dir* to *path*: what is there may be somebody else's."""
    above = path.relative_to(cache_dir).parents
    return any((cache_dir / part).is_symlink() for part in above if part.name)


def _is_held(scratch: Path) -> bool:
    """Whether the process lives that *scratch* is named after; what it works at may have an old time."""
    try:
        return process_start(int(scratch.name.partition("-")[0])) is not None
    except ValueError:
        return False


def _notes_of_what_is_gone(cache_dir: Path) -> Iterator[Path]:
    """Yield what is noted of environments and interpreters that are not where they were."""
    for pattern, key in (("synced/*", "path"), ("interpreters/*", "executable")):
        for path in cache_dir.glob(pattern):
            with suppress(OSError, ValueError, KeyError, TypeError):
                if not os.path.lexists(json.loads(path.read_bytes())[key]):
                    yield path


def _clear_locks(cache_dir: Path, now: float) -> None:
    """Remove lock files that nobody took for long, each of them under itself."""
    for path in cache_dir.glob("locks/*.lock"):
        with suppress(OSError, EnvsyncError):
            if now - path.stat().st_mtime >= _UNHELD * DAY:
                with exclusive(path, timeout=0) as is_held:
                    if is_held:
                        drop_lock(path)
