"""What pytest makes of the modules that it rewrites: made by the engine, kept in the store, taken by later sessions."""

from __future__ import annotations

import importlib.util
import marshal
import sys
from pathlib import Path

import pytest

from environment_world import World, demo_world, edit, site
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment

TAG = f"{sys.implementation.cache_tag}-pytest"
REWRITE = '''\
"""A stand-in for pytest's own: it says in the code that the module went through it."""

import importlib.util, marshal


def _rewrite_test(fn, config):
    source = fn.read_bytes()
    text = source.decode() + "\\nREWRITTEN = 'by the engine'\\n"
    return importlib.util.source_hash(source), compile(text, str(fn), "exec")


def _write_pyc_fp(fp, source_hash, co):
    fp.write(importlib.util.MAGIC_NUMBER + b"\\x03\\x00\\x00\\x00" + source_hash[:8] + marshal.dumps(co))
'''
ANYWHERE = "\n\ndef _fix_code_filename(co, filename):\n    return co\n"


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo``, and a pytest 9.2.0 and 8.0.0 of which only the first takes its bytecode from anywhere."""
    world = demo_world(tmp_path, cache_dir, index)
    for version, more in (("9.2.0", ANYWHERE), ("8.0.0", "")):
        files = {"_pytest/__init__.py": "", "_pytest/assertion/__init__.py": ""}
        world.publish("pytest", version, files={**files, "_pytest/assertion/rewrite.py": REWRITE + more})
    return world


def place_of(environment: CachedEnvironment, version: str = "9.2.0") -> Path:
    return site(environment) / f"demo/__pycache__/__init__.{TAG}-{version}.pyc"


def write(environment: CachedEnvironment, version: str = "9.2.0") -> Path:
    """Leave what a session could have: a header that fits the source, and any code behind it."""
    place, source = place_of(environment, version), (site(environment) / "demo/__init__.py").read_bytes()
    code = compile("REWRITTEN = 'by the session'", "demo", "exec")
    header = importlib.util.MAGIC_NUMBER + b"\3\0\0\0" + importlib.util.source_hash(source)
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    place.write_bytes(header + marshal.dumps(code))
    return place


def give_back(world: World, environment: CachedEnvironment) -> bool:
    """Whether it differed."""
    assert environment.lease is not None
    handed_back = world.environments.give_back(environment.lease)
    assert handed_back.error is None
    return bool(handed_back.diff)


def said(place: Path) -> str:
    names: dict[str, str] = {}
    exec(marshal.loads(place.read_bytes()[16:]), names)  # noqa: S102, S302 - what the test itself had written
    return names["REWRITTEN"]


def used(world: World, *lines: str, version: str = "9.2.0") -> CachedEnvironment:
    """An environment that one session has used, as the next gets it."""
    first = world.provide(*lines)
    write(first, version)
    assert not give_back(world, first)
    again = world.provide(*lines)
    assert (again.path, again.repaired) == (first.path, None)
    return again


def test_the_engine_makes_what_a_session_wrote(world: World) -> None:
    again = used(world, "demo==1.0", "pytest==9.2.0")
    assert said(place_of(again)) == "by the engine"
    before = place_of(again).stat()
    assert not give_back(world, again)
    assert place_of(again).stat() == before


def test_the_next_environment_with_the_wheel_and_that_pytest_starts_with_it(world: World) -> None:
    first = used(world, "demo==1.0", "pytest==9.2.0")
    second = world.provide("demo==1.0", "pytest==9.2.0", "other==1.0", name="b.txt")
    assert place_of(second).samefile(place_of(first))
    assert not give_back(world, second)
    third = world.provide("demo==1.0", "pytest==8.0.0", name="c.txt")
    assert list(place_of(third).parent.glob("*-pytest-*")) == []


def test_another_artifact_of_that_version_makes_its_own(world: World) -> None:
    used(world, "demo==1.0", "pytest==9.2.0")
    world.publish("iniconfig", "2.0")
    second = world.provide("demo==1.0", "pytest==9.2.0", "iniconfig==2.0", name="b.txt")
    assert not place_of(second).exists()


def test_an_older_pytest_keeps_its_own_in_the_environment(world: World) -> None:
    again = used(world, "demo==1.0", "pytest==8.0.0", version="8.0.0")
    assert said(place_of(again, "8.0.0")) == "by the engine"
    assert list(world.cache_dir.glob("wheels/**/*-pytest-*")) == []
    assert not give_back(world, again)
    second = world.provide("demo==1.0", "pytest==8.0.0", "other==1.0", name="b.txt")
    assert not place_of(second, "8.0.0").exists()


def test_it_does_not_come_along_when_the_set_changes(world: World) -> None:
    lines = ["demo==1.0", "other==1.0", "pytest==8.0.0"]
    first = used(world, *lines, version="8.0.0")
    assert not give_back(world, first)
    forward = world.provide("demo==1.0", "other==1.1", "pytest==8.0.0")
    assert (forward.created, Path(first.path).exists()) == (True, False)
    assert not place_of(forward, "8.0.0").exists()
    # The code of this one has the path of its source in it.
    write(forward, "8.0.0")
    assert not give_back(world, forward)
    assert forward.path.encode() in place_of(forward, "8.0.0").read_bytes()


def test_what_stands_in_its_place_goes(world: World) -> None:
    again = used(world, "demo==1.0", "pytest==9.2.0")
    write(again)
    assert not give_back(world, again)
    last = world.provide("demo==1.0", "pytest==9.2.0")
    assert not place_of(last).exists()
    second = world.provide("demo==1.0", "pytest==9.2.0", "other==1.0", name="b.txt")
    assert said(place_of(second)) == "by the engine"


def test_what_was_changed_in_the_store_is_not_handed_on(world: World) -> None:
    first = used(world, "demo==1.0", "pytest==9.2.0")
    place = place_of(first)
    place.chmod(0o644)
    with place.open("r+b") as file:
        file.seek(16)
        file.write(marshal.dumps(compile("REWRITTEN = 'by the session'", "demo", "exec")))
    give_back(world, first)
    second = world.provide("demo==1.0", "pytest==9.2.0", "other==1.0", name="b.txt")
    assert not place_of(second).exists()
    assert not give_back(world, used(world, "demo==1.0", "pytest==9.2.0"))
    assert said(place_of(world.provide("demo==1.0", "pytest==9.2.0"))) == "by the engine"


@pytest.mark.parametrize("name", ["_pytest/assertion/rewrite.py", "demo/__init__.py"])
def test_nothing_is_made_in_an_environment_that_was_changed(world: World, name: str) -> None:
    first = world.provide("demo==1.0", "pytest==9.2.0")
    write(first)
    edit(site(first) / name, "raise SystemExit('changed')\n")
    assert give_back(world, first)
    again = world.provide("demo==1.0", "pytest==9.2.0")
    assert not place_of(again).exists()
    assert list(world.cache_dir.glob("wheels/**/*-pytest-*")) == []


def test_a_pytest_that_cannot_do_it_leaves_it_to_the_sessions(world: World) -> None:
    world.publish("pytest", "9.3.0", files={"_pytest/__init__.py": "", "_pytest/assertion/__init__.py": ""})
    first = world.provide("demo==1.0", "pytest==9.3.0")
    write(first, "9.3.0")
    assert not give_back(world, first)
    again = world.provide("demo==1.0", "pytest==9.3.0")
    assert (again.repaired, place_of(again, "9.3.0").exists()) == (None, False)


def test_only_what_belongs_to_pytest_is_imported(world: World) -> None:
    """Another distribution of the set has no part in it, nor has what the variables of a user name."""
    world.publish("colourful", "1.0", files={"colourful.py": "raise SystemExit('imported')\n"})
    text = "try:\n    import colourful\nexcept ImportError:\n    pass\n\n" + REWRITE + ANYWHERE
    files = {"_pytest/__init__.py": "", "_pytest/assertion/__init__.py": "", "_pytest/assertion/rewrite.py": text}
    world.publish("pytest", "9.4.0", files=files)
    first = world.provide("demo==1.0", "pytest==9.4.0", "colourful==1.0")
    write(first, "9.4.0")
    assert not give_back(world, first)
    assert said(place_of(first, "9.4.0")) == "by the engine"
    again = world.provide("demo==1.0", "pytest==9.4.0", "colourful==1.0")
    assert (again.path, again.repaired) == (first.path, None)
