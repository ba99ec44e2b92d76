"""The header of a session inside: what it runs in, and what a reader should know of that.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked

if TYPE_CHECKING:
    from pytest_envsync.diff import Diff
    from pytest_envsync.environments import CachedEnvironment
    from pytest_envsync.pytest_plugin.inside.asked import Asked

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
        lines.append(f"repaired before this session: {'; '.join(_found(environment.repaired))}")
    lines += environment.missing
    lines += [f"warning: {warning}" for warning in environment.warnings]
    return lines


_STATES = {"+": "was not from the lock", "-": "was missing", "~": "was changed"}


def _found(diff: Diff) -> list[str]:
    """Return what was found, in words: the signs of a diff would read as what was done."""
    found = []
    for line in diff.lines(_MENDED_FILES):
        sign, _, subject = line.strip().partition(" ")
        if sign not in _STATES:
            found.append(line.strip())
        elif sign == "~" and " -> " in subject:
            name, _, versions = subject.partition("==")
            wanted, _, present = versions.partition(" -> ")
            found.append(f"{name} was {present} instead of {wanted}")
        else:
            found.append(f"{subject} {_STATES[sign]}")
    return found


def origin_lines(asked: Asked, origins: Mapping[str, str], *, has_python: bool) -> list[str]:
    """Return where settings came from that are not from the command line; *origins* are those of the engine's.

    *has_python*: the interpreter is the one of the engine's settings.
    """
    by_place: dict[str, list[str]] = {}
    if asked.ini_names:
        by_place[asked.ini_place] = list(asked.ini_names)
    for name, place in origins.items():
        if name == "python" and not has_python:
            continue
        shown = asked.ini_place if place == "pytest ini" and asked.ini_place else place
        by_place.setdefault(shown, []).append(name.replace("_", "-"))
    if not by_place:
        return []
    return ["settings: " + "; ".join(f"{', '.join(names)} from {place}" for place, names in by_place.items())]
