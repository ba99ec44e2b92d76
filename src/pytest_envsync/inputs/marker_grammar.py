"""Whether text is a marker (PEP 508), without importing ``packaging`` for the common ones.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re

from pytest_envsync.errors import InputError
from pytest_envsync.patterns import pattern

_NAMES = (
    "python_version|python_full_version|os_name|sys_platform|platform_release|platform_system|platform_version"
    "|platform_machine|platform_python_implementation|implementation_name|implementation_version|extra"
)
_ATOM = pattern(
    rf"""\s*(?:{_NAMES})\s*(?:===|==|~=|!=|<=|>=|<|>|\bnot\s+in\b|\bin\b)\s*(?:'[^'\\]*'|"[^"\\]*")\s*""", re.ASCII
)
_JOINT = pattern(r"(?:and|or)(?=[\s(])")
_DEEPEST = 50


def check_marker(text: str, *, in_lockfile: bool = False) -> str:
    """Return the marker *text* without the white space around it. Raises InputError for what is none.

    Only markers of lockfiles (*in_lockfile*) may speak of ``extras`` and ``dependency_groups``.
    """
    marker = text.strip()
    if not marker:
        raise InputError("Expected marker value, found end of dependency specification")
    if _is_common(marker):
        return marker
    if re.search(r"\b(?:extras|dependency_groups)\b", re.sub(r"'[^']*'|\"[^\"]*\"", "''", marker)) and not in_lockfile:
        raise InputError(f"`extras` and `dependency_groups` have a meaning in lockfiles only: `{marker}`")
    if "\\" in marker:
        raise InputError(f"a marker cannot hold a backslash: `{marker}`")
    if marker.count("(") > _DEEPEST:
        # The library recurses; no marker that somebody wrote is nested this deep.
        raise InputError("the marker has too many parentheses")
    from packaging.markers import InvalidMarker, Marker

    try:
        Marker(marker)
    except (InvalidMarker, ValueError, SyntaxError, RecursionError) as error:
        reason = str(error).strip().splitlines() or ["it cannot be understood"]
        raise InputError(f"`{marker}` is not a valid marker: {reason[0]}") from error
    return marker


def _is_common(marker: str) -> bool:
    """Whether *marker* is comparisons of a variable with a text, joined without parentheses."""
    position = 0
    while True:
        atom = _ATOM.match(marker, position)
        if atom is None:
            return False
        position = atom.end()
        if position == len(marker):
            return True
        joint = _JOINT.match(marker, position)
        if joint is None:
            return False
        position = joint.end()
