"""Cached environments: made once, shared by sessions and processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from environment_world import World, demo_world, run, site
from factories import write_tree
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment, EnvironmentRequest, Environments, ProjectRequest
from pytest_envsync.errors import HashMismatch, SelectionError, StoreError, WheelError
from pytest_envsync.target import Target
from pytest_envsync.values import replace


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo`` and ``other``, and an empty cache."""
    return demo_world(tmp_path, cache_dir, index)


# made once


def test_a_hash_that_does_not_fit_is_refused_also_where_the_environment_is(world: World) -> None:
    world.provide("demo==1.0", lease=False)
    for _ in range(2):
        with pytest.raises(HashMismatch):
            world.provide(f"demo==1.0 --hash=sha256:{'0' * 64}", name="b.txt", lease=False)


def test_another_lock_for_an_environment_that_is_there_is_remembered(world: World) -> None:
    first = world.provide("demo==1.0", lease=False)
    before = set(world.cache_dir.glob("memo/*/*.json"))
    assert world.provide("demo==1.0  # the same", name="b.txt", lease=False).path == first.path
    assert len(set(world.cache_dir.glob("memo/*/*.json")) - before) == 1
    world.index.close()
    assert world.provide("demo==1.0  # the same", name="b.txt", lease=False).path == first.path


def test_an_environment_is_made_once(world: World) -> None:
    first = world.provide("demo==1.0", "other==1.0")
    asked = len(world.index.requests)
    second = world.provide("demo==1.0", "other==1.0")
    assert (first.created, second.created, second.repaired) == (True, False, None)
    assert (first.path, first.key) == (second.path, second.key)
    assert first.packages == second.packages == {"demo": "1.0", "other": "1.0"}
    assert first.changes.installed == first.packages
    assert not second.changes
    assert len(world.index.requests) == asked
    assert run(first, "import demo, other, sys; print(demo.VALUE, other.VERSION, sys.prefix)") == f"1 1.0 {first.path}"


def test_locks_with_the_same_content_share_one(world: World) -> None:
    first = world.provide("demo==1.0", "other==1.0", name="a.txt")
    second = world.provide("# another", "other == 1.0", "demo==1.0", name="b.txt")
    assert (second.created, second.path, second.files) == (False, first.path, (str(world.directory / "b.txt"),))


def test_an_answer_travels_as_json_values(world: World) -> None:
    environment = world.provide("demo==1.0")
    assert CachedEnvironment.from_dict(environment.as_dict()) == environment
    request = world.request("demo==1.0", project=ProjectRequest(path="/somewhere"))
    assert EnvironmentRequest.from_dict(request.as_dict()) == request


def test_what_a_lock_lacks_is_told(world: World) -> None:
    world.publish(
        "needy", "1.0", requires=["demo", "absent>=2", "windows-only; sys_platform == 'win32'", "x; extra == 'y'"]
    )
    for _ in range(2):
        environment = world.provide("needy==1.0", "demo==1.0", name="lock.txt")
        assert environment.missing == ("lock.txt lacks absent, needed by needy: not a complete lock?",)


def test_the_path_is_known_without_making_it(world: World) -> None:
    request = world.request("demo==1.0")
    assert world.environments.path(request) is None
    environment = world.environments.provide(request, holder_pid=0)
    assert world.environments.path(request) == environment.path
    assert environment.lease is None


def test_a_lock_that_cannot_be_had_makes_nothing(world: World) -> None:
    with pytest.raises(SelectionError):
        world.provide("demo==9.9")
    assert world.environments.list() == ()


def test_recreate_makes_another_generation(world: World) -> None:
    first = world.provide("demo==1.0")
    second = world.provide("demo==1.0", recreate=True)
    assert (second.created, first.key == second.key, first.path == second.path) == (True, True, False)
    assert Path(first.path).exists()  # this process holds it still
    assert first.lease is not None
    world.environments.give_back(first.lease)
    assert not Path(first.path).exists()
    assert world.provide("demo==1.0").path == second.path


@pytest.mark.parametrize("link_mode", ["hardlink", "copy", "symlink"])
def test_every_link_mode_is_compared_and_mended(world: World, link_mode: str) -> None:
    options = {"link_mode": link_mode}
    environment = world.provide("demo==1.0", options=options)
    module = site(environment) / "demo/__init__.py"
    module.unlink()
    module.write_text("VALUE = 2\n")
    again = world.provide("demo==1.0", options=options, lease=False)
    assert again.path != environment.path
    assert environment.lease is not None
    world.environments.give_back(environment.lease)
    (site(again) / "demo/__init__.py").unlink()
    third = world.provide("demo==1.0", options=options, lease=False)
    assert (third.path, third.repaired is not None) == (again.path, True)
    assert run(third, "import demo; print(demo.VALUE)") == "1"


# several users


def test_drift_of_a_shared_generation_is_left_to_its_users(world: World) -> None:
    request = world.request("demo==1.0")
    with world.process(request, "hold") as other:
        theirs = world.answer(other)
        mine = world.environments.provide(request, holder_pid=os.getpid())
        assert mine.path == theirs.path
        (site(mine) / "left.py").touch()
        assert mine.lease is not None
        back = world.environments.give_back(mine.lease)
        assert (back.shared, back.diff.files.added != ()) == (2, True)
        assert (site(mine) / "left.py").exists()
        fresh = world.environments.provide(request, holder_pid=os.getpid())
        assert (fresh.created, fresh.path == mine.path) == (True, False)
        assert theirs.lease is not None
        last = world.environments.give_back(theirs.lease)
        assert (last.shared, last.diff.files.added != ()) == (2, True)
        assert not Path(theirs.path).exists()
        assert Path(fresh.path).exists()
        other.communicate()


def test_a_newcomer_that_finds_drift_gets_another_generation(world: World) -> None:
    request = world.request("demo==1.0")
    with world.process(request, "hold") as other:
        theirs = world.answer(other)
        (site(theirs) / "left.py").touch()
        mine = world.environments.provide(request, holder_pid=os.getpid())
        assert (mine.created, mine.path == theirs.path, mine.repaired) == (True, False, None)
        assert theirs.lease is not None
        assert world.environments.give_back(theirs.lease).shared == 1
        assert not Path(theirs.path).exists()
        other.communicate()


def test_a_clean_shared_generation_stays(world: World) -> None:
    request = world.request("demo==1.0")
    first = world.environments.provide(request, holder_pid=os.getpid())
    second = world.environments.provide(request, holder_pid=os.getpid())
    assert first.path == second.path
    for lease in (first.lease, second.lease):
        assert lease is not None
        assert world.environments.give_back(lease).shared == 1
    assert not world.environments.provide(request, holder_pid=0).created


def test_a_session_that_holds_two_leases_is_one_session(world: World) -> None:
    request = world.request("demo==1.0")
    first, second = (world.environments.provide(request, holder_pid=os.getpid()) for _ in range(2))
    assert first.path == second.path
    (site(first) / "left.py").touch()
    for environment in (first, second):
        assert environment.lease is not None
        assert world.environments.give_back(environment.lease).shared == 1
    assert not Path(first.path).exists()


def test_a_killed_holder_leaves_nothing_behind(world: World) -> None:
    request = world.request("demo==1.0")
    with world.process(request, "hold") as other:
        theirs = world.answer(other)
        (site(theirs) / "left.py").touch()
        other.kill()
        other.wait()
    mine = world.environments.provide(request, holder_pid=os.getpid())
    assert (mine.path, mine.created) == (theirs.path, False)
    assert mine.repaired is not None
    assert mine.repaired.files.added
    assert theirs.lease is not None
    assert not Path(theirs.lease).exists()


def test_a_lease_for_a_process_that_is_not_there_is_refused(world: World) -> None:
    with world.process(world.request("demo==1.0")) as other:
        other.communicate()
    with pytest.raises(StoreError, match="no process"):
        world.environments.provide(world.request("demo==1.0"), holder_pid=other.pid)


# several processes


def test_two_processes_make_one_environment(world: World) -> None:
    request = world.request("demo==1.0", "other==1.0")
    world.index.fail("/files/", delay=0.2)
    processes = [world.process(request, "hold") for _ in range(3)]
    answers = [world.answer(process) for process in processes]
    for process in processes:
        process.communicate()
    assert len({answer.path for answer in answers}) == 1
    assert sorted(answer.created for answer in answers) == [False, False, True]


def test_waiting_for_another_process_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = world.provide("demo==1.0", lease=False).key
    lock = world.cache_dir / "locks" / f"{key}.lock"
    code = (
        "import sys; from pathlib import Path; from pytest_envsync.cache import exclusive\n"
        f"with exclusive(Path({str(lock)!r}), timeout=5): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        # It lets go once it was told of, however long that took.
        notes: list[str] = []

        def tell(text: str) -> None:
            notes.append(text)
            other.communicate()

        monkeypatch.setattr(world.reporter, "note", tell)
        world.provide("demo==1.0", lease=False)
    (note,) = notes
    assert re.fullmatch(rf"waiting for process {other.pid} building {key[:6]} \(\d+ s\)", note)


def test_a_process_killed_while_it_makes_one_leaves_nothing(world: World) -> None:
    request = world.request("demo==1.0")
    with world.process(request, "die") as other:
        assert other.wait() == -signal.SIGKILL
    assert world.environments.list() == ()
    environment = world.environments.provide(request, holder_pid=0)
    assert environment.created
    assert run(environment, "import demo; print(demo.VALUE)") == "1"
    home = Path(environment.path).parent
    assert [path.name for path in home.iterdir() if path.is_dir() and path.name != "leases"] == [
        Path(environment.path).name
    ]


# path entries


def test_the_overlay_stands_behind_everything(world: World, tmp_path: Path) -> None:
    overlay = write_tree(
        tmp_path / "overlay", {"demo/__init__.py": "VALUE = 'overlay'\n", "extra_one.py": "VALUE = 'seen'\n"}
    )
    environment = world.provide("demo==1.0", overlay=str(overlay), overlay_digest="1")
    assert run(environment, "import demo, extra_one; print(demo.VALUE, extra_one.VALUE)") == "1 seen"
    assert environment.packages == {"demo": "1.0"}
    assert not world.environments.diff(environment.path, verify_files=True)
    plain = world.provide("demo==1.0")
    assert plain.key != environment.key


def test_a_request_may_be_completed_by_what_is_locked(world: World, tmp_path: Path) -> None:
    asked: list[tuple[dict[str, str], str]] = []

    def complete(request: EnvironmentRequest, packages: Mapping[str, str], target: Target) -> EnvironmentRequest:
        asked.append((dict(packages), target.implementation))
        return replace(request, overlay=str(tmp_path), overlay_digest="digest")

    request = world.request("demo==1.0")
    world.environments.provide(request, holder_pid=0, complete=complete)
    environment = world.environments.provide(request, holder_pid=0, complete=complete)
    assert asked == [({"demo": "1.0"}, "cpython")] * 2
    assert str(tmp_path) in run(environment, "import sys; print(sys.path[-1])")


@pytest.mark.parametrize("layout", ["src", "flat"])
def test_a_project_is_a_path_entry(world: World, tmp_path: Path, layout: str) -> None:
    module = "src/mylib.py" if layout == "src" else "mylib.py"
    project = write_tree(tmp_path / "project", {module: "VALUE = 'mine'\n"})
    environment = world.provide("demo==1.0", project=ProjectRequest(path=str(project)))
    assert run(environment, "import mylib; print(mylib.VALUE)") == "mine"
    entry = site(environment) / "envsync_project.pth"
    entry.write_text("/elsewhere\n")
    assert environment.lease is not None
    assert world.environments.give_back(environment.lease).diff
    assert run(environment, "import mylib; print(mylib.VALUE)") == "mine"


def test_what_one_run_does_not_check_is_not_given_to_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish("odd", "1.0", record=b"odd.py,sha256=AAAA,1\nghost,,\n")
    monkeypatch.setenv("UV_INSECURE_NO_ZIP_VALIDATION", "1")
    lax = Environments(world.cache_dir, cwd=str(world.directory), environ=dict(os.environ))
    request = world.request("odd==1.0")
    assert lax.provide(request, holder_pid=0).created
    assert not lax.provide(request, holder_pid=0).created
    with pytest.raises(WheelError):
        world.environments.provide(request, holder_pid=0)
