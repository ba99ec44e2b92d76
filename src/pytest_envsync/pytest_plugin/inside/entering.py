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

from pytest_envsync.addresses import masked
from pytest_envsync.errors import EnvsyncError, StoreError
from pytest_envsync.pytest_plugin.inside import way
from pytest_envsync.pytest_plugin.inside.asked import read_asked
from pytest_envsync.pytest_plugin.inside.probe import check_hosting
from pytest_envsync.pytest_plugin.inside.root import start_again
from pytest_envsync.pytest_plugin.inside.start import Start, rendered, run_inside
from pytest_envsync.pytest_plugin.naming import name_of, split_name
from pytest_envsync.pytest_plugin.session import report_file
from pytest_envsync.pytest_plugin.session.silence import silence

if TYPE_CHECKING:
    import argparse


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
        return _enter(config, parser, args, options)
    except EnvsyncError as error:
        from pytest_envsync.pytest_plugin.inside import located

        question = located.question()
        if question is not None:
            question.error = error
            silence(config, parser, args)
            return int(pytest.ExitCode.USAGE_ERROR)
        _report_refusal(config, options, str(error), pytest.ExitCode.USAGE_ERROR)
        raise pytest.UsageError(rendered(error)) from None
    except KeyboardInterrupt:
        # pytest says so only of a session that has begun.
        sys.stderr.write("envsync: interrupted before the session began; no environment was changed\n")
        _report_refusal(config, options, "interrupted before the session began", pytest.ExitCode.INTERRUPTED)
        silence(config, parser, args)
        return int(pytest.ExitCode.INTERRUPTED)


def _enter(config: pytest.Config, parser: pytest.Parser, args: list[str], options: argparse.Namespace) -> int | None:
    try:
        form = way.read_form(sys.orig_argv)
        status = start_again(config, parser, args, options, form)
        if status is not None:
            return status
        if not (options.envsync_locks or config.getini("envsync")):
            return None
        asked = read_asked(config, options)
        _refuse_coverage(form)
        modules = _plugin_modules(config.invocation_params.plugins or ())
        return _run(Start(config, parser, args, options, asked, form, modules))
    except OSError as error:
        # A disk that is full, a directory that is none: no fault of the tests, and no bug.
        place = f"`{error.filename}`: " if error.filename else ""
        raise StoreError(
            f"the environment of this session cannot be provided: {place}{error.strerror or error}",
            hint="--envsync-cache-dir names another cache",
        ) from error


def _report_refusal(config: pytest.Config, options: argparse.Namespace, error: str, status: int) -> None:
    """Write the report, if one is asked for, of a session that did not begin."""
    if not options.envsync_report:
        return
    path = Path(config.invocation_params.dir, options.envsync_report)
    rows = []
    for text in options.envsync_locks or config.getini("envsync"):
        name, lock = split_name(text)
        rows.append(report_file.refused_row(name or name_of(lock), [masked(lock)], masked(error)))
    try:
        report_file.write_report(path, status, rows)
    except OSError as problem:
        sys.stderr.write(f"envsync: the report `{path}` cannot be written: {problem}\n")


def _run(start: Start) -> int | None:
    from pytest_envsync.pytest_plugin.inside import located, provision
    from pytest_envsync.pytest_plugin.inside.narrator import Narrator
    from pytest_envsync.pytest_plugin.inside.wanted import wanted_environments

    preparation = provision.prepare(start.config, start.args, start.asked, modules=start.modules)
    wanted = wanted_environments(start.asked, preparation.declared, default=preparation.settings.options.python)
    question = located.question()
    if question is not None:
        silence(start.config, start.parser, start.args)
        return question.answer(preparation, wanted)
    if len(wanted) > 1:
        from pytest_envsync.pytest_plugin.inside import many

        if not many.is_about_the_first(start.options):
            return many.run(start, preparation, wanted)
    with Narrator() as reporter:
        provided = provision.provide_one(preparation, wanted[0], reporter=reporter)
    try:
        check_hosting(provided)
    except EnvsyncError:
        provided.release()
        raise
    return run_inside(start, provided)


def _refuse_coverage(form: way.Form) -> None:
    if form.is_coverage:
        raise EnvsyncError(
            "`coverage run` measures this process, and the tests run in another one",
            hint="use `pytest --cov` (pytest-cov), or, with coverage in the lock, "
            "`envsync run LOCK -- coverage run -m pytest`",
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
