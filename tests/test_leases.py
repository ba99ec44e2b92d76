"""A lease names the process that uses an environment, and dies with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_envsync.leases import (
    DAY,
    held_leases,
    is_prune_due,
    process_start,
    read_lease,
    release,
    surroundings,
    take_lease,
)

SLEEP = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    """A process that lives until it is killed."""
    with subprocess.Popen(SLEEP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """Where the leases of one environment are, as in the cache."""
    leases = tmp_path / "environments/abc/leases"
    leases.mkdir(parents=True)
    (leases.parent / "used").touch()
    (tmp_path / "environments/pruned").touch()
    return str(leases)


def names(directory: str) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in Path(directory).iterdir())


def test_a_lease_is_held_while_its_process_lives(directory: str, sleeper: subprocess.Popen[str]) -> None:
    mine, other = take_lease(directory, 1, os.getpid()), take_lease(directory, 1, sleeper.pid)
    assert set(held_leases(directory)) == {mine, other}
    sleeper.kill()
    sleeper.wait()
    assert held_leases(directory) == (mine,)
    assert names(directory) == [Path(mine.path).name]


def test_a_process_that_nobody_has_waited_for_is_gone(directory: str, sleeper: subprocess.Popen[str]) -> None:
    take_lease(directory, 1, sleeper.pid)
    os.kill(sleeper.pid, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert process_start(sleeper.pid) is None
    assert held_leases(directory) == ()


def test_a_process_that_is_replaced_by_another_program_keeps_its_lease(directory: str) -> None:
    code = f"import os; input(); os.execv({sys.executable!r}, {SLEEP!r})"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lease = take_lease(directory, 1, process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        assert held_leases(directory) == (lease,)
        process.kill()


def test_one_process_may_hold_several(directory: str) -> None:
    first, second = take_lease(directory, 1, os.getpid()), take_lease(directory, 1, os.getpid())
    assert first != second
    assert set(held_leases(directory)) == {first, second}


def test_an_id_that_was_given_to_another_process_does_not_count(directory: str) -> None:
    lease = take_lease(directory, 1, os.getpid())
    Path(lease.path).rename(f"{directory}/1-{os.getpid()}-1-0")
    assert held_leases(directory) == ()


def test_no_lease_for_a_process_that_is_not_there(directory: str, sleeper: subprocess.Popen[str]) -> None:
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(ProcessLookupError):
        take_lease(directory, 1, sleeper.pid)


def test_a_lease_from_before_the_machine_was_started_is_dead(directory: str) -> None:
    lease = take_lease(directory, 1, os.getpid())
    Path(lease.path).write_text(f"{surroundings()[0]}\nanother boot")
    assert held_leases(directory) == ()


@pytest.mark.parametrize(("age", "held"), [(DAY / 2, 1), (DAY + 60, 0)])
def test_a_lease_from_another_machine_is_believed_for_a_day(directory: str, age: float, held: int) -> None:
    lease = take_lease(directory, 1, os.getpid())
    Path(lease.path).write_text("another machine\nanother boot")
    os.utime(lease.path, (time.time() - age,) * 2)
    assert len(held_leases(directory)) == held


def test_what_is_no_lease_is_left_alone(directory: str) -> None:
    Path(directory, "notes").touch()
    assert held_leases(directory) == ()
    assert names(directory) == ["notes"]
    assert held_leases(f"{directory}/nowhere") == ()


def test_a_lease_is_read_by_its_name(directory: str) -> None:
    lease = take_lease(directory, 3, os.getpid())
    assert (read_lease(lease.path), lease.generation) == (lease, 3)


def test_a_clean_lease_is_released_without_the_engine(directory: str) -> None:
    lease = take_lease(directory, 1, os.getpid())
    used = Path(directory).parent / "used"
    os.utime(used, (0, 0))
    assert release(lease.path)
    assert (names(directory), used.stat().st_mtime > 0) == ([], True)


@pytest.mark.parametrize("case", ["retired", "gone", "prune", "name"])
def test_what_the_engine_must_do_is_left_to_it(directory: str, case: str) -> None:
    lease = take_lease(directory, 1, os.getpid())
    path = lease.path
    if case == "retired":
        Path(directory).with_name("1.retired").touch()
    elif case == "gone":
        Path(path).unlink()
    elif case == "prune":
        os.utime(Path(directory).parent.with_name("pruned"), (0, 0))
    else:
        path = f"{directory}/notes"
    assert not release(path)
    assert Path(lease.path).exists() is (case != "gone")
    assert release(lease.path, auto_prune=False) is (case in {"prune", "name"})


def test_pruning_is_due_once_a_day(tmp_path: Path) -> None:
    assert is_prune_due(str(tmp_path))
    (tmp_path / "pruned").touch()
    assert not is_prune_due(str(tmp_path))
    assert is_prune_due(str(tmp_path), now=time.time() + DAY + 1)


def test_whoever_only_lists_drops_no_lease_that_is_being_taken(directory: str) -> None:
    """``env list`` looks without the locks under which leases are taken."""
    code = f"""if True:
        import sys
        from pytest_envsync.leases import held_leases
        print(flush=True)
        while True:
            held_leases({directory!r})
    """
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        lost = 0
        for _ in range(600):
            lease = take_lease(directory, 1, os.getpid())
            time.sleep(0.0005)
            lost += not Path(lease.path).exists()
            Path(lease.path).unlink(missing_ok=True)
        process.kill()
    assert lost == 0
