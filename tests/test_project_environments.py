"""Cached environments with the project under test in them: built, kept apart, and rebuilt when its keys change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from factories import make_wheel, project_files, write_tree
from pytest_envsync.environments import CachedEnvironment, EnvironmentRequest, Environments, ProjectRequest
from pytest_envsync.errors import BuildError
from pytest_envsync.options import SyncOptions
from source_world import World, touch

Mode = Literal["path", "editable", "wheel"]
Provide = Callable[..., CachedEnvironment]


@pytest.fixture
def world(tmp_path: Path, clean_surrounding: None) -> World:
    world = World(tmp_path)
    make_wheel(tmp_path / "links", "other")
    (tmp_path / "lock.txt").write_text("other==1.0\n")
    return world


@pytest.fixture
def provide(world: World) -> Provide:
    """Provide the environment of ``lock.txt`` with a project and give it back: ``provide(path, mode)``."""
    environments = Environments(world.cache, cwd=str(world.root), environ=os.environ)

    def run(path: Path | None = None, mode: Mode = "editable") -> CachedEnvironment:
        environment = environments.provide(
            EnvironmentRequest(
                files=(str(world.root / "lock.txt"),),
                options=SyncOptions(find_links=(str(world.root / "links"),), no_index=True),
                project=None if path is None else ProjectRequest(path=str(path), mode=mode),
            ),
            holder_pid=os.getpid(),
        )
        assert environment.lease is not None
        environments.give_back(environment.lease)
        return environment

    return run


def test_each_way_to_install_a_project_is_an_environment_of_its_own(world: World, provide: Provide) -> None:
    tree = world.tree()
    found = {mode: provide(tree, mode) for mode in ("editable", "wheel", "path")}
    assert len({environment.key for environment in (*found.values(), provide())}) == 4
    assert found["editable"].packages == found["wheel"].packages == {"demo": "1.0", "other": "1.0"}
    assert found["path"].packages == {"other": "1.0"}
    assert not provide(tree).created
    assert (Path(found["wheel"].site_packages) / "demo.py").exists()
    assert not (Path(found["editable"].site_packages) / "demo.py").exists()


def test_an_edit_rebuilds_when_the_keys_say_so(world: World, provide: Provide) -> None:
    tree = world.tree()
    first = provide(tree)
    (tree / "demo.py").write_text("VERSION = 'edited'\n")
    assert provide(tree).key == first.key
    touch(tree / "pyproject.toml")
    assert provide(tree).key != first.key


def test_a_project_that_is_tested_as_a_wheel_is_never_stale(world: World, provide: Provide) -> None:
    tree = world.tree()
    first = provide(tree, "wheel")
    for noise in (
        ".coverage",
        "build/lib/demo.py",
        "demo.egg-info/PKG-INFO",
        "__pycache__/demo.pyc",
        "venv/pyvenv.cfg",
    ):
        write_tree(tree, {noise: "x"})
    assert provide(tree, "wheel").key == first.key
    (tree / "demo.py").write_text("VERSION = 'edited'\n")
    second = provide(tree, "wheel")
    assert (Path(second.site_packages) / "demo.py").read_text() == "VERSION = 'edited'\n"
    write_tree(tree, {"inner/data.txt": "new"})
    assert provide(tree, "wheel").key != second.key


def test_worktrees_never_share_one(world: World, provide: Provide) -> None:
    copy = write_tree(world.root / "copy", project_files())
    assert provide(world.tree()).key != provide(copy).key


def test_the_lock_wins_over_a_project_that_only_its_build_can_name(world: World, provide: Provide) -> None:
    setup = {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'}
    tree = write_tree(world.root / "demo", {**project_files("other", "9"), **setup})
    environment = provide(tree)
    assert environment.packages == {"other": "1.0"}
    assert environment.warnings == ("other is taken from the lock, not from the working tree",)


def test_a_failed_build_is_told_and_leaves_no_environment(world: World, provide: Provide) -> None:
    tree = world.broken("\ndef build_editable(*a, **k):\n    raise SystemExit('no glue left')\n")
    with pytest.raises(BuildError, match="no glue left"):
        provide(tree)
    assert list(world.cache.glob("environments/*/*")) == []
    assert world.leftovers() == []
