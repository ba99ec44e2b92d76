"""Indexes of configuration files: from rows of an ``index`` array to the settings that they mean.

What a table says of an index holds for the index that the table names. Where the command line or a variable names an
index at the same address, that is another one: nothing holds for it but what was said there, as in the reference.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import canonical_address, file_url, is_url
from pytest_envsync.errors import UsageError
from pytest_envsync.settings.index_tables import IndexRule, read_index_table, read_rules, split_index, write_rule

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
        rules.append(rule)
    for name, items in (("index", indexes), ("index_rules", rules)):
        if items:
            before = layer.values.get(name)
            layer.values[name] = (*(before if isinstance(before, tuple) else ()), *items)
            layer.origins[name] = origin


def rules_for_others(rules: Iterable[str], named: Iterable[str], cwd: str) -> tuple[str, ...]:
    """Return those of *rules* that hold for no index among *named*, which are places as ``--index`` takes them.

    Of two rules for one address the first holds; one that says nothing is not among the result.
    """
    places = (split_index(text)[1] for text in named)
    taken = {canonical_address(place if is_url(place) else file_url(os.path.join(cwd, place))) for place in places}  # noqa: PTH118 - plain text
    kept = {address: rule for address, rule in read_rules(rules).items() if address not in taken}
    return tuple(write_rule(rule, address) for address, rule in kept.items() if rule != IndexRule())
