"""What builds leave behind goes when nobody used it for long, and never while something is built."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from factories import make_sdist, make_wheel, project_files, setuptools_free_backend
from index_server import IndexServer
from pytest_envsync.wheels.build.upkeep import prune_builds
from pytest_envsync.wheels.store.store import Store
from source_world import World, make_repository

DAY = 86_400


@pytest.fixture
def world(tmp_path: Path, index: IndexServer) -> World:
    """A cache with one environment of a build, one sdist, one clone and the log of one failure."""
    world = World(tmp_path)
    make_wheel(tmp_path / "links", "tool", files={"tool.py": setuptools_free_backend("demo", "1.0")})
    table = '[build-system]\nrequires = ["tool"]\nbuild-backend = "tool"\n[project]\nname = "demo"\nversion = "1.0"\n'
    repository = make_repository(tmp_path / "repository", {**project_files(), "pyproject.toml": table})
    sdist = index.add(make_sdist(tmp_path / "files", "fetched"))
    world.sync(f"demo @ git+{repository.as_uri()}", f"fetched @ {sdist}", find_links=(str(tmp_path / "links"),))
    world.refused(str(world.broken("\nprint('bad luck')\nraise SystemExit(1)\n", "other")))
    return world


def left(world: World) -> list[str]:
    names = ("archives", "build-environments", "git", "logs")
    return [name for name in names if any((world.cache / name).iterdir())]


def test_what_was_used_of_late_stays(world: World) -> None:
    assert prune_builds(Store(world.cache)) == 0
    assert left(world) == ["archives", "build-environments", "git", "logs"]


def test_what_was_not_used_for_long_goes(world: World) -> None:
    assert prune_builds(Store(world.cache), now=time.time() + 61 * DAY) > 10_000
    assert left(world) == []


def test_environments_of_builds_and_sdists_are_not_worth_keeping_in_ci(world: World) -> None:
    prune_builds(Store(world.cache), ci=True)
    assert left(world) == ["git", "logs"]


def test_an_environment_that_was_cut_short_goes_after_a_day(world: World) -> None:
    for snapshot in world.cache.glob("build-environments/*/*.snapshot"):
        snapshot.unlink()
    prune_builds(Store(world.cache))
    assert "build-environments" in left(world)
    prune_builds(Store(world.cache), now=time.time() + 2 * DAY)
    assert "build-environments" not in left(world)


def test_nothing_goes_while_something_is_built(world: World) -> None:
    store = Store(world.cache)
    with store.hold():
        assert prune_builds(store, now=time.time() + 61 * DAY) == 0
    assert left(world) == ["archives", "build-environments", "git", "logs"]
