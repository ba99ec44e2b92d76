"""What a source tree says of itself without running anything.

Sources: PEP 621 (``[project]``), PEP 643 (``PKG-INFO`` from metadata version 2.2, ``Dynamic``).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pytest_envsync.errors import BuildError
from pytest_envsync.record import parse_headers


class StaticMetadata(NamedTuple):
    """*version* is None while only a build can tell it, *requires_dist* likewise."""

    name: str
    version: str | None
    requires_dist: tuple[str, ...] | None = ()

    @classmethod
    def from_dist_info(cls, dist_info: Path, subject: str) -> StaticMetadata:
        """Read the METADATA that a backend made. Raises BuildError when it is none."""
        try:
            headers = parse_headers((dist_info / "METADATA").read_text(encoding="utf-8"))
            return cls(headers["name"][0], headers["version"][0], tuple(headers.get("requires-dist", ())))
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise BuildError(f"the backend of `{subject}` made no usable METADATA: {error}", subject=subject) from error


def static_metadata(tree: Path) -> StaticMetadata | None:
    """Return what is certain about the project at *tree*, or None when its backend must be asked."""
    return _from_pkg_info(tree / "PKG-INFO") or _from_pyproject(tree / "pyproject.toml")


def _from_pkg_info(path: Path) -> StaticMetadata | None:
    try:
        headers = parse_headers(path.read_text(encoding="utf-8"))
        metadata_version = tuple(int(part) for part in headers["metadata-version"][0].split("."))
        name, version = headers["name"][0], headers["version"][0]
    except (OSError, KeyError, ValueError, IndexError):
        return None
    dynamic = {value.strip().lower() for value in headers.get("dynamic", ())}
    if metadata_version < (2, 2) or "version" in dynamic:
        return None
    if dynamic & {"requires-dist", "provides-extra"}:
        return StaticMetadata(name, version, None)
    return StaticMetadata(name, version, tuple(headers.get("requires-dist", ())))


def _from_pyproject(path: Path) -> StaticMetadata | None:
    import tomli

    try:
        document: dict[str, Any] = tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    project = document.get("project")
    if not isinstance(project, dict) or not isinstance(project.get("name"), str):
        return None
    dynamic = project.get("dynamic", [])
    if not isinstance(dynamic, list) or "version" in dynamic or not isinstance(project.get("version"), str):
        return None
    if {"dependencies", "optional-dependencies"} & set(map(str, dynamic)):
        return StaticMetadata(project["name"], project["version"], None)
    dependencies = project.get("dependencies", [])
    if not isinstance(dependencies, list):
        return None
    return StaticMetadata(project["name"], project["version"], tuple(map(str, dependencies)))
