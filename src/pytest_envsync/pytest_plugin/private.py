"""Where private environments are made, and when they go.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

_SETTING = "tmp_path_retention_policy"


class FailedTests:
    """Remembers which tests failed, in the process that runs them."""

    def __init__(self) -> None:
        self.nodes: set[str] = set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Take note of a failure."""
        outcome = yield
        if outcome.get_result().failed:
            self.nodes.add(item.nodeid)


_NAME = "envsync-failed-tests"


def failed_tests(config: pytest.Config) -> FailedTests:
    """Return the memory of failures of this process."""
    found = config.pluginmanager.get_plugin(_NAME)
    if not isinstance(found, FailedTests):
        found = FailedTests()
        config.pluginmanager.register(found, _NAME)
    return found


def is_kept(config: pytest.Config, *, has_failed: bool) -> bool:
    """Whether a private environment stays after its test.

    They can be large: unlike other temporary directories they stay only where pytest is told so.
    """
    try:
        policy = config.getini(_SETTING)
    except (KeyError, ValueError):
        return False  # pytest before 7.3
    if not _is_set(config):
        return False
    return policy == "all" or (policy == "failed" and has_failed)


def _is_set(config: pytest.Config) -> bool:
    # The mapping lost its public name in pytest 9, whose releases warn when it is used.
    values = getattr(config, "_inicfg", None)
    overrides = config.getoption("override_ini", None) or ()
    return _SETTING in (values if values is not None else config.inicfg) or any(
        text.startswith(f"{_SETTING}=") for text in overrides
    )


def remove(directory: Path) -> None:
    """Remove a private environment with the directory that was made for it."""
    from shutil import rmtree

    def mend(function: Any, path: str, _: Any) -> None:
        # A test may have taken rights away.
        try:
            Path(path).parent.chmod(0o700)
            Path(path).chmod(0o700)
            function(path)
        except OSError:
            return

    rmtree(os.fspath(directory), onerror=mend)
