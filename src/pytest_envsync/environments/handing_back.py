"""Take an environment back: compare, keep what was compiled, undo the rest, release the lease.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.diff import Diff, Examination, load_snapshot, save_snapshot
from pytest_envsync.environments.generations import (
    Generation,
    Record,
    read_record,
    remove_generation,
    retire,
    retired_users,
    touch_used,
)
from pytest_envsync.environments.looking import look
from pytest_envsync.environments.origins import Origins
from pytest_envsync.environments.provision import key_lock
from pytest_envsync.environments.repair import repair
from pytest_envsync.environments.request import HandedBack
from pytest_envsync.errors import EnvsyncError, StoreError
from pytest_envsync.leases import count_sessions, drop, read_lease
from pytest_envsync.snapshot import CACHE, Snapshot

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine


def give_back(lease_path: str, *, engine: Engine, ignore: Sequence[str] = ()) -> HandedBack:
    """Compare the environment of a lease, undo what differs, and release it; see ``Environments.give_back``."""
    try:
        lease = read_lease(lease_path)
    except ValueError:
        raise StoreError(f"`{lease_path}` is no lease on an environment") from None
    home = os.path.dirname(os.path.dirname(lease_path))
    generation = Generation(home, lease.generation)
    with key_lock(home, engine, "restoring"):
        if not os.path.exists(lease_path):
            raise StoreError(f"there is no lease `{lease_path}`: it was given back before, or removed")
        others = [held for held in generation.holders() if held.path != lease_path]
        try:
            answer = _compare_and_undo(
                generation, sessions=count_sessions([lease, *others]), is_alone=not others, engine=engine
            )
        finally:
            drop(lease_path)
            touch_used(home)
        if not others and retired_users(generation):
            remove_generation(generation)
    return answer._replace(diff=answer.diff.without(ignore))


def _compare_and_undo(generation: Generation, *, sessions: int, is_alone: bool, engine: Engine) -> HandedBack:
    record = read_record(generation)
    try:
        snapshot = load_snapshot(generation.snapshot)
    except (OSError, ValueError) as error:
        # Nothing to compare with: whoever comes next gets a new one.
        retire(generation, sessions)
        return HandedBack(Diff(), sessions, undone=False, error=str(error))
    seen = look(record, snapshot, engine=engine)
    if seen.compiled:
        keep_bytecode(record, seen, engine=engine)
        save_snapshot(with_bytecode(snapshot, seen.compiled), generation.snapshot)
    if not seen.diff:
        if seen.touched:
            repair(record, snapshot, seen, engine=engine)
        return HandedBack(seen.diff)
    users = max(sessions, retired_users(generation))
    if not is_alone or retired_users(generation):
        retire(generation, users)
        return HandedBack(seen.diff, users)
    try:
        damage = repair(record, snapshot, seen, engine=engine).damage
    except EnvsyncError as error:
        retire(generation, users)
        return HandedBack(seen.diff, users, undone=False, error=str(error))
    return HandedBack(seen.diff, damage=damage)


def keep_bytecode(record: Record, seen: Examination, *, engine: Engine) -> int:
    """Offer what was compiled to the store, for sources that are unchanged; return how many files it took.

    The next environment that holds the same wheel starts with it.
    """
    differing = {path for paths in seen.diff.files for path in paths}
    origins = Origins(record, engine)
    found: dict[str, dict[str, Path | str]] = {}
    try:
        for path in seen.compiled:
            cache, _, name = path.rpartition("/")
            directory = cache.rpartition("/")[0]
            source = f"{directory}/{name.partition('.cpython-')[0]}.py"
            expected = origins.expected.get(source)
            if expected is None or expected.tree_path is None or source in differing:
                continue
            inside = expected.tree_path.rpartition("/")[0]
            there = f"{inside}/{CACHE}/{name}" if inside else f"{CACHE}/{name}"
            found.setdefault(expected.owner, {})[there] = f"{record.path}/{path}"
        magic = _magic(origins.base.cache_tag, found)
        return sum(
            engine.store.adopt_bytecode(origins.wheels[owner].wheel, origins.base.cache_tag, files, magic=magic)
            for owner, files in found.items()
        )
    except EnvsyncError as error:
        engine.reporter.debug(f"bytecode is not kept: {error}")
        return 0
    finally:
        origins.close()


def _magic(cache_tag: str, found: dict[str, dict[str, Path | str]]) -> bytes:
    """Return the magic number of the interpreter with this cache tag."""
    if sys.implementation.cache_tag == cache_tag:
        from importlib.util import MAGIC_NUMBER

        return MAGIC_NUMBER
    # Of a foreign interpreter the files themselves tell: the environment's own wrote them.
    for files in found.values():
        for place in files.values():
            with open(place, "rb") as file:
                return file.read(4)
    return b""


def with_bytecode(snapshot: Snapshot, compiled: Sequence[str]) -> Snapshot:
    """Return the snapshot with these files among the bytecode that is known."""
    known = {directory: set(names) for directory, names in snapshot.bytecode.items()}
    for path in compiled:
        directory, _, name = path.rpartition("/")
        known.setdefault(directory, set()).add(name)
    return snapshot._replace(bytecode={directory: frozenset(names) for directory, names in known.items()})
