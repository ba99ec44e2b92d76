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

from pytest_envsync.addresses import masked
from pytest_envsync.environment.site_packages import scan
from pytest_envsync.errors import InputError
from pytest_envsync.markers import is_active
from pytest_envsync.record import Metadata, parse_metadata, parse_wheel
from pytest_envsync.requirements import IndexSource, SpecifiedRequirement, normalize_name
from pytest_envsync.versions import canonical_version

if TYPE_CHECKING:
    from pytest_envsync.distributions import InstalledDistribution
    from pytest_envsync.target import Target

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z", re.ASCII)
_STARRED = re.compile(r"((?:>=|<=|>|<|~=)\s*[0-9][0-9.]*)\.\*", re.ASCII)
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
            requirements = None if metadata is None else _stated_requirements(metadata)
            if metadata is None or requirements is None:
                faults.append(f"The package `{name}` has no readable metadata in `{distribution.path}`")
                continue
            faults += _python_fault(name, metadata, target)
            faults += _platform_fault(distribution, target)
            faults += _unmet(name, requirements, versions, target.markers)
    return faults


def _stated_requirements(metadata: Metadata) -> list[SpecifiedRequirement] | None:
    """Return what *metadata* requires; None when any part of it cannot be understood, as the reference has it."""
    from pytest_envsync.inputs.requirement_line import parse_requirement, read_specifier

    if _NAME.match(metadata.name) is None or canonical_version(metadata.version) is None:
        return None
    try:
        read_specifier(_mended(metadata.requires_python or ""))
        return [parse_requirement(_mended(text), base=None) for text in metadata.requires_dist]
    except InputError:
        return None


def _mended(text: str) -> str:
    """Return *text* without two mistakes that are common in old metadata: ``>=1.0.*``, and quotes around all of it."""
    whole = text.strip()
    if whole[:1] in "'\"" and whole[-1:] == whole[:1] and len(whole) > 1:
        whole = whole[1:-1]
    requirement, semicolon, marker = whole.partition(";")
    return _STARRED.sub(r"\1", requirement) + semicolon + marker


def _unmet(
    name: str, requirements: Sequence[SpecifiedRequirement], versions: Mapping[str, str], markers: Mapping[str, str]
) -> list[str]:
    """Return a sentence for each of the *requirements* of *name* that *versions* (name to version) does not meet."""
    from pytest_envsync.inputs.requirement_line import format_requirement

    faults = []
    for requirement in requirements:
        if requirement.name is None or not is_active(requirement.marker, {**markers, "extra": ""}):
            continue
        needs = f"The package `{name}` requires `{masked(format_requirement(requirement))}`"
        version = versions.get(requirement.name)
        source = requirement.source
        if version is None:
            faults.append(f"{needs}, but it's not installed")
        elif isinstance(source, IndexSource) and source.specifier and not _meets(source.specifier, version):
            faults.append(f"{needs}, but `{version}` is installed")
    return faults


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


def _python_fault(name: str, metadata: Metadata, target: Target) -> list[str]:
    asked = _mended(metadata.requires_python or "")
    if not asked or _meets(asked, target.markers["python_full_version"]):
        return []
    return [f"The package `{name}` requires Python {asked}, but `{target.version}` is installed"]


def _platform_fault(distribution: InstalledDistribution, target: Target) -> list[str]:
    if distribution.kind == "dist-info":
        try:
            parse_wheel((Path(distribution.path) / "WHEEL").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return [f"The package `{distribution.name}` has no readable WHEEL in `{distribution.path}`"]
    if not distribution.tags or not frozenset(target.tags).isdisjoint(distribution.tags):
        return []
    return [f"The package `{distribution.name}` was built for a different platform"]


def _meets(specifier: str, version: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True
