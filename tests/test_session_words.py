"""What a session says of itself: what was repaired, why it failed, where settings are from, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import pytest

from pytest_envsync.cache import now_and_then
from session_project import SessionProject, cached_environments

SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with a lock and a test."""
    found = SessionProject(tmp_path)
    found.lock("requirements.lock", found.wheel("demo"), found.wheel("other"))
    found.lock("more.lock", found.wheel("demo"))
    found.write({"test_it.py": "def test_it(): pass\n"})
    return found


def test_what_was_repaired_is_said_in_words(project: SessionProject, cache_dir: Path) -> None:
    assert project.pytest("--envsync=requirements.lock").returncode == 0
    for words in ([], ["-q"], ["--no-header"]):
        (prefix,) = cached_environments(cache_dir)
        site = prefix / SITE
        (site / "demo.py").unlink()
        (site / "other.py").unlink()
        (site / "other.py").write_text("changed = True\n")
        (site / "stray.py").touch()
        run = project.pytest("--envsync=requirements.lock", *words)
        assert run.returncode == 0, run.out
        (line,) = [line for line in run.stdout.splitlines() if "repaired before this session: " in line]
        for word in ("demo.py was missing", "other.py was changed", "stray.py was not from the lock"):
            assert word in line
        assert project.pytest("--envsync=requirements.lock", *words).out.count("repaired before") == 0


def test_what_was_repaired_names_no_file_of_a_distribution_that_it_names(
    project: SessionProject, cache_dir: Path
) -> None:
    """What a pip by hand did to the environment is three lines, not its files again behind them."""
    assert project.pytest("--envsync=requirements.lock").returncode == 0
    (prefix,) = cached_environments(cache_dir)
    site = prefix / SITE
    # Installed over it by hand: one goes, another comes, and a third is there in another version.
    for path in (site / "demo.py", *(site / "demo-1.0.dist-info").iterdir(), *(site / "other-1.0.dist-info").iterdir()):
        path.unlink()
    (site / "demo-1.0.dist-info").rmdir()
    (site / "other-1.0.dist-info").rmdir()
    (site / "other.py").unlink()
    for name, version in (("stranger", "3.0"), ("other", "2.0")):
        with ZipFile(project.wheel(name, version)) as archive:
            archive.extractall(site)
    script = prefix / "bin" / "strange"
    script.write_text("#!/bin/sh\n")
    with (site / "stranger-3.0.dist-info" / "RECORD").open("a") as record:
        record.write("../../../bin/strange,,\n")
    (site / "stray.py").touch()
    run = project.pytest("--envsync=requirements.lock")
    assert run.returncode == 0, run.out
    (line,) = [line for line in run.stdout.splitlines() if "repaired before this session: " in line]
    assert line.partition("session: ")[2].split("; ") == [
        "demo==1.0 was missing",
        "other was 2.0 instead of 1.0",
        "stranger==3.0 was not from the lock",
        f"{SITE}/stray.py was not from the lock",
    ]
    assert "repaired before" not in project.pytest("--envsync=requirements.lock").out


def test_drift_that_fails_a_session_says_so(project: SessionProject) -> None:
    harm = "import sys, pathlib\ndef test_it():\n    pathlib.Path(sys.prefix, 'stray').touch()\n"
    project.write({"test_it.py": harm})
    for words in ([], ["-q"]):
        run = project.pytest("--envsync=requirements.lock", "--envsync-drift=fail", *words)
        assert run.returncode == 1, run.out
        assert "the tests passed; exit status 1 is for what changed" in run.stdout
    project.write({"test_it.py": harm + "    assert 0\n"})
    run = project.pytest("--envsync=requirements.lock", "--envsync-drift=fail")
    assert run.returncode == 1, run.out
    assert "the tests passed" not in run.stdout


def test_options_of_the_ini_file_are_named(project: SessionProject) -> None:
    options = f"--no-index --find-links={project.wheels}"
    project.write(
        {
            "pytest.ini": (
                "[pytest]\nenvsync = requirements.lock\nenvsync_drift = fail\nenvsync_project = none\n"
                f"envsync_options = {options}\n"
            )
        }
    )
    run = project.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--envsync-project=auto")
    assert run.returncode == 0, run.out
    (line,) = [line for line in run.header() if line.startswith("settings: ")]
    words = f"settings: envsync, envsync_drift, no-index, find-links from {project.path / 'pytest.ini'}; "
    assert line == f"{words}cache-dir from ENVSYNC_CACHE_DIR"


def test_what_holds_for_a_whole_matrix_is_said_once(project: SessionProject) -> None:
    project.write({"pytest.ini": "[pytest]\nenvsync = requirements.lock more.lock\n"})
    run = project.pytest()
    assert run.returncode == 0, run.out
    assert len([line for line in run.header() if "settings: " in line]) == 1
    assert [line.split(" -> ")[0] for line in run.header() if " -> " in line] == [
        "requirements: requirements.lock",
        "more: more.lock",
    ]


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("--dry-run", "`--dry-run` of --envsync-option means nothing for a session"),
        ("--check", "`--check`"),
        ("--output-format=json", "--envsync-report"),
        ("--venv=.venv", "cached environment"),
        ("--target=there", "cached environment"),
        ("--reinstall", "--envsync-recreate"),
        ("-q", "`--quiet`"),
    ],
)
def test_options_of_a_sync_that_mean_nothing_here_are_refused(project: SessionProject, option: str, word: str) -> None:
    run = project.pytest("--envsync=requirements.lock", f"--envsync-option={option}")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert word in run.stderr
    assert "Traceback" not in run.out
    assert run.stdout == ""


def test_in_the_ini_file_they_are_refused_too(project: SessionProject) -> None:
    project.write({"pytest.ini": "[pytest]\nenvsync_options = --dry-run\n"})
    run = project.pytest("--envsync=requirements.lock")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "`--dry-run` of envsync_options means nothing" in run.stderr


def test_who_waits_says_so_less_and_less_often() -> None:
    told: list[float] = []
    waiting = now_and_then(lambda _, seconds: told.append(round(seconds)), after=1.0)
    for tenths in range(0, 4000, 10):
        waiting("7", tenths / 10 + 0.01)
    assert told == [1, 2, 4, 8, 16, 32, 64, 124, 184, 244, 304, 364]


# Holds the lock of every environment that there is until it is told to go.
HOLD = """\
import pathlib, sys, time
from pytest_envsync.cache import exclusive
with exclusive(sys.argv[1], timeout=1):
    pathlib.Path("held").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
"""


def test_a_fixture_that_waits_says_so_past_the_capture(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {
            "hold.py": HOLD,
            "test_it.py": (
                "import pytest\n@pytest.mark.envsync('more.lock')\ndef test_it(synced_env): print('not shown')\n"
            ),
        }
    )
    assert project.pytest().returncode == 0
    (prefix,) = cached_environments(cache_dir)
    from pytest_envsync.environments.generations import key_lock_file

    lock = key_lock_file(cache_dir, prefix.parent.name)
    holder = subprocess.Popen([sys.executable, "hold.py", str(lock)], cwd=project.path)
    limit = time.monotonic() + 300
    while not (project.path / "held").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *project.offline()]
    with subprocess.Popen(
        command, cwd=project.path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stderr is not None
        words = next(line for line in process.stderr if line.strip())
        (project.path / "go").touch()
        rest = process.stderr.read()
    assert words.startswith(f"envsync: waiting for process {holder.pid} ")
    assert "not shown" not in rest
    assert process.returncode == 0
    assert holder.wait(timeout=300) == 0
