"""Cached environments are listed, removed and pruned; what is in use stays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from environment_world import World
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment
from pytest_envsync.errors import StoreError, TargetError, UsageError
from pytest_envsync.leases import DAY
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.sync import sync_environment
from pytest_envsync.wheels.store.store import Store
from pytest_envsync.wheels.store.upkeep import clean


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
    assert world.environments.find(environment.key).release == f"CPython {environment.version}"
    (world.cache_dir / "environments" / (environment.key[:6] + "0" * 14) / "1").mkdir(parents=True)
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


def sync(world: World, *lines: str, path: Path, reinstall: bool = False) -> None:
    """What ``envsync sync --venv`` does."""
    options = SyncOptions(
        index_url=world.index.url, venv=str(path), cache_dir=str(world.cache_dir), reinstall=reinstall
    )
    sync_environment(
        [world.lock(*lines)],
        options=options,
        cwd=str(world.directory),
        environ=dict(os.environ),
        reporter=SilentReporter(),
    )


def test_an_environment_that_sync_made_is_compared_and_restored(world: World) -> None:
    path = world.directory / "venv"
    sync(world, "one==1.0", "two==1.0", path=path)
    assert not world.environments.diff(str(path), verify_files=True)
    site = next(path.glob("lib/python*/site-packages"))
    (site / "one.py").unlink()
    (site / "one.py").write_text("spoiled")
    (site / "extra-1.dist-info").mkdir()
    (site / "two-1.0.dist-info/RECORD").write_text("")
    (path / "pyvenv.cfg").write_text("home = /nowhere\nenvsync = 0\n")
    diff = world.environments.diff("venv")
    assert diff.distributions.added == {"extra": "1"}
    assert {name.rpartition("/")[2] for name in diff.files.changed} == {"one.py", "RECORD", "pyvenv.cfg"}
    repaired = world.environments.restore("venv")
    assert repaired.changes.reinstalled == {"one": "1.0", "two": "1.0"}
    assert not world.environments.diff(str(path), verify_files=True)
    assert (site / "one.py").read_text() == "#" * 1000


def test_what_was_synced_last_is_what_should_be(world: World) -> None:
    path = world.directory / "venv"
    sync(world, "one==1.0", "two==1.0", path=path)
    sync(world, "two==1.0", "three==1.0", path=path)
    assert not world.environments.diff("venv", verify_files=True)
    site = next(path.glob("lib/python*/site-packages"))
    for name in site.glob("three*"):
        rmtree(name) if name.is_dir() else name.unlink()
    assert world.environments.diff("venv").files.removed
    assert world.environments.restore("venv").changes.installed == {"three": "1.0"}
    assert (site / "three.py").exists()


def test_an_environment_is_the_same_behind_a_link(world: World) -> None:
    sync(world, "one==1.0", path=world.directory / "venv")
    cached = Path(world.provide("two==1.0", lease=False).path)
    for name, path in (("one", world.directory / "venv"), ("two", cached)):
        link = world.directory / f"link-{name}"
        link.symlink_to(path)
        assert not world.environments.diff(link.name, verify_files=True)
        next(path.glob(f"lib/python*/site-packages/{name}.py")).unlink()
        assert len(world.environments.diff(link.name).files.removed) == 1
        assert world.environments.restore(link.name).changes.reinstalled == {name: "1.0"}
        assert not world.environments.diff(str(path), verify_files=True)


def test_wheels_that_are_gone_are_had_by_syncing_again(world: World) -> None:
    path = world.directory / "venv"
    sync(world, "one==1.0", path=path)
    clean(Store(world.cache_dir))
    with pytest.raises(StoreError, match="no longer holds the wheel of `one`") as caught:
        world.environments.diff("venv")
    assert caught.value.hint == "sync it again with --reinstall"
    sync(world, "one==1.0", path=path, reinstall=True)
    assert not world.environments.diff("venv", verify_files=True)


@pytest.mark.parametrize("act", [os.rename, copytree])
def test_an_environment_that_was_moved_says_where_it_was_made(
    world: World, act: Callable[[Path, Path], object]
) -> None:
    """It said that nothing was known of it."""
    options = SyncOptions(index_url=world.index.url, venv="some where", link_mode="copy")
    place = world.directory / "some where"
    sync_environment(
        [world.lock("one==1.0")],
        options=options,
        cwd=str(world.directory),
        environ=os.environ,
        reporter=SilentReporter(),
    )
    moved = world.directory / "moved"
    act(place, moved)
    with pytest.raises(TargetError, match=f"`{moved}` was made at `{place}`, and moved or copied") as error:
        world.environments.diff(str(moved))
    assert "move it back" in (error.value.hint or "")
    if not place.exists():
        moved.rename(place)
    assert not world.environments.diff(str(place))


def test_an_environment_nothing_was_noted_of_says_so(world: World) -> None:
    path = world.directory / "venv"
    sync(world, "one==1.0", path=path)
    rmtree(world.cache_dir / "synced")
    with pytest.raises(TargetError, match="nothing is known"):
        world.environments.diff("venv")


@pytest.mark.parametrize("act", ["remove", "prune", "prune by size", "prune by itself"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_upkeep_leaves_alone_what_a_link_in_the_place_of_an_environment_leads_to(
    world: World, tmp_path: Path, act: str, depth: int
) -> None:
    names = ("a.txt", "sub/.b.txt", "1/c.txt", "1.json", ".hidden", "empty/.keep", "leases/.old")
    outside = [tmp_path / "outside" / name for name in names]
    for path in outside:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    for path in (tmp_path / "outside").rglob("*"):
        os.utime(path, (1, 1))
    environment = world.provide("one==1.0", lease=False)
    age(environment, 100)
    place = [Path(environment.path), *Path(environment.path).parents][depth]
    place.rename(tmp_path / "away")
    place.symlink_to(tmp_path / "outside")
    if act != "remove":
        acts = {"prune": {}, "prune by size": {"max_size": 0}}
        world.environments.prune(**acts[act]) if act in acts else world.environments.auto_prune()
    elif depth:
        with pytest.raises(UsageError, match="no cached environment"):
            world.environments.remove(environment.key)
    else:
        world.environments.remove(environment.key)
    assert [path.read_text() for path in outside] == ["precious"] * len(names)
    assert not (tmp_path / "outside/pruned").exists()
