"""Compare an environment that was used with what it was, and give it back.

Runs inside session environments: standard library, pytest and pluggy only. The comparison is
made here; only when something differs, or new bytecode is to be kept, is the engine started.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pytest_envsync.diff import Diff, compare, find_rewritten, load_snapshot, sweep_rewritten
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.leases import drop, release
from pytest_envsync.pytest_plugin.session.engine import Engine
from pytest_envsync.values import NamedTuple


class Handover(NamedTuple):
    """How an environment was given back.

    *values* is the environment as the engine described it. *diff* is what was changed in it, without what is to be
    ignored; *shared* how many sessions used it. *notes* are sentences that a reader should see. *tests* names, for
    each path and distribution that was changed, the tests that did it, if that was traced.
    """

    values: Mapping[str, Any]
    diff: Diff
    shared: int = 1
    notes: tuple[str, ...] = ()
    tests: Mapping[str, list[str]] = MappingProxyType({})

    def headline(self) -> str:
        """Return what happened in one line."""
        names = ", ".join(os.path.basename(file) for file in self.values["files"])  # noqa: PTH119 - plain text
        changed = f"changed while {self.shared} sessions used it" if self.shared > 1 else "changed by this session"
        distributions, files = self.diff.distributions, self.diff.files
        count = sum(len(paths) for paths in files)
        count += len(distributions.added) + len(distributions.removed) + len(distributions.changed)
        return f"{names} -> {self.values['key'][:10]} was {changed} ({count} difference{'' if count == 1 else 's'})"

    def drift(self) -> dict[str, Any] | None:
        """Return the diff as it stands in the JSON report; None when nothing differs."""
        if not self.diff:
            return None
        return {**self.diff.as_dict(), "tests": dict(self.tests)} if self.tests else self.diff.as_dict()


def compared(values: Mapping[str, Any]) -> Diff:
    """Return how the environment of *values* differs from its snapshot. Raises OSError and ValueError."""
    snapshot = load_snapshot(values["snapshot"])
    found = compare(values["path"], snapshot)
    # What pytest itself wrote for the modules that it rewrites is no doing of a test.
    rewritten = find_rewritten(values["path"], snapshot, found.files.added)
    if not rewritten:
        return found
    worth = f"-pytest-{values['packages'].get('pytest', '')}"
    if any(worth in path and path.endswith(".pyc") for path in rewritten):
        found.bytecode += len(rewritten)
    else:
        sweep_rewritten(values["path"], snapshot, rewritten)
    return found.less(rewritten)


def hand_over(values: Mapping[str, Any], leases: Sequence[str], engine: Engine, *, ignored: Sequence[str]) -> Handover:
    """Give the environment of *values* back; *leases* are all that this session has of it.

    They are released directly when there is nothing to undo or to keep.
    """
    notes: list[str] = []
    try:
        found = compared(values)
    except (OSError, ValueError) as error:
        notes.append(f"{values['path']} could not be compared: {error}")
        found = Diff()
        is_unchanged = False
    else:
        is_unchanged = not found and not found.bytecode
    first, *others = leases
    for lease in others:
        drop(lease)
    if is_unchanged and release(first):
        return Handover(values, Diff())
    try:
        answer = engine.give_back(first, values)
    except EnvsyncError as error:
        notes.append(f"{values['path']} could not be given back, and is mended at its next use: {error}")
        return Handover(values, found.without(ignored), notes=tuple(notes))
    if answer.get("error"):
        notes.append(str(answer["error"]))
    notes += [f"mended in the store: {text}" for text in answer.get("damage") or ()]
    notes += map(str, answer.get("others") or ())
    diff = Diff.from_dict(answer["diff"]).without(ignored)
    return Handover(values, diff, int(answer.get("shared") or 1), tuple(notes))
