"""Projects: dependencies, extras and groups that a ``pyproject.toml`` states (PEP 621, PEP 735).

What a project does not state, only its build backend can tell: it becomes a tree to ask.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_envsync.addresses import is_remote, masked
from pytest_envsync.errors import InputError, SelectionError
from pytest_envsync.inputs.collected import Collected
from pytest_envsync.inputs.groups import Groups
from pytest_envsync.inputs.paths import directory_of
from pytest_envsync.inputs.pinned_sources import PinnedSources, configured_names, read_indexes
from pytest_envsync.inputs.project_form import check_default_groups, check_project
from pytest_envsync.inputs.reading import Reading
from pytest_envsync.inputs.requirement_line import parse_requirement
from pytest_envsync.inputs.toml_table import Table, line_of, parse_toml
from pytest_envsync.markers import is_active
from pytest_envsync.requirements import IndexSource, Origin, ProjectTree, SpecifiedRequirement, normalize_name
from pytest_envsync.versions import meets

if TYPE_CHECKING:
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.target import Target

WHAT = "`pyproject.toml` file"


class Project:
    """A ``pyproject.toml`` while it is read.

    *location* is its absolute path (or address), *shown* how the user named it. *rules* are those of the indexes
    that it declares.
    """

    def __init__(
        self,
        location: str,
        *,
        shown: str,
        reading: Reading,
        target: Target,
        options: SyncOptions,
        via: Origin | None = None,
    ) -> None:
        self.location = location
        self.shown = shown
        self._reading = reading
        self._text = reading.text(location, shown=shown, via=via)
        self._root = Table(parse_toml(self._text, shown=shown, what=WHAT), origin=Origin(shown), what=WHAT)
        tool = self._root.table("tool")
        uv = None if tool is None else tool.table("uv")
        if uv is not None:
            check_default_groups(uv)
        indexes = read_indexes(uv, directory_of(location))
        self.rules = indexes.rules
        self._sources = PinnedSources(
            uv,
            base=directory_of(location),
            markers=target.markers,
            indexes={**configured_names(options), **indexes.named},
            without=(":all:",) if options.no_sources else options.no_sources_package,
        )
        self._markers = target.markers
        self._table = self._root.table("project")
        if self._table is not None:
            check_project(self._table)
        self._groups = Groups(self._root, shown=shown, text=self._text, expand=reading.expand)

    def is_static(self) -> bool:
        """Whether the dependencies, and those of the extras, are stated."""
        if self._table is None:
            return False
        dynamic = self._table.texts("dynamic") or ()
        return "dependencies" not in dynamic and "optional-dependencies" not in dynamic

    def extras(self) -> dict[str, tuple[str, ...]]:
        """Return the requirements of each extra, as text, by normalised name. Raises InputError."""
        optional = None if self._table is None else self._table.table("optional-dependencies")
        found: dict[str, tuple[str, ...]] = {}
        for key in () if optional is None else optional.values:
            found[normalize_name(key)] = (optional.texts(key) or ()) if optional is not None else ()
        return found

    def dependencies(self, extras: Sequence[str]) -> list[SpecifiedRequirement]:
        """Return the dependencies of the project and of the *extras* (normalised names) that it has.

        A line that names the project itself with extras brings these too, and asks no index for a stranger of that
        name. Raises InputError, SelectionError for such a line that the project's own version does not meet.
        """
        if self._table is None:
            return []
        optional = self.extras()
        waiting: list[str | None] = [None, *extras]
        seen, found = set[str | None](), list[SpecifiedRequirement]()
        while waiting:
            extra = waiting.pop(0)
            if extra in seen:
                continue
            seen.add(extra)
            stated = (self._table.texts("dependencies") or ()) if extra is None else optional.get(extra, ())
            for text in stated:
                requirement = self._requirement(text, extra=extra)
                if not self._is_itself(requirement):
                    found.append(requirement)
                elif requirement.marker is None or is_active(requirement.marker, self._markers):
                    waiting.extend(requirement.extras)
        return found

    def _is_itself(self, requirement: SpecifiedRequirement) -> bool:
        """Whether *requirement* is one for this project. Raises SelectionError when its version is another."""
        if self._table is None or requirement.name != normalize_name(self._table.required_text("name")):
            return False
        source, version = requirement.source, self._table.text("version")
        if not isinstance(source, IndexSource):
            return False
        applies = requirement.marker is None or is_active(requirement.marker, self._markers)
        if applies and version is not None and not meets(source.specifier, version):
            raise SelectionError(
                f"`{requirement.name}{source.specifier}` names the project itself, which has version {version}",
                subject=requirement.name,
                origin=requirement.origin,
                hint="the index is not asked for another project of this name; correct the specifier",
            )
        return True

    def group(self, name: str) -> list[SpecifiedRequirement]:
        """Return the requirements of a group, with those of the groups it includes. Raises InputError."""
        if not self._groups.knows(name):
            raise InputError(f"The dependency group '{name}' was not found in the project: {self.shown}")
        python = self._markers.get("python_full_version")
        return [self._requirement(text, group=name) for text in self._groups.requirements(name, python)]

    def check_extras(self) -> dict[str, tuple[str, ...]]:
        """Return ``extras``. Raises InputError for a line that is no requirement, also of an extra nobody asks for."""
        found = self.extras()
        for extra, texts in found.items():
            for text in texts:
                self._requirement(text, extra=extra)
        return found

    def check_sources(self) -> None:
        """Raise InputError for a source that is bound to an extra or group without the requirement."""
        lists = {("extra", extra): texts for extra, texts in (self.extras() if self._table is not None else {}).items()}
        for name, key, wanted, table in self._sources.bound():
            if key == "extra" and self._table is None:
                continue
            texts: Sequence[str] | None = lists.get((key, normalize_name(wanted)))
            if key == "group":
                texts = self._groups.requirements(wanted) if self._groups.knows(wanted) else None
            if texts is None or name not in {self._requirement(text).name for text in texts}:
                raise table.error(f"the {key} `{wanted}` does not hold `{name}`, whose source is for it alone")

    def _requirement(self, text: str, *, extra: str | None = None, group: str | None = None) -> SpecifiedRequirement:
        line = line_of(self._text, text) or line_of(self._text, re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0])
        origin = Origin(self.shown, line)
        requirement = parse_requirement(text, base=None, expand=self._reading.expand, origin=origin)
        return self._sources.apply(requirement, extra=extra, group=group)


def read_project(
    location: str, *, shown: str, reading: Reading, options: SyncOptions, target: Target
) -> tuple[Collected, frozenset[str] | None]:
    """Read the dependencies of the project whose ``pyproject.toml`` is at *location*, not the project itself.

    The second value holds the extras it knows, None when only a build can tell. Raises InputError.
    """
    if is_remote(location):
        raise InputError(f"Remote `pyproject.toml` inputs are not supported: {masked(location)}")
    project = Project(location, shown=shown, reading=reading, target=target, options=options)
    if not project.is_static():
        return read_tree(location, shown=shown, reading=reading, options=options), None
    project.check_sources()
    extras = project.check_extras()
    asked = list(extras) if options.all_extras else [normalize_name(name) for name in options.extras]
    entries = project.dependencies([name for name in asked if name in extras])
    return Collected(entries=entries, index_rules=list(project.rules), has_project=True), frozenset(extras)


def read_tree(location: str, *, shown: str, reading: Reading, options: SyncOptions) -> Collected:
    """Return the source tree of a file whose build must be asked: ``setup.py``, ``setup.cfg``, dynamic metadata.

    Raises InputError when there is no such file.
    """
    reading.content(location, shown=shown)
    tree = ProjectTree(
        path=directory_of(location),
        text=shown,
        extras=tuple(dict.fromkeys(normalize_name(name) for name in options.extras)),
        all_extras=options.all_extras,
        origin=Origin(shown),
    )
    return Collected(trees=[tree])


def read_groups(groups: Sequence[str], *, reading: Reading, options: SyncOptions, target: Target) -> Collected:
    """Read groups given as ``[PATH:]NAME``; without PATH from ``pyproject.toml`` of the project directory.

    That is the one of ``--project``, which ``UV_PROJECT`` names as well, else the working directory.

    Raises InputError.
    """
    projects: dict[str, Project] = {}
    found = Collected()
    for group in groups:
        path, colon, name = group.rpartition(":")
        if colon and not path.endswith("pyproject.toml"):
            raise InputError(f"The `--group` path is required to end in `pyproject.toml`; got: `{path}`")
        if not name:
            raise InputError(f"`--group {group}` names no group")
        shown = path or "pyproject.toml"
        directory = reading.cwd if path else _project_directory(reading)
        # No address is meant: what begins with `file:` is a directory of that name.
        location = reading.locate(f"./{shown}" if shown[:5].lower() == "file:" else shown, directory)
        if location not in projects:
            try:
                projects[location] = Project(location, shown=shown, reading=reading, target=target, options=options)
                projects[location].check_sources()
            except InputError as error:
                message = f"Failed to read dependency groups from: {location}: {error.message}"
                raise InputError(message, origin=error.origin, hint=error.hint) from error
        found.entries += projects[location].group(name)
        found.index_rules += projects[location].rules
    return found


def _project_directory(reading: Reading) -> str:
    named = reading.expand("${UV_PROJECT}")
    return reading.cwd if named.startswith("${") or not named else reading.locate(named, reading.cwd)
