"""Compare installed files with what was installed, byte for byte: ``--verify-files``, and after damage to the store.

What a distribution should hold is known from its wheel in the store, through the digest that was noted when it
was installed; where the store does not have it, its RECORD has to do. A distribution whose artifact is not one
that the lockfile allows is damaged too, and so is one of which nobody noted the artifact.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256

from pytest_envsync.distributions import Candidate, InstalledDistribution, StoredWheel
from pytest_envsync.environment.install import WheelFiles, content_digest, parcel_of, reading
from pytest_envsync.environment.layout import Provenance, lay_out, plain_path, roots_of
from pytest_envsync.environment.uninstall import read_record, record_paths
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.record import record_hash
from pytest_envsync.target import Target
from pytest_envsync.wheels.store.spoiled import Spoiled

_CHUNK = 1 << 20


def verify_installed(
    distributions: Iterable[InstalledDistribution],
    candidates: Mapping[str, Candidate],
    *,
    target: Target,
    store: WheelFiles,
) -> dict[str, str]:
    """Return name to what is wrong for each of *distributions* that is not what it should be.

    *candidates* (by normalised name) say which artifacts are allowed; distributions without one are not
    looked at. Every byte is read.
    """
    installed = list(distributions)
    expected, faults = _expectation(installed, target, store)
    for distribution in installed:
        name = distribution.name
        fault = _artifact_fault(distribution, candidates[name]) if name in candidates else None
        if fault is not None:
            faults[name] = [fault]
    for path, (name, digest) in expected.items():
        fault = _difference(path, digest)
        if fault is not None:
            faults.setdefault(name, []).append(f"`{path}` {fault}")
    return {
        name: found[0] if len(found) == 1 else f"{found[0]}, and {len(found) - 1} more"
        for name, found in faults.items()
        if name in candidates
    }


def find_held(
    distributions: Collection[InstalledDistribution], *, target: Target, store: WheelFiles, spoiled: Spoiled
) -> dict[str, str]:
    """Return name to what is wrong for each of *distributions* that holds what was damaged in the store once.

    Only the files that are noted in *spoiled* are read.
    """
    noted = {found.name: files for found in distributions if found.sha256 and (files := spoiled.get(found.sha256))}
    if not noted:
        return {}
    faults: dict[str, str] = {}
    for path, (name, digest) in _expectation(distributions, target, store)[0].items():
        for row in noted.get(name, {}).values():
            if record_hash(row.sha256) == digest and row.is_held_at(path):
                faults.setdefault(name, f"`{path}` is a file of the store that was damaged")
    return faults


def _expectation(
    distributions: Iterable[InstalledDistribution], target: Target, store: WheelFiles
) -> tuple[dict[str, tuple[str, str]], dict[str, list[str]]]:
    """Return by path the name and digest that count there, and by name why nobody knows its files."""
    faults: dict[str, list[str]] = {}
    expected: dict[str, tuple[str, str]] = {}
    for distribution in sorted(distributions, key=lambda installed: installed.name):
        name = distribution.name
        try:
            # Of two that have one file the later name wins: its content is the expected one.
            expected.update((path, (name, digest)) for path, digest in _expected(distribution, target, store))
        except (EnvsyncError, ValueError) as error:
            faults[name] = [str(error)]
    return expected, faults


def _artifact_fault(distribution: InstalledDistribution, candidate: Candidate) -> str | None:
    """Return what is wrong with the artifact that a distribution came from; None when nothing is."""
    allowed = {str(digest) for digest in candidate.digests}
    if not allowed:
        return None
    if distribution.built_from:
        return None if allowed.intersection(distribution.built_from) else "it was built from another artifact"
    if distribution.sha256 is None:
        return "nobody noted which artifact it was installed from"
    sha256s = {digest for digest in allowed if digest.startswith("sha256:")}
    if sha256s and candidate.kind == "wheel" and f"sha256:{distribution.sha256}" not in sha256s:
        return "it was installed from another artifact"
    return None


def _expected(distribution: InstalledDistribution, target: Target, store: WheelFiles) -> Iterable[tuple[str, str]]:
    """Return path and digest, as RECORD spells it, of the files of one distribution. Raises ValueError or ours."""
    if distribution.kind != "dist-info":
        raise ValueError("it is an egg, whose files nobody noted")
    wheel = None if distribution.sha256 is None else store.get(distribution.sha256)
    return list(_recorded(distribution) if wheel is None else _stored(distribution, wheel, target, store))


def _stored(
    distribution: InstalledDistribution, wheel: StoredWheel, target: Target, store: WheelFiles
) -> Iterator[tuple[str, str]]:
    """Yield path and digest as the wheel in the store lays them out, what was noted beside it included."""
    provenance = Provenance(
        distribution.direct_url, distribution.cache_info, distribution.build_info, distribution.built_from
    )
    layout = lay_out(parcel_of(wheel, store, provenance), target, roots_of(target), reading(wheel))
    for directory, items in layout.tree.items():
        for name, item in items.items():
            yield f"{directory}/{name}", record_hash(content_digest(item))


def _recorded(distribution: InstalledDistribution) -> Iterator[tuple[str, str]]:
    text = read_record(distribution)
    if text is None:
        raise ValueError("it has no RECORD")
    site = plain_path(os.path.dirname(distribution.path))
    for entry, path in record_paths(text, site):
        if not path.endswith(".pyc"):
            yield path, entry.hash


def _difference(path: str, expected: str) -> str | None:
    algorithm = expected.partition("=")[0]
    try:
        with open(path, "rb") as file:
            if algorithm != "sha256":
                return None
            digest = sha256()
            while content := file.read(_CHUNK):
                digest.update(content)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return None if record_hash(digest.hexdigest()) == expected else "was changed"
