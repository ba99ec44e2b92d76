"""Run a command again in an environment that is as it was left, without the engine: ``envsync run FILE -- COMMAND``.

The record of an earlier run says which environment the same words mean (``remembered``), ``standing`` compares it and
leases it. Anything that is not as it was is left to the engine, before the command is started or after it has ended.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys

from pytest_envsync.foreign_variables import FOREIGN
from pytest_envsync.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_envsync.standing import Standing

_DROPPED = (*FOREIGN, "PYTHONPATH", "ENVSYNC_SESSION")


def words_of(argv: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return what the record of *argv* is kept under, and the command; None when it names none."""
    if "--" not in argv or os.name != "posix":
        return None
    end = list(argv).index("--")
    if end + 1 == len(argv):
        return None
    # What this interpreter can import may be brought along.
    return [*argv[:end], "--", *sys.path], list(argv[end + 1 :])


def command_environ(environ: Mapping[str, str], *, prefix: str, places: Sequence[str]) -> dict[str, str]:
    """Return the variables of a process in the environment at *prefix*, nothing of other interpreters.

    Its commands are found in *places* first.
    """
    found = {name: value for name, value in environ.items() if name not in _DROPPED}
    found["PATH"] = os.pathsep.join([*places, environ.get("PATH", os.defpath)])
    found["VIRTUAL_ENV"] = prefix
    found["PYTHONNOUSERSITE"] = "1"
    return found


class Ended(NamedTuple):
    """How a command ended: its *status*, and the *lease* if the engine has to give the environment back.

    *cwd* is the directory that this process was started in; the command may have removed it.
    """

    status: int
    lease: str | None
    cwd: str


def replay(argv: Sequence[str], environ: Mapping[str, str]) -> Ended | None:
    """Run the command of *argv* and return how it ended. None: the engine has to do it all, and nothing was started."""
    words = words_of(argv)
    if words is None:
        return None
    from pytest_envsync.remembered import read_record

    known = read_record(words[0], environ)
    if known is None:
        return None
    from pytest_envsync.standing import Standing

    try:
        row, places, guard, auto_prune = known
        standing = Standing(*row)
        _, _, _, _, *_ = guard
        cwd = os.getcwd()  # noqa: PTH109 - plain text
    except (OSError, TypeError, ValueError):
        return None  # another version wrote it
    variables = command_environ(environ, prefix=standing.prefix, places=places)
    executable = _executable(words[1][0], variables["PATH"])
    if executable is None or _is_foreign(executable, places):
        return None
    ended = _run(standing, executable, words[1], variables, guard=guard, auto_prune=auto_prune)
    return None if ended is None else Ended(*ended, cwd)


def _executable(name: str, path: str) -> str | None:
    """Return what *name* means on *path*, None when that is not plain to see."""
    places = [name] if "/" in name else [os.path.join(place, name) for place in path.split(os.pathsep)]  # noqa: PTH118 - plain text
    return next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), None)  # noqa: PTH113 - plain text


def _is_foreign(executable: str, places: Sequence[str]) -> bool:
    """Whether the engine has to say that *executable* imports from elsewhere."""
    if os.path.dirname(executable) in places:  # noqa: PTH120 - plain text
        return False
    from pytest_envsync.foreign_commands import foreign_python

    return bool(foreign_python(executable, places))


def _run(
    standing: Standing,
    executable: str,
    argv: list[str],
    environ: dict[str, str],
    *,
    guard: Sequence[str],
    auto_prune: bool,
) -> tuple[int, str | None] | None:
    from pytest_envsync import foreground, guard_file
    from pytest_envsync.leases import drop, share_lease
    from pytest_envsync.standing import give_back, take

    # Between the lease and the command nothing ends this process: the command gets what came.
    mask = foreground.block()
    path = ""
    try:
        lease = take(standing, os.getpid())
        if lease is None:
            return None
        try:
            path = guard_file.new_path(guard[0])
            _write_guard(path, guard, lease)
            status = foreground.run(
                executable,
                argv,
                {**environ, guard_file.VARIABLE: path},
                mask=mask,
                session=path,
                started=lambda child: share_lease(lease, child),
            )
        except OSError:
            drop(lease)  # nothing was started
            return None
        finally:
            guard_file.remove(path)
        # Before a signal that came too late ends this process.
        is_done = give_back(standing, lease, auto_prune=auto_prune)
    finally:
        foreground.unblock(mask)
    return status, None if is_done else lease


def _write_guard(path: str, guard: Sequence[str], lease: str) -> None:
    """Write the guard file of a command and the file that denies it. Raises OSError.

    *guard*: its directory, the three parts of its text around lease and variables, the names of the variables.
    """
    from pytest_envsync import guard_file

    _, head, middle, tail, *names = guard
    host = ", ".join(f"{_json(name)}: {_json(os.environ.get(name))}" for name in names)
    guard_file.write(path, f"{head}{_json(lease)}{middle}{{{host}}}{tail}")
    guard_file.deny(path)


def _json(text: str | None) -> str:
    if text is None:
        return "null"
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        from json.encoder import encode_basestring_ascii
    return encode_basestring_ascii(text)
