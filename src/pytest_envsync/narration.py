"""How the engine tells its story: it prints nothing itself.

The command renders what is told here to a terminal, a log or nowhere; so does the pytest
plugin. Every method may be called from any thread.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

# typing is 8 ms of a start-up that has 30 in all; only type checkers look inside.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, Protocol

    PhaseName = Literal["resolved", "prepared", "uninstalled", "installed", "compiled"]
else:
    Protocol = object


class Reporter(Protocol):
    """What can be told while a sync, a build or a download goes on.

    Warnings that belong behind the change lines (yanked files, ``--strict``) are not told
    here; they travel in ``SyncOutcome.warnings``.
    """

    def warn(self, text: str) -> None:
        """Tell a warning now; *text* is a sentence without ``warning:`` in front."""

    def note(self, text: str) -> None:
        """Tell a fact of little weight, such as the environment that is used or who is waited for."""

    def debug(self, text: str, level: int = 1) -> None:
        """Tell a detail for ``-v`` (*level* 1) or ``-vv`` (*level* 2)."""

    def phase(self, name: PhaseName, count: int, seconds: float, detail: str = "") -> None:
        """Tell that a phase is over: *count* distributions (files, for ``compiled``) took *seconds*.

        *detail* is put behind the count, as in ``Prepared 2 packages without build isolation``.
        """

    def building(self, subject: str) -> None:
        """Tell that a build begins; *subject* is ``name @ url``, masked."""

    def built(self, subject: str) -> None:
        """Tell that the build of *subject* succeeded."""

    def expect(self, wheels: int, size: int | None) -> None:
        """Tell that *wheels* are about to be brought into the store, for which *size* bytes have to arrive.

        None: nobody knows how many. May be told again; the figures add up.
        """

    def received(self, size: int) -> None:
        """Tell that *size* more bytes have arrived."""

    def completed(self, filename: str) -> None:
        """Tell that one of the expected wheels is in the store."""


class SilentReporter:
    """A reporter that tells nobody."""

    def warn(self, text: str) -> None:
        """Drop the warning."""

    def note(self, text: str) -> None:
        """Drop the note."""

    def debug(self, text: str, level: int = 1) -> None:
        """Drop the detail."""

    def phase(self, name: PhaseName, count: int, seconds: float, detail: str = "") -> None:
        """Drop the phase."""

    def building(self, subject: str) -> None:
        """Drop the news."""

    def built(self, subject: str) -> None:
        """Drop the news."""

    def expect(self, wheels: int, size: int | None) -> None:
        """Drop the figures."""

    def received(self, size: int) -> None:
        """Drop the figure."""

    def completed(self, filename: str) -> None:
        """Drop the news."""
