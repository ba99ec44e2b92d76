"""``sync`` with source trees and sdists, from the requirement to the files: what is built, when, and what is noted."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from factories import make_sdist, make_wheel, project_files, setuptools_free_backend, sha256, write_tree
from index_server import IndexServer
from pytest_envsync.errors import BuildError, HashMismatch, InputError, SelectionError
from pytest_envsync.wheels.store.store import Store
from source_world import World, touch

DYNAMIC = """
def _metadata(directory):
    place = os.path.join(directory, "{name}-{version}.dist-info")
    os.mkdir(place)
    open(os.path.join(place, "METADATA"), "w").write({text!r})
    open({seen!r}, "a").write("asked ")
    return os.path.basename(place)

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    return _metadata(directory)

prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
"""


@pytest.fixture
def world(tmp_path: Path, clean_surrounding: None) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("editable", [True, False])
def test_a_tree_is_built_once_and_again_when_its_keys_change(world: World, *, editable: bool) -> None:
    tree = world.tree()
    line = f"{'-e ' if editable else ''}{tree}"
    assert world.sync(line).changes.installed == {"demo": "1.0"}
    assert json.loads(world.note("demo", "direct_url.json")) == {
        "url": tree.as_uri(),
        "dir_info": {"editable": True} if editable else {},
    }
    assert not world.sync(line).changes
    (tree / "demo.py").write_text("VERSION = 'edited'\n")
    assert not world.sync(line).changes
    assert world.run("import demo; print(demo.VERSION)") == ("edited" if editable else "1.0")
    touch(tree / "pyproject.toml")
    assert world.sync(line).changes.reinstalled == {"demo": "1.0"}
    assert len(world.built) == 1
    assert world.run("import demo; print(demo.VERSION)") == "edited"
    assert world.leftovers() == []


def test_editable_and_not_are_two_installations(world: World) -> None:
    tree = world.tree()
    world.sync(f"-e {tree}")
    assert world.sync(str(tree)).changes.reinstalled == {"demo": "1.0"}
    assert world.sync(f"-e {tree}").changes.reinstalled == {"demo": "1.0"}
    assert world.built == []


@pytest.mark.parametrize("table", ["uv", "envsync"])
def test_cache_keys_of_the_project_replace_the_usual_ones(world: World, table: str) -> None:
    keys = f'\n[tool.{table}]\ncache-keys = [{{ file = "**/*.py" }}, {{ env = "FLAVOUR" }}]\n'
    tree = world.tree(extra={"pyproject.toml": str(project_files()["pyproject.toml"]) + keys})
    world.sync(str(tree))
    touch(tree / "pyproject.toml")
    assert not world.sync(str(tree)).changes
    touch(tree / "demo.py")
    assert world.sync(str(tree)).changes.reinstalled == {"demo": "1.0"}
    assert world.sync(str(tree), environ={"FLAVOUR": "sour"}).changes.reinstalled == {"demo": "1.0"}
    assert not world.sync(str(tree), environ={"FLAVOUR": "sour"}).changes


def test_reinstall_builds_a_directory_again_and_refresh_alone_does_nothing(world: World) -> None:
    tree = world.tree()
    world.sync(str(tree))
    assert not world.sync(str(tree), refresh=True).changes
    assert world.sync(str(tree), reinstall=True).changes.reinstalled == {"demo": "1.0"}
    assert len(world.built) == 1
    assert world.sync(str(tree), reinstall_package=("demo",)).changes.reinstalled == {"demo": "1.0"}
    assert len(world.built) == 1


def test_settings_of_the_build_are_noted_and_compared(world: World) -> None:
    tree = world.tree()
    world.sync(str(tree))
    assert world.sync(str(tree), config_settings=("a=b",)).changes.reinstalled == {"demo": "1.0"}
    assert json.loads(world.note("demo", "envsync.json"))["build_info"] == {"config_settings": {"a": "b"}}
    assert not world.sync(str(tree), config_settings=("a=b",)).changes
    assert world.sync(str(tree)).changes.reinstalled == {"demo": "1.0"}
    assert world.built == []


def test_other_settings_build_what_came_from_an_index_again(world: World) -> None:
    links = world.root / "links"
    make_sdist(links)
    world.sync("demo==1.0", find_links=(str(links),))
    for settings in (("a=b",), ("a=c",), ()):
        changes = world.sync("demo==1.0", find_links=(str(links),), config_settings=settings).changes
        assert changes.reinstalled == {"demo": "1.0"}
        assert len(world.built) == len(settings)


def test_settings_of_builds_leave_ordinary_wheels_alone(world: World) -> None:
    links = world.root / "links"
    make_wheel(links)
    world.sync("demo==1.0", find_links=(str(links),))
    assert not world.sync("demo==1.0", find_links=(str(links),), config_settings=("a=b",)).changes


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_sdist_by_path_by_address_and_from_links(world: World, index: IndexServer, kind: str) -> None:
    sdist = make_sdist(world.root / "links", format=kind)
    world.sync(str(sdist))
    assert json.loads(world.note("demo", "direct_url.json")) == {"url": sdist.as_uri(), "archive_info": {}}
    assert len(world.built) == 1
    assert not world.sync(str(sdist)).changes
    url = index.add(sdist)
    for line in (f"demo @ {sdist.as_uri()}", "demo==1.0", f"demo @ {url} --hash=sha256:{sha256(sdist)}", url):
        world.sync(line, find_links=(str(world.root / "links"),), reinstall=True)
        assert world.installed() == {"demo": "1.0"}
        # One content, one build, however it is named; what is fetched is built again when that is asked for.
        assert bool(world.built) is (url in line)
    world.sync(f"demo @ {sdist.as_uri()}")
    world.sync(url)
    assert world.built == []


def test_an_sdist_of_an_index_is_fetched_once_and_built_once(world: World, index: IndexServer) -> None:
    index.add(make_sdist(world.root / "files"))
    index.add(make_wheel(world.root / "files"))
    options = {"index_url": index.url, "no_index": False, "no_binary": ("demo",)}
    world.sync("demo==1.0", **options)  # type: ignore[arg-type]  # options by name
    assert world.built == ["demo==1.0"]
    assert world.leftovers() == []
    other = World(world.root / "second")
    other.sync("demo==1.0", **options)  # type: ignore[arg-type]  # as above
    assert other.built == []
    assert sum(request.path.endswith(".tar.gz") for request in index.requests) == 1


def test_reinstall_and_refresh_build_what_is_fetched_again_and_fetch_nothing(world: World, index: IndexServer) -> None:
    index.add(make_sdist(world.root / "files"))
    options: dict[str, Any] = {"index_url": index.url, "no_index": False}
    world.sync("demo==1.0", **options)
    for more in ({"reinstall": True}, {"reinstall_package": ("Demo",)}):
        world.sync("demo==1.0", **options, **more)
        assert world.built == ["demo==1.0"]
    # What is installed stays as it is.
    world.sync("demo==1.0", **options, refresh=True)
    assert world.built == []
    other = World(world.root / "second")
    other.sync("demo==1.0", **options, refresh_package=("demo",))
    assert other.built == ["demo==1.0"]
    assert sum(request.path.endswith(".tar.gz") for request in index.requests) == 1


def test_a_fetched_sdist_is_kept_for_the_next_build(world: World, index: IndexServer) -> None:
    url = index.add(make_sdist(world.root / "files"), hashes=())
    options = {"index_url": index.url, "no_index": False}

    def build_again(*lines: str, **more: object) -> int:
        index.requests.clear()
        world.sync(*lines, reinstall=True, **options, **more)  # type: ignore[arg-type]  # options by name
        assert world.built
        return sum(request.path.endswith(".tar.gz") for request in index.requests)

    assert build_again("demo==1.0") == 1
    # --reinstall looks again, as --refresh does, and an index without digests proves nothing; one with them does.
    assert (
        build_again(
            f"demo==1.0 --hash=sha256:{sha256(world.root / 'files' / 'demo-1.0.tar.gz')}", config_settings=("a=1",)
        )
        == 0
    )
    (kept,) = (world.cache / "archives").glob("*/*")
    kept.write_bytes(b"damaged")
    assert build_again(f"{url}#sha256={kept.name}", config_settings=("a=2",)) == 1
    assert sha256(kept) == kept.name
    index.requests.clear()
    world.sync("demo==1.0", config_settings=("a=3",), offline=True, **options)  # type: ignore[arg-type]  # as above
    assert (world.built, index.requests) == (["demo==1.0"], [])


def test_an_index_without_digests_costs_one_fetch_as_well(world: World, index: IndexServer) -> None:
    index.add(make_sdist(world.root / "files"), hashes=())
    for name in ("first", "second"):
        World(world.root / name).sync("demo==1.0", index_url=index.url, no_index=False)
    assert sum(request.path.endswith(".tar.gz") for request in index.requests) == 1


def test_an_address_is_asked_whether_it_changed_and_offline_nobody_is(world: World, index: IndexServer) -> None:
    index.ranges = True  # and with it validators of files
    url = index.add(make_sdist(world.root / "files"))
    world.sync(url)
    for offline in (False, True):
        world.sync(url, reinstall=True, offline=offline)
        assert len(world.built) == 1
    assert ["range" in {name.lower() for name in request.headers} for request in index.requests] == [True, False, True]
    changed = project_files(extra={"demo.py": "VERSION = 'changed'\n"})
    make_sdist(world.root / "files", files=changed)
    world.sync(url, reinstall=True)
    assert world.run("import demo; print(demo.VERSION)") == "changed"


def test_an_sdist_with_other_bytes_is_refused(world: World, index: IndexServer) -> None:
    sdist = make_sdist(world.root / "files")
    url = index.add(sdist)
    wrong = "0" * 64
    for line in (f"demo==1.0 --hash=sha256:{wrong}", f"demo @ {url} --hash=sha256:{wrong}", f"{url}#sha256={wrong}"):
        error = world.refused(line, index_url=index.url, no_index=False)
        assert isinstance(error, HashMismatch)
        assert sha256(sdist) in str(error)
    world.sync(f"demo @ {url} --hash=sha256:{sha256(sdist)}", require_hashes=True)
    # It is built by now, and that proves nothing about the digest that is asked for.
    assert isinstance(world.refused(f"demo @ {url} --hash=sha256:{wrong}", reinstall=True), HashMismatch)


def test_a_digest_of_another_kind_leads_to_the_wheel_that_was_built(world: World, index: IndexServer) -> None:
    import hashlib

    sdist = make_sdist(world.root / "files")
    index.add(sdist, hashes=())
    digest = hashlib.sha512(sdist.read_bytes()).hexdigest()
    for name in ("first", "second"):
        World(world.root / name).sync(f"demo==1.0 --hash=sha512:{digest}", index_url=index.url, no_index=False)
    assert sum(request.path.endswith(".tar.gz") for request in index.requests) == 1


def test_builds_can_be_refused(world: World) -> None:
    tree = world.tree()
    for options in ({"no_build": True}, {"only_binary": ("demo",)}, {"only_binary": (":all:",)}):
        error = world.refused(f"demo @ {tree.as_uri()}", **options)
        assert isinstance(error, BuildError)
        assert (error.exit_status, "which --no-build or --only-binary refuses" in str(error)) == (1, True)
    world.sync(f"demo @ {tree.as_uri()}", only_binary=("other",))
    assert world.installed() == {"demo": "1.0"}


def test_what_was_built_before_may_be_installed_without_building(world: World) -> None:
    tree = world.tree()
    world.sync(str(tree))
    world.sync("", allow_empty_requirements=True)
    world.sync(str(tree), no_build=True)
    assert (world.installed(), world.built) == ({"demo": "1.0"}, [])


def test_an_editable_is_built_whatever_is_refused(world: World) -> None:
    world.sync(f"-e {world.tree()}", no_build=True)
    assert world.installed() == {"demo": "1.0"}


def test_refused_builds_and_wheels_leave_nothing(world: World) -> None:
    links = world.root / "links"
    make_sdist(links)
    options = {"find_links": (str(links),)}
    assert isinstance(world.refused("demo==1.0", no_build=True, **options), SelectionError)
    make_wheel(links)
    assert isinstance(world.refused("demo==1.0", no_binary=("demo",), only_binary=("demo",), **options), SelectionError)
    error = world.refused(str(links / "demo-1.0-py3-none-any.whl"), no_binary=("demo",))
    assert (error.exit_status, isinstance(error, InputError)) == (2, True)


def test_a_name_that_is_not_the_project_s_is_refused(world: World) -> None:
    error = world.refused(f"other @ {world.tree().as_uri()}")
    assert "is the project `demo`, but `other` was asked for" in str(error)
    assert error.exit_status == 1


def test_constraints_hold_for_what_is_built(world: World) -> None:
    tree = world.tree(version="2.0")
    (world.root / "c.txt").write_text("demo<2\n")
    error = world.refused(str(tree), constraints=("c.txt",))
    assert "has version 2.0, but `<2` is asked for" in str(error)
    (world.root / "c.txt").write_text("demo>=2\n")
    world.sync(str(tree), constraints=("c.txt",))
    assert world.installed() == {"demo": "2.0"}


def test_a_project_that_needs_another_python_is_refused(world: World) -> None:
    backend = setuptools_free_backend("demo", "1.0").replace(
        "Version: 1.0\\n", "Version: 1.0\\nRequires-Python: >=3.99\\n"
    )
    error = world.refused(str(world.tree(extra={"backend.py": backend})))
    assert (error.exit_status, ">=3.99" in str(error)) == (1, True)


def dynamic(world: World, *, requires: tuple[str, ...] = (), extras: str = "") -> Path:
    """A project whose metadata only its backend tells; what was asked is written to ``seen``."""
    text = (
        "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
        + extras
        + "".join(f"Requires-Dist: {r}\n" for r in requires)
    )
    hooks = DYNAMIC.format(name="demo", version="1.0", text=text, seen=str(world.root / "seen"))
    table = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    extra = {"pyproject.toml": table, "backend.py": setuptools_free_backend("demo", "1.0") + hooks}
    return world.tree(extra=extra)


def test_a_name_that_only_the_backend_tells_is_asked_for_once(world: World) -> None:
    tree = dynamic(world)
    for _ in range(2):
        world.sync(f"-e {tree}", refresh=True)
    assert world.installed() == {"demo": "1.0"}
    assert (world.root / "seen").read_text().split() == ["asked"]
    error = world.refused(str(dynamic(World(world.root / "other"))), no_build=True)
    assert "the metadata of" in str(error)


def test_dependencies_of_a_dynamic_project_are_an_input(world: World) -> None:
    links = world.root / "links"
    for name in ("first", "second", "third"):
        make_wheel(links, name)
    tree = dynamic(
        world,
        requires=("first==1.0", "second==1.0; extra == 'More_'", "third; python_version < '3'"),
        extras="Provides-Extra: More_\n",
    )
    table = str((tree / "pyproject.toml").read_text())
    (tree / "pyproject.toml").write_text(
        table + '[project]\nname = "demo"\nversion = "1.0"\ndynamic = ["dependencies"]\n'
    )
    options = {"find_links": (str(links),)}
    file = ("demo/pyproject.toml",)
    world.sync(files=file, **options)  # type: ignore[arg-type]  # options by name
    assert world.installed() == {"first": "1.0"}
    world.sync(files=file, extras=("more-",), **options)  # type: ignore[arg-type]  # as above
    assert world.installed() == {"first": "1.0", "second": "1.0"}
    assert (world.root / "seen").read_text().split() == ["asked"]
    error = world.refused(files=file, extras=("nope",), **options)
    assert (error.exit_status, "Requested extra not found: nope" in str(error)) == (2, True)
    world.sync(files=file, all_extras=True, **options)  # type: ignore[arg-type]  # as above
    assert world.installed() == {"first": "1.0", "second": "1.0"}


def test_an_input_whose_backend_fails_is_a_bad_input(world: World) -> None:
    tree = world.broken("\ndef get_requires_for_build_wheel(*a):\n    raise SystemExit('out of order')\n")
    (tree / "pyproject.toml").write_text(str(project_files()["pyproject.toml"]) + 'dynamic = ["dependencies"]\n')
    error = world.refused(files=("demo/pyproject.toml",))
    assert (error.exit_status, "out of order" in str(error)) == (2, True)


def test_pylock_builds_sdists_and_directories(world: World) -> None:
    sdist = make_sdist(world.root / "files", "locked")
    world.tree("local", "2.0")
    lock = world.root / "pylock.toml"
    lock.write_text(
        'lock-version = "1.0"\ncreated-by = "test"\n'
        f'[[packages]]\nname = "locked"\nversion = "1.0"\n[packages.sdist]\npath = "files/{sdist.name}"\n'
        f'hashes = {{ sha256 = "{sha256(sdist)}" }}\n'
        '[[packages]]\nname = "local"\nversion = "9.9"\n[packages.directory]\npath = "local"\neditable = true\n'
    )
    world.sync(files=("pylock.toml",))
    assert world.installed() == {"local": "2.0", "locked": "1.0"}
    assert json.loads(world.note("local", "direct_url.json"))["dir_info"] == {"editable": True}
    assert not world.sync(files=("pylock.toml",)).changes
    lock.write_text(lock.read_text().replace('version = "1.0"\n[p', 'version = "3.0"\n[p'))
    error = world.refused(files=("pylock.toml",), reinstall=True)
    assert "built version 1.0, but 3.0 was asked for" in str(error)


@pytest.mark.parametrize("name", ["{outside}/locked-1.0.tar.gz", "../../../locked-1.0.tar.gz"])
def test_the_name_that_a_lockfile_gives_an_sdist_leads_nowhere(world: World, name: str) -> None:
    outside = world.root / "outside"
    outside.mkdir()
    sdist = make_sdist(world.root / "files", "locked")
    (world.root / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "test"\n'
        f'[[packages]]\nname = "locked"\nversion = "1.0"\n[packages.sdist]\nname = "{name.format(outside=outside)}"\n'
        f'path = "files/{sdist.name}"\nhashes = {{ sha256 = "{sha256(sdist)}" }}\n'
    )
    with suppress(InputError):  # it may be refused as well
        world.sync(files=("pylock.toml",))
    assert [*outside.iterdir(), *world.cache.rglob(sdist.name)] == []


def test_a_dry_run_builds_nothing(world: World) -> None:
    outcome = world.sync(str(world.tree()), dry_run=True)
    assert (len(outcome.unseen), world.built, world.installed()) == (1, [], {})


def test_scripts_of_an_editable_work_and_go_with_it(world: World) -> None:
    entry = "\n_plain = _wheel\ndef _wheel(directory, files):\n"
    entry += "    points = b'[console_scripts]\\ndemo-says = demo:main\\n'\n"
    entry += "    return _plain(directory, {**files, 'demo-1.0.dist-info/entry_points.txt': points})\n"
    tree = world.broken(entry)
    (tree / "demo.py").write_text("def main():\n    print('from the tree')\n")
    world.sync(f"-e {tree}")
    script = world.prefix / "bin" / "demo-says"
    assert subprocess.run([script], check=True, capture_output=True, text=True).stdout == "from the tree\n"
    world.sync("", allow_empty_requirements=True)
    assert not script.exists()


def test_a_built_wheel_whose_files_were_damaged_is_had_again_without_a_build(world: World) -> None:
    from pytest_envsync.wheels.store.upkeep import verify

    world.sync(str(world.tree()))
    stored = next(world.cache.glob("wheels/*/*/tree/demo.py"))
    stored.unlink()
    stored.write_text("damaged")
    found = verify(Store(world.cache), deep=True, repair=True)
    assert [entry.outcome for entry in found.damaged] == ["repaired"]
    assert stored.read_text() == 'VERSION = "1.0"\n'


def test_two_worktrees_never_share_an_editable(world: World) -> None:
    first, second = world.tree(), write_tree(world.root / "copy", project_files())
    world.sync(f"-e {first}")
    world.sync(f"-e {second}")
    assert len(world.built) == 1
    assert world.run("import demo, os; print(os.path.dirname(demo.__file__))") == str(second)
