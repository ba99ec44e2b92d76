"""How processes meet: what holds a lock, who waits, and what happens where there are no locks."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from conftest import Envsync
from environment_world import World, demo_world, where_permissions_count
from index_server import IndexServer
from pytest_envsync.cache import drop_lock, exclusive, make_cache, shared
from pytest_envsync.environment.locking import environment_lock
from pytest_envsync.environments.upkeep import auto_prune
from pytest_envsync.errors import LockTimeout, StoreError, StrangeLockError
from pytest_envsync.leases import DAY
from pytest_envsync.lock_file import try_lock
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.standing import Standing, take
from pytest_envsync.sync import sync_environment
from pytest_envsync.wheels.store.store import Store
from pytest_envsync.wheels.store.upkeep import prune

HOLD = """
import sys; from pathlib import Path; from pytest_envsync.cache import drop_lock, exclusive, make_cache, shared
with globals()[sys.argv[1]](Path(sys.argv[2]), timeout=5) as held: print(held, flush=True); sys.stdin.read()
"""


class Listener(SilentReporter):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    return demo_world(tmp_path, cache_dir, index)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system as NFS without its lock daemon: it cannot be made here, so its answer is."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.parametrize(("theirs", "ours"), [("exclusive", exclusive), ("exclusive", shared), ("shared", exclusive)])
def test_a_lock_that_another_process_holds_is_waited_for(tmp_path: Path, theirs: str, ours: Any) -> None:
    path = tmp_path / "locks" / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, theirs, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with pytest.raises(LockTimeout, match=str(path)), ours(path, timeout=0.1):
            pytest.fail("it was held")
        other.communicate()
    with ours(path, timeout=0) as is_held:
        assert is_held


def test_any_number_share_a_lock(tmp_path: Path) -> None:
    with shared(tmp_path / "lock", timeout=0) as first, shared(tmp_path / "lock", timeout=0) as second:
        assert (first, second) == (True, True)


def test_the_error_of_whoever_holds_a_lock_is_its_own(tmp_path: Path) -> None:
    """What fails under a lock is no fault of the lock, whatever its kind."""
    for lock in (exclusive(tmp_path / "lock", timeout=0, optional=True), shared(tmp_path / "lock", timeout=0)):
        with pytest.raises(StoreError, match="mine"), lock:
            raise StoreError("mine")
        with pytest.raises(OSError, match="mine"), exclusive(tmp_path / "lock", timeout=0):
            raise OSError(errno.EIO, "mine")


def test_a_lock_file_of_somebody_else_is_locked_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("1")
    path.chmod(0o444)

    def act() -> bool:
        with exclusive(path, timeout=0) as is_held:
            return is_held

    assert where_permissions_count(act)


def test_a_lock_file_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    path = tmp_path / "lock"

    def act() -> bool:
        said: list[str] = []
        with exclusive(path, timeout=0, optional=True, unlocked=said.append) as is_held:
            assert not is_held
        assert said == [f"the lock file `{path}` cannot be written: Permission denied"]
        with shared(path, timeout=0) as is_held:
            assert not is_held
        with pytest.raises(StoreError, match="cannot be written"), exclusive(path, timeout=0):
            pytest.fail("it was held")
        return True

    try:
        assert where_permissions_count(act)
    finally:
        tmp_path.chmod(0o755)


def test_without_locks_work_goes_on_with_a_warning(no_locks: None, world: World, tmp_path: Path) -> None:
    listener = Listener()
    world.environments.reporter = listener
    made = world.provide("demo==1.0", "other==1.0", lease=False)
    key = made.key
    lock = world.cache_dir / "locks" / f"{key}.lock"
    assert listener.warnings == [
        f"`{lock}` cannot be locked, so two processes may be in each other's way: No locks available"
    ]
    # That of the former content is not taken away from whoever may be using it.
    other = world.provide("demo==1.0", "other==1.1", lease=False)
    assert other.key != key
    assert Path(made.path).is_dir()
    with environment_lock(str(tmp_path), environ={}, reporter=listener):
        assert "cannot be locked" in listener.warnings[-1]


def test_without_locks_nothing_is_removed_that_somebody_may_use(no_locks: None, world: World) -> None:
    """It ended with ``[Errno 37] No locks available``."""
    listener = Listener()
    world.environments.reporter = listener
    made = world.provide("demo==1.0", lease=False)
    for place in (Path(made.path).parent / "used", *(world.cache_dir / "wheels").glob("*/*/wheel")):
        os.utime(place, (0, 0))
    pruned = world.environments.prune(older_than=DAY)
    assert pruned.environments == 0
    assert "cannot be locked" in listener.warnings[-1]
    with world.environments._engine() as engine:
        pruned_by_itself = auto_prune(engine)
    assert pruned_by_itself is not None
    assert (pruned_by_itself.environments, pruned_by_itself.wheels) == (0, 0)
    assert Path(made.path).is_dir()
    assert list(Store(world.cache_dir).entries())
    assert prune(Store(world.cache_dir)).entries == 1  # whoever asks for it means it


def test_an_environment_that_is_read_only_can_be_looked_at(world: World, envsync: Envsync, tmp_path: Path) -> None:
    """``sync --check`` of another user's environment: nothing is written, so nothing is refused."""
    lock = world.lock(f"--index-url {world.index.url}", "demo==1.0")
    venv = tmp_path / "venv"
    assert envsync("sync", "--venv", venv, lock).returncode == 0
    (venv / ".lock").unlink()
    venv.chmod(0o555)

    def act() -> bool:
        listener = Listener()
        options = SyncOptions(index_url=world.index.url, venv=str(venv), check=True)
        outcome = sync_environment([lock], options=options, cwd=str(tmp_path), environ=os.environ, reporter=listener)
        assert listener.warnings == []
        return not outcome.changes and outcome.checked == 1

    try:
        assert where_permissions_count(act)
    finally:
        venv.chmod(0o755)


def test_a_lock_file_that_was_removed_by_its_holder_holds_nobody(tmp_path: Path) -> None:
    """Whoever waited locks the file that is there now: else two would hold one name."""
    path = tmp_path / "a.lock"
    code = (
        "import sys; from pathlib import Path; from pytest_envsync.cache import exclusive\n"
        f"with exclusive(Path({str(path)!r}), timeout=20, waiting=lambda *_: print('waits', flush=True)):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with exclusive(path, timeout=0):
        other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "waits\n"
        drop_lock(path)
        with exclusive(path, timeout=0) as is_held:
            assert is_held
    assert "held\n" in other.stdout  # it may have said again that it waits
    with pytest.raises(LockTimeout), exclusive(path, timeout=0.5):
        pytest.fail("the other process holds it")
    other.communicate()


def test_a_directory_that_goes_while_its_lock_is_waited_for_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "venv" / ".lock"
    held: list[bool] = []
    waits = threading.Event()

    def wait() -> None:
        with exclusive(path, timeout=20, waiting=lambda *_: waits.set(), optional=True) as is_held:
            held.append(is_held)

    with exclusive(path, timeout=0):
        thread = threading.Thread(target=wait)
        thread.start()
        assert waits.wait(20)
        rmtree(path.parent)
    thread.join()
    assert held == [False]
    assert not path.parent.exists()


def link(path: Path, precious: Path) -> None:
    path.symlink_to(precious)


def directory(path: Path, precious: Path) -> None:
    path.mkdir()


def fifo(path: Path, precious: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("strange", [link, directory, fifo])
@pytest.mark.parametrize("optional", [True, False])
def test_what_is_no_lock_file_is_left_alone(tmp_path: Path, *, strange: Any, optional: bool) -> None:
    path, precious = tmp_path / "a.lock", tmp_path / "precious"
    precious.write_text("precious")
    strange(path, precious)
    with (
        pytest.raises(StrangeLockError, match=str(path)) as raised,
        exclusive(path, timeout=0, optional=optional),
    ):
        pytest.fail("it was held")
    assert raised.value.hint
    assert precious.read_text() == "precious"


def test_a_lock_file_with_another_name_keeps_its_content(tmp_path: Path) -> None:
    """A copy of an environment made of hard links works as the first."""
    path, precious = tmp_path / "a.lock", tmp_path / "precious"
    precious.write_text("precious")
    path.hardlink_to(precious)
    with exclusive(path, timeout=0) as is_held:
        assert is_held
    assert precious.read_text() == "precious"


def test_the_tag_of_a_cache_is_not_written_through_a_link(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    root.mkdir()
    (root / "CACHEDIR.TAG").symlink_to(tmp_path / "elsewhere")
    make_cache(root)
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_leased_under_a_lock_that_was_removed_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.provide("demo==1.0", lease=False)
    home = Path(made.path).parent
    lock, question = world.cache_dir / "locks" / f"{made.key}.lock", world.cache_dir / "questions" / "q"
    question.write_text(made.key)
    known = Standing(str(home), made.generation, str(lock), str(world.cache_dir / "spoiled"), str(question), "", ())
    os.utime(lock, (0, 0))
    lease = take(known, os.getpid())
    assert lease is not None
    assert lock.stat().st_mtime > 0  # it is in use

    def removed_meanwhile(descriptor: int) -> None:
        drop_lock(lock)
        try_lock(descriptor)

    monkeypatch.setattr("pytest_envsync.standing.try_lock", removed_meanwhile)
    assert take(known, os.getpid()) is None
