"""The surroundings of a session, read where the engine is.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import copy
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.cache import cache_directory
from pytest_envsync.options.table import OPTIONS
from pytest_envsync.options.values import words_of
from pytest_envsync.pytest_plugin.inside.asked import Asked, read_asked
from pytest_envsync.pytest_plugin.inside.launch import host_environ
from pytest_envsync.pytest_plugin.inside.wanted import Wanted, wanted_environments
from pytest_envsync.pytest_plugin.naming import python_part
from pytest_envsync.pytest_plugin.surroundings import Surroundings
from pytest_envsync.settings.declared import declared_sets, read_declared
from pytest_envsync.settings.merge import Said, session_settings

if TYPE_CHECKING:
    import pytest

    from pytest_envsync.options.option import Option
    from pytest_envsync.settings.declared import Declared
    from pytest_envsync.settings.merge import Settings


def surroundings_here(config: pytest.Config) -> Surroundings:
    """Return the surroundings of a plain session. Raises EnvsyncError."""
    asked = read_asked(config, copy.copy(config.option))
    settings = session_settings(
        asked.line.arguments,
        asked.line.options,
        ini=Said(arguments=asked.ini.arguments, given=asked.ini.options, base=asked.ini.base),
        cwd=asked.directory,
        environ=os.environ,
    )
    cache_dir = cache_directory(asked.cache_dir or settings.options.cache_dir, os.environ, cwd=asked.directory)
    declared = read_declared(settings.environments, settings.base)
    # With --no-envsync the environment that the session would have had is still the default of the fixture.
    has_own = asked.locks and not asked.files
    wanted = wanted_environments(asked, declared, default=settings.options.python)[0] if has_own else None
    return surroundings_of(asked, cache_dir, settings, wanted)


def surroundings_of(asked: Asked, cache_dir: Path, settings: Settings, wanted: Wanted | None) -> Surroundings:
    """Return the surroundings of a session that *asked*, whose own environment is *wanted*."""
    declared = read_declared(settings.environments, settings.base)
    extras, groups = ((), ()) if wanted is None else declared_sets(wanted.extras, wanted.groups, settings.momentary)
    return Surroundings(
        host=sys.executable,
        python_name=python_part(settings.options.python),
        host_environ=host_environ(os.environ),
        cache_dir=str(cache_dir),
        rootdir=asked.rootdir,
        directory=asked.directory,
        files=list(asked.files or (wanted.files if wanted is not None else ())),
        python=wanted.python if wanted is not None and not asked.files else next(iter(asked.pythons), None),
        extras=list(extras),
        groups=list(groups),
        line=asked.line._asdict(),
        ini=asked.ini._asdict(),
        declared={name: plain_row(row) for name, row in declared.items()},
        option_shapes=option_shapes(),
        drift=asked.drift,
        drift_ignore=asked.drift_ignore,
        trace=asked.trace,
        report=asked.report,
    )


def option_shapes() -> dict[str, list[str]]:
    """Return the names of what a marker may give to the engine, each with its kind and the values that it can have."""
    return {option.name: [_kind(option), *words_of(option)] for option in OPTIONS if option.scope == "set"}


def _kind(option: Option) -> str:
    if option.is_list:
        return "places" if option.relative else "list"
    if option.kind != "value":
        return "flag"
    return "place" if option.relative else "value"


def plain_row(row: Declared) -> dict[str, Any]:
    """Return a declared environment as JSON has it."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row._asdict().items()}
