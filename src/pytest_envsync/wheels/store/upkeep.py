"""Look after the wheel store: measure, verify, prune, clean.

Pruning and cleaning hold the store alone; what syncs wait for it (``Store.hold``). An entry leaves by a rename, so that
nobody sees half of one. Removing entries never harms an environment: its hard links keep their files.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pytest_envsync.cache import exclusive
from pytest_envsync.distributions import StoredWheel
from pytest_envsync.errors import EnvsyncError, StoreError
from pytest_envsync.removal import discard_tree
from pytest_envsync.values import NamedTuple
from pytest_envsync.wheels.store.bytecode import distrusted
from pytest_envsync.wheels.store.damage import Damage
from pytest_envsync.wheels.store.store import Fetch, Store

_DAY = 86_400
_LOCK_SECONDS = 300.0


def measure(directory: Path | str) -> int:
    """Return the bytes of all files below *directory*, each file once whatever its names; 0 when it is missing."""
    return sum(size for _, size in _files(os.fspath(directory), set()))


def _files(directory: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, int]]:
    pending = [directory]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            key = (status.st_dev, status.st_ino)
            if key not in seen or not status.st_ino:
                seen.add(key)
                yield entry.path, status.st_size


Outcome = Literal["found", "repaired", "removed", "failed"]


class DamagedEntry(NamedTuple):
    """A damaged entry: *name* is the wheel's file name, or the digest when even that cannot be read.

    *outcome* says what was done: nothing (``found``), the files are as they were (``repaired``), the entry is gone and
    will be made anew when it is needed (``removed``), or *error* was in the way (``failed``).
    """

    sha256: str
    name: str
    damages: tuple[Damage, ...]
    outcome: Outcome
    error: str = ""


class Verification(NamedTuple):
    """What ``verify`` saw: the number of entries it looked at, and those that were damaged."""

    checked: int
    damaged: tuple[DamagedEntry, ...]

    @property
    def has_damage_left(self) -> bool:
        """Whether something is still damaged."""
        return any(entry.outcome in {"found", "failed"} for entry in self.damaged)


def verify(store: Store, *, deep: bool = False, repair: bool = False, fetch: Fetch | None = None) -> Verification:
    """Look at every entry: size, time and mode of each file, with *deep* every byte too.

    With *repair* damage is mended, from the network where *fetch* (address, destination) is given. An entry that cannot
    be mended, because nobody knows where its wheel came from or other bytes are there by now, is removed.
    """
    checked = 0
    damaged = []
    with store.hold():
        for sha256 in list(store.entries()):
            checked += 1
            wheel = store.read(sha256)
            try:
                damages = None if wheel is None else store.check(wheel, deep=deep)
            except StoreError:
                damages = None
            if wheel is None or damages is None:
                unreadable = (Damage("manifest", "unreadable", "cannot be read"),)
                entry = DamagedEntry(sha256, wheel.filename if wheel else sha256, unreadable, "found")
                damaged.append(_removed(store, entry) if repair else entry)
            elif damages:
                entry = DamagedEntry(sha256, wheel.filename, damages, "found")
                damaged.append(_repaired(store, wheel, entry, fetch) if repair else entry)
    return Verification(checked, tuple(damaged))


def _removed(store: Store, entry: DamagedEntry) -> DamagedEntry:
    try:
        store.remove(entry.sha256)
    except StoreError as error:
        return entry._replace(outcome="failed", error=str(error))
    return entry._replace(outcome="removed")


def _repaired(store: Store, wheel: StoredWheel, entry: DamagedEntry, fetch: Fetch | None) -> DamagedEntry:
    try:
        store.repair(wheel, entry.damages, fetch=fetch)
    except StoreError as error:
        return _removed(store, entry)._replace(error=str(error))
    except EnvsyncError as error:
        # Not reachable now is no reason to give up what is mostly sound.
        return entry._replace(outcome="failed", error=str(error))
    return entry._replace(outcome="repaired")


class Removed(NamedTuple):
    """What was removed: entries of the store, files, and their bytes (each file once)."""

    entries: int
    files: int
    size: int


def prune(
    store: Store,
    *,
    keep: Callable[[], Collection[str]] = tuple,
    older_than_days: float = 60,
    ci: bool = False,
    now: float | None = None,
    unasked: bool = False,
) -> Removed:
    """Remove the entries that no environment refers to and nobody used for so many days.

    *keep* gives the sha256 of those that one refers to; it is asked when the store is held, because environments are
    made until then.
    With *ci* everything goes that an index has and *keep* has not: what was built here stays. Leftovers of processes
    that were killed go too. *unasked* is for upkeep that nobody asked for: where the store may be in use, or there are
    no locks to tell, nothing goes. Raises LockTimeout when the store is in use, else for more than five minutes.
    """
    moment = time.time() if now is None else now
    with exclusive(store.use_lock, timeout=0 if unasked else _LOCK_SECONDS) as is_held:
        if unasked and not is_held:
            return Removed(0, 0, 0)
        doomed, kept = [], set(keep())
        for sha256 in store.entries():
            wheel = store.read(sha256)
            unused = moment - _last_use(store, sha256) > older_than_days * _DAY
            if wheel is None or (sha256 not in kept and ((ci and not wheel.built) or (unused and not ci))):
                doomed.append(sha256)
        seen: set[tuple[int, int]] = set()
        sizes = [size for sha256 in doomed for _, size in _files(store.entry(sha256), seen)]
        for sha256 in doomed:
            store.remove(sha256)
        leftovers = [size for place in _leftovers(store, moment) for size in _drop(place, seen)]
        for sha256 in store.entries():
            for place in distrusted(store.entry(sha256)):
                leftovers += _drop(place, seen)
                Path(f"{place}.manifest").unlink(missing_ok=True)
        _forget(store)
    return Removed(len(doomed), len(sizes) + len(leftovers), sum(sizes) + sum(leftovers))


def clean(store: Store) -> Removed:
    """Remove the whole store. Raises as ``prune`` does, and StoreError when something of it stays."""
    with exclusive(store.use_lock, timeout=_LOCK_SECONDS):
        count = sum(1 for _ in store.entries())
        sizes = list(_drop(store.wheels, set()))
        left = sum(1 for _ in store.entries())
        if left:
            raise StoreError(
                f"{left} of {count} wheels in `{store.wheels}` cannot be removed",
                hint="remove them as the user who owns the cache, on a file system that may be written",
            )
    return Removed(count, len(sizes), sum(sizes))


def _last_use(store: Store, sha256: str) -> float:
    try:
        return os.stat(f"{store.entry(sha256)}/wheel").st_mtime
    except OSError:
        return 0.0


def _leftovers(store: Store, now: float) -> Iterator[str]:
    """Yield the private directories of another day.

    Whether their processes live cannot be told: they may be another container's, or another machine's.
    """
    try:
        entries = list(os.scandir(f"{store.wheels}/.new"))
    except FileNotFoundError:
        return
    for entry in entries:
        try:
            old = now - entry.stat(follow_symlinks=False).st_mtime > _DAY
        except OSError:
            continue
        if old:
            yield entry.path


def _drop(directory: str, seen: set[tuple[int, int]]) -> Iterator[int]:
    sizes = [size for _, size in _files(directory, seen)]
    discard_tree(directory)
    yield from sizes


def _forget(store: Store) -> None:
    """Drop what is known of files whose wheels are gone."""
    present = set(store.entries())
    for place, _ in list(_files(f"{store.wheels}/known", set())):
        with suppress(OSError, ValueError):
            if Path(place).read_text(encoding="ascii") not in present:
                os.unlink(place)
