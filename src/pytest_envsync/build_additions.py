"""What settings add to builds and to metadata: requirements that match what is installed, another Requires-Python.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_envsync.direct_url import direct_url_of, source_text
from pytest_envsync.plan import is_same_version
from pytest_envsync.requirements import IndexSource, normalize_name
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.options import SyncOptions


def stated_python(candidate: Candidate, options: SyncOptions) -> str | None:
    """Return the Requires-Python that ``dependency-metadata`` states for what was given directly; None without."""
    if isinstance(candidate.requested, IndexSource):
        return None
    for row in options.dependency_metadata:
        name, version, python = row.split("\t")
        fits = not version or candidate.version is None or is_same_version(version, candidate.version)
        if normalize_name(name) == candidate.name and fits:
            return python
    return None


def installed_requirements(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return what stands for each candidate among the requirements of a build, by name."""
    return {
        candidate.name: f"{candidate.name}=={candidate.version}"
        if isinstance(candidate.requested, IndexSource)
        else f"{candidate.name} @ {source_text(direct_url_of(candidate.requested))}"
        for candidate in candidates
    }


def with_matches(candidates: Sequence[Candidate], options: SyncOptions) -> tuple[Candidate, ...]:
    """Return *candidates* with the versions that their builds are to match in what is noted of these.

    Raises UsageError for one to match that is not among them.
    """
    if not any("::" in text for text in options.extra_build_dependencies):
        return tuple(candidates)
    from pytest_envsync.wheels.build.settings import matched

    installed = installed_requirements(candidates)
    found = []
    for candidate in candidates:
        info = candidate.build_info
        if info is not None and "extra_build_requires" in info:
            info = {**info, "extra_build_requires": matched(info["extra_build_requires"], installed)}
        found.append(replace(candidate, build_info=info))
    return tuple(found)
