"""A session in a child process: its streams are those of this process, and signals go on to it.

An interrupt is particular. Ctrl-C at a terminal reaches parent and child alike, as does a signal to the process group;
one that is sent to this process alone has to be passed on. And a child that gets it twice loses its summary.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.leases import share_lease
from pytest_envsync.pytest_plugin import guard

if TYPE_CHECKING:
    import subprocess
    from types import FrameType

GRACE = 0.5
"""Seconds that a child has to show that an interrupt reached it directly."""

_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
_TURN = 0.5  # seconds between two looks at a child whose end may go unnoticed


def run_child(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run *argv* with the streams of this process and return its status; signals go to it.

    The child holds the leases on its environments too: it outlives this process when that is killed. The status of a
    child that a signal ended is 128 and the signal's number, as in a shell.
    """
    import subprocess

    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    if os.name == "posix" and threading.current_thread() is threading.main_thread():
        status = _Attended(argv, environ).run()
    else:
        child = subprocess.Popen(list(argv), env=dict(environ))
        _share_leases(environ.get(guard.VARIABLE), child.pid)
        # The console sends an interrupt to both; it is the child's to treat.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if os.name != "posix" and _in_main_thread() else None
        try:
            status = child.wait()
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
    return 128 - status if status < 0 else status


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _share_leases(session: str | None, pid: int) -> None:
    """Let the process *pid* hold the leases that the guard file *session* names."""
    if session is None:
        return
    try:
        values = json.loads(Path(session).read_bytes())
    except (OSError, ValueError):
        return  # the command has it already, and may do with it what it likes
    for lease in _leases_in(values):
        share_lease(lease, pid)


def _leases_in(values: Any) -> Iterator[str]:
    """Yield the leases that the values of a guard file name: of its environment, or of those of its matrix."""
    cells = values["matrix"]["cells"] if "matrix" in values else [{"values": values}]
    for cell in cells:
        lease = ((cell["values"] or {}).get("environment") or {}).get("lease")
        if lease is not None:
            yield lease


class _Attended:
    """A child, and what to do with the signals that arrive while it runs."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self._argv = list(argv)
        self._environ = dict(environ)
        self._session = environ.get(guard.VARIABLE)
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._due: float | None = None

    def run(self) -> int:
        """Run it to its end, and return the status that ``Popen`` gives."""
        import subprocess

        numbers = [getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name)]
        # Handlers, not SIG_IGN: a child inherits that.
        before: dict[int, object] = {number: signal.signal(number, self._pass_on) for number in numbers}
        before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupted)
        try:
            self._child = subprocess.Popen(self._argv, env=self._environ)
            _share_leases(self._session, self._child.pid)
            for number in self._early:
                self._child.send_signal(number)
            return self._attend(self._child)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave, it takes back

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        if self._child is not None:
            self._child.send_signal(number)
        else:
            self._early.append(number)

    def _interrupted(self, _: int, __: FrameType | None) -> None:
        """Treat an interrupt of which nobody can say where it came from."""
        from pytest_envsync.foreground import owns_terminal

        if not owns_terminal():
            self._expect()

    def _expect(self) -> None:
        self._due = self._due or time.monotonic() + GRACE

    def _attend(self, child: subprocess.Popen[bytes]) -> int:
        watched = {signal.SIGINT, signal.SIGCHLD}
        can_tell = hasattr(signal, "sigtimedwait") and signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, watched) if can_tell else None
        try:
            while child.poll() is None:
                pause = _TURN if self._due is None else max(self._due - time.monotonic(), 0)
                if mask is None:
                    self._sleep(child, pause)
                else:
                    found = signal.sigtimedwait(watched, pause)
                    # Signals of a terminal come from the kernel; those of a process have a code that is not positive.
                    if found is not None and found.si_signo == signal.SIGINT and found.si_code <= 0:
                        self._expect()
                self._settle(child)
        finally:
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return child.wait()

    def _sleep(self, child: subprocess.Popen[bytes], seconds: float) -> None:
        import subprocess

        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=seconds)

    def _settle(self, child: subprocess.Popen[bytes]) -> None:
        """Pass an interrupt on when its time has come and the child did not get it itself."""
        if self._due is None:
            return
        if self._session is not None and guard.take_interrupt(self._session):
            self._due = None
        elif time.monotonic() >= self._due:
            self._due = None
            child.send_signal(signal.SIGINT)
