"""Bytecode that one environment compiled serves the next."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import make_wheel, sha256
from pytest_envsync.distributions import StoredWheel
from pytest_envsync.wheels.store.bytecode import is_bytecode
from pytest_envsync.wheels.store.store import Store

TAG = sys.implementation.cache_tag
MAGIC = importlib.util.MAGIC_NUMBER
PYC = f"demo/__pycache__/__init__.{TAG}.pyc"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def wheel(store: Store, wheels: Path) -> StoredWheel:
    archive = make_wheel(
        wheels,
        files={"demo/__init__.py": "x = 1\n", "demo/other.py": "y = 2\n"},
        data={"purelib/extra.py": "z = 3\n"},
    )
    return store.add(archive, filename=archive.name, url=archive.as_uri())


@pytest.fixture
def linked(wheel: StoredWheel, tmp_path: Path) -> Path:
    """A directory that holds the wheel's files by hard links, as an environment does."""
    place = tmp_path / "env"
    shutil.copytree(wheel.tree, place, copy_function=os.link)
    return place


def compiled(place: Path, *, optimize: int = -1) -> dict[str, Path]:
    """Compile everything in *place* as imports do; gives the bytecode files by their path in it."""
    for source in place.rglob("*.py"):
        py_compile.compile(
            str(source),
            doraise=True,
            optimize=optimize,
            invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP,
        )
    return {path.relative_to(place).as_posix(): path for path in place.rglob("*.pyc")}


def test_bytecode_is_adopted_and_listed(store: Store, wheel: StoredWheel, linked: Path) -> None:
    found = compiled(linked)
    assert len(found) == 3
    assert store.bytecode(wheel, TAG) == (None, ())
    assert store.adopt_bytecode(wheel, TAG, found, magic=MAGIC) == 3
    root, rows = store.bytecode(wheel, TAG)
    assert root is not None
    assert [row.path for row in rows] == sorted(found)
    for row in rows:
        place = Path(root, row.path)
        status = place.lstat()
        assert status.st_ino == found[row.path].stat().st_ino
        assert (stat.S_IMODE(status.st_mode), status.st_size, status.st_mtime_ns) == (0o444, row.size, row.mtime_ns)
        assert sha256(place) == row.sha256
    assert store.adopt_bytecode(wheel, TAG, found, magic=MAGIC) == 0
    assert store.check(wheel, deep=True) == ()


def test_the_next_environment_runs_what_was_adopted(
    store: Store, wheel: StoredWheel, linked: Path, tmp_path: Path
) -> None:
    store.adopt_bytecode(wheel, TAG, compiled(linked), magic=MAGIC)
    root, rows = store.bytecode(wheel, TAG)
    fresh = tmp_path / "fresh"
    shutil.copytree(wheel.tree, fresh, copy_function=os.link)
    for row in rows:
        (fresh / row.path).parent.mkdir(exist_ok=True)
        os.link(f"{root}/{row.path}", fresh / row.path)
    code = "import demo, demo.other; print(demo.x, demo.other.y)"
    environ = {**os.environ, "PYTHONPATH": str(fresh)}
    result = subprocess.run([sys.executable, "-v", "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert result.stdout == "1 2\n"
    assert f"# {fresh}/{PYC} matches {fresh}/demo/__init__.py" in result.stderr
    assert f"wrote '{fresh}" not in result.stderr


def test_optimised_bytecode_is_kept_beside(store: Store, wheel: StoredWheel, linked: Path) -> None:
    assert store.adopt_bytecode(wheel, TAG, compiled(linked), magic=MAGIC) == 3
    assert store.adopt_bytecode(wheel, TAG, compiled(linked, optimize=2), magic=MAGIC) == 3
    assert len(store.bytecode(wheel, TAG)[1]) == 6


@pytest.mark.parametrize("place", [0, 4, 8, 12])
def test_a_header_that_does_not_fit_is_passed_over(store: Store, wheel: StoredWheel, linked: Path, place: int) -> None:
    """Magic number, flags, time and size of the source, in this order."""
    found = compiled(linked)
    content = bytearray(found[PYC].read_bytes())
    content[place] ^= 1
    found[PYC].write_bytes(content)
    assert store.adopt_bytecode(wheel, TAG, found, magic=MAGIC) == 2
    assert PYC not in [row.path for row in store.bytecode(wheel, TAG)[1]]


@pytest.mark.parametrize(
    "mode", [py_compile.PycInvalidationMode.CHECKED_HASH, py_compile.PycInvalidationMode.UNCHECKED_HASH]
)
def test_hash_based_bytecode_is_passed_over(
    store: Store, wheel: StoredWheel, linked: Path, mode: py_compile.PycInvalidationMode
) -> None:
    place = py_compile.compile(str(linked / "demo" / "__init__.py"), invalidation_mode=mode)
    assert store.adopt_bytecode(wheel, TAG, {PYC: Path(str(place))}, magic=MAGIC) == 0


def test_bytecode_that_is_there_is_not_replaced(store: Store, wheel: StoredWheel, linked: Path) -> None:
    found = compiled(linked)
    assert store.adopt_bytecode(wheel, TAG, found, magic=MAGIC) == 3
    before = store.bytecode(wheel, TAG)
    content = found[PYC].read_bytes()
    found[PYC].unlink()
    found[PYC].write_bytes(content + b"more")
    assert store.adopt_bytecode(wheel, TAG, found, magic=MAGIC) == 0
    assert store.bytecode(wheel, TAG) == before
    assert store.check(wheel, deep=True) == ()


def test_bytecode_of_a_changed_source_is_passed_over(store: Store, wheel: StoredWheel, linked: Path) -> None:
    source = linked / "demo" / "__init__.py"
    source.unlink()
    source.write_text("x = 666\n")
    found = compiled(linked)
    assert store.adopt_bytecode(wheel, TAG, {PYC: found[PYC]}, magic=MAGIC) == 0


def test_bytecode_is_passed_over_when_the_stores_source_changed(store: Store, wheel: StoredWheel, linked: Path) -> None:
    found = compiled(linked)
    source = Path(wheel.tree, "demo/__init__.py")
    source.chmod(0o644)
    with source.open("r+") as file:
        file.write("X")
    assert store.adopt_bytecode(wheel, TAG, {PYC: found[PYC]}, magic=MAGIC) == 0


def test_what_is_no_bytecode_of_the_wheel_is_passed_over(
    store: Store, wheel: StoredWheel, linked: Path, tmp_path: Path
) -> None:
    sound = compiled(linked)[PYC]
    strange = {
        f"demo/__pycache__/unknown.{TAG}.pyc": sound,
        "demo/__pycache__/__init__.cpython-27.pyc": sound,
        f"demo/__pycache__/__init__.{TAG}-pytest-9.0.0.pyc": sound,
        f"demo/__init__.{TAG}.pyc": sound,
        f"../demo/__pycache__/__init__.{TAG}.pyc": sound,
        f"demo/__pycache__/../__pycache__/__init__.{TAG}.pyc": sound,
        f"demo/__pycache__/other.{TAG}.pyc": tmp_path / "missing.pyc",
    }
    assert store.adopt_bytecode(wheel, TAG, strange, magic=MAGIC) == 0
    assert store.adopt_bytecode(wheel, "pypy310-pp73", {PYC: sound}, magic=MAGIC) == 0
    assert store.adopt_bytecode(wheel, "../x", {PYC: sound}, magic=MAGIC) == 0
    assert store.adopt_bytecode(wheel, TAG, {PYC: sound}, magic=b"") == 0
    assert store.bytecode(wheel, "../x") == (None, ())
    assert store.adopt_bytecode(wheel, TAG, {PYC: sound}, magic=MAGIC) == 1


def test_bytecode_on_another_file_system_is_copied(store: Store, wheel: StoredWheel, linked: Path) -> None:
    memory = Path("/dev/shm")  # noqa: S108 - a file system that is another one than the temporary directory's
    if not memory.is_dir() or memory.stat().st_dev == linked.stat().st_dev:
        pytest.skip("there is only one file system")
    place = memory / f"envsync-test-{os.getpid()}"
    shutil.copytree(linked, place)
    elsewhere = compiled(place)[PYC]
    try:
        assert store.adopt_bytecode(wheel, TAG, {PYC: elsewhere}, magic=MAGIC) == 1
        root, (row,) = store.bytecode(wheel, TAG)
        assert Path(f"{root}/{PYC}").read_bytes() == elsewhere.read_bytes()
        assert store.check(wheel, deep=True) == ()
        assert stat.S_IMODE(elsewhere.stat().st_mode) != 0o444
        assert row.mode == 0o444
    finally:
        shutil.rmtree(place)


def test_damaged_bytecode_is_found_and_dropped(store: Store, wheel: StoredWheel, linked: Path) -> None:
    store.adopt_bytecode(wheel, TAG, compiled(linked), magic=MAGIC)
    root, _ = store.bytecode(wheel, TAG)
    place = Path(f"{root}/{PYC}")
    before = place.stat()
    place.chmod(0o644)
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    place.chmod(0o444)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.check(wheel) == ()
    (damage,) = store.check(wheel, deep=True)
    assert (damage.path, damage.kind, damage.is_bytecode) == (f"bytecode/{TAG}/{PYC}", "changed", True)
    store.repair(wheel, [damage])
    assert store.check(wheel, deep=True) == ()
    assert len(store.bytecode(wheel, TAG)[1]) == 2
    assert not place.exists()


def test_a_damaged_list_of_bytecode_counts_as_none(store: Store, wheel: StoredWheel, linked: Path) -> None:
    found = compiled(linked)
    store.adopt_bytecode(wheel, TAG, found, magic=MAGIC)
    root, _ = store.bytecode(wheel, TAG)
    Path(f"{root}.manifest").write_bytes(b"nonsense")
    assert store.bytecode(wheel, TAG) == (None, ())
    assert store.adopt_bytecode(wheel, TAG, found, magic=MAGIC) == 3
    assert store.check(wheel, deep=True) == ()


def test_processes_that_offer_bytecode_at_once_lose_nothing(store: Store, wheel: StoredWheel, linked: Path) -> None:
    code = (
        "import sys, importlib.util\n"
        "from pathlib import Path\n"
        "from pytest_envsync.wheels.store.store import Store\n"
        "store = Store(sys.argv[1]); wheel = store.get(sys.argv[2])\n"
        "print(store.adopt_bytecode(wheel, sys.implementation.cache_tag, {sys.argv[3]: Path(sys.argv[4])},"
        " magic=importlib.util.MAGIC_NUMBER))"
    )
    found = compiled(linked)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(store.root), wheel.sha256, path, str(place)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for path, place in found.items()
    ]
    assert [process.communicate(timeout=300)[0] for process in processes] == ["1\n"] * 3
    assert [row.path for row in store.bytecode(wheel, TAG)[1]] == sorted(found)


@given(st.text())
def test_any_path_can_be_asked_about(path: str) -> None:
    assert not is_bytecode(path) or path.endswith(".pyc")
