"""Damage that the store had once is found wherever it is held still, and mended there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import Envsync
from environment_world import World, demo_world, run, site
from index_server import IndexServer
from pytest_envsync.engine import Engine
from pytest_envsync.environments.generations import load_record
from pytest_envsync.environments.held_damage import held_files, mend_holders
from pytest_envsync.errors import StoreError
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.wheels.store.spoiled import forget_spoiled, load_spoiled, spoiled_directory
from pytest_envsync.wheels.store.store import Store

SHOW = "import demo; print(demo.VALUE)"


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    return demo_world(tmp_path, cache_dir, index)


def spoil(place: Path, text: str = "VALUE = 9") -> None:
    """Write into a file in place, and give it its size, time and mode back."""
    before = place.stat()
    place.chmod(0o644)
    with place.open("r+") as file:
        file.write(text)
    place.chmod(before.st_mode & 0o777)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.stat().st_size == before.st_size


def in_store(cache_dir: Path, name: str = "demo/__init__.py") -> Path:
    (place,) = (cache_dir / "wheels").glob(f"*/*/tree/{name}")
    return place


def engine_of(world: World) -> Engine:
    return Engine(
        cache_dir=world.cache_dir,
        options=SyncOptions(index_url=world.index.url),
        cwd=str(world.directory),
        environ=dict(os.environ),
        reporter=SilentReporter(),
    )


def test_a_repair_of_the_store_reaches_every_cached_environment(world: World, envsync: Envsync) -> None:
    """``cache verify --repair`` gave the store a new file, and environments kept links to the damaged one."""
    first = world.provide("demo==1.0", lease=False)
    second = world.provide("demo==1.0", "other==1.0", name="b.txt", lease=False)
    copied = world.provide("demo==1.0", name="c.txt", options={"link_mode": "copy"}, lease=False)
    place = in_store(world.cache_dir)
    assert place.samefile(site(first) / "demo/__init__.py")
    spoil(place)
    spoiled_copy = world.provide("demo==1.0", "other==1.1", name="d.txt", options={"link_mode": "copy"}, lease=False)
    assert run(spoiled_copy, SHOW) == "9"
    run(first, SHOW)  # compiled from the damage, and valid for the right source by its header

    found = envsync("cache", "verify", "--deep", "--repair", "--output-format", "json")
    assert found.returncode == 0, found.stderr
    held = json.loads(found.stdout)["environments"]
    assert set(held["mended"]) == {first.path, second.path, spoiled_copy.path}
    assert held["damaged"] == []
    assert [run(each, SHOW) for each in (first, second, copied, spoiled_copy)] == ["1", "1", "1", "1"]
    assert place.samefile(site(first) / "demo/__init__.py")
    for lines, name in ((["demo==1.0"], "a.txt"), (["demo==1.0", "other==1.0"], "b.txt")):
        assert world.provide(*lines, name=name, lease=False).repaired is None


def test_a_repair_of_a_copied_cache_leaves_the_environments_of_the_other_alone(
    world: World, envsync: Envsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.provide("demo==1.0", lease=False)
    spoil(in_store(world.cache_dir))
    copy = world.cache_dir.with_name("copy")
    shutil.copytree(world.cache_dir, copy, symlinks=True)
    monkeypatch.setenv("ENVSYNC_CACHE_DIR", str(copy))
    found = envsync("cache", "verify", "--deep", "--repair", "--output-format", "json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["environments"]["mended"] == []
    assert (site(made) / "demo/__init__.py").read_text().startswith("VALUE = 9")
    assert in_store(copy).read_text().startswith("VALUE = 1")


def test_an_environment_that_was_made_meanwhile_is_mended_before_its_next_use(world: World, envsync: Envsync) -> None:
    """Whoever places files while the store is mended may take the damaged one and be known only later."""
    made = world.provide("demo==1.0", lease=False)
    spoil(in_store(world.cache_dir))
    record = Path(f"{made.path}.json")
    hidden = record.rename(record.with_suffix(".later"))
    assert envsync("cache", "verify", "--deep", "--repair").returncode == 0
    hidden.rename(record)
    assert run(made, SHOW) == "9"
    diff = world.environments.diff(made.path)
    assert [Path(path).name for path in diff.files.changed] == ["__init__.py"]
    again = world.provide("demo==1.0", lease=False)
    assert again.path == made.path
    assert again.repaired is not None
    assert run(again, SHOW) == "1"
    assert world.provide("demo==1.0", lease=False).repaired is None


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_an_environment_outside_of_the_cache_is_named_and_mended_by_its_next_sync(
    world: World, envsync: Envsync, mode: str
) -> None:
    lock = world.lock(f"--index-url {world.index.url}", "demo==1.0", "other==1.0")
    envsync("sync", "--venv", ".venv", lock)
    spoil(in_store(world.cache_dir))
    sync = ["sync", "--venv", ".venv", "--link-mode", mode, lock]
    assert envsync(*sync, "--reinstall-package", "demo").returncode == 0
    for _ in range(3):  # also what is answered from the record of an earlier sync
        assert "Checked 2 packages" in envsync(*sync).stderr
    found = envsync("cache", "verify", "--deep", "--repair")
    venv = world.directory / ".venv"
    assert f"`{venv}` holds such damage: sync it again to mend it" in found.stderr
    assert envsync("env", "diff", ".venv").returncode == 1
    assert envsync(*sync, "--check").returncode == 1
    mended = envsync(*sync)
    assert mended.stderr.splitlines()[-1:] == [" ~ demo==1.0"]
    shown = subprocess.run([venv / "bin/python", "-c", SHOW], capture_output=True, text=True, check=True)
    assert shown.stdout == "1\n"
    assert "Checked 2 packages" in envsync(*sync).stderr
    assert "holds such damage" not in envsync("cache", "verify", "--deep", "--repair").stderr
    assert envsync("env", "diff", ".venv").returncode == 0


@pytest.mark.parametrize("option", [[], ["--offline"]])
def test_a_lock_that_is_new_to_the_cache_mends_an_environment_too(
    world: World, envsync: Envsync, option: list[str]
) -> None:
    """What is installed and right needs no file; what is replaced for its damage does."""
    lines = f"--index-url {world.index.url}", "demo==1.0", "other==1.0"
    sync = ["sync", "--venv", ".venv", "--link-mode", "hardlink"]
    envsync(*sync, world.lock(*lines))
    spoil(in_store(world.cache_dir))
    assert envsync("cache", "verify", "--deep", "--repair").returncode == 0
    lock = world.lock("# the same, and read for the first time", *lines, name="b.txt")
    assert envsync(*sync, "--dry-run", *option, lock).stderr.splitlines()[-1:] == [" ~ demo==1.0"]
    mended = envsync(*sync, *option, lock)
    assert (mended.returncode, mended.stderr.splitlines()[-1:]) == (0, [" ~ demo==1.0"])
    shown = subprocess.run([world.directory / ".venv/bin/python", "-c", SHOW], capture_output=True, check=True)
    assert shown.stdout == b"1\n"


@pytest.mark.parametrize("when", ["before a session", "after a session"])
def test_who_mends_the_store_for_a_session_names_the_environments_outside(
    world: World, envsync: Envsync, when: str
) -> None:
    lock = world.lock(f"--index-url {world.index.url}", "demo==1.0")
    envsync("sync", "--venv", ".venv", "--link-mode", "hardlink", lock)
    made = world.provide("demo==1.0", lease=when == "after a session")
    module = Path(made.site_packages, "demo/__init__.py")
    module.chmod(0o644)
    with module.open("a") as file:
        file.write("VALUE = 9")
    told = f"`{world.directory / '.venv'}` holds such damage: sync it again to mend it"
    if made.lease is not None:
        handed = world.environments.give_back(made.lease)
        assert handed.damage
        assert handed.others == (told,)
        assert handed.as_dict()["others"] == [told]
    else:
        again = world.provide("demo==1.0", lease=False)
        assert "have been mended" in again.warnings[0]
        assert again.warnings[1:] == (told,)
    assert run(world.provide("demo==1.0", lease=False), SHOW) == "1"


def test_what_its_user_wrote_into_a_copy_is_no_damage_of_the_store(world: World, envsync: Envsync) -> None:
    lock = world.lock(f"--index-url {world.index.url}", "demo==1.0")
    sync = ["sync", "--venv", ".venv", "--link-mode", "copy", lock]
    envsync(*sync)
    (module,) = (world.directory / ".venv").glob("lib/*/site-packages/demo/__init__.py")
    spoil(in_store(world.cache_dir))
    envsync("cache", "verify", "--deep", "--repair")
    module.write_text("VALUE = 2\n")
    assert "Checked 1 package" in envsync(*sync).stderr
    assert module.read_text() == "VALUE = 2\n"


def test_an_environment_whose_wheel_could_not_be_had_again_is_made_anew(world: World) -> None:
    world.provide("demo==1.0", lease=False)
    spoil(in_store(world.cache_dir))
    store = Store(world.cache_dir)
    (sha256,) = store.entries()
    wheel = store.read(sha256)
    assert wheel is not None
    with pytest.raises(StoreError, match="nothing is fetched here"):
        store.repair(wheel, store.check(wheel, deep=True))
    assert set(load_spoiled(world.cache_dir)) == {sha256}
    store.remove(sha256)
    again = world.provide("demo==1.0", lease=False)
    assert run(again, SHOW) == "1"
    assert again.created


def test_the_later_of_two_that_bring_a_file_is_what_should_be(world: World, envsync: Envsync) -> None:
    """Files of one size and time, one damaged once: the winner's is no damage of the loser's."""
    world.publish("alpha", "1.0", files={"shared.py": "V = 1\n"})
    world.publish("beta", "1.0", files={"shared.py": "V = 2\n"})
    made = world.provide("alpha==1.0", "beta==1.0", lease=False)
    loser = next(place for place in (world.cache_dir / "wheels").glob("*/*/tree/shared.py") if "1" in place.read_text())
    spoil(loser, "V = 3")
    assert envsync("cache", "verify", "--deep", "--repair").returncode == 0
    with engine_of(world) as engine:
        assert held_files(load_record(f"{made.path}.json"), engine=engine) == ()
    assert world.provide("alpha==1.0", "beta==1.0", lease=False).repaired is None


def test_attributes_that_were_given_back_are_no_damage_to_remember(world: World, envsync: Envsync) -> None:
    world.provide("demo==1.0", lease=False)
    in_store(world.cache_dir).chmod(0o644)
    assert re.search("repaired", envsync("cache", "verify", "--repair").stdout)
    assert load_spoiled(world.cache_dir) == {}


def test_notes_are_kept_by_a_clean_and_go_after_a_year(world: World, envsync: Envsync) -> None:
    world.provide("demo==1.0", lease=False)
    spoil(in_store(world.cache_dir))
    envsync("cache", "verify", "--deep", "--repair")
    envsync("cache", "clean")
    (note,) = Path(spoiled_directory(world.cache_dir)).iterdir()
    written = note.stat().st_mtime
    forget_spoiled(world.cache_dir, now=written + 364 * 86_400)
    assert note.exists()
    forget_spoiled(world.cache_dir, now=written + 366 * 86_400)
    assert load_spoiled(world.cache_dir) == {}
    note.write_text("{")
    assert load_spoiled(world.cache_dir) == {note.name: {}}
    with engine_of(world) as engine:
        assert mend_holders({note.name}, engine=engine) == ()
