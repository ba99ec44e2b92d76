"""Which pytest rewrites the assertions of the plugins in an environment, and where the store keeps what it made.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from pytest_envsync.environments.filling import OVERLAY_ENTRY

if TYPE_CHECKING:
    from pytest_envsync.environments.generations import Record

IMPORTED = (
    "colorama",
    "exceptiongroup",
    "iniconfig",
    "packaging",
    "pluggy",
    "pygments",
    "pytest",
    "tomli",
    "typing-extensions",
)
"""Distributions that take part when pytest rewrites a module: what its import imports."""

_METADATA = re.compile(r"pytest-(?P<version>[^-]+)\.dist-info\Z")


class Rewriter(NamedTuple):
    """The pytest of an environment, as far as it rewrites modules.

    *tag* is the name under which the store keeps what it made: interpreter, version, and a digest of all that takes
    part. *paths* are the directories that it is imported from.
    """

    version: str
    tag: str
    paths: tuple[str, ...]


def rewriter_of(record: Record, cache_tag: str) -> Rewriter | None:
    """Return the rewriter of the environment of *record*, from the lock or from the overlay; None without pytest."""
    parts = [f"{name} {record.digests[name]}" for name in IMPORTED if name in record.digests]
    paths = [record.site_packages]
    version = record.packages.get("pytest")
    if version is None:
        overlay = _directory(dict(record.entries).get(OVERLAY_ENTRY))
        version = None if overlay is None else _version_in(overlay)
        if overlay is None or version is None:
            return None
        # The directory of an overlay is named by what it holds.
        parts.append(os.path.basename(os.path.dirname(overlay)))
        paths.append(overlay)
    identity = sha256("\n".join(parts).encode()).hexdigest()[:12]
    return Rewriter(version, f"{cache_tag}-pytest-{version}.{identity}", tuple(paths))


def _directory(line: str | None) -> str | None:
    """Return the directory that the line of a path entry adds; it may be code (``site.addsitedir``)."""
    if line is None or not line.startswith("import "):
        return line
    from ast import literal_eval

    return str(literal_eval(line.partition("addsitedir(")[2].rpartition(")")[0]))


def _version_in(overlay: str) -> str | None:
    try:
        names = os.listdir(overlay)
    except OSError:
        return None
    return next((found["version"] for name in names if (found := _METADATA.match(name))), None)
