"""The hooks that this plugin calls.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from pytest_envsync.changes import Changes
    from pytest_envsync.diff import Diff
    from pytest_envsync.synced_env import SyncedEnv


def pytest_envsync_options(config: pytest.Config) -> dict[str, Any] | None:
    """Return options of ``envsync sync`` for every environment, as ``{"index_url": ...}``.

    They rank behind the command line, ``ENVSYNC_`` variables, ini keys and markers. For the environment
    of the session itself, only installed plugins and those given with ``-p`` are asked.
    """


def pytest_envsync_synced(config: pytest.Config, env: SyncedEnv, changes: Changes) -> None:
    """Be told that *env* is ready; *changes* is what was installed for it just now, falsy if nothing."""


def pytest_envsync_drift(config: pytest.Config, env: SyncedEnv, diff: Diff) -> None:
    """Be told that *env* was changed while this session used it; it is undone already."""
