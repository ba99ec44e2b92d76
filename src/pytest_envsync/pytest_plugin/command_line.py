"""The command line of a session, and what of it goes inside.

Standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Sequence

_VALUED = {
    *("--envsync", "--envsync-python", "--envsync-project", "--envsync-extra", "--envsync-group", "--envsync-option"),
    *("--envsync-file", "--envsync-drift", "--envsync-report", "--envsync-cache-dir"),
}


def joined(args: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return a command line with the values of our options in one word: ``--envsync=LOCK``.

    Until plugins are loaded pytest takes the second of two words for a path with tests, and looks there for its root.
    """
    found: list[str] = []
    todo = [os.fspath(arg) for arg in args]
    while todo:
        token = todo.pop(0)
        if token == "--":
            return [*found, token, *todo]
        if token in _VALUED and todo and not todo[0].startswith("-"):
            token += f"={todo.pop(0)}"
        found.append(token)
    return found


def inner_arguments(args: Sequence[str | os.PathLike[str]], modules: Sequence[str] = ()) -> list[str]:
    """Return the command line for inside: without ``--envsync``, with *modules* as plugins."""
    given = joined(args)
    end = given.index("--") if "--" in given else len(given)
    own = [token for token in given[:end] if token != "--envsync" and not token.startswith("--envsync=")]
    return [*(part for name in modules for part in ("-p", name)), *own, *given[end:]]


def has_envsync(args: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether a command line has ``--envsync`` in it."""
    return len(inner_arguments(args)) != len(joined(args))
