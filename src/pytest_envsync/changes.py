"""What a sync did, as a value.

Standard library only: this module also serves inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import Any, Literal

from pytest_envsync.values import NamedTuple

Action = Literal["installed", "uninstalled", "reinstalled"]


class Change(NamedTuple):
    """One line of the report. *source* is the masked URL of a direct requirement, or empty."""

    name: str
    version: str
    action: Action
    source: str = ""


class Changes:
    """What a sync did, or would do: falsy when that is nothing.

    *installed*, *removed* and *reinstalled* map normalised names to versions; an upgrade
    is in *removed* with the old version and in *installed* with the new one.
    *lines* holds the same in the order of the report. *warnings* are sentences.
    """

    __slots__ = ("lines", "warnings")

    def __init__(self, lines: tuple[Change, ...] = (), warnings: tuple[str, ...] = ()) -> None:
        rank = {"uninstalled": 0, "reinstalled": 1, "installed": 2}
        self.lines = tuple(sorted(lines, key=lambda change: (change.name, rank[change.action], change.version)))
        self.warnings = tuple(warnings)

    def _of(self, action: Action) -> dict[str, str]:
        return {change.name: change.version for change in self.lines if change.action == action}

    @property
    def installed(self) -> dict[str, str]:
        """Name to version of what is new, in name order."""
        return self._of("installed")

    @property
    def removed(self) -> dict[str, str]:
        """Name to version of what is gone, in name order."""
        return self._of("uninstalled")

    @property
    def reinstalled(self) -> dict[str, str]:
        """Name to version of what was installed again, in name order."""
        return self._of("reinstalled")

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.lines)

    def __eq__(self, other: object) -> bool:
        """Compare the lines; warnings do not count."""
        return isinstance(other, Changes) and self.lines == other.lines

    def __hash__(self) -> int:
        """Agree with ``__eq__``."""
        return hash(self.lines)

    def __repr__(self) -> str:
        """Show the three mappings."""
        return f"Changes(installed={self.installed}, removed={self.removed}, reinstalled={self.reinstalled})"

    def __str__(self) -> str:
        """Return the change lines: ``+``, ``-`` and ``~``, sorted by name."""
        sign = {"installed": "+", "uninstalled": "-", "reinstalled": "~"}
        return "\n".join(
            f" {sign[c.action]} {c.name}=={c.version}{f' (from {c.source})' if c.source else ''}" for c in self.lines
        )

    def as_list(self) -> list[dict[str, Any]]:
        """Return the lines as JSON values, as the reference's ``changes`` are; an unknown version is left out."""
        return [
            {"name": c.name, **({"version": c.version} if c.version else {}), "action": c.action} for c in self.lines
        ]
