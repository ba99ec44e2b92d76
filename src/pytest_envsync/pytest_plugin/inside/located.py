"""Where the environment of a session is: ``envsync env path``.

What a session runs in depends on what pytest reads: the root, the ini file, the plugins that are named. So pytest is
started as for the session, and stopped where that would move into its environment.

Only in the host interpreter.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_envsync.errors import EnvsyncError, UsageError
from pytest_envsync.pytest_plugin.inside import provision, unhosted
from pytest_envsync.pytest_plugin.inside.wanted import Wanted

if TYPE_CHECKING:
    from pytest_envsync.narration import Reporter
    from pytest_envsync.pytest_plugin.inside.provision import Preparation


class Question:
    """What is asked, and the answer: *path*, or *error*."""

    def __init__(self, reporter: Reporter, *, create: bool) -> None:
        self.reporter = reporter
        self.create = create
        self.path: str | None = None
        self.error: EnvsyncError | None = None
        self.is_answered = False

    def answer(self, preparation: Preparation, wanted: Sequence[Wanted]) -> int:
        """Find the one environment that is *wanted*. Raises EnvsyncError."""
        if len(wanted) > 1:
            names = ", ".join(f"`{one.identity or one.name}`" for one in wanted)
            raise UsageError(f"only one environment can be asked for at a time, found {names}")
        if self.create:
            provided = provision.provide_one(preparation, wanted[0], reporter=self.reporter)
            provided.release()
            self.path = provided.environment.path
        else:
            self.path = provision.locate_one(preparation, wanted[0], reporter=self.reporter)
        self.is_answered = True
        return 0


_question: Question | None = None


def question() -> Question | None:
    """Return what is asked instead of running a session; None for a session."""
    return _question


def session_path(words: Sequence[str], *, reporter: Reporter, create: bool) -> str | None:
    """Return the path of the environment that ``pytest WORDS`` would run in; None while there is none.

    With *create* it is made. Raises EnvsyncError.
    """
    global _question  # noqa: PLW0603 - handed past pytest, which has no place for it
    _question = Question(reporter, create=create)
    try:
        unhosted.main(words)
    finally:
        asked, _question = _question, None
    if asked.error is not None:
        raise asked.error
    if not asked.is_answered:
        raise UsageError("pytest cannot be configured here", hint="what it says stands above")
    return asked.path
