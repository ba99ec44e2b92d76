"""Start a command that owns the terminal, and wait for it: signals are its own, and its status counts.

Signals are blocked from before the start to after the end, and taken one by one: none is lost, none ends this process
while the command works, and none goes to a process id that was given to another process.

Ctrl-C at a terminal reaches the command by itself, as does a signal to the process group; one that is sent to this
process alone is passed on.

Standard library only, and little of it: the command in the environment waits for it. POSIX only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the module around it takes longer than all else here
import os
import time

from pytest_envsync.guard_file import take_interrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

GRACE = 0.5
"""Seconds that a command has to show that an interrupt reached it directly."""

_KEYS = (signal.SIGINT, signal.SIGQUIT)  # keys of a terminal send them, to the command too
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_BLOCKED = (*_KEYS, *_PASSED_ON, signal.SIGCHLD)
_TURN = 0.5  # seconds between two looks at a child whose end may go unnoticed
_NAP = 0.02  # the same where nothing can be waited for


def block() -> Any:
    """Block the signals that go to a command; return the mask that was, for ``run`` and ``unblock``."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)


def unblock(mask: Any) -> None:
    """Set the mask that ``block`` has returned."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def run(
    executable: str,
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    mask: Any,
    session: str,
    started: Callable[[int], object],
) -> int:
    """Run a command and return its status as shells do: 128 and the number of the signal that ended it.

    To be called in the main thread, between ``block`` and ``unblock``; the command gets the *mask* that was. *session*
    is the path of its guard file; *started* is told its process id. Raises OSError when it cannot be started.
    """
    came: list[int] = []
    # What is ignored here the command ignores too (nohup); but ends of children that are ignored are not told.
    handled = [number for number in _BLOCKED if number == signal.SIGCHLD or not _is_ignored(number)]
    # A handler runs only when another thread of this process was sent the signal.
    before = {number: signal.signal(number, lambda received, _: came.append(received)) for number in handled}
    try:
        child = os.posix_spawn(
            executable,
            list(argv),
            environ,
            # Python ignores these two; a command must not inherit that.
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
            setsigmask=list(mask),
        )
        started(child)
        return _wait(child, session, came)
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it was not set from Python
                signal.signal(number, handler)


def _is_ignored(number: int) -> bool:
    return bool(signal.getsignal(number) == signal.SIG_IGN)


def _wait(child: int, session: str, came: list[int]) -> int:
    due: float | None = None
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        alone = _next(came, _TURN if due is None else max(0.0, due - time.monotonic()))
        if alone == signal.SIGINT:
            due = due or time.monotonic() + GRACE
        elif alone not in (0, signal.SIGCHLD):
            _send(child, alone)
        if due is not None and time.monotonic() >= due:
            due = None
            if not take_interrupt(session):
                _send(child, signal.SIGINT)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _send(child: int, number: int) -> None:
    """Send a signal to a child that was not waited for since: its id is its own."""
    try:
        os.kill(child, number)
    except OSError:
        return  # it runs as another user


def _next(came: list[int], seconds: float) -> int:
    """Return the next signal that the command did not get from a terminal; 0 when there was none for so long."""
    if hasattr(signal, "sigtimedwait"):
        found = signal.sigtimedwait(_BLOCKED, seconds)
        if found is not None:
            # Signals of a terminal come from the kernel; those of a process have a code that is not positive.
            return 0 if found.si_signo in _KEYS and found.si_code > 0 else int(found.si_signo)
    else:
        pending = signal.sigpending() & set(_BLOCKED)
        if pending:
            came.append(signal.sigwait(pending))
        else:
            time.sleep(min(seconds, _NAP))
    number = came.pop(0) if came else 0
    return 0 if number in _KEYS and owns_terminal() else number


def owns_terminal() -> bool:
    """Whether this process and its child are what the keys of a terminal go to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
