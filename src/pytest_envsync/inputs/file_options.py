"""Values of options inside of files: names, indexes, quoted text.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re

from pytest_envsync.addresses import is_remote, is_url, is_valid, masked, whole_address
from pytest_envsync.errors import InputError
from pytest_envsync.inputs.paths import path_below
from pytest_envsync.patterns import pattern
from pytest_envsync.requirements import normalize_name

_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_QUOTED = pattern(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", re.DOTALL)


def read_selection(text: str, option: str) -> list[str]:
    """Read the value of ``--no-binary`` or ``--only-binary``: names, ``:all:`` or ``:none:``.

    Raises InputError.
    """
    chosen = []
    for part in text.split(","):
        name = part.strip()
        if name in {":all:", ":none:"}:
            chosen.append(name)
        elif _NAME.fullmatch(name):
            chosen.append(normalize_name(name))
        else:
            raise InputError(
                f"Invalid specifier for `{option}`: `{text}` (expected a project name, `:all:` or `:none:`)"
            )
    return chosen


def read_place(value: str, base: str) -> str:
    """Return the address of an index or listing, or the absolute path of one below *base*.

    Raises InputError.
    """
    if is_url(value):
        if re.search(r"\s", value):
            raise InputError(f"Invalid URL: `{masked(value)}` (one address expected, found white space)")
        if not is_valid(value):
            raise InputError(f"`{masked(value)}` is no valid address")
        return whole_address(value)
    if is_remote(base):
        from urllib.parse import urljoin

        try:
            return urljoin(base, value)
        except ValueError as error:
            raise InputError(f"Invalid URL: `{masked(value)}`: {error}") from error
    return path_below(base, value)


def unquoted(text: str) -> str:
    """Remove quotes and backslashes as a shell does; a quote that is not closed stays."""
    if "'" not in text and '"' not in text and ("\\" not in text or os.name == "nt"):
        return text
    return _QUOTED.sub(_unquoted_part, text)


def _unquoted_part(match: re.Match[str]) -> str:
    single, double, escaped = match.groups()
    if single is not None:
        return str(single)
    if double is not None:
        return re.sub(r'\\([\\"$`])', r"\1", double)
    return str(escaped)
