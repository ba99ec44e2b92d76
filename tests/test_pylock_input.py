"""pylock files: what is read, which packages a target needs, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asking import ask, target, write
from pytest_envsync import values as dataclasses
from pytest_envsync.errors import InputError
from pytest_envsync.hashes import Digest
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    LockedFile,
    LockedPackage,
    Origin,
    Requirements,
    VcsSource,
)

A, B = "a" * 64, "b" * 64
COMMIT = "0123456789" * 4
HEAD = 'lock-version = "1.0"\ncreated-by = "a test"\n'


def package(name: str = "demo", version: str | None = "1.0", *lines: str, wheel: str | None = "") -> str:
    """One ``[[packages]]`` table, with a wheel by address unless *wheel* is None."""
    rows = ["[[packages]]", f'name = "{name}"']
    if version is not None:
        rows.append(f'version = "{version}"')
    rows += lines
    if wheel is not None:
        filename = wheel or f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        rows.append(f'wheels = [{{ url = "https://x.test/{filename}", hashes = {{ sha256 = "{A}" }} }}]')
    return "\n".join(rows) + "\n"


def bare(*lines: str) -> str:
    """One package without a wheel."""
    return package("demo", "1.0", *lines, wheel=None)


def lock(directory: Path, *parts: str, head: str = HEAD, **options: Any) -> Requirements:
    write(directory, "pylock.toml", head + "".join(parts))
    return ask(directory, "pylock.toml", **options)


def names(directory: Path, *parts: str, **options: Any) -> list[str]:
    return [pin.name for pin in lock(directory, *parts, **options).pins]


def refusal(directory: Path, *parts: str, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        lock(directory, *parts, **options)
    assert caught.value.exit_status == 2
    return caught.value


def test_files_of_a_package(tmp_path: Path) -> None:
    requirements = lock(
        tmp_path,
        f"""
        [[packages]]
        name = "demo"
        version = "1.0"
        index = "https://x.test/simple"
        requires-python = ">=3.8"
        wheels = [
          {{ path = "w/demo-1.0-py3-none-any.whl", url = "https://x.test/other.whl", size = 12,
             hashes = {{ sha256 = "{A}" }}, upload-time = 2024-01-02T03:04:05Z }},
          {{ name = "demo-1.0-1-py3-none-any.whl", url = "https://x.test/blob?a=b",
             hashes = {{ SHA1 = "x", md5 = "{A[:32]}" }} }},
        ]
        [packages.sdist]
        url = "https://x.test/a%20b/demo-1.0.tar.gz#fragment"
        hashes = {{ sha512 = "{A}{B}", sha256 = "{B}" }}
        """,
    )
    assert requirements.pins == (
        LockedPackage(
            name="demo",
            version="1.0",
            wheels=(
                LockedFile(
                    filename="demo-1.0-py3-none-any.whl",
                    location=f"{tmp_path}/w/demo-1.0-py3-none-any.whl",
                    digests=(Digest("sha256", A),),
                    size=12,
                    upload_time="2024-01-02T03:04:05+00:00",
                ),
                LockedFile(
                    filename="demo-1.0-1-py3-none-any.whl",
                    location="https://x.test/blob?a=b",
                    digests=(Digest("md5", A[:32]),),
                ),
            ),
            sdist=LockedFile(
                filename="demo-1.0.tar.gz",
                location="https://x.test/a%20b/demo-1.0.tar.gz#fragment",
                digests=(Digest("sha512", A + B), Digest("sha256", B)),
            ),
            index="https://x.test/simple",
            requires_python=">=3.8",
        ),
    )
    assert requirements.is_pylock
    assert requirements.warnings == ()
    assert requirements.pins[0].origin == Origin("pylock.toml", 4)
    assert len(requirements.files[0].digest) == 64


@pytest.mark.parametrize(
    ("table", "source"),
    [
        ('directory = { path = "../tree", editable = true, subdirectory = "a/b" }',
         DirectorySource("{parent}/tree/a/b", editable=True)),
        ('directory = { path = "." }', DirectorySource("{here}")),
        (f'archive = {{ url = "https://x.test/demo-1.0.zip", hashes = {{ sha256 = "{A}" }}, subdirectory = "s" }}',
         ArchiveSource("https://x.test/demo-1.0.zip", "s")),
        (f'archive = {{ path = "x y/demo-1.0.zip", size = 3, hashes = {{ sha256 = "{A}" }} }}',
         ArchiveSource("file://{here}/x%20y/demo-1.0.zip", None, "{here}/x y/demo-1.0.zip")),
        (f'vcs = {{ type = "git", url = "https://x.test/r.git", commit-id = "{COMMIT}", requested-revision = "main" }}',
         VcsSource("git", "https://x.test/r.git", "main", None, COMMIT)),
        (f'vcs = {{ type = "git", path = "../r", commit-id = "{COMMIT}", subdirectory = "s" }}',
         VcsSource("git", "file://{parent}/r", None, "s", COMMIT)),
    ],
)  # fmt: skip
def test_sources_other_than_an_index(tmp_path: Path, table: str, source: Any) -> None:
    found = lock(tmp_path, package("demo", None, table, wheel=None)).pins[0]
    texts = {key: value for key, value in dataclasses.asdict(source).items() if isinstance(value, str)}
    placed = {key: value.format(here=tmp_path, parent=tmp_path.parent) for key, value in texts.items()}
    assert found.source == dataclasses.replace(source, **placed)
    assert found.version is None
    assert found.digests == ((Digest("sha256", A),) if isinstance(source, ArchiveSource) else ())


def test_paths_start_beside_the_lockfile_or_here_for_a_remote_one(tmp_path: Path) -> None:
    text = HEAD + package("demo", None, 'directory = { path = "tree" }', wheel=None)
    write(tmp_path, "folder/pylock.dev.toml", text)
    assert ask(tmp_path, "folder/pylock.dev.toml").pins[0].source == DirectorySource(f"{tmp_path}/folder/tree")
    served = {"https://x.test/a/pylock.toml": text.encode()}
    assert ask(tmp_path, "https://x.test/a/pylock.toml", served=served).pins[0].source == DirectorySource(
        f"{tmp_path}/tree"
    )


def test_names_are_normalised_and_missing_versions_come_from_the_files(tmp_path: Path) -> None:
    pins = lock(
        tmp_path,
        package("De_mo.X", "1.0", wheel="de_mo_x-1.0.0-py3-none-any.whl"),
        package("other", None, wheel="other-2.0-py3-none-any.whl"),
    ).pins
    assert [(pin.name, pin.version) for pin in pins] == [("de-mo-x", "1.0"), ("other", "2.0")]


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    head = HEAD + "future = 1\n[tool.x]\ny = 1\n"
    extra = '[[packages.attestation-identities]]\nkind = "x"\n[packages.tool]\nz = [1]\n'
    extra += "[[packages.dependencies]]\nname = 1\n"
    assert names(tmp_path, package(), extra, head=head) == ["demo"]
    assert names(tmp_path, "packages = []\n", head='lock-version = "1.7"\ncreated-by = "x"\n') == []


# --- which packages --------------------------------------------------------------------------------------------------

WITH_SETS = HEAD + 'extras = ["cli", "we-b"]\ndependency-groups = ["dev", "test"]\ndefault-groups = ["dev", "main"]\n'
SETS = (
    package("always"),
    package("of-cli", "1.0", "marker = \"'cli' in extras\""),
    package("of-web", "1.0", "marker = \"'we-b' in extras and python_version > '3'\""),
    package("of-dev", "1.0", "marker = \"'dev' in dependency_groups\""),
    package("of-test", "1.0", "marker = \"'test' in dependency_groups\""),
    package("of-main", "1.0", "marker = \"'main' in dependency_groups\""),
    package("of-nobody", "1.0", "marker = \"sys_platform == 'win32'\""),
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["always", "of-dev", "of-main"]),
        ({"extras": ("cli",)}, ["always", "of-cli", "of-dev", "of-main"]),
        ({"extras": ("CLI", "We_b")}, ["always", "of-cli", "of-web", "of-dev", "of-main"]),
        ({"all_extras": True}, ["always", "of-cli", "of-web", "of-dev", "of-main"]),
        ({"groups": ("test",)}, ["always", "of-test"]),
        ({"groups": ("test", "Dev")}, ["always", "of-dev", "of-test"]),
        ({"groups": ("main",), "extras": ("cli",)}, ["always", "of-cli", "of-main"]),
    ],
)
def test_extras_and_groups(tmp_path: Path, options: dict[str, Any], expected: list[str]) -> None:
    assert names(tmp_path, *SETS, head=WITH_SETS, **options) == expected


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ({"extras": ("nope",)}, "Requested extra not found: nope (the lockfile has: `cli`, `we-b`)"),
        ({"groups": ("nope",)}, "Requested group not found: nope (the lockfile has: `dev`, `main`, `test`)"),
        ({"groups": ("pyproject.toml:dev",)}, "without a path"),
    ],
)
def test_unknown_extras_and_groups_are_errors(tmp_path: Path, options: dict[str, Any], phrase: str) -> None:
    """The reference ignores them in silence; a typing error then installs the wrong set."""
    assert phrase in str(refusal(tmp_path, *SETS, head=WITH_SETS, **options))


def test_markers_are_those_of_the_target(tmp_path: Path) -> None:
    parts = (
        package("demo", "1.0", "marker = \"sys_platform == 'win32'\""),
        package("demo", "2.0", "marker = \"sys_platform != 'win32'\""),
    )
    assert [pin.version for pin in lock(tmp_path, *parts).pins] == ["2.0"]
    assert [pin.version for pin in lock(tmp_path, *parts, on=target(sys_platform="win32")).pins] == ["1.0"]


def test_two_active_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, package(), package("Demo", "2.0"))
    assert str(error) == "pylock.toml:7: Multiple active package entries found for `demo`"


def test_environments_must_cover_the_target(tmp_path: Path) -> None:
    head = HEAD + "environments = [\"sys_platform == 'win32'\", \"python_version >= '3.12'\"]\n"
    assert "The target environment is not supported by the lockfile" in str(refusal(tmp_path, package(), head=head))
    assert names(tmp_path, package(), head=head, on=target(python_version="3.12")) == ["demo"]


def test_python_of_the_lock_is_the_interpreter_that_of_a_package_the_target(tmp_path: Path) -> None:
    head = HEAD + 'requires-python = "<3.12"\n'
    part = package("demo", "1.0", 'requires-python = ">=3.12"')
    other = target(python_version="3.12", python_full_version="3.12.1")
    assert names(tmp_path, part, head=head, on=other) == ["demo"]
    assert "Package `demo` requires Python >=3.12, but the target Python version is 3.11.7" in str(
        refusal(tmp_path, part, head=head)
    )
    error = refusal(tmp_path, part, head=head, on=target("3.12.1"))
    assert "resolved to Python 3.12.1, which is incompatible with the lockfile's Python requirement: `<3.12`" in str(
        error
    )
    inactive = package("demo", "1.0", 'requires-python = ">=3.12"', "marker = \"os_name == 'nt'\"")
    assert names(tmp_path, inactive) == []


# --- hashes -----------------------------------------------------------------------------------------------------------


def test_hash_tables_that_say_nothing_are_warned_about(tmp_path: Path) -> None:
    empty = bare('sdist = { url = "https://x.test/demo-1.0.zip", hashes = {} }')
    unknown = empty.replace("{}", '{ sha1 = "x" }')
    for part in (empty, unknown):
        requirements = lock(tmp_path, package("other"), part)
        assert len(requirements.warnings) == 1
        assert lock(tmp_path, package("other"), part, verify_hashes=False).warnings == ()
        error = refusal(tmp_path, package("other"), part, require_hashes=True)
        assert "In `--require-hashes` mode, all requirements must have a hash, but none were provided for: demo" in str(
            error
        )
    inactive = empty.replace("sdist", "marker = \"os_name == 'nt'\"\nsdist")
    assert lock(tmp_path, inactive, require_hashes=True).warnings == ()


@pytest.mark.parametrize(
    ("table", "phrase"),
    [
        ('directory = { path = "tree" }', "none were provided for: demo"),
        (f'vcs = {{ type = "git", url = "https://x.test/r", commit-id = "{COMMIT}" }}', "none were provided for: demo"),
        ('archive = { path = "demo-1.0.zip", hashes = {} }', "none were provided for: demo"),
        (f'sdist = {{ url = "https://x.test/demo-1.0.zip", hashes = {{ md5 = "{A[:32]}" }} }}', "insecure"),
    ],
)
def test_required_hashes(tmp_path: Path, table: str, phrase: str) -> None:
    assert phrase in str(refusal(tmp_path, package("demo", "1.0", table, wheel=None), require_hashes=True))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "phrase"),
    [
        ("foo", "pylock.toml:1: Not a valid `pylock.toml` file: "),
        ('created-by = "x"\npackages = []\n', "missing field `lock-version`"),
        (
            'lock-version = 1\ncreated-by = "x"\npackages = []\n',
            "invalid type: an integer, expected a string in `lock-version`",
        ),
        ('lock-version = "2.0"\ncreated-by = "x"\npackages = []\n', "unsupported lock version (`2.0`"),
        ('lock-version = "10"\ncreated-by = "x"\npackages = []\n', "unsupported lock version"),
        ('lock-version = "x"\ncreated-by = "x"\npackages = []\n', "invalid version `x`"),
        ('lock-version = "1.0"\npackages = []\n', "missing field `created-by`"),
        ('lock-version = "1.0"\ncreated-by = "x"\n', "missing field `packages`"),
        (HEAD + "packages = 1\n", "invalid type: an integer, expected an array in `packages`"),
        (HEAD + "packages = [1]\n", "expected a table in `packages[0]`"),
        (HEAD + 'packages = []\nextras = "x"\n', "invalid type: a string, expected an array in `extras`"),
        (HEAD + 'packages = []\nextras = ["!"]\n', "Not a valid package or extra name: `!`"),
        (HEAD + "packages = []\ndefault-groups = [1]\n", "expected a string in `default-groups[0]`"),
        (HEAD + 'packages = []\nrequires-python = "foo"\n', "`requires-python`"),
        (HEAD + "packages = []\nenvironments = ['foo']\n", "not a valid marker"),
        (HEAD + "packages = []\nx = " + "[" * 2000 + "]" * 2000, "Not a valid"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, head: str, phrase: str) -> None:
    assert phrase in str(refusal(tmp_path, head=head))


@pytest.mark.parametrize(
    ("part", "phrase"),
    [
        ("[[packages]]\n", "missing field `name` in `packages[0]`"),
        (package(version="one"), "invalid version `one` in `packages[0].version`"),
        (package("demo", "1.0", 'marker = "foo"'), "`packages[0].marker`"),
        (package("demo", "1.0", 'requires-python = "foo"'), "`packages[0].requires-python`"),
        (package("demo", "1.0", wheel=None), "Package `demo` must include one of: `wheels`"),
        (package("demo", "1.0", 'directory = { path = "x" }'), "both `packages.wheels` and `packages.directory`"),
        (bare('vcs = {}\ndirectory = { path = "x" }'), "includes both"),
        (package("demo", "1.0", 'dependencies = ["x"]'), "`packages[0].dependencies"),
        (package("demo", "1.0", 'index = "x"'), "`x` is no address in `packages[0].index`"),
        (package("demo", "1.0", wheel="other-1.0-py3-none-any.whl"), "does not match package name `demo`"),
        (package("demo", "1.0", wheel="demo-2.0-py3-none-any.whl"), "does not match package version `1.0`"),
        (package("demo", "1.0", wheel="demo.whl"), "The wheel filename `demo.whl` is invalid: Must have a version"),
        (package("demo", "1.0", wheel="demo-1.0-py3-none-a%2F..%2Fb.whl"), "Invalid characters in a tag"),
        (bare('wheels = [{ url = "https://x.test/demo-1.0-py3-none-any.whl" }]'),
         "missing field `hashes` in `packages[0].wheels[0]`"),
        (bare('wheels = [{ url = "https://x.test/d.whl", hashes = { sha256 = "00" } }]'),
         "invalid hash digest length"),
        (bare('wheels = [{ url = "https://x.test/d.whl", hashes = { sha256 = 0 } }]'),
         "expected a string in `packages[0].wheels[0].hashes.sha256`"),
        (bare(f'wheels = [{{ hashes = {{ sha256 = "{A}" }} }}]'),
         "`packages[0].wheels[0]` entry for `demo` must have a `path` or `url`"),
        (bare(f'wheels = [{{ url = "d.whl", hashes = {{ sha256 = "{A}" }} }}]'),
         "relative URL without a base"),
        (bare(f'wheels = [{{ path = "d", size = "1", hashes = {{ sha256 = "{A}" }} }}]'),
         "invalid type: a string, expected an integer"),
        (bare(f'wheels = [{{ path = "d", size = -1, hashes = {{ sha256 = "{A}" }} }}]'),
         "expected a number from 0"),
        (bare(f'wheels = [{{ path = "d", size = true, hashes = {{ sha256 = "{A}" }} }}]'),
         "a boolean, expected an integer"),
        (bare(f'wheels = [{{ path = "d", upload-time = "x", hashes = {{ sha256 = "{A}" }} }}]'), "a date and time"),
        (bare('vcs = { type = "git", url = "https://x.test/r" }'), "missing field `commit-id`"),
        (bare('vcs = { type = "git", commit-id = "00" }'), "exactly 40 hex characters"),
        (bare(f'vcs = {{ type = "git", commit-id = "{COMMIT}" }}'), "missing `path` or `url`"),
        (bare(f'vcs = {{ type = "hg", url = "https://x.test/r", commit-id = "{COMMIT}" }}'),
         "`hg` is not supported"),
        (bare('directory = { path = "x", subdirectory = "../y" }'), "must be a path inside"),
        (bare('directory = { path = "a\\u0000b" }'), "it contains NUL"),
        (bare('archive = { path = "x.exe", hashes = {} }'), "extension of a wheel"),
    ],
)  # fmt: skip
def test_a_malformed_package_is_refused_with_its_line(tmp_path: Path, part: str, phrase: str) -> None:
    error = refusal(tmp_path, part)
    assert phrase in str(error)
    assert error.origin == Origin("pylock.toml", 3)
