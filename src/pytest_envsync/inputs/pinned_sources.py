"""``[tool.uv.sources]``: where a project or script says that a requirement comes from.

Pure. The table maps a name to one source or to several with conditions; the first whose conditions hold on the
target is taken, so a requirement may stay one of the index.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_envsync.addresses import file_url, is_url
from pytest_envsync.errors import InputError
from pytest_envsync.inputs.file_options import read_place
from pytest_envsync.inputs.project_form import check_source
from pytest_envsync.inputs.references import Reference, no_archive, read_path, read_reference
from pytest_envsync.inputs.toml_table import Table
from pytest_envsync.markers import is_active
from pytest_envsync.requirements import DirectorySource, IndexSource, SpecifiedRequirement, VcsSource, normalize_name
from pytest_envsync.settings.index_tables import IndexRule, read_index_table, split_index, write_rule
from pytest_envsync.values import NamedTuple, replace

if TYPE_CHECKING:
    from pytest_envsync.options import SyncOptions


class PinnedSources:
    """The sources that one ``[tool.uv]`` table pins.

    *base* is the directory that its paths start at, *markers* the variables of the target. *indexes* maps the names of
    indexes to what ``IndexSource`` has of them. Names in *without* (``:all:`` for every one) are left alone.
    """

    def __init__(
        self,
        tool: Table | None,
        *,
        base: str,
        markers: Mapping[str, str],
        indexes: Mapping[str, str],
        without: Collection[str] = (),
    ) -> None:
        self._base = base
        self._markers = markers
        self._indexes = indexes
        self._tables: dict[str, list[Table]] = {}
        self._without = without if ":all:" in without else {normalize_name(name) for name in without}
        table = None if tool is None else tool.table("sources")
        for key in table.values if table is not None else ():
            if table is not None:
                several = isinstance(table.values[key], list)
                one = table.tables(key) if several else [table.table(key)]
                self._tables[normalize_name(key)] = [item for item in one or () if item is not None]
        for item in (item for items in self._tables.values() for item in items):
            check_source(item)

    def bound(self) -> Iterator[tuple[str, str, str, Table]]:
        """Yield what is bound to an extra or group: the name, ``extra`` or ``group``, which one, the source's table."""
        for name, tables in self._tables.items():
            for table in tables:
                for key in ("extra", "group"):
                    wanted = table.text(key)
                    if wanted is not None:
                        yield name, key, wanted, table

    def apply(
        self, requirement: SpecifiedRequirement, *, extra: str | None = None, group: str | None = None
    ) -> SpecifiedRequirement:
        """Return *requirement* with the source that is pinned for it, if any.

        *extra* and *group* are those whose list it stands in. Raises InputError.
        """
        if requirement.name is None or not isinstance(requirement.source, IndexSource):
            return requirement
        if ":all:" in self._without or requirement.name in self._without:
            return requirement
        for table in self._tables.get(requirement.name, ()):
            if self._holds(table, extra, group):
                return self._pinned(requirement, requirement.source, table)
        return requirement

    def _holds(self, table: Table, extra: str | None, group: str | None) -> bool:
        for key, value in (("extra", extra), ("group", group)):
            wanted = table.text(key)
            if wanted is not None and (value is None or normalize_name(wanted) != normalize_name(value)):
                return False
        marker = table.text("marker")
        if marker is None:
            return True
        return is_active(marker, self._markers)

    def _pinned(self, requirement: SpecifiedRequirement, source: IndexSource, table: Table) -> SpecifiedRequirement:
        kind = check_source(table)
        if kind == "index":
            name = table.required_text("index")
            if name not in self._indexes:
                raise table.error(f"no index is named `{name}`", "index")
            return replace(requirement, source=IndexSource(source.specifier, self._indexes[name]))
        if kind == "workspace":
            raise table.error(
                f"`{requirement.name}` is a member of a workspace, which is not supported; "
                "name its directory with `path`",
                "workspace",
            )
        reference = self._reference(kind, table)
        return replace(requirement, source=reference.source, digests=reference.digests)

    def _reference(self, kind: str, table: Table) -> Reference:
        place = table.required_text(kind)
        try:
            if kind == "git":
                return self._repository(place, table)
            subdirectory = table.text("subdirectory")
            if kind == "path":
                reference = read_path(place or ".", base=self._base, subdirectory=subdirectory)
            else:
                fragment = f"{'&' if '#' in place else '#'}subdirectory={subdirectory}" if subdirectory else ""
                reference = read_reference(f"{place}{fragment}", base=self._base)
        except InputError as error:
            error.origin = error.origin or table.origin
            raise
        if isinstance(reference.source, DirectorySource):
            if kind == "url":
                raise table.error(no_archive(place), "url")
            editable = bool(table.flag("editable"))
            return reference._replace(source=replace(reference.source, editable=editable, is_said=True))
        return reference

    def _repository(self, place: str, table: Table) -> Reference:
        from urllib.parse import quote

        address = place[4:] if place[:4].lower() == "git+" else place
        revisions = [text for key in ("rev", "tag", "branch") if (text := table.text(key)) is not None]
        if len(revisions) > 1:
            raise table.error("expected at most one of `rev`, `tag`, or `branch`")
        address, separator, fragment = address.partition("#")
        at = f"@{quote(revisions[0], safe='/')}" if revisions else ""
        subdirectory = table.text("subdirectory")
        if subdirectory:
            separator, fragment = "#", f"subdirectory={quote(subdirectory)}"
        reference = read_reference(f"git+{address}{at}{separator}{fragment}", base=self._base)
        if isinstance(reference.source, VcsSource) and table.values.get("lfs") is not None:
            return reference._replace(source=replace(reference.source, large_files=table.flag("lfs")))
        return reference


class ProjectIndexes(NamedTuple):
    """The indexes that ``[[tool.uv.index]]`` of a project or script declares.

    *named*: name to ``NAME=PLACE`` of all that have one. *ordinary*: those to ask for everything, as ``--index`` takes
    them. *rules*: what holds for any of them (``index_tables``).
    """

    named: Mapping[str, str]
    ordinary: tuple[str, ...]
    default: str | None
    rules: tuple[str, ...]


def read_indexes(tool: Table | None, base: str) -> ProjectIndexes:
    """Read ``[[tool.uv.index]]``; *base* is what paths start at. Raises InputError."""
    named: dict[str, str] = {}
    ordinary: list[str] = []
    rules: list[str] = []
    default = None
    for table in (() if tool is None else tool.tables("index")) or ():
        try:
            found = read_index_table(table.values)
            place = read_place(found.url, base)
            rule = write_rule(found.rule, place if is_url(place) else file_url(place))
        except ValueError as error:
            raise table.error(str(error)) from error
        text = f"{found.name}={place}" if found.name else place
        if found.name:
            named[found.name] = text
        if found.rule != IndexRule():
            rules.append(rule)
        if found.default:
            default = text if default is None else default
        elif not found.rule.explicit:
            ordinary.append(text)
    return ProjectIndexes(named, tuple(ordinary), default, tuple(rules))


def configured_names(options: SyncOptions) -> dict[str, str]:
    """Return the indexes that the settings name, name to ``NAME=PLACE``."""
    given = [*options.index, *([options.default_index] if options.default_index else [])]
    return {name: text for text in given if (name := split_index(text)[0])}
