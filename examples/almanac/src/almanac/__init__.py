"""Say how long ago something was."""

from __future__ import annotations

import datetime

import attrs
import humanize


@attrs.frozen
class Event:
    """Something that happened at a time."""

    name: str
    when: datetime.datetime

    def ago(self, now: datetime.datetime) -> str:
        """Return a sentence such as ``launch was 3 days ago``."""
        return f"{self.name} was {humanize.naturaltime(now - self.when)}"
