"""The way inside: provide the environment, then run the session in it. Only in the host interpreter.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_envsync.errors import EnvsyncError
from pytest_envsync.pytest_plugin import launch, report_file, way
from pytest_envsync.pytest_plugin.asked import Asked, read_asked
from pytest_envsync.pytest_plugin.command_line import inner_arguments
from pytest_envsync.pytest_plugin.naming import name_of, split_name
from pytest_envsync.pytest_plugin.silence import silence

if TYPE_CHECKING:
    import argparse

    from pytest_envsync.pytest_plugin.provision import Provided


def enter(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> int | None:
    """Run the session of *config* in its environment.

    Does not return where the process is replaced; else returns the status of the child, after
    seeing to it that this process does nothing more. None: this process is to go on.

    Raises pytest.UsageError when there is nothing to run in.
    """
    if way.is_worker():
        return None
    options = parser.parse_known_args([str(arg) for arg in args], namespace=copy.copy(config.option))
    try:
        asked = read_asked(config, options)
        form = way.read_form(sys.orig_argv)
        _refuse_coverage(form)
        modules = _plugin_modules(config.invocation_params.plugins or ())
        return _run(config, parser, args, asked=asked, form=form, modules=modules)
    except EnvsyncError as error:
        if options.envsync_report:
            _report_refusal(Path(config.invocation_params.dir, options.envsync_report), options, error)
        raise pytest.UsageError(rendered(error)) from None


def _report_refusal(path: Path, options: argparse.Namespace, error: EnvsyncError) -> None:
    rows = []
    for text in options.envsync_locks or ():
        name, lock = split_name(text)
        rows.append(report_file.refused_row(name or name_of(lock), [lock], str(error)))
    try:
        report_file.write_report(path, report_file.USAGE_ERROR, rows)
    except OSError as problem:
        sys.stderr.write(f"envsync: the report `{path}` cannot be written: {problem}\n")


def rendered(error: EnvsyncError) -> str:
    """Return an error and its hint as one text."""
    return f"envsync: {error}\nhint: {error.hint}" if error.hint else f"envsync: {error}"


def _run(
    config: pytest.Config,
    parser: pytest.Parser,
    args: list[str],
    *,
    asked: Asked,
    form: way.Form,
    modules: list[str],
) -> int | None:
    from pytest_envsync.pytest_plugin import provision

    owns = way.owns_process(form) and not config.invocation_params.plugins
    provided = provision.provide_session(config, args, asked, modules=modules)
    command = launch.session_command(
        provided.environment.python,
        form if form.is_pytest else way.Form(form.flags, module="pytest"),
        provided.overlay,
        behind=bool(provided.paths.behind),
        bin_directory=provided.environment.bin,
    )
    command += inner_arguments(config.invocation_params.args, modules)
    if owns:
        way.replace_process(command, provided.environ)
    status = _run_child(command, provided)
    silence(config, parser, args)
    return status


def _run_child(command: Sequence[str], provided: Provided) -> int:
    try:
        return way.run_child(command, provided.environ)
    finally:
        # A child that was killed could not do it.
        provided.release()


def _refuse_coverage(form: way.Form) -> None:
    if form.is_coverage:
        raise EnvsyncError(
            "`coverage run` measures this process, and the tests run in another one",
            hint="use `pytest --cov` (pytest-cov), or `envsync run LOCK -- coverage run -m pytest`",
        )


def _plugin_modules(plugins: Sequence[Any]) -> list[str]:
    """Return the names of plugins that were passed to ``pytest.main``. Raises EnvsyncError for other objects."""
    names = []
    for plugin in plugins:
        if isinstance(plugin, str):
            names.append(plugin)
        elif isinstance(plugin, ModuleType) and plugin.__name__ != "__main__":
            names.append(plugin.__name__)
        else:
            raise EnvsyncError(
                f"the plugin {plugin!r}, passed to pytest.main(), cannot be carried into another process",
                hint="pass a module, or its name with -p; or run here with --no-envsync",
            )
    return names
