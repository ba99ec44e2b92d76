"""What another process prunes while a sync goes on is had again, or said; half an environment is never left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import MakeVenv
from environment_world import World, demo_world, site, tree
from index_server import IndexServer
from pytest_envsync.environments.generations import load_record
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.sync import SyncOutcome, sync_environment
from pytest_envsync.wheels.store.store import Store
from pytest_envsync.wheels.store.upkeep import prune


class Meddler(SilentReporter):
    """Lets something happen once a phase is over."""

    def __init__(self, when: str, act: Callable[[], object]) -> None:
        self.when = when
        self.act = act
        self.phases: list[str] = []

    def phase(self, name: str, count: int, seconds: float, detail: str = "") -> None:  # noqa: ARG002 - as a reporter has it
        self.phases.append(name)
        if name == self.when:
            self.act()


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    return demo_world(tmp_path, cache_dir, index)


def prune_by_command() -> None:
    """Another process, in the same cache."""
    command = [sys.executable, "-m", "pytest_envsync", "cache", "prune", "--older-than", "0s"]
    subprocess.run(command, check=True, capture_output=True)


def sync(world: World, venv: Path, meddler: Meddler, *, offline: bool = False) -> SyncOutcome:
    options = SyncOptions(index_url=world.index.url, python=str(venv), offline=offline)
    lock = world.lock("demo==1.0", "other==1.0")
    return sync_environment([lock], options=options, cwd=str(world.directory), environ=os.environ, reporter=meddler)


def test_what_was_pruned_since_it_was_found_is_fetched(world: World, make_venv: MakeVenv) -> None:
    """A remembered resolution knew the digests and not where the wheels are."""
    sync(world, make_venv("one"), Meddler("", lambda: None))
    venv = make_venv("two")
    meddler = Meddler("resolved", prune_by_command)
    outcome = sync(world, venv, meddler)
    assert outcome.changes.installed == {"demo": "1.0", "other": "1.0"}
    assert (outcome.prepared, outcome.installed) == (2, 2)
    assert not sync(world, venv, Meddler("", lambda: None)).changes


def test_what_was_pruned_and_cannot_be_fetched_is_said_and_nothing_was_touched(
    world: World, make_venv: MakeVenv
) -> None:
    sync(world, make_venv("one"), Meddler("", lambda: None))
    venv = make_venv("two")
    before = tree(venv, without=[".lock"])
    with pytest.raises(EnvsyncError, match="is not in the cache, and was not asked"):
        sync(world, venv, Meddler("resolved", prune_by_command), offline=True)
    assert tree(venv, without=[".lock"]) == before


def test_nothing_is_pruned_between_its_preparation_and_its_place(world: World, make_venv: MakeVenv) -> None:
    """Pruning waits: the store is held from the look-up under the lock on."""
    waiting: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        command = [sys.executable, "-m", "pytest_envsync", "cache", "prune", "--older-than", "0s"]
        waiting.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        with pytest.raises(subprocess.TimeoutExpired):
            waiting[0].wait(timeout=1)

    outcome = sync(world, make_venv(), Meddler("prepared", begin))
    assert outcome.changes.installed == {"demo": "1.0", "other": "1.0"}
    assert waiting[0].wait(timeout=300) == 0
    assert not list(Store(world.cache_dir).entries())


def test_a_store_that_is_removed_by_hand_leaves_the_old_environment(world: World, make_venv: MakeVenv) -> None:
    """``rm -r`` asks nobody."""
    venv = make_venv()
    before = tree(venv, without=[".lock"])

    def remove() -> None:
        store = Store(world.cache_dir)
        for sha256 in list(store.entries()):
            store.remove(sha256)

    with pytest.raises(EnvsyncError, match="store"):
        sync(world, venv, Meddler("prepared", remove))
    assert tree(venv, without=[".lock"]) == before


def test_an_environment_whose_wheels_were_pruned_is_restored_or_says_so(world: World) -> None:
    made = world.provide("demo==1.0", lease=False)
    (site(made) / "demo/__init__.py").unlink()
    prune(Store(world.cache_dir), older_than_days=0)
    with pytest.raises(EnvsyncError, match="no longer holds the wheel of `demo`"):
        world.environments.restore(made.path)
    again = world.provide("demo==1.0", lease=False)
    assert (site(again) / "demo/__init__.py").exists()
    assert load_record(f"{again.path}.json").packages == {"demo": "1.0"}


def test_an_environment_that_was_made_while_pruning_waited_keeps_its_wheels(world: World) -> None:
    """What no environment refers to is settled when the store is held, not before."""
    waiting: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        command = [sys.executable, "-m", "pytest_envsync", "cache", "prune", "--ci"]
        waiting.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        with pytest.raises(subprocess.TimeoutExpired):
            waiting[0].wait(timeout=2)

    world.environments.reporter = Meddler("prepared", begin)
    world.provide("demo==1.0", lease=False)
    assert waiting[0].wait(timeout=300) == 0
    assert len(list(Store(world.cache_dir).entries())) == 1
