"""Have coverage leave out the overlay, as it leaves out everything that is installed.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def leave_out(config: pytest.Config, directory: str) -> None:
    """See to it that a coverage that pytest-cov is about to start takes *directory* for installed.

    From 7.13.3 on coverage sees by the ``pyvenv.cfg`` above it that it is. Releases before know the directories of the
    interpreter only, which they get from one function.
    """
    if not config.pluginmanager.hasplugin("pytest_cov") or not getattr(config.known_args_namespace, "cov_source", None):
        return
    inorout = import_module("coverage.inorout")
    found = getattr(inorout, "add_third_party_paths", None)
    if found is None:
        return

    def with_directory(paths: Any) -> None:
        found(paths)
        paths.add(directory)

    setattr(inorout, "add_third_party_paths", with_directory)  # noqa: B010 - a name of releases that are past
