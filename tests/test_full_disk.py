"""Environments on a disk that is full: what is said, and that nothing half-made is left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from environment_world import World, demo_world, edit, run, site, tree
from index_server import IndexServer
from pytest_envsync.errors import EnvsyncError, StoreError
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.sync import sync_environment
from pytest_envsync.wheels.store.store import Store
from pytest_envsync.wheels.store.upkeep import clean
from small_disk import mounted_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two mebibytes."""
    with mounted_disk(tmp_path / "disk", "2m") as place:
        yield place


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Leave so many bytes of the disk."""
    place = disk / "filler"
    status = os.statvfs(disk)
    with place.open("wb") as file:
        file.write(bytes(max(0, status.f_bavail * status.f_frsize - leave)))
    return place


@pytest.fixture
def world(tmp_path: Path, disk: Path, index: IndexServer) -> World:
    """A cache on the small disk, whose project is elsewhere."""
    return demo_world(tmp_path, disk / "cache", index)


@pytest.mark.parametrize("leave", [0, 40_000, 120_000])
def test_an_environment_that_has_no_room_is_not_made(world: World, disk: Path, leave: int) -> None:
    """It said ``cannot be used: [Errno 28]``."""
    first = world.provide("demo==1.0", lease=False)
    filler = fill(disk, leave=leave)
    with pytest.raises(EnvsyncError, match=r"[Nn]o(t enough)? space|unpacks to \d+ bytes") as caught:
        world.provide("demo==1.0", "other==1.1", name="b.txt", options={"link_mode": "copy"}, lease=False)
    assert "[Errno" not in str(caught.value)
    assert [listing.key for listing in world.environments.list()] == [first.key]
    filler.unlink()
    made = world.provide("demo==1.0", "other==1.1", name="b.txt", options={"link_mode": "copy"}, lease=False)
    assert run(made, "import demo, other; print(demo.VALUE, other.VERSION)") == "1 1.1"
    assert not world.environments.diff(made.path, verify_files=True)


def test_an_environment_that_cannot_be_repaired_for_want_of_room_is_repaired_later(world: World, disk: Path) -> None:
    made = world.provide("demo==1.0", options={"link_mode": "copy"}, lease=False)
    edit(site(made) / "demo/__init__.py", "VALUE = 7\n")
    (site(made) / "demo/inner/data.txt").unlink()
    filler = fill(disk)
    with pytest.raises(EnvsyncError) as caught:
        world.environments.restore(made.path)
    assert "[Errno" not in str(caught.value)
    filler.unlink()
    world.environments.restore(made.path)
    assert not world.environments.diff(made.path, verify_files=True)


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_a_sync_without_room_leaves_the_old_environment(world: World, disk: Path, mode: str) -> None:
    def sync(*lines: str) -> object:
        options = SyncOptions(
            index_url=world.index.url, venv=str(disk / "venv"), link_mode=mode, cache_dir=str(world.cache_dir)
        )
        return sync_environment(
            [world.lock(*lines)],
            options=options,
            cwd=str(world.directory),
            environ=os.environ,
            reporter=SilentReporter(),
        )

    sync("demo==1.0")
    before = tree(disk / "venv", without=[".lock"])
    filler = fill(disk)
    with pytest.raises(EnvsyncError):
        sync("demo==1.0", "other==1.1")
    assert tree(disk / "venv", without=[".lock"]) == before
    sync("demo==1.0")
    filler.unlink()
    sync("demo==1.0", "other==1.1")
    assert not world.environments.diff(str(disk / "venv"), verify_files=True)


@pytest.fixture
def frozen(world: World, disk: Path) -> Iterator[Path]:
    """The cache of ``demo``, on a file system that has become read-only."""
    world.provide("demo==1.0", lease=False)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    yield world.cache_dir
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def test_a_read_only_cache_is_used_and_nothing_is_said_to_be_removed_from_it(world: World, frozen: Path) -> None:
    """``cache clean`` said that it had removed what was still there."""
    store = Store(frozen)
    held = list(store.entries())
    with pytest.raises(StoreError, match=r"1 of 1 wheels in .* cannot be removed"):
        clean(store)
    with pytest.raises(StoreError, match="cannot be written: Read-only file system"), store.scratch():
        pytest.fail("a directory was made")
    assert list(store.entries()) == held
    options = SyncOptions(index_url=world.index.url, venv="venv", cache_dir=str(frozen))
    outcome = sync_environment(
        [world.lock("demo==1.0")],
        options=options,
        cwd=str(world.directory),
        environ=os.environ,
        reporter=SilentReporter(),
    )
    assert outcome.changes.installed == {"demo": "1.0"}
