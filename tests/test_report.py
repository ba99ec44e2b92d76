"""What is printed: words, order, colours, JSON."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pytest_envsync.changes import Change, Changes
from pytest_envsync.diff import Diff, DistributionChanges, FileChanges
from pytest_envsync.errors import BuildError, EnvsyncError, FetchError, InputError
from pytest_envsync.quantities import parse_age, parse_size
from pytest_envsync.report import (
    Style,
    change_lines,
    checked_line,
    diff_lines,
    duration,
    error_json,
    error_lines,
    json_text,
    outcome_json,
    outcome_lines,
    phase_line,
    size,
    table,
    wants_colour,
)
from pytest_envsync.requirements import Origin
from pytest_envsync.sync import SyncOutcome
from pytest_envsync.target import Target

PLAIN = Style(is_coloured=False)

TARGET = Target(
    python="/e/bin/python",
    version="3.11.7",
    implementation="cpython",
    cache_tag="cpython-311",
    markers={},
    tags=(),
    paths={},
    prefix="/e",
    base_python="/usr/bin/python",
    base_prefix="/usr",
    is_virtual=True,
    fingerprint="f",
)

CHANGES = Changes((
    Change("zope", "1.0", "installed"),
    Change("demo", "2.0", "installed", "https://host/demo-2.0.whl"),
    Change("demo", "1.0", "uninstalled"),
    Change("same", "1.0", "reinstalled"),
    Change("tree", "", "installed", "file:///tree"),
))  # fmt: skip


def outcome(changes: Changes | None = None, **values: Any) -> SyncOutcome:
    """An outcome on a target that does not matter."""
    return SyncOutcome(changes=changes or Changes(), target=TARGET, **values)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00005, "0.05ms"),
        (0.0004, "0.40ms"),
        (0.001, "1ms"),
        (0.0129, "12ms"),
        (0.999, "999ms"),
        (1.239, "1.23s"),
        (59.99, "59.99s"),
        (60, "1m 00s"),
        (123.4, "2m 03s"),
    ],
)
def test_times_read_as_the_reference_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**31, "2.0 GiB"), (2**41, "2.0 TiB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("name", "count", "detail", "line"),
    [
        ("resolved", 1, "", "Resolved 1 package in 12ms"),
        ("resolved", 0, "", "Resolved in 12ms"),
        ("prepared", 2, "without build isolation", "Prepared 2 packages without build isolation in 12ms"),
        ("uninstalled", 3, "", "Uninstalled 3 packages in 12ms"),
        ("installed", 3, "", "Installed 3 packages in 12ms"),
        ("compiled", 9, "", "Bytecode compiled 9 files in 12ms"),
    ],
)
def test_phases(name: Any, count: int, detail: str, line: str) -> None:
    assert phase_line(name, count, 0.012, detail, PLAIN) == line


def test_changes_are_sorted_by_name_with_removals_first() -> None:
    assert change_lines(CHANGES, PLAIN) == [
        " - demo==1.0",
        " + demo==2.0 (from https://host/demo-2.0.whl)",
        " ~ same==1.0",
        " + tree @ file:///tree",
        " + zope==1.0",
    ]


def test_nothing_to_do() -> None:
    assert outcome_lines(outcome(checked=3), 0.001, PLAIN, is_dry=False) == ["Checked 3 packages in 1ms"]
    assert outcome_lines(outcome(), 0.001, PLAIN, is_dry=False) == ["Checked in 1ms"]
    assert outcome_lines(outcome(checked=1, compiled=0), 0.001, PLAIN, is_dry=False) == []


def test_a_dry_run_says_what_would_be_done() -> None:
    lines = outcome_lines(
        outcome(CHANGES, checked=4, uninstalled=2, unseen=frozenset({"aaa", "bbb"})), 0.001, PLAIN, is_dry=True
    )
    assert lines[:3] == ["Would download 2 packages", "Would uninstall 2 packages", "Would install 4 packages"]
    assert lines[3:] == change_lines(CHANGES, PLAIN)
    same = outcome_lines(outcome(checked=4), 0.001, PLAIN, is_dry=True)
    assert same == ["Checked 4 packages in 1ms", "Would make no changes"]


def test_late_warnings_stand_behind_the_changes() -> None:
    lines = outcome_lines(outcome(CHANGES, warnings=("`demo==2.0` is yanked",)), 0.001, PLAIN, is_dry=False)
    assert lines[-1] == "warning: `demo==2.0` is yanked"
    assert lines[:-1] == change_lines(CHANGES, PLAIN)


def test_an_empty_set_says_how_to_mean_it() -> None:
    (line,) = outcome_lines(outcome(is_empty=True), 0.001, PLAIN, is_dry=False)
    assert "--allow-empty-requirements" in line


def test_json_of_a_sync() -> None:
    assert outcome_json(outcome(CHANGES), is_dry=True) == {
        "schema": {"version": 1},
        "changes": [
            {"name": "demo", "version": "1.0", "action": "uninstalled"},
            {"name": "demo", "version": "2.0", "action": "installed"},
            {"name": "same", "version": "1.0", "action": "reinstalled"},
            {"name": "tree", "action": "installed"},
            {"name": "zope", "version": "1.0", "action": "installed"},
        ],
        "dry_run": True,
    }


def test_an_error_names_its_place_and_keeps_its_hint_apart() -> None:
    error = InputError("`==` is no version", origin=Origin("a.txt", 3, Origin("b.txt", 1)), hint="write one\nor two")
    assert error_lines(error, PLAIN) == [
        "error: a.txt:3 (included from b.txt:1): `==` is no version",
        "hint: write one",
        "  or two",
    ]


def test_a_failed_build_shows_the_end_of_its_output() -> None:
    output = "\n".join(f"line {number}" for number in range(100))
    lines = error_lines(BuildError("no wheel", subject="demo", output=output, log="/log"), PLAIN)
    assert lines[0] == "error: no wheel"
    assert lines[1] == "  line 60"
    assert lines[-2:] == ["  line 99", "  the whole output is in /log"]


def test_secrets_are_masked_even_where_an_error_forgot() -> None:
    error = FetchError("https://me:secret@host/ did not answer", url="https://host/")
    assert "secret" not in "\n".join(error_lines(error, PLAIN))


def test_errors_as_json() -> None:
    assert error_json(EnvsyncError("no", hint="yes", exit_status=1)) == {
        "schema": {"version": 1},
        "error": {"kind": "EnvsyncError", "message": "no", "hint": "yes", "exit_status": 1},
    }


def test_colours_are_put_on_words_only() -> None:
    style = Style(is_coloured=True)
    assert style("x", "green") == "\x1b[32mx\x1b[0m"
    assert style("", "green") == ""
    assert "\x1b[31m-\x1b[0m" in change_lines(CHANGES, style)[0]
    assert "\x1b[1m3 packages\x1b[0m" in checked_line(3, 0.1, style)


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "choice", "is_terminal", "expected"),
    [
        ({}, "auto", True, True),
        ({}, "auto", False, False),
        ({"NO_COLOR": "1"}, "auto", True, False),
        ({"NO_COLOR": ""}, "auto", True, True),
        ({"FORCE_COLOR": "1"}, "auto", False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, "auto", True, False),
        ({"CLICOLOR_FORCE": "0"}, "auto", False, False),
        ({"NO_COLOR": "1"}, "always", False, True),
        ({"FORCE_COLOR": "1"}, "never", True, False),
        ({"TERM": "dumb"}, "auto", True, False),
    ],
)
def test_when_colours_are_used(environ: dict[str, str], choice: str, is_terminal: bool, expected: bool) -> None:  # noqa: FBT001 - a row of the table
    stream = _Screen() if is_terminal else io.StringIO()
    assert wants_colour(stream, environ, choice) is expected


def test_a_table_is_padded_but_for_its_last_column() -> None:
    assert table(("A", "LONG"), [("wide cell", "x"), ("b", "y")], PLAIN) == [
        "A          LONG",
        "wide cell  x",
        "b          y",
    ]


def test_a_diff_is_cut_after_so_many_files() -> None:
    diff = Diff(
        DistributionChanges({"a": "1"}, {}, {"b": ("1", "2")}),
        FileChanges(("x", "y", "z"), (), ()),
    )
    assert diff_lines(diff, PLAIN)[:2] == [" + a==1", " ~ b==1 -> 2"]
    assert len(diff_lines(diff, PLAIN)) == 5
    assert "1 more" in diff_lines(diff, PLAIN, limit=2)[-1]
    assert "\x1b[32m+\x1b[0m a==1" in diff_lines(diff, Style(is_coloured=True))[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 30 * 86400), ("12h", 43200), ("1.5 hours", 5400), ("90", 90 * 86400), ("2w", 14 * 86400), ("5min", 300)],
)
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text, "--older-than") == seconds


@pytest.mark.parametrize(("text", "count"), [("5GB", 5 * 10**9), ("500MiB", 500 * 2**20), ("1.5 k", 1500), ("7", 7)])
def test_sizes_as_typed(text: str, count: int) -> None:
    assert parse_size(text, "--max-size") == count


@pytest.mark.parametrize("text", ["", "x", "5 apples", "-1d", "1e3d"])
def test_ages_and_sizes_that_are_none(text: str) -> None:
    with pytest.raises(EnvsyncError, match="--older-than"):
        parse_age(text, "--older-than")
    with pytest.raises(EnvsyncError, match="--max-size"):
        parse_size(text, "--max-size")


def test_json_is_text_whatever_files_are_called() -> None:
    values = {"files": ["caf\udce9", "\u00e9\u2603", "a\nb"]}
    text = json_text(values)
    assert json.loads(text.encode()) == values
    assert "\u00e9\u2603" in text
