"""What to do: wanted distributions compared with installed ones.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pytest_envsync.distributions import Candidate, InstalledDistribution


class Reinstall(NamedTuple):
    """An installed distribution that is replaced (usually one; more when a name was there twice)."""

    installed: tuple[InstalledDistribution, ...]
    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sync will do, each part sorted by name."""

    install: tuple[Candidate, ...] = ()
    reinstall: tuple[Reinstall, ...] = ()
    remove: tuple[InstalledDistribution, ...] = ()
    keep: tuple[InstalledDistribution, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.install or self.reinstall or self.remove)
