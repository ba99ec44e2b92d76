"""Processes that left the group of the one that started them, found by a variable that they inherited.

Where ``/proc`` tells the variables of processes, as on Linux; elsewhere none is found.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

VARIABLE = "ENVSYNC_BACKEND_RUN"
"""Names the run of a backend, for the processes that it starts."""
_ROUNDS = 20  # one that is looked for may start another one meanwhile
_PAUSE = 0.005  # seconds; who is killed is gone soon, not at once


def new_marker() -> str:
    """Return a value of ``VARIABLE`` that no other run has."""
    return os.urandom(12).hex()


def end_marked(marker: str) -> None:
    """Kill every process of this user that has *marker*."""
    for _ in range(_ROUNDS):
        found = list(_marked(f"{VARIABLE}={marker}".encode()))
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(_PAUSE)


def _marked(setting: bytes) -> Iterator[int]:
    """Yield the processes with *setting* among their variables; those that ended have none."""
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it is gone, or somebody else's
            if setting in place.read_bytes().split(b"\0"):
                yield int(place.parent.name)
