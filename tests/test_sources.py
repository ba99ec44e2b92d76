"""Inputs by name, and several of them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asking import ask, target, texts, write
from pytest_envsync.errors import InputError, OfflineError
from pytest_envsync.inputs.sources import kind_of, lock_advice, read_requirements
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import InputFile, Requirements

A, B = "a" * 64, "b" * 64


def refusal(directory: Path, *files: str, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        ask(directory, *files, **options)
    assert caught.value.exit_status == 2
    return caught.value


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("requirements.txt", "requirements"),
        ("a/b.in", "requirements"),
        ("some.lock", "requirements"),
        ("pyproject.toml", "project"),
        ("a/pyproject.toml", "project"),
        ("setup.py", "tree"),
        ("a/setup.cfg", "tree"),
        ("pylock.toml", "pylock"),
        ("a/pylock.dev.toml", "pylock"),
        ("https://x.test/pylock.toml?a=b.txt#c", "pylock"),
        ("https://x.test/a/r.txt", "requirements"),
        ("script.py", "script"),
        ("script.PYW", "script"),
        ("requirements", "unknown"),
        (".requirements", "unknown"),
        ("-", "unknown"),
    ],
)
def test_the_name_tells_the_kind(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("environment.yml", "Conda environment files"),
        ("a/environment.yaml", "Conda environment files"),
        ("foo.toml", "`foo.toml` is not a valid PEP 751 filename: expected `pylock.toml` or `pylock.<name>.toml`"),
        ("Foo.TOML", "not a valid PEP 751 filename"),
        ("pylock.a.b.toml", "not a valid PEP 751 filename"),
        ("pylock..toml", "not a valid PEP 751 filename"),
        ("a.pylock.toml", "not a valid PEP 751 filename"),
        ("uv.lock", "`uv.lock` is not supported"),
        ("a/poetry.lock", "`poetry.lock` is not supported"),
        ("Pipfile.lock", "`Pipfile.lock` is not supported"),
    ],
)
def test_names_that_are_refused_unread(tmp_path: Path, name: str, phrase: str) -> None:
    write(tmp_path, "r.txt", "aaa\n")
    assert phrase in str(refusal(tmp_path, "r.txt", name))


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("uv.lock", "uv export"),
        ("a/poetry.lock", "poetry export"),
        ("Pipfile.lock", "pipenv requirements"),
        ("a/dev.in", "uv pip compile a/dev.in --generate-hashes --output-file a/dev.txt"),
        ("tests/", "is a directory"),
        (".", "is a directory"),
        ("tests/test_a.py", "is a test file"),
        ("a_test.py", "is a test file"),
        ("conftest.py", "is a test file"),
    ],
)
def test_what_is_no_lock_gets_advice(name: str, command: str) -> None:
    assert command in (lock_advice(name) or "")


def test_what_may_be_a_lock_gets_none() -> None:
    for name in ("requirements.txt", "pylock.toml", "some.lock", "requirements", "-", "https://x.test/r.txt"):
        assert lock_advice(name) is None
    assert "`requirements` is a directory" in (lock_advice("requirements", is_directory=True) or "")


def test_refused_locks_carry_the_advice(tmp_path: Path) -> None:
    assert "uv export" in (refusal(tmp_path, "uv.lock").hint or "")
    assert "is a directory" in (refusal(tmp_path, ".").hint or "")


@pytest.mark.parametrize("name", ["missing.txt", "pylock.toml", "pyproject.toml", "setup.py", "missing.py", "missing"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    assert str(refusal(tmp_path, name)) == f"File not found: `{name}`"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    write(tmp_path, "folder/x", "")
    assert "failed to read from file `folder`: is a directory" in str(refusal(tmp_path, "folder"))


def test_errors_of_the_network_stay_what_they_are(tmp_path: Path) -> None:
    def read(location: str) -> bytes:
        raise OfflineError("not asked", url=location)

    for files in (["https://x.test/r.txt"], ["https://x.test/pylock.toml"]):
        with pytest.raises(OfflineError):
            read_requirements(files, options=SyncOptions(), target=target(), read=read, cwd=str(tmp_path), environ={})


def test_a_reader_that_cannot_make_a_path_of_a_name(tmp_path: Path) -> None:
    def read(location: str) -> bytes:
        raise ValueError("embedded null byte")

    with pytest.raises(InputError, match="failed to read from file `x`: embedded null byte"):
        read_requirements(["x"], options=SyncOptions(), target=target(), read=read, cwd=str(tmp_path), environ={})


def test_several_files_are_merged(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "-i https://x.test/simple\n-f w\naaa\n--no-binary aaa\n")
    write(tmp_path, "b.txt", "-i https://x.test/simple/\n--no-index\nbbb\n--only-binary :all:\n")
    write(tmp_path, "pyproject.toml", '[project]\nname = "x"\nversion = "1"\ndependencies = ["ccc"]\n')
    requirements = ask(tmp_path, "a.txt", "b.txt", "pyproject.toml")
    assert texts(requirements) == ["aaa", "bbb", "ccc"]
    assert (requirements.no_index, requirements.no_binary, requirements.only_binary) == (True, ("aaa",), (":all:",))
    assert requirements.find_links == (f"{tmp_path}/w",)
    assert [Path(file.path).name for file in requirements.files] == ["a.txt", "b.txt", "pyproject.toml"]


def test_indexes_of_several_files_must_agree(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "-i https://u:secret@x.test/simple\n")
    write(tmp_path, "b.txt", "aaa\n-i https://y.test/simple\n")
    error = refusal(tmp_path, "a.txt", "b.txt")
    assert str(error) == (
        "b.txt:2: Multiple index URLs specified: `https://u:****@x.test/simple` vs. `https://y.test/simple`"
    )
    write(tmp_path, "c.txt", "aaa\n-i https://y.test/simple\n")
    assert "Multiple index URLs" in str(refusal(tmp_path, "a.txt", constraints=("c.txt",)))


def test_files_that_say_nothing_are_warned_about(tmp_path: Path) -> None:
    write(tmp_path, "empty.txt", "# nothing\n")
    write(tmp_path, "option.txt", "--no-index\n")
    requirements = ask(tmp_path, "empty.txt", "option.txt", "-", served={"-": b""}, constraints=("empty.txt",))
    assert requirements.warnings == (
        "Requirements file `empty.txt` does not contain any dependencies",
        "No dependencies found in stdin",
        "Requirements file `empty.txt` does not contain any dependencies",
    )
    assert requirements.entries == ()


def test_standard_input_is_read_once_and_starts_here(tmp_path: Path) -> None:
    write(tmp_path, "s.txt", "bbb\n")
    requirements = ask(tmp_path, "-", "-", served={"-": b"-r s.txt\n./tree\n"})
    assert texts(requirements) == ["bbb", "./tree", "bbb", "./tree"]
    assert requirements.files[0] == InputFile("-", "")
    assert str(requirements.entries[0].origin) == "s.txt:1 (included from <stdin>:1)"


# --- constraints ------------------------------------------------------------------------------------------------------


def test_constraints(tmp_path: Path) -> None:
    write(tmp_path, "r.txt", "aaa\n-c inner.txt\n")
    write(tmp_path, "inner.txt", "ccc<3\n")
    write(tmp_path, "c.txt", f"-f links\naaa==1.0 --hash=sha256:{A}\n-c deep.txt\n-r also.txt\n")
    write(tmp_path, "deep.txt", f"bbb==1 --hash=sha256:{B}\n")
    write(tmp_path, "also.txt", "ddd @ https://x.test/ddd-1.0.zip\n")
    requirements = ask(tmp_path, "r.txt", constraints=("c.txt", "", " "))
    assert texts(requirements) == ["aaa"]
    assert {(item.name, len(item.digests)) for item in requirements.constraints} == {
        ("ccc", 0),
        ("aaa", 1),
        ("bbb", 0),
        ("ddd", 0),
    }
    assert requirements.find_links == (f"{tmp_path}/links",)


@pytest.mark.parametrize(
    ("name", "content", "phrase"),
    [
        ("c.txt", "./tree\n", "c.txt:1: Unnamed requirements are not allowed as constraints (found: `./tree`)"),
        ("c.txt", "-e tree\n", "Unnamed requirements are not allowed as constraints"),
        ("pylock.toml", "", "appears to be a `pylock.toml` file, but constraints must be specified in"),
        ("foo.toml", "", "appears to be a TOML file, but constraints must be specified in `requirements.txt` format"),
        ("setup.py", "", "appears to be a PY file"),
    ],
)
def test_constraints_that_are_refused(tmp_path: Path, name: str, content: str, phrase: str) -> None:
    write(tmp_path, "r.txt", "aaa\n")
    write(tmp_path, name, content)
    assert phrase in str(refusal(tmp_path, "r.txt", constraints=(name,)))


def test_a_missing_constraints_file(tmp_path: Path) -> None:
    write(tmp_path, "r.txt", "aaa\n")
    assert str(refusal(tmp_path, "r.txt", constraints=("missing.txt",))) == "File not found: `missing.txt`"


# --- a pylock file stands alone ---------------------------------------------------------------------------------------

EMPTY_LOCK = 'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n'


def test_a_pylock_file_stands_alone(tmp_path: Path) -> None:
    write(tmp_path, "pylock.toml", EMPTY_LOCK)
    write(tmp_path, "pylock.dev.toml", EMPTY_LOCK)
    write(tmp_path, "r.txt", "aaa\n")
    requirements = ask(tmp_path, "pylock.toml")
    assert requirements == Requirements(is_pylock=True, files=requirements.files)
    assert "Cannot specify additional requirements alongside a `pylock.toml` file" in str(
        refusal(tmp_path, "pylock.toml", "r.txt")
    )
    assert "Multiple `pylock.toml` files specified: `pylock.toml` vs. `pylock.dev.toml`" in str(
        refusal(tmp_path, "pylock.toml", "pylock.dev.toml")
    )
    assert "Cannot specify constraints with a `pylock.toml` file" in str(
        refusal(tmp_path, "pylock.toml", constraints=("r.txt",))
    )


def test_what_is_read_changes_with_the_bytes(tmp_path: Path) -> None:
    write(tmp_path, "r.txt", "aaa\n-r s.txt\n")
    write(tmp_path, "s.txt", "bbb\n")
    first = ask(tmp_path, "r.txt").files
    write(tmp_path, "s.txt", "bbb  # another comment\n")
    second = ask(tmp_path, "r.txt").files
    assert first[0] == second[0]
    assert first[1] != second[1]
