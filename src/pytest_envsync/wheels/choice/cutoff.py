"""Understand ``--exclude-newer``: from a moment, a day or a duration to one moment in UTC.

Pure: the present, and the zone it is told in, are handed in. The forms are those of RFC 3339 and RFC 9557, of ISO 8601
and of durations in words, as the reference takes them, seen by running it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone

from pytest_envsync.errors import UsageError

_CLOCK = (
    r"(?P<hour>\d{2})(?:(?P<colon>:?)(?P<minute>\d{2})(?:(?P=colon)(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
)
_ZONE = r"(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)"
# The name of a zone, which decides nothing: an offset says more, and without one the whole day counts.
_NOTES = r"(?:\[!?[^]\[=]+\])?(?:\[[^]\[=!]+=[^]\[]+\])*"
_DATE = r"(?P<year>\d{4}|[+-]\d{6})(?P<dash>-?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
_POINT = re.compile(rf"{_DATE}(?:[Tt ]{_CLOCK}{_ZONE}?)?{_NOTES}", re.ASCII)
_NUMBER = r"(\d+(?:[.,]\d{1,9})?)"
_ISO_DURATION = re.compile(
    rf"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?", re.ASCII | re.IGNORECASE
)
_PART = re.compile(rf"{_NUMBER}\s*([a-zµ]+)", re.ASCII)
_BETWEEN = re.compile(r",\s+|\s*", re.ASCII)
_CLOCK_DURATION = re.compile(r"(\d+):(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)", re.ASCII)
_UNITS = {
    "weeks": ("w", "wk", "wks", "week", "weeks"),
    "days": ("d", "day", "days"),
    "hours": ("h", "hr", "hrs", "hour", "hours"),
    "minutes": ("m", "min", "mins", "minute", "minutes"),
    "seconds": ("s", "sec", "secs", "second", "seconds"),
    "milliseconds": ("ms", "msec", "msecs", "milli", "millis", "millisecond", "milliseconds"),
    "microseconds": ("us", "µs", "usec", "usecs", "micro", "micros", "microsecond", "microseconds"),
    "nanoseconds": ("ns", "nsec", "nsecs", "nano", "nanos", "nanosecond", "nanoseconds"),
}
_ORDER = tuple(_UNITS)
_UNIT_OF = {spelling: unit for unit, spellings in _UNITS.items() for spelling in spellings}
_BEGINNING = "0001-01-01T00:00:00"
"""Stands for all that is before it: nobody uploaded anything then."""
_FIRST = datetime(1, 1, 2, tzinfo=timezone.utc)
_LONGEST = timedelta(days=12_000 * 365.2425)
_EXPECTED = (
    "expected a moment (`2025-01-31T12:00:00Z`), a day (`2025-01-31`), a duration (`30 days`, `P30D`, `24 hours`)"
    " or `false`"
)


def parse_cutoff(
    text: str, *, now: datetime, localize: Callable[[datetime], datetime] = datetime.astimezone
) -> str | None:
    """Return the moment from which on files do not exist, or None for ``false``.

    The result is ISO 8601 in UTC without a zone, ``2025-02-01T00:00:00``; such texts compare by
    time. *now* is aware. A day counts in full, also with a time but no offset behind it, so its cut-off is the next
    midnight; *localize* gives that moment the zone in which the day ends (the machine's). Raises UsageError
    for anything else; months and years have no fixed length.
    """
    if text == "false":
        return None
    point = _POINT.fullmatch(text)
    if point is not None and point["year"][0] == "-" and int(point["year"]):
        return _BEGINNING
    try:
        if point is not None and point["zone"]:
            return comparable(text)
        if point is not None:
            _time_of(point)
            following = date(int(point["year"]), int(point["month"]), int(point["day"])) + timedelta(days=1)
            return _utc(localize(datetime.combine(following, time())))
        duration = _duration(text)
        if duration is not None and _LONGEST > duration > now - _FIRST:
            return _BEGINNING
        if duration is not None:
            return _utc(now - duration)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"`{text}` is no date for --exclude-newer: {error}", hint=_EXPECTED) from error
    raise UsageError(f"`{text}` is no date for --exclude-newer", hint=_EXPECTED)


def is_relative(text: str) -> bool:
    """Whether the moment that *text* means moves with the clock."""
    return text != "false" and _POINT.fullmatch(text) is None


def comparable(moment: str) -> str:
    """Return an index's upload time, or another moment with its offset, as ``parse_cutoff`` returns moments.

    Raises UsageError for what is none.
    """
    point = _POINT.fullmatch(moment)
    if point is None or not point["zone"]:
        raise UsageError(f"`{moment}` is no moment in time", hint=_EXPECTED)
    try:
        parsed = datetime.combine(date(int(point["year"]), int(point["month"]), int(point["day"])), _time_of(point))
        zone = point["zone"]
        if zone not in {"Z", "z"}:
            digits = zone[1:].replace(":", "").ljust(6, "0")
            offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:]))
            parsed += offset if zone[0] == "-" else -offset
    except (ValueError, OverflowError) as error:
        raise UsageError(f"`{moment}` is no moment in time: {error}", hint=_EXPECTED) from error
    # Upload times count in milliseconds, as in the reference.
    fraction = (point["fraction"] or "")[:3]
    return parsed.isoformat() + (f".{fraction}".rstrip("0").rstrip(".") if fraction else "")


def _time_of(point: re.Match[str]) -> time:
    hour, minute, second = (int(point[part] or 0) for part in ("hour", "minute", "second"))
    # A leap second is the one before it, as most clocks have it.
    return time(hour, minute, 59 if second == 60 else second)


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat()


def _duration(text: str) -> timedelta | None:
    """Return the length of a duration; its sign tells nothing, it lies in the past."""
    signed = text[:1] in {"+", "-"}
    rest = text[1:] if signed else text
    iso = _ISO_DURATION.fullmatch(rest)
    if iso is not None:
        return _sum([(unit, amount) for unit, amount in zip(_ORDER, iso.groups(), strict=False) if amount])
    if not signed and rest.endswith("ago") and rest[-4:-3].isspace():
        rest = rest[:-4].rstrip()
    amounts: list[tuple[str, str]] = []
    at = 0
    while at < len(rest):
        clock = _CLOCK_DURATION.fullmatch(rest, at)
        if clock is not None:
            amounts += zip(("hours", "minutes", "seconds"), clock.groups(), strict=True)
            break
        part = _PART.match(rest, at)
        unit = _UNIT_OF.get(part[2]) if part is not None else None
        if part is None or unit is None:
            return None
        amounts.append((unit, part[1]))
        between = _BETWEEN.match(rest, part.end())
        at = part.end() if between is None else between.end()
        if at == len(rest) and at > part.end():
            return None
    return _sum(amounts)


def _sum(amounts: list[tuple[str, str]]) -> timedelta | None:
    """Return what *amounts* of units come to: the largest first, each once, a fraction of a day at most at the end."""
    places = [_ORDER.index(unit) for unit, _ in amounts]
    is_whole = [amount.isdecimal() for _, amount in amounts]
    if not places or places != sorted(set(places)) or not all(is_whole[:-1]):
        return None
    if not is_whole[-1] and amounts[-1][0] in {"weeks", "days"}:
        return None
    total = timedelta()
    for unit, amount in amounts:
        number = float(amount.replace(",", "."))
        total += timedelta(microseconds=number / 1000) if unit == "nanoseconds" else timedelta(**{unit: number})
    return total
