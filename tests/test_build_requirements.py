"""What a build needs is resolved with its dependencies, over the same indexes, and may have to be built as well."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from factories import make_sdist, make_wheel, project_files, setuptools_free_backend, sha256
from index_server import IndexServer
from pytest_envsync.errors import BuildError, InputError, SelectionError
from source_world import World


@pytest.fixture
def world(tmp_path: Path, clean_surrounding: None) -> World:
    return World(tmp_path)


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A find-links directory."""
    directory = tmp_path / "links"
    directory.mkdir()
    return directory


def table(*requires: str, backend: str = "tool") -> str:
    """A ``pyproject.toml`` of ``demo`` whose build needs *requires*."""
    listed = ", ".join(f"'{item}'" for item in requires)
    return (
        f'[build-system]\nrequires = [{listed}]\nbuild-backend = "{backend}"\n'
        '[project]\nname = "demo"\nversion = "1.0"\n'
    )


def tool_files(says: str = "1") -> Mapping[str, str]:
    """A backend in a distribution of its own, which writes *says* into what it builds."""
    backend = setuptools_free_backend("demo", "1.0").replace(
        "def _sources():\n", f"def _sources():\n    return {{'demo.py': b\"TOOL = {says!r}\"}}\n"
    )
    return {"tool.py": backend}


def make_tool(links: Path, version: str = "1.0", *, requires: tuple[str, ...] = (), body: str = "") -> Path:
    return make_wheel(
        links, "tool", version, files={"tool.py": tool_files(version)["tool.py"] + body}, requires=requires
    )


def used(world: World) -> str:
    """The version of the tool that built what is installed."""
    return world.run("import demo; print(demo.TOOL)")


def environments(world: World) -> list[Path]:
    return [path for path in world.cache.glob("build-environments/*/*") if path.is_dir()]


def test_the_best_version_that_fits_is_taken_with_what_it_needs(world: World, links: Path) -> None:
    make_tool(links, "1.0")
    make_tool(links, "1.5", requires=("part[more]>=1", "never; python_version < '3'"), body="\nimport part, extra\n")
    make_tool(links, "2.0")
    metadata = "Metadata-Version: 2.1\nName: part\nVersion: 1.0\nProvides-Extra: more\n"
    make_wheel(links, "part", metadata=metadata + "Requires-Dist: extra; extra == 'more'\n")
    make_wheel(links, "extra")
    tree = world.tree(extra={"pyproject.toml": table("tool<2")})
    world.sync(str(tree), find_links=(str(links),))
    assert used(world) == "1.5"
    assert world.installed() == {"demo": "1.0"}


def test_a_version_whose_needs_cannot_be_met_is_passed_over(world: World, links: Path) -> None:
    make_tool(links, "1.0", requires=("part==1",))
    make_tool(links, "2.0", requires=("part==2",))
    make_wheel(links, "part", "1")
    make_wheel(links, "part", "2")
    tree = world.tree(extra={"pyproject.toml": table("tool", "part<2")})
    world.sync(str(tree), find_links=(str(links),))
    assert used(world) == "1.0"


def test_needs_that_exclude_each_other_are_all_named(world: World, links: Path) -> None:
    make_tool(links, requires=("part==1",))
    make_wheel(links, "part", "1")
    make_wheel(links, "part", "2")
    tree = world.tree(extra={"pyproject.toml": table("tool", "part==2")})
    error = world.refused(str(tree), find_links=(str(links),))
    assert isinstance(error, BuildError)
    assert "part==1: tool 1.0 needs it" in str(error)
    assert "part==2: the build asks for it" in str(error)


def test_what_nobody_has_is_named_with_who_needs_it(world: World, links: Path) -> None:
    make_tool(links, requires=("nowhere>=1",))
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    error = world.refused(str(tree), find_links=(str(links),))
    assert isinstance(error, SelectionError)
    assert "nowhere>=1: tool 1.0 needs it" in str(error)
    assert f"asked: {links.as_uri()}" in str(error)
    assert f"needed to build `demo @ {tree.as_uri()}`" in str(error)
    assert error.exit_status == 1


def test_what_the_backend_asks_for_besides_is_there_when_it_builds(world: World, links: Path) -> None:
    asks = "\ndef get_requires_for_build_wheel(config_settings=None):\n    return ['part']\n"
    asks += "\n_plain = build_wheel\ndef build_wheel(*a, **k):\n    import part\n    return _plain(*a, **k)\n"
    make_tool(links, body=asks)
    make_wheel(links, "part")
    world.sync(str(world.tree(extra={"pyproject.toml": table("tool")})), find_links=(str(links),))
    assert used(world) == "1.0"


def test_build_constraints_narrow_the_choice_and_nothing_else(world: World, links: Path) -> None:
    make_tool(links, "1.0")
    make_tool(links, "2.0")
    (world.root / "c.txt").write_text("tool<2\nunrelated==3\n")
    world.sync(
        str(world.tree(extra={"pyproject.toml": table("tool")})),
        find_links=(str(links),),
        build_constraints=("c.txt",),
    )
    assert used(world) == "1.0"


def test_constraints_of_the_sync_do_not_reach_builds(world: World, links: Path) -> None:
    make_tool(links, "1.0")
    make_tool(links, "2.0")
    (world.root / "c.txt").write_text("tool<2\n")
    world.sync(
        str(world.tree(extra={"pyproject.toml": table("tool")})), find_links=(str(links),), constraints=("c.txt",)
    )
    assert used(world) == "2.0"


def test_required_build_hashes_must_be_there_and_must_match(world: World, links: Path) -> None:
    tool = make_tool(links)
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    wanted: dict[str, Any] = {
        "find_links": (str(links),),
        "require_build_hashes": True,
        "build_constraints": ("c.txt",),
    }
    constraints = world.root / "c.txt"
    constraints.write_text("tool==1.0\n")
    missing = world.refused(str(tree), **wanted)
    assert (missing.exit_status, "no trusted hash was provided for `tool`" in str(missing)) == (1, True)
    constraints.write_text("tool<2\n")
    unpinned = world.refused(str(tree), **wanted)
    assert (unpinned.exit_status, isinstance(unpinned, InputError), "c.txt" in str(unpinned)) == (2, True, True)
    constraints.write_text(f"tool==1.0 --hash=sha256:{'0' * 64}\n")
    assert world.refused(str(tree), **wanted).exit_status == 1
    constraints.write_text(f"tool==1.0 --hash=sha256:{sha256(tool)}\n")
    world.sync(str(tree), **wanted)
    assert used(world) == "1.0"


def test_a_hash_that_a_build_constraint_gives_is_proved_also_where_none_is_required(world: World, links: Path) -> None:
    make_tool(links)
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    (world.root / "c.txt").write_text(f"tool==1.0 --hash=sha256:{'0' * 64}\n")
    error = world.refused(str(tree), find_links=(str(links),), build_constraints=("c.txt",))
    assert error.exit_status == 1
    assert "0" * 64 in str(error)


def test_a_second_build_with_the_same_needs_installs_nothing(world: World, links: Path) -> None:
    make_tool(links)
    find: dict[str, Any] = {"find_links": (str(links),)}
    world.sync(str(world.tree(extra={"pyproject.toml": table("tool")})), **find)
    first = environments(world)
    other = table("tool").replace("demo", "other")
    backend = make_wheel(links, "tool2", files={"tool2.py": setuptools_free_backend("other", "1.0")}, requires=["tool"])
    world.sync(
        str(
            world.tree(
                "other", extra={"pyproject.toml": other.replace("'tool'", "'tool2'").replace('"tool"', '"tool2"')}
            )
        ),
        **find,
    )
    assert len(environments(world)) == 2
    world.tree(extra={"pyproject.toml": table("tool") + "\n"})
    world.sync(str(world.root / "demo"), **find)
    assert world.built == [f"demo @ {(world.root / 'demo').as_uri()}"]
    assert len(environments(world)) == 2
    assert first[0] in environments(world)
    assert backend.exists()


def test_an_environment_that_a_build_changed_is_not_used_again(world: World, links: Path) -> None:
    leaves = "\n_plain = build_wheel\ndef build_wheel(*a, **k):\n    import tool\n"
    leaves += "    open(os.path.join(os.path.dirname(tool.__file__), 'leftover.py'), 'w').close()\n"
    leaves += "    return _plain(*a, **k)\n"
    make_tool(links, body=leaves)
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    world.sync(str(tree), find_links=(str(links),))
    world.sync(str(tree), find_links=(str(links),), reinstall=True)
    used_ones = environments(world)
    assert len(used_ones) == 2
    assert {path.parent for path in used_ones} == {used_ones[0].parent}


def test_what_a_build_wrote_into_the_store_is_mended_before_it_is_used_again(world: World, links: Path) -> None:
    poisons = "\nimport tool_part\n_plain = build_wheel\ndef build_wheel(*a, **k):\n"
    poisons += "    open('seen', 'a').write(tool_part.STATE + chr(10))\n"
    poisons += "    os.chmod(tool_part.__file__, 0o644)\n"
    poisons += "    open(tool_part.__file__, 'a').write('STATE = \"poisoned\"\\n')\n"
    poisons += "    return _plain(*a, **k)\n"
    backend = setuptools_free_backend("demo", "1.0") + poisons
    make_wheel(links, "tool", files={"tool.py": backend, "tool_part.py": "STATE = 'sound'\n"})
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    for _ in range(3):
        world.sync(str(tree), find_links=(str(links),), reinstall=True)
    assert (tree / "seen").read_text() == "sound\n" * 3
    world.sync("tool", find_links=(str(links),))
    assert (world.site / "tool_part.py").read_text() == "STATE = 'sound'\n"


def test_a_tool_that_has_no_wheel_is_built_first(world: World, links: Path) -> None:
    files = {**project_files("tool"), **tool_files("from an sdist")}
    make_sdist(links, "tool", files=files)
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    world.sync(str(tree), find_links=(str(links),))
    assert used(world) == "from an sdist"
    assert [subject.partition(" ")[0] for subject in world.built] == ["tool==1.0", "demo"]


def test_only_binary_for_a_tool_reaches_builds(world: World, links: Path) -> None:
    make_sdist(links, "tool", files={**project_files("tool"), **tool_files()})
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    error = world.refused(str(tree), find_links=(str(links),), only_binary=("tool",))
    assert "tool" in str(error)
    assert error.exit_status == 1


@pytest.mark.parametrize("options", [{"no_build": True}, {"only_binary": (":all:",)}])
def test_the_tools_of_an_editable_are_not_built_where_builds_are_refused(
    world: World, links: Path, options: dict[str, Any]
) -> None:
    make_sdist(links, "tool", files={**project_files("tool"), **tool_files()})
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    error = world.refused(f"-e {tree}", find_links=(str(links),), **options)
    assert isinstance(error, SelectionError)
    assert "tool-1.0.tar.gz" in str(error)
    assert world.built == []
    make_tool(links)
    world.sync(f"-e {tree}", find_links=(str(links),), **options)
    assert world.installed() == {"demo": "1.0"}


def test_a_circle_prints_its_chain(world: World, links: Path) -> None:
    for name, needs in (("one", "two"), ("two", "three"), ("three", "one")):
        project = table(needs, backend=needs).replace("demo", name)
        make_sdist(links, name, files={**project_files(name), "pyproject.toml": project})
    tree = world.tree(extra={"pyproject.toml": table("one", backend="one")})
    error = world.refused(str(tree), find_links=(str(links),))
    assert isinstance(error, BuildError)
    assert "one -> two -> three -> one" in str(error)
    assert error.exit_status == 1


def test_two_circles_at_once_do_not_wait_for_each_other(world: World, links: Path) -> None:
    for name, needs in (("one", "two"), ("two", "one")):
        project = table(needs, backend=needs).replace("demo", name)
        make_sdist(links, name, files={**project_files(name), "pyproject.toml": project})
    error = world.refused("one==1.0", "two==1.0", find_links=(str(links),), environ={"UV_LOCK_TIMEOUT": "5"})
    assert isinstance(error, BuildError)
    assert "one -> two -> one" in str(error) or "two -> one -> two" in str(error)


def test_tools_come_from_the_same_index_with_the_same_cut_off(world: World, index: IndexServer, tmp_path: Path) -> None:
    index.add(make_tool(tmp_path / "old", "1.0"), upload_time="2020-01-01T00:00:00Z")
    index.add(make_tool(tmp_path / "new", "2.0"), upload_time="2024-01-01T00:00:00Z")
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    world.sync(str(tree), no_index=False, index_url=index.url, exclude_newer="2022-01-01")
    assert used(world) == "1.0"
    world.sync(str(tree), no_index=False, index_url=index.url, reinstall=True)
    assert used(world) == "2.0"
    index_pages = [request.path for request in index.requests if request.path.endswith("/tool/")]
    assert index_pages


def test_a_tool_may_be_given_by_address(world: World, links: Path) -> None:
    tool = make_tool(links)
    tree = world.tree(extra={"pyproject.toml": table(f"tool @ {tool.as_uri()}")})
    world.sync(str(tree))
    assert used(world) == "1.0"


def test_a_foreign_platform_builds_with_this_machine_s_interpreter(world: World, links: Path) -> None:
    make_tool(links, requires=("native",), body="\nimport native\n")
    minor = f"{sys.version_info[0]}{sys.version_info[1]}"
    make_wheel(links, "native", tag=f"cp{minor}-abi3-linux_{os.uname().machine}", purelib=False)
    tree = world.tree(extra={"pyproject.toml": table("tool")})
    world.sync(str(tree), find_links=(str(links),), python_platform="windows", target=str(world.root / "place"))
    assert (world.root / "place" / "demo.py").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "File not found: `c.txt`"), ("== 1.0.nosuch\n", "c.txt:1:")],
    ids=["missing", "no requirement"],
)
@pytest.mark.parametrize("asked", ["a wheel", "nothing"])
def test_build_constraints_are_read_whatever_is_built(world: World, asked: str, text: str | None, words: str) -> None:
    line = str(make_wheel(world.root / "wheels")) if asked == "a wheel" else ""
    if asked == "a wheel":
        # Also where the inputs are remembered.
        (world.root / "c.txt").write_text("setuptools>1\n")
        world.sync(line, build_constraints=("c.txt",))
        world.sync(line, build_constraints=("c.txt",))
        (world.root / "c.txt").unlink()
    if text is not None:
        (world.root / "c.txt").write_text(text)
    error = world.refused(line, build_constraints=("c.txt",))
    assert (error.exit_status, words in str(error)) == (2, True), error


def test_a_time_limit_that_is_none_is_told_whatever_is_built(world: World) -> None:
    error = world.refused(str(make_wheel(world.root / "wheels")), environ={"ENVSYNC_BUILD_TIMEOUT": "abc"})
    assert error.exit_status == 2
    assert "ENVSYNC_BUILD_TIMEOUT" in str(error)


def test_a_build_constraint_that_leaves_nothing_is_named_with_its_place(world: World, links: Path) -> None:
    make_tool(links, "1.0")
    (world.root / "c.txt").write_text("# of builds\ntool>99\n")
    tree = world.tree(extra={"pyproject.toml": table("tool>=1")})
    error = world.refused(str(tree), find_links=(str(links),), build_constraints=("c.txt",))
    assert error.exit_status == 1
    assert "the build constraint `tool>99` (c.txt:2) leaves no version of `tool>=1`" in str(error)
    assert "check the name" not in f"{error} {error.hint}"
