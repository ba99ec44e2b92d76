"""What a ``pyproject.toml`` may hold: names, versions, specifiers and the tables of uv, whether they are used or not.

Pure. Sources: the `pyproject.toml` specification, PEP 508 (names), PEP 440 (versions), and what the reference refuses.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re

from pytest_envsync.addresses import is_url
from pytest_envsync.errors import InputError
from pytest_envsync.inputs.marker_grammar import check_marker
from pytest_envsync.inputs.toml_table import Table
from pytest_envsync.requirements import normalize_name
from pytest_envsync.versions import meets, normal_version

SOURCE_KINDS = ("git", "url", "path", "index", "workspace")
_SOURCE_FIELDS = frozenset({
    *SOURCE_KINDS, "subdirectory", "rev", "tag", "branch", "lfs", "editable", "package", "marker", "extra", "group",
})  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def check_project(table: Table) -> None:
    """Raise InputError for a ``[project]`` table that states what it cannot."""
    check_name(table, table.required_text("name"), "name")
    version = table.text("version")
    if version is None and "version" not in (table.texts("dynamic") or ()):
        raise table.error("missing field `version`, which is not in `dynamic` either")
    if version is not None and normal_version(version) is None:
        raise table.error(f"`{version}` is no version", "version")
    check_python(table)
    table.texts("dependencies")
    optional = table.table("optional-dependencies")
    seen: dict[str, str] = {}
    for extra in optional.values if optional is not None else ():
        check_name(table, extra, "optional-dependencies")
        other = seen.setdefault(normalize_name(extra), extra)
        if other != extra:
            raise table.error(f"`{other}` and `{extra}` are one name", "optional-dependencies")


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
    if given[0] != "workspace":
        place = table.required_text(given[0])
        if given[0] == "url" and not is_url(place):
            raise table.error(f"relative URL without a base: `{place}`", "url")
    marker = table.text("marker")
    if marker is not None:
        try:
            check_marker(marker)
        except (InputError, ValueError) as error:
            raise table.error(str(error), "marker") from error
    return given[0]
