"""Bytecode in an environment is the store's, or was compiled there; what a test plants is not handed on."""

from __future__ import annotations

import os
import py_compile
from pathlib import Path

import pytest

from environment_world import World, demo_world, run, site
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment

VALUE = "import demo; print(demo.VALUE)"


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo`` and ``other``, and an empty cache."""
    return demo_world(tmp_path, cache_dir, index)


def give_back(world: World, environment: CachedEnvironment) -> None:
    assert environment.lease is not None
    handed_back = world.environments.give_back(environment.lease)
    assert (bool(handed_back.diff), handed_back.damage, handed_back.error) == (False, (), None)


def compiled(environment: CachedEnvironment) -> Path:
    """The bytecode of ``demo``, which is there."""
    return next((site(environment) / "demo/__pycache__").glob("__init__.*.pyc"))


def plant(environment: CachedEnvironment, directory: Path, *, place: Path, dfile: Path | None = None) -> None:
    """Put bytecode at *place* that fits the source of ``demo`` by its header, and says ``VALUE = 666``."""
    source = site(environment) / "demo/__init__.py"
    planted = directory / "planted.py"
    text = "VALUE = 666\n"
    planted.write_text(text + "#" * (source.stat().st_size - len(text)))
    os.utime(planted, ns=(0, source.stat().st_mtime_ns))
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    mode = py_compile.PycInvalidationMode.TIMESTAMP
    py_compile.compile(
        str(planted), cfile=str(place), dfile=None if dfile is None else str(dfile), invalidation_mode=mode
    )
    assert run(environment, VALUE) == "666"


def place_of(environment: CachedEnvironment) -> Path:
    """Where the bytecode of ``demo`` belongs."""
    return Path(run(environment, "import sys; sys.dont_write_bytecode = True; import demo; print(demo.__cached__)"))


def test_planted_bytecode_reaches_no_other_environment(world: World, tmp_path: Path) -> None:
    first = world.provide("demo==1.0", name="a.txt")
    plant(first, tmp_path, place=place_of(first))
    give_back(world, first)
    second = world.provide("demo==1.0", "other==1.0", name="b.txt", lease=False)
    assert run(second, VALUE) == "1"


@pytest.mark.parametrize("is_given_back", [True, False])
@pytest.mark.parametrize("is_unchecked", [True, False])
def test_bytecode_that_a_session_wrote_runs_in_no_later_one(
    world: World, tmp_path: Path, *, is_given_back: bool, is_unchecked: bool
) -> None:
    first = world.provide("demo==1.0", name="a.txt", lease=is_given_back)
    place = place_of(first)
    plant(first, tmp_path, place=place, dfile=site(first) / "demo/__init__.py")
    if is_unchecked:
        content = place.read_bytes()
        place.write_bytes(content[:4] + b"\1\0\0\0" + bytes(8) + content[16:])
        assert run(first, VALUE) == "666"
    if is_given_back:
        give_back(world, first)
    again = world.provide("demo==1.0", name="a.txt", lease=False)
    assert (again.path, again.created, again.repaired) == (first.path, False, None)
    assert run(again, VALUE) == "1"
    second = world.provide("demo==1.0", "other==1.0", name="b.txt", lease=False)
    assert run(second, VALUE) == "1"
    # The engine compiled the module itself.
    assert compiled(second).samefile(compiled(again))


def test_bytecode_of_no_module_of_a_wheel_goes(world: World) -> None:
    first = world.provide("demo==1.0", name="a.txt")
    place = place_of(first).with_name("extra.cpython-311.opt-x.pyc")
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"anything")
    give_back(world, first)
    assert not place.exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_what_only_has_the_name_of_bytecode_is_undone(world: World) -> None:
    first = world.provide("demo==1.0", name="a.txt")
    cache = place_of(first).parent
    (cache / "hidden.cpython-311.pyc/below").mkdir(parents=True)
    (cache / "hidden.cpython-311.pyc/below/payload.py").touch()
    (cache / "link.cpython-311.pyc").symlink_to(first.python)
    os.mkfifo(cache / "extra.cpython-311.pyc")
    assert first.lease is not None
    handed_back = world.environments.give_back(first.lease)
    assert (len(handed_back.diff.files.added), handed_back.undone) == (3, True)
    assert not list(cache.glob("*.pyc"))


def test_a_link_to_the_stores_bytecode_by_another_way_is_not_kept(world: World, tmp_path: Path) -> None:
    first = world.provide("demo==1.0", name="a.txt")
    run(first, VALUE)
    give_back(world, first)
    first = world.provide("demo==1.0", name="a.txt")
    place, elsewhere = compiled(first), tmp_path / "elsewhere.pyc"
    elsewhere.write_bytes(place.read_bytes())
    place.unlink()
    place.symlink_to(elsewhere)
    give_back(world, first)
    assert not place.is_symlink()


@pytest.mark.parametrize("is_given_back", [True, False])
def test_what_takes_the_place_of_the_stores_goes(world: World, tmp_path: Path, *, is_given_back: bool) -> None:
    first = world.provide("demo==1.0", name="a.txt", lease=is_given_back)
    run(first, VALUE)
    if is_given_back:
        give_back(world, first)
    else:
        world.provide("demo==1.0", name="a.txt", lease=False)
    first = world.provide("demo==1.0", name="a.txt", lease=is_given_back)
    plant(first, tmp_path, place=compiled(first), dfile=site(first) / "demo/__init__.py")
    if is_given_back:
        give_back(world, first)
    again = world.provide("demo==1.0", name="a.txt", lease=False)
    assert (again.path, again.created, again.repaired) == (first.path, False, None)
    assert run(again, VALUE) == "1"
    second = world.provide("demo==1.0", "other==1.0", name="b.txt", lease=False)
    assert run(second, VALUE) == "1"


def test_what_the_store_got_from_another_environment_counts_too(world: World, tmp_path: Path) -> None:
    first = world.provide("demo==1.0", name="a.txt", lease=False)
    second = world.provide("demo==1.0", "other==1.0", name="b.txt")
    run(second, VALUE)
    give_back(world, second)
    plant(first, tmp_path, place=place_of(first), dfile=site(first) / "demo/__init__.py")
    again = world.provide("demo==1.0", name="a.txt", lease=False)
    assert (again.path, again.repaired) == (first.path, None)
    assert run(again, VALUE) == "1"


def test_bytecode_written_in_place_is_bad_for_nobody(world: World) -> None:
    """A hard link: root can write into the store's file."""
    first = world.provide("demo==1.0", name="a.txt")
    run(first, VALUE)
    give_back(world, first)
    second = world.provide("demo==1.0", "other==1.0", name="b.txt", lease=False)
    assert compiled(first).samefile(compiled(second))
    place = compiled(first)
    place.chmod(0o644)
    content = place.read_bytes()
    place.write_bytes(content.replace(b"demo", b"dem0", 1))
    for name, lines in (("a.txt", ["demo==1.0"]), ("b.txt", ["demo==1.0", "other==1.0"])):
        environment = world.provide(*lines, name=name, lease=False)
        assert environment.repaired is None
        assert not list((site(environment) / "demo/__pycache__").glob("__init__.*.pyc"))
        run(environment, VALUE)


def test_bytecode_that_the_store_does_not_have_stays(world: World) -> None:
    first = world.provide("demo==1.0", name="a.txt", options={"compile_bytecode": True})
    before = compiled(first).stat()
    give_back(world, first)
    again = world.provide("demo==1.0", name="a.txt", lease=False, options={"compile_bytecode": True})
    after = compiled(again).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("link_mode", ["copy", "hardlink", "symlink"])
def test_bytecode_is_kept_in_every_link_mode(world: World, link_mode: str) -> None:
    first = world.provide("demo==1.0", name="a.txt", options={"link_mode": link_mode})
    run(first, VALUE)
    give_back(world, first)
    time = compiled(first).stat().st_mtime_ns
    again = first
    for _ in range(2):
        again = world.provide("demo==1.0", name="a.txt", options={"link_mode": link_mode})
        run(again, VALUE)
        assert compiled(again).stat().st_mtime_ns == time
        give_back(world, again)
    os.utime(compiled(again))
    world.provide("demo==1.0", name="a.txt", lease=False, options={"link_mode": link_mode})
    assert compiled(again).exists()


def test_every_byte_of_bytecode_is_read_when_that_is_asked_for(world: World) -> None:
    first = world.provide("demo==1.0", name="a.txt")
    run(first, VALUE)
    give_back(world, first)
    place = compiled(first)
    status, content = place.stat(), place.read_bytes()
    place.unlink()
    place.write_bytes(content.replace(b"demo", b"dem0", 1))
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    world.environments.restore(first.path)
    assert place.exists()
    world.environments.restore(first.path, verify_files=True)
    assert not place.exists()
