"""The sockets that requests wait at, so that whoever ends a run need not wait for a server that says nothing.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakSet

_OPENED = (".connect_tcp.complete", ".start_tls.complete")  # wrapped in TLS, it is another socket


class Wires:
    """The open connections of one run. Thread-safe.

    ``extensions`` are those of a request of httpx: by its trace extension a new connection is noted here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: WeakSet[Any] = WeakSet()
        self._is_cut = False
        self.extensions: dict[str, Any] = {"trace": self._note}

    def _note(self, event: str, found: Mapping[str, Any]) -> None:
        if event.endswith(_OPENED):
            wire = found["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets.add(wire)
                is_cut = self._is_cut
            if is_cut:
                _cut(wire)

    def cut(self) -> None:
        """End all connections, also those to come: whoever reads from one meets its end at once."""
        with self._lock:
            self._is_cut = True
            wires = list(self._sockets)
        for wire in wires:
            _cut(wire)


def _cut(wire: Any) -> None:
    """Shut a socket down: closing alone wakes nobody who waits at it."""
    import socket

    with suppress(OSError):
        # Below any TLS, whose state belongs to the thread that reads.
        socket.socket.shutdown(wire, socket.SHUT_RDWR)
