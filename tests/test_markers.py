"""The small evaluator and the library come to the same."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker, default_environment

from pytest_envsync.markers import is_active

ENVIRONMENT: dict[str, str] = {
    **{key: str(value) for key, value in default_environment().items()},
    "python_version": "3.11",
    "python_full_version": "3.11.7",
    "implementation_version": "3.11.7",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}

ATOMS = st.one_of(
    st.builds(
        "{} {} {!r}".format,
        st.sampled_from(["python_version", "python_full_version"]),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["3.8", "3.11", "3.11.7", "3.11.0", "3.12", "3.9.1"]),
    ),
    st.builds(
        "{} {} {!r}".format,
        st.sampled_from(["sys_platform", "platform_machine", "os_name", "platform_system", "implementation_name"]),
        st.sampled_from(["==", "!=", "in", "not in"]),
        st.sampled_from(["linux", "win32", "x86_64", "nt", "posix", "linux darwin", "cpython", ""]),
    ),
    st.builds(
        "{!r} in {}".format, st.sampled_from(["lin", "64"]), st.sampled_from(["sys_platform", "platform_machine"])
    ),
    st.just("extra == 'test'"),
    st.just("python_version in '3.10 3.11'"),
    st.just("'3.8' < python_version"),
)
MARKERS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("{} and {}".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("({})".format, inner),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(MARKERS)
def test_markers_agree_with_the_library(marker: str) -> None:
    assert is_active(marker, ENVIRONMENT) is Marker(marker).evaluate({**ENVIRONMENT, "extra": ""})


@settings(deadline=None)
@given(st.text(alphabet="python_version sys_platform'\"<>=!()andori3.1 ", max_size=40))
def test_no_text_makes_anything_but_an_answer_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        is_active(text, ENVIRONMENT)


@pytest.mark.parametrize(
    "marker",
    ["python_version ~= '3.8'", "python_version in '3.11'", "'3.11' == python_version",
     "extra != 'a' and os_name == 'posix'", "python_full_version < '3.12.0rc1'"],
)  # fmt: skip
def test_unusual_markers_are_left_to_the_library(marker: str) -> None:
    assert is_active(marker, ENVIRONMENT) is Marker(marker).evaluate({**ENVIRONMENT, "extra": ""})


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("'a' == 'b'", True),
        ("sys_platform == platform_system", True),
        ("python_version > 'new'", True),
        ("sys_platform ~= 'linux'", True),
        ("extra in 'a b'", True),
        ("python_version == '2.7' or 'a' == 'b'", False),
        ("python_version == '2.7' and 'a' == 'a'", False),
        ("python_version > '3' and ('a' == 'b')", True),
        ("platform_release >= '0'", True),
    ],
)
def test_comparisons_without_a_meaning_are_left_out(marker: str, holds: bool) -> None:  # noqa: FBT001 - a value of the table
    assert is_active(marker, ENVIRONMENT) is holds


@pytest.mark.parametrize(
    "marker",
    ["(sys_platform == 'linux'", "sys_platform == 'linux')", "sys_platform", "sys_platform = 'x'", "sys_platform ! 'x'",
     "(sys_platform == 'linux' sys_platform", "nonsense == 'x'", "python_version === 3", "sys_platform not 'x'"],
)  # fmt: skip
def test_what_is_no_marker_is_a_value_error(marker: str) -> None:
    with pytest.raises(ValueError, match="no marker"):
        is_active(marker, ENVIRONMENT)


@pytest.mark.parametrize("marker", [None, ""])
def test_no_marker_always_holds(marker: str | None) -> None:
    assert is_active(marker, {})


def test_the_markers_of_locking_tools_need_no_library() -> None:
    code = (
        "import sys; from pytest_envsync.markers import is_active;"
        "env = {'python_full_version': '3.11.7', 'sys_platform': 'linux', 'platform_python_implementation': 'CPython'};"
        'assert is_active(\'(python_full_version >= "3.8" and sys_platform != "win32") or '
        'platform_python_implementation == "PyPy"\', env);'
        "print('packaging' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
