"""Regular expressions that are compiled at their first use.

A command that only compares needs few of those that its modules name; compiling all of them took 3 of its 30 ms.

Standard library only: this module also runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any


class _Pattern:
    """Stands for the expression until an attribute of it is asked for, and keeps what was asked for."""

    def __init__(self, text: str, flags: int) -> None:
        self._given = (text, flags)

    def __getattr__(self, name: str) -> Any:
        import re

        value = getattr(re.compile(*self._given), name)
        setattr(self, name, value)
        return value


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what serves as ``re.compile(text, flags)``."""
    return _Pattern(text, flags)  # type: ignore[return-value]  # has what is used of one
