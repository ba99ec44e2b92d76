"""The environments of a session, one or many: outcomes, end, and what is told of them.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_envsync.pytest_plugin.session import report_file
from pytest_envsync.pytest_plugin.session.handover import Handover

IDENTITY = "envsync_identity"
ORIGINAL = "envsync_nodeid"
"""Attributes of reports in a matrix: the environment, and the id that the test has there."""


class Cell:
    """One environment of a session. *values* are those of its guard file, None when it could not be had.

    *identity* is its part in test ids, empty for a lone one; *error* says why it cannot be used.
    """

    def __init__(
        self,
        identity: str,
        values: Mapping[str, Any] | None,
        *,
        description: Mapping[str, Any],
        error: str | None = None,
    ) -> None:
        self.identity = identity
        self.values = values
        self.description = description
        self.error = error
        self.outcomes: dict[str, int] = {}
        self.results: dict[str, str] = {}
        self.handover: Handover | None = None

    @property
    def is_usable(self) -> bool:
        """Whether tests can run in it, as far as is known."""
        return self.values is not None and not self.error

    def count(self, category: str, nodeid: str | None = None) -> None:
        """Count an outcome, by the word that the terminal has for it."""
        self.outcomes[category] = self.outcomes.get(category, 0) + 1
        if nodeid is not None and _WEIGHT.get(category, 1) >= _WEIGHT.get(self.results.get(nodeid, ""), 0):
            self.results[nodeid] = category

    def row(self) -> dict[str, Any]:
        """Return the row of the JSON report."""
        if self.values is None:
            name, files = self.identity or self.description["name"], self.description["files"]
            return report_file.refused_row(name, files, self.error or "it could not be provided")
        drift = self.handover.drift() if self.handover is not None else None
        return report_file.environment_row(self.values, outcomes=self.outcomes, drift=drift, error=self.error)


_WEIGHT = {"error": 5, "failed": 4, "xpassed": 3, "xfailed": 2, "skipped": 2, "rerun": 0}
"""What counts when a test has several outcomes: an error at teardown more than a test that passed."""


def lone_cell(values: Mapping[str, Any]) -> Cell:
    """Return the cell of a session in one environment."""
    return Cell("", values, description=values)
