"""Files that are taken for lockfiles and are none: say which command makes one of them.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re

from pytest_envsync.inputs.paths import file_name

_EXPORTS = {
    "uv.lock": ("uv's own lockfile", "uv export --format pylock.toml --output-file pylock.toml"),
    "poetry.lock": ("poetry's own lockfile", "poetry export --output requirements.txt"),
    "Pipfile.lock": ("pipenv's own lockfile", "pipenv requirements --hash > requirements.txt"),
}
_TEST_FILE = re.compile(r"(?:test_.*|.*_test|conftest)\.py")


def foreign_lock_advice(path: str) -> str | None:
    """Return what to do about the lockfile of another tool that cannot be read here, else None."""
    known = _EXPORTS.get(file_name(path))
    return None if known is None else f"`{file_name(path)}` is {known[0]}: make a lock of it with `{known[1]}`"


def lock_advice(path: str, *, is_directory: bool = False) -> str | None:
    """Return what to do when *path*, given as a lock, is none; None when nothing speaks against it.

    Judges by name alone: lockfiles of other tools, ``*.in`` (requirements before locking), test files; and
    directories, which the caller must have recognised.
    """
    if is_directory or path.endswith(("/", "\\")) or path in {".", ".."}:
        return f"`{path}` is a directory: name a lockfile, such as a requirements.txt or pylock.toml in it"
    advice = foreign_lock_advice(path)
    if advice is not None:
        return advice
    name = file_name(path)
    if name.endswith(".in"):
        output = f"{name.removesuffix('.in')}.txt"
        return f"`{name}` holds requirements before locking: `uv pip compile {path} --generate-hashes -o {output}`"
    if _TEST_FILE.fullmatch(name):
        return f"`{name}` is a test file: name a lockfile first, then the tests to run"
    return None
