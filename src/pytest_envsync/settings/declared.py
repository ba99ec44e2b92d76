"""Environments that a project declares: ``[tool.envsync.environments]``.

Pure: is handed the table, as ``Settings.environments`` holds it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_envsync.errors import UsageError
from pytest_envsync.true_paths import resolved, settled
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_KEYS = ("files", "python", "extras", "groups", "project")


class Declared(NamedTuple):
    """One row of the table. *files* and *project* are absolute paths, addresses, or a word as ``none``."""

    name: str
    files: tuple[str, ...]
    python: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    project: tuple[str, ...] = ()


def read_declared(table: Mapping[str, object], base: str) -> dict[str, Declared]:
    """Return the environments of *table* by name, in its order.

    *base* is the directory of the file that holds it. Raises UsageError, naming key and value.
    """
    return {name: _row(name, row, base) for name, row in table.items()}


def _row(name: str, row: object, base: str) -> Declared:
    place = f"{os.path.join(base, 'pyproject.toml')}: [tool.envsync.environments] `{name}`"  # noqa: PTH118 - plain text
    if not name or name.strip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"):
        raise UsageError(f"{place}: a name consists of letters, digits, `.`, `_` and `-`")
    if isinstance(row, str | list):
        row = {"files": row}
    if not isinstance(row, dict):
        raise UsageError(f"{place}: expected a table with `files`")
    for key in row:
        if key not in _KEYS:
            raise UsageError(f"{place}: unknown key `{key}`", hint=f"the keys are {', '.join(_KEYS)}")
    values = {key: _texts(row[key], f"{place}: `{key}`") for key in row}
    if not values.get("files"):
        raise UsageError(f"{place}: `files` is missing or empty")
    return Declared(
        name=name,
        files=tuple(_placed(item, base) for item in values["files"]),
        python=tuple(_placed(item, base) if os.sep in item else item for item in values.get("python", ())),
        extras=values.get("extras", ()),
        groups=values.get("groups", ()),
        project=tuple(
            item if item in {"auto", "none"} else resolved(_placed(item, base)) for item in values.get("project", ())
        ),
    )


def declared_sets(
    extras: tuple[str, ...], groups: tuple[str, ...], momentary: Container[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return those of the *extras* and *groups* of a declared environment that count.

    What is said in a stronger place, *momentary*, hides them; they hide what ``[tool.envsync]`` says of all.
    """
    return () if "extras" in momentary else extras, () if "groups" in momentary else groups


def _texts(value: object, place: str) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item for item in items):
        raise UsageError(f"{place}: expected a text or a list of texts")
    return tuple(str(item) for item in items)


def _placed(item: str, base: str) -> str:
    return item if "://" in item else settled(os.path.join(base, item))  # noqa: PTH118 - plain text


def find_declared(word: str, declared: Mapping[str, Declared]) -> tuple[Declared, ...]:
    """Return the environments that *word* names, itself or as a pattern (``low*``); empty for none."""
    if word in declared:
        return (declared[word],)
    if not any(sign in word for sign in "*?["):
        return ()
    from fnmatch import fnmatchcase

    return tuple(row for name, row in declared.items() if fnmatchcase(name, word))
