"""Which environments the tests of a session were given, by whichever of its processes.

A file that each process appends to, so that the main process can give everything back at the end,
also what a worker had that crashed. The leases are all of the main process.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest


class Ledger:
    """The environments that were provided; *holder* is the process id that their leases are of.

    *began* is when the main process began it, in seconds since the epoch.
    """

    def __init__(self, path: Path, holder: int, began: float) -> None:
        self.path = path
        self.holder = holder
        self.began = began

    def note(self, values: dict[str, Any]) -> None:
        """Add an environment, as the engine answered it."""
        line = json.dumps(values) + "\n"
        # One write to a file that is opened for appending: lines of several processes do not mix.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def read(self) -> list[dict[str, Any]]:
        """Return the environments noted so far."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with suppress(ValueError):  # a process that was killed while it wrote
                found.append(json.loads(line))
        return found

    def remove(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)

    def for_worker(self) -> dict[str, Any]:
        """Return what a worker needs to write into the same ledger."""
        return {"ledger": str(self.path), "holder": self.holder, "began": self.began}

    def is_of_session(self, values: Mapping[str, Any]) -> bool:
        """Whether the environment that the engine answered was made in this session, by whichever process."""
        if values["created"]:
            return True
        try:
            # Written once, when the environment was done.
            return self.holder != os.getpid() and os.stat(f"{values['path']}.json").st_mtime >= self.began  # noqa: PTH116 - text
        except OSError:
            return False


_KEY = pytest.StashKey[Ledger]()


def ledger_of(config: pytest.Config) -> Ledger:
    """Return the ledger of the session that *config* is part of."""
    found = config.stash.get(_KEY, None)
    if found is None:
        given = getattr(config, "workerinput", {}).get("envsync")
        if given is not None:
            found = Ledger(Path(given["ledger"]), given["holder"], given["began"])
        else:
            name = f"envsync-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
            found = Ledger(Path(gettempdir(), name), os.getpid(), time.time())
        config.stash[_KEY] = found
    return found
