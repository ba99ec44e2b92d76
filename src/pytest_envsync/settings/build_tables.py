"""Tables of uv's files that say more about builds: what they may say, and how the settings hold it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from typing import Any

from pytest_envsync.patterns import pattern

_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_METADATA_KEYS = frozenset({"name", "version", "requires-dist", "requires-python", "provides-extra", "provides-extras"})


def read_build_table(key: str, value: Any) -> tuple[str, ...]:
    """Return what the table at *key* says, a text for each item. Raises ValueError with the reason.

    ``extra-build-dependencies``: ``NAME:REQUIREMENT``, or ``NAME::OTHER`` for the version of OTHER that is installed.
    ``extra-build-variables``: ``NAME:VARIABLE=VALUE``. ``dependency-metadata``: name, version and requires-python,
    parted by tabs; each of the latter may be empty.
    """
    if key == "dependency-metadata":
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise ValueError("expected a list of tables")
        return tuple(map(_metadata, value))
    if not isinstance(value, dict):
        raise ValueError("expected a table")  # noqa: TRY004 - one kind of error for all that is wrong
    read = _requirements if key == "extra-build-dependencies" else _variables
    return tuple(f"{_checked_name(name)}:{item}" for name, items in value.items() for item in read(items))


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ValueError(f"`{name}` is no name of a project")
    return name


def _requirements(items: Any) -> list[str]:
    if not isinstance(items, list):
        raise ValueError("expected a list of requirements for each project")  # noqa: TRY004 - as above
    found = []
    for item in items:
        table = {"requirement": item} if isinstance(item, str) else item
        text = table.get("requirement") if isinstance(table, dict) else None
        matches = table.get("match-runtime", False) if isinstance(table, dict) else None
        if not isinstance(text, str) or not isinstance(matches, bool):
            raise ValueError("expected a requirement, or a table with `requirement`, `match-runtime`")  # noqa: TRY004 - as above
        if matches and _NAME.fullmatch(text.strip()) is None:
            raise ValueError(f"with `match-runtime = true` a requirement is a name alone, found `{text}`")
        found.append(f":{text.strip()}" if matches else text)
    return found


def _variables(items: Any) -> list[str]:
    if not isinstance(items, dict) or not all(isinstance(value, str) for value in items.values()):
        raise ValueError("expected a table of texts for each project")
    return [f"{name}={value}" for name, value in items.items()]


def _metadata(row: dict[str, Any]) -> str:
    unknown = sorted(row.keys() - _METADATA_KEYS)
    if unknown:
        raise ValueError(f"unknown key `{unknown[0]}`")
    values = [row.get(key, "") for key in ("name", "version", "requires-python")]
    if not all(isinstance(value, str) and "\t" not in value for value in values):
        raise ValueError("`name`, `version` and `requires-python` must be texts")
    _checked_name(values[0] or None)
    return "\t".join(values)
