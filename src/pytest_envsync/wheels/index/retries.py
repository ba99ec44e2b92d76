"""Try again what may go better the next time: which failures, how often, after which pause.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pytest_envsync.addresses import Realm, masked, realm_of
from pytest_envsync.errors import FetchError
from pytest_envsync.narration import Reporter

_Answer = TypeVar("_Answer")
_LONGEST_PAUSE = 60.0  # seconds; a server that asks for more is not waited for


class TransientError(Exception):
    """A try that may succeed if it is repeated; *reason* reads on from the address.

    *status* is None when there was no whole answer; *unreached* says that there was no connection at all.
    *wait* is the pause that the server asks for, in seconds.
    """

    def __init__(
        self, reason: str, *, status: int | None = None, wait: float | None = None, unreached: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.wait = wait
        self.unreached = unreached


class Retries:
    """How often something is tried again in one run, and which servers proved to be down.

    *count* is the number of tries after the first; *first_pause* the pause before the second, in
    seconds, which doubles each time and is spread by chance. May be used from any thread.
    """

    def __init__(self, count: int, *, first_pause: float, reporter: Reporter) -> None:
        self._count = count
        self._first_pause = first_pause
        self._reporter = reporter
        self._ended = threading.Event()
        self._down: dict[Realm, str] = {}

    def end(self) -> None:
        """End all pauses; nothing is tried again from now on."""
        self._ended.set()

    @property
    def is_over(self) -> bool:
        """Whether ``end`` was called."""
        return self._ended.is_set()

    def persist(self, url: str, attempt: Callable[[], _Answer], *, exit_status: int) -> _Answer:
        """Return what *attempt* returns, as soon as it does not raise TransientError.

        Raises FetchError, with the number of tries, when it has been made often enough. A server that could not be
        reached is not tried again for other addresses.
        """
        shown = masked(url)
        realm = realm_of(url)
        began = time.monotonic()
        tries = 0
        while True:
            if (reason := self._down.get(realm)) is not None:
                raise FetchError(f"`{shown}` {reason}", url=shown, exit_status=exit_status)
            tries += 1
            try:
                return attempt()
            except TransientError as error:
                pause = error.wait if error.wait is not None else self._pause(tries)
                if tries <= self._count and pause <= _LONGEST_PAUSE and not self.is_over:
                    self._reporter.debug(f"{shown} {error.reason}; trying again in {pause:.1f} s")
                    self._ended.wait(pause)
                    continue
                counted = "1 try" if tries == 1 else f"{tries} tries"
                reason = f"{error.reason} ({counted} in {time.monotonic() - began:.1f} s)"
                if error.unreached:
                    self._down[realm] = reason
                raise FetchError(
                    f"`{shown}` {reason}",
                    url=shown,
                    status=error.status,
                    tries=tries,
                    hint="check the address and the network; ENVSYNC_HTTP_RETRIES or UV_HTTP_RETRIES sets how often"
                    " it is tried again",
                    exit_status=exit_status,
                ) from error

    def _pause(self, tries: int) -> float:
        import random

        return self._first_pause * 2.0 ** (tries - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, keeps no secret
