"""Which pytest rewrites the assertions of the plugins in an environment, and where the store keeps what it made.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.environments.filling import OVERLAY_ENTRY
from pytest_envsync.patterns import pattern
from pytest_envsync.sealed import holds, identity_of
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.environments.generations import Record

IMPORTED = (
    "colorama",
    "exceptiongroup",
    "iniconfig",
    "packaging",
    "pluggy",
    "py",
    "pygments",
    "pytest",
    "tomli",
    "typing-extensions",
)
"""Distributions that take part when pytest rewrites a module: what its import imports."""

_NAMES = frozenset({"_pytest", *(name.replace("-", "_") for name in IMPORTED)})
_METADATA = pattern(r"pytest-(?P<version>[^-]+)\.dist-info\Z")


class Rewriter(NamedTuple):
    """The pytest of an environment, as far as it rewrites modules.

    *tag* is the name under which the store keeps what it made: interpreter, version, and a digest of all that takes
    part. *paths* are the directories that it is imported from. An *overlay* that takes part comes with the *identity*
    of its content, from which the tag is made too; both are empty without one.
    """

    version: str
    tag: str
    paths: tuple[str, ...]
    overlay: str = ""
    identity: str = ""

    def is_genuine(self) -> bool:
        """Whether the overlay holds, byte for byte, what the tag was made of."""
        return not self.overlay or holds(Path(self.overlay), self.identity)


def takes_part(path: str) -> bool:
    """Whether the file at *path* (posix, below site-packages) may be imported when pytest rewrites a module."""
    return path.partition("/")[0].partition(".")[0] in _NAMES


def rewriter_of(record: Record, cache_tag: str) -> Rewriter | None:
    """Return the rewriter of the environment of *record*, from the lock or from the overlay; None without pytest."""
    parts = [f"{name} {record.digests[name]}" for name in IMPORTED if name in record.digests]
    paths = [record.site_packages]
    version = record.packages.get("pytest")
    overlay, identity = "", ""
    if version is None:
        site = _directory(dict(record.entries).get(OVERLAY_ENTRY)) or ""
        version = _version_in(site) if site else None
        overlay = os.path.dirname(site)
        identity = identity_of(Path(overlay)) or "" if site else ""
        if version is None or not identity:
            return None
        parts.append(identity)
        paths.append(site)
    # Of 16 digits: in names with 12 is what an earlier version made, whoever had changed its pytest.
    digest = sha256("\n".join(parts).encode()).hexdigest()[:16]
    return Rewriter(version, f"{cache_tag}-pytest-{version}.{digest}", tuple(paths), overlay, identity)


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
