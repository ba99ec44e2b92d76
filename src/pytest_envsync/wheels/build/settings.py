"""What options and variables say of builds: settings of backends, how many at once, how long, in which surrounding.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.errors import UsageError
from pytest_envsync.requirements import normalize_name
from pytest_envsync.wheels.build.git import OF_REPOSITORIES

if TYPE_CHECKING:
    from pytest_envsync.options import SyncOptions

DEFAULT_TIMEOUT = 3600.0
"""Seconds that one hook may take: an hour is enough for the slowest extension modules that are built in CI."""


def config_settings(options: SyncOptions, name: str) -> dict[str, Any]:
    """Return the PEP 517 settings for the project *name*: its own, then those for all.

    A key that is given more than once becomes a list. Raises UsageError for a setting without ``=``.
    """
    settings: dict[str, Any] = {}
    for text in options.config_settings_package:
        project, separator, setting = text.partition(":")
        key, equals, value = setting.partition("=")
        if not separator or not equals:
            raise UsageError(f"--config-settings-package `{text}` must be PROJECT:KEY=VALUE")
        if normalize_name(project) == name:
            _append(settings, key, value)
    for text in options.config_settings:
        key, separator, value = text.partition("=")
        if not separator:
            raise UsageError(f"--config-setting `{text}` must be KEY=VALUE")
        _append(settings, key, value)
    return settings


def extra_requirements(options: SyncOptions, name: str) -> tuple[str, ...]:
    """Return what builds of the project *name* need beside what they say: requirements, or ``:OTHER``.

    The latter stands for the version of OTHER that the same sync installs.
    """
    return _of_project(options.extra_build_dependencies, name)


def matched(texts: Sequence[str], installed: Mapping[str, str]) -> list[str]:
    """Return *texts* with what *installed* (name to requirement) has for each ``:OTHER``.

    Raises UsageError for one that is not installed.
    """
    found = []
    for text in texts:
        name = normalize_name(text[1:]) if text[:1] == ":" else None
        if name is not None and name not in installed:
            raise UsageError(
                f"`{text[1:]}` has `match-runtime = true` in extra-build-dependencies, but it is not installed",
                hint="add it to what is synced, or drop match-runtime",
            )
        found.append(text if name is None else installed[name])
    return found


def extra_variables(options: SyncOptions, name: str) -> dict[str, str]:
    """Return the variables that builds of the project *name* see beside those of this process."""
    pairs = (item.partition("=") for item in _of_project(options.extra_build_variables, name))
    return {variable: value for variable, _, value in pairs}


def _of_project(items: tuple[str, ...], name: str) -> tuple[str, ...]:
    pairs = (item.partition(":") for item in items)
    return tuple(text for project, _, text in pairs if normalize_name(project) == name)


def build_settings(options: SyncOptions, name: str) -> dict[str, Any]:
    """Return all that changes what a build of the project *name* makes; nothing is said by an empty value."""
    found = {
        "config_settings": config_settings(options, name),
        "extra_build_requires": list(extra_requirements(options, name)),
        "extra_build_variables": extra_variables(options, name),
    }
    return {key: value for key, value in found.items() if value}


def _append(settings: dict[str, Any], key: str, value: str) -> None:
    if key not in settings:
        settings[key] = value
    elif isinstance(settings[key], list):
        settings[key].append(value)
    else:
        settings[key] = [settings[key], value]


def build_jobs(environ: Mapping[str, str]) -> int:
    """Return how many builds may run at once (``UV_CONCURRENT_BUILDS``; one for each core)."""
    text = environ.get("ENVSYNC_CONCURRENT_BUILDS") or environ.get("UV_CONCURRENT_BUILDS") or ""
    return int(text) if text.isdecimal() and int(text) > 0 else os.cpu_count() or 1


def build_timeout(environ: Mapping[str, str]) -> float:
    """Return the time limit of one hook in seconds (``ENVSYNC_BUILD_TIMEOUT``). Raises UsageError for no number."""
    text = environ.get("ENVSYNC_BUILD_TIMEOUT") or str(DEFAULT_TIMEOUT)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UsageError(f"ENVSYNC_BUILD_TIMEOUT must be a number of seconds above 0, found `{text}`")
    return seconds


_OTHERS = frozenset({
    # Of another environment, or of the session that this is called from.
    "PYTHONPATH", "PYTHONHOME", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR", "PYTHONUSERBASE", "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT", "__PYVENV_LAUNCHER__", "ENVSYNC_SESSION",
    # For the programs of the user: warnings that are errors there must not fail a build, nor may a debugger wait.
    "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONSTARTUP", "PYTHONPROFILEIMPORTTIME",
    "PYTHONVERBOSE",
})  # fmt: skip


def backend_environ(environ: Mapping[str, str], python: str) -> dict[str, str]:
    """Return the variables for a backend that runs in *python*: its ``bin`` first on PATH, no other environment's.

    Git finds the repository of the source tree, not the one whose hook called this.
    """
    kept = {name: value for name, value in environ.items() if name not in _OTHERS and name not in OF_REPOSITORIES}
    place = Path(python).parent
    return {
        **kept,
        "PATH": os.pathsep.join(filter(None, [str(place), environ.get("PATH", "")])),
        "VIRTUAL_ENV": str(place.parent),
        "PYTHONNOUSERSITE": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        # What a backend printed before it was ended must not be lost in its buffer.
        "PYTHONUNBUFFERED": "1",
    }
