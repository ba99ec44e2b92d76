"""Gather what several inputs say.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.addresses import canonical_address, is_url, masked
from pytest_envsync.errors import InputError
from pytest_envsync.requirements import Origin, ProjectTree, SpecifiedRequirement
from pytest_envsync.values import dataclass, field, fields


@dataclass(slots=True, kw_only=True)
class Collected:
    """What one input says, or several; grows while they are read.

    The words are those of ``Requirements``. *index_url_origin* is where the index is named.
    """

    entries: list[SpecifiedRequirement] = field(default_factory=list)
    constraints: list[SpecifiedRequirement] = field(default_factory=list)
    overrides: list[SpecifiedRequirement] = field(default_factory=list)
    excludes: list[str] = field(default_factory=list)
    trees: list[ProjectTree] = field(default_factory=list)
    index: list[str] = field(default_factory=list)
    index_rules: list[str] = field(default_factory=list)
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    no_binary: list[str] = field(default_factory=list)
    only_binary: list[str] = field(default_factory=list)
    index_url: str | None = None
    index_url_origin: Origin | None = None
    has_project: bool = False
    no_index: bool = False
    require_hashes: bool = False

    def absorb(self, other: Collected) -> None:
        """Add all that *other* says. Raises InputError when both name an index and these differ."""
        for item in fields(self):
            value = getattr(other, item.name)
            if isinstance(value, list):
                getattr(self, item.name).extend(value)
        self.has_project = self.has_project or other.has_project
        self.no_index = self.no_index or other.no_index
        self.require_hashes = self.require_hashes or other.require_hashes
        if other.index_url is None:
            return
        if self.index_url is not None and not _is_same_index(self.index_url, other.index_url):
            raise InputError(
                f"Multiple index URLs specified: `{masked(self.index_url)}` vs. `{masked(other.index_url)}`",
                origin=other.index_url_origin,
            )
        self.index_url, self.index_url_origin = other.index_url, other.index_url_origin

    def is_silent(self) -> bool:
        """Whether nothing was said at all, not even an option."""
        return self == Collected()


def _is_same_index(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return is_url(one) and is_url(other) and canonical_address(one) == canonical_address(other)
    except ValueError:
        # An address that cannot be taken apart is only equal to itself; whoever asks it says what is wrong.
        return False
