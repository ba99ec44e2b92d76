"""The wheel store: adding, finding, and what happens when something goes wrong meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import make_wheel, sha256
from pytest_envsync.distributions import StoredFile, StoredWheel
from pytest_envsync.errors import EnvsyncError, StoreError, WheelError
from pytest_envsync.hashes import Digest
from pytest_envsync.wheels.store import (
    digests,
    unpack,  # noqa: F401 - loaded before rights are dropped
)
from pytest_envsync.wheels.store.manifest import (
    read_rows,
    read_values,
    wheel_from,
    wheel_values,
    write_rows,
    write_values,
)
from pytest_envsync.wheels.store.store import Store
from small_disk import mounted_disk

ROOT_ONLY = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can drop rights")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def archive(wheels: Path) -> Path:
    return make_wheel(
        wheels,
        files={"demo/__init__.py": "x = 1\n", "demo/sub/run.sh": "#!/bin/sh\n", "demo/data.bin": bytes(5000)},
        modes={"demo/sub/run.sh": 0o755},
        requires=["other>=1"],
        requires_python=">=3.8",
    )


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def leftovers(store: Store) -> list[str]:
    return sorted(path.name for path in Path(store.wheels, ".new").glob("*"))


# adding and finding


def test_a_wheel_that_was_added_is_found_with_all_it_says(store: Store, archive: Path) -> None:
    added = store.add(archive, filename=archive.name, url="https://user:secret@host/demo.whl#sha256=abc")
    digest = sha256(archive)
    assert added == StoredWheel(
        name="demo",
        version="1.0",
        filename=archive.name,
        sha256=digest,
        tree=f"{store.root}/wheels/{digest[:2]}/{digest}/tree",
        dist_info="demo-1.0.dist-info",
        root_is_purelib=True,
        tags=("py3-none-any",),
        requires_python=">=3.8",
        requires_dist=("other>=1",),
        size=archive.stat().st_size,
        digests=(Digest("sha256", digest),),
        url=added.url,
    )
    assert store.get(digest) == Store(store.root).get(digest) == added
    assert list(store.entries()) == [digest]
    assert Path(store.root, "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert leftovers(store) == []


def test_files_are_read_only_and_match_their_rows(store: Store, archive: Path) -> None:
    wheel = store.add(archive, filename=archive.name)
    rows = store.files(wheel)
    assert [row.path for row in rows] == sorted(contents(Path(wheel.tree)))
    for row in rows:
        place = Path(wheel.tree, row.path)
        status = place.lstat()
        assert (stat.S_IMODE(status.st_mode), status.st_size, status.st_mtime_ns) == (row.mode, row.size, row.mtime_ns)
        assert row.sha256 == sha256(place)
        assert row.mode == (0o555 if row.path == "demo/sub/run.sh" else 0o444)
    assert stat.S_IMODE(Path(wheel.tree, "demo", "sub").stat().st_mode) == 0o755
    assert store.check(wheel, deep=True) == ()


def test_what_is_not_there_is_not_found(store: Store, archive: Path) -> None:
    assert store.get("0" * 64) is None
    assert store.get("../" * 21 + "x") is None
    assert store.find("anything") is None
    assert list(store.entries()) == []
    assert not Path(store.root).exists()


def test_an_umask_changes_nothing(tmp_path: Path, archive: Path) -> None:
    previous = os.umask(0o077)
    try:
        store = Store(tmp_path / "cache")
        wheel = store.add(archive, filename=archive.name)
    finally:
        os.umask(previous)
    assert store.check(wheel) == ()
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path(wheel.tree).rglob("*") if path.is_dir()} == {0o755}


def test_no_secret_reaches_the_cache(store: Store, archive: Path, wheels: Path) -> None:
    store.add(archive, filename=archive.name, url="https://user:hunter2@host/demo.whl")
    other = make_wheel(wheels, "other")
    signed = store.add(other, filename=other.name, url="https://host/other.whl?X-Amz-Signature=hunter2")
    assert signed.url is None
    kept = store.get(sha256(archive))
    assert kept is not None
    assert kept.url == "https://host/demo.whl"
    assert b"hunter2" not in b"".join(contents(Path(store.root)).values())


def test_the_same_bytes_under_another_name_are_judged_by_that_name(store: Store, archive: Path) -> None:
    wheel = store.add(archive, filename=archive.name)
    assert store.add(archive, filename="demo-1.0-2-py2.py3-none-any.whl") == wheel
    with pytest.raises(WheelError, match="METADATA says the name is `demo`"):
        store.add(archive, filename="other-1.0-py3-none-any.whl")
    with pytest.raises(WheelError, match=r"METADATA says the version is `1\.0`"):
        store.add(archive, filename="demo-2.0-py3-none-any.whl")
    assert store.add(archive, filename="other-1.0-py3-none-any.whl", skip_filename_check=True) == wheel


def test_a_bad_wheel_leaves_nothing(store: Store, wheels: Path) -> None:
    bad = make_wheel(wheels, files={"demo.py": "x"}, record=b"demo.py,sha256=AAAA,1\n")
    with pytest.raises(WheelError):
        store.add(bad, filename=bad.name)
    assert list(store.entries()) == leftovers(store) == []
    assert store.add(bad, filename=bad.name, validate=False).name == "demo"


@pytest.mark.parametrize("unchecked", ["zip", "name"])
def test_what_was_let_in_unchecked_is_missing_for_whoever_checks(store: Store, wheels: Path, unchecked: str) -> None:
    record = b"odd.py,sha256=AAAA,1\nghost,,\n" if unchecked == "zip" else None
    odd = make_wheel(wheels, "odd", record=record)
    filename = odd.name if unchecked == "zip" else "odd-2.0-py3-none-any.whl"
    lax = Store(store.root, unchecked=(unchecked,))
    added = lax.add(odd, filename=filename, validate=unchecked != "zip", skip_filename_check=unchecked == "name")
    assert added.unchecked == (unchecked,)
    assert lax.get(added.sha256) == added
    assert store.get(added.sha256) is None
    with pytest.raises(WheelError):
        store.add(odd, filename=filename)
    assert lax.get(added.sha256) == added


def test_what_passes_the_checks_later_is_there_for_everybody(store: Store, wheels: Path) -> None:
    sound = make_wheel(wheels)
    lax = Store(store.root, unchecked=("zip",))
    added = lax.add(sound, filename=sound.name, validate=False)
    checked = store.add(sound, filename=sound.name)
    assert checked.unchecked == ()
    assert store.get(added.sha256) == lax.get(added.sha256) == checked


def test_what_was_learnt_of_an_address_is_remembered(store: Store) -> None:
    store.remember("https://host/x.whl", "a" * 64)
    store.remember("https://host/x.whl", "b" * 64)
    assert store.find("https://host/x.whl") == "b" * 64
    assert store.find("https://host/y.whl") is None
    (place,) = (path for path in Path(store.wheels, "known").rglob("*") if path.is_file())
    place.write_text("nonsense")
    assert store.find("https://host/x.whl") is None


def test_a_use_is_noted_once_a_day(store: Store, archive: Path) -> None:
    wheel = store.add(archive, filename=archive.name)
    place = Path(wheel.tree).parent / "wheel"
    long_ago = time.time() - 10 * 86_400
    os.utime(place, (long_ago, long_ago))
    store.read(wheel.sha256)
    assert place.stat().st_mtime == pytest.approx(long_ago, abs=1)
    store.get(wheel.sha256)
    assert place.stat().st_mtime > time.time() - 3600
    an_hour_ago = time.time() - 3600
    os.utime(place, (an_hour_ago, an_hour_ago))
    store.get(wheel.sha256)
    assert place.stat().st_mtime == pytest.approx(an_hour_ago, abs=1)


# several at it

ADD = """
import json, sys, time
from pathlib import Path
from pytest_envsync.wheels.store.store import Store
root, archive, go = map(Path, sys.argv[1:4])
while not go.exists():
    time.sleep(0.001)
wheel = Store(root).add(archive, filename=archive.name)
tree = Path(wheel.tree)
print(json.dumps([wheel.sha256, wheel.tree, sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))]))
"""


def test_processes_that_add_the_same_wheel_end_with_one_entry(store: Store, wheels: Path, tmp_path: Path) -> None:
    archive = make_wheel(wheels, files={f"demo/m{number}.py": f"x = {number}\n" * 50 for number in range(300)})
    go = tmp_path / "go"
    command = [sys.executable, "-c", ADD, str(store.root), str(archive), str(go)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    time.sleep(0.5)
    go.touch()
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(set(said)) == 1
    digest, _, files = json.loads(said[0])
    assert list(store.entries()) == [digest]
    assert len(files) == 300 + 3 + 2
    wheel = store.get(digest)
    assert wheel is not None
    assert store.check(wheel, deep=True) == ()
    assert leftovers(store) == []


# Dies in front of the given call that names the given path for the given time.
DYING = """
import os, signal, sys
event, name, left = sys.argv[4], sys.argv[5], int(sys.argv[6])
def die(what, arguments):
    global left
    if what == event and name in str(arguments[0]):
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die)
"""


def test_a_process_that_is_killed_while_it_adds_leaves_no_entry(store: Store, wheels: Path, tmp_path: Path) -> None:
    archive = make_wheel(wheels, files={f"demo/m{number}.py": f"x = {number}\n" for number in range(1000)})
    go = tmp_path / "go"
    go.touch()
    moments = [("os.mkdir", "/entry", 1), ("open", "demo/m", 1), ("open", "demo/m", 500), ("os.rename", "/entry", 1)]
    for event, name, times in moments:
        words = [str(store.root), str(archive), str(go), event, name, str(times)]
        process = subprocess.run([sys.executable, "-c", DYING + ADD, *words], check=False)
        assert process.returncode == -signal.SIGKILL, (event, name, times)
        assert list(store.entries()) == []
    seen = [sum(1 for _ in place.rglob("m*.py")) for place in Path(store.wheels, ".new").iterdir()]
    assert sorted(seen) == [0, 0, 499, 1000]
    wheel = store.add(archive, filename=archive.name)
    assert store.check(wheel, deep=True) == ()


# a cache that cannot be written


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a mebibyte."""
    with mounted_disk(tmp_path / "disk", "512k") as place:
        yield place


def test_a_full_disk_is_said_and_leaves_nothing(small_disk: Path, wheels: Path) -> None:
    store = Store(small_disk / "cache")
    # Each file takes a page: the sum of the sizes fits, the files do not.
    archive = make_wheel(wheels, files={f"demo/m{number}.py": "x\n" for number in range(300)})
    with pytest.raises(
        StoreError, match=re.escape(f"no space is left in the cache directory `{store.root}`")
    ) as caught:
        store.add(archive, filename=archive.name)
    assert caught.value.hint is not None
    assert "cache prune" in caught.value.hint
    assert list(store.entries()) == leftovers(store) == []
    small = make_wheel(wheels, "small")
    assert store.add(small, filename=small.name).name == "small"


def test_what_cannot_fit_is_refused_before_it_is_written(small_disk: Path, wheels: Path) -> None:
    archive = make_wheel(wheels, files={"demo/big.bin": bytes(2**20)})
    store = Store(small_disk / "cache")
    with pytest.raises(StoreError, match=r"unpacks to \d+ bytes, and the cache directory has \d+ left"):
        store.add(archive, filename=archive.name)
    assert list(store.entries()) == leftovers(store) == []


def as_nobody(act: Callable[[], object]) -> str:
    """Do *act* in a child process without root's rights; give what an EnvsyncError said, or an empty text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            act()
            status = 0
        except EnvsyncError as error:
            os.write(writer, str(error).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    assert os.waitpid(child, 0)[1] == 0
    return said


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """A directory that everybody may enter, as those of a user's home are for the user."""
    place = tmp_path
    while place != place.parent and place.stat().st_uid == os.getuid():
        with suppress(PermissionError):
            place.chmod(place.stat().st_mode | 0o055)
        place = place.parent
        if place == Path("/tmp"):  # noqa: S108 - where this walk ends on most machines
            break
    return tmp_path


@ROOT_ONLY
def test_a_cache_that_may_not_be_written_is_said_and_still_read(open_path: Path, archive: Path, wheels: Path) -> None:
    store = Store(open_path / "cache")
    wheel = store.add(archive, filename=archive.name)
    # A cache that we make is for its owner alone; this one is shared.
    Path(store.root).chmod(0o755)
    other = make_wheel(wheels, "other")
    for path in (archive, other):
        path.chmod(0o644)

    def read() -> None:
        assert store.get(wheel.sha256) == wheel
        assert store.check(wheel, deep=True) == ()
        with store.hold():
            pass

    assert as_nobody(read) == ""
    said = as_nobody(lambda: store.add(other, filename=other.name))
    assert said == f"the cache directory `{store.root}` cannot be written: Permission denied"
    said = as_nobody(lambda: Store(open_path / "elsewhere").add(other, filename=other.name))
    assert said == f"the cache directory `{open_path / 'elsewhere'}` cannot be written: Permission denied"
    assert as_nobody(lambda: store.remember("key", "a" * 64)).startswith("the cache directory")


@ROOT_ONLY
def test_nobody_writes_into_the_store_by_accident(open_path: Path, archive: Path) -> None:
    store = Store(open_path / "cache")
    wheel = store.add(archive, filename=archive.name)

    def write() -> None:
        with pytest.raises(PermissionError), Path(wheel.tree, "demo", "__init__.py").open("a") as file:
            file.write("print('debug')\n")

    assert as_nobody(write) == ""
    assert store.check(wheel, deep=True) == ()


def test_a_file_where_the_cache_should_be_is_said(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot be (written|kept)"):
        Store(tmp_path / "cache").add(archive, filename=archive.name)


# what lies on disk


def test_an_entry_that_cannot_be_read_is_replaced(store: Store, archive: Path) -> None:
    wheel = store.add(archive, filename=archive.name)
    head = Path(wheel.tree).parent / "wheel"
    head.write_bytes(head.read_bytes()[:-1])
    assert store.get(wheel.sha256) is None
    assert store.add(archive, filename=archive.name) == wheel
    assert store.get(wheel.sha256) == wheel
    assert leftovers(store) == []


def test_a_manifest_that_cannot_be_read_says_what_to_do(store: Store, archive: Path) -> None:
    wheel = store.add(archive, filename=archive.name)
    (Path(wheel.tree).parent / "manifest").write_bytes(b"nonsense")
    with pytest.raises(StoreError, match=re.escape(archive.name)) as caught:
        store.files(wheel)
    assert caught.value.hint == "run `envsync cache verify --repair`"


def test_the_values_are_read_by_other_pythons(store: Store, archive: Path) -> None:
    wheel = store.add(archive, filename=archive.name)
    others = sorted(Path(sys.base_prefix).parent.glob("3.1*/bin/python"))
    code = (
        "import marshal, sys\nfrom pathlib import Path\nprint(marshal.loads(Path(sys.argv[1]).read_bytes()[12:])[:2])"
    )
    for python in [Path(sys.executable), *others]:
        command = [str(python), "-c", code, f"{wheel.tree}/../wheel"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "('demo', '1.0')\n"


rows = st.lists(
    st.builds(
        StoredFile,
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers(0, 2**40),
        st.sampled_from([0o444, 0o555]),
        st.integers(0, 2**62),
        st.text("0123456789abcdef", min_size=64, max_size=64),
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows)
def test_rows_that_are_written_read_the_same(tmp_path: Path, files: list[StoredFile]) -> None:
    place = tmp_path / os.urandom(8).hex()
    write_rows(str(place), files)
    assert read_rows(str(place)) == tuple(files)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=99), st.integers(0, 300), st.integers(1, 255))
def test_damaged_values_are_a_valueerror(tmp_path: Path, noise: bytes, place: int, change: int) -> None:
    path = tmp_path / os.urandom(8).hex()
    write_values(str(path), ("demo", "1.0", 7, None, True, ("a", "b")))
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= change
    for damaged in (bytes(content), noise, bytes(content[:place])):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            read_values(str(path))


def test_values_of_another_shape_are_a_valueerror(store: Store, archive: Path) -> None:
    wheel = store.add(archive, filename=archive.name)
    assert wheel_from(wheel_values(wheel), wheel.tree) == wheel
    for values in ((), None, 7, wheel_values(wheel)[:-2], (*wheel_values(wheel), None)):
        with pytest.raises(ValueError, match=r".+"):
            wheel_from(values, wheel.tree)


def test_reading_the_store_loads_nothing_that_unpacks(store: Store, archive: Path) -> None:
    wheel = store.add(archive, filename=archive.name)
    code = (
        "import sys\n"
        "from pytest_envsync.wheels.store.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "wheel = store.get(sys.argv[2])\n"
        "assert len(store.files(wheel)) == 6\n"
        "print(*sorted(n for n in sys.modules if n in {'zlib', 'isal', 'shutil', 'subprocess', 'httpx', 'tempfile',"
        " 'packaging', 'filelock', 'pytest_envsync.wheels.store.archive', 'pytest_envsync.record'}))"
    )
    command = [sys.executable, "-I", "-c", code, str(store.root), wheel.sha256]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == []


def test_digests_are_those_of_hashlib(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(os.urandom(700_000))
    content = place.read_bytes()
    assert digests.digest_file(str(place), ["md5", "sha256", "sha384", "sha512", "blake2b"]) == {
        "md5": hashlib.md5(content).hexdigest(),  # noqa: S324 - an algorithm that files may list
        "sha256": hashlib.sha256(content).hexdigest(),
        "sha384": hashlib.sha384(content).hexdigest(),
        "sha512": hashlib.sha512(content).hexdigest(),
        "blake2b": hashlib.blake2b(content, digest_size=32).hexdigest(),
    }
