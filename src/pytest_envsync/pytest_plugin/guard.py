"""The file that tells a process that it runs inside a session's environment, and what that is.

``ENVSYNC_SESSION`` names the file. It counts only for interpreters of the environment it
speaks of: a subprocess that runs another interpreter is a stranger.

Standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_envsync import guard_file
from pytest_envsync.guard_file import VARIABLE, deny, note_interrupt, remove, take_interrupt

__all__ = (
    "SCHEMA",
    "VARIABLE",
    "claim",
    "current",
    "deny",
    "hand_on",
    "note_interrupt",
    "remove",
    "take_interrupt",
    "write",
)

SCHEMA = 1

_read: dict[str, dict[str, Any]] = {}


def current() -> dict[str, Any] | None:
    """Return what the guard file says, or None when this process is not inside its environment."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    values = _read.get(path)
    if values is None:
        try:
            values = json.loads(Path(path).read_bytes())
        except (OSError, ValueError):
            return None  # the session is over, or it never was one of ours
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            return None
        _read[path] = values
    return values if _same_place(str(values.get("prefix", "")), sys.prefix) else None


def claim() -> bool:
    """Whether this process is the one that the session was started for: the first to ask.

    Other processes of the session (workers, nested pytests) and later sessions in the same
    process get False.
    """
    return VARIABLE in os.environ and guard_file.claim(os.environ[VARIABLE])


def write(directory: Path, values: dict[str, Any]) -> Path:
    """Write a guard file into *directory* and return its path. Raises StoreError when that is not possible."""
    path = guard_file.new_path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _sweep(directory)
        guard_file.write(path, json.dumps({"schema": SCHEMA, **values}))
    except OSError as error:
        from pytest_envsync.errors import StoreError

        guard_file.remove(path)
        raise StoreError(
            f"the directory `{directory}` cannot be used: {error.strerror or error}",
            hint="name another cache with ENVSYNC_CACHE_DIR",
        ) from error
    return Path(path)


def hand_on(path: str, values: dict[str, Any]) -> None:
    """Give the guard file at *path*, and the claim of it, to the process that replaces this one. Raises OSError."""
    guard_file.replace(path, json.dumps({"schema": SCHEMA, **values}))
    _read.pop(path, None)


def _sweep(directory: Path) -> None:
    """Remove what sessions left that were killed: files that nobody touched for a week, and whose process is gone."""
    from pytest_envsync.leases import process_start

    oldest = time.time() - 7 * 86_400
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError, ValueError):
                if entry.stat().st_mtime < oldest and process_start(int(entry.name.partition("-")[0])) is None:
                    os.unlink(entry.path)  # noqa: PTH108 - as above


def _same_place(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)
