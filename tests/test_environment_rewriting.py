"""What pytest makes of the modules that it rewrites: made by the engine, kept in the store, taken by later sessions."""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from pathlib import Path

import pytest

from environment_world import World, demo_world, edit, site
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment
from pytest_envsync.wheels.store.store import Store
from pytest_envsync.wheels.store.upkeep import prune, verify

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


def kept(world: World) -> list[Path]:
    """What the store has of modules as pytest rewrote them."""
    return list(world.cache_dir.glob("wheels/**/*-pytest-*.pyc"))


def test_nothing_is_made_while_another_session_is_at_work(world: World) -> None:
    first, second = (world.provide("demo==1.0", "pytest==9.2.0") for _ in range(2))
    write(first)
    assert not give_back(world, first)
    assert (kept(world), place_of(second).exists()) == ([], False)
    write(second)
    assert not give_back(world, second)
    assert len(kept(world)) == 1


@pytest.mark.parametrize("name", ["_pytest/assertion/rewrite.py", "demo/inner/__init__.py"])
def test_nothing_is_kept_of_an_environment_that_is_changed_meanwhile(world: World, name: str) -> None:
    change = (
        "import os\nfrom pathlib import Path\n"
        f"place = Path(__file__).parents[2] / {name!r}\n"
        "place.unlink()\nplace.write_text('changed = True\\n')\n\n"
    )
    files = {"_pytest/__init__.py": "", "_pytest/assertion/__init__.py": ""}
    files["_pytest/assertion/rewrite.py"] = change + REWRITE + ANYWHERE
    world.publish("pytest", "9.5.0", files=files)
    first = world.provide("demo==1.0", "pytest==9.5.0")
    write(first, "9.5.0")
    assert not give_back(world, first)
    assert (site(first) / name).read_text() == "changed = True\n"
    assert (kept(world), place_of(first, "9.5.0").exists()) == ([], False)
    again = world.provide("demo==1.0", "pytest==9.5.0")
    assert again.repaired is not None


def test_a_pytest_that_looks_as_it_did_is_read(world: World) -> None:
    """Of the same size and time, and with the bytecode that belongs to it."""
    first = world.provide("demo==1.0", "pytest==9.2.0")
    write(first)
    place = site(first) / "_pytest/assertion/rewrite.py"
    before, text = place.stat(), place.read_text()
    edit(place, text.replace("by the engine", "by nobody now"))
    place.chmod(before.st_mode & 0o777)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.stat().st_size == before.st_size
    assert not give_back(world, first)
    assert kept(world) == []


def test_bytecode_of_pytest_is_not_believed(world: World) -> None:
    """It fits its source by time and size, and says something else."""
    first = world.provide("demo==1.0", "pytest==9.2.0")
    write(first)
    source = site(first) / "_pytest/assertion/rewrite.py"
    status = source.stat()
    numbers = (0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size)
    header = importlib.util.MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in numbers)
    code = compile(source.read_text().replace("by the engine", "by the session"), str(source), "exec")
    planted = Path(importlib.util.cache_from_source(str(source)))
    planted.parent.mkdir(exist_ok=True)
    planted.write_bytes(header + marshal.dumps(code))
    assert not give_back(world, first)
    assert said(place_of(world.provide("demo==1.0", "pytest==9.2.0"))) == "by the engine"


def test_a_distribution_that_reaches_into_what_pytest_imports_keeps_it_out(world: World) -> None:
    world.publish("intruder", "1.0", files={"_pytest/more.py": "x = 1\n"})
    first = world.provide("demo==1.0", "pytest==9.2.0", "intruder==1.0")
    write(first)
    assert not give_back(world, first)
    assert kept(world) == []


def test_what_is_of_another_source_is_not_taken(world: World) -> None:
    """The rewriter read something else than the wheel brought: the hash in the header says so."""
    files = {"_pytest/__init__.py": "", "_pytest/assertion/__init__.py": ""}
    text = REWRITE.replace("source = fn.read_bytes()", "source = fn.read_bytes() + b'# more'")
    world.publish("pytest", "9.6.0", files={**files, "_pytest/assertion/rewrite.py": text + ANYWHERE})
    first = world.provide("demo==1.0", "pytest==9.6.0")
    write(first, "9.6.0")
    assert not give_back(world, first)
    assert kept(world) == []


def test_what_an_earlier_version_took_in_is_not_read_and_goes(world: World) -> None:
    used(world, "demo==1.0", "pytest==9.2.0")
    (new,) = world.cache_dir.glob("wheels/**/bytecode/*-pytest-*[0-9a-f]")
    old = new.with_name(new.name[:-4])
    new.rename(old)
    new.with_name(f"{new.name}.manifest").rename(old.with_name(f"{old.name}.manifest"))
    second = world.provide("demo==1.0", "pytest==9.2.0", "other==1.0", name="b.txt")
    assert not place_of(second).exists()
    store = Store(world.cache_dir)
    removed = prune(store, keep=lambda: list(store.entries()))
    assert (removed.entries, removed.files) == (0, 1)
    assert list(old.parent.glob("*-pytest-*")) == []


def test_verifying_every_byte_drops_what_was_changed(world: World) -> None:
    used(world, "demo==1.0", "pytest==9.2.0")
    (place,) = kept(world)
    before, content = place.stat(), place.read_bytes()
    place.chmod(0o644)
    place.write_bytes(content.replace(b"by the engine", b"by nobody now"))
    place.chmod(0o444)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    store = Store(world.cache_dir)
    assert verify(store).damaged == ()
    (entry,) = verify(store, deep=True, repair=True).damaged
    assert entry.outcome == "repaired"
    assert kept(world) == []
