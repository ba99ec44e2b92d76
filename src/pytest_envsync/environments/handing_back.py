"""Take an environment back: compare, keep what was compiled, undo the rest, release the lease.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_envsync.diff import Diff, FileChanges, load_snapshot, save_snapshot
from pytest_envsync.environments.bytecode import settle_bytecode
from pytest_envsync.environments.generations import (
    Generation,
    read_record,
    remove_generation,
    retire,
    retired_users,
    touch_used,
)
from pytest_envsync.environments.held_damage import others_told
from pytest_envsync.environments.looking import look
from pytest_envsync.environments.provision import key_lock
from pytest_envsync.environments.repair import repair
from pytest_envsync.environments.request import HandedBack
from pytest_envsync.environments.rewriting import keep_rewritten
from pytest_envsync.environments.standing_links import link_error, remove_links, standing_link
from pytest_envsync.errors import EnvsyncError, StoreError
from pytest_envsync.leases import count_sessions, drop, read_lease

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine


_REPLACED = Diff(files=FileChanges((), (), ("./",)))
"""What differs when the environment itself is not there any more, but a link: what is behind it is not looked at."""


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
        if told := remove_links(home):
            # The lease was behind the link, with all that could be compared.
            return HandedBack(_REPLACED, undone=False, error="; ".join(told))
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
    if link := standing_link(generation.prefix):
        retire(generation, max(sessions, retired_users(generation)))
        return HandedBack(_REPLACED, sessions, undone=False, error=str(link_error(link)))
    record = read_record(generation)
    try:
        snapshot = load_snapshot(generation.snapshot)
    except (OSError, ValueError) as error:
        # Nothing to compare with: whoever comes next gets a new one.
        retire(generation, sessions)
        return HandedBack(Diff(), sessions, undone=False, error=str(error))
    seen = look(record, snapshot, engine=engine)
    if seen.compiled or seen.recompiled:
        snapshot = settle_bytecode(record, snapshot, seen, engine=engine)
        save_snapshot(snapshot, generation.snapshot)
    if not seen.diff:
        if seen.rewritten and is_alone:
            snapshot = keep_rewritten(record, snapshot, seen.rewritten, engine=engine)
            save_snapshot(snapshot, generation.snapshot)
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
    others = others_told(engine=engine) if damage else ()
    return HandedBack(seen.diff, damage=damage, others=others)
