"""An environment follows its lockfile by the difference, and what was compiled goes along."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from environment_world import SCRIPT, World, demo_world, edit, run, site, tree
from factories import make_wheel
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment, EnvironmentRequest, ProjectRequest
from pytest_envsync.errors import TargetError, UsageError
from pytest_envsync.values import replace


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo`` and ``other``, and an empty cache."""
    return demo_world(tmp_path, cache_dir, index)


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


def test_nothing_of_the_former_one_is_left(world: World) -> None:
    former = world.provide("demo==1.0", "other==1.0", lease=False)
    world.provide("demo==1.0", "other==1.1", lease=False)
    assert not Path(former.path).parent.exists()
    with pytest.raises(UsageError, match="no cached environment"):
        world.environments.remove(former.key)
    # As versions before this one left it.
    Path(former.path).parent.mkdir()
    Path(former.path).with_name("used").touch()
    with pytest.raises(UsageError, match="no cached environment"):
        world.environments.find(former.key)
    assert world.environments.prune().environments == 0
    assert not Path(former.path).parent.exists()
    assert world.environments.prune(max_size=0).environments == 1


@pytest.mark.parametrize("setting", ["project", "overlay", "another overlay", "installed later"])
def test_turns_of_settings_on_one_lock_keep_an_environment_each(world: World, setting: str) -> None:
    for name in ("project", "first", "second"):
        (world.directory / name).mkdir()
    one: dict[str, Any] = {}
    two: dict[str, Any] = {}
    if setting == "project":
        two["project"] = ProjectRequest(path=str(world.directory / "project"))
    elif setting == "overlay":
        two |= {"overlay": str(world.directory / "first"), "overlay_digest": "1"}
    elif setting == "another overlay":
        one |= {"overlay": str(world.directory / "first"), "overlay_digest": "1"}
        two |= {"overlay": str(world.directory / "second"), "overlay_digest": "2"}
    else:
        # The command adds the project once the names in the lock are known.
        two["project"] = None

    def provide(values: dict[str, Any]) -> CachedEnvironment:
        def complete(request: EnvironmentRequest, _packages: object, _base: object) -> EnvironmentRequest:
            if setting == "installed later" and values:
                return replace(request, project=ProjectRequest(path=str(world.directory / "project")))
            return request

        return world.environments.provide(world.request("demo==1.0", **values), holder_pid=0, complete=complete)

    first, second = provide(one), provide(two)
    assert first.key != second.key
    for values, before in ((one, first), (two, second), (one, first)):
        again = provide(values)
        assert (again.path, again.created) == (before.path, False)


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
