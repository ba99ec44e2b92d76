"""The project under test: whether a directory is one, its name, and what it requires.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_envsync.errors import InputError
from pytest_envsync.pytest_plugin.overlay.host_distributions import normalized
from pytest_envsync.values import NamedTuple


class Project(NamedTuple):
    """A project: where it is, its normalised name (None if only a build tells), its static requirements."""

    path: str
    name: str | None
    requirements: tuple[str, ...] = ()


def read_project(directory: str, *, declared: bool = False) -> Project | None:
    """Return the project in *directory*, or None when it is none.

    A directory is a project if it has a ``[build-system]``, a ``setup.py``, or a name in ``setup.cfg``;
    *declared* ones are believed. Raises InputError for files that cannot be read.
    """
    root = Path(directory)
    table = _pyproject(root / "pyproject.toml")
    project = table.get("project", {})
    name = project.get("name") if isinstance(project, dict) else None
    setup_name = _setup_name(root / "setup.cfg")
    if not (declared or "build-system" in table or setup_name or (root / "setup.py").is_file()):
        return None
    found = name or setup_name
    requirements = project.get("dependencies", ()) if isinstance(project, dict) else ()
    return Project(
        directory,
        normalized(found) if isinstance(found, str) else None,
        tuple(text for text in requirements if isinstance(text, str)) if isinstance(requirements, list) else (),
    )


def _pyproject(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    import tomli

    try:
        return tomli.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise InputError(f"`{path}` cannot be read: {error}") from error


def _setup_name(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    from configparser import ConfigParser, Error

    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except Error:
        return None
    return parser.get("metadata", "name", fallback=None)


def is_installed_from(site_packages: str, name: str, path: str) -> bool:
    """Whether the distribution *name* in *site_packages* was installed from the directory *path* (PEP 610)."""
    return _recorded(site_packages, f"{name.replace('-', '_')}-*", path) is not None


def name_installed_from(site_packages: str, path: str) -> str | None:
    """Return the normalised name of what was installed from the directory *path*, None if nothing was."""
    found = _recorded(site_packages, "*", path)
    return None if found is None else normalized(found.name.partition("-")[0])


def _recorded(site_packages: str, names: str, path: str) -> Path | None:
    """Return the ``.dist-info`` directory, of those that *names* matches, whose distribution came from *path*."""
    for place in Path(site_packages).glob(f"{names}.dist-info/direct_url.json"):
        try:
            url = str(json.loads(place.read_bytes()).get("url", ""))
            recorded = unquote(urlsplit(url).path)
        except (OSError, ValueError, AttributeError):
            continue
        if url.startswith("file:") and Path(recorded).resolve() == Path(path).resolve():
            return place.parent
    return None


def unmet_requirements(project: Project, packages: Mapping[str, str], markers: Mapping[str, str]) -> list[str]:
    """Return the requirements of *project* that *packages* (normalised name to version) do not meet."""
    if not project.requirements:
        return []
    from packaging.requirements import InvalidRequirement, Requirement

    unmet = []
    for text in project.requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # its build will say so
        if requirement.marker is not None and not requirement.marker.evaluate({**markers, "extra": ""}):
            continue
        version = packages.get(normalized(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            unmet.append(text)
    return unmet
