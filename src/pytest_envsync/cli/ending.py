"""End by a signal as by an error: what was begun is undone, what was started is ended, and then the process goes.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the module around it makes enumerations that nobody needs here
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

_NAMES = ("SIGTERM", "SIGHUP")
_PATIENCE = 5.0  # seconds; `timeout` and supervisors send a signal to the process and again to its group


class Ended(BaseException):
    """A signal asked this process to end; raised in the main thread, wherever that is."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)

    @property
    def exit_status(self) -> int:
        """The status by which shells tell a process that a signal ended."""
        return 128 + self.number

    def __str__(self) -> str:
        """Say what happened."""
        from signal import Signals

        return f"ended by {Signals(self.number).name}"


@contextmanager
def raising_signals() -> Iterator[None]:
    """Have the signals that end a process raise ``Ended``, like Ctrl-C raises its exception.

    A signal that somebody else handles, or ignores (``nohup``), stays theirs. One that comes again at once does not
    disturb the undoing.
    """
    last: float | None = None

    def end(number: int, _frame: object) -> None:
        nonlocal last
        now = monotonic()
        if last is None or now - last > _PATIENCE:
            last = now
            raise Ended(number)

    changed: list[int] = []
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            with suppress(ValueError):  # not the main thread
                signal.signal(number, end)
                changed.append(number)
    try:
        yield
    finally:
        for number in changed:
            if signal.getsignal(number) is end:
                signal.signal(number, signal.SIG_DFL)
