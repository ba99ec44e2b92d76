"""Which distributions that stay have a claim on given files.

An environment has tens of thousands of RECORD rows and hardly ever two that name one file, so the
text of a RECORD is searched first and parsed only where something was found.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from pytest_envsync.distributions import InstalledDistribution
from pytest_envsync.environment.layout import plain_path
from pytest_envsync.environment.uninstall import read_record, record_paths
from pytest_envsync.values import NamedTuple


class Claim(NamedTuple):
    """A row of the RECORD of *distribution*; *hash* as RECORD spells it, empty for none."""

    distribution: InstalledDistribution
    hash: str


def find_claims(distributions: Iterable[InstalledDistribution], paths: Collection[str]) -> dict[str, Claim]:
    """Return who has the last word on which of *paths* (absolute, plain): the last by name.

    A distribution without a readable RECORD claims nothing.
    """
    found: dict[str, Claim] = {}
    sites: dict[str, tuple[str, tuple[str, ...]]] = {}
    for distribution in sorted(distributions, key=lambda installed: installed.name):
        if distribution.kind != "dist-info":
            continue
        directory = os.path.dirname(distribution.path)
        if directory not in sites:
            plain = plain_path(directory)
            sites[directory] = plain, _search_keys(paths, plain)
        site, keys = sites[directory]
        text = read_record(distribution)
        if text is None or not any(key in text for key in keys):
            continue
        try:
            for entry, path in record_paths(text, site):
                if path in paths:
                    found[path] = Claim(distribution, entry.hash)
        except ValueError:
            continue
    return found


def _search_keys(paths: Collection[str], site: str) -> tuple[str, ...]:
    """Return texts of which one stands in every RECORD (of a dist-info in *site*) that names one of *paths*."""
    keys = set()
    for path in paths:
        if path.startswith(f"{site}/"):
            top, slash, _ = path[len(site) + 1 :].partition("/")
            keys.add(top + slash)
        else:
            keys.add(path.rpartition("/")[2])
    return tuple(keys)
