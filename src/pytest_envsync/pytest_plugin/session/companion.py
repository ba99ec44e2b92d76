"""What accompanies a session: header, the end of its environments, drift, report.

One object in the main process of a session: the one inside an environment, or a plain one whose
tests were given environments. Runs inside session environments: standard library, pytest and
pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import atexit
import os
import re
import sys
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_envsync.pytest_plugin import guard
from pytest_envsync.pytest_plugin.matrix.turn_note import is_turn, report_path
from pytest_envsync.pytest_plugin.session import report_file
from pytest_envsync.pytest_plugin.session.cells import IDENTITY, ORIGINAL, Cell
from pytest_envsync.pytest_plugin.session.engine import Engine, read_changes
from pytest_envsync.pytest_plugin.session.handover import Handover, hand_over
from pytest_envsync.pytest_plugin.session.ledger import ledger_of
from pytest_envsync.pytest_plugin.session.lookup import surroundings
from pytest_envsync.pytest_plugin.session.trace import attributed, traced
from pytest_envsync.pytest_plugin.surroundings import Surroundings
from pytest_envsync.synced_env import SyncedEnv

if TYPE_CHECKING:
    import warnings

    from _pytest.terminal import TerminalReporter

SHOWN_FILES = 20
_UNKNOWN_MARK = re.compile(r"Unknown pytest\.mark\.(\w+)")
_OTHER_OWNERS = {
    "flaky": ("rerunfailures", "flaky"),
    "freeze_time": ("freezer",),
    "ignore_template_errors": ("django",),
    "urls": ("django",),
    "vcr": ("recording", "vcr"),
}
"""Markers that are not called as their plugins are, which stand behind them."""
_FAILED_BY_DRIFT = "the tests passed; exit status 1 is for what changed above (envsync_drift = fail)"
NAME = "envsync-session"


class Companion:
    """Accompanies a session in its main process.

    *values* are those of the guard file, if it runs inside; *cells* the environments of its own.
    """

    def __init__(self, config: pytest.Config, values: dict[str, Any] | None, cells: Sequence[Cell] = ()) -> None:
        self._config = config
        self._values = values
        self.cells = list(cells)
        self._guard_path = os.environ[guard.VARIABLE] if values is not None else None
        self._pid = os.getpid()
        self._others: list[Handover] = []
        self._rows: list[dict[str, Any]] = []
        self._unknown_marks: set[str] = set()
        self._is_over = False
        self._is_told = False
        self._is_failed_by_drift = False
        # Until the session says otherwise: what stops it before it begins is wrong usage.
        self._write_report(report_file.USAGE_ERROR, error="the session did not begin")
        atexit.register(self.close)

    @property
    def _surroundings(self) -> Surroundings:
        # Read when they are needed: most sessions with workers have no environments of ours.
        return surroundings(self._config)

    def pytest_report_header(self) -> list[str]:
        """Tell what the session runs in."""
        return [f"envsync: {line}" for line in self._values["header"]] if self._values is not None else []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Tell plugins that the environment is ready."""
        # Until the end says otherwise: a test may end the process.
        self._write_report(report_file.INTERNAL_ERROR, error="the session did not come to its end")
        for cell in self.cells:
            if cell.values is not None:
                environment = cell.values["environment"]
                changes = read_changes(environment["changes"])
                self._config.hook.pytest_envsync_synced(
                    config=self._config, env=self._shown(environment), changes=changes
                )

    def _shown(self, values: Any) -> SyncedEnv:
        return SyncedEnv(values, Engine(self._surroundings))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the outcomes as the terminal does."""
        status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        category = status[0] if status else report.outcome if report.when == "call" or report.failed else ""
        cell = self._cell(report)
        if category and cell is not None:
            cell.count(category, getattr(report, ORIGINAL, None))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count what could not be collected."""
        cell = self._cell(report)
        if report.failed and cell is not None:
            cell.count("error", getattr(report, ORIGINAL, None))

    def _cell(self, report: pytest.TestReport | pytest.CollectReport) -> Cell | None:
        identity = getattr(report, IDENTITY, "")
        return next((cell for cell in self.cells if cell.identity == identity), None)

    def pytest_keyboard_interrupt(self) -> None:
        """Tell a parent that waits that the interrupt is here."""
        if self._guard_path is not None:
            guard.note_interrupt(self._guard_path)

    # Innermost of the wrappers: after all that others do at the end, before the summary is printed.
    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, None]:
        """Compare the environments and give them back."""
        yield
        self._finish()
        status = session.exitstatus
        is_broken = any(cell.error for cell in self.cells) and status == pytest.ExitCode.NO_TESTS_COLLECTED
        if status == pytest.ExitCode.OK:
            self._is_failed_by_drift = self._fails_by_drift
            is_broken = any(cell.error for cell in self.cells) or self._is_failed_by_drift
        if is_broken:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._write_report(int(session.exitstatus))

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show what the session changed."""
        if self._config.getoption("no_summary", default=False):
            return
        self._is_told = True
        for note in [*self._unseen(), *self._idle_marks(), *self._notes]:
            terminalreporter.write_line(f"envsync: {note}", yellow=True)
        if not self._drifts:
            return
        fails = self._surroundings.drift == "fail"
        terminalreporter.section("envsync drift", red=fails, yellow=not fails)
        for handover in self._drifts:
            terminalreporter.write_line(handover.headline(), red=fails)
            for line in attributed(handover.diff.lines(SHOWN_FILES), handover.tests):
                terminalreporter.write_line(line)
        if self._is_failed_by_drift:
            terminalreporter.write_line(_FAILED_BY_DRIFT, red=True)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Take note of markers that nothing here knows."""
        found = _UNKNOWN_MARK.match(str(warning_message.message))
        if found:
            self._unknown_marks.add(found[1])

    def _idle_marks(self) -> list[str]:
        """Return a sentence for each marker of a plugin that is where the session was started, and not here."""
        absent = {
            name: owner for cell in self.cells for name, owner in (cell.values or {}).get("left_behind", {}).items()
        }
        lines = []
        for mark in sorted(self._unknown_marks):
            owner = next((absent[name] for name in absent if mark == name or mark.startswith(f"{name}_")), None)
            owner = owner or next(filter(None, map(absent.get, _OTHER_OWNERS.get(mark, ()))), None)
            if owner is not None:
                lines.append(
                    f"pytest.mark.{mark} has no effect: {owner} is not in the environment; "
                    "lock it, or name it in envsync_overlay"
                )
        return lines

    def _unseen(self) -> list[str]:
        """Return what the header would have told of a repair, where none is shown (``-q``)."""
        option = self._config.option
        has_header = option.verbose >= 0 and not getattr(option, "no_header", False)
        lines = self._values["header"] if self._values is not None and not has_header else []
        return [line for line in lines if "repaired before this session: " in line]

    def pytest_unconfigure(self) -> None:
        """Leave the environment."""
        self.close()

    def close(self) -> None:
        """Give everything back if the session never came to its end, and tell what no summary told."""
        if os.getpid() != self._pid:
            return
        self._finish()
        atexit.unregister(self.close)
        if not self._is_told:
            self._is_told = True
            lines = [*self._notes, *(handover.headline() for handover in self._drifts)]
            lines += [_FAILED_BY_DRIFT] if self._is_failed_by_drift else []
            sys.stderr.write("".join(f"envsync: {line}\n" for line in lines))

    @property
    def _handovers(self) -> list[Handover]:
        return [*(cell.handover for cell in self.cells if cell.handover is not None), *self._others]

    @property
    def _drifts(self) -> list[Handover]:
        """Return what counts as drift."""
        found = [handover for handover in self._handovers if handover.diff]
        return [] if found and self._surroundings.drift == "ignore" else found

    @property
    def _fails_by_drift(self) -> bool:
        return bool(self._drifts) and self._surroundings.drift == "fail"

    @property
    def _notes(self) -> list[str]:
        return [note for handover in self._handovers for note in handover.notes]

    def _finish(self) -> None:
        if self._is_over or os.getpid() != self._pid:
            return
        self._is_over = True
        ledger = ledger_of(self._config)
        self._rows = rows = ledger.read()
        for cell in self.cells:
            if cell.values is not None:
                environment = cell.values["environment"]
                cell.handover = self._hand_over(environment, [environment["lease"]])
        given: dict[str, tuple[dict[str, Any], list[str]]] = {}
        for values in rows:
            if "traced" not in values:
                given.setdefault(values["path"], (values, []))[1].append(values["lease"])
        self._others = [self._hand_over(values, leases) for values, leases in given.values()]
        ledger.remove()
        for path in (self._guard_path, *(cell.description.get("guard") for cell in self.cells)):
            if path is not None:
                guard.remove(path)
        for handover in self._handovers:
            if handover.diff:
                self._config.hook.pytest_envsync_drift(
                    config=self._config, env=self._shown(handover.values), diff=handover.diff
                )

    def _hand_over(self, values: dict[str, Any], leases: list[str]) -> Handover:
        found = hand_over(values, leases, Engine(self._surroundings), ignored=self._surroundings.drift_ignore)
        return found._replace(tests=traced(self._rows, values["path"]))

    def _write_report(self, exitstatus: int, *, error: str | None = None) -> None:
        """Write the report; with an *error* it counts until another one is written, which may never be."""
        if self._values is None and not self._config.option.envsync_report:
            return
        path = self._surroundings.report
        if path is None:
            return
        if self._values is not None and self._guard_path is not None and is_turn(self._values):
            path = str(report_path(self._guard_path))
        elif error is not None and report_file.is_stream(path):
            return
        rows = [cell.row() for cell in self.cells]
        for row in rows:
            row["error"] = row["error"] or error
        try:
            report_file.write_report(path, exitstatus, rows)
        except OSError as problem:
            if error is None:
                sys.stderr.write(f"envsync: the report `{path}` cannot be written: {problem.strerror or problem}\n")


def accompany(config: pytest.Config) -> None:
    """See to it that a session gives back what its tests were given."""
    if not hasattr(config, "workerinput") and not config.pluginmanager.hasplugin(NAME):
        config.pluginmanager.register(Companion(config, None), NAME)
