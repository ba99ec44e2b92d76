"""What a source tree says of itself without running anything.

Sources: PEP 621 (``[project]``; its name is never dynamic), PEP 643 (``PKG-INFO`` from metadata version 2.2 on,
``Dynamic``).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_envsync.errors import BuildError
from pytest_envsync.record import parse_headers
from pytest_envsync.values import NamedTuple


class SourceMetadata(NamedTuple):
    """*version* and *requires_dist* are None while only the build backend can tell them."""

    name: str
    version: str | None
    requires_dist: tuple[str, ...] | None = ()
    extras: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to ask the backend for."""
        return self.version is not None and self.requires_dist is not None


def static_metadata(tree: Path, *, is_release: bool) -> SourceMetadata | None:
    """Return what is certain about the project at *tree*; None when not even its name is.

    Of an sdist (*is_release*) ``PKG-INFO`` speaks first. In a working tree such a file is the leftover of an
    earlier build.
    """
    from_release = _from_pkg_info(tree / "PKG-INFO") if is_release else None
    if from_release is not None and from_release.is_complete:
        return from_release
    return _from_pyproject(tree / "pyproject.toml") or from_release


def read_metadata(dist_info: Path, subject: str) -> SourceMetadata:
    """Read the METADATA that a backend made. Raises BuildError when it is none."""
    try:
        headers = parse_headers((dist_info / "METADATA").read_text(encoding="utf-8"))
        return _from_headers(headers, frozenset())
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise BuildError(f"the backend of `{subject}` made no usable METADATA: {error}", subject=subject) from error


def _from_headers(headers: dict[str, list[str]], dynamic: frozenset[str]) -> SourceMetadata:
    known = not dynamic & {"requires-dist", "provides-extra"}
    return SourceMetadata(
        headers["name"][0],
        None if "version" in dynamic else headers["version"][0],
        tuple(headers.get("requires-dist", ())) if known else None,
        tuple(headers.get("provides-extra", ())) if known else (),
    )


def _from_pkg_info(path: Path) -> SourceMetadata | None:
    try:
        headers = parse_headers(path.read_text(encoding="utf-8"))
        metadata_version = tuple(int(part) for part in headers["metadata-version"][0].split("."))
        dynamic = frozenset(value.strip().lower() for value in headers.get("dynamic", ()))
        return _from_headers(headers, dynamic) if metadata_version >= (2, 2) else None
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _from_pyproject(path: Path) -> SourceMetadata | None:
    import tomli

    try:
        document: dict[str, Any] = tomli.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    project = document.get("project")
    if not isinstance(project, dict) or not isinstance(name := project.get("name"), str):
        return None
    listed = project.get("dynamic", [])
    dynamic = set(map(str, listed)) if isinstance(listed, list) else set()
    version = project.get("version")
    if "version" in dynamic or not isinstance(version, str):
        version = None
    dependencies, extras = project.get("dependencies", []), project.get("optional-dependencies", {})
    if dynamic & {"dependencies", "optional-dependencies"} or extras or not isinstance(dependencies, list):
        # The conditions that extras mean in Requires-Dist are the backend's to write.
        return SourceMetadata(name, version, None)
    return SourceMetadata(name, version, tuple(map(str, dependencies)))
