"""Tell on standard error what goes on while a session waits for its environment.

Nothing is loaded for it before there is something to tell.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pytest_envsync.narration import Reporter


class _Late:
    """A reporter that is made at the first word."""

    def __init__(self) -> None:
        self._reporter: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        # Whoever takes a method to call it when something happens has told nothing yet.
        def tell(*arguments: Any, **values: Any) -> Any:
            return getattr(self._made(), name)(*arguments, **values)

        return tell

    def _made(self) -> Any:
        if self._reporter is None:
            from pytest_envsync.cli.terminal import Terminal, TerminalReporter

            self._reporter = TerminalReporter(Terminal(os.environ))
        return self._reporter

    def close(self) -> None:
        """Take progress off the terminal, if any was drawn."""
        if self._reporter is not None:
            self._reporter.close()


class Narrator:
    """Gives a reporter for the time of a ``with`` block."""

    def __init__(self) -> None:
        self._late = _Late()

    def __enter__(self) -> Reporter:
        """Return the reporter."""
        return cast("Reporter", self._late)

    def __exit__(self, *_: object) -> None:
        """End what was drawn."""
        self._late.close()
