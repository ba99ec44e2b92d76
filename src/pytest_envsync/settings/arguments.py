"""Read a command line by the table of options.

A scan by hand: ``argparse`` costs 20 ms to build and run for the 70 options of a sync, which has
30 in all when there is nothing to do. Help and completion are made by ``argparse`` from the
same table, and a test holds that both understand the same lines.

Pure: reads no file, no variable.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.errors import UsageError
from pytest_envsync.options.table import OPTIONS, REFUSED
from pytest_envsync.options.values import check_value, read_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_envsync.options.option import Option, Value


_MAY_BE_EMPTY = frozenset({"index_url", "python"})
"""Options whose empty value says nothing."""


class Arguments:
    """What a command line said.

    *values*: by the name of the option; lists are tuples, in the order given. *files*: what
    is no option. *rest*: what stands behind ``--``; None without one.
    """

    __slots__ = ("files", "rest", "values")

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.files: list[str] = []
        self.rest: list[str] | None = None


class Spellings:
    """Every spelling of some options: to the option, and whether it means yes."""

    __slots__ = ("long", "options", "short")

    def __init__(self, options: Iterable[Option]) -> None:
        self.options = tuple(options)
        self.long: dict[str, tuple[Option, bool]] = {}
        self.short: dict[str, tuple[Option, bool]] = {}
        for option in self.options:
            for flag in (*option.flags, *option.aliases):
                (self.long if flag[:2] == "--" else self.short)[flag] = (option, True)
            for flag in option.inverse:
                self.long[flag] = (option, False)


def scan(argv: Sequence[str], spellings: Spellings, *, until_word: bool = False) -> tuple[Arguments, list[str]]:
    """Read *argv*; return what it said and, with *until_word*, what begins with the first word.

    Raises UsageError for options that are unknown, refused, incomplete, repeated, or exclude
    each other.
    """
    said = Arguments()
    todo = list(argv)
    position = 0
    while position < len(todo):
        token = todo[position]
        position += 1
        if token == "--":
            said.rest = todo[position:]
            break
        if token[:2] == "--":
            position = _take_long(token, todo, position, spellings, said.values)
        elif token[:1] == "-" and token != "-":
            position = _take_short(token, todo, position, spellings, said.values)
        elif until_word:
            return said, todo[position - 1 :]
        else:
            said.files.append(token)
    check_exclusions(said.values, spellings.options)
    return said, []


def _take_long(token: str, todo: Sequence[str], position: int, spellings: Spellings, values: dict[str, Value]) -> int:
    flag, separator, text = token.partition("=")
    found = spellings.long.get(flag)
    if found is None:
        raise unknown_option(flag, spellings)
    option, meaning = found
    if option.kind in {"flag", "count"}:
        if separator:
            raise UsageError(f"unexpected value `{text}` for `{flag}`", hint=f"`{flag}` takes no value")
        _store(option, flag, meaning, values)
        return position
    if not separator:
        text, position = _next_value(flag, option, todo, position)
    _store(option, flag, text, values)
    return position


def _take_short(token: str, todo: Sequence[str], position: int, spellings: Spellings, values: dict[str, Value]) -> int:
    """Take ``-q``, ``-qq``, ``-nq``, ``-c FILE``, ``-cFILE`` or ``-c=FILE``."""
    for index in range(1, len(token)):
        flag = f"-{token[index]}"
        found = spellings.short.get(flag)
        if found is None:
            raise unknown_option(flag, spellings)
        option, meaning = found
        if option.kind in {"flag", "count"}:
            _store(option, flag, meaning, values)
            continue
        text = token[index + 1 :]
        if text:
            text = text.removeprefix("=")
        else:
            text, position = _next_value(flag, option, todo, position)
        _store(option, flag, text, values)
        break
    return position


def _next_value(flag: str, option: Option, todo: Sequence[str], position: int) -> tuple[str, int]:
    text = todo[position] if position < len(todo) else None
    if text is None or (text[:1] == "-" and text != "-"):
        raise UsageError(
            f"a value is required for `{flag} <{option.metavar or 'VALUE'}>`, but none was given",
            hint=f"write `{flag}={text}` if that is the value" if text else None,
        )
    return text, position + 1


def _store(option: Option, flag: str, given: str | bool, values: dict[str, Value]) -> None:  # noqa: FBT001 - a value, not a switch
    name = option.name
    before = values.get(name)
    if option.kind == "count":
        values[name] = (before if isinstance(before, int) else 0) + 1
    elif isinstance(given, bool):
        if before is given:
            raise UsageError(f"`{flag}` cannot be used more than once")
        values[name] = given
    elif option.is_list:
        values[name] = (*(before if isinstance(before, tuple) else ()), *read_list(option, given, flag))
    elif given or name not in _MAY_BE_EMPTY:
        if before is not None:
            raise UsageError(f"`{flag} <{option.metavar or 'VALUE'}>` cannot be used more than once")
        values[name] = check_value(option, given, flag)


def check_exclusions(values: Mapping[str, Value], options: Iterable[Option]) -> None:
    """Raise UsageError when two options were given that exclude each other."""
    for option in options:
        if not option.excludes or not values.get(option.name):
            continue
        for other in options:
            if other.name in option.excludes and values.get(other.name):
                raise UsageError(f"`{option.shown}` cannot be used with `{other.shown}`")


def unknown_option(flag: str, spellings: Spellings) -> UsageError:
    """Return the error for a spelling that no option has."""
    option = (ALL.long.get(flag) or ALL.short.get(flag) or (None,))[0]
    if option is not None and option.scope == "sync" and spellings is not ALL:
        hint = "`--help` lists the options"
        if option.name == "no_cache":
            hint = "what is made here lives in the cache; `--cache-dir DIR` gives it one of its own"
        return UsageError(f"`{flag}` is an option of `envsync sync` alone", hint=hint)
    if flag in REFUSED:
        return UsageError(f"`{flag}` is not supported by a sync", hint=REFUSED[flag])
    if flag[:2] != "--":
        return UsageError(
            f"unexpected option `{flag}`", hint="`--help` lists the options; a file of that name: `-- FILE`"
        )
    from difflib import get_close_matches

    near = get_close_matches(
        flag, [name for name, (option, _) in spellings.long.items() if not option.ignored], n=1, cutoff=0.7
    )
    hint = f"did you mean `{near[0]}`?" if near else "`--help` lists the options"
    return UsageError(f"unexpected option `{flag}`", hint=hint)


ALL = Spellings(OPTIONS)
"""The spellings of ``envsync sync``: all there are."""
