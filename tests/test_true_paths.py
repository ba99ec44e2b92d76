"""Paths are what the operating system takes them for, wherever a user writes one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from conftest import Envsync, MakeVenv
from factories import make_wheel, sha256
from pytest_envsync.true_paths import resolved, settled
from session_project import SessionProject

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows takes `..` as text")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make ``link -> a/b``, with a lock beside the link and another beside what it leads to."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("a/b")
    return tmp_path


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("low.txt", "low.txt"),
        ("./sub//low.txt", "sub/low.txt"),
        ("sub/../low.txt", "low.txt"),
        ("sub/./../a/b/../../low.txt", "low.txt"),
        ("link/low.txt", "link/low.txt"),
        ("link/../low.txt", "link/../low.txt"),
        ("link/../b/../low.txt", "link/../low.txt"),
        ("link/../../low.txt", "link/../../low.txt"),
        ("nodir/../low.txt", "nodir/../low.txt"),
        ("name=sub/../low.txt", "name=sub/../low.txt"),
        ("sub/..", ""),
    ],
)
def test_only_what_leads_nowhere_is_left_out(tree: Path, written: str, expected: str) -> None:
    assert settled(f"{tree}/{written}") == f"{tree}/{expected}".rstrip("/")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("link/../env", "a/env"),
        ("link/env", "link/env"),
        ("link/../../link/env", "link/env"),
        ("sub/../env", "env"),
        ("sub/../..", ".."),
    ],
)
def test_a_place_has_no_dots_left(tree: Path, written: str, expected: str) -> None:
    real = Path(os.path.realpath(tree))

    assert resolved(f"{real}/{written}") == os.path.normpath(real / expected)


def test_the_root_has_no_parent_and_relative_paths_keep_theirs(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)

    assert settled("/../etc") == "/etc"
    assert settled("//etc/./x") == settled("//usr/../etc/x") == "/etc/x"
    assert settled("../x") == "../x"
    assert settled("sub/../../x") == "../x"
    assert settled("./.") == "."
    assert resolved("link/../x") == os.path.realpath(tree / "a/x")


# -- sessions


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    return SessionProject(tmp_path)


def two_locks(project: SessionProject) -> None:
    """Make ``link -> a/b``; ``link/../low.txt`` is ``a/low.txt``, of demo 2.0, and ``low.txt`` is of demo 1.0."""
    (project.path / "a/b").mkdir(parents=True)
    (project.path / "sub").mkdir()
    (project.path / "link").symlink_to("a/b")
    project.lock("low.txt", project.wheel("demo"))
    project.lock("a/low.txt", project.wheel("demo", "2.0"))


SEEN = """\
from importlib.metadata import version

def test_it():
    assert version("demo") == "2.0"
"""

MARKED = """\
import pytest

@pytest.mark.envsync("link/../low.txt")
def test_it(synced_env, synced_env_factory):
    assert synced_env.packages["demo"] == "2.0"
    assert synced_env_factory("link/../low.txt").packages["demo"] == "2.0"
    own = synced_env_factory("low.txt", private=True)
    own.sync("link/../low.txt")
    assert own.packages["demo"] == "2.0"
"""


@pytest.mark.parametrize("place", ["line", "ini", "declared"])
def test_a_session_takes_the_lock_that_the_system_gives(project: SessionProject, place: str) -> None:
    two_locks(project)
    words = ["--envsync", "link/../low.txt"] if place == "line" else []
    project.write({"test_it.py": SEEN})
    if place == "ini":
        project.write({"pytest.ini": "[pytest]\nenvsync = link/../low.txt\n"})
    if place == "declared":
        project.write({"pyproject.toml": '[tool.envsync.environments]\nlow = "link/../low.txt"\n'})
        words = ["--envsync", "low"]
    run = project.pytest(*words)
    assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out


def test_a_marker_and_the_factory_take_it_too(project: SessionProject) -> None:
    two_locks(project)
    project.write({"test_it.py": MARKED})
    run = project.pytest()
    assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out


@pytest.mark.parametrize("lock", ["link/../low.txt", "nodir/../low.txt"])
def test_a_lock_that_the_system_does_not_find_is_none(project: SessionProject, lock: str) -> None:
    two_locks(project)
    (project.path / "a/low.txt").unlink()
    project.write({"test_it.py": SEEN})
    for words in ([lock], [f"old={lock}"]):
        run = project.pytest("--envsync", *words)
        assert run.returncode == 4
        assert f"there is no lockfile `{project.path}/{lock}`" in run.out
        assert "Traceback" not in run.out


def test_a_name_in_front_of_a_path_with_dots_stays(project: SessionProject) -> None:
    two_locks(project)
    project.write({"test_it.py": "def test_it():\n    pass\n"})
    run = project.pytest("--envsync", "old=sub/../low.txt", "--envsync", "low.txt", "-rA")
    assert run.returncode == 0, run.out
    assert {"PASSED test_it.py::test_it[old]", "PASSED test_it.py::test_it[low]"} <= set(run.stdout.splitlines())
    run = project.pytest("--envsync", "old=sub/../low.txt", "--envsync-report", "report.json")
    assert [row["name"] for row in project.report()["environments"]] == ["old"], run.out


# -- the command


@pytest.fixture
def locks(tmp_path: Path, wheels: Path, make_venv: MakeVenv) -> Path:
    """Make the same two locks as for a session, beside an empty environment; what includes them is ``in.txt``."""
    make_venv(".venv")
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    for place, version in (("low.txt", "1.0"), ("a/low.txt", "2.0")):
        (tmp_path / place).write_text(f"demo @ {make_wheel(wheels, 'demo', version).as_uri()}\n")
    (tmp_path / "in.txt").write_text("-r link/../low.txt\n")
    return tmp_path


@pytest.mark.parametrize("lock", ["link/../low.txt", "in.txt"])
def test_a_sync_reads_the_file_that_the_system_gives(envsync: Envsync, locks: Path, lock: str) -> None:
    for again in (" + demo==2.0", "Checked 1 package"):
        assert again in envsync("sync", lock).stderr
    # What a record says of another run is of no use when the link leads elsewhere.
    (locks / "link").unlink()
    (locks / "link").symlink_to("a")
    assert "demo==1.0" in envsync("sync", lock).stderr


def test_a_sync_names_the_file_as_it_was_written(envsync: Envsync, locks: Path) -> None:
    (locks / "a/low.txt").write_text("demo ===\n")
    found = envsync("sync", "in.txt")
    assert found.returncode == 2
    assert "link/../low.txt:1" in found.stderr


def test_what_a_lock_names_is_beside_the_file_and_not_beside_the_link(envsync: Envsync, locks: Path) -> None:
    for place, version in (("", "1.0"), ("a/", "2.0")):
        wheel = make_wheel(locks / f"{place}own", "demo", version)
        (locks / f"{place}pylock.toml").write_text(
            'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "demo"\n'
            f'version = "{version}"\narchive = {{path = "own/{wheel.name}", hashes = {{sha256 = "{sha256(wheel)}"}}}}\n'
        )
    assert " + demo==2.0" in envsync("sync", "link/../pylock.toml").stderr
    assert " - demo==2.0" in envsync("sync", "pylock.toml").stderr


def test_a_place_is_where_the_system_has_it(envsync: Envsync, locks: Path) -> None:
    envsync("sync", "low.txt", "--venv", "link/../env")
    assert (locks / "a/env/pyvenv.cfg").is_file()
    assert not (locks / "env").exists()
    assert "Checked 1 package" in envsync("sync", "low.txt", "--python", "link/../env").stderr
    # Nothing is remembered of a place that a link decides: it may be another one by now.
    (locks / "link").unlink()
    (locks / "link").symlink_to("a")
    assert "+ demo==1.0" in envsync("sync", "low.txt", "--venv", "link/../env").stderr
    envsync("sync", "low.txt", "--target", "link/../aim", "--cache-dir", "link/../mine")
    assert (locks / "aim/demo-1.0.dist-info").is_dir()
    assert (locks / "mine/CACHEDIR.TAG").is_file()


def test_the_command_runs_in_the_lock_that_the_system_gives(envsync: Envsync, locks: Path) -> None:
    code = "from importlib.metadata import version; print(version('demo'))"
    assert envsync("run", "link/../low.txt", "--", "python", "-c", code).stdout == "2.0\n"
    shown = json.loads(envsync("sync", "--output-format", "json", "link/../low.txt").stdout)
    assert [row["version"] for row in shown["changes"]] == ["2.0"]


def test_files_that_include_each_other_through_a_link_have_an_end(envsync: Envsync, locks: Path) -> None:
    (locks / "here").symlink_to("a")
    (locks / "round.txt").write_text("-r here/../round.txt\n")
    found = envsync("sync", "round.txt")
    assert found.returncode == 2
    assert "included too deeply" in found.stderr
    assert "Traceback" not in found.stderr
