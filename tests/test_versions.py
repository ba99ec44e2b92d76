"""Comparing versions as text agrees with the library that compares them as values."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from pytest_envsync.versions import (
    canonical_version,
    meets,
    normal_version,
    ordered_versions,
    pinned_version,
    python_meets,
)

RELEASES = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "", "v", "1!", "0!"]),
        RELEASES,
        st.sampled_from(["", "", "a1", "b", ".rc2", "-alpha.3", "c0", "_preview4"]),
        st.sampled_from(["", "", ".post1", "-2", "rev", ".r3", "post0"]),
        st.sampled_from(["", "", ".dev0", "dev", "-dev5"]),
        st.sampled_from(["", "", "+cpu", "+Ubuntu-1_2", "+01"]),
    ),
)


@given(VERSIONS, VERSIONS)
def test_canonical_texts_are_equal_exactly_when_versions_are(one: str, other: str) -> None:
    assert (canonical_version(one) == canonical_version(other)) is (Version(one) == Version(other))


@given(VERSIONS)
def test_the_normal_form_is_that_of_the_library(text: str) -> None:
    assert normal_version(text) == str(Version(text))


@given(st.text(alphabet="0123456789.ab-_+!vrcdepost *", max_size=12))
def test_what_is_no_version_is_none(text: str) -> None:
    try:
        expected: str | None = str(Version(text))
    except InvalidVersion:
        expected = None
    assert normal_version(text) == expected


@pytest.mark.parametrize(
    ("specifier", "pin"),
    [
        ("==1.0", "1.0"),
        (" == 1.0 ", "1.0"),
        ("===1.0-odd", "1.0-odd"),
        (">=1,==1.2", "1.2"),
        ("==1.*", None),
        (">=1", None),
        ("", None),
    ],
)
def test_pins_are_told_from_ranges(specifier: str, pin: str | None) -> None:
    assert pinned_version(specifier) == pin


@given(VERSIONS, VERSIONS, st.sampled_from(["==", "!=", ">=", "<=", ">", "<"]))
def test_meets_agrees_with_the_library(bound: str, version: str, operator: str) -> None:
    if "+" in bound and operator not in {"==", "!="}:
        bound = bound.partition("+")[0]
    expected = SpecifierSet(f"{operator}{bound}").contains(version, prereleases=True)
    assert meets(f"{operator}{bound}", version) is expected


def test_a_local_version_meets_a_pin_without_one() -> None:
    assert meets("==2.5.1", "2.5.1+cpu")
    assert not meets("==2.5.1+cpu", "2.5.1")


def test_what_is_no_version_meets_nothing() -> None:
    assert not meets("==1.0", "junk")
    assert not meets(">=1.0", "junk")


def test_a_specifier_that_is_none_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="about"):
        meets("about 1.0", "1.0")


@pytest.mark.parametrize(
    ("specifier", "versions", "expected"),
    [
        ("==1.0", ["1", "1.1"], ["1"]),
        ("==1.0", ["1", "1+cpu"], ["1+cpu", "1"]),
        ("==1.0+cpu", ["1", "1+cpu"], ["1+cpu"]),
        ("", ["1", "10", "9", "2.0a1"], ["10", "9", "1", "2.0a1"]),
        (">=2.0a0", ["1", "2.0a1", "2.0b1"], ["2.0b1", "2.0a1"]),
        (">1", ["2.0a1", "1"], ["2.0a1"]),
        (">=1.0a1", ["2.0rc1", "1", "1.0a2"], ["1", "2.0rc1", "1.0a2"]),
        ("==1.0,>0.5", ["1", "0.9"], ["1"]),
        ("==1.0,>2", ["1"], []),
    ],
)
def test_the_best_version_comes_first(specifier: str, versions: list[str], expected: list[str]) -> None:
    assert ordered_versions(specifier, {version: version for version in versions}) == expected


def test_exact_equality_admits_no_local_part() -> None:
    assert ordered_versions("===1.0", {"1": "1.0.0", "1+cpu": "1.0+cpu"}) == ["1"]
    assert meets("===1.0", "1.0.0")
    assert not meets("===1.0", "1.0+cpu")
    assert not meets("===odd", "1.0")


@pytest.mark.parametrize(
    ("requires_python", "python", "full", "lower"),
    [
        (">=3.8", "3.11.7", True, True),
        (">=3.12", "3.11.7", False, False),
        (">=3.8,<3.11", "3.11.7", False, True),
        (">3.11", "3.11.0", False, False),
        (">=3.13", "3.13.0rc2", True, True),
        ("!=3.11.*", "3.11.7", False, True),
        ("==3.11.*", "3.11.7", True, True),
        ("==3.12.*", "3.11.7", False, False),
        ("~=3.9", "3.11.7", True, True),
        ("~=3.9.0", "3.11.7", False, True),
        (">=3.7.*", "3.11.7", True, True),
        ("<4.0a1", "3.11.7", True, True),
        ("any", "3.11.7", True, True),
        ("<4.x", "3.11.7", True, True),
        (">=2.7, !=3.0.*, !=3.1.*", "3.11.7", True, True),
    ],
)
def test_requires_python_is_read_with_and_without_its_caps(
    requires_python: str, python: str, *, full: bool, lower: bool
) -> None:
    assert python_meets(requires_python, python) is full
    assert python_meets(requires_python, python, lower_bound_only=True) is lower


@given(st.lists(st.tuples(st.sampled_from(["==", "!=", ">=", "<=", ">", "<"]), RELEASES), max_size=3), RELEASES)
def test_requires_python_agrees_with_the_library(clauses: list[tuple[str, str]], python: str) -> None:
    text = ",".join("".join(clause) for clause in clauses)
    assert python_meets(text, python) is SpecifierSet(text).contains(python, prereleases=True)


def test_pins_need_no_library() -> None:
    code = (
        "import sys; from pytest_envsync.versions import *;"
        "assert meets('==1.0', '1.0.0') and ordered_versions('==1.0', {'1': '1.0'});"
        "assert python_meets('>=3.8, <4', '3.11.7');"
        "print('packaging' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
