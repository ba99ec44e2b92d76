"""Find the environment that a key or a path names, and compare or restore it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from pytest_envsync.diff import Diff, load_snapshot, save_snapshot
from pytest_envsync.environment.journal import JOURNAL_NAME
from pytest_envsync.environment.locking import environment_lock
from pytest_envsync.environments.bytecode import settle_bytecode
from pytest_envsync.environments.copies import record_beside, snapshot_beside
from pytest_envsync.environments.expectation import expected_snapshot, noted
from pytest_envsync.environments.generations import (
    Record,
    current,
    generations,
    homes,
    is_empty,
    load_record,
    moved,
    read_record,
)
from pytest_envsync.environments.looking import look
from pytest_envsync.environments.provision import key_lock
from pytest_envsync.environments.repair import Repaired, repair
from pytest_envsync.environments.standing_links import link_error, standing_link
from pytest_envsync.errors import StoreError, TargetError, UsageError
from pytest_envsync.true_paths import resolved
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine
    from pytest_envsync.snapshot import Snapshot


class Place(NamedTuple):
    """An environment that can be compared.

    *snapshot* is None for one outside of the cache, *home* is the directory of its key, None for one that has none.
    """

    record: Record
    snapshot: str | None
    home: str | None

    def lock(self, engine: Engine) -> AbstractContextManager[None]:
        """Hold what keeps others from changing it."""
        if self.home is not None:
            return key_lock(self.home, engine, "restoring")
        if self.snapshot is not None:
            return nullcontext()
        return environment_lock(self.record.path, environ=engine.environ, reporter=engine.reporter)

    def load(self, engine: Engine) -> Snapshot:
        """Return what it should be. Raises StoreError when that is not known."""
        if self.snapshot is None:
            return expected_snapshot(self.record, engine=engine)
        try:
            return load_snapshot(self.snapshot)
        except (OSError, ValueError) as error:
            raise StoreError(f"the snapshot of `{self.record.path}` cannot be read: {error}") from error


def find_key(environments: str, start: str) -> str:
    """Return the directory of the key that begins with *start*. Raises UsageError for none or several."""
    starting = [home for home in homes(environments) if os.path.basename(home).startswith(start)] if start else []
    found = [home for home in starting if not is_empty(home)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"there is no cached environment `{start}`", hint="`envsync env list` shows those that there are"
        )
    keys = ", ".join(os.path.basename(home) for home in found)
    raise UsageError(f"`{start}` is the start of several keys: {keys}", hint="give more digits")


def find_place(text: str, *, engine: Engine) -> Place:
    """Return the environment that *text* names: a path, or a key or an unambiguous start of one.

    Raises UsageError when it names none or several, TargetError for a path that envsync did not make.
    """
    environments = str(engine.cache_dir / "environments")
    path = os.path.join(engine.cwd, text)
    if os.path.isdir(path):
        return _by_path(resolved(path), environments, engine)
    if os.sep in text:
        raise TargetError(f"there is no environment at `{text}`")
    home = find_key(environments, text)
    generation = current(home) or next(iter(generations(home)), None)
    if generation is None:
        raise UsageError(f"the environment `{os.path.basename(home)}` is being made")
    return Place(read_record(generation), generation.snapshot, home)


def _by_path(path: str, environments: str, engine: Engine) -> Place:
    if os.path.isdir(f"{path}/{JOURNAL_NAME}"):
        is_new = os.path.lexists(f"{path}/{JOURNAL_NAME}/committed")
        state = "what it set aside is still there" if is_new else "what is there is neither the old nor the new set"
        raise StoreError(
            f"a sync of `{path}` was cut short, or is not done yet: {state}",
            hint="sync it once more; that finishes or undoes what was begun",
        )
    if not os.path.isfile(record_beside(path)) and os.path.isfile(record_beside(os.path.realpath(path))):
        path = os.path.realpath(path)
    home = os.path.dirname(path)
    if os.path.isfile(record_beside(path)) and os.path.isfile(snapshot_beside(path)):
        is_cached = os.path.realpath(os.path.dirname(home)) == os.path.realpath(environments)
        link = standing_link(path) if is_cached else path
        if link is not None and os.path.islink(link):
            raise link_error(link, is_cached=is_cached)
        record = load_record(record_beside(path))
        if os.path.realpath(record.path) != os.path.realpath(path):
            raise moved(path, record)
        return Place(record, snapshot_beside(path), home if is_cached else None)
    return Place(noted(path, engine=engine), None, None)


def diff_place(text: str, *, verify_files: bool, engine: Engine) -> Diff:
    """Return how the environment that *text* names differs from what it should be."""
    place = find_place(text, engine=engine)
    return look(place.record, place.load(engine), engine=engine, verify_files=verify_files).diff


def restore_place(text: str, *, verify_files: bool, engine: Engine) -> Repaired:
    """Bring the environment that *text* names back to what it should be."""
    place = find_place(text, engine=engine)
    with place.lock(engine):
        snapshot = place.load(engine)
        seen = look(place.record, snapshot, engine=engine, verify_files=verify_files)
        if place.snapshot is not None and place.home is not None:
            known = settle_bytecode(place.record, snapshot, seen, engine=engine, verify_files=verify_files)
            if known != snapshot:
                snapshot = known
                save_snapshot(snapshot, place.snapshot)
        if not seen.diff and not seen.touched:
            return Repaired(seen.diff)
        return repair(place.record, snapshot, seen, engine=engine)
