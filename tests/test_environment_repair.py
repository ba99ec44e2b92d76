"""What differs before or after a use is found and mended, in the store too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from environment_world import DEMO, World, demo_world, edit, run, site, tree, where_permissions_count
from factories import write_tree
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment
from pytest_envsync.errors import FetchError, StoreError
from pytest_envsync.options import SyncOptions
from pytest_envsync.values import replace


@pytest.fixture
def world(tmp_path: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo`` and ``other``, and an empty cache."""
    return demo_world(tmp_path, cache_dir, index)


# found and mended


def pip_install(environment: CachedEnvironment) -> None:
    """What an installer does that replaces a distribution and adds one."""
    packages = site(environment)
    shutil.rmtree(packages / "other-1.0.dist-info")
    (packages / "other.py").unlink()
    write_tree(packages, {"other.py": "VERSION = '7'\n", "other-7.dist-info/METADATA": "Name: other\nVersion: 7\n"})
    write_tree(packages, {"extra/__init__.py": "", "extra-3.dist-info/METADATA": "Name: extra\nVersion: 3\n"})


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
        with pytest.raises(FetchError):
            world.provide("demo==1.0", lease=False, options=options)
    with pytest.raises(FetchError):
        world.provide("demo==1.0", lease=False, options={"link_mode": "copy"})


def test_what_its_old_place_does_not_give_any_more_is_had_from_where_the_lock_says(
    world: World, tmp_path: Path
) -> None:
    """The wheel came from a listing that is gone; nothing of it is left to stand in the way."""
    links = tmp_path / "links"
    links.mkdir()
    wheel = links / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes((tmp_path / "wheels" / wheel.name).read_bytes())
    options = {"link_mode": "hardlink", "find_links": (str(links),)}
    first = world.provide("demo==1.0", lease=False, options=options)
    write_in_place(site(first) / "demo/__init__.py", "VALUE = 666\n")
    wheel.unlink()
    second = world.provide("demo==1.0", lease=False, options={"link_mode": "hardlink"})
    assert run(second, "import demo; print(demo.VALUE)") == "1"
    assert not world.environments.diff(second.path, verify_files=True)


def test_a_wheel_behind_a_login_is_had_again(world: World) -> None:
    """A repair asks for no page first, by which the client would learn the login."""
    world.index.require_auth("ann", "secret")
    address = world.index.url.replace("://", "://ann:secret@")
    request = replace(world.request("demo==1.0"), options=SyncOptions(index_url=address, link_mode="hardlink"))
    first = world.environments.provide(request, holder_pid=0)
    write_in_place(site(first) / "demo/__init__.py", "VALUE = 666\n")
    assert world.environments.provide(request, holder_pid=0).path == first.path
    assert run(first, "import demo; print(demo.VALUE)") == "1"


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


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
def test_files_that_were_given_away_come_back(world: World) -> None:
    first = world.provide("demo==1.0")
    package = site(first) / "demo"
    before = (package.stat().st_uid, package.stat().st_gid)
    for path in (package, package / "__init__.py", Path(first.path)):
        os.chown(path, 65534, 65534)
    assert first.lease is not None
    handed_back = world.environments.give_back(first.lease)
    assert (len(handed_back.diff.files.changed), handed_back.undone, handed_back.error) == (3, True, None)
    for path in (package, package / "__init__.py", Path(first.path)):
        assert (path.stat().st_uid, path.stat().st_gid) == before


# a link in the place of an environment


def mine(directory: Path) -> dict[str, bytes | str | None]:
    """Make a directory of a user, with names that are like those of the cache too; return what is in it."""
    write_tree(
        directory,
        {
            "a.txt": "precious",
            "sub/b.txt": "precious",
            "1/c.txt": "precious",
            "2024/d.txt": "precious",
            "1.json": "precious",
            "3.retired": "precious",
            ".hidden": "precious",
            "empty/.keep": "",
            "2024-01-02-notes": "precious",
            "bin/python": "precious",
        },
    )
    for path in (directory, *directory.rglob("*")):
        os.utime(path, (1, 1))
    return tree(directory)


def put_link(place: Path, target: Path) -> None:
    if place.exists():
        place.rename(place.with_name("away"))
    place.symlink_to(target)


PLACES = [
    pytest.param(lambda path: path, id="the environment"),
    pytest.param(lambda path: path.parent, id="its key"),
    pytest.param(lambda path: path.parent / "leases", id="its leases"),
    pytest.param(lambda path: path.parent.parent, id="all of them"),
]


@pytest.mark.parametrize("place_of", PLACES)
def test_nothing_behind_a_link_in_the_place_of_an_environment_is_touched(
    world: World, tmp_path: Path, place_of: Callable[[Path], Path]
) -> None:
    outside = tmp_path / "outside"
    before = mine(outside)
    environment = world.provide("demo==1.0")
    place = place_of(Path(environment.path))
    put_link(place, outside)
    assert environment.lease is not None
    if place == Path(environment.path):
        back = world.environments.give_back(environment.lease)
        assert (back.undone, back.diff.files.changed) == (False, ("./",))
        assert back.error is not None
        assert f"`{place}` was replaced by a link to `{outside}`" in back.error
        assert not os.path.lexists(place)
    else:
        with pytest.raises(StoreError, match="there is no lease"):
            world.environments.give_back(environment.lease)
    assert tree(outside) == before
    again = world.provide("demo==1.0", lease=False)
    assert run(again, "import demo; print(demo.VALUE)") == "1"
    assert not place.is_symlink()
    assert tree(outside) == before


@pytest.mark.parametrize("place_of", PLACES)
def test_a_link_that_was_put_there_between_two_uses_is_told_and_removed(
    world: World, tmp_path: Path, place_of: Callable[[Path], Path]
) -> None:
    outside = tmp_path / "outside"
    before = mine(outside)
    environment = world.provide("demo==1.0", lease=False)
    place = place_of(Path(environment.path))
    put_link(place, outside)
    again = world.provide("demo==1.0", lease=False)
    assert any(f"`{place}` was replaced by a link to `{outside}`" in warning for warning in again.warnings)
    assert run(again, "import demo; print(demo.VALUE)") == "1"
    assert not place.is_symlink()
    assert tree(outside) == before
    assert not world.provide("demo==1.0", lease=False).warnings


def test_a_link_to_what_was_the_environment_is_no_environment(world: World) -> None:
    environment = world.provide("demo==1.0")
    put_link(Path(environment.path), Path(environment.path).with_name("away"))
    before = tree(Path(environment.path).with_name("away"))
    assert environment.lease is not None
    assert not world.environments.give_back(environment.lease).undone
    again = world.provide("demo==1.0", lease=False)
    assert again.created
    assert not Path(again.path).is_symlink()
    assert tree(Path(environment.path).with_name("away")) == before


@pytest.mark.parametrize("by", ["key", "path"])
def test_nothing_is_restored_behind_a_link(world: World, tmp_path: Path, by: str) -> None:
    before = mine(tmp_path / "outside")
    environment = world.provide("demo==1.0", lease=False)
    put_link(Path(environment.path), tmp_path / "outside")
    with pytest.raises(StoreError, match="was replaced by a link"):
        world.environments.restore(environment.key if by == "key" else environment.path)
    assert tree(tmp_path / "outside") == before


def test_nothing_is_restored_behind_a_link_in_the_place_of_a_private_environment(world: World, tmp_path: Path) -> None:
    before = mine(tmp_path / "outside")
    private = world.environments.private_copy(world.provide("demo==1.0", lease=False), tmp_path / "private/env")
    put_link(Path(private.path), tmp_path / "outside")
    with pytest.raises(StoreError, match="was replaced by a link") as caught:
        world.environments.restore(private.path)
    assert "made anew" not in str(caught.value)
    assert tree(tmp_path / "outside") == before


def test_nothing_is_brought_forward_from_behind_a_link(world: World, tmp_path: Path) -> None:
    before = mine(tmp_path / "outside")
    former = world.provide("demo==1.0", lease=False)
    put_link(Path(former.path), tmp_path / "outside")
    later = world.provide("demo==1.0", "other==1.0", lease=False)
    assert run(later, "import demo, other; print(demo.VALUE)") == "1"
    assert not Path(later.path).is_symlink()
    assert tree(tmp_path / "outside") == before


def test_environments_that_a_user_keeps_on_another_disk_stay_there(world: World, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    world.cache_dir.mkdir(exist_ok=True)
    (world.cache_dir / "environments").symlink_to(tmp_path / "disk")
    environment = world.provide("demo==1.0", lease=False)
    (site(environment) / "added.py").touch()
    again = world.provide("demo==1.0", lease=False)
    assert (again.path, again.created, again.warnings) == (environment.path, False, ())
    assert again.repaired
    assert (tmp_path / "disk" / environment.key / "1").is_dir()


def test_a_file_in_the_place_of_an_environment_makes_way(world: World) -> None:
    environment = world.provide("demo==1.0", lease=False)
    shutil.rmtree(environment.path)
    Path(environment.path).touch()
    again = world.provide("demo==1.0", lease=False)
    assert again.created
    assert run(again, "import demo; print(demo.VALUE)") == "1"
