"""``envsync run``: run a command in the cached environment of the files.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked
from pytest_envsync.cli.cached import cache_of, environments_of, provide
from pytest_envsync.cli.run_record import command_places, remember_run
from pytest_envsync.cli.terminal import Terminal, TerminalReporter
from pytest_envsync.errors import EnvsyncError, UsageError
from pytest_envsync.leases import drop, key_of, share_lease
from pytest_envsync.pytest_plugin import guard
from pytest_envsync.pytest_plugin.inside.command_guard import write_command_guard
from pytest_envsync.report import diff_lines, warning_line
from pytest_envsync.rerun import command_environ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_envsync.cli import Call
    from pytest_envsync.environments import HandedBack

SHOWN_FILES = 40
"""How many lines of drift are shown."""


def run(call: Call) -> int:
    """Provide, run, give back; return the status of the command. Raises EnvsyncError if it cannot be started."""
    if call.own("pytest"):
        return _run_pytest(call)
    if not call.arguments.rest:
        raise UsageError("the command to run is missing", hint=f"usage: {call.command.usage}")
    terminal = call.terminal
    reporter = TerminalReporter(terminal)
    try:
        provided = provide(call, reporter, holder_pid=os.getpid())
    finally:
        reporter.close()
    for line in (*provided.environment.missing, *provided.environment.warnings):
        terminal.say(warning_line(line, terminal.style))
    if provided.environment.repaired:
        text = f"the environment {provided.environment.key[:10]} was not as it was made; this was undone:"
        terminal.say(warning_line(text, terminal.style))
        terminal.say(*diff_lines(provided.environment.repaired, terminal.style, limit=SHOWN_FILES))
    try:
        path = write_command_guard(cache_of(call), provided.environment, call.settings, arguments=_option_texts(call))
        try:
            places = command_places(provided)
            environ = command_environ(call.settings.environ, prefix=provided.environment.path, places=places)
            _say_if_foreign(terminal, call.arguments.rest[0], environ["PATH"], places)
            return _run_command(
                call.arguments.rest, {**environ, guard.VARIABLE: path}, lease=provided.environment.lease, session=path
            )
        finally:
            guard.remove(path)
    finally:
        if provided.environment.lease is not None:
            _give_back(call, provided.environment.key, provided.environment.lease, reporter)
        if not reporter.has_warned:
            remember_run(call, provided, arguments=_option_texts(call))


def give_back_later(argv: Sequence[str], lease: str, *, start: str) -> None:
    """Give back an environment that the command of *argv* was run in without the engine, and say what it changed.

    *start* is the directory that this process was started in.
    """
    from pytest_envsync.cli import call_of

    terminal = Terminal(os.environ)
    try:
        call = call_of(argv, terminal, start=start)
    except (EnvsyncError, OSError) as error:
        # The command changed the settings.
        terminal.say(warning_line(_not_given_back(key_of(lease), error), terminal.style))
        with suppress(OSError):
            drop(lease)
        return
    reporter = TerminalReporter(terminal)
    try:
        _give_back(call, key_of(lease), lease, reporter)
    finally:
        reporter.close()


def find_command(name: str, environ: Mapping[str, str]) -> str:
    """Return the executable that *name* means on the environment's PATH.

    Raises EnvsyncError: status 2 when it is not there, 1 when it cannot be run.
    """
    from shutil import which

    found = which(name, path=environ["PATH"])
    if found is not None:
        return found
    if os.path.dirname(name) and os.path.exists(name):  # noqa: PTH110, PTH120 - plain text
        raise EnvsyncError(f"`{name}` is not executable", exit_status=1)
    raise EnvsyncError(
        f"the command `{name}` is neither in the environment nor on PATH",
        hint="is the distribution that brings it in the lock?",
    )


def _say_if_foreign(terminal: Terminal, name: str, path: str, places: Sequence[str]) -> None:
    """Say that *name* imports from elsewhere: green tests would be those of another environment."""
    from shutil import which

    from pytest_envsync.foreign_commands import foreign_python

    found = which(name, path=path)
    interpreter = foreign_python(found, places) if found is not None else ""
    if found is not None and interpreter:
        text = f"`{name}` is not in the environment: {found} runs instead, in {interpreter}, without what is locked"
        terminal.say(warning_line(text, terminal.style))


def _run_command(argv: Sequence[str], environ: Mapping[str, str], *, lease: str | None, session: str) -> int:
    """Run *argv* as a child that owns the terminal, and return its status (128 + signal if one ended it).

    It holds the *lease* together with this process. *session* is its guard file.
    """
    executable = find_command(argv[0], environ)

    def started(child: int) -> None:
        if lease is not None:
            share_lease(lease, child)

    try:
        if sys.platform == "win32":
            from subprocess import Popen

            with Popen([executable, *argv[1:]], env=dict(environ)) as process:
                started(process.pid)
                return process.wait()
        from pytest_envsync import foreground

        mask = foreground.block()
        try:
            return foreground.run(executable, argv, environ, mask=mask, session=session, started=started)
        finally:
            foreground.unblock(mask)
    except OSError as error:
        raise EnvsyncError(f"`{executable}` cannot be run: {error.strerror}", exit_status=1) from error


def _give_back(call: Call, key: str, lease: str, reporter: TerminalReporter) -> None:
    """Give the environment back, and say what the command changed in it."""
    terminal = call.terminal
    try:
        environments = environments_of(call, reporter)
        handed = environments.give_back(lease)
    except (EnvsyncError, OSError) as error:
        # The command has ended, and its status is what counts.
        terminal.say(warning_line(_not_given_back(key, error), terminal.style))
        return
    if handed.diff:
        say_drift(terminal, key, handed)
    if handed.error:
        terminal.say(warning_line(handed.error, terminal.style))
    if call.settings.command.get("auto_prune", True):
        try:
            environments.auto_prune()
        except (EnvsyncError, OSError) as error:
            terminal.say(warning_line(f"the cache could not be pruned: {masked(str(error))}", terminal.style))


def _not_given_back(key: str, error: EnvsyncError | OSError) -> str:
    return f"the environment {key[:10]} could not be given back, and is compared at its next use: {masked(str(error))}"


def say_drift(terminal: Terminal, key: str, handed: HandedBack) -> None:
    """Say what changed in an environment while it was used, and what became of it."""
    users = f" while {handed.shared} sessions used it" if handed.shared > 1 else ""
    if not handed.undone:
        outcome = "that could not be undone, and nobody gets it again"
    elif handed.shared > 1:
        outcome = "nobody gets it again, and it goes with the last of them"
    else:
        outcome = "that was undone"
    terminal.say(warning_line(f"the environment {key[:10]} changed{users}; {outcome}:", terminal.style))
    terminal.say(*diff_lines(handed.diff, terminal.style, limit=SHOWN_FILES))


def _run_pytest(call: Call) -> int:
    """Run the session that ``pytest --envsync FILE`` would be, also with plugins that only the lock has."""
    from pytest_envsync.pytest_plugin.inside.unhosted import run_pytest

    words = session_words(call)
    if call.own("recreate"):
        words.append("--envsync-recreate")
    return run_pytest(words, call.arguments.rest or [])


def session_words(call: Call) -> list[str]:
    """Return the options of pytest that make a session on the files, with the settings that were typed."""
    words = [f"--envsync={file}" for file in call.arguments.files]
    words += [f"--envsync-option={option}" for option in _option_texts(call)]
    if call.own("no_overlay"):
        words.append("--envsync-no-overlay")
    project = call.own("install_project")
    if project:
        words.append(f"--envsync-project={project}")
    return words


_OF_THE_COMMAND = {"directory", "output_format", "quiet", "verbose"}


def _option_texts(call: Call) -> list[str]:
    """Return the settings that were typed, as texts for ``--envsync-option``."""
    own = {option.name for option in call.command.own}
    texts = []
    for option in call.command.options:
        value = call.arguments.values.get(option.name)
        if value is None or option.name in own or option.name in _OF_THE_COMMAND:
            continue
        if isinstance(value, bool):
            texts.append((option.flags if value else option.inverse)[-1])
        elif isinstance(value, tuple):
            texts += [f"{option.long}={item}" for item in value]
        elif isinstance(value, str):
            texts.append(f"{option.long}={value}")
    return texts
