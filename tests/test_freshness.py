"""When a local source counts as changed since it was installed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factories import write_tree
from pytest_envsync.environment.freshness import archive_cache_info, directory_cache_info
from pytest_envsync.errors import InputError


def later(path: Path) -> None:
    """Write a file once the clock of the file system has gone on."""
    time.sleep(0.02)
    path.write_text(path.read_text() if path.exists() else "")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(
        tmp_path / "tree",
        {"pyproject.toml": "", "setup.py": "", "src/demo/__init__.py": "", "demo.py": "", "x.txt": ""},
    )


def remade(path: Path) -> None:
    """Put another directory into the place of this one, while the old one exists, so that no inode is used again."""
    path.rename(path.with_name("former"))
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "fresh"),
    [
        (str, True),
        (lambda tree: later(tree / "demo.py"), True),
        (lambda tree: later(tree / "src/demo/__init__.py"), True),
        (lambda tree: later(tree / "pyproject.toml"), False),
        (lambda tree: later(tree / "setup.py"), False),
        (lambda tree: later(tree / "setup.cfg"), False),
        (lambda tree: remade(tree / "src"), False),
        (lambda tree: (tree / "src").rename(tree / "lib"), False),
    ],
)
def test_project_files_and_the_src_directory_count(tree: Path, change: Callable[[Path], Any], *, fresh: bool) -> None:
    before = directory_cache_info(str(tree))
    change(tree)
    assert (directory_cache_info(str(tree)) == before) is fresh


def test_the_form_is_the_references(tree: Path) -> None:
    note = directory_cache_info(str(tree))
    newest = max((tree / name).stat().st_ctime_ns for name in ("pyproject.toml", "setup.py"))
    assert note == {
        "timestamp": {"secs_since_epoch": newest // 10**9, "nanos_since_epoch": newest % 10**9},
        "commit": None,
        "tags": None,
        "env": {},
        "directories": {"src": (tree / "src").stat().st_ino},
    }
    archive = archive_cache_info(str(tree / "demo.py"))
    assert archive["directories"] == {}
    assert archive["timestamp"]["secs_since_epoch"] == (tree / "demo.py").stat().st_ctime_ns // 10**9
    with pytest.raises(FileNotFoundError):
        archive_cache_info(str(tree / "missing.whl"))


def test_a_tree_without_project_files(tmp_path: Path) -> None:
    assert directory_cache_info(str(tmp_path))["timestamp"] is None
    assert directory_cache_info(str(tmp_path / "missing"))["directories"] == {"src": None}


@pytest.mark.parametrize("table", ["uv", "envsync"])
@pytest.mark.parametrize(
    ("keys", "change", "fresh"),
    [
        ('["demo.py"]', lambda tree: later(tree / "demo.py"), False),
        ('["demo.py"]', lambda tree: later(tree / "setup.py"), True),
        ('[{file = "**/*.py"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ('[{file = "**/*.py"}]', lambda tree: later(tree / "x.txt"), True),
        ('[{file = "missing"}]', lambda tree: later(tree / "missing"), False),
        ('[{dir = "src/demo"}]', lambda tree: remade(tree / "src/demo"), False),
        ('[{dir = "src/demo"}]', lambda tree: later(tree / "setup.py"), True),
        ('[{env = "KEY"}]', lambda _: os.environ.__setitem__("KEY", "2"), False),
        ("[]", lambda tree: later(tree / "setup.py"), True),
        ('[{file = "*.py"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ('[{file = "src/*.py"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ('[{file = "src/*/__init__.py"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ('[{file = "*/__init__.py"}]', lambda tree: later(tree / "src/demo/__init__.py"), True),
        ('[{file = "src/**"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ('[{file = "src/**/__init__.py"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ('[{file = "s[a-r]c/d?mo/[!x]*.py"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ('[{file = "src/d[!e]mo/*"}]', lambda tree: later(tree / "src/demo/__init__.py"), True),
        ('[{file = "{lib,src}/demo/*.{txt,py}"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ('[{file = "src?demo/*"}]', lambda tree: later(tree / "src/demo/__init__.py"), True),
        ('[{file = "*"}]', lambda tree: later(tree / ".hidden"), False),
        ('[{file = "../*.outside"}]', lambda tree: later(tree.parent / "a.outside"), False),
        ('[{file = "linked/*"}]', lambda tree: later(tree / "src/demo/__init__.py"), False),
        ("[{git = {commit = false}}]", lambda tree: later(tree / "setup.py"), True),
    ],
)
def test_cache_keys_replace_the_default(
    tree: Path, monkeypatch: pytest.MonkeyPatch, table: str, keys: str, change: Callable[[Path], Any], *, fresh: bool
) -> None:
    monkeypatch.setenv("KEY", "1")
    text = f"[tool.{table}]\ncache-keys = {keys}\n"
    (tree / "pyproject.toml").write_text(text)
    (tree / "linked").symlink_to("src/demo", target_is_directory=True)
    before = directory_cache_info(str(tree))
    change(tree)
    assert (directory_cache_info(str(tree)) == before) is fresh


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('"x"', "expected a list"),
        ("[1]", "`1` is neither a path nor a table"),
        ("[{bogus = 1}]", "`bogus` is unknown"),
        ('[{file = "a", env = "B"}]', "one of file, dir, git, env"),
        ("[{}]", "one of file, dir, git, env"),
        ("[{file = 1}]", "`file` must be text"),
        ('[{file = "[a"}]', "a bracket of `[a` is not closed"),
        ('[{file = "{a,b"}]', "a brace of"),
        ('[{file = "[z-a].py"}]', "a range of `[z-a].py` ends before it begins"),
        ("[{git = 1}]", "`git` must be true"),
        ("[{git = {bogus = true}}]", "`bogus` of `git` is unknown"),
    ],
)
@pytest.mark.parametrize("table", ["uv", "envsync"])
def test_keys_that_mean_nothing_are_refused(tree: Path, table: str, keys: str, words: str) -> None:
    (tree / "pyproject.toml").write_text(f"[tool.{table}]\ncache-keys = {keys}\n")
    with pytest.raises(InputError) as raised:
        directory_cache_info(str(tree))
    assert f"`cache-keys` in `[tool.{table}]` of `{tree / 'pyproject.toml'}`" in str(raised.value)
    assert words in str(raised.value)
    assert raised.value.exit_status == 2


def test_own_keys_come_before_those_of_the_reference(tree: Path) -> None:
    (tree / "pyproject.toml").write_text(
        "[tool.uv]\ncache-keys = ['demo.py']\n[tool.envsync]\ncache-keys = [{env='K'}]\n"
    )
    assert directory_cache_info(str(tree), {"K": "v"})["env"] == {"K": "v"}
    assert directory_cache_info(str(tree), {})["env"] == {"K": None}
    assert directory_cache_info(str(tree), {})["timestamp"] is None


def test_a_pyproject_that_cannot_be_read_has_no_keys(tree: Path) -> None:
    (tree / "pyproject.toml").write_text("[tool.uv\n")
    assert directory_cache_info(str(tree))["directories"].keys() == {"src"}


def git(directory: Path, *arguments: str) -> str:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"]
    result = subprocess.run(
        ["git", *identity, *arguments], cwd=directory, env=environ, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_the_state_of_the_repository(tree: Path, tmp_path: Path) -> None:
    keys = "[tool.uv]\ncache-keys = [{git = %s}]\n"
    (tree / "pyproject.toml").write_text(keys % "true")
    assert directory_cache_info(str(tree))["commit"] is None
    git(tree, "init")
    assert directory_cache_info(str(tree))["commit"] is None
    git(tree, "add", ".")
    git(tree, "commit", "-m", "one")
    commit = git(tree, "rev-parse", "HEAD")
    assert directory_cache_info(str(tree))["commit"] == commit
    assert directory_cache_info(str(tree))["tags"] is None
    (tree / "pyproject.toml").write_text(keys % "{tags = true}")
    git(tree, "tag", "v1")
    git(tree, "tag", "-a", "-m", "x", "deep/v2")
    tags = {"deep/v2": git(tree, "rev-parse", "deep/v2"), "v1": commit}
    assert (directory_cache_info(str(tree))["tags"], directory_cache_info(str(tree))["commit"]) == (tags, None)
    git(tree, "pack-refs", "--all")
    assert directory_cache_info(str(tree))["tags"] == tags
    (tree / "pyproject.toml").write_text(keys % "{commit = true, tags = true}")
    assert directory_cache_info(str(tree))["commit"] == commit
    git(tree, "checkout", "--detach")
    assert directory_cache_info(str(tree))["commit"] == commit
    git(tree, "commit", "-a", "-m", "two")
    git(tree, "worktree", "add", str(tmp_path / "worktree"), "-b", "other")
    elsewhere = directory_cache_info(str(tmp_path / "worktree"))
    assert (elsewhere["commit"], elsewhere["tags"]) == (git(tree, "rev-parse", "HEAD"), tags)
    (tree / "src" / "pyproject.toml").write_text(keys % "true")
    assert directory_cache_info(str(tree / "src"))["commit"] == git(tree, "rev-parse", "HEAD")
