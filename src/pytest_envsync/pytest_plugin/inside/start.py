"""A session that is about to move, and its last step outside.

Only in the host interpreter.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked
from pytest_envsync.errors import BuildError, EnvsyncError
from pytest_envsync.pytest_plugin.command_line import inner_arguments
from pytest_envsync.pytest_plugin.inside import launch, unhosted, way
from pytest_envsync.pytest_plugin.inside.child import run_child
from pytest_envsync.pytest_plugin.session.silence import silence
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    import argparse

    import pytest

    from pytest_envsync.pytest_plugin.inside.asked import Asked
    from pytest_envsync.pytest_plugin.inside.provision import Provided


OUTPUT_LINES = 40
"""How much of a failed build's output is shown."""


class Start(NamedTuple):
    """A session that is about to move: what pytest knows of it, what it asks for, how it was started."""

    config: pytest.Config
    parser: pytest.Parser
    args: list[str]
    options: argparse.Namespace
    asked: Asked
    form: way.Form
    modules: list[str]

    @property
    def owns_process(self) -> bool:
        """Whether the process may be replaced."""
        if unhosted.inner_command_line() is not None:
            return way.may_replace()
        return way.owns_process(self.form) and not self.config.invocation_params.plugins


def run_inside(start: Start, provided: Provided) -> int:
    """Run the session in *provided*; return its status where the process is not replaced."""
    if start.owns_process:
        way.replace_process(command_of(start, provided), provided.environ)
    try:
        return run_child(command_of(start, provided), provided.environ)
    finally:
        # A child that was killed could not do it.
        provided.release()
        silence(start.config, start.parser, start.args)


def command_of(start: Start, provided: Provided, more: Sequence[str] = ()) -> list[str]:
    """Return the command of pytest in *provided*; *more* are options that count more than those given."""
    form = start.form
    command = launch.session_command(
        provided.environment.python,
        form if form.is_pytest else way.Form(form.flags if form.module or form.script else (), module="pytest"),
        provided.overlay,
        behind=bool(provided.paths.behind),
        bin_directory=provided.environment.bin,
    )
    inner = unhosted.inner_command_line()
    given = inner or inner_arguments(start.config.invocation_params.args, start.modules)
    end = given.index("--") if "--" in given else len(given)
    return [*command, *given[:end], *more, *given[end:]]


def typed_command(start: Start) -> list[str]:
    """Return the command that the session was started with, as somebody may type it."""
    if unhosted.inner_command_line() is None:
        return ["pytest", *(os.fspath(argument) for argument in start.config.invocation_params.args)]
    words = sys.argv[1:]
    return ["envsync", *words, *([] if "--" in words else ["--"])]


def rendered(error: EnvsyncError) -> str:
    """Return an error and its hint as one text, without secrets."""
    lines = [f"envsync: {error}"]
    if isinstance(error, BuildError):
        # The backend's own words, as far as the message does not hold them.
        lines += [f"  {line}" for line in error.output.splitlines()[-OUTPUT_LINES:] if line not in str(error)]
    if error.hint:
        lines.append(f"hint: {error.hint}")
    return masked("\n".join(lines))
