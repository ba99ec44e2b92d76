"""A session of a matrix whose environments take turns: its reports name the environment, as those of workers do.

Registered in the main process of each session. Runs inside session environments: standard library, pytest and
pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import pytest

from pytest_envsync.pytest_plugin.guard import VARIABLE
from pytest_envsync.pytest_plugin.matrix.identities import like, name_with_identity, with_identity
from pytest_envsync.pytest_plugin.matrix.selection import Selection
from pytest_envsync.pytest_plugin.matrix.turn_note import Turn, is_turn, write_note
from pytest_envsync.pytest_plugin.session.cells import ORIGINAL, Cell

NAME = "envsync-in-turn"


class InTurn:
    """Writes the environment of *values*, those of the guard file, into the ids of reports.

    *cell* counts the outcomes.
    """

    def __init__(self, config: pytest.Config, values: Mapping[str, Any], selection: Selection, cell: Cell) -> None:
        self._config = config
        self._identity: str = values["identity"]
        self._is_last = self._identity == (values["identities"] or [self._identity])[-1]
        self._has_note = is_turn(values)
        self._properties = properties(values)
        self._selection = selection
        self._cell = cell
        self._named = ""
        self._was_interrupted = False

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, None]:
        """Name the environment in what is told of a test."""
        outcome = yield
        self.name(outcome.get_result())

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, None]:
        """Name the environment in what is told of a module that cannot be collected."""
        outcome = yield
        self.name_collected(outcome.get_result())

    def name(self, report: pytest.TestReport) -> None:
        """Write the environment into *report*."""
        setattr(report, ORIGINAL, str(report.nodeid))
        report.nodeid = self._named = with_identity(str(report.nodeid), self._identity)
        path, line, domain = report.location
        report.location = (path, line, name_with_identity(domain, self._identity))
        report.user_properties = [*report.user_properties, *self._properties]

    def name_collected(self, report: pytest.CollectReport) -> None:
        """Write the environment into a *report* that something failed."""
        if report.failed:
            setattr(report, ORIGINAL, str(report.nodeid))
            report.nodeid = with_identity(str(report.nodeid), self._identity)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Name the environment where the terminal tells of tests that no report has come of."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if hasattr(reporter, "_locationline"):
            self._name_tests_that_begin(reporter)
        if hasattr(reporter, "_printcollecteditems"):
            self._name_listed_tests(reporter)

    def _name_listed_tests(self, reporter: Any) -> None:
        listed: Callable[[Sequence[pytest.Item]], None] = reporter._printcollecteditems  # noqa: SLF001 - no hook

        def named(items: Sequence[pytest.Item]) -> None:
            if self._config.option.verbose != -1:
                listed(items)
                return
            # `--collect-only -q`: ids, to be pasted.
            for item in items:
                reporter.write_line(with_identity(item.nodeid, self._identity))

        reporter._printcollecteditems = named  # noqa: SLF001 - as above

    def _name_tests_that_begin(self, reporter: Any) -> None:
        shown: Callable[..., str] = reporter._locationline  # noqa: SLF001 - no hook

        def located(nodeid: object, path: str, line: int | None, domain: str) -> str:
            if str(nodeid) == self._named:
                return shown(nodeid, path, line, domain)
            identity = self._identity
            named = like(nodeid, with_identity(str(nodeid), identity))
            return shown(named, path, line, name_with_identity(domain, identity))

        reporter._locationline = located  # noqa: SLF001 - as above

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Keep the failures of all environments from here on: what was to be selected is."""
        self._selection.give_last_failures_back(self._config)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Take note that the session was interrupted, or left with ``pytest.exit()``."""
        # Modules that cannot be collected here are no reason to leave the others.
        self._was_interrupted = not isinstance(excinfo.value, pytest.Session.Interrupted)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Leave what the environments before and behind this one need."""
        # A session that ended while it collected never came to its tests.
        self._selection.give_last_failures_back(self._config)
        self._selection.settle_last_failures(self._config, self._cell.results, is_last=self._is_last)
        self._selection.give_last_step_back(self._config)
        if self._has_note:
            ends = self._was_interrupted or bool(session.shouldstop or session.shouldfail)
            turn = Turn(self._cell.results, session.testsfailed, ends, self._selection.knew_failures)
            write_note(os.environ[VARIABLE], turn)


def properties(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a report says of the environment of a guard file's *values*."""
    environment = values["environment"]
    return [
        ("envsync.environment", values["identity"]),
        ("envsync.key", environment["key"]),
        ("envsync.python", environment["version"]),
    ]
