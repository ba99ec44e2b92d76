"""The small text files of wheels and installed distributions."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import parse_tag
from packaging.utils import parse_wheel_filename as reference_wheel_filename

from pytest_envsync.record import (
    EntryPoint,
    Metadata,
    RecordEntry,
    WheelFilename,
    WheelHeader,
    format_direct_url,
    format_record,
    parse_direct_url,
    parse_entry_points,
    parse_headers,
    parse_metadata,
    parse_record,
    parse_wheel,
    parse_wheel_filename,
    record_hash,
)

# RECORD


def test_a_record_is_read_row_by_row() -> None:
    text = 'pkg/__init__.py,sha256=abc,12\r\n"odd, name.py",sha256=def,3\npkg-1.dist-info/RECORD,,\n\n'
    assert parse_record(text) == (
        RecordEntry("pkg/__init__.py", "sha256=abc", 12),
        RecordEntry("odd, name.py", "sha256=def", 3),
        RecordEntry("pkg-1.dist-info/RECORD", "", None),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pkg.py,sha256=abc", "row 1: expected path, hash and size, found 2 fields"),
        ("a,,\npkg.py,,1,2\n", "row 2: expected path, hash and size, found 4 fields"),
        (",,\n", "the path is missing"),
        ("pkg.py,,many\n", "the size `many` is no number"),
        ("pkg.py,,-1\n", "no number"),
        ("pkg.py,,1_0\n", "no number"),
        ("pkg.py,,٣\n", "no number"),
        ('"pkg.py,,\n', "no comma-separated table"),
        ('"pkg".py,,\n', "no comma-separated table"),
    ],
)
def test_a_malformed_record_says_where(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_record(text)


entries = st.lists(
    st.builds(
        RecordEntry,
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
            lambda path: path.strip("\r\n") == path
        ),
        st.text("abc=,\"'0"),
        st.none() | st.integers(0, 10**12),
    )
)


@given(entries)
def test_a_record_that_is_written_reads_the_same(rows: list[RecordEntry]) -> None:
    assert parse_record(format_record(rows)) == tuple(rows)


@given(entries)
def test_a_record_is_what_the_csv_module_reads(rows: list[RecordEntry]) -> None:
    read = list(csv.reader(io.StringIO(format_record(rows), newline="")))
    assert read == [[path, digest, "" if size is None else str(size)] for path, digest, size in rows]


@given(st.text())
def test_no_record_makes_another_error_than_a_valueerror(text: str) -> None:
    try:
        rows = parse_record(text)
    except ValueError:
        return
    assert parse_record(format_record(rows)) == rows


def test_a_hash_is_written_as_records_write_it() -> None:
    digest = hashlib.sha256(b"envsync").hexdigest()
    assert record_hash(digest).startswith("sha256=")
    assert "=" not in record_hash(digest).removeprefix("sha256=")
    assert record_hash("fb" * 32) == "sha256=-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s"


# headers, METADATA, WHEEL


def test_headers_are_folded_and_end_at_the_body() -> None:
    text = "\ufeffName: demo\r\nSummary: one\r\n  two\nrequires-dist: a\nRequires-Dist: b\n\nBody: no\n"
    assert parse_headers(text) == {"name": ["demo"], "summary": ["one two"], "requires-dist": ["a", "b"]}


def test_metadata_gives_what_counts() -> None:
    text = "Metadata-Version: 2.1\nName: Demo.X\nVersion: 1.0\nRequires-Python: >=3.8\nRequires-Dist: a>1\n\nName: no\n"
    assert parse_metadata(text) == Metadata("Demo.X", "1.0", ">=3.8", ("a>1",))


@pytest.mark.parametrize(
    ("text", "missing"), [("Name: demo\n", "Version"), ("Version: 1\nName:\n", "Name"), ("", "Name")]
)
def test_metadata_without_name_or_version_is_refused(text: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"METADATA has no {missing}"):
        parse_metadata(text)


def test_wheel_expands_its_tags() -> None:
    text = "Wheel-Version: 1.0\nRoot-Is-Purelib: TRUE\nTag: py2.py3-none-any\nTag: py3-none-any\nBuild: 1\n"
    assert parse_wheel(text) == WheelHeader((1, 0), True, ("py2-none-any", "py3-none-any"), "1")


def test_the_first_of_two_equal_headers_counts() -> None:
    text = "Wheel-Version: 1.9\nWheel-Version: 2.0\nRoot-Is-Purelib: false\nRoot-Is-Purelib: true\n"
    assert parse_wheel(text) == WheelHeader((1, 9), False, ())


@pytest.mark.parametrize(
    ("text", "version"), [("1.0.0", (1, 0)), ("1.9.x", (1, 9)), ("1.", (1, 0)), ("0.1", (0, 1)), ("10.2", (10, 2))]
)
def test_only_the_first_two_numbers_of_the_format_count(text: str, version: tuple[int, int]) -> None:
    assert parse_wheel(f"Wheel-Version: {text}\n").version == version


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Wheel-Version: 1\n",
        "Wheel-Version: 01.0\n",
        "Wheel-Version: a.b\n",
        "Wheel-Version: 1.0\nTag: py3-none\n",
        "Wheel-Version: 1.0\nTag: --\n",
    ],
)
def test_a_malformed_wheel_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"WHEEL|malformed tag"):
        parse_wheel(text)


@given(st.text())
def test_no_header_text_makes_another_error_than_a_valueerror(text: str) -> None:
    with suppress(ValueError):
        parse_metadata(text)
    with suppress(ValueError):
        parse_wheel(text)


headers = st.builds(
    WheelHeader,
    st.tuples(st.integers(0, 9), st.integers(0, 99)),
    st.booleans(),
    st.lists(st.sampled_from(["py3-none-any", "cp311-cp311-win32", "py2-none-any"]), unique=True).map(tuple),
    st.sampled_from(["", "1", "2abc"]),
)


@given(headers)
def test_a_wheel_file_that_is_written_reads_the_same(header: WheelHeader) -> None:
    text = "Wheel-Version: {}.{}\n".format(*header.version) + f"Root-Is-Purelib: {header.root_is_purelib}\n"
    text += "".join(f"Tag: {tag}\n" for tag in header.tags) + (f"Build: {header.build}\n" if header.build else "")
    assert parse_wheel(text) == header


# names of wheels


def test_a_wheel_name_is_taken_apart() -> None:
    assert parse_wheel_filename("Demo_x-1.0+local.1-2b-cp311.py3-abi3-linux_x86_64.any.whl") == WheelFilename(
        "Demo_x",
        "1.0+local.1",
        "2b",
        ("cp311-abi3-linux_x86_64", "cp311-abi3-any", "py3-abi3-linux_x86_64", "py3-abi3-any"),
    )


@pytest.mark.parametrize(
    "filename",
    [
        "demo-1.0.tar.gz",
        "demo-1.0.whl",
        "demo-1.0-py3-none.whl",
        "demo-1.0-py3-none-any.WHL",
        "demo-1.0-1-2-py3-none-any.whl",
        "demo-1.0-x-py3-none-any.whl",
        "demo-1.0--py3-none-any.whl",
        "-1.0-py3-none-any.whl",
        "../demo-1.0-py3-none-any.whl",
        "demo-1.0/..-py3-none-any.whl",
        "demo-1.0-py3-none-../any.whl",
        "demo-1.0-py3.-none-any.whl",
        "demo-1.0-py3-none-.whl",
        "demo\n-1.0-py3-none-any.whl",
        "-".join(["demo", "1.0", *(".".join(f"{kind}{i}" for i in range(60)) for kind in "abc")]) + ".whl",
    ],
)
def test_what_is_no_wheel_name_is_refused(filename: str) -> None:
    with pytest.raises(ValueError, match="no wheel"):
        parse_wheel_filename(filename)


words = st.from_regex(r"[a-z][a-z0-9_]{0,7}", fullmatch=True)
tag_sets = st.lists(words, min_size=1, max_size=3).map(".".join)


@given(
    st.from_regex(r"[a-z0-9]([a-z0-9_.]{0,6}[a-z0-9])?", fullmatch=True).filter(lambda name: "__" not in name),
    st.sampled_from(["1.0", "2!1.0.post1", "0.1.dev3", "1.0+abc.1", "3a1"]),
    st.sampled_from(["", "1", "20beta"]),
    st.tuples(tag_sets, tag_sets, tag_sets),
)
def test_wheel_names_are_read_as_packaging_reads_them(
    name: str, version: str, build: str, tags: tuple[str, str, str]
) -> None:
    filename = "-".join(filter(None, [name, version, build, *tags])) + ".whl"
    parts = parse_wheel_filename(filename)
    expected_name, expected_version, expected_build, expected_tags = reference_wheel_filename(filename)
    assert parts.name.replace("_", "-").replace(".", "-").lower().replace("--", "-") == expected_name.replace("--", "-")
    assert (parts.version, str(expected_version)) == (version, version)
    assert parts.build == "".join(map(str, expected_build))
    assert {str(tag) for tag in expected_tags} == set(parts.tags)
    assert {str(tag) for tag in parse_tag("-".join(tags))} == set(parts.tags)


@given(st.text() | st.text("ab1.-_/").map(lambda text: f"{text}.whl"))
def test_no_file_name_makes_another_error_than_a_valueerror(filename: str) -> None:
    try:
        parts = parse_wheel_filename(filename)
    except ValueError:
        return
    assert filename.startswith(f"{parts.name}-{parts.version}-")


# entry points


def test_scripts_are_read_and_the_rest_is_not() -> None:
    text = """
# a comment
[console_scripts]
Demo = demo.cli:main
  demo-x=demo:App.run [extra1, extra2]
; another
[gui_scripts]
win = demo : gui
[other]
whatever = no object
[ console_scripts ]
Demo = demo.cli:other
"""
    assert parse_entry_points(text) == {
        "console_scripts": (EntryPoint("Demo", "demo.cli", "main"), EntryPoint("demo-x", "demo", "App.run")),
        "gui_scripts": (EntryPoint("win", "demo", "gui"),),
    }


@pytest.mark.parametrize(
    "line",
    ["demo", "= demo:main", "demo = demo", "demo = demo:", "demo = :main", "demo = a;import os:main", "demo = a b:c",
     "demo = a.:c", "demo: a:b", "demo = a:b:c", "demo = a:b [x] y", "demo = a:b()", "demo = 1a:b"],
)  # fmt: skip
def test_a_script_that_is_no_object_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"entry_points\.txt line 2"):
        parse_entry_points(f"[console_scripts]\n{line}\n")


@pytest.mark.parametrize(
    "text",
    ["[other]\nno assignment\n", "[other]\na = b\na = c\n", "[other]\n[other]\n",
     "[console_scripts]\na = b:c\na = b:d\n", "[console_scripts]\na = b:c\n[console_scripts]\nd = b:c\n"],
)  # fmt: skip
def test_entry_points_that_mean_two_things_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"entry_points\.txt line [234]"):
        parse_entry_points(text)


identifiers = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
dotted = st.lists(identifiers, min_size=1, max_size=3).map(".".join)
points = st.builds(
    EntryPoint, st.from_regex(r"[A-Za-z0-9_.][A-Za-z0-9_. -]{0,8}[A-Za-z0-9]", fullmatch=True), dotted, dotted
)


@given(st.lists(points, min_size=1, unique_by=lambda point: point.name))
def test_entry_points_that_are_written_read_the_same(scripts: list[EntryPoint]) -> None:
    text = "[console_scripts]\n" + "".join(f"{p.name} = {p.module}:{p.attribute}\n" for p in scripts)
    assert parse_entry_points(text) == {"console_scripts": tuple(scripts)}


@given(st.text() | st.text("ab=:[]. \n#").map(lambda text: f"[console_scripts]\n{text}"))
def test_no_entry_points_make_another_error_than_a_valueerror(text: str) -> None:
    try:
        found = parse_entry_points(text)
    except ValueError:
        return
    for script in (point for section in found.values() for point in section):
        assert all(part.isidentifier() for part in f"{script.module}.{script.attribute}".split("."))


# direct_url.json


def test_a_direct_url_is_compact_and_reads_back() -> None:
    values: dict[str, Any] = {"url": "file:///ä/x.whl", "archive_info": {}}
    text = format_direct_url(values)
    assert text == '{"url":"file:///ä/x.whl","archive_info":{}}'
    assert parse_direct_url(text) == values


def test_a_url_that_is_none_says_nothing() -> None:
    assert parse_direct_url('{"url": "no address", "dir_info": {}}') is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"url": 1}', '{"url": "file:///x"}', '{"url": "x:y", "dir_info": 1}', "[" * 10**5,
     '{"url": "x:y", "archive_info": {"hash": 3}}', '{"url": "x:y", "archive_info": {"hashes": [1]}}',
     '{"url": "x:y", "dir_info": {"editable": "yes"}}', '{"url": "x:y", "vcs_info": {"vcs": "cp"}}',
     '{"url": "x:y", "dir_info": {}, "subdirectory": 1}'],
)  # fmt: skip
def test_what_is_no_direct_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"direct_url|Expecting"):
        parse_direct_url(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
)


@given(st.text() | json_values.map(json.dumps))
def test_no_direct_url_makes_another_error_than_a_valueerror(text: str) -> None:
    with suppress(ValueError):
        parse_direct_url(text)
