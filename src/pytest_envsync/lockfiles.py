"""Whether a file may be given as LOCK, and if not, what makes a lock of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os

from pytest_envsync.errors import InputError
from pytest_envsync.inputs.advice import FOREIGN_LOCKS, lock_advice


def check_lockfile(path: str, *, option: str | None = None) -> None:
    """Raise InputError, with the command that makes a lock, when *path* is none.

    *path* is absolute or an address; what stands in the file is not looked at, but for Python files. *option* is the
    one that it was given behind, where tests to run may stand behind it too.
    """
    if "://" in path:
        return
    if path == "-" or path.endswith(os.sep + "-"):
        raise InputError(
            f"{option or 'an environment of a session'} cannot read a lockfile from the standard input",
            hint="name a file",
        )
    if os.path.isdir(path):  # noqa: PTH112 - plain text paths
        raise InputError(f"`{path}` is a directory, not a lockfile", hint=_misplaced(path, option, is_directory=True))
    base = os.path.basename(path)  # noqa: PTH119 - plain text paths
    if not os.path.exists(path):  # noqa: PTH110 - plain text paths
        raise InputError(f"there is no lockfile `{path}`", hint=_nearby(path))
    if base in FOREIGN_LOCKS:
        raise InputError(f"`{path}` is the lock of another tool", hint=lock_advice(path))
    if base.endswith(".in"):
        raise InputError(f"`{path}` is the input of a lock, not a lock", hint=lock_advice(_near(path)))
    if base.endswith(".py") and not _is_script(path):
        raise InputError(
            f"`{path}` is a Python file without inline metadata, not a lockfile", hint=_misplaced(base, option)
        )


def _misplaced(path: str, option: str | None, *, is_directory: bool = False) -> str | None:
    """Return what to do about what is no lockfile, and most likely meant as the tests to run."""
    if option is None:
        return lock_advice(path, is_directory=is_directory)
    return f"write the lockfile right behind the option, and what to test after it: {option} LOCK {path}"


def _near(path: str) -> str:
    """Return *path* as it may be typed in the working directory."""
    here = os.getcwd() + os.sep  # noqa: PTH109 - plain text paths
    return path.removeprefix(here)


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - plain text paths
            return any(line.rstrip() == b"# /// script" for line in file)
    except OSError:
        return False


def _nearby(path: str) -> str | None:
    """Name files beside *path* that look like locks."""
    directory = os.path.dirname(path)  # noqa: PTH120 - plain text paths
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - plain text paths
    except OSError:
        return f"there is no directory `{directory}` either"
    locks = [
        name
        for name in names
        if (name.endswith(".lock") and name not in FOREIGN_LOCKS)
        or (name.startswith("pylock.") and name.endswith(".toml"))
        or (name.endswith(".txt") and "require" in name)
    ]
    return f"lockfiles in `{directory}`: {', '.join(locks[:5])}" if locks else None
