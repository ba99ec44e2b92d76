"""A session inside its environment: header, comparison at the end, report.

Runs inside: standard library, pytest and pluggy only. The environment is compared here; only
when something differs, or new bytecode is to be kept, is the host's engine started.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_envsync.diff import Diff, compare, load_snapshot, sweep_rewritten
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.leases import release
from pytest_envsync.pytest_plugin import guard, report_file
from pytest_envsync.pytest_plugin.engine import Engine, read_changes
from pytest_envsync.pytest_plugin.surroundings import surroundings
from pytest_envsync.synced_env import SyncedEnv

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

SHOWN_FILES = 20


class SessionInside:
    """Accompanies the session in the process that it was started for."""

    def __init__(self, config: pytest.Config, values: dict[str, Any]) -> None:
        self._config = config
        self._values = values
        self._surroundings = surroundings(config)
        self._guard_path = os.environ[guard.VARIABLE]
        self._pid = os.getpid()
        self._outcomes: dict[str, int] = {}
        self._diff = Diff()
        self._shared = 1
        self._errors: list[str] = []
        self._damage: list[str] = []
        self._is_over = False
        self._is_told = False
        # Until the session says otherwise: what stops it before it begins is wrong usage.
        self._write_report(report_file.USAGE_ERROR, error="the session did not begin")
        atexit.register(self.close)

    def pytest_report_header(self) -> list[str]:
        """Tell what the session runs in."""
        return [f"envsync: {line}" for line in self._values["header"]]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Tell plugins that the environment is ready."""
        environment = self.environment()
        changes = read_changes(self._values["environment"]["changes"])
        self._config.hook.pytest_envsync_synced(config=self._config, env=environment, changes=changes)

    def environment(self) -> SyncedEnv:
        """Return the environment of the session."""
        return SyncedEnv(self._values["environment"], Engine(self._surroundings))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the outcomes as the terminal does."""
        status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        category = status[0] if status else report.outcome if report.when == "call" or report.failed else ""
        if category:
            self._outcomes[category] = self._outcomes.get(category, 0) + 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count what could not be collected."""
        if report.failed:
            self._outcomes["error"] = self._outcomes.get("error", 0) + 1

    # Innermost of the wrappers: after all that others do at the end, before the summary is printed.
    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, None]:
        """Compare the environment and give it back."""
        yield
        self._finish()
        if self._diff and self._surroundings.drift == "fail" and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._write_report(int(session.exitstatus))

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show what the session changed."""
        if self._config.getoption("no_summary", default=False):
            return
        self._is_told = True
        for text in self._errors + self._damage:
            terminalreporter.write_line(f"envsync: {text}", yellow=True)
        if not self._is_drift:
            return
        fails = self._surroundings.drift == "fail"
        terminalreporter.section("envsync drift", red=fails, yellow=not fails)
        terminalreporter.write_line(self._headline(), red=fails)
        for line in self._diff.lines(SHOWN_FILES):
            terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Leave the environment."""
        self.close()

    def close(self) -> None:
        """Give the environment back if the session never came to its end, and tell what no summary told."""
        if os.getpid() != self._pid:
            return
        self._finish()
        guard.remove(self._guard_path)
        atexit.unregister(self.close)
        if not self._is_told:
            self._is_told = True
            lines = self._errors + self._damage + ([self._headline()] if self._is_drift else [])
            sys.stderr.write("".join(f"envsync: {line}\n" for line in lines))

    @property
    def _is_drift(self) -> bool:
        return bool(self._diff) and self._surroundings.drift != "ignore"

    def _headline(self) -> str:
        name = ", ".join(os.path.basename(file) for file in self._values["environment"]["files"])  # noqa: PTH119 - text
        key = self._values["environment"]["key"][:10]
        changed = f"changed while {self._shared} sessions used it" if self._shared > 1 else "changed by this session"
        files, distributions = self._diff.files, self._diff.distributions
        count = sum(len(paths) for paths in files)
        count += len(distributions.added) + len(distributions.removed) + len(distributions.changed)
        return f"{name} -> {key} was {changed} ({count} difference{'' if count == 1 else 's'})"

    def _finish(self) -> None:
        """Compare, then release the lease: directly when there is nothing to undo or to keep."""
        if self._is_over or os.getpid() != self._pid:
            return
        self._is_over = True
        environment = self._values["environment"]
        try:
            found = self._compare(environment)
        except (OSError, ValueError) as error:
            self._errors.append(f"the environment could not be compared: {error}")
            found = None
        lease = environment["lease"]
        if found is not None and not found and not found.bytecode and release(lease):
            return
        self._give_back(lease, found)
        if self._diff:
            self._config.hook.pytest_envsync_drift(config=self._config, env=self.environment(), diff=self._diff)

    def _compare(self, environment: dict[str, Any]) -> Diff:
        snapshot = load_snapshot(environment["snapshot"])
        found = compare(environment["path"], snapshot)
        # What pytest itself wrote for the modules that it rewrites is no doing of a test.
        swept = sweep_rewritten(environment["path"], snapshot, found.files.added)
        return found.less(swept) if swept else found

    def _give_back(self, lease: str, found: Diff | None) -> None:
        ignored = self._surroundings.drift_ignore
        try:
            answer = Engine(self._surroundings).give_back(lease)
        except EnvsyncError as error:
            self._diff = (found or Diff()).without(ignored)
            self._errors.append(f"the environment could not be given back ({error}); it is mended at the next use")
            return
        self._diff = Diff.from_dict(answer["diff"]).without(ignored)
        self._shared = int(answer.get("shared") or 1)
        if answer.get("error"):
            self._errors.append(str(answer["error"]))
        self._damage += [f"mended in the store: {text}" for text in answer.get("damage") or ()]

    def _write_report(self, exitstatus: int, *, error: str | None = None) -> None:
        path = self._surroundings.report
        if path is None:
            return
        drift = self._diff.as_dict() if self._diff else None
        row = report_file.environment_row(self._values, outcomes=self._outcomes, drift=drift, error=error)
        try:
            report_file.write_report(Path(path), exitstatus, [row])
        except OSError as problem:
            sys.stderr.write(f"envsync: the report `{path}` cannot be written: {problem}\n")
