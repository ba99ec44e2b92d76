"""Keep what other plugins count by id apart for the environments of a matrix.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_envsync.pytest_plugin.matrix.identities import with_identity

if TYPE_CHECKING:
    import pytest


class Apart:
    """The failures that pytest-rerunfailures counts by id, with the environment in each id."""

    def __init__(self, table: Any, identity: str) -> None:
        self._table = table
        self._identity = identity

    def __getattr__(self, name: str) -> Any:
        """Return the method, for ids of this environment."""
        method = getattr(self._table, name)

        def call(*args: Any) -> Any:
            return method(*(with_identity(arg, self._identity) if isinstance(arg, str) else arg for arg in args))

        return call if callable(method) else method


class ConfigApart:
    """The configuration as a scheduler shows it to pytest-rerunfailures when a worker crashed."""

    def __init__(self, config: pytest.Config, identity: str) -> None:
        self._config = config
        self._identity = identity

    def __getattr__(self, name: str) -> Any:
        """Return what the configuration has, failures apart."""
        found = getattr(self._config, name)
        return Apart(found, self._identity) if name == "failures_db" else found
