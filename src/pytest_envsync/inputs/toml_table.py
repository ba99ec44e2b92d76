"""TOML whose values must have certain types: each refusal names the file, the line and the key.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, TypeVar

from pytest_envsync.errors import InputError
from pytest_envsync.requirements import Origin

_T = TypeVar("_T", str, int, bool)
_WORDS = {str: "a string", int: "an integer", bool: "a boolean", dict: "a table", list: "an array"}


def parse_toml(text: str, *, shown: str, what: str = "TOML file") -> dict[str, Any]:
    """Parse *text*. Raises InputError, with the line, for what is no TOML; *what* says what it should be."""
    import tomli

    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        reason = getattr(error, "msg", None) or str(error)
        raise InputError(
            f"Not a valid {what}: {reason}", origin=Origin(shown, getattr(error, "lineno", None))
        ) from error
    except (RecursionError, ValueError) as error:
        # Nested too deep, or a number of thousands of digits.
        raise InputError(f"Not a valid {what}: {error}", origin=Origin(shown)) from error


class Table:
    """A TOML table, the *key* that leads to it, and the place to name in errors."""

    __slots__ = ("key", "origin", "values", "what")

    def __init__(self, values: Mapping[str, Any], *, origin: Origin, key: str = "", what: str = "TOML file") -> None:
        self.values = values
        self.origin = origin
        self.key = key
        self.what = what

    def error(self, reason: str, key: str = "") -> InputError:
        """Return the error that says *reason* about *key*, or about this table."""
        place = ".".join(part for part in (self.key, key) if part)
        return InputError(f"Not a valid {self.what}: {reason}{f' in `{place}`' if place else ''}", origin=self.origin)

    def _value(self, key: str, kind: type[_T]) -> _T | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._wrong_type(value, kind, key)
        return value

    def _wrong_type(self, value: object, kind: type, key: str) -> InputError:
        found = next((word for known, word in _WORDS.items() if type(value) is known), f"a {type(value).__name__}")
        return self.error(f"invalid type: {found}, expected {_WORDS[kind]}", key)

    def text(self, key: str) -> str | None:
        """Return the string at *key*, None when it is missing. NUL is no character of any value that is asked for."""
        value = self._value(key, str)
        if value is not None and "\0" in value:
            raise self.error("invalid value: it contains NUL", key)
        return value

    def required_text(self, key: str) -> str:
        """Return the string at *key*, which must be there."""
        value = self.text(key)
        if value is None:
            raise self.error(f"missing field `{key}`")
        return value

    def flag(self, key: str) -> bool | None:
        """Return the boolean at *key*, None when it is missing."""
        return self._value(key, bool)

    def count(self, key: str) -> int | None:
        """Return the integer at *key*, from 0, None when it is missing."""
        value = self._value(key, int)
        if value is not None and value < 0:
            raise self.error("invalid value: expected a number from 0", key)
        return value

    def time(self, key: str) -> str | None:
        """Return the date, or date and time, at *key* as ISO 8601 text, None when it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, date):
            raise self.error(f"invalid type: {type(value).__name__}, expected a date and time", key)
        return value.isoformat()

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return the strings of the array at *key*, None when it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self._wrong_type(value, list, key)
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise self._wrong_type(item, str, f"{key}[{index}]")
        return tuple(value)

    def table(self, key: str) -> Table | None:
        """Return the table at *key*, None when it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        return self._below(value, key)

    def tables(self, key: str) -> Iterator[Table] | None:
        """Return the tables of the array at *key*, None when it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self._wrong_type(value, list, key)
        return (self._below(item, f"{key}[{index}]") for index, item in enumerate(value))

    def _below(self, value: object, key: str) -> Table:
        if not isinstance(value, dict):
            raise self._wrong_type(value, dict, key)
        return Table(value, origin=self.origin, key=f"{self.key}.{key}" if self.key else key, what=self.what)


def line_of(text: str, needle: str, start: int = 0) -> int | None:
    """Return the line (from 1) on which *needle* first stands, None when it does not."""
    found = text.find(needle, start)
    return None if found < 0 else text.count("\n", 0, found) + 1


def header_lines(text: str, name: str) -> list[int]:
    """Return the lines (from 1) of the headers ``[[name]]``, in order."""
    pattern = re.compile(rf"^[ \t]*\[\[[ \t]*{re.escape(name)}[ \t]*\]\]", re.MULTILINE)
    lines, position, line = [], 0, 1
    for match in pattern.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        lines.append(line)
    return lines
