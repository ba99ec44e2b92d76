"""The command line of a session, and what of it goes inside.

Standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_VALUED = {
    *("--envsync", "--envsync-python", "--envsync-project", "--envsync-extra", "--envsync-group", "--envsync-option"),
    *("--envsync-file", "--envsync-drift", "--envsync-report", "--envsync-cache-dir"),
}

_MOST_FILES = 100  # a file of arguments may name itself


def joined(args: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return a command line with the values of our options in one word: ``--envsync=LOCK``.

    Until plugins are loaded pytest takes the second of two words for a path with tests, and looks there for its root.
    Files of arguments (``@FILE``, a word in each line) are written out.
    """
    found: list[str] = []
    todo = [os.fspath(arg) for arg in args]
    files = 0
    while todo:
        token = todo.pop(0)
        if token == "--":
            return [*found, token, *todo]
        words = _words_in(token) if files < _MOST_FILES else None
        if words is not None:
            files += 1
            todo = [*words, *todo]
            continue
        if token in _VALUED and todo and not todo[0].startswith("-"):
            token += f"={todo.pop(0)}"
        found.append(token)
    return found


def _words_in(token: str) -> list[str] | None:
    """Return what the file of arguments holds that *token* names; None when it names none that can be read."""
    if not token.startswith("@"):
        return None
    try:
        with open(token[1:], encoding=sys.getfilesystemencoding(), errors=sys.getfilesystemencodeerrors()) as file:  # noqa: PTH123 - plain text
            return file.read().splitlines()
    except (OSError, ValueError):
        return None  # pytest will say so


def inner_arguments(args: Sequence[str | os.PathLike[str]], modules: Sequence[str] = ()) -> list[str]:
    """Return the command line for inside: without ``--envsync``, with *modules* as plugins."""
    given = joined(args)
    end = given.index("--") if "--" in given else len(given)
    own = [token for token in given[:end] if token != "--envsync" and not token.startswith("--envsync=")]
    return [*(part for name in modules for part in ("-p", name)), *own, *given[end:]]


def has_envsync(args: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether a command line has ``--envsync`` in it."""
    return len(inner_arguments(args)) != len(joined(args))
