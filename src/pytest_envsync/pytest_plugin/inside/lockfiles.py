"""Whether a file may be given as LOCK, and if not, what makes a lock of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os

from pytest_envsync.errors import InputError

_EXPORTS = {
    "uv.lock": "uv export --format requirements.txt --output-file requirements.lock",
    "poetry.lock": "poetry export --format requirements.txt --output requirements.lock",
    "Pipfile.lock": "pipenv requirements --hash > requirements.lock",
    "Pipfile": "pipenv lock && pipenv requirements --hash > requirements.lock",
    "pdm.lock": "pdm export --format requirements --output requirements.lock",
    "package-lock.json": None,
}


def check_lockfile(path: str, *, option: str = "--envsync") -> None:
    """Raise InputError, with the command that makes a lock, when *path* is none.

    *path* is absolute or an address; what stands in the file is not looked at, but for Python files.
    """
    if "://" in path:
        return
    if path == "-" or path.endswith(os.sep + "-"):
        raise InputError(f"{option} cannot read a lockfile from the standard input", hint="name a file")
    if os.path.isdir(path):  # noqa: PTH112 - plain text paths
        raise InputError(
            f"`{path}` is a directory, not a lockfile",
            hint=f"write the lockfile right behind the option, and what to test after it: {option} LOCK {path}",
        )
    base = os.path.basename(path)  # noqa: PTH119 - plain text paths
    if not os.path.exists(path):  # noqa: PTH110 - plain text paths
        raise InputError(f"there is no lockfile `{path}`", hint=_nearby(path))
    if base in _EXPORTS:
        raise InputError(f"`{path}` is the lock of another tool", hint=_made_by(_EXPORTS[base]))
    if base.endswith(".in"):
        target = base[:-3] + ".txt"
        raise InputError(
            f"`{path}` is the input of a lock, not a lock", hint=f"make one: uv pip compile {base} -o {target}"
        )
    if base.endswith(".py") and not _is_script(path):
        raise InputError(
            f"`{path}` is a Python file without inline metadata, not a lockfile",
            hint=f"write the lockfile right behind the option, and what to test after it: {option} LOCK {base}",
        )


def _made_by(command: str | None) -> str:
    return f"make one of it: {command}" if command else "name a requirements file or a pylock.toml"


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
        if (name.endswith(".lock") and name not in _EXPORTS)
        or (name.startswith("pylock.") and name.endswith(".toml"))
        or (name.endswith(".txt") and "require" in name)
    ]
    return f"lockfiles in `{directory}`: {', '.join(locks[:5])}" if locks else None
