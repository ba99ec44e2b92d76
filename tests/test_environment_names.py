"""Names and ids of environments, and which environments a session asks for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from factories import write_tree
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.inputs.sources import kind_of
from pytest_envsync.pytest_plugin.inside.asked import Asked, Given
from pytest_envsync.pytest_plugin.inside.wanted import wanted_environments
from pytest_envsync.pytest_plugin.naming import NameClash, name_of, python_part, split_name, unique_names
from pytest_envsync.settings.declared import Declared


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/requirements.lock", "requirements"),
        ("/x/low.txt", "low"),
        ("/x/requirements.low.txt", "requirements.low"),
        ("/x/pylock.low.toml", "low"),
        ("/x/pylock.toml", "pylock"),
        ("/x/my locks (old).txt", "my-locks-old"),
        ("https://example.org/locks/low.txt?raw=1", "low"),
    ],
)
def test_name_of_a_lockfile(path: str, name: str) -> None:
    assert name_of(path) == name


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("low.txt", (None, "low.txt")),
        ("old=locks/low.txt", ("old", "locks/low.txt")),
        ("https://example.org/a?b=c", (None, "https://example.org/a?b=c")),
        ("a b=c.txt", (None, "a b=c.txt")),
    ],
)
def test_name_in_front_of_a_lockfile(text: str, parts: tuple[str | None, str]) -> None:
    assert split_name(text) == parts


def test_equal_stems_get_the_folder_in_front() -> None:
    names = unique_names([(None, "/p/low/requirements.txt"), (None, "/p/high/requirements.txt"), (None, "/p/dev.txt")])
    assert names == ["low-requirements", "high-requirements", "dev"]


def test_a_clash_of_names_is_an_error_that_shows_both_files() -> None:
    with pytest.raises(NameClash, match=r"`low`.*/a/low.txt, /b/other.txt.*NAME=LOCK"):
        unique_names([(None, "/a/low.txt"), ("low", "/b/other.txt")])


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        ("3.12", "py3.12"),
        ("3.13t", "py3.13t"),
        ("python3.12", "py3.12"),
        ("cpython@3.12.1", "py3.12.1"),
        ("/opt/python/3.12.1/bin/python", "3.12.1"),
        ("/usr/bin/python3", "python3"),
        (None, f"py{sys.version_info.major}.{sys.version_info.minor}"),
    ],
)
def test_what_stands_for_an_interpreter_in_an_id(request_: str | None, part: str) -> None:
    assert python_part(request_) == part


def asked(directory: Path, *locks: str, pythons: tuple[str, ...] = (), projects: tuple[str, ...] = ("auto",)) -> Asked:
    """What a command line with these locks asks for."""
    nothing = Given([], {}, str(directory))
    return Asked(
        rootdir=str(directory), directory=str(directory), locks=[(lock, str(directory)) for lock in locks],
        pythons=list(pythons), projects=list(projects), editable=True, files=[],
        recreate=False, drift="warn", drift_ignore=[], trace=False, overlay=True, plugins=[], report=None,
        cache_dir=None, line=nothing, ini=nothing,
    )  # fmt: skip


def test_one_lock_is_one_environment_without_an_id(tmp_path: Path) -> None:
    write_tree(tmp_path, {"requirements.lock": ""})
    (wanted,) = wanted_environments(asked(tmp_path, "requirements.lock"), {})
    assert (wanted.name, wanted.identity, wanted.files) == (
        "requirements",
        "",
        (str(tmp_path / "requirements.lock"),),
    )


def test_locks_and_interpreters_multiply_and_ids_hold_only_what_varies(tmp_path: Path) -> None:
    write_tree(tmp_path, {"low.txt": "", "high.txt": ""})
    both = wanted_environments(asked(tmp_path, "low.txt", "high.txt", pythons=("3.11", "3.12")), {})
    assert [one.identity for one in both] == ["low-py3.11", "low-py3.12", "high-py3.11", "high-py3.12"]
    pythons = wanted_environments(asked(tmp_path, "low.txt", pythons=("3.11", "3.12")), {})
    assert [one.identity for one in pythons] == ["py3.11", "py3.12"]
    locks = wanted_environments(asked(tmp_path, "low.txt", "new=high.txt", pythons=("3.11",)), {})
    assert [one.identity for one in locks] == ["low", "new"]


def test_a_file_whose_name_has_an_equals_sign_is_a_file(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a=b.txt": "", "b.txt": ""})
    (wanted,) = wanted_environments(asked(tmp_path, "a=b.txt"), {})
    assert wanted.files == (str(tmp_path / "a=b.txt"),)


def test_declared_environments_by_name_and_by_glob(tmp_path: Path) -> None:
    write_tree(tmp_path, {"low.txt": "", "lower.txt": "", "high.txt": ""})
    declared = {
        "low": Declared("low", (str(tmp_path / "low.txt"),), python=("3.11", "3.12"), extras=("x",)),
        "lower": Declared("lower", (str(tmp_path / "lower.txt"),)),
        "high": Declared("high", (str(tmp_path / "high.txt"),)),
    }
    (high,) = wanted_environments(asked(tmp_path, "high"), declared)
    assert (high.name, high.files) == ("high", (str(tmp_path / "high.txt"),))
    found = wanted_environments(asked(tmp_path, "low*"), declared)
    assert [(one.identity, one.python, one.extras) for one in found] == [
        ("low-py3.11", "3.11", ("x",)),
        ("low-py3.12", "3.12", ("x",)),
        (f"lower-py{sys.version_info.major}.{sys.version_info.minor}", None, ()),
    ]
    (named,) = wanted_environments(asked(tmp_path, "mine=high"), declared)
    assert named.name == "mine"


@pytest.mark.parametrize(
    ("lock", "message", "hint"),
    [
        ("missing.txt", "there is no lockfile `{dir}/missing.txt`", "requirements.txt"),
        ("uv.lock", "the lock of another tool", "uv export"),
        ("poetry.lock", "the lock of another tool", "poetry export"),
        ("Pipfile.lock", "the lock of another tool", "pipenv requirements"),
        ("pdm.lock", "the lock of another tool", "pdm export"),
        (
            "requirements.in",
            "the input of a lock",
            "uv pip compile {dir}/requirements.in --generate-hashes --output-file {dir}/requirements.txt",
        ),
        ("tests", "is a directory", "--envsync LOCK {dir}/tests"),
        ("test_it.py", "without inline metadata", "--envsync LOCK test_it.py"),
        ("-", "standard input", "name a file"),
    ],
)
def test_what_is_no_lock_is_refused_with_the_way_to_one(tmp_path: Path, lock: str, message: str, hint: str) -> None:
    names = ["uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "requirements.in", "requirements.txt", "test_it.py"]
    write_tree(tmp_path, {**dict.fromkeys(names, ""), "tests/test_a.py": ""})
    with pytest.raises(EnvsyncError) as refused:
        wanted_environments(asked(tmp_path, lock), {})
    if "another tool" in message:
        with pytest.raises(EnvsyncError) as of_the_command:
            kind_of(lock)
        assert of_the_command.value.hint == refused.value.hint
    assert message.format(dir=tmp_path) in str(refused.value)
    assert hint.format(dir=tmp_path) in (refused.value.hint or "")


def test_a_script_with_inline_metadata_is_accepted(tmp_path: Path) -> None:
    write_tree(tmp_path, {"tool.py": "# /// script\n# dependencies = []\n# ///\n"})
    (wanted,) = wanted_environments(asked(tmp_path, "tool.py"), {})
    assert wanted.name == "tool"


def test_the_same_environment_twice_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"low.txt": ""})
    with pytest.raises(EnvsyncError, match="`low`"):
        wanted_environments(asked(tmp_path, "low.txt", "low.txt"), {})
    with pytest.raises(EnvsyncError, match=r"`py3\.11`"):
        wanted_environments(asked(tmp_path, "low.txt", pythons=("3.11", "3.11", "3.12")), {})


def test_an_address_may_have_a_name(tmp_path: Path) -> None:
    address = "https://example.org/locks/low.txt?a=b"
    for text, name in [(f"new={address}", "new"), (address, "low")]:
        (wanted,) = wanted_environments(asked(tmp_path, text), {})
        assert (wanted.name, wanted.files) == (name, (address,))
