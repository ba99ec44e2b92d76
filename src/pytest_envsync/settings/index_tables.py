"""Tables of an index, as in ``[[tool.uv.index]]``: what they may say, and the rules that an address cannot hold.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import canonical_address
from pytest_envsync.patterns import pattern
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMED = pattern(r"([^=/\\:?#]+)=(.+)", re.DOTALL)
_CHOICES = {"format": ("simple", "flat"), "authenticate": ("auto", "always", "never")}


class IndexRule(NamedTuple):
    """What holds for one index, beside its address and name.

    *explicit*: the name by which alone it is asked for, by projects whose source says so; empty if by all.
    *flat*: it is one page for all projects.
    *authenticate*: ``auto``; ``always``, no request without a login; ``never``, none with one. *missing* are the HTTP
    statuses that mean "no such project" beside 404. *exclude_newer* is what ``--exclude-newer`` takes; empty for none
    of its own.
    """

    explicit: str = ""
    flat: bool = False
    authenticate: str = "auto"
    missing: tuple[int, ...] = ()
    exclude_newer: str = ""


class IndexTable(NamedTuple):
    """One table: *url* as written, maybe a relative path; *name* may be empty."""

    url: str
    name: str
    default: bool
    rule: IndexRule


def split_index(text: str) -> tuple[str, str]:
    """Return the name, maybe empty, and the place of what ``--index`` takes: ``PLACE`` or ``NAME=PLACE``."""
    match = _NAMED.fullmatch(text)
    return ("", text) if match is None else (match[1], match[2])


def read_index_table(row: Mapping[str, Any]) -> IndexTable:
    """Return what a table says. Raises ValueError with the reason; keys that it does not know are let be."""
    mistake = _mistake(row)
    if mistake is not None:
        raise ValueError(mistake)
    newer = row.get("exclude-newer", "")
    rule = IndexRule(
        explicit=row["name"] if row.get("explicit") else "",
        flat=row.get("format") == "flat",
        authenticate=row.get("authenticate", "auto"),
        missing=tuple(dict.fromkeys(row.get("ignore-error-codes", []))),
        exclude_newer="false" if newer is False else newer,
    )
    return IndexTable(row["url"], row.get("name", ""), bool(row.get("default")), rule)


def _mistake(row: Mapping[str, Any]) -> str | None:
    for key in ("url", "name"):
        if not isinstance(row.get(key, ""), str):
            return f"`{key}` must be a text"
    if "url" not in row:
        return "missing field `url`"
    for key in ("default", "explicit"):
        if not isinstance(row.get(key, False), bool):
            return f"`{key}` must be true or false"
    for key, choices in _CHOICES.items():
        if row.get(key, choices[0]) not in choices:
            return f"`{key}` must be {', '.join(choices[:-1])} or {choices[-1]}, found {row[key]!r}"
    statuses = row.get("ignore-error-codes", [])
    if not isinstance(statuses, list) or not all(type(item) is int and 100 <= item <= 999 for item in statuses):
        return "`ignore-error-codes` must be a list of HTTP statuses, such as [403]"
    control = row.get("cache-control", {})
    if not isinstance(control, dict) or not all(isinstance(control.get(key, ""), str) for key in ("api", "files")):
        return "`cache-control` must be a table of texts"
    newer = row.get("exclude-newer", "")
    if newer is not False and not isinstance(newer, str):
        return "`exclude-newer` must be a text or false"
    if row.get("explicit") and not row.get("name"):
        return "an index with `explicit = true` needs a `name`"
    return None


def write_rule(rule: IndexRule, address: str) -> str:
    """Return *rule* for the index at *address*, an absolute one, as one text without a login."""
    statuses = ",".join(map(str, rule.missing))
    kept = [rule.explicit, str(int(rule.flat)), rule.authenticate, statuses, rule.exclude_newer]
    return "\t".join([*kept, canonical_address(address)])


def read_rules(texts: Iterable[str]) -> dict[str, IndexRule]:
    """Return the rules that ``write_rule`` wrote, by canonical address; of two for one address the first counts."""
    found: dict[str, IndexRule] = {}
    for text in texts:
        explicit, flat, authenticate, statuses, newer, address = text.split("\t", 5)
        missing = tuple(int(status) for status in statuses.split(",") if status)
        found.setdefault(address, IndexRule(explicit, flat == "1", authenticate, missing, newer))
    return found
