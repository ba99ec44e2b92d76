"""The command line of a session, and what of it goes inside.

Standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Sequence


def inner_arguments(args: Sequence[str | os.PathLike[str]], modules: Sequence[str] = ()) -> list[str]:
    """Return the command line for inside: without ``--envsync``, with *modules* as plugins."""
    found: list[str] = []
    todo = [os.fspath(arg) for arg in args]
    while todo:
        token = todo.pop(0)
        if token == "--":
            found += [token, *todo]
            break
        if token == "--envsync":
            del todo[:1]
        elif not token.startswith("--envsync="):
            found.append(token)
    return [*(part for name in modules for part in ("-p", name)), *found]


def has_envsync(args: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether a command line has ``--envsync`` in it."""
    return len(inner_arguments(args)) != len(args)
