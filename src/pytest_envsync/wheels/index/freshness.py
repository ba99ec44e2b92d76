"""For how long an answer may be used again without asking (RFC 9111, as a private cache).

Pure: headers and times come in. Freshness is taken from what the server says, never guessed from
``Last-Modified``: a release that is minutes old must be found.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_envsync.values import NamedTuple

_DIRECTIVE = re.compile(r'\s*([A-Za-z0-9_-]+)\s*(?:=\s*("[^"]*"|[^",;\s]*))?\s*(?:,|$)')
# What never varies for us: these headers are the same in all of our requests.
_CONSTANT = frozenset({"accept", "accept-encoding", "accept-language", "user-agent", "origin"})
_LONGEST = 2.0**31
"""Seconds that a lifetime is cut to (RFC 9111 §1.2.2)."""


class Freshness(NamedTuple):
    """What a server says about using an answer again.

    *lifetime* and *age* are in seconds, the age as of when the answer arrived. What is not *storable* must
    not be kept at all; what has no lifetime may be kept, and is asked for again each time.
    """

    storable: bool
    lifetime: float
    age: float


def freshness_of(status: int, headers: Mapping[str, str], *, requested: float, received: float) -> Freshness:
    """Judge an answer. *headers* have lower-case names; the times are seconds since the epoch."""
    directives = _directives(headers.get("cache-control", ""))
    date = _moment(headers.get("date"))
    apparent = max(0.0, received - date) if date is not None else 0.0
    age = max(apparent, _seconds(headers.get("age", "0")) + max(0.0, received - requested))
    lifetime = 0.0
    if "no-cache" not in directives:
        if "max-age" in directives:
            lifetime = _seconds(directives["max-age"])
        elif "expires" in headers:
            expires = _moment(headers["expires"])
            # An invalid date, `0` above all, stands for the past.
            lifetime = max(0.0, expires - (date if date is not None else received)) if expires is not None else 0.0
        elif "pragma" in headers and "no-cache" in headers["pragma"].lower():
            lifetime = 0.0
    varies = {name.strip().lower() for name in headers.get("vary", "").split(",") if name.strip()}
    storable = "no-store" not in directives and varies <= _CONSTANT and (status == 200 or lifetime > 0)
    return Freshness(storable, min(lifetime, _LONGEST), age)


def _directives(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _DIRECTIVE.finditer(text):
        # Of a directive that is there twice the first counts (RFC 9111 §4.2.1).
        found.setdefault(match[1].lower(), (match[2] or "").strip('"'))
    return found


def _seconds(text: str) -> float:
    """Return a delta of seconds; what is none counts as stale (RFC 9111 §4.2.1)."""
    text = text.strip()
    return min(float(text), _LONGEST) if text.isascii() and text.isdecimal() and len(text) < 20 else 0.0


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def retry_after(text: str | None, *, now: float) -> float | None:
    """Return how many seconds a server asks to wait, or None when it does not say (RFC 9110 §10.2.3)."""
    if not text:
        return None
    if text.strip().isdecimal():
        return _seconds(text)
    moment = _moment(text)
    return max(0.0, moment - now) if moment is not None else None
