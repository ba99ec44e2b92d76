"""Processes that work for a sync, and how all of them end when it does.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_envsync.errors import EnvsyncError
from pytest_envsync.wheels.build.descendants import VARIABLE, end_marked, new_marker
from pytest_envsync.wheels.build.lifeline import Lifeline

if TYPE_CHECKING:
    import subprocess

_SHORTEST, _LONGEST = 0.001, 0.02  # seconds between two looks at a process that runs


class CalledOff(EnvsyncError):  # noqa: N818 - no fault of its own: the sync that it worked for is over
    """What was under way is not needed any more."""

    def __init__(self) -> None:
        super().__init__("called off, because something else failed or was interrupted", exit_status=1)


class TooMuchOutput(Exception):  # noqa: N818 - as ``subprocess.TimeoutExpired``
    """A process wrote more than it may, and was ended."""


class Processes:
    """The processes of one run. Thread-safe.

    After ``end`` those that run are killed, and none is started any more. They are killed as well when this
    process is, in whatever way.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[subprocess.Popen[bytes], bool] = {}
        self.is_ended = False

    def check(self) -> None:
        """Raise CalledOff when all this is not needed any more."""
        if self.is_ended:
            raise CalledOff

    def run(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str | Path | None = None,
        output: IO[bytes],
        errors: IO[bytes] | None = None,
        timeout: float,
        most_output: float = float("inf"),
        with_descendants: bool = False,
    ) -> int:
        """Run *command* and return its exit status; it reads nothing. Without *errors* those go to *output* too.

        With *with_descendants* it has a process group and session of its own, and whatever it started goes with
        it, also when it ends well; what left that group, a server for other builds it may be, only when it does not.
        Raises ``subprocess.TimeoutExpired`` after *timeout* seconds, TooMuchOutput when *output*, a file, has more
        than *most_output* bytes, CalledOff when ``end`` was called meanwhile, OSError when it cannot be started.
        """
        import subprocess

        self.check()
        marker = new_marker() if with_descendants else ""
        lifeline = Lifeline(marker)
        try:
            process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env={**environ, VARIABLE: marker} if marker else dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if errors is None else errors,
                start_new_session=with_descendants,
            )
        except BaseException:
            lifeline.let_go()
            raise
        try:
            lifeline.attach(process.pid, with_descendants=with_descendants)
            with self._lock:
                self._running[process] = with_descendants
            self.check()  # ended between the first question and the list
            _await(process, timeout, lambda: os.fstat(output.fileno()).st_size > most_output)
        finally:
            # Not reaped yet, so that the number of the group can be nobody else's.
            _kill(process, with_descendants=with_descendants)
            lifeline.let_go()
            with self._lock:
                self._running.pop(process, None)
            process.wait()
            if marker and (self.is_ended or process.returncode != 0):
                end_marked(marker)
        self.check()
        return process.returncode

    def end(self) -> None:
        """Kill whatever runs."""
        with self._lock:
            self.is_ended = True
            for process, with_descendants in self._running.items():
                _kill(process, with_descendants=with_descendants)


def _await(process: subprocess.Popen[bytes], timeout: float, is_too_much: Callable[[], bool]) -> None:
    """Wait for the end of *process*; where the system can, its entry stays until ``wait``."""
    if not hasattr(os, "waitid"):
        process.wait(timeout)
        return
    deadline = time.monotonic() + timeout
    pause = _SHORTEST
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > deadline:
            from subprocess import TimeoutExpired

            raise TimeoutExpired(process.args, timeout)
        if is_too_much():
            raise TooMuchOutput
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST)


def _kill(process: subprocess.Popen[bytes], *, with_descendants: bool) -> None:
    """Kill *process*, and what it started; nothing when all are gone."""
    with suppress(ProcessLookupError, PermissionError):
        if with_descendants and os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()
