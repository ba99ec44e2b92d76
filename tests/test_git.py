"""Git sources with real repositories: branches, tags, commits, subdirectories, submodules, servers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from factories import make_sdist, project_files, setuptools_free_backend, write_tree
from pytest_envsync.errors import BuildError, FetchError, OfflineError, TargetError, UsageError
from source_world import World, commit, git, make_repository


@pytest.fixture
def world(tmp_path: Path, clean_surrounding: None) -> World:
    return World(tmp_path)


@pytest.fixture
def repository(tmp_path: Path, clean_surrounding: None) -> Path:
    """A repository with ``demo``, and ``inner`` in the directory ``sub``."""
    inner = {f"sub/{path}": content for path, content in project_files("inner", "2.0").items()}
    return make_repository(tmp_path / "repository", {**project_files("demo"), **inner})


def vcs_info(world: World, name: str = "demo") -> dict[str, str]:
    values: dict[str, dict[str, str]] = json.loads(world.note(name, "direct_url.json"))
    return values["vcs_info"]


def change(repository: Path) -> str:
    """Change the module and commit; gives the commit's id."""
    with (repository / "demo.py").open("a") as stream:
        stream.write("CHANGED = True\n")
    return commit(repository, "change")


def test_a_branch_a_tag_and_a_commit_are_each_what_they_name(world: World, repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "--annotate", "v1", "--message", "first")
    git(repository, "branch", "old")
    second = change(repository)
    url = f"git+{repository.as_uri()}"
    for revision, wanted in [("", second), ("@v1", first), ("@old", first), ("@main", second), (f"@{first}", first)]:
        world.sync(f"demo @ {url}{revision}")
        assert vcs_info(world)["commit_id"] == wanted
        assert ("CHANGED" in (world.site / "demo.py").read_text()) is (wanted == second)
    world.sync(f"{url}@{first[:9]}")
    # Of one commit the name that it was installed by stays.
    assert vcs_info(world) == {"vcs": "git", "commit_id": first, "requested_revision": first}
    world.sync(f"{url}@{first[:9]}", reinstall=True)
    assert vcs_info(world) == {"vcs": "git", "commit_id": first, "requested_revision": first[:9]}


@pytest.mark.parametrize("annotated", [(), ("--annotate", "--message", "x")])
def test_a_branch_comes_before_a_tag_of_its_name_and_full_names_tell_them_apart(
    world: World, repository: Path, annotated: tuple[str, ...]
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", *annotated, "both")
    second = change(repository)
    git(repository, "branch", "both")
    url = f"git+{repository.as_uri()}"
    for revision, wanted in [("both", second), ("refs/tags/both", first), ("refs/heads/both", second)]:
        world.sync(f"demo @ {url}@{revision}")
        assert vcs_info(world)["commit_id"] == wanted


def test_a_commit_is_built_once_and_a_branch_is_asked_for_each_time(world: World, repository: Path) -> None:
    url = f"git+{repository.as_uri()}"
    world.sync(f"demo @ {url}@main")
    assert len(world.built) == 1
    assert not world.sync(f"demo @ {url}@main").changes
    change(repository)
    assert len(list(world.sync(f"demo @ {url}@main").changes.as_list())) == 2
    assert len(world.built) == 1
    world.sync("other @ file:///nowhere ; python_version < '3'", allow_empty_requirements=True)
    assert world.installed() == {}
    world.sync(f"demo @ {url}@main")
    assert world.built == []


def test_several_packages_of_one_repository_are_cloned_once(world: World, repository: Path) -> None:
    url = f"git+{repository.as_uri()}"
    world.sync(f"demo @ {url}", f"{url}#subdirectory=sub")
    assert world.installed() == {"demo": "1.0", "inner": "2.0"}
    assert json.loads(world.note("inner", "direct_url.json"))["subdirectory"] == "sub"
    assert len(list((world.cache / "git").iterdir())) == 1


def test_a_version_made_of_tags_sees_the_tags(world: World, repository: Path) -> None:
    git(repository, "tag", "v7.5")
    described = (
        'import subprocess\nVERSION = subprocess.check_output(["git", "describe", "--tags"], text=True).strip()\n'
    )
    backend = (repository / "backend.py").read_text().replace('"demo*.py"', '"demo*.py"') + (
        "\n" + described + "\n_plain = _sources\ndef _sources():\n"
        '    return {**_plain(), "described.py": ("D = %r" % VERSION).encode()}\n'
    )
    (repository / "backend.py").write_text(backend)
    commit(repository, "describe")
    wanted = git(repository, "describe", "--tags")
    world.sync(f"demo @ git+{repository.as_uri()}@{git(repository, 'rev-parse', 'HEAD')}")
    assert world.run("import described; print(described.D)") == wanted
    assert wanted.startswith("v7.5-1-g")


def test_submodules_are_checked_out(world: World, repository: Path, tmp_path: Path) -> None:
    make_repository(tmp_path / "module", {"demo_part.py": "PART = 1\n"})
    allow = ["-c", "protocol.file.allow=always"]
    git(repository, *allow, "submodule", "--quiet", "add", (tmp_path / "module").as_uri(), "module")
    write_tree(repository, {"demo_copy.py": "import shutil\n"})
    backend = (repository / "backend.py").read_text().replace('glob("demo*.py")', 'rglob("demo*.py")')
    (repository / "backend.py").write_text(backend)
    commit(repository, "submodule")
    # git refuses submodules by path unless it is told otherwise.
    config = tmp_path / "gitconfig"
    config.write_text('[protocol "file"]\n\tallow = always\n')
    world.sync(f"demo @ git+{repository.as_uri()}", environ={"GIT_CONFIG_GLOBAL": str(config)})
    assert world.run("import demo_part; print(demo_part.PART)") == "1"


@pytest.mark.parametrize("server_has_it", [True, False])
def test_large_files_come_when_they_are_asked_for(world: World, repository: Path, *, server_has_it: bool) -> None:
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    git(repository, "lfs", "install", "--local")
    git(repository, "lfs", "track", "demo_large.py")
    (repository / "demo_large.py").write_text("LARGE = True\n")
    line = f"demo @ git+{repository.as_uri()}@{commit(repository, 'large')}"
    world.sync(line)
    assert "git-lfs.github.com/spec" in (world.site / "demo_large.py").read_text()
    if server_has_it:
        # Each is remembered, and installed, with or without them.
        for text, environ, has_them in [
            (line, {"UV_GIT_LFS": "true"}, True),
            (line, {}, False),
            (f"{line}#lfs=true", {}, True),
            (line, {"ENVSYNC_GIT_LFS": "0", "UV_GIT_LFS": "true"}, False),
        ]:
            assert world.sync(text, environ=environ).changes
            assert ((world.site / "demo_large.py").read_text() == "LARGE = True\n") is has_them
            assert ("git_lfs" in vcs_info(world)) is has_them
            assert not world.sync(text, environ=environ).changes
    else:
        shutil.rmtree(repository / ".git" / "lfs")
        error = world.refused(line, environ={"UV_GIT_LFS": "true"}, reinstall=True)
        assert (error.exit_status, "git lfs failed" in str(error)) == (1, True)


def test_without_git_lfs_large_files_cannot_be_asked_for(world: World, repository: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "bin", {"git-lfs": "#!/bin/sh\nexit 1\n"}).joinpath("git-lfs").chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    error = world.refused(f"demo @ git+{repository.as_uri()}", environ={"ENVSYNC_GIT_LFS": "1", "PATH": path})
    assert isinstance(error, TargetError)
    assert "install git-lfs" in (error.hint or "")
    assert isinstance(world.refused("demo @ git+file:///x", environ={"UV_GIT_LFS": "maybe"}), UsageError)


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        ("@nope", "git has no revision `nope`"),
        ("@" + "0" * 40, f"git has no commit `{'0' * 40}`"),
        ("@0123456", "git has no revision `0123456`"),
        ("#subdirectory=nope", "there is no directory `nope`"),
    ],
)
def test_what_is_not_in_the_repository_is_one_error(world: World, repository: Path, suffix: str, words: str) -> None:
    for line in (f"git+{repository.as_uri()}{suffix}", f"demo @ git+{repository.as_uri()}{suffix}"):
        error = world.refused(line)
        assert isinstance(error, FetchError)
        assert (error.exit_status, words in str(error)) == (1, True), error


def test_a_repository_that_is_not_there_is_told_in_the_words_of_git(world: World, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for suffix in ("", "@" + "1" * 40):
        error = world.refused(f"demo @ git+{missing.as_uri()}{suffix}")
        assert isinstance(error, FetchError)
        assert error.exit_status == 1
        assert "does not appear to be a git repository" in str(error)
        assert "(requirements.txt:1)" in str(error).splitlines()[0]


def test_credentials_are_neither_shown_nor_recorded(world: World) -> None:
    error = world.refused("demo @ git+http://user:secret@127.0.0.1:9/demo.git")
    assert "secret" not in str(error)
    assert "127.0.0.1:9" in str(error)


def test_offline_takes_what_the_cache_has_and_asks_nobody(world: World, repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    url = f"git+{repository.as_uri()}"
    assert isinstance(world.refused(f"demo @ {url}@{first}", offline=True), OfflineError)
    world.sync(f"demo @ {url}@{first}")
    world.sync(f"inner @ {url}@{first}#subdirectory=sub", offline=True)
    assert world.installed() == {"inner": "2.0"}
    assert isinstance(world.refused(f"inner @ {url}@main#subdirectory=sub", offline=True), OfflineError)


def test_without_git_the_error_says_so(world: World, repository: Path, tmp_path: Path) -> None:
    error = world.refused(f"demo @ git+{repository.as_uri()}", environ={"PATH": str(tmp_path / "empty")})
    assert isinstance(error, TargetError)
    assert error.hint == "install git"


def test_variables_of_an_outer_repository_lead_git_nowhere_else(world: World, repository: Path) -> None:
    world.sync(f"demo @ git+{repository.as_uri()}", environ={"GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere/x"})
    assert world.installed() == {"demo": "1.0"}


def test_hashes_are_refused(world: World, repository: Path) -> None:
    error = world.refused(f"demo @ git+{repository.as_uri()} --hash=sha256:{'0' * 64}")
    assert (error.exit_status, "not supported for Git repositories" in str(error)) == (1, True)


def test_a_tree_without_a_project_is_one_error(world: World, tmp_path: Path) -> None:
    empty = make_repository(tmp_path / "empty", {"README": "nothing"})
    error = world.refused(f"git+{empty.as_uri()}")
    assert isinstance(error, BuildError)
    assert "neither `pyproject.toml` nor `setup.py`" in str(error)


def test_a_pylock_file_fixes_the_commit(world: World, repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    change(repository)
    (world.root / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "inner"\n[packages.vcs]\ntype = "git"\n'
        f'url = "{repository.as_uri()}"\nrequested-revision = "main"\ncommit-id = "{first}"\nsubdirectory = "sub"\n'
    )
    world.sync(files=("pylock.toml",))
    assert vcs_info(world, "inner") == {"vcs": "git", "commit_id": first, "requested_revision": "main"}
    assert not world.sync(files=("pylock.toml",)).changes


def _empty_head(clone: Path) -> None:
    (clone / "HEAD").write_text("")


def _cut_packs(clone: Path) -> None:
    for pack in clone.glob("objects/**/*"):
        if pack.is_file():
            pack.chmod(0o644)
            pack.write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])


@pytest.mark.parametrize("damage", [_empty_head, _cut_packs])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_damaged_clone_is_made_anew_and_no_other_repository_is_touched(
    world: World, repository: Path, damage: Callable[[Path], None], *, is_known: bool
) -> None:
    # A cache within a project, as CI services want it.
    around = world.cache.parent
    git(around, "init", "--quiet")
    git(around, "commit", "--quiet", "--allow-empty", "--message", "mine")
    git(repository, "tag", "theirs")
    world.sync(f"demo @ git+{repository.as_uri()}@main")
    (clone,) = (world.cache / "git").iterdir()
    damage(clone)
    if not is_known:
        change(repository)
    shutil.rmtree(world.cache / "wheels" / "known")
    world.sync(f"demo @ git+{repository.as_uri()}@main", reinstall=True)
    assert len(world.built) == 1
    assert (git(around, "tag"), git(around, "for-each-ref", "refs/envsync")) == ("", "")


def test_a_build_does_not_see_the_repository_that_the_cache_lies_in(world: World) -> None:
    around = world.cache.parent
    git(around, "init", "--quiet")
    git(around, "commit", "--quiet", "--allow-empty", "--message", "mine")
    seen = world.root / "seen"
    asks = "\n_plain = build_wheel\ndef build_wheel(*a, **k):\n    import subprocess\n"
    asks += "    status = subprocess.run(['git', 'rev-parse', 'HEAD']).returncode\n"
    asks += f"    open({str(seen)!r}, 'w').write(str(status))\n"
    files = {
        **project_files("demo"),
        "backend.py": setuptools_free_backend("demo", "1.0") + asks + "    return _plain(*a, **k)\n",
    }
    world.sync(str(make_sdist(world.root / "files", files=files)))
    assert seen.read_text() == "128"
