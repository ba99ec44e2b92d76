"""``--envsync-drift-trace``: compare after each test, and name the one that changed something.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from pytest_envsync.diff import Diff, Snapshot, compare, load_snapshot, sweep_rewritten, take_snapshot
from pytest_envsync.pytest_plugin.matrix.identities import with_identity
from pytest_envsync.pytest_plugin.session.ledger import ledger_of

NAME = "envsync-trace"


class Watched:
    """An environment under watch: what it was at first, and after the last test."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.path = str(values["path"])
        self._first: Snapshot = load_snapshot(values["snapshot"])
        self._last = self._first

    def changes(self) -> Diff:
        """Return what changed since the last call."""
        found = compare(self.path, self._last)
        if found:
            # What pytest itself wrote for the modules that it rewrites is no doing of a test.
            found = found.less(sweep_rewritten(self.path, self._first, found.files.added))
            self._last = take_snapshot(self.path)
        return found


class Trace:
    """Watches environments in a process that runs tests."""

    def __init__(self, config: pytest.Config, identity: str) -> None:
        self._ledger = ledger_of(config)
        self._identity = identity
        self._watched: dict[str, Watched] = {}

    def watch(self, values: Mapping[str, Any]) -> None:
        """Begin to watch an environment; one that cannot be read is left out."""
        if values["path"] not in self._watched:
            with suppress(OSError, ValueError):
                self._watched[values["path"]] = Watched(values)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Compare when a test and all that it set up is over."""
        yield
        nodeid = with_identity(item.nodeid, self._identity) if self._identity else item.nodeid
        for watched in self._watched.values():
            with suppress(OSError):
                found = watched.changes()
                if found:
                    self._ledger.note({"traced": watched.path, "test": nodeid, "what": subjects(found.lines())})


def subjects(lines: Iterable[str]) -> list[str]:
    """Return what the lines of a diff speak of: paths, and names of distributions."""
    return [line[3:].split("==", 1)[0] for line in lines]


def traced(rows: Iterable[Mapping[str, Any]], path: str) -> dict[str, list[str]]:
    """Return, for the environment at *path*, each thing that changed with the tests that did it.

    Tests that ran at the same time in several workers cannot be told apart: all are named.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.get("traced") == path:
            for subject in row["what"]:
                tests = found.setdefault(subject, [])
                if row["test"] not in tests:
                    tests.append(row["test"])
    return found


def attributed(lines: Iterable[str], tests: Mapping[str, list[str]]) -> list[str]:
    """Return the *lines* of a diff with the tests that did it behind each."""
    found = []
    for line, subject in zip(lines, subjects(lines), strict=True):
        names = tests.get(subject)
        found.append(f"{line}  ({' or '.join(names)})" if names else line)
    return found
