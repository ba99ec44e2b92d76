"""Cached environments are listed, removed and pruned; what is in use stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from environment_world import World
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment
from pytest_envsync.errors import StoreError, TargetError, UsageError
from pytest_envsync.leases import DAY


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with three small wheels and an empty cache."""
    world = World(tmp_path, cache_dir, index)
    for name in ("one", "two", "three"):
        world.publish(name, "1.0", files={f"{name}.py": "#" * 1000})
    return world


def age(environment: CachedEnvironment, days: float) -> None:
    """Let an environment be unused for so many days."""
    moment = time.time() - days * DAY
    os.utime(Path(environment.path).with_name("used"), (moment, moment))


def keys(world: World) -> set[str]:
    return {listing.key for listing in world.environments.list()}


def test_listing_tells_what_there_is(world: World) -> None:
    first = world.provide("one==1.0", name="a.txt")
    second = world.provide("two==1.0", name="b.txt", lease=False)
    age(first, 2)
    listed = world.environments.list()
    assert [listing.key for listing in listed] == [second.key, first.key]
    assert [listing.leases for listing in listed] == [0, 1]
    assert [listing.path for listing in listed] == [second.path, first.path]
    assert all(listing.size > 1000 for listing in listed)
    assert listed[1].last_used < listed[0].last_used
    assert listed[0].as_dict()["python"] == second.python
    assert (world.cache_dir / "CACHEDIR.TAG").exists()


def test_nothing_is_listed_where_nothing_is(world: World) -> None:
    assert world.environments.list() == ()


def test_a_key_is_found_by_its_start(world: World) -> None:
    environment = world.provide("one==1.0", lease=False)
    assert world.environments.find(environment.key[:6]).path == environment.path
    with pytest.raises(UsageError, match="no cached environment `zzz`"):
        world.environments.find("zzz")
    with pytest.raises(UsageError, match="no cached environment"):
        world.environments.find("")
    (world.cache_dir / "environments" / (environment.key[:6] + "0" * 14)).mkdir()
    with pytest.raises(UsageError, match="several keys"):
        world.environments.find(environment.key[:6])


def test_removing_takes_all_of_an_environment(world: World) -> None:
    environment = world.provide("one==1.0", lease=False)
    assert world.environments.remove(environment.key[:5]) == environment.key
    assert not Path(environment.path).parent.exists()
    assert keys(world) == set()


def test_an_environment_in_use_is_not_removed(world: World) -> None:
    environment = world.provide("one==1.0")
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()}"):
        world.environments.remove(environment.key)
    assert Path(environment.path).exists()


def test_pruning_removes_what_is_unused(world: World) -> None:
    old = world.provide("one==1.0", name="a.txt", lease=False)
    held = world.provide("two==1.0", name="b.txt")
    young = world.provide("three==1.0", name="c.txt", lease=False)
    age(old, 15)
    age(held, 15)
    age(young, 13)
    pruned = world.environments.prune()
    assert (pruned.environments, pruned.bytes > 0) == (1, True)
    assert keys(world) == {held.key, young.key}
    assert world.environments.prune(older_than=DAY).environments == 1
    assert keys(world) == {held.key}


def test_pruning_by_size_removes_the_least_recently_used(world: World) -> None:
    environments = [world.provide(f"{name}==1.0", name=f"{name}.txt", lease=False) for name in ("one", "two", "three")]
    for days, environment in zip((3, 2, 1), environments, strict=True):
        age(environment, days)
    size = max(listing.size for listing in world.environments.list())
    assert world.environments.prune(max_size=2 * size).environments == 1
    assert keys(world) == {environment.key for environment in environments[1:]}
    assert world.environments.prune(max_size=0).environments == 2


def test_pruning_by_itself_happens_once_a_day(world: World) -> None:
    assert world.environments.auto_prune() is None
    old = world.provide("one==1.0", name="a.txt", lease=False)
    age(old, 15)
    pruned = world.environments.auto_prune()
    assert pruned is not None
    assert pruned.environments == 1
    other = world.provide("two==1.0", name="b.txt", lease=False)
    age(other, 15)
    assert world.environments.auto_prune() is None
    moment = time.time() - 2 * DAY
    os.utime(world.cache_dir / "environments/pruned", (moment, moment))
    again = world.environments.auto_prune()
    assert again is not None
    assert keys(world) == set()


def test_wheels_of_environments_outlive_the_others(world: World) -> None:
    kept = world.provide("one==1.0", name="a.txt", lease=False)
    gone = world.provide("two==1.0", name="b.txt", lease=False)
    world.environments.remove(gone.key)
    moment = time.time() - 70 * DAY
    for path in (world.cache_dir / "wheels").rglob("wheel"):
        os.utime(path, (moment, moment))
    pruned = world.environments.auto_prune()
    assert pruned is not None
    assert pruned.wheels == 1
    assert world.provide("one==1.0", name="a.txt", lease=False).path == kept.path
    assert not world.provide("one==1.0", name="a.txt", lease=False).created


def test_an_environment_is_named_by_path_or_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = world.provide("one==1.0", lease=False)
    (Path(environment.path) / "left").touch()
    relative = os.path.relpath(environment.path, world.directory)
    for name in (environment.path, f"{environment.path}/", relative, environment.key, environment.key[:4]):
        assert world.environments.diff(name).files.added == ("left",)


def test_what_envsync_did_not_make_is_refused(world: World, make_venv: object) -> None:
    with pytest.raises(TargetError, match="no virtual environment"):
        world.environments.diff(str(world.directory))
    foreign = world.directory / "foreign"
    foreign.mkdir()
    (foreign / "pyvenv.cfg").write_text("home = /usr\n")
    with pytest.raises(TargetError, match="was not made by envsync"):
        world.environments.restore(str(foreign))
    with pytest.raises(TargetError, match="no environment at"):
        world.environments.diff("./nowhere/at/all")
    with pytest.raises(UsageError, match="no cached environment"):
        world.environments.diff("beef")
