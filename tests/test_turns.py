"""Environments of a matrix that own the terminal one after another: what counts for one session counts for all."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from session_project import Run, SessionProject, leases

BOTH = ("-p", "cacheprovider", "--envsync", "low.txt", "--envsync", "high.txt")


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with a low lock of demo 1.0 and a high lock of demo 2.0."""
    found = SessionProject(tmp_path)
    found.lock("low.txt", found.wheel("demo", "1.0"))
    found.lock("high.txt", found.wheel("demo", "2.0"))
    return found


def table(run: Run) -> list[list[str]]:
    """The words of the lines that stand under ``environments``."""
    rest = run.stdout.partition(" environments ===")[2].partition("\n")[2]
    lines = rest.partition("\n===")[0].splitlines()
    return [line.split() for line in lines if line]


def failures(project: SessionProject) -> Any:
    """What pytest keeps for ``--lf``."""
    return json.loads((project.path / ".pytest_cache/v/cache/lastfailed").read_text())


def test_what_cannot_be_collected_in_one_environment_keeps_no_other_from_its_tests(
    project: SessionProject, cache_dir: Path
) -> None:
    project.write(
        {
            "test_one.py": "import demo\nassert demo.VERSION == '2.0'\ndef test_new(): pass\n",
            "test_two.py": "def test_any(): pass\n",
        }
    )
    run = project.pytest(*BOTH, "-n0", "--envsync-report", "report.json", "--junitxml", "junit.xml")
    assert run.returncode == 2, run.out
    assert "ERROR test_one.py[low]" in run.stdout
    assert [row["outcomes"] for row in project.report()["environments"]] == [{"error": 1}, {"passed": 2}]
    assert ["test_one.py", "error", "-"] in table(run)
    assert ["test_one.py::test_new", "-", "passed"] in table(run)
    # Older releases of pytest leave the ending of a file away.
    assert re.search(r'name="test_one(\.py)?\[low\]"', (project.path / "junit.xml").read_text())
    assert leases(cache_dir) == []
    assert list((cache_dir / "sessions").iterdir()) == []

    # What is told to run the failures again does, though one of them is a module.
    assert failures(project) == {"test_one.py[low]": True}
    project.write({"test_one.py": "def test_new(): pass\n"})
    again = project.pytest(*BOTH, "-n0", "--lf")
    assert again.returncode == 0, again.out
    assert table(again) == [["low", "high"], ["test_one.py::test_new", "passed", "-"]]
    assert failures(project) == {}


def test_the_table_is_that_of_a_matrix(project: SessionProject) -> None:
    project.lock("bad.txt", pins=["absent==1"])
    project.write({"test_it.py": "import demo\ndef test_a(): pass\ndef test_b(): assert demo.VERSION == '1.0'\n"})
    for how in ("-n0", "-n2"):
        run = project.pytest(*BOTH, "--envsync=bad.txt", how, "test_it.py")
        assert run.returncode == 1, run.out
        lines = table(run)
        assert lines[0][0] == "bad:"
        first = lines.index(["low", "high"])
        assert lines[first + 1] == ["test_it.py::test_b", "passed", "failed"]
        assert lines[first + 2] == ["the", "same", "in", "all", "2:", "1", "passed"]
        assert table(run)[-1][:5] == ["run", "the", "failures", "again:", "pytest"]
        assert table(run)[-1][-1] == "--lf"
    quiet = project.pytest(*BOTH, "-n0", "--no-summary")
    assert table(quiet) == []


@pytest.mark.parametrize(("most", "ran"), [("1", ["F"]), ("3", ["F.F", "F"]), ("9", ["F.F", "F.F"])])
def test_failures_of_all_count_for_maxfail(project: SessionProject, most: str, ran: list[str]) -> None:
    project.write({"test_it.py": "def test_a(): assert 0\ndef test_b(): pass\ndef test_c(): assert 0\n"})
    run = project.pytest(*BOTH, "-q", "-n0", "--tb=no", "--maxfail", most, "--", "test_it.py")
    assert run.returncode == 1, run.out
    assert [line.split()[0] for line in run.stdout.splitlines() if line[:1] == "F" and line[:6] != "FAILED"] == ran


def test_an_environment_whose_turn_does_not_come_is_told_of(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_a(): assert 0\n"})
    run = project.pytest(*BOTH, "-n0", "-x", "--envsync-report", "report.json")
    assert run.returncode == 1, run.out
    lines = table(run)
    assert lines[lines.index(["low", "high"]) + 1] == ["test_it.py::test_a", "failed", "-"]
    rows = json.loads((project.path / "report.json").read_text())["environments"]
    assert [(row["name"], row["outcomes"], row["error"]) for row in rows] == [
        ("low", {"failed": 1}, None),
        ("high", {}, None),
    ]


def test_leaving_a_session_leaves_them_all(project: SessionProject) -> None:
    project.write({"test_it.py": "import pytest\ndef test_a(): pytest.exit('enough', returncode=7)\n"})
    run = project.pytest(*BOTH, "-n0")
    assert run.returncode == 7, run.out
    assert "envsync: high\n" not in run.stdout


def test_what_all_cover_is_held_against_the_least_that_is_to_be_covered(project: SessionProject) -> None:
    project.write(
        {
            "lib.py": "def f(new):\n    if new:\n        return 1\n    return 2\n",
            "test_it.py": "import demo, lib\ndef test_it(): assert lib.f(demo.VERSION == '2.0')\n",
        }
    )
    enough = project.pytest(*BOTH, "-s", "--cov=lib", "--cov-fail-under=90")
    assert enough.returncode == 0, enough.out
    project.write({"lib.py": "def f(new):\n    if new == 7:\n        return 3\n    return 2\n"})
    lacking = project.pytest(*BOTH, "-s", "--cov=lib", "--cov-fail-under=90")
    assert lacking.returncode == 1, lacking.out
    assert lacking.out.count("less than fail-under") == 1


def test_a_line_that_tells_of_a_test_has_the_environment(project: SessionProject) -> None:
    project.write({"test_it.py": "class TestIt:\n    def test_a(self): pass\n"})
    for args in (["-s", "-n1"], ["-s", "-n0", "-vv"], ["-n0"]):
        run = project.pytest(*BOTH, "-v", *args)
        assert run.returncode == 0, run.out
        lines = [line for line in run.stdout.splitlines() if "test_it.py::" in line and "same" not in line]
        assert lines
        assert all("::test_a[low]" in line or "::test_a[high]" in line for line in lines), run.out
        assert "-n0" not in args or "test_it.py::TestIt::test_a[low] PASSED" in run.stdout


def test_ids_that_are_listed_select_the_tests(project: SessionProject) -> None:
    project.write({"test_it.py": "class TestIt:\n    def test_a(self): pass\ndef test_b(): pass\n"})
    listed = project.pytest(*BOTH, "--collect-only", "-q").stdout
    ids = [line for line in listed.splitlines() if "::" in line]
    assert ids == [f"test_it.py::{name}[{where}]" for where in ("low", "high") for name in ("TestIt::test_a", "test_b")]
    run = project.pytest(*BOTH, "-n0", "-rA", ids[0], ids[3])
    assert sorted(line.split()[1] for line in run.stdout.splitlines() if line.startswith("PASSED ")) == sorted(
        [ids[0], ids[3]]
    )


def test_a_step_goes_on_where_it_was(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import demo\n"
                "def test_a(): pass\n"
                "def test_b(): assert demo.VERSION == '1.0'\n"
                "def test_c(): assert demo.VERSION == '1.0'\n"
            )
        }
    )
    for is_first in (True, False):
        run = project.pytest("-p", "stepwise", *BOTH, "-n0", "--sw", "-rA")
        assert run.returncode == 2, run.out
        assert "FAILED test_it.py::test_b[high]" in run.stdout
        assert "test_c[high]" not in run.stdout
        assert "test_a[low]" in run.stdout
        # The last step was in an environment that comes later, and those before it do not forget it.
        assert ("test_a[high]" in run.stdout) is is_first


@pytest.mark.parametrize("how", ["-n0", "-n2"])
def test_a_failure_of_a_session_in_one_environment_is_over_when_it_passes_in_all(
    project: SessionProject, how: str
) -> None:
    project.write({"test_it.py": "def test_a(): assert 0\ndef test_b(): pass\n"})
    project.pytest("-p", "cacheprovider")
    assert failures(project) == {"test_it.py::test_a": True}
    project.write({"test_it.py": "import demo\ndef test_a(): assert demo.VERSION == '2.0'\ndef test_b(): pass\n"})
    run = project.pytest(*BOTH, how, "--lf", "-rA")
    assert run.returncode == 1, run.out
    assert "test_b" not in run.stdout.replace("deselected", "")
    assert failures(project) == {"test_it.py::test_a[low]": True}


def test_a_session_that_ends_before_it_came_to_all_environments_leaves_a_failure_of_one(
    project: SessionProject,
) -> None:
    # In turn only: with workers both environments may have come to the test before the first failure ends them.
    project.write({"test_it.py": "def test_a(): assert 0\n"})
    project.pytest("-p", "cacheprovider")
    project.pytest(*BOTH, "-n0", "-x")
    assert failures(project) == {"test_it.py::test_a": True, "test_it.py::test_a[low]": True}


@pytest.mark.parametrize("how", ["-n0", "-n2"])
def test_one_name_may_end_as_another(project: SessionProject, how: str) -> None:
    project.write({"test_it.py": "import demo\ndef test_a(): pass\ndef test_b(): assert demo.VERSION == '1.0'\n"})
    both = ("-p", "cacheprovider", "--envsync", "low.txt", "--envsync", "very-low=high.txt", how)
    first = project.pytest(*both)
    assert first.returncode == 1, first.out
    again = project.pytest(*both, "--lf", "-rA")
    assert again.returncode == 1, again.out
    assert "FAILED test_it.py::test_b[very-low]" in again.stdout
    assert "PASSED" not in again.stdout


def test_what_one_environment_cannot_load_is_its_error(project: SessionProject) -> None:
    project.write(
        {
            "conftest.py": "import demo\nassert demo.VERSION == '2.0', 'too old'\n",
            "test_it.py": "def test_a(): pass\n",
        }
    )
    run = project.pytest(*BOTH, "-n0", "--envsync-report", "report.json")
    assert run.returncode == 1, run.out
    report = project.report()
    assert report["exitstatus"] == 1
    assert [(row["name"], bool(row["error"])) for row in report["environments"]] == [("low", True), ("high", False)]
    assert table(run) == [["low:", "the", "session", "ended", "with", "status", "4"]]


def test_a_report_that_cannot_be_written_is_told(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_a(): pass\n", "place/x": ""})
    run = project.pytest(*BOTH, "-n0", "--envsync-report", "place")
    assert run.returncode == 0, run.out
    assert run.stderr.count("cannot be written") == 1
    assert f"envsync: `{project.path / 'place'}` cannot be written: " in run.stderr
    assert "Traceback" not in run.out
    assert not [path.name for path in project.path.iterdir() if "place." in path.name or path.name.endswith(".new")]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with a path")
def test_a_report_goes_into_a_pipe_and_takes_the_place_of_no_link(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_a(): pass\n", "real.json": "{}"})
    pipe, link = project.path / "pipe", project.path / "link.json"
    os.mkfifo(pipe)
    link.symlink_to("real.json")
    for which, count in ((["--envsync", "low.txt"], 1), ([*BOTH, "-n0"], 2)):
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            run = project.pytest(*which, "--envsync-report", "pipe")
            assert run.returncode == 0, run.out
            assert len(json.loads(os.read(reader, 1 << 16))["environments"]) == count
        finally:
            os.close(reader)
        assert stat.S_ISFIFO(pipe.lstat().st_mode)
        run = project.pytest(*which, "--envsync-report", "link.json")
        assert run.returncode == 0, run.out
        assert link.is_symlink()
        assert len(project.report("real.json")["environments"]) == count


def test_a_session_that_a_test_ends_says_so_in_its_report(project: SessionProject) -> None:
    project.write({"test_it.py": "import demo, os\ndef test_a():\n    if demo.VERSION == '1.0': os._exit(0)\n"})
    run = project.pytest(*BOTH, "-n0", "--envsync-report", "report.json")
    assert run.returncode == 0, run.out
    assert [row["error"] for row in project.report()["environments"]] == ["the session did not come to its end", None]
    assert " ".join(table(run)[0]) == "low: the session did not come to its end"
    alone = project.pytest("--envsync", "low.txt", "--envsync-report", "report.json")
    assert alone.returncode == 0, alone.out
    assert project.report()["exitstatus"] == 3


def test_a_session_that_leaves_no_report_has_its_row(project: SessionProject) -> None:
    project.write(
        {
            "conftest.py": (
                "import demo, os, pathlib\n"
                "if demo.VERSION == '2.0':\n"
                "    pathlib.Path(os.environ['ENVSYNC_SESSION'] + '.report').unlink()\n"
                "    os._exit(3)\n"
            ),
            "test_it.py": "def test_a(): pass\n",
        }
    )
    run = project.pytest(*BOTH, "-n0", "--envsync-report", "report.json")
    assert run.returncode == 3, run.out
    rows = project.report()["environments"]
    assert [(row["name"], row["error"]) for row in rows] == [("low", None), ("high", "the session ended with status 3")]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_what_is_killed_leaves_no_report_of_another_day(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": "import os, signal\ndef test_a(): os.kill(os.getppid(), signal.SIGKILL)\n",
            "report.json": "of another day",
        }
    )
    run = project.pytest(*BOTH, "-n0", "--envsync-report", "report.json")
    assert run.returncode == -9, run.out
    report = project.report()
    assert report["exitstatus"] == 3
    assert [row["error"] for row in report["environments"]] == ["the session did not come to its end"] * 2


def test_failures_of_environments_that_are_not_in_the_session_make_no_others_run(project: SessionProject) -> None:
    project.write({"test_it.py": "import demo\ndef test_a(): assert demo.VERSION == '2.0'\ndef test_b(): pass\n"})
    project.pytest(*BOTH, "-n0")
    renamed = ("-p", "cacheprovider", "--envsync", "old=low.txt", "--envsync", "new=high.txt", "-n0")
    project.pytest(*renamed)
    assert failures(project) == {"test_it.py::test_a[low]": True, "test_it.py::test_a[old]": True}
    run = project.pytest(*renamed, "--lf", "-rA")
    told = [line.split()[:2] for line in run.stdout.splitlines() if line.startswith(("PASSED ", "FAILED "))]
    assert told == [["FAILED", "test_it.py::test_a[old]"]], run.out


PATIENT = """\
import pathlib, time

def test_it():
    with open("turns", "a") as turns:
        turns.write("x")
    limit = time.monotonic() + 600
    while time.monotonic() < limit:
        time.sleep(0.02)
"""


def test_a_signal_that_ends_one_turn_ends_all(project: SessionProject, cache_dir: Path) -> None:
    project.write({"test_it.py": PATIENT})
    words = [*project.offline(), "-p", "no:cacheprovider", *BOTH[2:], "-n0"]
    with subprocess.Popen([sys.executable, "-m", "pytest", *words], cwd=project.path, stdout=subprocess.DEVNULL) as run:
        limit = time.monotonic() + 300
        while not (project.path / "turns").exists():
            assert time.monotonic() < limit
            time.sleep(0.02)
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=300) == 128 + signal.SIGTERM
    assert (project.path / "turns").read_text() == "x"
    assert leases(cache_dir) == []
