"""Look after the cached environments: list, remove, prune.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.cache import drop_lock, exclusive
from pytest_envsync.environments.generations import (
    Generation,
    Record,
    current,
    generations,
    homes,
    is_empty,
    key_lock_file,
    load_record,
    read_record,
    remove_tree,
)
from pytest_envsync.environments.notes import UNREFERENCED, clear_notes
from pytest_envsync.environments.places import find_key
from pytest_envsync.environments.provision import key_lock
from pytest_envsync.environments.request import EnvironmentListing, Pruned
from pytest_envsync.environments.standing_links import is_behind_link
from pytest_envsync.errors import LockTimeout, StoreError, UsageError
from pytest_envsync.leases import DAY, PRUNED, USED, held_leases, is_prune_due
from pytest_envsync.target import implementation_title
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine

UNUSED = 14 * DAY
"""How long an environment is kept after its last use, in seconds."""


class _Known(NamedTuple):
    """A key that has an environment: where it is, its newest generation, and when it was last used."""

    home: str
    generation: Generation
    record: Record
    last_used: float


def _known(environments: str) -> Iterator[_Known]:
    for home in homes(environments):
        generation = current(home) or next(iter(generations(home)), None)
        if generation is None:
            continue
        with suppress(StoreError, OSError):
            yield _Known(home, generation, load_record(generation.record), _last_used(home))


def _last_used(home: str) -> float:
    try:
        return os.stat(os.path.join(home, USED)).st_mtime
    except FileNotFoundError:
        return os.stat(home).st_mtime


def _listing(known: _Known) -> EnvironmentListing:
    from pytest_envsync.wheels.store.upkeep import measure

    return EnvironmentListing(
        key=known.generation.key,
        path=known.generation.prefix,
        python=known.record.python,
        created=known.record.created,
        last_used=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(known.last_used)),
        size=measure(known.home),
        leases=len(held_leases(known.generation.leases)),
        release=f"{implementation_title(known.record.implementation)} {known.record.version}",
    )


def list_environments(environments: str) -> tuple[EnvironmentListing, ...]:
    """Return what is cached, the most recently used first."""
    found = sorted(_known(environments), key=lambda known: known.last_used, reverse=True)
    return tuple(_listing(known) for known in found)


def find_environment(environments: str, start: str, *, moved_too: bool = False) -> EnvironmentListing:
    """Return the environment whose key begins with *start*.

    Raises UsageError for none or several, and unless *moved_too* StoreError for one that was made in another cache.
    """
    home = find_key(environments, start)
    found = [known for known in _known(environments) if known.home == home]
    if not found:
        raise UsageError(f"the environment `{os.path.basename(home)}` is being made, or was cut short")
    if not moved_too:
        read_record(found[0].generation)  # of no use when it was made elsewhere
    return _listing(found[0])


def remove_environment(environments: str, start: str, *, engine: Engine) -> str:
    """Remove all generations of the key that begins with *start*, and return the key.

    Raises UsageError for none or several, StoreError while a process uses one of them.
    """
    home = find_key(environments, start)
    with key_lock(home, engine, "using"):
        holders = held_leases(os.path.join(home, "leases"))
        if holders:
            pids = ", ".join(sorted({str(lease.pid) for lease in holders}))
            raise StoreError(
                f"the environment `{os.path.basename(home)}` is in use by process {pids}",
                hint="wait for it or end it",
            )
        _remove_home(home)
        drop_lock(key_lock_file(engine.cache_dir, os.path.basename(home)))
    return os.path.basename(home)


def _remove_home(home: str) -> None:
    # The records first: what has none is not there for anybody who looks meanwhile.
    for generation in generations(home):
        Path(generation.record).unlink(missing_ok=True)
    remove_tree(home)


def prune_environments(
    engine: Engine, *, older_than: float = UNUSED, max_size: int | None = None, now: float | None = None
) -> Pruned:
    """Remove environments that nobody uses and nobody used for *older_than* seconds.

    With *max_size* (bytes) the least recently used go too, until those that are left are no larger. Those
    that a process holds stay. What the removed ones shared with the store is not counted: the
    store keeps it.
    """
    moment = time.time() if now is None else now
    environments = str(engine.cache_dir / "environments")
    removed, freed, total = 0, 0, 0
    by_use = sorted(((_last_used(home), home) for home in homes(environments)), reverse=True)
    for last_used, home in by_use:
        is_environment = bool(generations(home))
        size = _own_size(home)
        total += size
        is_young = moment - last_used <= older_than and (max_size is None or total <= max_size)
        if is_young and (is_environment or not is_empty(home)):
            continue
        if _remove_unused(home, engine):
            # What was cut short, or an empty directory, was never anybody's.
            removed += is_environment
            freed += size
            total -= size
    clear_notes(engine.cache_dir, now=moment)
    return Pruned(environments=removed, bytes=freed)


def _remove_unused(home: str, engine: Engine) -> bool:
    path = key_lock_file(engine.cache_dir, os.path.basename(home))
    try:
        with exclusive(path, timeout=0, unlocked=engine.reporter.warn) as is_held:
            if not is_held or held_leases(os.path.join(home, "leases")):
                return False
            _remove_home(home)
            drop_lock(path)
            return True
    except LockTimeout:
        return False


def _own_size(home: str) -> int:
    """Return the bytes that removing *home* gives back: files with another link elsewhere do not count."""
    total = 0
    pending = [home]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif (status := entry.stat(follow_symlinks=False)).st_nlink == 1:
                    total += status.st_size
    return total


def referenced_wheels(environments: str) -> frozenset[str]:
    """Return the sha256 of every wheel that a cached environment was made of."""
    found: set[str] = set()
    for home in homes(environments):
        for generation in generations(home):
            with suppress(StoreError):
                found.update(load_record(generation.record).digests.values())
    return frozenset(found)


def auto_prune(engine: Engine, *, now: float | None = None) -> Pruned | None:
    """Remove what was long unused, environments and wheels; None when that was done within a day.

    Never in the way of the work at hand: whatever is in use, or cannot be removed, stays.
    """
    environments = str(engine.cache_dir / "environments")
    if not os.path.isdir(environments) or is_behind_link(environments) or not is_prune_due(environments, now=now):
        return None
    Path(environments, PRUNED).touch()
    from pytest_envsync.wheels.build.upkeep import prune_builds
    from pytest_envsync.wheels.store.upkeep import prune

    try:
        pruned = prune_environments(engine, now=now)
        keep = partial(referenced_wheels, environments)
        wheels = prune(engine.store, keep=keep, older_than_days=UNREFERENCED, now=now, unasked=True)
        builds = prune_builds(engine.store, older_than_days=UNREFERENCED, now=now)
    except (StoreError, LockTimeout, OSError) as error:
        engine.reporter.debug(f"not pruned: {error}")
        return None
    return pruned._replace(wheels=wheels.entries, bytes=pruned.bytes + wheels.size + builds)
