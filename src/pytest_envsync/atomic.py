"""Write a file beside its place, then move it there.

Whoever reads it meets all of it, or what was there before.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os


def write_at_once(
    path: str | os.PathLike[str], content: bytes, *, time_ns: int | None = None, mode: int | None = None
) -> None:
    """Give the file at *path* the *content*, the time of modification *time_ns* and the *mode*.

    The directories above it are made.

    What is half-written, because the process was killed, has a name that begins with a dot. Raises OSError, and
    leaves nothing then.
    """
    place = os.fspath(path)
    directory = os.path.dirname(place)
    beside = name_beside(place)
    try:
        try:
            _write(beside, content)
        except FileNotFoundError:
            os.makedirs(directory, exist_ok=True)
            _write(beside, content)
        if mode is not None:
            os.chmod(beside, mode)
        if time_ns is not None:
            os.utime(beside, ns=(time_ns, time_ns))
        os.replace(beside, place)
    except BaseException:
        _drop(beside)
        raise


def _drop(place: str) -> None:
    try:
        os.unlink(place)
    except OSError:
        return  # there is nothing more to be done


def name_beside(place: str) -> str:
    """Return a path in the directory of *place* that nothing has yet.

    It is not longer than a name may be, whatever the file at *place* is called.
    """
    return os.path.join(os.path.dirname(place), f".{os.getpid()}-{os.urandom(4).hex()}.new")


def _write(place: str, content: bytes) -> None:
    with open(place, "xb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) or 0 :]
