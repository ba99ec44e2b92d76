"""Versions as text: which two are equal, and whether a pin or a range is met.

Comparing text comes first: ``packaging`` is imported only for what is no plain pin, because a
sync that changes nothing must not pay for it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from pytest_envsync.patterns import pattern

# The grammar of PEP 440, appendix B, in its permissive form.
_VERSION = pattern(
    r"""\s*v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)
    (?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_number>[0-9]*))?
    (?:-(?P<implicit_post>[0-9]+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>[0-9]*))?
    (?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>[0-9]*))?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_PRE = {"alpha": "a", "a": "a", "beta": "b", "b": "b", "preview": "rc", "pre": "rc", "c": "rc", "rc": "rc"}
_RELEASE = pattern(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
_CLAUSE = pattern(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*([^\s,]+)\s*", re.ASCII)


@lru_cache(maxsize=4096)
def canonical_version(text: str) -> str | None:
    """Return the one spelling that equal versions share, or None for what is no version (PEP 440).

    Zeros at the end of the release are dropped, ``1.0`` and ``1.0.0`` being equal.
    """
    return _spelled(text, drop_zeros=True)


def normal_version(text: str) -> str | None:
    """Return the normal form of a version (PEP 440), or None for what is no version."""
    return _spelled(text, drop_zeros=False)


def _spelled(text: str, *, drop_zeros: bool) -> str | None:
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    release = [str(int(part)) for part in match["release"].split(".")]
    while drop_zeros and len(release) > 1 and release[-1] == "0":
        release.pop()
    epoch = int(match["epoch"] or 0)
    parts = [f"{epoch}!" if epoch else "", ".".join(release)]
    if match["pre"]:
        parts.append(f"{_PRE[match['pre'].lower()]}{int(match['pre_number'] or 0)}")
    if match["implicit_post"] is not None:
        parts.append(f".post{int(match['implicit_post'])}")
    elif match["post"]:
        parts.append(f".post{int(match['post_number'] or 0)}")
    if match["dev"]:
        parts.append(f".dev{int(match['dev_number'] or 0)}")
    if match["local"]:
        pieces = re.split(r"[-_.]", match["local"].lower())
        parts.append("+" + ".".join(str(int(piece)) if piece.isdigit() else piece for piece in pieces))
    return "".join(parts)


def pinned_version(specifier: str) -> str | None:
    """Return the version that *specifier* pins with ``==`` or ``===``, as written, or None.

    Of several clauses the first that pins decides; ``==1.*`` pins nothing.
    """
    for clause in specifier.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is not None and match[1] in {"==", "==="} and not (match[1] == "==" and match[2].endswith(".*")):
            return match[2]
    return None


@lru_cache(maxsize=1024)
def meets(specifier: str, version: str) -> bool:
    """Whether *version* meets *specifier*, a PEP 440 specifier set (empty: anything does).

    Pre-releases count as versions; whether they are wanted is the chooser's question. A local
    version meets an ``==`` without one. ``===`` compares versions, not spellings, as the reference does.
    Raises ValueError for text that is no specifier set.
    """
    return all(_clause_is_met(clause, version) for clause in specifier.split(",") if clause.strip())


def _clause_is_met(clause: str, version: str) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if match is not None and match[1] in {"==", "==="} and not match[2].endswith(".*"):
        wanted, given = canonical_version(match[2]), canonical_version(version)
        if wanted is not None and given is not None:
            any_local = match[1] == "==" and "+" not in wanted
            return wanted == given or (any_local and given.startswith(f"{wanted}+"))
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(clause).contains(version, prereleases=True)
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from error


def ordered_versions(specifier: str, versions: Mapping[str, str]) -> list[str]:
    """Return the keys of *versions* (canonical form to a spelling of it) that meet *specifier*, best first.

    Pre-releases come behind all others, also where the specifier names one (``>=1.0a1``): it
    then lets them in, but a final release is taken while one fits, as by the reference.
    """
    found = [version for version in versions if meets(specifier, versions[version])]
    if len(found) < 2:
        return found
    from packaging.version import Version

    parsed = {version: Version(version) for version in found}
    return sorted(found, key=lambda key: (not parsed[key].is_prerelease, parsed[key]), reverse=True)


@lru_cache(maxsize=1024)
def python_meets(requires_python: str, python: str, *, lower_bound_only: bool = False) -> bool:
    """Whether the Python version *python* (``3.11.7``, ``3.14.0rc1``) meets ``Requires-Python``.

    A pre-release counts as the release it leads to. With *lower_bound_only* upper bounds and
    exclusions are ignored, which is how files of an index are judged: a cap there says what was
    tested, not what works. Text that is no specifier set refuses nothing.
    """
    version = _release(python)
    for clause in requires_python.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            continue
        operator, bound = match[1], match[2]
        if lower_bound_only and operator not in {">=", ">", "~=", "==", "==="}:
            continue
        met = _clause_met(operator, bound, version, lower_bound_only=lower_bound_only)
        if met is None:
            met = _clause_met_by_library(operator + bound, version)
        if not met:
            return False
    return True


def _release(text: str) -> tuple[int, ...]:
    match = _RELEASE.match(text)
    return tuple(int(part) for part in match[0].split(".")) if match is not None else ()


def _clause_met(operator: str, bound: str, version: tuple[int, ...], *, lower_bound_only: bool) -> bool | None:
    """Judge one clause by its numbers; None when the numbers do not tell."""
    plain = bound.removesuffix(".*")
    match = _RELEASE.match(plain)
    if match is None or (not lower_bound_only and (match.end() != len(plain) or operator in {"~=", "==="})):
        return None
    numbers = _release(plain)
    width = max(len(numbers), len(version))
    left = version + (0,) * (width - len(version))
    right = numbers + (0,) * (width - len(numbers))
    if lower_bound_only:
        return left > right if operator == ">" else left >= right
    if bound != plain:
        if operator in {"==", "!="}:
            return (left[: len(numbers)] == numbers) is (operator == "==")
        # `>=3.7.*` is no specifier, but it is on the index often enough.
        return left >= right if operator in {">=", ">"} else left < right
    return {
        "==": left == right,
        "!=": left != right,
        "<=": left <= right,
        ">=": left >= right,
        "<": left < right,
        ">": left > right,
    }[operator]


def _clause_met_by_library(clause: str, version: tuple[int, ...]) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(clause).contains(".".join(map(str, version)), prereleases=True)
    except InvalidSpecifier:
        return True
