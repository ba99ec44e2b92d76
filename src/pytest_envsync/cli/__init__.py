"""The command: read the line, find the settings, hand over, and say how it ended.

Only what the command in use needs is imported.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys

from pytest_envsync.cli.commands import GLOBAL, Command, find_command
from pytest_envsync.cli.ending import Ended, raising_signals
from pytest_envsync.cli.terminal import Terminal, silence_broken_pipe
from pytest_envsync.errors import EnvsyncError, UsageError
from pytest_envsync.settings.arguments import Spellings, check_exclusions, scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_envsync.options.option import Value
    from pytest_envsync.settings.arguments import Arguments
    from pytest_envsync.settings.merge import Settings

INTERRUPTED = 130
BROKEN_PIPE = 141


class Call:
    """One call of a command: what was typed and where, the settings, and where to print.

    *start* is the directory that the process was started in, before ``--directory``.
    """

    __slots__ = ("arguments", "argv", "command", "settings", "start", "terminal")

    def __init__(
        self,
        command: Command,
        argv: Sequence[str],
        *,
        start: str,
        arguments: Arguments,
        settings: Settings,
        terminal: Terminal,
    ) -> None:
        self.command = command
        self.argv = tuple(argv)
        self.start = start
        self.arguments = arguments
        self.settings = settings
        self.terminal = terminal

    def own(self, name: str) -> Value | None:
        """Return the value of an option of the command's own; None when it was not given."""
        return self.arguments.values.get(name)

    @property
    def is_json(self) -> bool:
        """Whether data is printed as JSON."""
        return self.settings.command.get("output_format") == "json"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``envsync`` with *argv* (default: this process's) and return its exit status.

    1 when the asked-for set cannot be had, 2 for wrong usage, settings or surroundings; ``run`` returns the
    status of its command. 128 and the number of the signal when one ended it.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    terminal = Terminal(os.environ)
    try:
        with raising_signals():
            return _run(words, terminal)
    except EnvsyncError as error:
        from pytest_envsync.report import error_lines

        terminal.complain(*error_lines(error, terminal.style))
        return error.exit_status
    except KeyboardInterrupt:
        terminal.complain("interrupted")
        return INTERRUPTED
    except Ended as ended:
        terminal.complain(str(ended))
        return ended.exit_status
    except BrokenPipeError:
        silence_broken_pipe()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last line of defence: people get a sentence, not a traceback
        return _unexpected(error, terminal)


def _unexpected(error: Exception, terminal: Terminal) -> int:
    from pytest_envsync.errors import EnvsyncError as AsError
    from pytest_envsync.report import error_lines

    if terminal.verbose:
        import traceback

        terminal.complain(*"".join(traceback.format_exception(error)).rstrip().split("\n"))
    if isinstance(error, OSError):
        # The machine's fault, not ours: a full disk, a permission.
        shown = AsError(str(error).removeprefix(f"[Errno {error.errno}] "))
    elif isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding():
        shown = AsError(
            f"the locale has no way to write {error.object!a}",
            hint="set one that is UTF-8 (LC_ALL=C.UTF-8), or PYTHONUTF8=1",
        )
    else:
        from pytest_envsync.version import __version__

        running = f"envsync {__version__}, Python {'.'.join(map(str, sys.version_info[:3]))}"
        shown = AsError(
            f"internal error: {type(error).__name__}: {error} ({running})",
            hint="this is a fault of envsync: please report it, with what the same command prints with -v",
        )
    terminal.complain(*error_lines(shown, terminal.style))
    return shown.exit_status


def _run(words: list[str], terminal: Terminal) -> int:
    status = _answer_at_once(words, terminal)
    if status is not None:
        return status
    call = call_of(words, terminal)
    return _handler(call.command)(call)


def call_of(words: Sequence[str], terminal: Terminal, *, start: str | None = None) -> Call:
    """Read the command line *words* and the settings. Raises UsageError, ConfigError.

    *start* is the directory that this process was started in, when that may be gone by now.
    """
    before, rest = scan(words, Spellings(GLOBAL), until_word=True)
    if not rest:
        raise UsageError("a command is missing", hint="`envsync --help` lists the commands")
    command, rest = find_command(rest)
    arguments, _ = scan(rest, Spellings(command.options))
    arguments.values = {**before.values, **arguments.values}
    check_exclusions(arguments.values, command.options)
    terminal.configure(arguments.values)
    if arguments.rest and not command.takes_rest:
        arguments.files += arguments.rest
    command.check_files(arguments.files)
    start = start or _working_directory()
    settings = _settings(command, arguments.values, start)
    # Once more, for what variables and files say about printing.
    terminal.configure(settings.command)
    _tell_settings(settings, terminal)
    return Call(command, words, start=start, arguments=arguments, settings=settings, terminal=terminal)


def _tell_settings(settings: Settings, terminal: Terminal) -> None:
    """Say what was wrong with configuration files, and with ``-v`` where each setting came from."""
    if not settings.warnings and not terminal.verbose:
        return
    from pytest_envsync.cli.terminal import TerminalReporter

    reporter = TerminalReporter(terminal)
    for warning in settings.warnings:
        reporter.warn(warning)
    for name, origin in settings.origins.items():
        value = getattr(settings.options, name, settings.command.get(name))
        reporter.debug(f"{name} is {value!r}, from {origin}")


def _answer_at_once(words: list[str], terminal: Terminal) -> int | None:
    """Answer what needs no settings: help, version, completion. None for all else."""
    head = words[: words.index("--")] if "--" in words else words
    if not head or head[0] == "help" or "--help" in head or "-h" in head:
        from pytest_envsync.cli.help import help_text

        text = help_text([word for word in head if not word.startswith("-") and word != "help"])
        if not head:
            terminal.complain(text)
            return 2
        terminal.give(text)
        return 0
    if head[0] in {"--version", "-V"}:
        from pytest_envsync.version import __version__

        terminal.give(f"envsync {__version__}")
        return 0
    if head[0].partition("=")[0] == "--print-completion":
        from pytest_envsync.cli.help import completion_text

        shell = head[0].partition("=")[2] or (head[1] if len(head) > 1 else "")
        terminal.give(completion_text(shell))
        return 0
    return None


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - plain text
    except FileNotFoundError as error:
        raise UsageError(
            "the working directory was removed", hint="change to a directory that exists, and try again"
        ) from error


def _settings(command: Command, values: Mapping[str, Value], start: str) -> Settings:
    from pytest_envsync.settings.merge import resolve_settings

    own = {option.name for option in command.own}
    said = {name: value for name, value in values.items() if name not in own}
    places = ("ENVSYNC_WORKING_DIR", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY")
    stated = (os.environ.get(place) for place in places)
    directory = said.get("directory") or next((text for text in stated if text is not None), None)
    if isinstance(directory, str):
        try:
            os.chdir(directory)
        except OSError as error:
            raise UsageError(f"cannot change to the directory `{directory}`: {error.strerror}") from error
        start = _working_directory()
    return resolve_settings(said, cwd=start, environ=os.environ, session=command.session)


def _handler(command: Command) -> Callable[[Call], int]:
    from importlib import import_module

    module, _, function = command.handler.partition(":")
    handler: Callable[[Call], int] = getattr(import_module(f"pytest_envsync.cli.{module}"), function)
    return handler
