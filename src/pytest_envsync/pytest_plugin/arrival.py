"""What a pytest does that finds itself inside a session's environment.

Runs inside: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_envsync.pytest_plugin import guard
from pytest_envsync.pytest_plugin.command_line import has_envsync

if TYPE_CHECKING:
    from pytest_envsync.pytest_plugin.session import Companion

_SESSION: pytest.StashKey[Companion] = pytest.StashKey()


def arrive(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> int | None:
    """Take note of where this session is; return a status when it ran elsewhere.

    ``--envsync`` of the ini file or ``PYTEST_ADDOPTS`` brought us here and is ignored. On the command line
    it is a new wish, of a pytest that something inside started: the host's pytest obeys it.
    """
    values = guard.current()
    if values is None:
        return None
    if has_envsync(config.invocation_params.args):
        return _obey(config, parser, args, values)
    if guard.claim():
        from pytest_envsync.pytest_plugin.session import Companion

        config.stash[_SESSION] = Companion(config, values)
    return None


def configure(config: pytest.Config) -> None:
    """Register what accompanies the session, in the process that it was started for."""
    session = config.stash.get(_SESSION, None)
    if session is not None:
        from pytest_envsync.pytest_plugin.session import NAME

        config.pluginmanager.register(session, NAME)


def _obey(config: pytest.Config, parser: pytest.Parser, args: list[str], values: dict[str, Any]) -> int:
    """Run the same command line with the host's pytest, and return its status."""
    from pytest_envsync.pytest_plugin.silence import silence

    surroundings = values["surroundings"]
    environ = dict(os.environ)
    environ.pop(guard.VARIABLE, None)
    for name, value in surroundings["host_environ"].items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    command = [surroundings["host"], "-m", "pytest", *map(os.fspath, config.invocation_params.args)]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    status = subprocess.run(command, check=False, env=environ).returncode
    silence(config, parser, args)
    return 128 - status if status < 0 else status
