"""The guard file of a command that ``envsync run`` runs in an environment.

A pytest among such commands finds its fixtures' engine by it, and knows that it is where the ini file would
send it. Comparing the environment at the end is the business of ``run``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import masked
from pytest_envsync.pytest_plugin import guard
from pytest_envsync.pytest_plugin.inside.host import option_shapes, plain_row
from pytest_envsync.pytest_plugin.inside.launch import host_environ
from pytest_envsync.pytest_plugin.naming import python_part
from pytest_envsync.pytest_plugin.surroundings import Surroundings
from pytest_envsync.settings.declared import read_declared

if TYPE_CHECKING:
    from pytest_envsync.environments import CachedEnvironment
    from pytest_envsync.settings.merge import Settings


def write_command_guard(
    cache_dir: Path, environment: CachedEnvironment, settings: Settings, *, arguments: Sequence[str]
) -> str:
    """Write the guard file for a command in *environment* and return its path; ``guard.remove`` removes it.

    *arguments* are the options of the command line, as ``envsync sync`` takes them. Raises StoreError.
    """
    values = command_values(cache_dir, environment, settings, arguments=arguments)
    path = guard.write(cache_dir / "sessions", values)
    guard.deny(str(path))
    return str(path)


def command_values(
    cache_dir: Path, environment: CachedEnvironment, settings: Settings, *, arguments: Sequence[str]
) -> dict[str, Any]:
    """Return what the guard file of a command says."""
    declared = read_declared(settings.environments, settings.base)
    nothing: Mapping[str, object] = {"arguments": [], "options": {}, "base": settings.cwd}
    surroundings = Surroundings(
        host=sys.executable,
        python_name=python_part(settings.options.python),
        host_environ=host_environ(os.environ),
        cache_dir=str(cache_dir),
        rootdir=settings.cwd,
        directory=settings.cwd,
        files=list(environment.files),
        python=None,
        extras=[],
        groups=[],
        line={**nothing, "arguments": list(arguments)},
        ini=dict(nothing),
        declared={name: plain_row(row) for name, row in declared.items()},
        option_shapes=option_shapes(),
        drift="warn",
        drift_ignore=[],
        trace=False,
        report=None,
    )
    return {
        "prefix": environment.path,
        "name": "",
        "shown_files": list(map(masked, environment.files)),
        "identity": "",
        "identities": [],
        "environment": environment.as_dict(),
        "header": [],
        "behind": [],
        "surroundings": surroundings.as_dict(),
    }
