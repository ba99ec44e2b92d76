"""What ``run`` and ``env`` share: from the words of a command line to a cached environment.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.cache import cache_directory
from pytest_envsync.errors import EnvsyncError, UsageError
from pytest_envsync.settings.declared import declared_sets, find_declared, read_declared
from pytest_envsync.true_paths import resolved, settled
from pytest_envsync.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_envsync.cli import Call
    from pytest_envsync.environments import CachedEnvironment, EnvironmentRequest, Environments, ProjectRequest
    from pytest_envsync.environments.provision import Basis
    from pytest_envsync.narration import Reporter
    from pytest_envsync.pytest_plugin.overlay.making import Overlay
    from pytest_envsync.settings.declared import Declared
    from pytest_envsync.target import Target


class Provided(NamedTuple):
    """A cached environment, the overlay behind it, if there is one, and what it rests on."""

    environment: CachedEnvironment
    overlay: Overlay | None
    basis: Basis | None = None


def environments_of(call: Call, reporter: Reporter) -> Environments:
    """Return the cached environments of the cache that the settings name."""
    from pytest_envsync.environments import Environments

    settings = call.settings
    return Environments(
        cache_of(call), cwd=settings.cwd, environ=settings.environ, reporter=reporter, options=settings.options
    )


def cache_of(call: Call) -> Path:
    """Return the directory of the cache."""
    settings = call.settings
    return cache_directory(settings.options.cache_dir, settings.environ, cwd=settings.cwd)


def request_of(call: Call) -> EnvironmentRequest:
    """Return the request that the files and settings of *call* make, without project and overlay.

    Raises UsageError for a file that is missing and for a name that is declared with several interpreters.
    """
    from pytest_envsync.environments import EnvironmentRequest

    settings = call.settings
    declared = _declared(call)
    files = tuple(declared.files if declared else (_absolute(word, settings.cwd) for word in call.arguments.files))
    options = settings.options
    python = options.python
    if declared is not None:
        extras, groups = declared_sets(declared.extras, declared.groups, settings.momentary)
        options = replace(options, extras=extras or options.extras, groups=groups or options.groups)
        if "python" not in settings.momentary and declared.python:
            python, *others = declared.python
            if others:
                raise UsageError(
                    f"`{declared.name}` is declared with {len(declared.python)} interpreters",
                    hint=f"choose one with `--python`: {', '.join(declared.python)}",
                )
    return EnvironmentRequest(
        files=files,
        options=options,
        python=python,
        recreate=bool(call.own("recreate")),
    )


def _declared(call: Call) -> Declared | None:
    """Return the declared environment that the first word names, unless that is a file. Raises UsageError."""
    words = call.arguments.files
    if os.path.lexists(os.path.join(call.settings.cwd, words[0])):  # noqa: PTH118 - plain text
        return None
    rows = find_declared(words[0], read_declared(call.settings.environments, call.settings.base))
    if not rows:
        return None
    if len(rows) > 1 or len(words) > 1:
        names = ", ".join(f"`{name}`" for name in (*words[1:], *(row.name for row in rows)))
        raise UsageError(f"only one environment can be used at a time, found {names}")
    return rows[0]


def _absolute(word: str, cwd: str) -> str:
    if "://" in word or word == "-":
        return word
    path = os.path.join(cwd, word)  # noqa: PTH118 - plain text
    if not os.path.lexists(path):
        raise UsageError(f"`{word}` is neither a file nor an environment of `[tool.envsync.environments]`")
    return settled(path)


def _project_word(call: Call, declared: Declared | None) -> str:
    """Return which project is wanted: ``none``, ``auto`` (this directory, if it is one) or an absolute path."""
    given = call.own("install_project") or (next(iter(declared.project), None) if declared else None)
    if not isinstance(given, str):
        return "none"
    if given in {"auto", "none"}:
        return given
    path = resolved(os.path.join(call.settings.cwd, given))  # noqa: PTH118 - plain text
    if not os.path.isdir(path):  # noqa: PTH112 - plain text
        raise UsageError(f"the project `{given}` is no directory")
    return path


class _Completion:
    """Gives the environment the overlay and the project of a session, so that both use the same one."""

    def __init__(self, call: Call) -> None:
        self.cache_dir = cache_of(call)
        self.cwd = call.settings.cwd
        self.wants_overlay = not call.own("no_overlay")
        self.project = _project_word(call, _declared(call))
        self.overlay: Overlay | None = None

    def __call__(self, request: EnvironmentRequest, packages: Mapping[str, str], target: Target) -> EnvironmentRequest:
        request = replace(request, project=self._project(packages))
        if not self.wants_overlay:
            return request
        from pytest_envsync.pytest_plugin.overlay.making import make_overlay

        try:
            self.overlay = make_overlay(self.cache_dir, locked=packages, target=target)
        except EnvsyncError:
            # An environment that cannot host pytest can still run commands.
            return request
        return request.with_overlay((self.overlay.path, self.overlay.digest))

    def _project(self, packages: Mapping[str, str]) -> ProjectRequest | None:
        """Return the project to add; what the lock has comes from the lock."""
        if self.project == "none":
            return None
        from pytest_envsync.environments import ProjectRequest
        from pytest_envsync.pytest_plugin.inside.project import read_project

        is_auto = self.project == "auto"
        found = read_project(self.cwd if is_auto else self.project, declared=not is_auto)
        if found is None or found.name in packages:
            return None
        return ProjectRequest(path=found.path)


def provide(call: Call, reporter: Reporter, *, holder_pid: int) -> Provided:
    """Provide the environment that *call* asks for, leased to *holder_pid* (0: to nobody)."""
    completion = _Completion(call)
    environments = environments_of(call, reporter)
    environment = environments.provide(request_of(call), holder_pid=holder_pid, complete=completion)
    return Provided(environment, completion.overlay, environments.basis)


def look_up(call: Call, reporter: Reporter) -> str | None:
    """Return the path of the environment that ``provide`` would give, None while there is none."""
    return environments_of(call, reporter).path(request_of(call), complete=_Completion(call))
