"""Processes that work on one environment, or one cache, at the same time, and those that are killed at it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import Envsync
from environment_world import World, demo_world
from index_server import IndexServer
from pytest_envsync.environment.making import find_or_make
from pytest_envsync.options import SyncOptions


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    return demo_world(tmp_path, cache_dir, index)


def test_several_make_one_environment(world: World, envsync: Envsync) -> None:
    """One found the directory half made and took it for remains, or could not make what was there by then."""
    lock = world.lock(f"--index-url {world.index.url}", "demo==1.0", "other==1.0")
    command = [sys.executable, "-m", "pytest_envsync", "sync", "--venv", "new", lock]
    processes = [
        subprocess.Popen(command, cwd=world.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    assert sum("Creating virtual environment" in text for text in told) == 1
    assert sum("Installed 2 packages" in text for text in told) == 1
    assert envsync("env", "diff", "new", "--verify-files").returncode == 0


def test_a_sync_that_fails_takes_away_only_what_it_made(world: World, envsync: Envsync) -> None:
    lock = world.lock(f"--index-url {world.index.url}", "demo==1.0")
    bad = world.lock(f"--index-url {world.index.url}", "demo==9.0", name="bad.txt")
    assert envsync("sync", "--venv", "new", bad).returncode == 1
    assert not (world.directory / "new").exists()
    assert envsync("sync", "--venv", "new", lock).returncode == 0
    assert envsync("sync", "--venv", "new", bad).returncode == 1
    assert (world.directory / "new" / "pyvenv.cfg").exists()


def test_what_is_made_is_told_by_who_made_it(tmp_path: Path, cache_dir: Path) -> None:
    options = SyncOptions(venv="new", python=sys.executable)
    found = [
        find_or_make(options, cwd=str(tmp_path), environ=os.environ, cache_dir=str(cache_dir))[1] for _ in range(2)
    ]
    assert found == [True, False]


def test_a_note_that_a_killed_sync_did_not_write_is_written_by_the_next(world: World, envsync: Envsync) -> None:
    """``env diff`` compared with what was there before the sync that was killed after it had placed everything."""
    first = world.lock(f"--index-url {world.index.url}", "demo==1.0", "other==1.0", name="first.txt")
    second = world.lock(f"--index-url {world.index.url}", "other==1.1", name="second.txt")
    assert envsync("sync", "--venv", "new", first).returncode == 0
    (note,) = (world.cache_dir / "synced").iterdir()
    before = note.read_bytes()
    assert envsync("sync", "--venv", "new", second).returncode == 0
    note.write_bytes(before)  # as if it had been killed in front of it
    assert envsync("env", "diff", "new").returncode == 1
    assert "Checked 1 package" in envsync("sync", "--venv", "new", second).stderr
    assert envsync("env", "diff", "new").returncode == 0


@pytest.mark.parametrize(("first", "then"), [("symlink", "hardlink"), ("copy", "symlink"), ("hardlink", "copy")])
def test_parts_may_be_synced_with_other_link_modes(world: World, envsync: Envsync, first: str, then: str) -> None:
    """Only the last link mode is noted; what an earlier one placed soundly was told as changed."""
    lock = world.lock(f"--index-url {world.index.url}", "demo==1.0")
    assert envsync("sync", "--venv", "new", "--link-mode", first, lock).returncode == 0
    more = world.lock(f"--index-url {world.index.url}", "demo==1.0", "other==1.0", name="more.txt")
    assert envsync("sync", "--venv", "new", "--link-mode", then, more).returncode == 0
    for option in ([], ["--verify-files"]):
        diff = envsync("env", "diff", "new", *option)
        assert (diff.returncode, diff.stdout) == (0, "")
    (module,) = (world.directory / "new").glob("lib/*/site-packages/demo/__init__.py")
    module.unlink()
    module.write_text("VALUE = 7\n")
    assert envsync("env", "diff", "new").stdout.split() == ["~", str(module.relative_to(world.directory / "new"))]
    assert envsync("env", "restore", "new").returncode == 0
    assert module.read_text().startswith("VALUE = 1\n")
    assert envsync("env", "diff", "new", "--verify-files").returncode == 0


KILLED = {
    "sync": ["sync", "--venv", "new", "more.txt"],
    "restore": ["env", "restore", "new"],
    "make": ["env", "path", "--create", "more.txt"],
    "remove": ["env", "remove", "KEY"],
    "prune": ["cache", "prune", "--older-than", "0s"],
    "clean": ["cache", "clean"],
}


@pytest.mark.parametrize("what", KILLED)
def test_a_command_that_is_killed_beside_another_leaves_what_the_next_one_mends(
    world: World, envsync: Envsync, what: str
) -> None:
    """Killed at several moments, while another process syncs from the same cache."""
    files = {f"big/m{number // 20}/f{number}.py": f"X = {number}\n" for number in range(200)}
    world.publish("big", "1.0", files=files)
    first = world.lock(f"--index-url {world.index.url}", "demo==1.0", name="first.txt")
    world.lock(f"--index-url {world.index.url}", "demo==1.0", "big==1.0", name="more.txt")
    for delay in (0.15, 0.4):
        assert envsync("sync", "--venv", "new", first).returncode == 0
        (made,) = envsync("env", "path", "--create", first).stdout.split()
        next((world.directory / "new").glob("lib/*/site-packages/demo/__init__.py")).unlink()
        words = [Path(made).parent.name if word == "KEY" else word for word in KILLED[what]]
        with subprocess.Popen(
            [sys.executable, "-m", "pytest_envsync", *words],
            cwd=world.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as killed:
            with suppress(subprocess.TimeoutExpired):
                killed.wait(timeout=delay)
            beside = subprocess.Popen(
                [sys.executable, "-m", "pytest_envsync", "sync", "--venv", "other", "more.txt"],
                cwd=world.directory,
                stderr=subprocess.PIPE,
                text=True,
            )
            killed.kill()
        said = beside.communicate()[1]
        assert beside.returncode == 0, said
        for venv in ("new", "other"):
            assert envsync("sync", "--venv", venv, "--reinstall", "more.txt").returncode == 0
            assert envsync("env", "diff", venv, "--verify-files").returncode == 0
        shown = envsync(
            "run", "more.txt", "--", "python", "-c", "import demo, big.m9.f199 as f; print(demo.VALUE, f.X)"
        )
        assert shown.stdout == "1 199\n", shown.stderr
        assert envsync("cache", "verify", "--deep").returncode == 0
