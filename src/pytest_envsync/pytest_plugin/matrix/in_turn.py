"""A session of a matrix whose environments take turns: its reports name the environment, as those of workers do.

Registered in the main process of each session. Runs inside session environments: standard library, pytest and
pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import pytest

from pytest_envsync.pytest_plugin.matrix.identities import with_identity
from pytest_envsync.pytest_plugin.matrix.selection import Selection

NAME = "envsync-in-turn"


class InTurn:
    """Writes the environment of *values*, those of the guard file, into the ids of reports."""

    def __init__(self, config: pytest.Config, values: Mapping[str, Any], selection: Selection) -> None:
        self._config = config
        self._identity: str = values["identity"]
        self._properties = properties(values)
        self._selection = selection

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, None]:
        """Name the environment in what is told of a test."""
        outcome = yield
        self.name(outcome.get_result())

    def name(self, report: pytest.TestReport) -> None:
        """Write the environment into *report*."""
        report.nodeid = with_identity(report.nodeid, self._identity)
        path, line, domain = report.location
        report.location = (path, line, with_identity(domain, self._identity))
        report.user_properties = [*report.user_properties, *self._properties]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Keep the failures of all environments from here on: what was to be selected is."""
        self._selection.give_last_failures_back(self._config)


def properties(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a report says of the environment of a guard file's *values*."""
    environment = values["environment"]
    return [
        ("envsync.environment", values["identity"]),
        ("envsync.key", environment["key"]),
        ("envsync.python", environment["version"]),
    ]
