"""Real sdists of every common backend, and this project as an editable, beside what the reference installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from source_world import World, bare_environment

pytestmark = pytest.mark.network

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
OWN_FILES = {"INSTALLER", "RECORD", "envsync.json", "uv_cache.json", "uv_build.json"}

SDISTS = {
    "docopt": "0.6.2",  # setup.py and nothing else
    "markupsafe": "3.0.2",  # setuptools, an extension in C
    "tomli": "2.0.2",  # flit
    "iniconfig": "2.1.0",  # hatchling, with a plug-in that asks git for the version
    "rich": "13.9.4",  # poetry-core
    "findpython": "0.6.3",  # pdm-backend
    "meson-python": "0.17.1",  # meson-python, which builds itself and asks for more when it is asked
}


@pytest.fixture
def world(tmp_path: Path, clean_surrounding: None) -> World:
    return World(tmp_path)


@pytest.fixture
def reference(tmp_path: Path, clean_surrounding: None) -> Path:
    """The environment that the reference fills."""
    prefix = tmp_path / "reference"
    shutil.copytree(bare_environment(), prefix, symlinks=True)
    return prefix


def sync_by_reference(prefix: Path, line: str, *arguments: str) -> None:
    """Let the reference install *line*."""
    if UV is None:
        pytest.skip("uv is not installed")
    requirements = prefix.parent / "reference.txt"
    requirements.write_text(f"{line}\n")
    environ = {**os.environ, "VIRTUAL_ENV": str(prefix), "UV_CACHE_DIR": str(prefix.parent / "uv-cache")}
    subprocess.run([UV, "pip", "sync", *arguments, requirements], env=environ, check=True, capture_output=True)


def content(prefix: Path) -> dict[str, bytes]:
    """The files of *prefix*: those of libraries and scripts by name only, since paths of the build are in them."""
    found = {}
    for path in prefix.rglob("*"):
        name = path.relative_to(prefix).as_posix()
        if not path.is_file() or path.name in {*OWN_FILES, ".lock"} or "__pycache__" in name:
            continue
        if path.name == "WHEEL":
            lines = path.read_bytes().splitlines(keepends=True)
            found[name] = b"".join(line for line in lines if not line.startswith(b"Generator"))
        else:
            found[name] = b"" if path.suffix == ".so" or path.parent.name == "bin" else path.read_bytes()
    return found


@pytest.mark.parametrize(("name", "version"), SDISTS.items())
def test_an_sdist_comes_out_as_the_reference_builds_it(world: World, reference: Path, name: str, version: str) -> None:
    line = f"{name}=={version}"
    assert world.sync(line, no_index=False, no_binary=(name,)).changes.installed == {name: version}
    assert world.built == [line]
    assert not world.sync(line, no_index=False, no_binary=(name,)).changes
    assert world.leftovers() == []
    sync_by_reference(reference, line, "--no-binary", name)
    ours, theirs = content(world.prefix), content(reference)
    assert ours.keys() == theirs.keys()
    assert {path for path in ours if ours[path] != theirs[path]} == set()


def test_the_second_build_with_a_backend_installs_no_environment(world: World) -> None:
    world.sync("docopt==0.6.2", no_index=False, no_binary=("docopt",))
    before = sorted(world.cache.glob("build-environments/*/*"))
    world.sync("docopt==0.6.2", no_index=False, no_binary=("docopt",), config_settings=("a=b",))
    assert world.built == ["docopt==0.6.2"]
    assert sorted(world.cache.glob("build-environments/*/*")) == before


def test_this_project_is_installed_as_an_editable(world: World, reference: Path) -> None:
    line = f"-e {ROOT}"
    world.sync(line, no_index=False)
    assert not world.sync(line, no_index=False).changes
    where = world.run("import pytest_envsync; print(*pytest_envsync.__path__)")
    assert where == str(ROOT / "src" / "pytest_envsync")
    sync_by_reference(reference, line)
    assert content(world.prefix) == content(reference)


SET = (
    "attrs==25.3.0", "click==8.1.8", "h11==0.16.0", "idna==3.10", "markdown-it-py==3.0.0", "mdurl==0.1.2",
    "more-itertools==10.7.0", "packaging==25.0", "pluggy==1.6.0", "python-dateutil==2.9.0.post0", "six==1.17.0",
    "tabulate==0.9.0",
)  # fmt: skip
"""Pure projects of five backends, some of which are needed to build others."""


def test_a_whole_set_is_built_with_its_tools_from_sdists_alone(world: World, reference: Path) -> None:
    cut_off = "2025-06-01"
    world.sync(*SET, no_index=False, no_binary=(":all:",), exclude_newer=cut_off)
    assert {f"{name}=={version}" for name, version in world.installed().items()} == {
        line.replace("-", "_") for line in SET
    }
    assert {*SET, "flit-core==3.12.0", "setuptools==80.9.0"} <= set(world.built)
    # Everything once, tools of tools too.
    assert len(world.built) == len(set(world.built))
    sync_by_reference(reference, "\n".join(SET), "--no-binary", ":all:", "--exclude-newer", cut_off)
    assert content(world.prefix) == content(reference)
