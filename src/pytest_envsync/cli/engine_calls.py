"""What sessions ask of the engine: requests and answers are JSON on standard input and output.

An error is an answer too: its kind, message and hint on standard output, and its exit status.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.cache import cache_directory
from pytest_envsync.cli.terminal import TerminalReporter
from pytest_envsync.environments import EnvironmentRequest, Environments, ProjectRequest
from pytest_envsync.errors import EnvsyncError, UsageError
from pytest_envsync.input_files import read_input_files
from pytest_envsync.lockfiles import check_lockfile
from pytest_envsync.report import SCHEMA, error_json
from pytest_envsync.settings.merge import Said, session_settings
from pytest_envsync.values import NamedTuple, replace

if TYPE_CHECKING:
    from pytest_envsync.cli import Call
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.settings.merge import Settings


def provision(call: Call) -> int:
    """Provide the environment that the request describes, leased to its holder; or a private copy of it."""
    return _answer(call, _provision)


def give_back(call: Call) -> int:
    """Give the environment of a lease back; the answer says what differed."""
    return _answer(call, _give_back)


def undo(call: Call) -> int:
    """Bring the environment of the request back to what it was made as; the answer says what that changed."""
    return _answer(call, _undo)


def apply(call: Call) -> int:
    """Sync a private environment with the files of the request."""
    return _answer(call, _apply)


def _answer(call: Call, work: Callable[[Call, TerminalReporter], Mapping[str, Any]]) -> int:
    reporter = TerminalReporter(call.terminal)
    try:
        values = work(call, reporter)
    except EnvsyncError as error:
        print(json.dumps(error_json(error)), flush=True)  # noqa: T201 - the answer
        raise
    finally:
        reporter.close()
    print(json.dumps({"schema": SCHEMA, **values}), flush=True)  # noqa: T201 - the answer
    return 0


def _request() -> dict[str, Any]:
    """Read the request. Raises UsageError for what is none."""
    try:
        values = json.loads(sys.stdin.buffer.read())
    except ValueError as error:
        raise UsageError(f"the request on standard input is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise UsageError("the request on standard input is no JSON object")
    with suppress(OSError, TypeError):
        # This process is started where nobody can put modules; relative paths are relative to the session's place.
        os.chdir(values.get("cwd") or os.curdir)
    return values


def _settings(request: Mapping[str, Any], call: Call) -> Settings:
    """Return the settings of *request*; those of this call's own command line count as said in it."""
    ini = request.get("ini") or {}
    return session_settings(
        request.get("arguments") or (),
        {**_given(call), **(request.get("options") or {})},
        ini=Said(arguments=ini.get("arguments") or (), given=ini.get("options") or {}, base=ini.get("base")),
        cwd=request.get("cwd") or call.settings.cwd,
        environ=os.environ,
    )


def _given(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.arguments.values.items() if name in {"cache_dir", "offline", "project"}}


def _environments(settings: Settings, reporter: TerminalReporter, *, root: str | None = None) -> Environments:
    cache_dir = cache_directory(settings.options.cache_dir, settings.environ, cwd=settings.cwd)
    return Environments(
        cache_dir, cwd=settings.cwd, environ=settings.environ, reporter=reporter, options=settings.options, root=root
    )


def _files(request: Mapping[str, Any]) -> tuple[str, ...]:
    files = request.get("files")
    if not isinstance(files, list) or not files or not all(isinstance(item, str) for item in files):
        raise UsageError("the request names no `files`")
    return tuple(files)


def _provision(call: Call, reporter: TerminalReporter) -> Mapping[str, Any]:
    request = _request()
    settings = _settings(request, call)
    project = request.get("project")
    files = _files(request)
    for file in files:
        check_lockfile(file)
    wanted = EnvironmentRequest(
        files=files,
        options=settings.options,
        python=request.get("python") or settings.options.python,
        project=ProjectRequest(**project) if project else None,
        recreate=bool(request.get("recreate")),
    )
    overlay = request.get("overlay")
    if overlay:
        wanted = wanted.with_overlay((overlay["path"], overlay["digest"]))
    environments = _environments(settings, reporter, root=request.get("root"))
    environment = environments.provide(wanted, holder_pid=int(request.get("holder") or os.getppid()))
    private = request.get("private")
    if private:
        copy = environments.private_copy(
            environment, Path(private["destination"]), link_mode=private.get("link_mode") or None
        )
        if environment.lease is not None:
            environments.give_back(environment.lease)
        return {"environment": copy.as_dict()}
    return {"environment": environment.as_dict(), "warnings": list(settings.warnings)}


def _give_back(call: Call, reporter: TerminalReporter) -> Mapping[str, Any]:
    request = _request()
    environments = _environments(_settings_of_repair(request, call), reporter)
    values = environments.give_back(call.arguments.files[0], ignore=request.get("ignore") or ()).as_dict()
    if call.settings.command.get("auto_prune", True):
        environments.auto_prune()
    return values


def _undo(call: Call, reporter: TerminalReporter) -> Mapping[str, Any]:
    request = _request()
    done = _environments(_settings_of_repair(request, call), reporter).restore(_place(request))
    return {"changes": done.changes.as_list()}


def _settings_of_repair(request: Mapping[str, Any], call: Call) -> Settings:
    """Return the settings by which a damaged wheel is fetched again: those of the session, as at its beginning.

    What its tests made of the configuration must not keep an environment from being given back; then nothing
    is fetched. The cache is that of the environment, whatever they say.
    """
    own = call.settings
    try:
        found = _settings(request, call)
    except EnvsyncError:
        return replace(own, options=replace(own.options, offline=True))
    options = replace(found.options, cache_dir=own.options.cache_dir)
    return replace(found, options=_with_logins_of(request, options, found))


def _with_logins_of(request: Mapping[str, Any], options: SyncOptions, settings: Settings) -> SyncOptions:
    """Return *options* with the indexes that the files of *request* name: a login may stand there only."""
    files = [path for path in request.get("files") or () if "://" not in path]
    with suppress(OSError, EnvsyncError):
        if not any(b"index-url" in content and b"@" in content for content in map(_content, files)):
            return options
        from pytest_envsync.environment.interpreter import base_of_running

        cache_dir = cache_directory(options.cache_dir, settings.environ, cwd=settings.cwd)
        ground = _Ground(settings.cwd, request.get("root"), settings.environ)
        found = read_input_files(files, options=options, target=base_of_running(str(cache_dir)), ground=ground)
        indexes = [*([found.index_url] if found.index_url else []), *found.extra_index_urls]
        return replace(options, extra_index_urls=(*options.extra_index_urls, *indexes))
    return options


class _Ground(NamedTuple):
    """Where the files of a request are read again: files of this machine only."""

    cwd: str
    root: str | None
    environ: Mapping[str, str]

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at *path*. Raises OSError."""
        return _content(path)


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


def _place(request: Mapping[str, Any]) -> str:
    place = request.get("path")
    if not isinstance(place, str):
        raise UsageError("the request names no `path`")
    return place


def _apply(call: Call, reporter: TerminalReporter) -> Mapping[str, Any]:
    from pytest_envsync.sync import sync_environment

    request = _request()
    settings = _settings(request, call)
    place = _place(request)
    # Its files are the test's own to write; a hard link would lead into the store, so that a setting does not count.
    mode = request.get("link_mode") or "copy"
    outcome = sync_environment(
        _files(request),
        options=replace(
            settings.options, python=place, venv=None, target=None, prefix=None, system=False, link_mode=mode
        ),
        cwd=settings.cwd,
        environ=settings.environ,
        reporter=reporter,
        root=request.get("root"),
    )
    return {"changes": outcome.changes.as_list(), "warnings": list(outcome.warnings)}
