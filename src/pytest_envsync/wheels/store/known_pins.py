"""Which wheel a pin with hashes led to before: it is taken from the store, and no index is asked.

A lock that nobody has seen yet is mostly pins that were seen in another one. The answer counts for the same pin,
hashes, settings and target, as long as the store has the wheel; its sha256 is one of those that the pin allows.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envsync.digesting import sha256
from pytest_envsync.distributions import Candidate, PreparedWheel
from pytest_envsync.hashes import Digest
from pytest_envsync.record import parse_wheel_filename
from pytest_envsync.versions import pinned_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_envsync.options import SyncOptions
    from pytest_envsync.requirements import Requirements
    from pytest_envsync.wheels.choice.demand import Demand
    from pytest_envsync.wheels.store.store import Store


class KnownPins:
    """What is known of the pins of one run. *keys* is by name, *digests* the sha256 of the wheels that were found.

    *question* is a digest of the settings and the target; None knows nothing.
    """

    def __init__(self, store: Store, question: str | None) -> None:
        self.store = store
        self.question = question
        self.keys: dict[str, str] = {}
        self.digests: dict[str, str] = {}

    def find(self, demand: Demand) -> Candidate | None:
        """Return the candidate for *demand*, without a file, when the store has its wheel; else None."""
        name = demand.name
        pinned = pinned_version(demand.specifier)
        if self.question is None or name is None or pinned is None or "," in demand.specifier or not demand.digests:
            return None
        digests = " ".join(sorted(map(str, demand.digests)))
        key = "pin:" + sha256(f"{self.question}\n{name}{demand.source}\n{digests}".encode()).hexdigest()
        self.keys[name] = key
        found = self.store.find(key)
        wheel = None if found is None else self.store.get(found)
        if wheel is None or wheel.name != name or Digest("sha256", wheel.sha256) not in demand.digests:
            return None
        self.digests[name] = wheel.sha256
        return Candidate(
            name=name,
            version=parse_wheel_filename(wheel.filename).version,
            kind="wheel",
            requested=demand.source,
            digests=demand.digests,
            origin=demand.origin,
        )


def pin_question(key: str, requirements: Requirements, options: SyncOptions) -> str | None:
    """Return the question that pins are remembered under; None when they are not.

    *key* stands for settings and target (``memo.resolution_key`` without files). What may change without any of that
    (dates, listings, rules of an index) is left out, and so is a run that is to look again.
    """
    if (
        options.refresh
        or options.refresh_package
        or options.reinstall
        or options.reinstall_package
        or options.exclude_newer
        or options.exclude_newer_package
        or options.torch_backend
        or options.find_links
        or requirements.find_links
        or options.index_rules
        or requirements.index_rules
    ):
        return None
    places = (requirements.index_url, requirements.extra_index_urls, requirements.index, requirements.no_index)
    choices = (requirements.only_binary, requirements.no_binary, requirements.require_hashes)
    return sha256(f"{key}\n{places!r}\n{choices!r}".encode()).hexdigest()


def keep_pins(store: Store, keys: dict[str, str], prepared: Iterable[PreparedWheel]) -> None:
    """Remember under *keys* (by name) which wheels were chosen; what was built, or is yanked, is asked for again."""
    for item in prepared:
        file = item.candidate.file
        if item.candidate.name in keys and item.candidate.kind == "wheel" and file is not None and file.yanked is None:
            store.remember(keys[item.candidate.name], item.wheel.sha256)
