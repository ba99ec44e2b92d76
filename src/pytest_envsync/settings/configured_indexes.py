"""Indexes of configuration files: from rows of an ``index`` array to the settings that they mean.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import file_url, is_url
from pytest_envsync.errors import UsageError
from pytest_envsync.settings.index_tables import read_index_table, write_rule

if TYPE_CHECKING:
    from pytest_envsync.settings.variables import Layer


def take_indexes(layer: Layer, rows: list[Any], origin: str, place: str) -> None:
    """Add the rows of an ``index`` array to *layer*: texts as ``--index`` takes them, or tables.

    The first default one counts. What a table says beside address and name becomes a rule. Raises UsageError.
    """
    indexes: list[str] = []
    rules: list[str] = []
    for row in rows:
        if isinstance(row, str):
            indexes.append(row)
            continue
        try:
            table = read_index_table(row if isinstance(row, dict) else {})
            address = table.url if is_url(table.url) else file_url(os.path.join(layer.base, table.url))  # noqa: PTH118 - plain text
            rule = write_rule(table.rule, address)
        except ValueError as error:
            raise UsageError(f"{place}: {error}", hint="expected an address, or a table with a `url`") from error
        text = f"{table.name}={table.url}" if table.name else table.url
        if not table.default:
            indexes.append(text)
        elif "default_index" not in layer.values:
            layer.values["default_index"] = text
            layer.origins["default_index"] = origin
        if rule is not None:
            rules.append(rule)
    for name, items in (("index", indexes), ("index_rules", rules)):
        if items:
            before = layer.values.get(name)
            layer.values[name] = (*(before if isinstance(before, tuple) else ()), *items)
            layer.origins[name] = origin
