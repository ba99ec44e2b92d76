"""Files that are taken for lockfiles and are none: say which command makes one of them.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.inputs.paths import file_name
from pytest_envsync.patterns import pattern

FOREIGN_LOCKS = {
    "uv.lock": ("uv's own lockfile", "uv export --format pylock.toml --output-file pylock.toml"),
    "poetry.lock": ("poetry's own lockfile", "poetry export --output requirements.lock"),
    "Pipfile.lock": ("pipenv's own lockfile", "pipenv requirements --hash > requirements.lock"),
    "Pipfile": ("what pipenv locks", "pipenv lock && pipenv requirements --hash > requirements.lock"),
    "pdm.lock": ("pdm's own lockfile", "pdm export --format requirements --output requirements.lock"),
    "package-lock.json": ("a lockfile of npm", None),
}
"""Files of other tools to what they are, and the command that makes a lock of one."""
_TEST_FILE = pattern(r"(?:test_.*|.*_test|conftest)\.py")


def foreign_lock_advice(path: str) -> str | None:
    """Return what to do about the lockfile of another tool that cannot be read here, else None."""
    name = file_name(path)
    if name not in FOREIGN_LOCKS:
        return None
    kind, command = FOREIGN_LOCKS[name]
    todo = f"make a lock of it with `{command}`" if command else "name a requirements file or a pylock.toml"
    return f"`{name}` is {kind}: {todo}"


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
        command = f"uv pip compile {path} --generate-hashes --output-file {path[:-3]}.txt"
        return f"`{name}` holds requirements before locking: make a lock of it with `{command}`"
    if _TEST_FILE.fullmatch(name):
        return f"`{name}` is a test file: name a lockfile first, then the tests to run"
    return None
