"""What a sync did, or would do: the value that reports are made of.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envsync.changes import Changes
from pytest_envsync.values import dataclass, field

if TYPE_CHECKING:
    from pytest_envsync.file_stamp import Stamp
    from pytest_envsync.requirements import InputFile
    from pytest_envsync.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOutcome:
    """What a sync did, or (dry run) would do.

    *resolved* is None for a pylock file, which is not resolved; *prepared* counts wheels that were
    fetched, unpacked or built now; *checked* the distributions that were asked for; *uninstalled* those that go or
    are replaced, of which some may be of one name;
    *unseen* (dry run) names those whose wheel is not in the store. *compiled* counts files,
    None without ``--compile-bytecode``. *seconds* holds the time of each phase.
    *is_empty*: nothing was asked for, so nothing was touched.
    """

    changes: Changes
    target: Target
    resolved: int | None = None
    prepared: int = 0
    uninstalled: int = 0
    installed: int = 0
    compiled: int | None = None
    checked: int = 0
    unseen: frozenset[str] = frozenset()
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    is_empty: bool = False
    inputs: tuple[InputFile, ...] = ()
    variables: tuple[tuple[str, str | None], ...] = ()
    stats: tuple[tuple[str, Stamp | None], ...] = ()
    repeatable: bool = False
