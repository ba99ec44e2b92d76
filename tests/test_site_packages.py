"""What is found in site-packages: every form in which a distribution may have been installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_envsync.environment.site_packages import kept_seeds, scan, site_directories
from pytest_envsync.errors import InstallError
from sites import Site, names


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def add(site: Site, entry: str, **files: str) -> Path:
    """Make a metadata directory with these files in it; two underscores stand for a dot."""
    place = site.site_packages / entry
    place.mkdir()
    for name, text in files.items():
        (place / name.replace("__", ".")).write_text(text)
    return place


def test_an_empty_environment_and_one_that_is_not_there(site: Site) -> None:
    assert scan(site.target).distributions == ()
    site.site_packages.rmdir()
    assert site_directories(site.target) == ()
    assert scan(site.target) == ((), ())


def test_names_and_versions_come_from_the_directory(site: Site) -> None:
    add(site, "Some_Thing.else-1.0rc1.dist-info", METADATA="Name: other\nVersion: 9\n")
    add(site, "b-2!1.0+local.1.dist-info")
    add(site, "a-1.dist-info", INSTALLER="conda")
    assert [(found.name, found.version) for found in site.installed] == [
        ("a", "1"),
        ("b", "2!1.0+local.1"),
        ("some-thing-else", "1.0rc1"),
    ]
    assert site.installed[0].path == str(site.site_packages / "a-1.dist-info")


def test_what_is_no_distribution_is_not_looked_at(site: Site) -> None:
    add(site, "nodash.dist-info")
    (site.site_packages / "file-1.0.dist-info").write_text("no directory")
    (site.site_packages / "pkg").mkdir()
    assert site.installed == ()


@pytest.mark.parametrize("entry", ["a-nonsense.dist-info", "a-.dist-info", "-1.0.dist-info", "a b-1.0.dist-info"])
def test_a_name_that_cannot_be_understood_is_an_error(site: Site, entry: str) -> None:
    add(site, entry)
    with pytest.raises(InstallError, match="Failed to read metadata from") as caught:
        scan(site.target)
    assert entry in str(caught.value)
    assert caught.value.exit_status == 2


def test_what_an_interrupted_pip_left_is_a_warning(site: Site) -> None:
    add(site, "~umpy-1.0.dist-info")
    add(site, "numpy-1.0.dist-info")
    found = scan(site.target)
    assert names(found.distributions) == ["numpy"]
    assert found.warnings == (f"Ignoring dangling temporary directory: `{site.site_packages / '~umpy-1.0.dist-info'}`",)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"url": "https://h/a.whl", "archive_info": {}}', {"url": "https://h/a.whl", "archive_info": {}}),
        ('{"url": "no address", "archive_info": {}}', None),
    ],
)
def test_where_it_came_from(site: Site, text: str, values: dict[str, Any] | None) -> None:
    add(site, "a-1.dist-info", direct_url__json=text)
    assert site.installed[0].direct_url == values
    assert not site.installed[0].editable


def test_an_editable_says_so(site: Site) -> None:
    add(site, "a-1.dist-info", direct_url__json='{"url": "file:///a", "dir_info": {"editable": true}}')
    assert site.installed[0].editable


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"url": 1}', '{"url": "https://h"}'])
def test_a_direct_url_that_is_none_is_an_error(site: Site, text: str) -> None:
    add(site, "a-1.dist-info", direct_url__json=text)
    with pytest.raises(InstallError, match="Failed to read metadata from"):
        scan(site.target)


@pytest.mark.parametrize(
    ("wheel", "tags"),
    [
        ("Wheel-Version: 1.0\nTag: py3-none-any\n", ("py3-none-any",)),
        ("Wheel-Version: 1.0\r\nTag: cp311-cp311-linux_x86_64\r\ntag: py2.py3-none-any\n",
         ("cp311-cp311-linux_x86_64", "py2-none-any", "py3-none-any")),
        ("Tag: cp311-cp311-linux_x86_64\n", ()),
        ("Wheel-Version: 1.0\nTag: a.b-..-c\n", ()),
        ("Wheel-Version: 1.0\nTag: py3-none-any\nTag: nonsense\n", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_the_tags_of_the_installed_wheel(site: Site, wheel: str, tags: tuple[str, ...]) -> None:
    add(site, "a-1.dist-info", WHEEL=wheel)
    assert site.installed[0].tags == tags


SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"envsync__json": json.dumps({"sha256": SHA}, separators=(",", ":"))}, (SHA, (), None, None)),
        (
            {
                "envsync__json": json.dumps(
                    {"sha256": SHA, "cache_info": {"a": 1}, "build_info": {}, "built_from": ["x"]}
                )
            },
            (SHA, ("x",), {"a": 1}, {}),
        ),
        ({"envsync__json": "nonsense"}, (None, (), None, None)),
        ({"envsync__json": "[1]"}, (None, (), None, None)),
        ({"envsync__json": '{"sha256": 1, "built_from": 2, "cache_info": 3}'}, (None, (), None, None)),
        ({"uv_cache__json": '{"a": 1}', "uv_build__json": '{"b": 2}'}, (None, (), {"a": 1}, {"b": 2})),
        ({"uv_cache__json": "["}, (None, (), None, None)),
        ({}, (None, (), None, None)),
    ],
)
def test_what_was_noted_beside_it(site: Site, files: dict[str, str], found: tuple[object, ...]) -> None:
    add(site, "a-1.dist-info", **files)
    one = site.installed[0]
    assert (one.sha256, one.built_from, one.cache_info, one.build_info) == found


def test_long_files_are_read_to_their_end(site: Site) -> None:
    note = {"sha256": SHA, "cache_info": {"x": "y" * 3_000_000}}
    add(site, "a-1.dist-info", envsync__json=json.dumps(note))
    assert site.installed[0].cache_info == note["cache_info"]


def test_eggs(site: Site, tmp_path: Path) -> None:
    add(site, "directory-1.0-py3.11.egg-info", PKG_INFO="")
    add(site, "bare.egg-info").joinpath("PKG-INFO").write_text("Name: bare\nVersion: 2.0\n")
    (site.site_packages / "old-3.0-py3.11-linux-x86_64.egg-info").write_text("Version: 3.0\n")
    (site.site_packages / "plain.egg-info").write_text("Name: plain\nVersion: 4.0\n")
    source = tmp_path / "source tree"
    (source / "my_pkg.egg-info").mkdir(parents=True)
    (source / "my_pkg.egg-info" / "PKG-INFO").write_text("Version: 5.0\n")
    (site.site_packages / "my-pkg.egg-link").write_text(f"\n{source}\n.\n")
    (site.site_packages / "nowhere.egg-link").write_text("/nowhere\n")
    (site.site_packages / "empty.egg-link").write_text("\n")
    assert [(found.name, found.version, found.kind) for found in site.installed] == [
        ("bare", "2.0", "egg-info-directory"),
        ("directory", "1.0", "egg-info-directory"),
        ("my-pkg", "5.0", "egg-link"),
        ("old", "3.0", "egg-info-file"),
        ("plain", "4.0", "egg-info-file"),
    ]
    link = site.installed[2]
    assert link.editable
    assert link.direct_url == {"url": source.as_uri(), "dir_info": {"editable": True}}


def test_an_egg_link_that_is_relative_starts_where_it_stands(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (site.site_packages / "src", site.site_packages.parent / "src"):
        (place / "egg.egg-info").mkdir(parents=True)
        (place / "egg.egg-info" / "PKG-INFO").write_text(f"Name: egg\nVersion: {len(place.parts)}\n")
    (site.site_packages / "egg.egg-link").write_text("src\n.\n")
    monkeypatch.chdir(site.site_packages.parent)
    (found,) = site.installed
    assert found.version == str(len((site.site_packages / "src").parts))


def test_an_egg_info_that_says_nothing_is_no_distribution(site: Site) -> None:
    (site.site_packages / "egg.egg-info").mkdir()
    assert not site.installed


def test_a_name_that_is_there_twice_is_found_twice(site: Site) -> None:
    add(site, "a-1.0.dist-info")
    add(site, "A-0.9.dist-info")
    assert [found.version for found in site.installed] == ["0.9", "1.0"]


def test_two_directories_are_scanned_and_one_directory_once(site: Site, tmp_path: Path) -> None:
    add(site, "a-1.0.dist-info")
    other = tmp_path / "lib64"
    (other / "b-1.0.dist-info").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(site.site_packages)
    for platlib, found in [(other, ["a", "b"]), (link, ["a"])]:
        target = site.target.at(
            python=site.target.python,
            prefix=site.target.prefix,
            paths={**site.target.paths, "platlib": str(platlib)},
            is_virtual=True,
        )
        assert names(scan(target).distributions) == found


def test_seeds_are_kept_where_the_environment_was_made_with_them(site: Site) -> None:
    assert kept_seeds(site.target) == frozenset()
    (site.prefix / "pyvenv.cfg").write_text("home = /nowhere\n")
    assert {"pip", "uv"} <= kept_seeds(site.target)
    (site.prefix / "pyvenv.cfg").unlink()
    assert "pip" in kept_seeds(site.target)
    paths = site.target.paths
    elsewhere = site.target.at(python="/p", prefix=str(site.prefix), paths=paths, is_virtual=False)
    assert "pip" in kept_seeds(elsewhere)
