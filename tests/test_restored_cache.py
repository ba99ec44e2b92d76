"""A cache that an archive kept, with times cut to seconds and hard links broken, serves as it did before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import Envsync
from environment_world import SCRIPT, World, demo_world, edit, run, site
from factories import make_wheel
from index_server import IndexServer


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo`` and ``other``, and an empty cache."""
    return demo_world(tmp_path, cache_dir, index)


def restore(cache: Path, *, keep_links: bool = False) -> None:
    """What a CI system does between two jobs: pack the cache with plain tar, and unpack it elsewhere."""
    if shutil.which("tar") is None:
        pytest.skip("there is no tar")
    archive = cache.with_name("cache.tar")
    links = [] if keep_links else ["--hard-dereference"]
    subprocess.run(["tar", "--format=gnu", *links, "-cf", archive, cache.name], cwd=cache.parent, check=True)
    shutil.rmtree(cache)
    subprocess.run(["tar", "-xf", archive], cwd=cache.parent, check=True)
    archive.unlink()


@pytest.mark.parametrize("keep_links", [True, False])
def test_environments_are_reused_with_their_bytecode(world: World, *, keep_links: bool) -> None:
    first = world.provide("demo==1.0")
    compiled = Path(run(first, "import demo; print(demo.__cached__)"))
    assert first.lease is not None
    assert not world.environments.give_back(first.lease).diff
    restore(world.cache_dir, keep_links=keep_links)
    written = compiled.stat().st_mtime_ns
    again = world.provide("demo==1.0")
    assert (again.path, again.created, again.repaired, again.warnings) == (first.path, False, None, ())
    assert run(again, SCRIPT) == "demo 1"
    assert compiled.stat().st_mtime_ns // 10**9 == written // 10**9
    assert again.lease is not None
    handed_back = world.environments.give_back(again.lease)
    assert (bool(handed_back.diff), handed_back.damage) == (False, ())
    assert not world.environments.diff(again.path, verify_files=True)


def test_new_environments_are_made_of_what_was_restored(world: World) -> None:
    first = world.provide("demo==1.0", name="a.txt")
    run(first, "import demo")
    assert first.lease is not None
    world.environments.give_back(first.lease)
    restore(world.cache_dir)
    world.index.requests.clear()
    second = world.provide("demo==1.0", "other==1.0", name="b.txt")
    assert (second.created, second.warnings) == (True, ())
    assert not [request for request in world.index.requests if "demo" in request.path and ".whl" in request.path]
    compiled = next((site(second) / "demo/__pycache__").iterdir())
    before = compiled.stat().st_mtime_ns
    run(second, "import demo")
    assert compiled.stat().st_mtime_ns == before


def test_what_was_edited_in_between_is_found(world: World) -> None:
    first = world.provide("demo==1.0", lease=False)
    restore(world.cache_dir)
    edit(site(first) / "demo/inner/data.txt", "three two one\n")
    again = world.provide("demo==1.0", lease=False)
    assert again.repaired is not None
    assert [name.rpartition("/")[2] for name in again.repaired.files.changed] == ["data.txt"]


def test_the_store_is_verified_as_sound(envsync: Envsync, demo: Path, cache_dir: Path) -> None:
    code = "import demo, other"
    assert envsync("run", demo.name, "--", "python", "-c", code).returncode == 0
    restore(cache_dir)
    pycs = list((cache_dir / "wheels").rglob("*.pyc"))
    assert len(pycs) == 2
    assert all(path.stat().st_mtime_ns % 10**9 == 0 for path in pycs)
    found = envsync("cache", "verify", "--output-format", "json")
    assert (found.returncode, json.loads(found.stdout)["damaged"]) == (0, [])
    # The times were mended: no digest is needed the next time.
    assert any(path.stat().st_mtime_ns % 10**9 for path in pycs)
    pycs[0].chmod(0o644)
    content = pycs[0].read_bytes()
    pycs[0].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    pycs[0].chmod(0o444)
    os.utime(pycs[0])
    found = envsync("cache", "verify")
    assert (found.returncode, "was written to" in found.stdout) == (1, True)


def test_local_wheels_elsewhere_are_read_again(envsync: Envsync, tmp_path: Path, cache_dir: Path) -> None:
    wheel = make_wheel(tmp_path, files={"demo.py": "VALUE = 'old'\n"})
    os.utime(wheel, (1_600_000_000, 1_600_000_000))
    (tmp_path / "a.txt").write_text(f"{wheel.as_uri()}\n")
    words = ("run", "a.txt", "--", "python", "-c", "import demo; print(demo.VALUE)")
    assert envsync(*words).stdout == "old\n"
    restore(cache_dir)
    # The archive of the project has brought the wheel with the time that it had.
    wheel.unlink()
    make_wheel(tmp_path, files={"demo.py": "VALUE = 'new'\n"})
    os.utime(wheel, (1_600_000_000, 1_600_000_000))
    assert [envsync(*words).stdout for _ in range(2)] == ["new\n"] * 2


def test_what_is_asked_of_a_copied_cache_leaves_the_other_alone(
    envsync: Envsync, demo: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert envsync("run", demo.name, "--", "python", "-c", "import demo").returncode == 0
    (first,) = json.loads(envsync("env", "list", "--output-format", "json").stdout)["environments"]
    copy = cache_dir.with_name("copy")
    shutil.copytree(cache_dir, copy, symlinks=True)
    stray = Path(first["path"], "stray")
    stray.write_text("of the first")
    monkeypatch.setenv("ENVSYNC_CACHE_DIR", str(copy))
    (second,) = json.loads(envsync("env", "list", "--output-format", "json").stdout)["environments"]
    assert Path(second["path"]).is_relative_to(copy)
    for command in ("path", "diff", "restore"):
        for place in (first["key"], second["path"])[: 1 if command == "path" else 2]:
            done = envsync("env", command, place)
            assert (done.returncode, done.stdout) == (2, ""), command
            assert "the cache was moved, or is a copy" in done.stderr
    assert stray.read_text() == "of the first"
    # As it says, and again from the other one.
    assert envsync("env", "remove", first["key"]).returncode == 0
    assert not Path(second["path"]).exists()
    shutil.rmtree(copy)
    monkeypatch.setenv("ENVSYNC_CACHE_DIR", str(cache_dir))
    assert Path(envsync("env", "path", first["key"]).stdout.strip(), "stray").read_text() == "of the first"
    shutil.copytree(cache_dir, copy, symlinks=True)
    monkeypatch.setenv("ENVSYNC_CACHE_DIR", str(copy))
    # A session makes its own, and the first one still is what it was.
    assert envsync("run", demo.name, "--", "python", "-c", "import demo").returncode == 0
    assert envsync("env", "diff", first["key"]).returncode == 0
    assert envsync("env", "remove", first["key"]).returncode == 0
    assert stray.exists()
