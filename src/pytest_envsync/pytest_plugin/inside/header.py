"""The header of a session inside: what it runs in, and what a reader should know of that.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked

if TYPE_CHECKING:
    from pytest_envsync.environments import CachedEnvironment

SHOWN_KEY = 10
_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
_MENDED_FILES = 5


def shown_files(files: Sequence[str], directory: str) -> str:
    """Return the names of lockfiles, relative to *directory* where they are below it."""
    return ", ".join(shown_path(file, directory) for file in files)


def shown_path(path: str, directory: str) -> str:
    """Return *path* relative to *directory* if it is below it; an address without its secrets."""
    if "://" in path:
        return masked(path)
    relative = os.path.relpath(path, directory)
    return path if relative.startswith(os.pardir) else relative


def describe(environment: CachedEnvironment, *, shown: str) -> str:
    """Return ``requirements.lock -> 3f9c1a7b2d (CPython 3.12.1, 41 distributions, reused)``."""
    count = environment.distributions
    implementation = _IMPLEMENTATIONS.get(environment.implementation, environment.implementation)
    facts = [
        f"{implementation} {environment.version}",
        f"{count} distribution{'' if count == 1 else 's'}",
        f"created in {environment.seconds:.1f} s" if environment.created else "reused",
    ]
    return f"{shown} -> {environment.key[:SHOWN_KEY]} ({', '.join(facts)})"


def condition_lines(environment: CachedEnvironment) -> list[str]:
    """Return a line for each thing that was mended, is missing, or is to be warned of."""
    lines = []
    if environment.repaired:
        diff = environment.repaired
        names = [line.strip() for line in diff.lines(_MENDED_FILES)]
        lines.append(f"repaired before this session: {'; '.join(names)}")
    lines += environment.missing
    lines += [f"warning: {warning}" for warning in environment.warnings]
    return lines


def origin_lines(origins: Mapping[str, str], *, lock_origin: str) -> list[str]:
    """Return where settings came from that are not from the command line."""
    by_place: dict[str, list[str]] = {}
    if lock_origin != "the command line":
        by_place[lock_origin] = ["envsync"]
    for name, place in origins.items():
        by_place.setdefault(place, []).append(name.replace("_", "-"))
    if not by_place:
        return []
    return ["settings: " + "; ".join(f"{', '.join(names)} from {place}" for place, names in by_place.items())]
