"""Provide what a session runs in: the environment, its overlay, the guard file, the variables.

Only in the host interpreter.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_envsync.addresses import file_url, masked
from pytest_envsync.cache import cache_directory, make_cache
from pytest_envsync.environments import CachedEnvironment, EnvironmentRequest, Environments, ProjectRequest
from pytest_envsync.errors import BuildError, EnvsyncError
from pytest_envsync.pytest_plugin import guard
from pytest_envsync.pytest_plugin.inside import header, launch
from pytest_envsync.pytest_plugin.inside.host import surroundings_of
from pytest_envsync.pytest_plugin.inside.project import (
    Project,
    is_installed_from,
    name_installed_from,
    read_project,
    unmet_requirements,
)
from pytest_envsync.pytest_plugin.inside.wanted import Wanted
from pytest_envsync.pytest_plugin.overlay.host_plugins import NamedPlugins, named_plugins
from pytest_envsync.pytest_plugin.overlay.making import Bring, Held, Overlay, make_overlay
from pytest_envsync.settings.declared import Declared, declared_sets, read_declared
from pytest_envsync.settings.merge import Said, Settings, session_settings
from pytest_envsync.values import NamedTuple, replace

if TYPE_CHECKING:
    import pytest

    from pytest_envsync.narration import Reporter
    from pytest_envsync.pytest_plugin.inside.asked import Asked
    from pytest_envsync.pytest_plugin.surroundings import Surroundings
    from pytest_envsync.target import Target


class Provided(NamedTuple):
    """A session environment that is ready, and how to run in it."""

    wanted: Wanted
    environment: CachedEnvironment
    overlay: Overlay
    paths: launch.Paths
    environ: dict[str, str]
    guard_path: str
    values: dict[str, Any]
    cache_dir: Path
    settings: Settings

    def release(self) -> None:
        """Give the environment back, if that is still to be done, and remove the guard file."""
        guard.remove(self.guard_path)
        lease = self.environment.lease
        if lease is None or not Path(lease).exists():
            return
        try:
            Environments(
                self.cache_dir, cwd=self.settings.cwd, environ=self.settings.environ, options=self.settings.options
            ).give_back(lease)
        except EnvsyncError as error:
            sys.stderr.write(f"envsync: {error}\n")


class Preparation(NamedTuple):
    """What is the same for all environments of a session."""

    asked: Asked
    cache_dir: Path
    declared: Mapping[str, Declared]
    hook_options: Mapping[str, Any]
    plugins: NamedPlugins
    settings: Settings


def prepare(config: pytest.Config, args: Sequence[str], asked: Asked, *, modules: Sequence[str]) -> Preparation:
    """Read what holds for every environment of the session. Raises EnvsyncError."""
    hook_options: dict[str, Any] = {}
    for options in reversed(config.hook.pytest_envsync_options(config=config)):
        hook_options.update(options or {})
    settings = settings_of(asked, hook_options)
    cache_dir = cache_directory(asked.cache_dir or settings.options.cache_dir, os.environ, cwd=asked.directory)
    make_cache(cache_dir)
    plugins = named_plugins(config, args, extra=asked.plugins, modules=modules)
    return Preparation(
        asked, cache_dir, read_declared(settings.environments, settings.base), hook_options, plugins, settings
    )


def settings_of(asked: Asked, hook_options: Mapping[str, Any], wanted: Wanted | None = None) -> Settings:
    """Return the settings for an environment; what *wanted* declares ranks below pytest's ini file."""
    settings = session_settings(
        asked.line.arguments,
        asked.line.options,
        ini=Said(arguments=asked.ini.arguments, given={**hook_options, **asked.ini.options}, base=asked.ini.base),
        cwd=asked.directory,
        environ=os.environ,
    )
    if wanted is None:
        return settings
    extras, groups = declared_sets(wanted.extras, wanted.groups, settings.momentary)
    options = settings.options
    return replace(settings, options=replace(options, extras=extras or options.extras, groups=groups or options.groups))


class _Completion:
    """Fills in what depends on the names in the lock: the overlay, and whether the project is added."""

    def __init__(self, preparation: Preparation, wanted: Wanted, bring: Bring) -> None:
        self.preparation = preparation
        self.bring = bring
        self.wanted = wanted
        self.overlay: Overlay | None = None
        self.lines: list[str] = []
        self.project: dict[str, Any] | None = None
        self.is_named = True

    def __call__(self, request: EnvironmentRequest, packages: Mapping[str, str], target: Target) -> EnvironmentRequest:
        asked = self.preparation.asked
        self.overlay = make_overlay(
            self.preparation.cache_dir,
            locked=packages,
            target=target,
            plugins=self.preparation.plugins.distributions if asked.overlay else (),
            with_pytest=asked.overlay,
            bring=self.bring,
        )
        project = self._project(packages, target.markers)
        return replace(request.with_overlay((self.overlay.path, self.overlay.digest)), project=project)

    def _project(self, packages: Mapping[str, str], markers: Mapping[str, str]) -> ProjectRequest | None:
        found = _find_project(self.wanted.project, self.preparation.asked.rootdir)
        if found is None:
            self._say_what_is_left_out()
            return None
        name = found.name or Path(found.path).name
        if found.name is not None and found.name in packages:
            self.project = {"name": name, "path": found.path, "mode": "lock", "version": packages[found.name]}
            return None
        asked = self.preparation.asked
        mode: Literal["editable", "wheel"] = "editable" if asked.editable else "wheel"
        self.project = {"name": name, "path": found.path, "mode": mode}
        self.is_named = found.name is not None
        self.lines.append(self._project_line(self.project))
        unmet = unmet_requirements(found, packages, markers)
        if unmet:
            self.lines.append(f"project {name} needs what the lock lacks: {', '.join(unmet)}")
        return ProjectRequest(path=found.path, mode=mode)

    def _say_what_is_left_out(self) -> None:
        """Say that the project here is not what is tested, where that was asked for."""
        with suppress(EnvsyncError):  # nobody asks for its files to be sound
            here = read_project(self.preparation.asked.rootdir) if self.wanted.project == "none" else None
            if here is not None:
                name = here.name or Path(here.path).name
                self.lines.append(f"project {name} is left out (--envsync-project none)")

    def _project_line(self, project: Mapping[str, Any]) -> str:
        shown = header.shown_path(project["path"], self.preparation.asked.directory)
        return f"project {project['name']} from {shown} ({project['mode']})"

    def settle(self, environment: CachedEnvironment) -> None:
        """Say the name of a project that only its build told, and what became of one that the lock has too."""
        if self.project is None:
            return
        if self.project["mode"] != "lock":
            told = None if self.is_named else name_installed_from(environment.site_packages, self.project["path"])
            if told is not None:
                before, self.project["name"] = self._project_line(self.project), told
                self.lines[self.lines.index(before)] = self._project_line(self.project)
            return
        name, version = self.project["name"], self.project["version"]
        if is_installed_from(environment.site_packages, name, self.project["path"]):
            self.project["mode"] = "lock, working tree"
        else:
            self.lines.append(f"{name} {version} from the lock, not the working tree")


class _Late:
    """Brings distributions from the index; what that needs is loaded when it is wanted."""

    def __init__(self, settings: Settings, preparation: Preparation, reporter: Reporter) -> None:
        self.settings = settings
        self.preparation = preparation
        self.reporter = reporter

    def __call__(self, wanted: Sequence[str], *, locked: Mapping[str, str], target: Target) -> Sequence[Held]:
        from pytest_envsync.pytest_plugin.overlay.from_index import Synced

        cwd, cache_dir = self.preparation.asked.directory, self.preparation.cache_dir
        bring = Synced(self.settings, cache_dir=cache_dir, cwd=cwd, reporter=self.reporter)
        return bring(wanted, locked=locked, target=target)


def _find_project(wanted: str, rootdir: str) -> Project | None:
    if wanted == "none":
        return None
    return read_project(rootdir) if wanted == "auto" else read_project(wanted, declared=True)


def _provided(environments: Environments, request: EnvironmentRequest, completion: _Completion) -> CachedEnvironment:
    try:
        environment = environments.provide(request, holder_pid=os.getpid(), complete=completion)
    except EnvsyncError as error:
        project = completion.project
        if project is not None and _is_about(error, project["path"]):
            hint = "--envsync-project none leaves the project out of the environment"
            error.hint = f"{error.hint}; {hint}" if error.hint else hint
        raise
    completion.settle(environment)
    return environment


def _is_about(error: EnvsyncError, path: str) -> bool:
    """Whether *error* says that the project at *path* cannot be built: by itself, or for want of what builds it."""
    if isinstance(error, BuildError):
        return path in error.subject
    return f"needed to build `{file_url(path)}`" in str(error) or f" @ {file_url(path)}`" in str(error)


def provide_one(
    preparation: Preparation, wanted: Wanted, *, reporter: Reporter, identities: Sequence[str] = ()
) -> Provided:
    """Provide one environment; *identities* are those of its matrix, if it is in one. Raises EnvsyncError."""
    asked = preparation.asked
    settings = preparation.settings
    if wanted.extras or wanted.groups:
        settings = settings_of(asked, preparation.hook_options, wanted)
    environments, request, completion = _requested(preparation, wanted, settings, reporter=reporter)
    environment = _provided(environments, request, completion)
    if completion.overlay is None:
        raise EnvsyncError("the environment was provided without its overlay")
    paths = launch.sort_paths(
        os.environ.get("PYTHONPATH", ""),
        rootdir=asked.rootdir,
        directory=asked.directory,
        site_packages=environment.site_packages,
        extra=preparation.plugins.directories,
    )
    lines = _header(preparation, wanted, environment, settings=settings, completion=completion, paths=paths)
    values = _values(preparation, wanted, environment, completion, header_lines=lines, behind=paths.behind)
    values["identities"] = list(identities)
    guard_path = guard.write(preparation.cache_dir / "sessions", values)
    environ = launch.session_environ(
        os.environ,
        prefix=environment.path,
        bin_directory=environment.bin,
        cache_dir=str(preparation.cache_dir),
        guard_path=str(guard_path),
        overlay=completion.overlay,
        paths=paths,
    )
    return Provided(
        wanted=wanted,
        environment=environment,
        overlay=completion.overlay,
        paths=paths,
        environ=environ,
        guard_path=str(guard_path),
        values=values,
        cache_dir=preparation.cache_dir,
        settings=settings,
    )


def locate_one(preparation: Preparation, wanted: Wanted, *, reporter: Reporter) -> str | None:
    """Return the path of the environment that ``provide_one`` would give, None while there is none."""
    settings = settings_of(preparation.asked, preparation.hook_options, wanted)
    environments, request, completion = _requested(preparation, wanted, settings, reporter=reporter)
    return environments.path(request, complete=completion)


def _requested(
    preparation: Preparation, wanted: Wanted, settings: Settings, *, reporter: Reporter
) -> tuple[Environments, EnvironmentRequest, _Completion]:
    asked = preparation.asked
    completion = _Completion(preparation, wanted, _Late(settings, preparation, reporter))
    request = EnvironmentRequest(
        files=wanted.files,
        options=settings.options,
        python=wanted.python or settings.options.python,
        recreate=asked.recreate,
    )
    environments = Environments(
        preparation.cache_dir, cwd=asked.directory, environ=settings.environ, reporter=reporter, root=asked.rootdir
    )
    return environments, request, completion


def _header(
    preparation: Preparation,
    wanted: Wanted,
    environment: CachedEnvironment,
    *,
    settings: Settings,
    completion: _Completion,
    paths: launch.Paths,
) -> list[str]:
    asked = preparation.asked
    overlay = completion.overlay.header() if completion.overlay is not None else ""
    lines = [
        header.describe(environment, shown=header.shown_files(wanted.files, asked.directory)),
        *completion.lines,
        *filter(None, [overlay]),
        *header.condition_lines(environment),
        *paths.header(),
        *header.origin_lines(asked, settings.origins, has_python=not wanted.names_python),
        *(f"warning: {warning}" for warning in settings.warnings),
    ]
    return list(map(masked, lines))


def _values(
    preparation: Preparation,
    wanted: Wanted,
    environment: CachedEnvironment,
    completion: _Completion,
    *,
    header_lines: Sequence[str],
    behind: Sequence[str],
) -> dict[str, Any]:
    """Return what the guard file says."""
    overlay = completion.overlay
    given = _with_connection(
        surroundings_of(preparation.asked, preparation.cache_dir, preparation.settings, wanted),
        preparation.hook_options,
    )
    return {
        "prefix": environment.path,
        "name": wanted.name,
        "shown_files": list(map(masked, wanted.files)),
        "identity": wanted.identity,
        "identities": [],
        "environment": environment.as_dict(),
        "python": wanted.python,
        "project": completion.project,
        "overlay": None
        if overlay is None
        else {"pytest": overlay.pytest, "distributions": overlay.distributions, "path": overlay.path},
        "header": list(header_lines),
        "behind": list(behind),
        "left_behind": _left_behind(preparation.plugins, environment, overlay),
        "started": time.time(),
        "surroundings": given.as_dict(),
    }


_CONNECTION = ("offline", "cert", "system_certs", "allow_insecure_host", "keyring_provider")


def _with_connection(given: Surroundings, hook_options: Mapping[str, Any]) -> Surroundings:
    """Return *given* with what plugins say about the network; none of that is a password."""
    found = {name: hook_options[name] for name in _CONNECTION if hook_options.get(name) is not None}
    texts = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in found.items()}
    return given._replace(ini={**given.ini, "options": {**texts, **given.ini["options"]}})


def _left_behind(plugins: NamedPlugins, environment: CachedEnvironment, overlay: Overlay | None) -> dict[str, str]:
    """Return the plugins of this interpreter that the environment lacks, by name, with the distribution of each."""
    there = {*environment.packages, *(overlay.distributions if overlay is not None else ()), "pytest-envsync"}
    return {name: owner for name, owner in plugins.present.items() if owner not in there}
