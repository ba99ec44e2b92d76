"""How long is waited for servers and how often they are asked, as variables say it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_envsync.errors import UsageError

_LONGEST = 2_000_000
"""Seconds; the system counts milliseconds with 31 bits."""


def whole_number(environ: Mapping[str, str], name: str, default: int, *aliases: str, bits: int = 32) -> int:
    """Return a whole number from the variables ``ENVSYNC_NAME`` and ``UV_NAME``, or from one of the *aliases*.

    Raises UsageError for what is none, or more than *bits* hold.
    """
    for variable in (f"ENVSYNC_{name}", f"UV_{name}", *aliases):
        text = environ.get(variable)
        if text:
            digits = text.removeprefix("+")
            if not (digits.isascii() and digits.isdecimal()) or int(digits) >= 2**bits:
                raise UsageError(f"{variable} must be a whole number, found `{text}`")
            return int(digits)
    return default


def seconds(environ: Mapping[str, str], name: str, default: int, *aliases: str) -> int:
    """Return a time limit as ``whole_number`` does, no longer than the system can wait."""
    return min(whole_number(environ, name, default, *aliases, bits=64), _LONGEST)
