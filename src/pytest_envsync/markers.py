"""Whether a marker holds, without importing ``packaging`` for the common ones (PEP 508).

The forms that locking tools write (comparisons of platform and Python version, joined by ``and``,
``or`` and parentheses) are judged here; all others are handed to the library.
A comparison that means nothing (of two texts, of a Python version with what is none) is left out, as the
reference does: a marker of which nothing remains holds. A list of Python versions has blanks between its items.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_envsync.patterns import pattern
from pytest_envsync.versions import canonical_version

_TOKEN = pattern(
    r"""\s*(?:(?P<bracket>[()])|(?P<text>'[^']*'|"[^"]*")|(?P<operator>===|==|~=|!=|<=|>=|<|>)|(?P<word>[A-Za-z_.]+))"""
)
_RELEASE = pattern(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
_VERSION_NAMES = frozenset({"python_version", "python_full_version", "implementation_version"})
_TEXT_NAMES = frozenset(
    {
        "os_name", "sys_platform", "platform_machine", "platform_system",
        "platform_python_implementation", "implementation_name", "platform_release", "platform_version",
    }
)  # fmt: skip
_ORDERED_NAMES = frozenset({"platform_release", "platform_version"})
"""Texts of which one can be less than another; elsewhere ``<=`` means no more than ``==``."""
_NAMES = _VERSION_NAMES | _TEXT_NAMES | {"extra"}


class _NotPlainError(Exception):
    """The marker has a form that only the library judges."""


def is_active(marker: str | None, environment: Mapping[str, str]) -> bool:
    """Whether *marker* holds in *environment*, the PEP 508 variables of the target.

    None and an empty text always hold. ``extra`` is empty unless *environment* has it.
    Raises ValueError for text that is no marker.
    """
    if not marker:
        return True
    try:
        return _Evaluation(marker, environment).result()
    except _NotPlainError:
        return _by_library(marker, environment)


def _by_library(marker: str, environment: Mapping[str, str]) -> bool:
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(marker).evaluate({"extra": "", **environment})
    except InvalidMarker as error:
        raise ValueError(f"`{marker}` is no marker: {str(error).splitlines()[0]}") from error
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True


class _Evaluation:
    """One pass over the tokens; ``and`` binds closer than ``or``."""

    def __init__(self, marker: str, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.tokens: list[tuple[str, str]] = []
        at, text = 0, marker.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise _NotPlainError
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.tokens.append(("end", ""))
        self.at = 0

    def result(self) -> bool:
        value = self._any()
        if self.tokens[self.at][0] != "end":
            raise _NotPlainError
        return value is None or value

    def _any(self) -> bool | None:
        values = [self._all()]
        while self.tokens[self.at] == ("word", "or"):
            self.at += 1
            values.append(self._all())
        meant = [value for value in values if value is not None]
        return any(meant) if meant else None

    def _all(self) -> bool | None:
        values = [self._atom()]
        while self.tokens[self.at] == ("word", "and"):
            self.at += 1
            values.append(self._atom())
        meant = [value for value in values if value is not None]
        return all(meant) if meant else None

    def _atom(self) -> bool | None:
        """Judge a comparison, or what stands in parentheses; None when it means nothing."""
        if self.tokens[self.at] == ("bracket", "("):
            self.at += 1
            value = self._any()
            if self._next() != ("bracket", ")"):
                raise _NotPlainError
            return value
        left, operator, right = self._next(), self._operator(), self._next()
        kinds = {left[0], right[0]}
        if not operator or not kinds <= {"text", "word"}:
            raise _NotPlainError
        words = {value for kind, value in (left, right) if kind == "word"}
        if not words <= _NAMES:
            raise _NotPlainError
        if len(kinds) == 1 or ("extra" in words and operator not in {"==", "!="}):
            return None
        name = left[1] if left[0] == "word" else right[1]
        text = (right if left[0] == "word" else left)[1][1:-1]
        value_of = {"word": self.environment.get(name), "text": text}
        first, second = value_of[left[0]], value_of[right[0]]
        if first is None or second is None:
            raise _NotPlainError
        if name in _TEXT_NAMES:
            return _compare_text(first, operator, second, is_ordered=name in _ORDERED_NAMES)
        if name in _VERSION_NAMES:
            is_turned = left[0] == "text"
            if operator in {"in", "not in"}:
                return None if is_turned else _is_listed(first, operator, text)
            if (is_turned and text.endswith(".*")) or not _is_comparable(text, operator):
                return None
            return _compare_releases(first, operator, second)
        raise _NotPlainError

    def _next(self) -> tuple[str, str]:
        token = self.tokens[self.at]
        if token[0] == "end":
            raise _NotPlainError
        self.at += 1
        return token

    def _operator(self) -> str:
        kind, text = self._next()
        if (kind, text) == ("word", "not"):
            return f"not {self._next()[1]}"
        return text if kind == "operator" or text == "in" else ""


def _is_comparable(text: str, operator: str) -> bool:
    """Whether a Python version can be compared with *text*."""
    return canonical_version(text.removesuffix(".*") if operator in {"==", "!=", "==="} else text) is not None


def _is_listed(version: str, operator: str, text: str) -> bool | None:
    """Judge a list of Python versions with blanks between them; None where one of them is none."""
    listed = [canonical_version(part) for part in text.split()]
    return None if None in listed else (canonical_version(version) in listed) is (operator == "in")


def _compare_text(first: str, operator: str, second: str, *, is_ordered: bool) -> bool | None:
    if operator in {"==", "!="}:
        return (first == second) is (operator == "==")
    if operator in {"in", "not in"}:
        return (first in second) is (operator == "in")
    if operator in {"<", "<=", ">", ">="} and is_ordered:
        return {"<": first < second, "<=": first <= second, ">": first > second, ">=": first >= second}[operator]
    return None if operator == "~=" else first == second and operator not in {"<", ">"}


def _compare_releases(first: str, operator: str, second: str) -> bool:
    if not (_RELEASE.fullmatch(first) and _RELEASE.fullmatch(second)):
        raise _NotPlainError
    left = [int(part) for part in first.split(".")]
    right = [int(part) for part in second.split(".")]
    width = max(len(left), len(right))
    left += [0] * (width - len(left))
    right += [0] * (width - len(right))
    if operator in {"==", "!="}:
        return (left == right) is (operator == "==")
    if operator in {"<", "<=", ">", ">="}:
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
    raise _NotPlainError
