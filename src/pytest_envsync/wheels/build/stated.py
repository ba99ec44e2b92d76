"""What speaks against a source tree before its backend is asked for anything.

A tree that is not there, that nothing can build, whose ``[project]`` table is malformed (PEP 621), is of another name,
or needs another Python: all that is known without running a line of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.direct_url import direct_url_of, source_text
from pytest_envsync.errors import BuildError, InputError, SelectionError
from pytest_envsync.requirements import ArchiveSource, DirectorySource, Origin, normalize_name
from pytest_envsync.versions import python_meets
from pytest_envsync.wheels.build.source_tree import existing_tree

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.inputs.toml_table import Table

_ASKED_FOR = frozenset({"version", "dependencies", "optional-dependencies", "requires-python"})
"""Fields that are the backend's to tell, all of them, when one is dynamic."""


def check_tree(candidate: Candidate, *, python: str | None) -> None:
    """Raise an error for what can be said against the directory or archive on this machine that *candidate* is from.

    *python* is the full version of the target; None where the wheel alone is held against it. Raises InputError,
    BuildError, SelectionError.
    """
    source = candidate.requested
    if isinstance(source, ArchiveSource) and source.path is not None and not Path(source.path).exists():
        raise InputError(f"Distribution not found at: {source.url}", origin=candidate.origin, exit_status=1)
    if not isinstance(source, DirectorySource):
        return
    tree = existing_tree(source)
    shown = source_text(direct_url_of(source))
    subject = f"{candidate.name} @ {shown}" if candidate.name else shown
    project = _project(tree, subject)
    if project is None:
        return
    try:
        _check(candidate, project, python, subject)
    except InputError as error:
        raise BuildError(error.message, subject=subject) from error


def _project(tree: Path, subject: str) -> Table | None:
    """Return the ``[project]`` table; None without one. Raises BuildError when *tree* is nothing that can be built."""
    from pytest_envsync.inputs.toml_table import Table, parse_toml
    from pytest_envsync.wheels.build.backend import read_build_system

    read_build_system(tree, subject)
    path = tree / "pyproject.toml"
    if not path.exists():
        return None
    what = f"`pyproject.toml` of `{subject}`"
    document = parse_toml(path.read_text(encoding="utf-8-sig"), shown=str(path), what=what)
    values = document.get("project")
    return Table(values, origin=Origin(str(path)), key="project", what=what) if isinstance(values, dict) else None


def _check(candidate: Candidate, project: Table, python: str | None, subject: str) -> None:
    from pytest_envsync.inputs.project_form import check_project

    check_project(project)
    name = normalize_name(project.required_text("name"))
    if name != candidate.name:
        raise BuildError(f"`{subject}` is the project `{name}`, but `{candidate.name}` was asked for", subject=subject)
    if not _ASKED_FOR.isdisjoint(project.texts("dynamic") or ()):
        return
    required = project.text("requires-python")
    # An upper bound is a guess of its author, and none of a wheel that is chosen counts either.
    if python is not None and required is not None and not python_meets(required, python, lower_bound_only=True):
        raise SelectionError(
            f"`{name}` needs Python {required}, and the target has {python}",
            subject=name,
            origin=candidate.origin,
            hint="choose another version of it, or another interpreter with --python",
        )
