"""What a session that has its turn in a matrix leaves for the process that started it.

Files beside the guard file. Standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_envsync.values import NamedTuple


class Turn(NamedTuple):
    """How a session went: *results* by the ids that tests have there, how many *failed*, and whether the matrix *ends*.

    It ends when the session was to stop early: an interrupt, ``-x``, ``--maxfail``, ``--stepwise``. *knew_failures*:
    pytest's cache named failures when the session began.
    """

    results: Mapping[str, str]
    failed: int
    ends: bool
    knew_failures: bool = False


def is_turn(values: Mapping[str, Any]) -> bool:
    """Whether the session of a guard file's *values* has its turn in a matrix, and is not the controller of one."""
    return bool(values["identities"]) and "matrix" not in values


def report_path(guard_path: str) -> Path:
    """Return where the session with that guard file leaves its rows of the JSON report."""
    return Path(f"{guard_path}.report")


def note_path(guard_path: str) -> Path:
    """Return where the note of the session with that guard file is."""
    return Path(f"{guard_path}.turn")


def others_failed_path(guard_path: str) -> Path:
    """Return the file that is there when an earlier session of the same matrix knew failures."""
    return Path(f"{guard_path}.others-failed")


def write_note(guard_path: str, turn: Turn) -> None:
    """Leave the note; without it the process that waits knows the status only."""
    with suppress(OSError):
        note_path(guard_path).write_text(json.dumps(turn._asdict()), encoding="utf-8")


def read_note(path: Path) -> Turn | None:
    """Return what is noted at *path*, None when the session did not come to its end."""
    try:
        return Turn(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
