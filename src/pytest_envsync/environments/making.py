"""Make the environment of a record, soundly: brought forward or filled, and not out of a damaged store.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_envsync.diff import Snapshot, take_snapshot
from pytest_envsync.environments.filling import fill
from pytest_envsync.environments.generations import remove_tree
from pytest_envsync.environments.rewriting import place_rewritten
from pytest_envsync.environments.store_damage import mend_wheels
from pytest_envsync.errors import InstallError, StoreError
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.changes import Changes
    from pytest_envsync.engine import Engine
    from pytest_envsync.environments.generations import Record
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.prepare import PreparedWheel


class Made(NamedTuple):
    """An environment that was made. *damage* are files of the store that had to be mended for it."""

    changes: Changes
    snapshot: Snapshot
    damage: tuple[str, ...] = ()


def make(
    record: Record, wheels: Mapping[str, PreparedWheel], *, former: str | None, base: Target, engine: Engine
) -> Made:
    """Make the environment of *record*; *former* is a key whose environment may be brought forward.

    What its snapshot will take for right is right: what was there before was compared with a snapshot, and what comes
    from the store is looked at before it is placed. Raises EnvsyncError.
    """
    try:
        return _make(record, wheels, former=former, base=base, engine=engine)
    except (InstallError, StoreError):
        damage = mend_wheels(wheels, engine=engine)
        if not damage:
            raise
    remove_tree(record.path)
    return _make(record, wheels, former=None, base=base, engine=engine)._replace(damage=tuple(damage))


def _make(
    record: Record, wheels: Mapping[str, PreparedWheel], *, former: str | None, base: Target, engine: Engine
) -> Made:
    changes = None
    if former is not None:
        from pytest_envsync.environments.forward import bring_forward

        changes = bring_forward(former, record, wheels, base=base, engine=engine)
    if changes is None:
        changes = fill(record, wheels, base=base, engine=engine)
    place_rewritten(record, wheels, base=base, engine=engine)
    return Made(changes, take_snapshot(record.path))
