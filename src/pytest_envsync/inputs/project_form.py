"""What a ``pyproject.toml`` may hold: names, versions, specifiers and the tables of uv, whether they are used or not.

Pure. Sources: the `pyproject.toml` specification, PEP 508 (names), PEP 440 (versions), and what the reference refuses.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.addresses import is_url, masked
from pytest_envsync.errors import InputError
from pytest_envsync.inputs.marker_grammar import check_marker
from pytest_envsync.inputs.toml_table import Table
from pytest_envsync.patterns import pattern
from pytest_envsync.requirements import normalize_name
from pytest_envsync.versions import meets, normal_version

SOURCE_KINDS = ("git", "url", "path", "index", "workspace")
_SOURCE_FIELDS = frozenset({
    *SOURCE_KINDS, "subdirectory", "rev", "tag", "branch", "lfs", "editable", "package", "marker", "extra", "group",
})  # fmt: skip
_FOREIGN_FIELDS = {
    "git": frozenset({"editable", "package"}),
    "url": frozenset({"rev", "tag", "branch", "editable", "package"}),
    "path": frozenset({"rev", "tag", "branch"}),
}
"""What a source of each kind cannot have."""
_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def check_project(table: Table) -> None:
    """Raise InputError for a ``[project]`` table that states what it cannot."""
    check_name(table, table.required_text("name"), "name")
    version = table.text("version")
    if "version" not in (table.texts("dynamic") or ()) and version is None:
        raise table.error("missing field `version`, which is not in `dynamic` either")
    if version is not None and normal_version(version) is None:
        raise table.error(f"`{version}` is no version", "version")
    check_python(table)
    table.texts("dependencies")
    optional = table.table("optional-dependencies")
    seen: dict[str, str] = {}
    for extra in optional.values if optional is not None else ():
        check_name(table, extra, "optional-dependencies")
        if optional is not None:
            optional.texts(extra)
        other = seen.setdefault(normalize_name(extra), extra)
        if other != extra:
            raise table.error(f"`{other}` and `{extra}` are one name", "optional-dependencies")


def check_default_groups(tool: Table) -> None:
    """Raise InputError when ``default-groups`` of ``[tool.uv]`` is neither ``"all"`` nor a list of names."""
    stated = tool.values.get("default-groups")
    if isinstance(stated, list) and all(isinstance(name, str) for name in stated):
        for name in stated:
            check_name(tool, name, "default-groups")
    elif stated is not None and stated != "all":
        raise tool.error('expected `"all"` or a list of names', "default-groups")


def check_name(table: Table, name: str, key: str) -> None:
    """Raise InputError for a *name* at *key* that names no project, extra or group (PEP 508)."""
    if _NAME.fullmatch(name) is None:
        raise table.error(
            f"`{name}` is not a valid name, which has letters, digits, `-`, `_` and `.`, and begins and ends with a "
            "letter or digit",
            key,
        )


def check_python(table: Table) -> str | None:
    """Return ``requires-python`` of *table*, None when it is missing. Raises InputError for what is no specifier."""
    required = table.text("requires-python")
    if required is not None:
        try:
            meets(required, "3")
        except ValueError as error:
            raise table.error(str(error), "requires-python") from error
    return required


def check_source(table: Table) -> str:
    """Return the kind of a table of ``[tool.uv.sources]``. Raises InputError for one that cannot be used."""
    unknown = sorted(table.values.keys() - _SOURCE_FIELDS)
    if unknown:
        raise table.error(f"unknown field `{unknown[0]}`; expected one of {', '.join(sorted(_SOURCE_FIELDS))}")
    given = [kind for kind in SOURCE_KINDS if table.values.get(kind) is not None]
    if len(given) != 1:
        raise table.error(f"expected one of {', '.join(f'`{kind}`' for kind in SOURCE_KINDS)}")
    for field in sorted(_FOREIGN_FIELDS.get(given[0], frozenset()).intersection(table.values)):
        raise table.error(f"cannot specify both `{given[0]}` and `{field}`", field)
    if given[0] != "workspace":
        place = table.required_text(given[0])
        address = place[4:] if given[0] == "git" and place[:4].lower() == "git+" else place
        if given[0] in {"git", "url"} and not is_url(address):
            raise table.error(f"relative URL without a base: `{masked(place)}`", given[0])
    marker = table.text("marker")
    if marker is not None:
        try:
            check_marker(marker)
        except (InputError, ValueError) as error:
            raise table.error(str(error), "marker") from error
    return given[0]
