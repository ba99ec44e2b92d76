"""What is wrong with a set of installed distributions: the warnings of ``--strict``.

Also what a lockfile seems to lack. Extras of dependencies are not followed, as in the reference.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.environment.site_packages import scan
from pytest_envsync.markers import is_active
from pytest_envsync.record import Metadata, parse_metadata
from pytest_envsync.requirements import normalize_name

if TYPE_CHECKING:
    from pytest_envsync.distributions import InstalledDistribution
    from pytest_envsync.target import Target

_REQUIREMENT = re.compile(r"\s*(?P<name>[A-Za-z0-9._-]+)[^;]*(?:;(?P<marker>.*))?", re.DOTALL)


def diagnose(target: Target, names: Collection[str]) -> list[str]:
    """Return one sentence for each fault of the distributions *names* that are installed at *target*."""
    installed = scan(target).distributions
    by_name: dict[str, list[InstalledDistribution]] = {}
    for distribution in installed:
        by_name.setdefault(distribution.name, []).append(distribution)
    versions = {name: found[0].version for name, found in by_name.items()}
    faults = []
    for name in sorted(names):
        found = by_name.get(name, [])
        if len(found) > 1:
            places = ", ".join(f"`{distribution.path}`" for distribution in found)
            faults.append(f"The package `{name}` is installed more than once: {places}")
        for distribution in found:
            metadata = read_metadata(distribution)
            if metadata is None:
                faults.append(f"The package `{name}` has no readable metadata in `{distribution.path}`")
                continue
            faults += _python_fault(metadata, target)
            faults += unmet_requirements(metadata, versions, target.markers)
            faults += _platform_fault(distribution, target)
    return faults


def unmet_requirements(metadata: Metadata, versions: Mapping[str, str], markers: Mapping[str, str]) -> list[str]:
    """Return a sentence for each requirement of *metadata* that *versions* (name to version) does not meet."""
    faults = []
    for text in metadata.requires_dist:
        requirement = active_requirement(text, markers)
        if requirement is None:
            continue
        name, specifier = requirement
        version = versions.get(name)
        if version is None:
            faults.append(f"The package `{metadata.name}` requires `{name}{specifier}`, but it's not installed")
        elif specifier and not _meets(specifier, version):
            faults.append(f"The package `{metadata.name}` requires `{name}{specifier}`, but `{version}` is installed")
    return faults


def active_requirement(text: str, markers: Mapping[str, str]) -> tuple[str, str] | None:
    """Return normalised name and specifier of a Requires-Dist value, None when its marker is false or it is invalid."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    if requirement.marker is not None and not requirement.marker.evaluate({**markers, "extra": ""}):
        return None
    return normalize_name(requirement.name), str(requirement.specifier)


def missing_names(requires: Mapping[str, Sequence[str]], markers: Mapping[str, str]) -> dict[str, str]:
    """Return each name that is required and not there, with one that needs it, in name order.

    *requires* maps the names that are there to their Requires-Dist values. What only an extra asks for is not missed.
    """
    missing: dict[str, str] = {}
    for needed_by, texts in requires.items():
        for text in texts:
            match = _REQUIREMENT.match(text)
            if match is None or (name := normalize_name(match["name"])) in requires:
                continue
            marker = match["marker"] or ""
            with suppress(ValueError):
                if "extra" not in marker and is_active(marker, markers):
                    missing.setdefault(name, needed_by)
    return dict(sorted(missing.items()))


def read_metadata(distribution: InstalledDistribution) -> Metadata | None:
    """Return what an installed distribution says of itself, None if that cannot be read."""
    for name in ("METADATA", "PKG-INFO"):
        path = Path(distribution.path) / name if os.path.isdir(distribution.path) else Path(distribution.path)
        try:
            return parse_metadata(path.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError):
            continue
    return None


def _python_fault(metadata: Metadata, target: Target) -> list[str]:
    asked = metadata.requires_python
    if asked is None or _meets(asked, target.markers["python_full_version"]):
        return []
    return [f"The package `{metadata.name}` requires Python {asked}, but `{target.version}` is installed"]


def _platform_fault(distribution: InstalledDistribution, target: Target) -> list[str]:
    if not distribution.tags or not frozenset(target.tags).isdisjoint(distribution.tags):
        return []
    return [f"The package `{distribution.name}` was built for a different platform"]


def _meets(specifier: str, version: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True
