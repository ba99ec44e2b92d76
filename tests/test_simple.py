"""Index pages of both formats become the same files, and no page makes a traceback."""

from __future__ import annotations

import hashlib
import html
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envsync.distributions import File
from pytest_envsync.hashes import Digest
from pytest_envsync.versions import canonical_version
from pytest_envsync.wheels.index.simple import HTML_TYPE, JSON_TYPE, Page, PageError, group_by_project, parse_page

URL = "https://example.org/simple/demo/"
SHA = hashlib.sha256(b"demo").hexdigest()


def page(body: bytes | str, content_type: str, *, url: str = URL, project: str | None = "demo") -> Page:
    content = body.encode() if isinstance(body, str) else body
    return Page(*parse_page(content, content_type, url, project=project), index="https://example.org/simple/")


def json_page(*files: dict[str, Any], version: str | None = "1.1") -> bytes:
    meta = {"meta": {"api-version": version}} if version is not None else {}
    return json.dumps({**meta, "name": "demo", "files": list(files)}).encode()


def test_a_json_page_tells_all_that_is_known_of_a_file() -> None:
    entry = {
        "filename": "demo-1.0-py3-none-any.whl",
        "url": "../../files/demo-1.0-py3-none-any.whl",
        "hashes": {"sha256": SHA.upper(), "unknown": "00"},
        "size": 1234,
        "requires-python": ">=3.8",
        "yanked": "broken\nbuild",
        "upload-time": "2024-01-02T03:04:05.678901Z",
        "core-metadata": True,
    }
    assert page(json_page(entry), JSON_TYPE).files() == (
        File(
            "demo-1.0-py3-none-any.whl",
            "https://example.org/files/demo-1.0-py3-none-any.whl",
            (Digest("sha256", SHA),),
            1234,
            ">=3.8",
            "broken build",
            "2024-01-02T03:04:05.678901Z",
            "https://example.org/simple/",
        ),
    )


def test_an_html_page_tells_the_same_as_far_as_it_can() -> None:
    body = f"""<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.1"></head><body>
    <a href="../../files/demo-1.0%2Bcpu-py3-none-any.whl#sha256={SHA}" data-requires-python="&gt;=3.8, &lt;4">x</a>
    <A HREF='https://other.example.org/demo-1.1.tar.gz' data-yanked data-gpg-sig="true">y</A>
    <a href="demo-1.2-py3-none-any.whl?x=1" data-yanked="broken">z</a>
    <a name="no address">nothing</a></body></html>"""
    first, second, third = page(body, "text/html; charset=utf-8").files()
    assert first == File(
        "demo-1.0+cpu-py3-none-any.whl",
        "https://example.org/files/demo-1.0%2Bcpu-py3-none-any.whl",
        (Digest("sha256", SHA),),
        requires_python=">=3.8, <4",
        index_url="https://example.org/simple/",
    )
    assert (second.filename, second.url, second.yanked) == (
        "demo-1.1.tar.gz",
        "https://other.example.org/demo-1.1.tar.gz",
        "",
    )
    assert (third.filename, third.url, third.yanked) == (
        "demo-1.2-py3-none-any.whl",
        "https://example.org/simple/demo/demo-1.2-py3-none-any.whl?x=1",
        "broken",
    )


@pytest.mark.parametrize(
    ("yanked", "expected"), [(False, None), (None, None), ("", None), (True, ""), ("why", "why")]
)  # fmt: skip
def test_yanked_in_json_may_be_a_reason_or_a_boolean(yanked: object, expected: str | None) -> None:
    (file,) = page(json_page({"filename": "demo-1.0.tar.gz", "url": "x", "yanked": yanked}), JSON_TYPE).files()
    assert file.yanked == expected


def test_base_moves_relative_addresses() -> None:
    body = '<html><head><base href="https://cdn.example.org/a/"></head><body><a href="demo-1.0.tar.gz">x</a>'
    assert page(body, HTML_TYPE).files()[0].url == "https://cdn.example.org/a/demo-1.0.tar.gz"


def test_base_of_a_remote_page_does_not_lead_to_this_machine() -> None:
    body = '<html><head><base href="file:///etc/"></head><body><a href="demo-1.0.tar.gz">x</a><a href="file:///etc/demo-2.0.tar.gz">'
    assert [file.url for file in page(body, HTML_TYPE).files()] == [f"{URL}demo-1.0.tar.gz"]


def test_the_files_of_a_version_are_found_in_any_spelling_and_with_local_parts() -> None:
    names = [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0.0.tar.gz",
        "Demo-1.0+cpu-py3-none-any.whl",
        "demo-1.0.1.tar.gz",
        "demo-11.0.tar.gz",
        "demo-1.0rc1.tar.gz",
        "demo-1.0.post1.tar.gz",
        "other-1.0.tar.gz",
    ]
    found = page(json_page(*({"filename": name, "url": name} for name in names)), JSON_TYPE)
    assert [file.filename for file in found.files_of("1")] == names[:3]
    assert [file.filename for file in found.files_of("1+cpu")] == names[2:3]
    assert [file.filename for file in found.files_of("1rc1")] == names[5:6]
    assert found.files_of("2") == ()
    assert [file.filename for file in found.files()] == names


def test_rows_that_lead_astray_are_left_out() -> None:
    entries: list[Any] = [
        "text",
        {"filename": "demo-1.0.tar.gz"},
        {"filename": "../demo-1.0.tar.gz", "url": "x"},
        {"filename": "demo-1.0.tar.gz\n", "url": "x"},
        {"filename": "demo-1.1.tar.gz", "url": "x\ty"},
        {"filename": "demo-1.2.tar.gz", "url": "file:///etc/passwd"},
        {"filename": 3, "url": 4},
        {
            "filename": "demo-2.0.tar.gz",
            "url": "y",
            "hashes": [],
            "size": "big",
            "requires-python": 3,
            "upload-time": 7,
        },
    ]
    assert [file[:5] for file in page(json_page(*entries), JSON_TYPE).files()] == [
        ("demo-2.0.tar.gz", f"{URL}y", (), None, None)
    ]


def test_links_that_say_nothing_useful_are_passed_over() -> None:
    body = f"""<html><head><base href="http://[::1"><meta name="other" content="2.0"></head><body>
    <a href="../">up</a><a href="demo-1.0.tar.gz#sha256={"g" * 64}&egg=demo">x</a>"""
    (file,) = page(body, HTML_TYPE).files()
    assert (file.url, file.digests) == (f"{URL}demo-1.0.tar.gz", ())


def test_a_local_page_may_point_at_local_files() -> None:
    body = '<a href="../../files/demo-1.0.tar.gz">x</a>'
    found = page(body, "text/html", url="file:///srv/simple/demo/index.html").files()
    assert [file.url for file in found] == ["file:///srv/files/demo-1.0.tar.gz"]


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"{", JSON_TYPE, "not valid JSON"),
        (b"[]", JSON_TYPE, "no list of `files`"),
        (b'{"files": {}}', JSON_TYPE, "no list of `files`"),
        (json_page(version="2.0"), JSON_TYPE, "version 1.x"),
        (b'<meta name="pypi:repository-version" content="2.0">', "text/html", "version 1.x"),
        (b"hello", "text/plain", "content type `text/plain`"),
        (b"[" * 100_000, JSON_TYPE, "not valid JSON"),
    ],
)
def test_what_is_no_page_is_refused_with_the_reason(body: bytes, content_type: str, reason: str) -> None:
    with pytest.raises(PageError, match=reason):
        page(body, content_type)


def test_a_page_without_a_content_type_is_told_by_its_first_byte() -> None:
    assert page(json_page({"filename": "demo-1.0.tar.gz", "url": "x"}), "").files()
    assert page('<a href="demo-1.0.tar.gz">x</a>', "").files()


def test_other_charsets_are_obeyed_and_unknown_ones_ignored() -> None:
    body = '<a href="demo-1.0.tar.gz" data-yanked="für nichts">x</a>'
    assert page(body.encode("latin-1"), "text/html; charset=latin-1").files()[0].yanked == "für nichts"
    assert page(body.encode(), "text/html; charset=klingon").files()[0].yanked == "für nichts"


def test_a_listing_is_grouped_by_project() -> None:
    names = ["Demo_Tool-1.0-py3-none-any.whl", "other-1.0.tar.gz", "demo-tool-0.9.zip", "index.html"]
    listing = page("".join(f'<a href="{name}">x</a>' for name in names), "text/html", project=None)
    grouped = group_by_project(listing.files())
    assert {project: [file.filename for file in files] for project, files in grouped.items()} == {
        "demo-tool": [names[0], names[2]],
        "other": [names[1]],
    }


@given(st.binary(max_size=300), st.sampled_from([JSON_TYPE, HTML_TYPE, "", "text/html; charset=utf-16"]))
def test_no_bytes_make_a_traceback(body: bytes, content_type: str) -> None:
    try:
        found = page(body, content_type)
    except PageError:
        return
    for file in found.files():
        assert file.filename


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "filename": VALUES | st.sampled_from(["demo-1.0.tar.gz", "demo-1!2-py3-none-any.whl"]),
        "url": VALUES | st.just("https://example.org/x"),
        "hashes": VALUES | st.dictionaries(st.sampled_from(["sha256", "md5", "x"]), VALUES, max_size=2),
        "size": VALUES,
        "requires-python": VALUES,
        "yanked": VALUES,
        "upload-time": VALUES,
    },
)


@given(st.lists(ENTRIES, max_size=4))
def test_no_json_values_make_a_traceback(entries: list[dict[str, Any]]) -> None:
    body = json.dumps({"files": entries}).encode()
    files = page(body, JSON_TYPE).files()
    assert len(files) <= len(entries)


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 5), st.none() | TEXTS, st.none() | TEXTS, st.booleans()),
        max_size=8,
        unique_by=lambda row: row[:2],
    )
)
def test_both_formats_say_the_same_and_rows_survive_being_kept(
    rows: list[tuple[int, int, str | None, str | None, bool]],
) -> None:
    entries, anchors = [], []
    for major, minor, requires_python, yanked, hashed in rows:
        name = f"demo-{major}.{minor}-py3-none-any.whl"
        entries.append(
            {"filename": name, "url": name, "requires-python": requires_python, "yanked": yanked or False}
            | ({"hashes": {"sha256": SHA}} if hashed else {})
        )
        attributes = f' data-requires-python="{html.escape(requires_python)}"' if requires_python else ""
        attributes += f' data-yanked="{html.escape(yanked)}"' if yanked else ""
        anchors.append(f'<a href="{name}{f"#sha256={SHA}" if hashed else ""}"{attributes}>{name}</a>')
    one, other = page(json_page(*entries), JSON_TYPE), page("\n".join(anchors), "text/html")
    assert one.files() == other.files()
    assert len(one.files()) == len(rows)
    for major, minor, *_ in rows:
        version = canonical_version(f"{major}.{minor}") or ""
        assert [file.filename for file in one.files_of(version)] == [f"demo-{major}.{minor}-py3-none-any.whl"]
