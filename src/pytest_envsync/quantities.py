"""Ages and sizes as people type them: ``30d``, ``12h``, ``5GB``, ``500 MiB``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGE_WORDS = {"second": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"}
_BYTES = {"": 1, "b": 1} | {
    unit: base**power
    for power, letter in enumerate("kmgt", start=1)
    for unit, base in ((letter, 1000), (f"{letter}b", 1000), (f"{letter}ib", 1024))
}


def parse_age(text: str, place: str) -> float:
    """Return an age in seconds; a number alone counts days. Raises UsageError, naming *place*."""
    number, unit = _split(text)
    word = unit.rstrip("s") if len(unit) > 1 else unit
    seconds = _SECONDS.get(_AGE_WORDS.get(word, word) or "d")
    if number is None or seconds is None:
        raise UsageError(f"invalid value `{text}` for `{place}`", hint="an age is a number and s, m, h, d or w: `30d`")
    return number * seconds


def parse_size(text: str, place: str) -> int:
    """Return a size in bytes; ``kB`` is 1000, ``KiB`` 1024. Raises UsageError, naming *place*."""
    number, unit = _split(text)
    factor = _BYTES.get(unit)
    if number is None or factor is None:
        raise UsageError(f"invalid value `{text}` for `{place}`", hint="a size is a number and a unit: `5GB`, `500MiB`")
    return int(number * factor)


def _split(text: str) -> tuple[float | None, str]:
    stripped = text.strip().lower()
    unit = stripped.lstrip("0123456789.")
    digits = stripped[: len(stripped) - len(unit)]
    try:
        number = float(digits)
    except ValueError:
        return None, ""
    return number, unit.strip()
