"""How long is waited for servers and how often they are asked, as variables say it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_envsync.errors import UsageError


def whole_number(environ: Mapping[str, str], name: str, default: int, *aliases: str) -> int:
    """Return a whole number from the variables ``ENVSYNC_NAME`` and ``UV_NAME``, or from one of the *aliases*.

    Raises UsageError for what is none.
    """
    for variable in (f"ENVSYNC_{name}", f"UV_{name}", *aliases):
        text = environ.get(variable)
        if text:
            if not (text.isascii() and text.isdecimal()):
                raise UsageError(f"{variable} must be a whole number, found `{text}`")
            return int(text)
    return default
