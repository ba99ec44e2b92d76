"""Understand ``--exclude-newer``: from a moment, a day or a duration to one moment in UTC.

Pure: the present, and the zone it is told in, are handed in.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone

from pytest_envsync.errors import UsageError

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:?\d{2})", re.ASCII
)  # fmt: skip
_CIVIL = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?", re.ASCII)
_BASIC_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ISO_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.ASCII | re.IGNORECASE,
)
_PART = re.compile(r"\s*(\d+)\s*([a-z]+)\s*,?", re.ASCII | re.IGNORECASE)
_UNITS = {
    "weeks": ("w", "wk", "wks", "week", "weeks"),
    "days": ("d", "day", "days"),
    "hours": ("h", "hr", "hrs", "hour", "hours"),
    "minutes": ("m", "min", "mins", "minute", "minutes"),
    "seconds": ("s", "sec", "secs", "second", "seconds"),
}
_UNIT_OF = {spelling: unit for unit, spellings in _UNITS.items() for spelling in spellings}
_EXPECTED = (
    "expected a moment (`2025-01-31T12:00:00Z`), a day (`2025-01-31`), a duration (`30 days`, `P30D`, `24 hours`)"
    " or `false`"
)


def parse_cutoff(
    text: str, *, now: datetime, localize: Callable[[datetime], datetime] = datetime.astimezone
) -> str | None:
    """Return the moment from which on files do not exist, or None for ``false``.

    The result is ISO 8601 in UTC without a zone, ``2025-02-01T00:00:00``; such texts compare by
    time. *now* is aware. A day given alone still counts in full, so its cut-off is the next midnight;
    *localize* gives that moment the zone in which the day ends (the machine's). Raises UsageError
    for anything else; months and years have no fixed length.
    """
    given = text.strip()
    if given.lower() == "false":
        return None
    if _MOMENT.fullmatch(given):
        return comparable(given)
    basic = _BASIC_DAY.fullmatch(given)
    given = given if basic is None else "-".join(basic.groups())
    try:
        if _CIVIL.fullmatch(given):
            # A time without a zone is one of this machine.
            return _utc(localize(datetime.fromisoformat(given.upper().partition(".")[0])))
        if _DAY.fullmatch(given):
            following = date.fromisoformat(given) + timedelta(days=1)
            return _utc(localize(datetime.combine(following, time())))
        duration = _duration(given)
        if duration is not None:
            return _utc(now - duration)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"`{text}` is no date for --exclude-newer: {error}", hint=_EXPECTED) from error
    raise UsageError(f"`{text}` is no date for --exclude-newer", hint=_EXPECTED)


def is_relative(text: str) -> bool:
    """Whether the moment that *text* means moves with the clock."""
    given = text.strip()
    fixed = (_MOMENT, _CIVIL, _DAY, _BASIC_DAY)
    return given.lower() != "false" and not any(form.fullmatch(given) for form in fixed)


def comparable(moment: str) -> str:
    """Return an index's upload time, or another RFC 3339 moment, as ``parse_cutoff`` returns moments.

    Raises UsageError for what is none.
    """
    match = _MOMENT.fullmatch(moment)
    if match is None:
        raise UsageError(f"`{moment}` is no moment in time", hint=_EXPECTED)
    day, clock, fraction, zone = match.groups()
    try:
        parsed = datetime.fromisoformat(f"{day}T{clock}")
        if zone not in {"Z", "z"}:
            digits = zone[1:].replace(":", "")
            offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
            parsed += offset if zone[0] == "-" else -offset
    except (ValueError, OverflowError) as error:
        raise UsageError(f"`{moment}` is no moment in time: {error}", hint=_EXPECTED) from error
    return parsed.isoformat() + (f".{fraction}".rstrip("0").rstrip(".") if fraction else "")


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat()


def _duration(text: str) -> timedelta | None:
    iso = _ISO_DURATION.fullmatch(text)
    if iso is not None and any(iso.groups()):
        return timedelta(**{unit: int(amount) for unit, amount in iso.groupdict().items() if amount})
    rest = text.lower().removesuffix("ago").rstrip()
    amounts: dict[str, int] = {}
    at = 0
    while at < len(rest):
        match = _PART.match(rest, at)
        unit = _UNIT_OF.get(match[2]) if match is not None else None
        if match is None or unit is None or unit in amounts:
            return None
        amounts[unit] = int(match[1])
        at = match.end()
    return timedelta(**amounts) if amounts else None
