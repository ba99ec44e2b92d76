"""Private environments share nothing with the store that a test could reach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from environment_world import World, demo_world, run, site, tree
from index_server import IndexServer
from pytest_envsync.errors import EnvsyncError


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo`` and ``other``, and an empty cache."""
    return demo_world(tmp_path, cache_dir, index)


# private ones


def test_a_private_environment_is_independent_of_the_store(world: World, tmp_path: Path) -> None:
    environment = world.provide("demo==1.0", lease=False)
    private = world.environments.private_copy(environment, tmp_path / "mine/env")
    assert (private.path, private.lease, private.packages) == (str(tmp_path / "mine/env"), None, {"demo": "1.0"})
    before = tree(environment.path)
    module = site(private) / "demo/__init__.py"
    with module.open("a") as file:
        file.write("VALUE = 2\n")
    (site(private) / "demo/inner/data.txt").write_text("spoiled")
    os.utime(site(private) / "demo/inner/__init__.py", (1, 1))
    (site(private) / "demo-1.0.dist-info/METADATA").chmod(0o777)
    (site(private) / "demo-1.0.dist-info/WHEEL").unlink()
    assert run(private, "import demo; print(demo.VALUE)") == "2"
    assert tree(environment.path) == before
    assert not world.environments.diff(environment.path, verify_files=True)
    assert world.environments.diff(private.path).files.changed
    restored = world.environments.restore(private.path)
    assert restored.changes.reinstalled == {"demo": "1.0"}
    assert not world.environments.diff(private.path, verify_files=True)
    assert module.stat().st_mode & 0o200


def test_a_private_environment_may_be_linked_on_request(world: World, tmp_path: Path) -> None:
    environment = world.provide("demo==1.0", lease=False, options={"link_mode": "hardlink"})
    private = world.environments.private_copy(environment.path, tmp_path / "env", link_mode="hardlink")
    assert (site(private) / "demo/__init__.py").samefile(site(environment) / "demo/__init__.py")


def test_a_private_environment_needs_a_place_of_its_own(world: World, tmp_path: Path) -> None:
    environment = world.provide("demo==1.0", lease=False)
    (tmp_path / "env").mkdir()
    (tmp_path / "env/file").touch()
    with pytest.raises(EnvsyncError, match="is not empty"):
        world.environments.private_copy(environment, tmp_path / "env")
