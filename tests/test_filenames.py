"""File names tell project, version, build and tags, in old spellings too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envsync.filenames import build_tag, kind_of, projects_in, tag_text, tags_of, version_in


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("demo-1.0-py3-none-any.whl", "demo", "1.0"),
        ("Zope.Interface-5.0-cp39-cp39-win32.whl", "zope-interface", "5.0"),
        ("demo_tool-1.0-2-py3-none-any.whl", "demo-tool", "1.0"),
        ("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "torch", "2.13.0+cpu"),
        ("demo-1.0.tar.gz", "demo", "1.0"),
        ("demo-tool-1.0.zip", "demo-tool", "1.0"),
        ("demo-tool-1.0.zip", "demo", None),
        ("demo-1.0-1.tar.gz", "demo", "1.0-1"),
        ("demo-2-bar-1.0.tar.gz", "demo-2-bar", "1.0"),
        ("demo-1.0.tar.bz2", "demo", "1.0"),
        ("other-1.0-py3-none-any.whl", "demo", None),
        ("demo-what-py3-none-any.whl", "demo", None),
        ("demo-1.0.win32-py2.4.exe", "demo", None),
        ("demo.whl", "demo", None),
        ("", "demo", None),
    ],
)
def test_the_version_is_read_for_a_project(filename: str, project: str, version: str | None) -> None:
    assert version_in(filename, project) == version


@pytest.mark.parametrize(
    ("filename", "projects"),
    [
        ("Demo_Tool-1.0-py3-none-any.whl", ("demo-tool",)),
        ("demo-tool-1.0.tar.gz", ("demo-tool",)),
        ("demo-2-bar-1.0.tar.gz", ("demo-2-bar",)),
        ("demo-1-2.tar.gz", ("demo", "demo-1")),
        ("readme.txt", ()),
    ],
)
def test_a_listing_is_grouped_by_what_a_file_may_belong_to(filename: str, projects: tuple[str, ...]) -> None:
    assert projects_in(filename) == projects


def test_tags_and_builds() -> None:
    assert tags_of("py2.py3-none-any") == ("py2-none-any", "py3-none-any")
    assert tags_of("py3-none") == ()
    assert tag_text("demo-1.0-1-py3-none-any.whl") == "py3-none-any"
    names = [f"demo-1.0{build}-py3-none-any.whl" for build in ("", "-1", "-2a", "-2b", "-10")]
    shuffled = sorted(names, key=hash)
    assert sorted(shuffled, key=build_tag) == names
    assert [kind_of("a.whl"), kind_of("a.tar.gz"), kind_of("a.zip"), kind_of("a.exe"), kind_of("a.tar.bz2")] == [
        "wheel",
        "sdist",
        "sdist",
        "other",
        "other",
    ]


@given(st.text(max_size=40), st.sampled_from(["", ".whl", ".tar.gz", ".zip", ".tgz"]))
def test_no_name_makes_a_traceback(stem: str, suffix: str) -> None:
    filename = stem + suffix
    for project in projects_in(filename):
        version_in(filename, project)
    kind_of(filename)
    if suffix == ".whl":
        tags_of(tag_text(filename))
        build_tag(filename)
