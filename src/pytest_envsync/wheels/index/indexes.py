"""Which indexes are asked, in which order, and which listings are added to them.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from pytest_envsync.addresses import canonical_address, file_url, is_url, is_valid, masked, whole_address
from pytest_envsync.errors import UsageError
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import Requirements
from pytest_envsync.settings.index_tables import IndexRule, read_rules, split_index
from pytest_envsync.values import NamedTuple

_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


class Index(NamedTuple):
    """An index: *url* is absolute (``https:`` or ``file:``) and may hold credentials; *name* may be empty.

    *rule* is what a table says of it beside that. *missing* are the HTTP statuses that mean "no such project" beside
    404.
    """

    url: str
    name: str = ""
    missing: frozenset[int] = frozenset()
    rule: IndexRule = IndexRule()

    def __repr__(self) -> str:
        """Show the address without its secrets."""
        return f"Index({str(self)!r})"

    def __str__(self) -> str:
        """Return the address without its secrets, and the name."""
        shown = masked(self.url)
        return f"{self.name} ({shown})" if self.name else shown


def parse_index(text: str) -> Index:
    """Return the index that *text* names: ``ADDRESS``, ``PATH``, ``NAME=ADDRESS`` or ``NAME=PATH``.

    A relative path starts from the working directory. Raises UsageError for a name with other
    characters than letters, digits, ``.``, ``_`` and ``-``.
    """
    name, address = split_index(text)
    if not name:
        return Index(as_address(text))
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"`{name}` is no name for an index",
            hint="names are made of letters, digits, `.`, `_` and `-`; write `./` in front of a path that holds `=`",
        )
    return Index(as_address(address), name)


def ambiguous_paths(options: SyncOptions) -> list[str]:
    """Return the values of ``--index`` and ``--default-index`` that look like a name but are a path."""
    values = filter(None, (*options.index, options.default_index))
    return [text for text in values if not is_url(text) and "=" not in text and text[0] not in "./~\\"]


def as_address(text: str) -> str:
    """Return *text*, an address or a path, as an address. Raises UsageError for an address that is not valid."""
    if is_url(text):
        if re.search(r"\s", text):
            raise UsageError(
                f"`{masked(text)}` is no valid address: one address was expected, and has white space in it"
            )
        if not is_valid(text):
            # What the parser says may quote a password.
            raise UsageError(f"`{masked(text)}` is no valid address", hint="expected https://HOST[:PORT]/PATH")
        return whole_address(text)
    return file_url(os.path.abspath(os.path.expanduser(text)))  # noqa: PTH100, PTH111 - plain text in, plain text out


def effective_indexes(requirements: Requirements, options: SyncOptions) -> tuple[Index, ...]:
    """Return the indexes to ask, in order; the default one is last.

    The public index is the default when the settings and the inputs name no other. What pip's configuration names is
    second to what the inputs name, as it is for pip. Empty with ``--no-index``; explicit ones are not among them.
    """
    if options.no_index or requirements.no_index:
        return ()
    named = [*options.index, *options.extra_index_urls, *requirements.index, *requirements.extra_index_urls]
    settled = None if options.yields_index_url else options.index_url
    default = options.default_index or settled or requirements.index_url or options.index_url
    indexes = [parse_index(text) for text in named]
    indexes.append(parse_index(default) if default else Index(public_index()))
    rules = index_rules(requirements, options)
    ruled = [_ruled(index, rules) for index in _distinct(indexes)]
    # Who names such an index on the command line, otherwise than its table does, means it.
    return tuple(index for index in ruled if not index.rule.explicit or index.rule.explicit != index.name)


def index_rules(requirements: Requirements, options: SyncOptions) -> dict[str, IndexRule]:
    """Return the rules of indexes by canonical address; those of the inputs come first."""
    return read_rules((*requirements.index_rules, *options.index_rules))


def _ruled(index: Index, rules: Mapping[str, IndexRule]) -> Index:
    rule = rules.get(canonical_address(index.url)) if rules else None
    return index if rule is None else index._replace(rule=rule, missing=index.missing | frozenset(rule.missing))


def configured_indexes(options: SyncOptions) -> tuple[Index, ...]:
    """Return the indexes that the settings name, in no order that counts. Raises as ``parse_index`` does."""
    named = (*options.index, *options.extra_index_urls, options.default_index, options.index_url)
    rules = read_rules(options.index_rules)
    return tuple(_ruled(parse_index(text), rules) for text in named if text)


def _distinct(indexes: Iterable[Index]) -> tuple[Index, ...]:
    found: dict[str, Index] = {}
    for index in indexes:
        found.setdefault(canonical_address(index.url), index)
    return tuple(found.values())


def public_index() -> str:
    """Return the address of the public index."""
    from urllib.parse import urljoin

    from distlib.index import DEFAULT_INDEX

    return str(urljoin(DEFAULT_INDEX, "/simple/"))


def named_index(reference: str, indexes: Iterable[Index], rules: Mapping[str, IndexRule] | None = None) -> Index:
    """Return the index that a requirement asks for alone, by its name or as ``--index`` takes it."""
    known = tuple(indexes)
    for index in known:
        if reference == index.name:
            return index
    asked = parse_index(reference)
    address = canonical_address(asked.url)
    found = next((index for index in known if canonical_address(index.url) == address), None)
    return _ruled(asked, rules or {}) if found is None else found


def listings(requirements: Requirements, options: SyncOptions) -> tuple[str, ...]:
    """Return the find-links locations, addresses all, the command line's first."""
    return tuple(dict.fromkeys(as_address(text) for text in (*options.find_links, *requirements.find_links)))
