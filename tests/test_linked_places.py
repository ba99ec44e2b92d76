"""Links in site-packages: nothing is written or removed through them, and no sync is stuck because of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envsync.errors import InstallError
from sites import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    place = tmp_path / "outside"
    place.mkdir()
    (place / "mine.py").write_text("mine")
    return place


def content(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_what_arrives_replaces_a_link_and_is_not_written_through_it(site: Site, outside: Path) -> None:
    place = site.site_packages / "demo"
    place.symlink_to(outside)
    (warning,) = site.sync(site.wheel("demo", files={"demo/__init__.py": "1", "demo/sub/x.py": "2"})).warnings
    assert f"`{place}` was a link to `{outside}`" in warning
    assert content(outside) == {"mine.py": "mine"}
    assert not place.is_symlink()
    assert site.below() == ["demo/__init__.py", "demo/sub/x.py"]
    site.sync()
    assert site.below() == []
    assert content(outside) == {"mine.py": "mine"}


def test_a_linked_dist_info_is_not_seen_and_replaced(site: Site, tmp_path: Path) -> None:
    demo = site.wheel("demo", files={"demo.py": "1"})
    site.sync(demo)
    place, moved = site.site_packages / "demo-1.0.dist-info", tmp_path / "moved"
    place.rename(moved)
    place.symlink_to(moved)
    before = content(moved)
    assert site.versions == {}
    assert not site.sync()
    site.sync(demo)
    assert not place.is_symlink()
    assert site.versions == {"demo": "1.0"}
    assert content(moved) == before


def test_a_directory_that_was_moved_and_linked_stays_where_it_is(site: Site, tmp_path: Path) -> None:
    site.sync(site.wheel("demo", files={"demo/__init__.py": "1"}))
    place, moved = site.site_packages / "demo", tmp_path / "moved"
    place.rename(moved)
    place.symlink_to(moved)
    (warning,) = site.sync(site.wheel("demo", "2.0", files={"demo/__init__.py": "2"})).warnings
    assert "what is there stays" in warning
    assert (moved / "__init__.py").read_text() == "1"
    assert (place / "__init__.py").read_text() == "2"


def test_a_link_that_holds_files_of_what_stays_is_refused_first(site: Site, tmp_path: Path) -> None:
    first = site.wheel("first", files={"space/one.py": "1"})
    site.sync(first)
    place, moved = site.site_packages / "space", tmp_path / "moved"
    place.rename(moved)
    place.symlink_to(moved)
    before = site.tree()
    with pytest.raises(InstallError, match="which also holds files of `first`"):
        site.sync(first, site.wheel("second", files={"space/two.py": "2"}))
    assert site.tree() == before
    assert sorted(content(moved)) == ["one.py"]


def test_a_link_that_leads_out_of_the_prefix_is_refused_first(site: Site, outside: Path) -> None:
    (site.prefix / "share").symlink_to(outside)
    before = site.tree()
    with pytest.raises(InstallError, match="outside of the environment"):
        site.sync(site.wheel("demo", data={"data/share/demo/x.txt": "x"}))
    assert site.tree() == before
    assert content(outside) == {"mine.py": "mine"}
