"""Ids in a matrix, the table at its end, and how its parts are put together."""

from __future__ import annotations

import pytest

from pytest_envsync.pytest_plugin.inside.turns import combined
from pytest_envsync.pytest_plugin.matrix.identities import (
    function_part,
    identity_of,
    name_with_identity,
    with_identity,
    without_identity,
)
from pytest_envsync.pytest_plugin.matrix.scheduling import cause_of
from pytest_envsync.pytest_plugin.matrix.table import render, rerun
from pytest_envsync.pytest_plugin.session.cells import Cell


@pytest.mark.parametrize(
    ("nodeid", "identity", "written"),
    [
        ("test_a.py::test_x", "low", "test_a.py::test_x[low]"),
        ("test_a.py::test_x[1]", "low-py3.12", "test_a.py::test_x[1-low-py3.12]"),
        ("test_a.py::TestA::test_x[a[0]]", "low", "test_a.py::TestA::test_x[a[0]-low]"),
        ("test_a.py::test_x[1]@group", "low", "test_a.py::test_x[1-low]@group"),
        ("test_a.py", "low", "test_a.py[low]"),
        ("odd[1].py", "low", "odd[1].py[low]"),
    ],
)
def test_an_identity_goes_in_and_comes_out(nodeid: str, identity: str, written: str) -> None:
    assert with_identity(nodeid, identity) == written
    assert without_identity(written, identity) == nodeid
    assert without_identity(written, "other") is None


def test_the_name_of_a_test_is_the_end_of_its_id() -> None:
    for nodeid, name in (("test_a.py::test_x[1]", "test_x[1]"), ("test_a.py::TestA::test_x", "test_x")):
        assert with_identity(nodeid, "low").endswith(f"::{name_with_identity(name, 'low')}")


def test_the_longest_name_that_fits_is_in_an_id() -> None:
    names = ["low", "very-low", "high"]
    assert identity_of("test_a.py::test_x[1-very-low]", names) == "very-low"
    assert identity_of("test_a.py::test_x[1-low]", names) == "low"
    assert identity_of("test_a.py::test_x[lowest]", names) is None


def test_the_function_of_an_id() -> None:
    assert function_part("test_a.py::TestA::test_x[1-low]") == "test_a.py::TestA::test_x"
    assert function_part("odd[1].py::test_x") == "odd[1].py::test_x"


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([0, 0], 0),
        ([0, 5], 0),
        ([5, 5], 5),
        ([0, 1], 1),
        ([1, 5], 1),
        ([0, 2], 2),
        ([1, 3], 3),
        ([0, 4], 1),
        ([4, 4], 4),
        ([5, 4], 1),
    ],
)
def test_status_of_sessions_in_turn(statuses: list[int], status: int) -> None:
    assert combined(statuses) == status


def cell(identity: str, **results: str) -> Cell:
    """An environment with these outcomes."""
    found = Cell(identity, {}, description={})
    for name, category in results.items():
        found.count(category, f"t.py::{name}")
    return found


def test_the_table_shows_what_differs_and_counts_the_rest() -> None:
    low = cell("low", a="passed", b="failed", c="passed", d="skipped")
    high = cell("high", a="passed", b="passed", c="passed", d="skipped", e="passed")
    gone = Cell("gone", None, description={}, error="no file fits")
    assert render([low, high, gone], width=80) == [
        "gone: no file fits",
        "         low     high",
        "t.py::b  failed  passed",
        "t.py::e  -       passed",
        "the same in all 2: 2 passed, 1 skipped",
    ]


def test_ids_that_do_not_fit_are_cut_in_front() -> None:
    name = "a" * 100
    lines = render([cell("low", **{name: "passed"}), cell("high", **{name: "failed"})], width=60)
    assert all(len(line) <= 60 for line in lines)
    assert lines[1].startswith("...aaa")


def test_an_error_at_the_end_counts_more_than_a_test_that_passed() -> None:
    found = Cell("low", {}, description={})
    for category in ("passed", "error"):
        found.count(category, "t.py::a")
    found.count("rerun", "t.py::a")
    assert found.results == {"t.py::a": "error"}
    assert found.outcomes == {"passed": 1, "error": 1, "rerun": 1}


def test_the_command_that_runs_the_failures_again() -> None:
    cells = [cell("low", a="failed"), cell("high", a="passed")]
    command = ["pytest", "--envsync", "my locks/low.txt", "-q"]
    assert rerun(cells, command, has_cache=True) == [
        "run the failures again: pytest --envsync 'my locks/low.txt' -q --lf"
    ]
    assert rerun(cells, [*command, "--lf"], has_cache=True)[0].count("--lf") == 1
    assert rerun(cells, command, has_cache=False)[0].endswith("-q 't.py::a[low]'")
    assert rerun([cell("low", a="passed")], command, has_cache=True) == []
    assert rerun(cells, [*command, "--", "t.py"], has_cache=True)[0].endswith("-q --lf -- t.py")
    assert rerun(cells, ["envsync", "run", "--pytest", "a.txt", "b.txt", "--"], has_cache=True) == [
        "run the failures again: envsync run --pytest a.txt b.txt -- --lf"
    ]


_FRAMES = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n    ^^^\n'
_AGAIN = f"{_FRAMES}AssertionError: no\n\nThe above exception was the direct cause of it:\n\n{_FRAMES}"
_LOADING = f"{_AGAIN}_pytest.config.ConftestImportFailure: "


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (None, "it ended without a word"),
        ("Not properly terminated", "Not properly terminated"),
        (f"{_FRAMES}ImportError: no demo\n", "ImportError: no demo"),
        (f"{_FRAMES}AssertionError: too old\nassert 1 == 2\n +  where 1 = f()\n", "AssertionError: too old"),
        (
            f"{_LOADING}AssertionError: no\nassert 1 == 2 (from /a b/conftest.py)",
            "`/a b/conftest.py` cannot be loaded: AssertionError: no",
        ),
        (
            f"{_LOADING}OSError: (from it) (from /x/conftest.py)\n",
            "`/x/conftest.py` cannot be loaded: OSError: (from it)",
        ),
    ],
)
def test_what_ended_a_worker_is_one_line(error: str | None, cause: str) -> None:
    assert cause_of(error) == cause
