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
    from pytest_envsync.pytest_plugin.session.companion import Companion

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
    if values.get("overlay") is not None:
        from pytest_envsync.pytest_plugin.session import coverages

        coverages.leave_out(config, values["overlay"]["path"])
    if guard.claim():
        from pytest_envsync.pytest_plugin.session.cells import lone_cell
        from pytest_envsync.pytest_plugin.session.companion import Companion

        if "matrix" in values:
            from pytest_envsync.pytest_plugin.matrix import xdist

            # Plugins that ask early whether tests are distributed, as pytest-cov does, must see it.
            if getattr(config.known_args_namespace, "dist", None) == "no":
                config.known_args_namespace.dist = "load"
            cells = xdist.cells_of(values["matrix"])
        else:
            cells = [lone_cell(values)]
        config.stash[_SESSION] = Companion(config, values, cells)
    return None


def after_failure(config: pytest.Config, error: BaseException) -> None:
    """Do what can be done when the initial conftests could not be loaded."""
    values = guard.current()
    if values is not None and "matrix" in values and config.stash.get(_SESSION, None) is not None:
        from pytest_envsync.pytest_plugin.matrix import moving_on

        moving_on.move_on(config, values, error)


def before_configuring(config: pytest.Config) -> None:
    """Turn the session into the controller of a matrix, if it is one."""
    session = config.stash.get(_SESSION, None)
    values = guard.current()
    if session is not None and values is not None and "matrix" in values:
        from pytest_envsync.pytest_plugin.matrix import xdist

        xdist.prepare(config, values["matrix"], session.cells)


def configure(config: pytest.Config) -> None:
    """Register what accompanies the session, in the process that it was started for, and in its workers."""
    session = config.stash.get(_SESSION, None)
    values = guard.current()
    if session is not None:
        from pytest_envsync.pytest_plugin.session.companion import NAME

        config.pluginmanager.register(session, NAME)
    is_worker = hasattr(config, "workerinput")
    if values is None or "matrix" in values:
        return
    if values["surroundings"]["trace"] and (is_worker or session is not None):
        watch(config, values["environment"])
    if not values["identity"]:
        return
    if is_worker or session is not None:
        from pytest_envsync.pytest_plugin.matrix import selection

        chosen = selection.Selection(config, values["identity"], values["identities"])
        config.pluginmanager.register(chosen, selection.NAME)
        if session is not None and not is_worker:
            from pytest_envsync.pytest_plugin.matrix import in_turn

            config.pluginmanager.register(in_turn.InTurn(config, values, chosen, session.cells[0]), in_turn.NAME)
    if is_worker:
        from pytest_envsync.pytest_plugin.matrix import xdist

        config.pluginmanager.register(xdist.Worker(config, values["identity"]), xdist.WORKER)


def watch(config: pytest.Config, environment: dict[str, Any]) -> None:
    """Name the tests that change *environment*, in a process that runs them."""
    from pytest_envsync.pytest_plugin.session.trace import NAME, Trace

    trace = config.pluginmanager.get_plugin(NAME)
    if not isinstance(trace, Trace):
        values = guard.current()
        trace = Trace(config, values["identity"] if values is not None else "")
        config.pluginmanager.register(trace, NAME)
    trace.watch(environment)


def _obey(config: pytest.Config, parser: pytest.Parser, args: list[str], values: dict[str, Any]) -> int:
    """Run the same command line with the host's pytest, and return its status."""
    from pytest_envsync.pytest_plugin.session.silence import silence

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
