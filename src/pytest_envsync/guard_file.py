"""Write and remove the files by which processes know that they run inside an environment (``pytest_plugin.guard``).

Beside the guard file stand ``.claimed``, which only one process can make, and ``.interrupted``. Whatever else stands
in their places is the doing of the command, and never an error of ours.

Standard library only, and little of it: the command in the environment waits for it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os

VARIABLE = "ENVSYNC_SESSION"
"""The variable that names the guard file."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


def new_path(directory: str | os.PathLike[str]) -> str:
    """Return where this process may write a guard file below *directory*."""
    return f"{os.fspath(directory)}/{os.getpid()}-{os.urandom(4).hex()}.json"


def write(path: str, text: str) -> None:
    """Write the guard file, for its owner alone: addresses of indexes may hold credentials. Raises OSError."""
    _make(path, text)


def replace(path: str, text: str) -> None:
    """Write the guard file at *path* anew; nobody has claimed it then. Raises OSError."""
    aside = f"{path}.new"
    _make(aside, text)
    os.replace(aside, path)  # noqa: PTH105 - a text is all there is
    _remove(f"{path}.claimed")


def claim(path: str) -> bool:
    """Whether this process is the first to ask for the guard file at *path*."""
    try:
        _make(f"{path}.claimed", str(os.getpid()))
    except OSError:
        return False
    return True


def deny(path: str) -> None:
    """Take the claim of the guard file at *path*, for processes that are not its session's first. Raises OSError."""
    try:
        _make(f"{path}.claimed", "")
    except FileExistsError:
        return


def note_interrupt(path: str) -> None:
    """Note beside the guard file at *path* that its session was interrupted: its parent need not pass that on."""
    try:
        _make(f"{path}.interrupted", "")
    except OSError:
        return


def take_interrupt(path: str) -> bool:
    """Whether the session of the guard file at *path* was interrupted since this was last asked."""
    return _remove(f"{path}.interrupted")


def remove(path: str) -> None:
    """Remove a guard file and what was noted beside it, if it is there."""
    for name in (path, f"{path}.claimed", f"{path}.interrupted"):
        _remove(name)


def _make(path: str, text: str) -> None:
    descriptor = os.open(path, _NEW, 0o600)
    try:
        rest = text.encode()
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def _remove(path: str) -> bool:
    try:
        os.unlink(path)  # noqa: PTH108 - a text is all there is
    except OSError:
        return False
    return True
