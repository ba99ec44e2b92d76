"""Whose turn it is: two builds of one process that want the same do it once, and none waits for itself.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_LOOK = 0.2  # seconds between two looks at whether what is waited for is needed any more


class Turns:
    """What is under way in this process. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: set[str] = set()
        self._needs: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def turn(self, key: str, name: str, *, chain: Sequence[str], check: Callable[[], None]) -> Iterator[None]:
        """Wait until nobody else is at *key*, which *name* is built for, and hold it.

        *chain* holds the names that wait for this one, outermost first. Where waiting would close a circle of them
        nobody waits: whoever builds on finds it. *check* raises when all this is not needed any more.
        """
        edge = (chain[-1], name) if chain else ("", name)
        with self._changed:
            self._needs[edge] += 1
        is_mine = False
        try:
            with self._changed:
                while key in self._taken and not self._leads(name, frozenset(chain)):
                    self._changed.wait(_LOOK)
                    check()
                is_mine = key not in self._taken
                self._taken.add(key)
            yield
        finally:
            with self._changed:
                self._needs[edge] -= 1
                if not self._needs[edge]:
                    del self._needs[edge]
                if is_mine:
                    self._taken.discard(key)
                self._changed.notify_all()

    def _leads(self, name: str, names: frozenset[str]) -> bool:
        """Whether what *name* needs, or what that needs, is one of *names*."""
        seen: set[str] = set()
        pending = [name]
        while pending:
            current = pending.pop()
            for needing, needed in self._needs:
                if needing == current and needed not in seen:
                    seen.add(needed)
                    pending.append(needed)
        return not names.isdisjoint(seen)
