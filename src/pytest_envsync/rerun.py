"""Run a command again in an environment that is as it was left, without the engine: ``envsync run FILE -- COMMAND``.

The record of an earlier run says which environment the same words mean (``remembered``), ``standing`` compares it and
leases it. Anything that is not as it was is left to the engine, before the command is started or after it has ended.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from pytest_envsync.standing import Standing

GUARD = "ENVSYNC_SESSION"
_DROPPED = ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", GUARD, "VIRTUAL_ENV_PROMPT")


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


def replay(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str | None] | None:
    """Run the command of *argv*; return its status, and the lease if the engine has to give the environment back.

    None: the engine has to do it all, and nothing was started.
    """
    words = words_of(argv)
    if words is None:
        return None
    from pytest_envsync.remembered import read_record

    known = read_record(words[0], environ)
    if known is None:
        return None
    from pytest_envsync.standing import Standing

    row, places, guard, auto_prune = known
    standing = Standing(*row)
    variables = command_environ(environ, prefix=standing.prefix, places=places)
    executable = _executable(words[1][0], variables["PATH"])
    if executable is None:
        return None
    return _run(standing, executable, words[1], variables, guard=guard, auto_prune=auto_prune)


def _executable(name: str, path: str) -> str | None:
    """Return what *name* means on *path*, None when that is not plain to see."""
    places = [name] if "/" in name else [os.path.join(place, name) for place in path.split(os.pathsep)]  # noqa: PTH118 - plain text
    return next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), None)  # noqa: PTH113 - plain text


def _run(
    standing: Standing,
    executable: str,
    argv: list[str],
    environ: dict[str, str],
    *,
    guard: Sequence[str],
    auto_prune: bool,
) -> tuple[int, str | None] | None:
    import _signal as signal  # type: ignore[import-not-found]  # the module around it takes longer than all else here

    from pytest_envsync.standing import give_back, take

    # Between the lease and the command nothing ends this process: the command gets what came.
    signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    path = None
    try:
        lease = take(standing, os.getpid())
        if lease is None:
            return None
        try:
            path = _write_guard(guard, lease)
            child = os.posix_spawn(
                executable,
                argv,
                {**environ, GUARD: path},
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
                setsigmask=list(before),
            )
        except OSError:
            os.unlink(lease)  # noqa: PTH108 - plain text
            return None
        status = _wait(child, signals[:2], signals[2:], before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if path is not None:
            _remove_guard(path)
    is_done = give_back(standing, lease, auto_prune=auto_prune)
    return status, None if is_done else lease


def _wait(child: int, ignored: Sequence[int], passed: Sequence[int], mask: Any) -> int:
    """Wait for *child* with the signals of *mask* blocked alone, and return its status as shells do.

    The terminal sends Ctrl-C to both, so that such signals are *ignored*; what is sent to this process is *passed* on.
    """
    import _signal as signal

    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    before |= {number: signal.signal(number, lambda received, _: os.kill(child, received)) for number in passed}
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        _, status = os.waitpid(child, 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _write_guard(guard: Sequence[str], lease: str) -> str:
    """Write the guard file of a command and the file that denies it, and return its path. Raises OSError.

    *guard*: its directory, the three parts of its text around lease and variables, the names of the variables.
    """
    directory, head, middle, tail, *names = guard
    path = f"{directory}/{os.getpid()}-{os.urandom(4).hex()}.json"
    host = ", ".join(f"{_json(name)}: {_json(os.environ.get(name))}" for name in names)
    for place, text in ((path, f"{head}{_json(lease)}{middle}{{{host}}}{tail}"), (f"{path}.claimed", "")):
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    return path


def _remove_guard(path: str) -> None:
    for place in (path, f"{path}.claimed", f"{path}.interrupted"):
        if os.path.exists(place):  # noqa: PTH110 - plain text
            os.unlink(place)  # noqa: PTH108 - as above


def _json(text: str | None) -> str:
    if text is None:
        return "null"
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        from json.encoder import encode_basestring_ascii
    return encode_basestring_ascii(text)
