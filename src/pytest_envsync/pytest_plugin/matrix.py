"""Everything that touches pytest-xdist.

Runs inside session environments: standard library, pytest, pluggy, and xdist where it is there.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_envsync.pytest_plugin.ledger import ledger_of
from pytest_envsync.pytest_plugin.session import accompany

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

NAME = "envsync-workers"


class Workers:
    """In the controller: tells each worker whose leases it takes, and sees to the end."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Hand the ledger to a worker."""
        node.workerinput["envsync"] = ledger_of(node.config).for_worker()
        accompany(node.config)


def configure(config: pytest.Config) -> None:
    """Register what a controller of xdist needs."""
    config.pluginmanager.register(Workers(), NAME)
