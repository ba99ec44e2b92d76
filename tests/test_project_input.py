"""Projects and their groups as inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asking import ask, texts, write
from pytest_envsync import values as dataclasses
from pytest_envsync.errors import InputError
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    Origin,
    ProjectTree,
    Requirements,
    VcsSource,
)

PROJECT = """\
[project]
name = "My.Project"
version = "1"
requires-python = ">=3.99"
dependencies = [
  "aaa==1.0",
  "bbb ; os_name == 'nt'",
]
[project.optional-dependencies]
x = ["ccc"]
Y_y = ["ddd", "my_project[x]"]
all = ["my-project[x,y-y]", "My.Project[all]"]
[dependency-groups]
Test_Group = ["eee>=1", {include-group = "inner"}]
inner = ["fff"]
"""


def project(directory: Path, content: str = PROJECT, **options: Any) -> Requirements:
    write(directory, "proj/pyproject.toml", content)
    return ask(directory, "proj/pyproject.toml", **options)


def refusal(directory: Path, content: str = PROJECT, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        project(directory, content, **options)
    assert caught.value.exit_status == 2
    return caught.value


# --- dependencies and extras ------------------------------------------------------------------------------------------


def test_a_project_asks_for_its_dependencies_not_for_itself(tmp_path: Path) -> None:
    """``requires-python`` of the project is not looked at, as in the reference: it is not installed."""
    requirements = project(tmp_path)
    assert [(entry.name, entry.marker, entry.origin) for entry in requirements.entries] == [
        ("aaa", None, Origin("proj/pyproject.toml", 6)),
        ("bbb", "os_name == 'nt'", Origin("proj/pyproject.toml", 7)),
    ]
    assert [file.path for file in requirements.files] == [f"{tmp_path}/proj/pyproject.toml"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"extras": ("x",)}, ["ccc"]),
        ({"extras": ("X", "y-Y")}, ["ccc", "ddd"]),
        ({"extras": ("y_y",)}, ["ddd", "ccc"]),
        ({"extras": ("all",)}, ["ccc", "ddd"]),
        ({"all_extras": True}, ["ccc", "ddd"]),
    ],
)
def test_extras(tmp_path: Path, options: dict[str, Any], expected: list[str]) -> None:
    assert texts(project(tmp_path, **options))[2:] == expected


def test_extras_that_nobody_knows(tmp_path: Path) -> None:
    error = refusal(tmp_path, extras=("x", "nope"))
    assert "Requested extra not found: nope (the project has: `all`, `x`, `y-y`)" in str(error)
    write(tmp_path, "r.txt", "aaa\n")
    with pytest.raises(InputError, match="Requesting extras requires a") as caught:
        ask(tmp_path, "r.txt", extras=("x",))
    assert caught.value.hint == "Use `package[extra]` syntax instead"
    with pytest.raises(InputError, match="Requesting extras requires a"):
        ask(tmp_path, "r.txt", all_extras=True)
    assert texts(ask(tmp_path, "r.txt", "proj/pyproject.toml", extras=("x",))) == [
        "aaa", "aaa==1.0", "bbb ; os_name == 'nt'", "ccc",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "[build-system]\nrequires = []\n",
        "[tool.poetry]\nname = 'x'\n",
        "[project]\nname = 'x'\ndynamic = ['dependencies', 'version']\n",
        "[project]\nname = 'x'\nversion = '1'\ndependencies = ['aaa']\ndynamic = ['optional-dependencies']\n",
    ],
)
def test_what_a_project_does_not_state_its_backend_is_asked(tmp_path: Path, content: str) -> None:
    requirements = project(tmp_path, content, extras=("A_b",))
    assert requirements.entries == ()
    assert requirements.trees == (
        ProjectTree(
            path=f"{tmp_path}/proj",
            text="proj/pyproject.toml",
            extras=("a-b",),
            origin=Origin("proj/pyproject.toml"),
        ),
    )


@pytest.mark.parametrize("name", ["setup.py", "setup.cfg"])
def test_setup_files_are_trees(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "anything \xff")
    assert [tree.path for tree in ask(tmp_path, name, all_extras=True).trees] == [str(tmp_path)]
    with pytest.raises(InputError, match=rf"^File not found: `missing/{name}`$"):
        ask(tmp_path, f"missing/{name}")


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("[project\n", "proj/pyproject.toml:1: Not a valid `pyproject.toml` file"),
        ("project = 1", "invalid type: an integer, expected a table in `project`"),
        ("[project]\ndependencies = []\n", "missing field `name`"),
        ("[project]\nname = 'x'\ndependencies = 'aaa'\nversion = '1'\n", "expected an array in `project.dependencies`"),
        (
            "[project]\nname = 'x'\ndependencies = [1]\nversion = '1'\n",
            "expected a string in `project.dependencies[0]`",
        ),
        (
            "[project]\nname = 'x'\ndependencies = [\n'aaa=1']\nversion = '1'\n",
            'proj/pyproject.toml:4: no such comparison operator "="',
        ),
        (
            "[project]\nname = 'x'\ndependencies = ['./tree']\nversion = '1'\n",
            "starting with an alphanumeric character, found `.`",
        ),
        (
            "[project]\nname = 'x'\ndependencies = ['aaa @ ./tree']\nversion = '1'\n",
            "relative path without a working directory",
        ),
        ("[project]\nname = 'x'\ndependencies = ['-e tree']\nversion = '1'\n", "found `-`"),
        (
            "[project]\nname = 'x'\nversion = '1'\n[project.optional-dependencies]\nx = 1\n",
            "`project.optional-dependencies.x`",
        ),
        ("[tool.uv.sources]\nx = 1\n[project]\nname = 'x'\nversion = '1'\n", "expected a table in `tool.uv.sources.x`"),
    ],
)
def test_a_malformed_project_is_refused(tmp_path: Path, content: str, phrase: str) -> None:
    assert phrase in str(refusal(tmp_path, content))


# --- groups -----------------------------------------------------------------------------------------------------------


def test_groups(tmp_path: Path) -> None:
    write(tmp_path, "r.txt", "aaa\n")
    write(tmp_path, "proj/pyproject.toml", PROJECT)
    write(tmp_path, "pyproject.toml", "[dependency-groups]\ng = ['ggg']\n")
    requirements = ask(tmp_path, "r.txt", groups=("proj/pyproject.toml:test-group", "g"))
    assert [(entry.name, str(entry.origin)) for entry in requirements.entries] == [
        ("aaa", "r.txt:1"),
        ("eee", "proj/pyproject.toml:14"),
        ("fff", "proj/pyproject.toml:15"),
        ("ggg", "pyproject.toml:2"),
    ]


def test_groups_of_an_empty_set_are_not_read(tmp_path: Path) -> None:
    """As in the reference, which asks first whether there is anything at all."""
    write(tmp_path, "empty.txt", "")
    write(tmp_path, "pyproject.toml", "[dependency-groups]\ng = ['ggg']\n")
    assert ask(tmp_path, "empty.txt", groups=("g", "nope")).entries == ()
    assert texts(ask(tmp_path, "empty.txt", groups=("g",), allow_empty_requirements=True)) == ["ggg"]


@pytest.mark.parametrize(
    ("group", "phrase"),
    [
        ("nope", "The dependency group 'nope' was not found in the project: pyproject.toml"),
        ("other.toml:g", "The `--group` path is required to end in `pyproject.toml`; got: `other.toml`"),
        (":g", "required to end in `pyproject.toml`"),
        ("pyproject.toml:", "names no group"),
        (
            "missing/pyproject.toml:g",
            "Failed to read dependency groups from: {here}/missing/pyproject.toml: File not found",
        ),
        ("cycle", "malformed dependency groups: Cyclic dependency group"),
        ("text", "contained a string rather than a list"),
        ("table", "Invalid dependency group item"),
        ("missing", "Dependency group 'gone' not found"),
        ("invalid", "Failed to read dependency groups"),
        ("twice", "Duplicate dependency group names"),
    ],
)
def test_groups_that_are_refused(tmp_path: Path, group: str, phrase: str) -> None:
    content = {
        "nope": "aaa = []\n",
        "cycle": "cycle = [{include-group = 'cycle'}]\n",
        "text": "text = 'aaa'\n",
        "table": "table = [{x = 1}]\n",
        "missing": "missing = [{include-group = 'gone'}]\n",
        "invalid": "invalid = ['a=1']\n",
        "twice": "twice = []\nTwice = []\n",
    }
    write(tmp_path, "pyproject.toml", f"[dependency-groups]\n{content.get(group, '')}")
    write(tmp_path, "r.txt", "aaa\n")
    with pytest.raises(InputError) as caught:
        ask(tmp_path, "r.txt", groups=(group,))
    assert phrase.format(here=tmp_path) in str(caught.value)
    assert caught.value.exit_status == 2


# --- sources ----------------------------------------------------------------------------------------------------------

SOURCES = """\
[project]
name = "x"
dependencies = ["aaa==1.0"]
version = "1"
[project.optional-dependencies]
gpu = ["aaa"]
[[tool.uv.index]]
name = "mine"
url = "https://x.test/simple"
explicit = true
[tool.uv.sources]
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{ index = "mine" }', IndexSource("==1.0", "mine=https://x.test/simple")),
        ('{ url = "https://x.test/aaa-1.zip", subdirectory = "s" }', ArchiveSource("https://x.test/aaa-1.zip", "s")),
        ('{ path = "../w/aaa-1.0.zip" }', ArchiveSource("file://{here}/w/aaa-1.0.zip", None, "{here}/w/aaa-1.0.zip")),
        ('{ path = "../tree", editable = true }', DirectorySource("{here}/tree", editable=True)),
        ('{ path = "" }', DirectorySource("{here}/proj")),
        ('{ path = "file:tree#a" }', DirectorySource("{here}/proj/file:tree#a")),
        ('{ git = "https://x.test/r.git", tag = "v 1", subdirectory = "a b" }',
         VcsSource("git", "https://x.test/r.git", "v 1", "a b")),
        ('{ git = "file:///r", lfs = true }', VcsSource("git", "file:///r", large_files=True)),
        ('{ git = "file:///r", lfs = false }', VcsSource("git", "file:///r", large_files=False)),
        ('{ git = "file:///r", rev = "a@b" }', VcsSource("git", "file:///r", "a@b")),
        ('{ path = "../tree", marker = "os_name == \'nt\'" }', IndexSource("==1.0")),
        ('[{ path = "../no", marker = "os_name == \'nt\'" }, { path = "../tree" }]', DirectorySource("{here}/tree")),
        ('{ path = "../tree", extra = "gpu" }', IndexSource("==1.0")),
    ],
)  # fmt: skip
def test_sources_that_a_project_pins(tmp_path: Path, source: str, expected: Any) -> None:
    found = project(tmp_path, f"{SOURCES}AAA = {source}\n").entries[0]
    values = {key: value for key, value in dataclasses.asdict(expected).items() if isinstance(value, str)}
    placed = {key: value.format(here=tmp_path) for key, value in values.items()}
    assert found.source == dataclasses.replace(expected, **placed)
    assert found.name == "aaa"


def test_a_source_may_hold_for_one_extra(tmp_path: Path) -> None:
    found = project(tmp_path, f'{SOURCES}aaa = {{ path = "../tree", extra = "GPU" }}\n', extras=("gpu",)).entries
    assert [type(entry.source).__name__ for entry in found] == ["IndexSource", "DirectorySource"]


@pytest.mark.parametrize("options", [{"no_sources": True}, {"no_sources_package": ("Aaa",)}])
def test_sources_may_be_ignored(tmp_path: Path, options: dict[str, Any]) -> None:
    found = project(tmp_path, f"{SOURCES}aaa = {{ workspace = true }}\n", **options).entries[0]
    assert found.source == IndexSource("==1.0")


@pytest.mark.parametrize(
    ("source", "phrase"),
    [
        ("{}", "expected one of `git`, `url`, `path`, `index`, `workspace`"),
        ('{ path = "x", url = "y" }', "expected one of"),
        ('{ index = "other" }', "no index is named `other`"),
        ("{ workspace = true }", "name its directory with `path`"),
        ('{ url = "x.zip" }', "relative URL without a base"),
        ('{ url = "file:///x" }', "end in a supported file extension"),
        ('{ git = "../r" }', "relative URL without a base"),
        ('{ git = "git+r" }', "relative URL without a base"),
        ('{ git = "https://x.test/r", editable = true }', "cannot specify both `git` and `editable`"),
        ('{ url = "https://x.test/x.zip", tag = "v1" }', "cannot specify both `url` and `tag`"),
        ('{ path = "x", rev = "a" }', "cannot specify both `path` and `rev`"),
        ('{ path = "x.whl" }', "Must have a version"),
        ('{ git = "https://x.test/r", rev = "a", tag = "b" }', "at most one of `rev`, `tag`, or `branch`"),
        ('{ path = "x", marker = "foo" }', "not a valid marker"),
        ("{ path = 1 }", "expected a string"),
    ],
)
def test_sources_that_are_refused(tmp_path: Path, source: str, phrase: str) -> None:
    with pytest.raises(InputError) as caught:
        project(tmp_path, f"{SOURCES}aaa = {source}\n")
    assert phrase in str(caught.value)
    assert caught.value.origin is not None
