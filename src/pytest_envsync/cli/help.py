"""Help and completion, made by argparse from the tables of commands and options.

Imported only when one of them is asked for: the command itself is read by ``arguments.scan``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import argparse
import shutil
from textwrap import fill, wrap
from typing import TYPE_CHECKING

from pytest_envsync.cli.commands import BY_WORDS, COMMANDS, FAMILIES, Command, find_command
from pytest_envsync.errors import UsageError
from pytest_envsync.options.values import choices_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_envsync.options.option import Option

SHELLS = ("bash", "zsh", "fish")
_PRINT_COMPLETION = "Print the completion script of a shell: bash, zsh or fish"
_SUMMARY = "Python environments that hold exactly what a lockfile says."
_WIDEST = 120
_SETTINGS = (
    "Settings are looked for on the command line, in ENVSYNC_ variables, in [tool.envsync] of pyproject.toml (keys are "
    "the long option names), in UV_ variables, uv.toml and [tool.uv], and in pip's configuration; the first one counts."
)


def help_text(words: Sequence[str]) -> str:
    """Return the help of the command that *words* name; of all commands without any.

    As wide as the terminal, up to 120 columns. Raises UsageError for an unknown command.
    """
    if not words:
        return _overview("", [name for name in BY_WORDS if " " not in name])
    if words[0] in FAMILIES and len(words) == 1:
        return _overview(words[0], [name for name in BY_WORDS if name.startswith(f"{words[0]} ")])
    command, _ = find_command(list(words))
    return command_parser(command).format_help().rstrip()


def _overview(family: str, names: Sequence[str]) -> str:
    """Return the list of commands: all, or those of a family."""
    shown = [BY_WORDS[name] for name in names if not BY_WORDS[name].is_hidden]
    rows = [(command.name.rpartition(" ")[2], command.summary) for command in shown]
    if not family:
        rows += list(FAMILIES.items())
    width = max(len(name) for name, _ in rows) + 2
    lines = [FAMILIES.get(family, _SUMMARY), "", f"Usage: envsync {family or '[OPTIONS]'} COMMAND ...", "", "Commands:"]
    lines += [f"  {name:{width}}{summary}" for name, summary in rows]
    if not family:
        lines += [
            "",
            "Options:",
            "  --help              Show the help of a command: `envsync sync --help`",
            "  --version           Show the version",
            f"  --print-completion  {_PRINT_COMPLETION}",
        ]
    return "\n".join(lines)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse's layout, as wide as the terminal but not wider than text is read well."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        super().__init__(prog, max_help_position=30 if width < 100 else 38, width=width)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Wrap a help text without breaking the names of options and platforms."""
        return wrap(text, width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Write ``-c, --constraints FILE``: the value once, long spellings below each other."""
        indent = "" if action.option_strings[:1] and len(action.option_strings[0]) == 2 else "    "
        value = "" if action.nargs == 0 else action.metavar or ""
        return f"{indent}{', '.join(action.option_strings)} {value}".rstrip()


def command_parser(command: Command, *, parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """Return the argparse view of one command: for help and completion, and for the test of the scan."""
    # Help names the files in the usage line; a completion script leaves out what has no text.
    about_files = argparse.SUPPRESS if parser is None else "A file"
    if parser is None:
        parser = argparse.ArgumentParser(
            prog=f"envsync {command.name}",
            usage=command.usage,
            description=_wrapped(command.description or f"{command.summary}."),
            epilog=_wrapped(_SETTINGS),
            formatter_class=_Formatter,
            add_help=False,
            allow_abbrev=False,
        )
    if command.files:
        many = None if command.maximum == 1 else "*"
        files = parser.add_argument("files", nargs=many, metavar=command.files, help=about_files)
        _let_complete(files)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in command.options:
        heading = option.heading or "Options"
        if heading not in groups:
            groups[heading] = parser.add_argument_group(heading)
        _add(groups[heading], option)
    groups.get("Global", parser).add_argument("-h", "--help", action="store_true", help="Show this help")
    return parser


def _wrapped(text: str) -> str:
    return fill(text, min(shutil.get_terminal_size().columns, _WIDEST) - 2, break_on_hyphens=False)


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    """Add the spellings of *option*: those that help shows, and the others without a text."""
    positive = [(option.flags, not option.negated), (option.aliases, False)]
    negative = [(option.inverse[:1], option.negated), (option.inverse[1:], False)]
    for spellings, constant in ((positive, True), (negative, False)):
        for flags, is_shown in spellings:
            if flags:
                _add_spellings(group, option, flags, text=_help(option) if is_shown else None, constant=constant)


def _add_spellings(
    group: argparse._ArgumentGroup, option: Option, flags: Sequence[str], *, text: str | None, constant: bool
) -> None:
    shown = text if text is not None else argparse.SUPPRESS
    if option.kind == "count":
        group.add_argument(*flags, dest=option.name, action="count", help=shown)
    elif option.kind == "flag":
        group.add_argument(*flags, dest=option.name, action="store_const", const=constant, help=shown)
    else:
        action = "append" if option.is_list else "store"
        metavar, choices = option.metavar or "VALUE", choices_of(option) or None
        added = group.add_argument(
            *flags, dest=option.name, action=action, metavar=metavar, choices=choices, help=shown
        )
        if option.relative or metavar in {"FILE", "PATH", "DIR"}:
            _let_complete(added)


def _let_complete(action: argparse.Action) -> None:
    """Let shells offer the names of files for the value of *action*: shtab reads this attribute."""
    action.complete = {"bash": "_shtab_compgen_files", "zsh": "_files"}  # type: ignore[attr-defined]  # what shtab reads


def _help(option: Option) -> str:
    """Return the text of *option* with its values and variables."""
    parts = [option.help]
    choices = choices_of(option)
    if choices:
        parts.append(f"[{', '.join(choices)}]")
    if option.variable and option.key:
        names = [f"ENVSYNC_{option.variable}", *([f"UV_{option.variable}"] if option.uv else [])]
        parts.append(f"[env: {', '.join(names)}]")
    return " ".join(parts).replace("%", "%%")


def whole_parser() -> argparse.ArgumentParser:
    """Return the argparse view of all commands that people use."""
    parser = argparse.ArgumentParser(prog="envsync", description=_SUMMARY, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="Show the version")
    parser.add_argument("--print-completion", choices=SHELLS, metavar="SHELL", help=_PRINT_COMPLETION)
    commands = parser.add_subparsers(metavar="COMMAND")
    inner: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for command in COMMANDS:
        if command.is_hidden:
            continue
        family, _, verb = command.name.rpartition(" ")
        if family and family not in inner:
            inner[family] = commands.add_parser(family, help=FAMILIES[family]).add_subparsers(metavar="COMMAND")
        place = inner[family] if family else commands
        added = place.add_parser(verb, help=command.summary, add_help=False, allow_abbrev=False)
        command_parser(command, parser=added)
    return parser


def completion_text(shell: str) -> str:
    """Return the completion script of *shell*. Raises UsageError for another shell, or without shtab."""
    if shell not in SHELLS:
        raise UsageError(f"no completion for `{shell}`", hint=f"one of: {', '.join(SHELLS)}")
    if shell == "fish":
        return _fish_completion()
    try:
        import shtab
    except ImportError as error:
        raise UsageError(
            "completion needs the distribution `shtab`", hint="install `pytest-envsync[completion]`"
        ) from error
    text = str(shtab.complete(whole_parser(), shell=shell)).rstrip()
    if shell == "zsh":
        # Several files may be given, not one. Only the function that zsh loads by its name is a completion already:
        # `source <(...)` is no more one than `eval` is.
        text = text.replace("$zsh_eval_context[-1] == eval", "$funcstack[1] != _envsync")
        return text.replace('"(*)::A file:_files"', '"*:A file:_files"')
    # Where nothing of ours fits, such as behind `--`, bash offers the names of files.
    return text.replace("complete -o bashdefault -F", "complete -o bashdefault -o default -F")


def _fish_completion() -> str:
    """Return the script for fish, which shtab does not write: one line for each word and spelling."""
    lines = ["# completion of envsync for fish"]
    first = "not __fish_seen_subcommand_from sync run env cache"
    for name, text in [*((c.name, c.summary) for c in COMMANDS if " " not in c.name), *FAMILIES.items()]:
        lines.append(_fish_line(first, f"-f -a {name}", text))
    lines.append(_fish_line(first, "-l version", "Show the version"))
    lines.append(_fish_line(first, f"-l print-completion -x -a '{' '.join(SHELLS)}'", _PRINT_COMPLETION))
    lines.append(_fish_line("true", "-s h -l help", "Show the help"))
    verbs = {family: _verbs(family) for family in FAMILIES}
    for command in COMMANDS:
        if command.is_hidden:
            continue
        family, _, verb = command.name.rpartition(" ")
        condition = f"__fish_seen_subcommand_from {verb}"
        if family:
            none_yet = f"not __fish_seen_subcommand_from {' '.join(verbs[family])}"
            seen = f"__fish_seen_subcommand_from {family}; and {none_yet}"
            lines.append(_fish_line(seen, f"-f -a {verb}", command.summary))
            condition = f"__fish_seen_subcommand_from {family}; and {condition}"
        lines += [_fish_option(condition, option) for option in command.options if option.help and option.flags]
    return "\n".join(lines)


def _verbs(family: str) -> list[str]:
    return [
        command.name.rpartition(" ")[2]
        for command in COMMANDS
        if command.name.startswith(f"{family} ") and not command.is_hidden
    ]


def _fish_option(condition: str, option: Option) -> str:
    flags = option.inverse[:1] if option.negated else option.flags
    words = [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in flags]
    if option.kind not in {"flag", "count"}:
        choices = choices_of(option)
        words.append(f"-x -a '{' '.join(choices)}'" if choices else "-r")
    return _fish_line(condition, " ".join(words), option.help)


def _fish_line(condition: str, words: str, text: str) -> str:
    quoted = text.replace("'", "\\'")
    return f"complete -c envsync -n '{condition}' {words} -d '{quoted}'"
