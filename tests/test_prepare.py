"""From candidates to wheels in the store: fetched, proved, unpacked, or refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from factories import make_sdist, make_wheel, sha256
from index_server import IndexServer
from pytest_envsync.distributions import Candidate, File, StoredWheel
from pytest_envsync.errors import (
    BuildError,
    EnvsyncError,
    FetchError,
    HashMismatch,
    InputError,
    OfflineError,
    SelectionError,
    WheelError,
)
from pytest_envsync.hashes import Digest, HashPolicy
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, Origin
from pytest_envsync.target import Target
from pytest_envsync.values import replace
from pytest_envsync.wheels import fetch
from pytest_envsync.wheels.fetch import fetch_archive
from pytest_envsync.wheels.index.client import Client
from pytest_envsync.wheels.lookup import find_stored
from pytest_envsync.wheels.prepare import PreparedWheel, prepare_wheels
from pytest_envsync.wheels.proof import prove
from pytest_envsync.wheels.store.store import Store

TARGET = Target(
    python=sys.executable,
    version="3.11.7",
    implementation="cpython",
    cache_tag="cpython-311",
    markers={"python_full_version": "3.11.7"},
    tags=("py3-none-any",),
    paths={},
    prefix="",
    base_python=sys.executable,
    base_prefix="",
    is_virtual=True,
    fingerprint="",
)
ORIGIN = Origin("requirements.txt", 3)


class Told(SilentReporter):
    """What was told of progress."""

    def __init__(self) -> None:
        self.expected = [0, 0]
        self.bytes = 0
        self.files: list[str] = []
        self._lock = threading.Lock()

    def expect(self, wheels: int, size: int | None) -> None:
        self.expected = [self.expected[0] + wheels, self.expected[1] + (size or 0)]

    def received(self, size: int) -> None:
        with self._lock:
            self.bytes += size

    def completed(self, filename: str) -> None:
        with self._lock:
            self.files.append(filename)


class Kitchen:
    """A store, a client and a pool, and ``prepare`` over them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(root / "cache")
        self.told = Told()
        self.pools = 0

    def client(self, *, offline: bool = False) -> Client:
        return Client(Path(self.store.root), SyncOptions(offline=offline), {"UV_HTTP_RETRIES": "2"}, first_pause=0.001)

    def prepare(
        self,
        *candidates: Candidate,
        offline: bool = False,
        policy: HashPolicy = HashPolicy.VERIFY,
        builder: Callable[[Candidate], tuple[StoredWheel, bool]] | None = None,
        refresh: bool | Sequence[str] = False,
        target: Target = TARGET,
        skip_filename_check: bool = False,
    ) -> dict[str, PreparedWheel]:
        with self.client(offline=offline) as client, ThreadPoolExecutor(8) as pool:

            def the_pool() -> Executor:
                self.pools += 1
                return pool

            return prepare_wheels(
                candidates,
                store=self.store,
                client=lambda: client,
                pool=the_pool,
                target=target,
                policy=policy,
                progress=self.told,
                builder=builder,
                refresh=refresh,
                skip_filename_check=skip_filename_check,
            )

    def leftovers(self) -> list[str]:
        return [path.name for path in Path(self.store.wheels, ".new").glob("*")]


@pytest.fixture
def kitchen(tmp_path: Path, clean_surrounding: None) -> Kitchen:
    return Kitchen(tmp_path)


@pytest.fixture
def served(index: IndexServer, wheels: Path) -> Callable[..., Candidate]:
    """Put a wheel on the index and return the candidate that an index page would make of it."""

    def serve(
        name: str = "demo",
        *,
        advertised: Sequence[str] = ("sha256",),
        asked: Sequence[Digest] = (),
        files: Mapping[str, str | bytes] | None = None,
        requires_python: str | None = None,
    ) -> Candidate:
        path = make_wheel(wheels, name, files=files, requires_python=requires_python)
        url = index.add(path)
        digests = tuple(
            Digest(algorithm, hashlib.new(algorithm, path.read_bytes()).hexdigest()) for algorithm in advertised
        )
        return Candidate(
            name=name,
            version="1.0",
            kind="wheel",
            requested=IndexSource("==1.0"),
            file=File(path.name, url, digests, path.stat().st_size, index_url=index.url),
            digests=tuple(asked),
            origin=ORIGIN,
        )

    return serve


Served = Callable[..., Candidate]


def local(path: Path, *, asked: Sequence[Digest] = (), size: int | None = None, name: str = "demo") -> Candidate:
    """The candidate of a wheel that was given by its path."""
    url = path.as_uri()
    return Candidate(
        name=name,
        version="1.0",
        kind="wheel",
        requested=ArchiveSource(url, path=str(path)),
        file=File(path.name, url, tuple(asked)),
        digests=tuple(asked),
        match_all=True,
        size=size,
        origin=ORIGIN,
    )


def digests_of(path: Path, *algorithms: str) -> list[Digest]:
    content = path.read_bytes()
    return [Digest(algorithm, hashlib.new(algorithm, content).hexdigest()) for algorithm in algorithms]


# what an index has


def test_wheels_are_fetched_once(kitchen: Kitchen, served: Served, index: IndexServer) -> None:
    candidates = [served(name) for name in ("zeta", "alpha", "mid")]
    first = kitchen.prepare(*candidates)
    assert list(first) == ["alpha", "mid", "zeta"]
    assert all(prepared.fresh for prepared in first.values())
    for candidate in candidates:
        prepared = first[candidate.name]
        assert prepared.candidate is candidate
        assert prepared.wheel.name == candidate.name
        assert kitchen.store.check(prepared.wheel, deep=True) == ()
    assert len(index.paths("/files/")) == 3
    second = kitchen.prepare(*candidates)
    assert [prepared.wheel for prepared in second.values()] == [prepared.wheel for prepared in first.values()]
    assert not any(prepared.fresh for prepared in second.values())
    assert len(index.paths("/files/")) == 3
    assert kitchen.pools == 1
    assert kitchen.leftovers() == []


def test_progress_adds_up(kitchen: Kitchen, served: Served, wheels: Path) -> None:
    candidates = [served(name) for name in ("one", "two")]
    tell = kitchen.told.completed
    stored = []

    def completed(filename: str) -> None:
        stored.append(len(list(kitchen.store.entries())))
        tell(filename)

    kitchen.told.completed = completed  # type: ignore[method-assign]  # to listen
    kitchen.prepare(*candidates, local(make_wheel(wheels, "near"), name="near"))
    sizes = sum(candidate.file.size or 0 for candidate in candidates if candidate.file)
    assert kitchen.told.expected == [3, sizes]
    assert kitchen.told.bytes == sizes
    assert sorted(kitchen.told.files) == [f"{name}-1.0-py3-none-any.whl" for name in ("near", "one", "two")]
    assert all(found >= told for told, found in enumerate(stored, 1)), "a wheel counts when the store has it"


def test_what_has_to_arrive_is_told_only_when_all_of_it_is_known(kitchen: Kitchen, served: Served) -> None:
    known, other = served("one"), served("two")
    assert other.file is not None
    told: list[tuple[int, int | None]] = []

    def expect(wheels: int, size: int | None) -> None:
        told.append((wheels, size))

    kitchen.told.expect = expect  # type: ignore[method-assign]  # to listen
    kitchen.prepare(known, replace(other, file=other.file._replace(size=None)))
    assert told == [(2, None)]


def test_large_and_small_wheels_go_side_by_side(kitchen: Kitchen, served: Served) -> None:
    noise = os.urandom(5 * 2**20)
    candidates = [served(f"big{number}", files={"big.bin": noise}) for number in range(6)]
    candidates += [served(f"small{number}") for number in range(20)]
    assert len(kitchen.prepare(*candidates)) == 26


def test_a_wheel_in_the_store_serves_offline(kitchen: Kitchen, served: Served) -> None:
    known, unknown = served("known"), served("unknown")
    kitchen.prepare(known)
    assert not kitchen.prepare(known, offline=True)["known"].fresh
    with pytest.raises(OfflineError) as caught:
        kitchen.prepare(known, unknown, offline=True)
    assert caught.value.exit_status == 1


def test_spoiled_answers_are_tried_again(kitchen: Kitchen, served: Served, index: IndexServer) -> None:
    candidates = [served(name) for name in ("one", "two", "three")]
    index.fail("/files/one", statuses=[503, 429])
    index.fail("/files/two", drop=1)
    index.fail("/files/three", truncate=1)
    assert len(kitchen.prepare(*candidates)) == 3
    assert kitchen.told.bytes == kitchen.told.expected[1]


def test_an_index_that_is_down_leaves_nothing(kitchen: Kitchen, served: Served, index: IndexServer) -> None:
    candidates = [served(name) for name in ("one", "two")]
    index.fail("/files/two", statuses=[503] * 9)
    with pytest.raises(FetchError) as caught:
        kitchen.prepare(*candidates)
    assert (caught.value.status, caught.value.tries, caught.value.exit_status) == (503, 3, 2)
    assert kitchen.leftovers() == []


def test_the_first_failure_calls_the_rest_off(kitchen: Kitchen, served: Served, index: IndexServer) -> None:
    wrong = Digest("sha256", "0" * 64)
    candidates = [served(f"m{number:02}", files={"x.bin": os.urandom(300_000)}) for number in range(40)]
    candidates.append(served("bad", asked=[wrong], files={"y.bin": os.urandom(600_000)}))
    index.fail("/files/m", delay=0.05)
    with pytest.raises(HashMismatch):
        kitchen.prepare(*candidates)
    assert len(index.paths("/files/")) < 41
    assert kitchen.leftovers() == []


def test_of_several_failures_the_first_name_is_told(kitchen: Kitchen, wheels: Path) -> None:
    missing = [local(wheels / f"{name}-1.0-py3-none-any.whl", name=name) for name in ("zeta", "beta")]
    for _ in range(3):
        with pytest.raises(InputError, match=r"(beta|zeta)-1.0-py3-none-any.whl` does not exist"):
            kitchen.prepare(*missing)


# digests


def test_any_digest_of_a_list_is_enough(kitchen: Kitchen, served: Served, wheels: Path) -> None:
    path = make_wheel(wheels)
    asked = [Digest("sha256", "1" * 64), *digests_of(path, "sha256"), Digest("sha256", "2" * 64)]
    candidate = served(asked=asked)
    assert kitchen.prepare(candidate)["demo"].wheel.sha256 == sha256(path)
    assert not kitchen.prepare(candidate, offline=True)["demo"].fresh


def test_a_mismatch_names_both_digests_and_the_line(kitchen: Kitchen, served: Served, wheels: Path) -> None:
    asked = [Digest("sha256", "1" * 64), Digest("sha512", "2" * 128)]
    candidate = served(asked=asked)
    with pytest.raises(HashMismatch) as caught:
        kitchen.prepare(candidate)
    said = str(caught.value)
    actual = digests_of(wheels / "demo-1.0-py3-none-any.whl", "sha256", "sha512")
    assert "`demo-1.0-py3-none-any.whl` (requirements.txt:3)" in said
    assert all(str(digest) in said for digest in [*asked, *actual])
    assert caught.value.expected == tuple(asked)
    assert caught.value.actual == tuple(actual)
    assert caught.value.exit_status == 1
    assert list(kitchen.store.entries()) == []


def test_a_wheel_in_the_store_is_held_against_the_digests_too(kitchen: Kitchen, served: Served) -> None:
    candidate = served()
    kitchen.prepare(candidate)
    with pytest.raises(HashMismatch):
        kitchen.prepare(replace(candidate, digests=(Digest("sha256", "1" * 64),)))
    assert kitchen.prepare(replace(candidate, digests=(Digest("sha256", "1" * 64),)), policy=HashPolicy.NONE)


@pytest.mark.parametrize("algorithm", ["md5", "sha384", "sha512", "blake2b"])
def test_other_algorithms_prove_a_wheel_and_find_it_again(
    kitchen: Kitchen, served: Served, wheels: Path, index: IndexServer, algorithm: str
) -> None:
    content = make_wheel(wheels).read_bytes()
    value = hashlib.blake2b(content, digest_size=32) if algorithm == "blake2b" else hashlib.new(algorithm, content)
    asked = [Digest(algorithm, value.hexdigest())]
    candidate = served(advertised=[], asked=asked)
    assert kitchen.prepare(candidate)["demo"].fresh
    assert not kitchen.prepare(candidate, offline=True)["demo"].fresh
    assert len(index.paths("/files/")) == 1
    with pytest.raises(HashMismatch):
        kitchen.prepare(replace(candidate, digests=(Digest(algorithm, "0" * len(asked[0].value)),)))


def test_an_algorithm_asked_for_later_is_proved_once(
    kitchen: Kitchen, served: Served, wheels: Path, index: IndexServer
) -> None:
    candidate = served()
    kitchen.prepare(candidate)
    later = replace(candidate, digests=tuple(digests_of(wheels / "demo-1.0-py3-none-any.whl", "sha512")))
    kitchen.prepare(later)
    assert len(index.paths("/files/")) == 2
    assert not kitchen.prepare(later, offline=True)["demo"].fresh


def test_all_digests_of_a_direct_address_must_match(kitchen: Kitchen, wheels: Path) -> None:
    path = make_wheel(wheels)
    right = digests_of(path, "sha256", "sha512")
    assert kitchen.prepare(local(path, asked=right))["demo"].fresh
    with pytest.raises(HashMismatch):
        kitchen.prepare(local(path, asked=[right[0], Digest("sha512", "0" * 128)]))


def test_what_the_index_advertises_must_be_right(kitchen: Kitchen, served: Served) -> None:
    candidate = served()
    assert candidate.file is not None
    lying = replace(candidate, file=candidate.file._replace(digests=(Digest("sha256", "1" * 64),)))
    with pytest.raises(HashMismatch):
        kitchen.prepare(lying)
    assert kitchen.prepare(lying, policy=HashPolicy.NONE)["demo"].fresh


def test_an_index_without_digests_is_asked_once(kitchen: Kitchen, served: Served, index: IndexServer) -> None:
    candidate = served(advertised=[])
    kitchen.prepare(candidate)
    assert not kitchen.prepare(candidate, offline=True)["demo"].fresh
    assert len(index.paths("/files/")) == 1
    kitchen.prepare(candidate, refresh=["demo"])
    assert len(index.paths("/files/")) == 2
    kitchen.prepare(candidate, refresh=["other"])
    assert len(index.paths("/files/")) == 2
    kitchen.prepare(candidate, refresh=True)
    assert len(index.paths("/files/")) == 3


def test_bytes_under_a_name_that_is_not_theirs_are_refused(kitchen: Kitchen, served: Served, wheels: Path) -> None:
    demo = served("demo")
    kitchen.prepare(demo)
    assert demo.file is not None
    shutil.copyfile(wheels / "demo-1.0-py3-none-any.whl", wheels / "other-1.0-py3-none-any.whl")
    other = replace(
        demo,
        name="other",
        file=File("other-1.0-py3-none-any.whl", (wheels / "other-1.0-py3-none-any.whl").as_uri(), demo.file.digests),
    )
    with pytest.raises(WheelError, match="METADATA says the name is `demo`"):
        kitchen.prepare(other)
    assert kitchen.prepare(other, skip_filename_check=True)["other"].wheel.name == "demo"


def test_bytes_that_may_bear_both_names_are_fetched_once(
    kitchen: Kitchen, served: Served, wheels: Path, index: IndexServer
) -> None:
    candidate = served()
    kitchen.prepare(candidate)
    assert candidate.file is not None
    twin = replace(candidate, file=candidate.file._replace(filename="demo-1.0-7-py2.py3-none-any.whl"))
    assert not kitchen.prepare(twin)["demo"].fresh
    assert len(index.paths("/files/")) == 1


def test_a_wheel_of_another_project_is_refused(kitchen: Kitchen, wheels: Path) -> None:
    with pytest.raises(SelectionError, match="is of `demo`, but `other` is asked for"):
        kitchen.prepare(local(make_wheel(wheels), name="other"))


def test_a_candidate_without_a_file_cannot_be_prepared(kitchen: Kitchen) -> None:
    with pytest.raises(InputError, match="`demo` is no file"):
        kitchen.prepare(Candidate(name="demo", version="1.0", kind="wheel", requested=IndexSource()))


# sizes


def test_the_size_of_a_lockfile_is_enforced(kitchen: Kitchen, served: Served, wheels: Path) -> None:
    candidate = served()
    assert candidate.file is not None
    size = candidate.file.size or 0
    locked = replace(candidate, size=size + 1, file=candidate.file._replace(size=size + 1))
    with pytest.raises(EnvsyncError, match="size mismatch") as caught:
        kitchen.prepare(locked)
    assert caught.value.exit_status == 1
    assert kitchen.prepare(replace(candidate, size=size))["demo"].fresh
    with pytest.raises(InputError, match=f"has {size} bytes, but the lockfile records {size + 1}") as stored:
        kitchen.prepare(locked)
    assert stored.value.exit_status == 1
    path = wheels / "demo-1.0-py3-none-any.whl"
    with pytest.raises(InputError, match="but the lockfile records 1") as caught_local:
        kitchen.prepare(local(path, size=1))
    assert caught_local.value.exit_status == 2


# files on this machine


def test_a_local_wheel_is_read_again_when_it_changed(kitchen: Kitchen, wheels: Path) -> None:
    path = make_wheel(wheels)
    first = kitchen.prepare(local(path))["demo"]
    assert first.fresh
    assert not kitchen.prepare(local(path))["demo"].fresh
    make_wheel(wheels, files={"demo.py": "changed = True\n"})
    again = kitchen.prepare(local(path))["demo"]
    assert again.fresh
    assert again.wheel.sha256 == sha256(path) != first.wheel.sha256
    assert again.wheel.url == path.as_uri()


def test_a_local_wheel_that_changed_is_no_longer_what_was_locked(kitchen: Kitchen, wheels: Path) -> None:
    path = make_wheel(wheels)
    locked = local(path, asked=digests_of(path, "sha256"))
    kitchen.prepare(locked)
    make_wheel(wheels, files={"demo.py": "changed = True\n"})
    with pytest.raises(HashMismatch):
        kitchen.prepare(locked)


@pytest.fixture
def replacing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, bytes], None]:
    """Puts other bytes in the place of a file once the first ones were proved, as a build that goes on does."""

    def replace_after_proof(path: Path, content: bytes) -> None:
        def proved(*arguments: Any) -> None:
            prove(*arguments)
            path.write_bytes(content)

        monkeypatch.setattr(fetch, "prove", proved)

    return replace_after_proof


def test_a_local_wheel_that_is_replaced_while_it_is_read_is_refused(
    kitchen: Kitchen, wheels: Path, replacing: Callable[[Path, bytes], None]
) -> None:
    """It was kept, and installed, under the digest of the one before."""
    path = make_wheel(wheels)
    locked = local(path, asked=digests_of(path, "sha256"))
    before = path.read_bytes()
    replacing(path, make_wheel(wheels, files={"demo.py": "changed = True\n"}).read_bytes())
    path.write_bytes(before)
    with pytest.raises(WheelError, match="it was changed while it was read"):
        kitchen.prepare(locked)
    assert list(kitchen.store.entries()) == []
    with pytest.raises(HashMismatch):
        kitchen.prepare(locked)


def test_a_local_source_that_is_replaced_while_it_is_copied_is_refused(
    kitchen: Kitchen, wheels: Path, replacing: Callable[[Path, bytes], None]
) -> None:
    sdist = make_sdist(wheels)
    file = File(sdist.name, sdist.as_uri())
    digests = tuple(digests_of(sdist, "sha256"))
    source = Candidate(
        name="demo", version="1.0", kind="sdist", requested=ArchiveSource(file.url), file=file, digests=digests
    )
    replacing(sdist, b"something else")
    with kitchen.client() as client, pytest.raises(HashMismatch):
        fetch_archive(source, kitchen.root / "fetched", client=lambda: client, policy=HashPolicy.VERIFY)


def test_a_local_wheel_that_is_missing_is_said(kitchen: Kitchen, wheels: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as caught:
        kitchen.prepare(local(wheels / "demo-1.0-py3-none-any.whl"))
    assert caught.value.exit_status == 1
    (wheels / "demo-1.0-py3-none-any.whl").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        kitchen.prepare(local(wheels / "demo-1.0-py3-none-any.whl"))


def test_names_of_files_may_need_escapes(kitchen: Kitchen, tmp_path: Path) -> None:
    path = make_wheel(tmp_path / "a b#c%20ä")
    assert kitchen.prepare(local(path))["demo"].fresh


# addresses that were given directly


def direct(url: str, filename: str) -> Candidate:
    return Candidate(
        name="demo",
        version="1.0",
        kind="wheel",
        requested=ArchiveSource(url),
        file=File(filename, url),
        match_all=True,
        origin=ORIGIN,
    )


def test_a_direct_address_is_fetched_again_when_its_server_says_so(
    kitchen: Kitchen, wheels: Path, index: IndexServer
) -> None:
    path = make_wheel(wheels)
    url = index.raw(f"/direct/{path.name}", path.read_bytes(), "application/zip", ETag='"1"')
    candidate = direct(url, path.name)
    first = kitchen.prepare(candidate)["demo"]
    assert not kitchen.prepare(candidate)["demo"].fresh
    assert not kitchen.prepare(candidate, offline=True)["demo"].fresh
    make_wheel(wheels, files={"demo.py": "changed = True\n"})
    index.raw(f"/direct/{path.name}", path.read_bytes(), "application/zip", ETag='"2"')
    again = kitchen.prepare(candidate)["demo"]
    assert again.fresh
    assert again.wheel.sha256 != first.wheel.sha256
    assert kitchen.prepare(candidate, offline=True)["demo"].wheel == again.wheel


def test_a_direct_address_whose_server_says_nothing_is_fetched_each_time(
    kitchen: Kitchen, wheels: Path, index: IndexServer
) -> None:
    path = make_wheel(wheels)
    candidate = direct(index.raw(f"/direct/{path.name}", path.read_bytes(), "application/zip"), path.name)
    assert kitchen.prepare(candidate)["demo"].fresh
    assert kitchen.prepare(candidate)["demo"].fresh


# what a wheel needs


@pytest.mark.parametrize(
    ("requires_python", "index_refuses", "address_refuses"),
    [
        (">=3.99", True, True),
        ("<3.5", False, True),
        (">=3.8", False, False),
        ("~=3.11", False, False),
        ("junk", False, False),
    ],
)
def test_a_wheel_for_another_python_is_refused(
    kitchen: Kitchen, served: Served, requires_python: str, *, index_refuses: bool, address_refuses: bool
) -> None:
    candidate = served(requires_python=requires_python)
    assert candidate.file is not None
    given = replace(candidate, requested=ArchiveSource(candidate.file.url))
    for wanted, refused in ((candidate, index_refuses), (given, address_refuses)):
        if not refused:
            kitchen.prepare(wanted)
            continue
        with pytest.raises(SelectionError, match="needs Python") as caught:
            kitchen.prepare(wanted)
        assert caught.value.exit_status == 1
        assert caught.value.origin == ORIGIN


# builds


def test_what_has_no_wheel_goes_to_the_builder(kitchen: Kitchen, wheels: Path) -> None:
    sdist = make_sdist(wheels)
    built = make_wheel(wheels / "built")
    candidates = [
        Candidate(
            name="demo", version="1.0", kind="sdist", requested=IndexSource(), file=File(sdist.name, sdist.as_uri())
        ),
        Candidate(name="tree", version=None, kind="tree", requested=DirectorySource(str(wheels))),
    ]
    asked = []

    def build(candidate: Candidate) -> tuple[StoredWheel, bool]:
        asked.append(candidate.name)
        return kitchen.store.add(built, filename=built.name, built=True), candidate.kind == "tree"

    prepared = kitchen.prepare(*candidates, builder=build)
    assert sorted(asked) == ["demo", "tree"]
    assert [prepared[name].fresh for name in ("demo", "tree")] == [False, True]
    assert prepared["demo"].wheel.built
    with pytest.raises(BuildError, match="`demo` has no wheel that could be used") as caught:
        kitchen.prepare(*candidates)
    assert caught.value.exit_status == 1


def test_the_archive_of_a_build_is_proved_like_a_wheel(kitchen: Kitchen, wheels: Path, index: IndexServer) -> None:
    sdist = make_sdist(wheels)
    candidate = Candidate(
        name="demo",
        version="1.0",
        kind="sdist",
        requested=IndexSource(),
        file=File(sdist.name, index.add(sdist)),
        digests=tuple(digests_of(sdist, "sha512")),
    )
    place = kitchen.root / "fetched"
    with kitchen.client() as client:
        found = fetch_archive(candidate, place, client=lambda: client, policy=HashPolicy.REQUIRE)
        assert found == {digest.algorithm: digest.value for digest in digests_of(sdist, "sha256", "sha512")}
        assert place.read_bytes() == sdist.read_bytes()
        assert candidate.file is not None
        given = replace(candidate, file=candidate.file._replace(url=sdist.as_uri()))
        assert fetch_archive(given, place, client=lambda: client, policy=HashPolicy.VERIFY) == found
        wrong = replace(candidate, digests=(Digest("sha512", "0" * 128),))
        with pytest.raises(HashMismatch):
            fetch_archive(wrong, place, client=lambda: client, policy=HashPolicy.VERIFY)
        with pytest.raises(InputError, match="is no file"):
            fetch_archive(replace(candidate, file=None), place, client=lambda: client, policy=HashPolicy.VERIFY)


# what a warm run loads


def test_a_warm_run_asks_and_imports_nothing(kitchen: Kitchen, served: Served) -> None:
    candidate = served()
    kitchen.prepare(candidate)
    assert find_stored(candidate, kitchen.store) is not None
    assert candidate.file is not None
    code = (
        "import sys\n"
        "from pytest_envsync.distributions import Candidate, File\n"
        "from pytest_envsync.hashes import Digest\n"
        "from pytest_envsync.requirements import IndexSource\n"
        "from pytest_envsync.wheels.lookup import find_stored\n"
        "from pytest_envsync.wheels.prepare import prepare_wheels\n"
        "from pytest_envsync.wheels.store.store import Store\n"
        "class Bare: markers = {}; version = '3.11.7'\n"
        "file = File(sys.argv[2], 'https://host/x', (Digest('sha256', sys.argv[3]),))\n"
        "candidate = Candidate(name='demo', version='1.0', kind='wheel', requested=IndexSource(), file=file)\n"
        "ready = prepare_wheels([candidate], store=Store(sys.argv[1]), client=None, pool=None, target=Bare)\n"
        "assert not ready['demo'].fresh\n"
        "print(*sorted(n for n in sys.modules if n in {'httpx', 'packaging', 'concurrent.futures', 'ssl', 'shutil',"
        " 'subprocess', 'pytest_envsync.wheels.store.archive', 'pytest_envsync.wheels.index.client'}))"
    )
    command = [sys.executable, "-I", "-c", code, str(kitchen.store.root), candidate.file.filename]
    result = subprocess.run([*command, candidate.file.digests[0].value], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


def test_an_interrupt_ends_what_runs(kitchen: Kitchen, served: Served, index: IndexServer) -> None:
    candidates = [served(name, files={"x.bin": os.urandom(400_000)}) for name in ("one", "two", "three")]
    index.fail("/files/", delay=600)

    def interrupt() -> None:
        while len(index.requests) < len(candidates):
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    impatient = threading.Thread(target=interrupt, daemon=True)
    impatient.start()
    with pytest.raises(KeyboardInterrupt):
        kitchen.prepare(*candidates)
    impatient.join()
    assert kitchen.leftovers() == []
    assert list(kitchen.store.entries()) == []


@pytest.fixture(autouse=True)
def quiet_threads() -> Iterator[None]:
    """No test may leave a thread of its pool behind."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    # Those of the server end when they have seen that nobody asks any more.
    assert [name for name in left if "process_request" not in name and "serve_forever" not in name] == []
