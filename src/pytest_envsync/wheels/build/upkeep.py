"""Remove what builds left and nobody used for long: their environments, sdists, clones, logs and notes.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.cache import exclusive
from pytest_envsync.errors import LockTimeout
from pytest_envsync.removal import remove_tree
from pytest_envsync.wheels.store.upkeep import measure

if TYPE_CHECKING:
    from pytest_envsync.wheels.store.store import Store

_DAY = 86400.0
_HALF_MADE = _DAY  # seconds after which an environment without a snapshot is one that was cut short


def prune_builds(store: Store, *, older_than_days: float = 60, ci: bool = False, now: float | None = None) -> int:
    """Remove what was not used for so many days in the cache of *store*; return the bytes that gave back.

    With *ci* every environment of a build goes, which is made of wheels that an index has, and every sdist. While
    something is built, or where that cannot be told for want of locks, nothing is removed.
    """
    moment = time.time() if now is None else now
    age = older_than_days * _DAY
    root = Path(store.root)
    freed = 0
    with suppress(LockTimeout), exclusive(store.use_lock, timeout=0) as is_held:
        for place in _unused(root, moment, age, cheap=0.0 if ci else age) if is_held else ():
            with suppress(OSError):
                size = measure(place)
                # The snapshot first: an environment without one is used by nobody.
                place.with_suffix(".snapshot").unlink(missing_ok=True)
                if place.is_dir():
                    remove_tree(str(place))
                else:
                    place.unlink(missing_ok=True)
                freed += size
        for home in (*root.glob("build-environments/*"), *root.glob("archives/*")):
            with suppress(OSError):
                home.rmdir()  # one that is empty
    return freed


def _unused(root: Path, moment: float, age: float, *, cheap: float) -> Iterator[Path]:
    """Yield what is older than *age* seconds, or than *cheap* where it can be had again without a build."""
    for place in root.glob("build-environments/*/*"):
        if place.is_dir():
            snapshot = place.with_suffix(".snapshot")
            used, limit = (snapshot, cheap) if snapshot.exists() else (place, _HALF_MADE)
            if moment - used.stat().st_mtime >= limit:
                yield place
    limits = {"git/*": age, "metadata/*/*": age, "sdists/*/*": age, "logs/*": age, "archives/*/*": cheap}
    for pattern, limit in limits.items():
        for place in root.glob(pattern):
            if moment - place.stat().st_mtime >= limit:
                yield place
