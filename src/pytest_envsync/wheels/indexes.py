"""Which indexes are asked, in which order, and which listings are added to them.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from pytest_envsync.addresses import canonical_address, file_url, is_url, masked
from pytest_envsync.errors import UsageError
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import Requirements

_NAMED = re.compile(r"([^=/\\:?#]+)=(.+)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


class Index(NamedTuple):
    """An index: *url* is absolute (``https:`` or ``file:``) and may hold credentials; *name* may be empty.

    *missing* are the HTTP statuses that mean "no such project" beside 404.
    """

    url: str
    name: str = ""
    missing: frozenset[int] = frozenset()

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
    match = _NAMED.fullmatch(text)
    if match is None:
        return Index(as_address(text))
    name, address = match.groups()
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
    """Return *text*, an address or a path, as an address."""
    return text if is_url(text) else file_url(os.path.abspath(os.path.expanduser(text)))  # noqa: PTH100, PTH111 - plain text in, plain text out


def effective_indexes(requirements: Requirements, options: SyncOptions) -> tuple[Index, ...]:
    """Return the indexes to ask, in order; the default one is last.

    The public index is the default when the settings and the inputs name no other. What pip's configuration names is
    second to what the inputs name, as it is for pip. Empty with ``--no-index``.
    """
    if options.no_index or requirements.no_index:
        return ()
    named = [*options.index, *options.extra_index_urls, *requirements.index, *requirements.extra_index_urls]
    settled = None if options.yields_index_url else options.index_url
    default = options.default_index or settled or requirements.index_url or options.index_url
    indexes = [parse_index(text) for text in named]
    indexes.append(parse_index(default) if default else Index(public_index()))
    return _distinct(indexes)


def configured_indexes(options: SyncOptions) -> tuple[Index, ...]:
    """Return the indexes that the settings name, in no order that counts. Raises as ``parse_index`` does."""
    named = (*options.index, *options.extra_index_urls, options.default_index, options.index_url)
    return tuple(parse_index(text) for text in named if text)


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


def named_index(reference: str, indexes: Iterable[Index]) -> Index:
    """Return the index that a requirement asks for alone, by the name or the address of it."""
    for index in indexes:
        if reference == index.name or canonical_address(as_address(reference)) == canonical_address(index.url):
            return index
    return parse_index(reference)


def listings(requirements: Requirements, options: SyncOptions) -> tuple[str, ...]:
    """Return the find-links locations, addresses all, the command line's first."""
    return tuple(dict.fromkeys(as_address(text) for text in (*options.find_links, *requirements.find_links)))
