"""What grows in the cache is cleared, and nothing that somebody has in his hands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Envsync
from environment_world import World, demo_world, tree
from index_server import IndexServer
from pytest_envsync.cache import exclusive
from pytest_envsync.environments.notes import clear_notes
from pytest_envsync.leases import DAY
from pytest_envsync.pytest_plugin import guard


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    return demo_world(tmp_path, cache_dir, index)


def age(path: Path, days: float) -> Path:
    """Let a file be as old as that; it is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "questions/abc",
        "memo/ab/abc.json",
        "remembered/abc",
        "probes/key-digest",
        "templates/a.json",
        "interpreters/a.json",
        "index/ab/c.page",
    ],
)
def test_what_nobody_wrote_to_for_two_months_goes(tmp_path: Path, name: str) -> None:
    old, young = age(tmp_path / name, 61), age(tmp_path / f"{name}.young", 59)
    rest, new_rest = age(old.with_name(".4711-ab.new"), 2), age(old.with_name(".4712-ab.new"), 0.5)
    clear_notes(tmp_path, now=time.time())
    assert [path.exists() for path in (old, young, rest, new_rest)] == [False, True, False, True]


@pytest.mark.parametrize("folder", ["environments/abc", "environments/abc/leases", "spoiled", "synced"])
def test_what_was_left_half_written_goes_alone(tmp_path: Path, folder: str) -> None:
    """One such file kept every later run in that environment from the short way."""
    rest, new_rest = age(tmp_path / folder / ".4711-ab.new", 2), age(tmp_path / folder / ".4712-ab.new", 0.5)
    others = [age(tmp_path / folder / name, 100) for name in ("1.json", "1.snapshot", "used", "a" * 64)]
    clear_notes(tmp_path, now=time.time())
    assert [path.exists() for path in (rest, new_rest, *others)] == [False, *[True] * 5]


def test_what_is_noted_of_environments_and_interpreters_that_are_gone_goes(tmp_path: Path) -> None:
    gone, here = tmp_path / "gone", tmp_path
    notes = {}
    for folder, key in (("synced", "path"), ("interpreters", "executable")):
        for place in (gone, here):
            notes[folder, place] = tmp_path / folder / f"{place.name}.json"
            notes[folder, place].parent.mkdir(exist_ok=True)
            notes[folder, place].write_text(json.dumps({key: str(place)}))
    clear_notes(tmp_path, now=time.time())
    assert all(note.exists() for note in notes.values())  # it may be a disk that is not mounted just now
    clear_notes(tmp_path, now=time.time() + 15 * DAY)
    assert {place for (_, place), note in notes.items() if note.exists()} == {here}


def test_locks_that_nobody_takes_go_and_those_that_are_held_stay(tmp_path: Path) -> None:
    old, young, held = (tmp_path / "locks" / f"{name}.lock" for name in ("old", "young", "held"))
    age(old, 15)
    age(young, 13)
    code = (
        "import sys; from pathlib import Path; from pytest_envsync.cache import shared\n"
        f"with shared(Path({str(held)!r}), timeout=5): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        age(held, 15)
        clear_notes(tmp_path, now=time.time())
        assert [path.exists() for path in (old, young, held)] == [False, True, True]
        other.communicate()
    with exclusive(old, timeout=0) as is_held:
        assert is_held


def test_an_environment_takes_its_lock_with_it(world: World, envsync: Envsync) -> None:
    made = world.provide("demo==1.0", lease=False)
    lock = world.cache_dir / "locks" / f"{made.key}.lock"
    assert lock.exists()
    assert envsync("env", "remove", made.key).returncode == 0
    assert not lock.exists()
    made = world.provide("demo==1.0", lease=False)
    world.environments.prune(older_than=0)
    assert not lock.exists()


def test_a_memo_that_is_used_is_kept(world: World) -> None:
    world.provide("demo==1.0", lease=False)
    (record,) = world.cache_dir.glob("memo/*/*")
    age(record, 59)
    world.provide("demo==1.0", lease=False)
    assert time.time() - record.stat().st_mtime < DAY


def test_the_guards_of_killed_sessions_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    gone = [age(tmp_path / f"{ended.pid}-ab.json{end}", 8) for end in ("", ".claimed")]
    living = age(tmp_path / f"{os.getpid()}-ab.json", 8)
    young = age(tmp_path / f"{ended.pid}-cd.json", 6)
    written = guard.write(tmp_path, {})
    assert {*tmp_path.iterdir()} == {living, young, written}
    assert not any(path.exists() for path in gone)


def test_the_scratch_directories_of_killed_processes_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    scratch = tmp_path / "scratch"
    gone, living = scratch / f"{ended.pid}-ab", scratch / f"{os.getpid()}-ab"
    for place in (gone, living):
        age(place / "file", 3)
        os.utime(place, (time.time() - 3 * DAY,) * 2)
    clear_notes(tmp_path, now=time.time())
    assert [path.exists() for path in (gone, living)] == [False, True]


def test_pruning_the_cache_clears_its_notes_too(world: World, envsync: Envsync) -> None:
    made = world.provide("demo==1.0", lease=False)
    before = tree(made.path)
    probe = age(world.cache_dir / "probes" / "key", 61)
    assert envsync("cache", "prune").returncode == 0
    assert not probe.exists()
    assert tree(made.path) == before
    assert not world.environments.diff(made.path)
