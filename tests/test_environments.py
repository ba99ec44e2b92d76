"""Cached environments: made once, compared and mended before each use and after it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from environment_world import World, run, tree, where_permissions_count
from factories import make_wheel, write_tree
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment, EnvironmentRequest, ProjectRequest
from pytest_envsync.errors import DamagedStoreError, EnvsyncError, SelectionError, StoreError, TargetError
from pytest_envsync.target import Target
from pytest_envsync.values import replace

DEMO = {
    "demo/__init__.py": "VALUE = 1\n\ndef main():\n    print('demo', VALUE)\n",
    "demo/inner/__init__.py": "",
    "demo/inner/data.txt": "one two three\n",
}


SCRIPT = "import subprocess, sys; subprocess.run([sys.prefix + '/bin/demo'], check=True)"


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo`` 1.0 (two versions of ``other`` beside it) and an empty cache."""
    world = World(tmp_path, cache_dir, index)
    world.publish("demo", "1.0", files=DEMO, entry_points={"console_scripts": {"demo": "demo:main"}})
    world.publish("other", "1.0")
    world.publish("other", "1.1", files={"other.py": 'VERSION = "1.1"\n', "fresh.py": ""})
    return world


def site(environment: CachedEnvironment) -> Path:
    return Path(environment.site_packages)


# made once


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


# found and mended


def pip_install(environment: CachedEnvironment) -> None:
    """What an installer does that replaces a distribution and adds one."""
    packages = site(environment)
    shutil.rmtree(packages / "other-1.0.dist-info")
    (packages / "other.py").unlink()
    write_tree(packages, {"other.py": "VERSION = '7'\n", "other-7.dist-info/METADATA": "Name: other\nVersion: 7\n"})
    write_tree(packages, {"extra/__init__.py": "", "extra-3.dist-info/METADATA": "Name: extra\nVersion: 3\n"})


def edit(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("/bin/sh")


def to_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


DAMAGE: list[tuple[str, Callable[[CachedEnvironment], object]]] = [
    ("an edit", lambda e: edit(site(e) / "demo/__init__.py", "VALUE = 3\n")),
    ("a file is removed", lambda e: (site(e) / "demo/inner/data.txt").unlink()),
    ("a package is removed", lambda e: shutil.rmtree(site(e) / "demo")),
    ("metadata is removed", lambda e: shutil.rmtree(site(e) / "demo-1.0.dist-info")),
    ("a file is added", lambda e: (site(e) / "sitecustomize.py").write_text("raise SystemExit(7)")),
    ("a path entry is added", lambda e: (site(e) / "evil.pth").write_text("import os")),
    ("an empty directory is added", lambda e: (site(e) / "namespace/inner").mkdir(parents=True)),
    ("an installer ran", pip_install),
    ("chmod", lambda e: (site(e) / "demo/inner/data.txt").chmod(0o600)),
    ("chmod of a directory", lambda e: (site(e) / "demo").chmod(0o700)),
    ("a script is edited", lambda e: Path(e.bin, "demo").write_text("#!/bin/sh\n")),
    ("a script is removed", lambda e: Path(e.bin, "demo").unlink()),
    ("RECORD is edited", lambda e: (site(e) / "demo-1.0.dist-info/RECORD").write_text("")),
    ("the configuration is edited", lambda e: Path(e.path, "pyvenv.cfg").write_text("home = /nowhere\n")),
    ("the interpreter is removed", lambda e: Path(e.bin, "python3").unlink()),
    ("the interpreter leads elsewhere", lambda e: relink(Path(e.python))),
    ("a file becomes a directory", lambda e: to_directory(site(e) / "demo/__init__.py")),
    ("everything is removed", lambda e: shutil.rmtree(e.path)),
]


@pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in DAMAGE])
def test_what_is_found_before_a_use_is_mended(world: World, act: Callable[[CachedEnvironment], object]) -> None:
    environment = world.provide("demo==1.0", "other==1.0", lease=False)
    run(environment, "import demo.inner, other")
    before = tree(environment.path, without=["__pycache__"])
    act(environment)
    again = world.provide("demo==1.0", "other==1.0", lease=False)
    assert (again.path, again.created) == (environment.path, False)
    assert again.repaired
    assert tree(again.path, without=["__pycache__"]) == before
    assert not world.environments.diff(again.path, verify_files=True)
    assert run(again, "import demo, other; print(demo.VALUE, other.VERSION)") == "1 1.0"


@pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in DAMAGE])
def test_what_a_session_did_is_told_and_undone(world: World, act: Callable[[CachedEnvironment], object]) -> None:
    environment = world.provide("demo==1.0", "other==1.0")
    before = tree(environment.path, without=["__pycache__"])
    act(environment)
    assert environment.lease is not None
    back = world.environments.give_back(environment.lease)
    assert back.diff
    assert (back.shared, back.undone, back.error) == (1, True, None)
    assert tree(environment.path, without=["__pycache__"]) == before
    again = world.provide("demo==1.0", "other==1.0", lease=False)
    assert (again.path, again.repaired) == (environment.path, None)


def test_what_was_closed_is_opened_and_mended(world: World) -> None:
    environment = world.provide("demo==1.0", lease=False)
    package = site(environment) / "demo"
    (package / "inner/data.txt").unlink()
    (package / "inner/added").touch()
    (package / "inner").chmod(0o500)
    package.chmod(0)
    assert where_permissions_count(lambda: world.environments.restore(environment.path).diff)
    assert not world.environments.diff(environment.path, verify_files=True)


def test_a_generation_with_closed_directories_is_removed(world: World) -> None:
    environment = world.provide("demo==1.0", lease=False)
    (site(environment) / "demo/inner").chmod(0)
    (site(environment) / "demo").chmod(0o500)
    assert where_permissions_count(lambda: world.environments.remove(environment.key))
    assert not Path(environment.path).exists()


def test_drift_names_distributions_and_files(world: World) -> None:
    environment = world.provide("demo==1.0", "other==1.0")
    pip_install(environment)
    assert environment.lease is not None
    diff = world.environments.give_back(environment.lease).diff
    assert diff.distributions == ({"extra": "3"}, {}, {"other": ("1.0", "7")})
    relative = site(environment).relative_to(environment.path).as_posix()
    assert f"{relative}/other.py" in diff.files.changed
    assert f"{relative}/extra/__init__.py" in diff.files.added


def test_a_clean_session_has_no_drift(world: World) -> None:
    environment = world.provide("demo==1.0")
    run(environment, "import demo")
    assert environment.lease is not None
    back = world.environments.give_back(environment.lease)
    assert (bool(back.diff), back.shared) == (False, 1)
    assert not Path(environment.lease).exists()
    with pytest.raises(StoreError, match="given back before"):
        world.environments.give_back(environment.lease)


def test_ignored_drift_is_undone_and_not_told(world: World) -> None:
    environment = world.provide("demo==1.0")
    log = site(environment) / "demo/session.log"
    log.touch()
    assert environment.lease is not None
    assert not world.environments.give_back(environment.lease, ignore=["*.log"]).diff
    assert not log.exists()


def test_a_touched_file_is_no_drift_and_gets_its_time_back(world: World) -> None:
    environment = world.provide("demo==1.0")
    module = site(environment) / "demo/__init__.py"
    time_before = module.stat().st_mtime_ns
    module.touch()
    assert environment.lease is not None
    assert not world.environments.give_back(environment.lease).diff
    assert module.stat().st_mtime_ns == time_before
    module.touch()
    again = world.provide("demo==1.0", lease=False)
    assert (again.repaired, module.stat().st_mtime_ns) == (None, time_before)


def test_bytecode_of_a_mended_source_does_not_survive(world: World) -> None:
    """Wheels carry one constant time: code of the same length would be taken for valid."""
    environment = world.provide("demo==1.0", lease=False)
    module = site(environment) / "demo/__init__.py"
    status = module.stat()
    edit(module, module.read_text().replace("1", "7"))
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run(environment, "import demo; print(demo.VALUE)") == "7"
    world.environments.restore(environment.path, verify_files=True)
    assert run(environment, "import demo; print(demo.VALUE)") == "1"


def test_restore_tells_what_it_put_back(world: World) -> None:
    environment = world.provide("demo==1.0", "other==1.0", lease=False)
    pip_install(environment)
    (site(environment) / "demo/__init__.py").unlink()
    repaired = world.environments.restore(environment.key[:8])
    assert repaired.changes.installed == {"other": "1.0"}
    assert repaired.changes.removed == {"extra": "3", "other": "7"}
    assert repaired.changes.reinstalled == {"demo": "1.0"}
    assert repaired.diff.distributions.added == {"extra": "3"}
    assert not world.environments.restore(environment.path).changes


def test_a_cache_that_was_moved_is_made_use_of(world: World, cache_dir: Path, tmp_path: Path) -> None:
    """A CI restores it elsewhere; paths in scripts would lead to nothing."""
    former = world.provide("demo==1.0", "other==1.0", lease=False)
    moved = tmp_path / "moved"
    cache_dir.rename(moved)
    elsewhere = World(tmp_path, moved, world.index)
    asked = len(world.index.paths("/files/"))
    environment = elsewhere.provide("demo==1.0", "other==1.0", lease=False)
    assert (environment.key, environment.created) == (former.key, True)
    assert environment.path.startswith(str(moved))
    assert len(world.index.paths("/files/")) == asked
    assert (
        run(environment, "import subprocess, sys; subprocess.run([sys.prefix + '/bin/demo'], check=True)") == "demo 1"
    )
    assert not elsewhere.provide("demo==1.0", "other==1.0", lease=False).created


def test_a_cache_that_cannot_be_written_is_a_clear_error(world: World, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.touch()
    with pytest.raises(StoreError, match="cannot be"):
        World(tmp_path, blocked, world.index).provide("demo==1.0")


@pytest.mark.parametrize("spoil", ["snapshot", "record"])
def test_an_environment_nobody_can_judge_is_made_anew(world: World, spoil: str) -> None:
    environment = world.provide("demo==1.0", lease=False)
    Path(f"{environment.path}.{'json' if spoil == 'record' else spoil}").write_text("spoiled")
    again = world.provide("demo==1.0", lease=False)
    assert again.created
    assert run(again, "import demo; print(demo.VALUE)") == "1"
    assert len(world.environments.list()) == 1


def test_what_pytest_alone_wrote_is_swept(world: World) -> None:
    world.publish("plugin", "1.0", files={"plugin.py": "import pytest\n"})
    environment = world.provide("plugin==1.0")
    source = site(environment) / "plugin.py"
    header = int(source.stat().st_mtime).to_bytes(4, "little") + source.stat().st_size.to_bytes(4, "little")
    written = site(environment) / "__pycache__/plugin.cpython-311-pytest-8.4.1.pyc"
    written.parent.mkdir()
    written.write_bytes(b"\xa7\r\r\n" + bytes(4) + header)
    assert environment.lease is not None
    assert not world.environments.give_back(environment.lease).diff
    assert not written.exists()


# damage in the store


def write_in_place(path: Path, text: str, *, keep_time: bool = False) -> None:
    """Rewrite a file through its inode, as root or its owner can: every hard link of it changes."""
    status = path.stat()
    path.chmod(0o644)
    path.write_text(text)
    path.chmod(0o444)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_damage_that_reached_the_store_is_mended_everywhere(world: World) -> None:
    options = {"link_mode": "hardlink"}
    first = world.provide("demo==1.0", lease=False, name="a.txt", options=options)
    second = world.provide("demo==1.0", "other==1.0", lease=False, name="b.txt", options=options)
    module = site(first) / "demo/__init__.py"
    assert module.samefile(site(second) / "demo/__init__.py")
    write_in_place(module, "VALUE = 666\n")
    again = world.provide("demo==1.0", lease=False, name="a.txt", options=options)
    assert again.repaired
    assert any("demo/__init__.py" in warning for warning in again.warnings)
    assert run(again, "import demo; print(demo.VALUE)") == "1"
    # The other one was not asked for yet, and holds no damage any more.
    assert "666" not in (site(second) / "demo/__init__.py").read_text()
    assert not world.environments.diff(second.path, verify_files=True)
    assert module.samefile(site(second) / "demo/__init__.py")


def test_damage_that_keeps_size_and_time_is_found_by_verifying(world: World) -> None:
    options = {"link_mode": "hardlink"}
    first = world.provide("demo==1.0", lease=False, name="a.txt", options=options)
    second = world.provide("demo==1.0", "other==1.0", lease=False, name="b.txt", options=options)
    module = site(first) / "demo/__init__.py"
    write_in_place(module, module.read_text().replace("1", "9"), keep_time=True)
    assert not world.environments.diff(first.path)
    relative = module.relative_to(first.path).as_posix()
    assert world.environments.diff(first.path, verify_files=True).files.changed == (relative,)
    repaired = world.environments.restore(first.path, verify_files=True)
    assert repaired.damage
    for environment in (first, second):
        assert run(environment, "import demo; print(demo.VALUE)") == "1"
        assert not world.environments.diff(environment.path, verify_files=True)


def test_damage_by_a_session_is_told_with_its_drift(world: World) -> None:
    environment = world.provide("demo==1.0", options={"link_mode": "hardlink"})
    write_in_place(site(environment) / "demo/inner/data.txt", "spoiled\n")
    assert environment.lease is not None
    back = world.environments.give_back(environment.lease)
    assert back.diff.files.changed
    assert [line for line in back.damage if "demo/inner/data.txt" in line]
    assert (site(environment) / "demo/inner/data.txt").read_text() == DEMO["demo/inner/data.txt"]


def test_damage_that_cannot_be_mended_is_an_error_and_no_environment(world: World) -> None:
    options = {"link_mode": "hardlink"}
    environment = world.provide("demo==1.0", lease=False, options=options)
    write_in_place(site(environment) / "demo/__init__.py", "VALUE = 666\n")
    world.index.close()
    for _ in range(2):
        with pytest.raises(DamagedStoreError, match="cannot be had again"):
            world.provide("demo==1.0", lease=False, options=options)
    with pytest.raises(DamagedStoreError):
        world.provide("demo==1.0", lease=False, options={"link_mode": "copy"})


@pytest.mark.parametrize("link_mode", ["hardlink", "copy", "symlink"])
def test_nothing_is_made_of_a_damaged_store(world: World, link_mode: str) -> None:
    """A session was killed after it had spoiled the store: its environment is not asked for again, another one is."""
    first = world.provide("demo==1.0", lease=False, name="a.txt", options={"link_mode": "hardlink"})
    write_in_place(site(first) / "demo/__init__.py", "VALUE = 666\n")
    second = world.provide("demo==1.0", "other==1.0", lease=False, name="b.txt", options={"link_mode": link_mode})
    assert run(second, "import demo; print(demo.VALUE)") == "1"
    assert any("demo/__init__.py" in warning for warning in second.warnings)
    assert not world.environments.diff(second.path, verify_files=True)
    assert run(first, "import demo; print(demo.VALUE)") == "1"


def test_nothing_is_brought_forward_with_damage_of_the_store(world: World) -> None:
    options = {"link_mode": "hardlink"}
    spoiled = world.provide("other==1.1", lease=False, name="a.txt", options=options)
    world.provide("demo==1.0", "other==1.0", lease=False, options=options)
    write_in_place(site(spoiled) / "other.py", "VERSION = '666'\n")
    later = world.provide("demo==1.0", "other==1.1", lease=False, options=options)
    assert run(later, "import other; print(other.VERSION)") == "1.1"


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


def test_waiting_for_another_process_is_told(world: World) -> None:
    key = world.provide("demo==1.0", lease=False).key
    lock = world.cache_dir / "locks" / f"{key}.lock"
    code = (
        "import sys, time; from pathlib import Path; from pytest_envsync.cache import exclusive\n"
        f"with exclusive(Path({str(lock)!r}), timeout=5): print(flush=True); time.sleep(1.6)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        world.provide("demo==1.0", lease=False)
    assert world.reporter.notes == [f"waiting for process {other.pid} building {key[:6]} (1 s)"]


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


# brought forward


def test_the_environment_of_a_changed_lock_is_brought_forward(world: World) -> None:
    former = world.provide("demo==1.0", "other==1.0", lease=False)
    run(former, "import demo, other")
    later = world.provide("demo==1.0", "other==1.1", lease=False)
    assert (later.created, later.changes.installed, later.changes.removed) == (True, {"other": "1.1"}, {"other": "1.0"})
    assert later.key != former.key
    assert not Path(former.path).exists()
    assert [listing.key for listing in world.environments.list()] == [later.key]
    assert run(later, "import demo, other, fresh, sys; print(other.VERSION, sys.prefix)") == f"1.1 {later.path}"
    assert not world.environments.diff(later.path, verify_files=True)


def test_what_is_brought_forward_is_what_would_be_made(world: World) -> None:
    def without_path(root: str) -> dict[str, bytes | str | None]:
        # RECORD holds the digests of scripts, which hold the path.
        found = tree(root, without=["__pycache__"])
        lengths = {
            name: b"\n".join(line.partition(b",sha256")[0] for line in content.splitlines())
            for name, content in found.items()
            if isinstance(content, bytes) and name.endswith("RECORD")
        }
        plain = {name: c.replace(root.encode(), b"HERE") if isinstance(c, bytes) else c for name, c in found.items()}
        return {**plain, **lengths}

    world.provide("demo==1.0", "other==1.0", lease=False)
    forward = without_path(world.provide("demo==1.0", "other==1.1", lease=False).path)
    fresh = without_path(world.provide("demo==1.0", "other==1.1", lease=False, recreate=True).path)
    assert forward == fresh


def test_scripts_run_after_being_brought_forward(world: World) -> None:
    world.provide("demo==1.0", "other==1.0", lease=False)
    later = world.provide("demo==1.0", "other==1.1", lease=False)
    assert run(later, SCRIPT) == "demo 1"
    for path in Path(later.bin).iterdir():
        if path.is_file() and not path.is_symlink():
            assert "environments/" not in path.read_text().replace(later.path, "")


@pytest.mark.parametrize("reason", ["in use", "differs", "asked for by others", "another link mode"])
def test_an_environment_is_not_taken_away(world: World, reason: str) -> None:
    former = world.provide("demo==1.0", "other==1.0", lease=reason == "in use")
    options = {}
    if reason == "differs":
        (site(former) / "left.py").touch()
    elif reason == "asked for by others":
        world.provide("demo==1.0", "other==1.0", lease=False, name="another.txt")
    elif reason == "another link mode":
        options["link_mode"] = "copy"
    later = world.provide("demo==1.0", "other==1.1", lease=False, options=options)
    assert (later.created, Path(former.path).exists()) == (True, True)
    assert run(later, "import other; print(other.VERSION)") == "1.1"


def test_the_same_version_from_another_artifact_is_installed_anew(world: World) -> None:
    first = make_wheel(world.directory / "one", "local", "1.0", files={"local.py": "VALUE = 1\n"})
    second = make_wheel(world.directory / "two", "local", "1.0", files={"local.py": "VALUE = 2\n"})
    world.provide(f"local @ {first.as_uri()}", "demo==1.0", lease=False)
    later = world.provide(f"local @ {second.as_uri()}", "demo==1.0", lease=False)
    assert run(later, "import local; print(local.VALUE)") == "2"
    assert not world.environments.diff(later.path, verify_files=True)


# bytecode


def test_what_a_session_compiled_serves_the_next_environment(world: World) -> None:
    first = world.provide("demo==1.0", name="a.txt")
    assert run(first, "import demo; print(demo.__cached__)").endswith(".pyc")
    assert first.lease is not None
    world.environments.give_back(first.lease)
    second = world.provide("demo==1.0", "other==1.0", name="b.txt")
    compiled = list((site(second) / "demo/__pycache__").iterdir())
    assert [path.name.partition(".")[0] for path in compiled] == ["__init__"]
    assert compiled[0].stat().st_nlink > 1
    time_before = compiled[0].stat().st_mtime_ns
    run(second, "import demo")
    assert compiled[0].stat().st_mtime_ns == time_before


def test_bytecode_of_an_edited_source_is_not_kept(world: World) -> None:
    first = world.provide("demo==1.0", name="a.txt")
    edit(site(first) / "demo/__init__.py", "VALUE = 5\n")
    run(first, "import demo")
    assert first.lease is not None
    world.environments.give_back(first.lease)
    second = world.provide("demo==1.0", "other==1.0", name="b.txt")
    assert not (site(second) / "demo/__pycache__").exists()


def test_another_interpreter_has_environments_and_bytecode_of_its_own(world: World) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = None
    for version in {"3.10", "3.11", "3.12", "3.13"} - {here}:
        with suppress(TargetError):
            found = world.provide("demo==1.0", python=version, name="a.txt")
    if found is None:
        pytest.skip("there is no other interpreter")
    assert found.version.rpartition(".")[0] != here
    assert run(found, "import demo; print(demo.__cached__)").endswith(".pyc")
    assert found.lease is not None
    world.environments.give_back(found.lease)
    python = found.version.rpartition(".")[0]
    second = world.provide("demo==1.0", "other==1.0", python=python, name="b.txt", lease=False)
    assert len(list((site(second) / "demo/__pycache__").iterdir())) == 1
    ours = world.provide("demo==1.0", name="a.txt", lease=False)
    assert ours.key != found.key
    assert not (site(ours) / "demo/__pycache__").exists()


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


# private ones


def test_a_private_environment_is_independent_of_the_store(world: World, tmp_path: Path) -> None:
    environment = world.provide("demo==1.0", lease=False)
    private = world.environments.private_copy(environment, tmp_path / "mine/env")
    assert (private.path, private.lease, private.packages) == (str(tmp_path / "mine/env"), None, {"demo": "1.0"})
    before = tree(environment.path)
    module = site(private) / "demo/__init__.py"
    with module.open("a") as file:
        file.write("VALUE = 2\n")
    (site(private) / "demo/inner/data.txt").write_text("spoiled")
    os.utime(site(private) / "demo/inner/__init__.py", (1, 1))
    (site(private) / "demo-1.0.dist-info/METADATA").chmod(0o777)
    (site(private) / "demo-1.0.dist-info/WHEEL").unlink()
    assert run(private, "import demo; print(demo.VALUE)") == "2"
    assert tree(environment.path) == before
    assert not world.environments.diff(environment.path, verify_files=True)
    assert world.environments.diff(private.path).files.changed
    restored = world.environments.restore(private.path)
    assert restored.changes.reinstalled == {"demo": "1.0"}
    assert not world.environments.diff(private.path, verify_files=True)
    assert module.stat().st_mode & 0o200


def test_a_private_environment_may_be_linked_on_request(world: World, tmp_path: Path) -> None:
    environment = world.provide("demo==1.0", lease=False, options={"link_mode": "hardlink"})
    private = world.environments.private_copy(environment.path, tmp_path / "env", link_mode="hardlink")
    assert (site(private) / "demo/__init__.py").samefile(site(environment) / "demo/__init__.py")


def test_a_private_environment_needs_a_place_of_its_own(world: World, tmp_path: Path) -> None:
    environment = world.provide("demo==1.0", lease=False)
    (tmp_path / "env").mkdir()
    (tmp_path / "env/file").touch()
    with pytest.raises(EnvsyncError, match="is not empty"):
        world.environments.private_copy(environment, tmp_path / "env")
