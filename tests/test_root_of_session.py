"""Root and ini file of a session are those of its tests, wherever its lock is and however it is written."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from pytest_envsync.pytest_plugin.command_line import joined
from session_project import SessionProject

SEEN = """\
import json, pathlib, sys, demo

def test_mine(request):
    config = request.config
    seen = [str(config.rootpath), str(config.inipath), config.getini("markers")[0], sys.prefix]
    pathlib.Path(__file__).with_name("seen.json").write_text(json.dumps(seen))
"""

# What an ini file does that pytest finds beside the lock.
OTHER = """\
[tool.pytest.ini_options]
addopts = "-p other_plugin --maxfail=7 --nonsense"
markers = ["of_the_other"]
envsync_python = ["3.99"]
"""


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project, and a lock in a directory beside it that has settings of its own."""
    found = SessionProject(tmp_path)
    found.lock("other/requirements.lock", found.wheel("demo"))
    found.write(
        {
            "pytest.ini": "",
            "other/pyproject.toml": OTHER,
            "other/other_plugin.py": "",
            "mine/pytest.ini": "[pytest]\nmarkers = of_mine\n",
            "mine/tests/test_mine.py": SEEN,
            "mine/runner.py": "import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))\n",
        }
    )
    (found.path / "pytest.ini").unlink()
    return found


def check(project: SessionProject) -> None:
    """Hold that the test ran in the project, and inside the environment."""
    place = project.path / "mine"
    found = place / "tests" / "seen.json"
    rootdir, inifile, marker, prefix = json.loads(found.read_text())
    found.unlink()
    assert (rootdir, inifile, marker) == (str(place), str(place / "pytest.ini"), "of_mine")
    assert prefix != sys.prefix


@pytest.mark.parametrize("words", [[], ["tests"], ["tests/test_mine.py::test_mine"], ["-q", "--", "tests"]])
def test_a_lock_elsewhere_in_two_words(project: SessionProject, words: list[str]) -> None:
    place = project.path / "mine"
    for module in (True, False):
        run = project.pytest(
            "--envsync", "../other/requirements.lock", *words, cwd=place, module=module,
            env={"PYTHONPATH": str(project.path / "other")},
        )  # fmt: skip
        assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out
        check(project)


def test_in_a_child_process(project: SessionProject) -> None:
    run = project.run(
        *(sys.executable, "runner.py", "-p", "no:cacheprovider", *project.offline()),
        *("--envsync", "../other/requirements.lock", "--envsync-report", "../other/report.json"),
        cwd=project.path / "mine",
        env={"PYTHONPATH": str(project.path / "other")},
    )
    assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out
    assert json.loads((project.path / "other" / "report.json").read_text())["exitstatus"] == 0
    check(project)


def test_as_options_of_the_variable(project: SessionProject) -> None:
    environ = {
        "PYTEST_ADDOPTS": "--envsync ../other/requirements.lock",
        "PYTHONPATH": str(project.path / "other"),
    }
    run = project.pytest("tests", cwd=project.path / "mine", env=environ)
    assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out
    check(project)


def test_in_a_file_of_arguments(project: SessionProject) -> None:
    project.write(
        {"mine/args.txt": "--envsync\n../other/requirements.lock\n@more.txt\n", "mine/more.txt": "-q\ntests\n"}
    )
    run = project.pytest("@args.txt", cwd=project.path / "mine", env={"PYTHONPATH": str(project.path / "other")})
    assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out
    check(project)


def test_run_pytest(project: SessionProject) -> None:
    run = project.run(
        *(sys.executable, "-m", "pytest_envsync", "run", "--no-index", "--find-links", project.wheels),
        *("--pytest", "../other/requirements.lock", "--", "-p", "no:cacheprovider"),
        cwd=project.path / "mine",
    )
    assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out
    check(project)


def test_other_options_of_ours_lead_nowhere_either(project: SessionProject, cache_dir: Path) -> None:
    """A cache directory that is there, in two words, hid the ini file that asks for the environment."""
    place = project.path / "mine"
    project.write({"mine/pytest.ini": "[pytest]\nmarkers = of_mine\nenvsync = ../other/requirements.lock\n"})
    cache_dir.mkdir(parents=True)
    run = project.pytest("--envsync-cache-dir", cache_dir, "--envsync-report", "../other/report.json", cwd=place)
    assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out
    check(project)


def test_a_session_that_a_test_starts_leaves_the_test_its_process(project: SessionProject) -> None:
    project.write(
        {
            "mine/test_outer.py": (
                "import pytest\n"
                "def test_nested():\n"
                "    arguments = ['--envsync=../other/requirements.lock', 'tests', '-p', 'no:cacheprovider']\n"
                f"    assert pytest.main([*arguments, *{project.offline()!r}]) == 0\n"
                "def test_after(): pass\n"
            )
        }
    )
    run = project.run(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_outer.py", cwd=project.path / "mine"
    )
    assert (run.returncode, run.outcomes) == (0, {"passed": 2}), run.out
    check(project)


def test_every_option_with_a_value_is_written_in_one_word(project: SessionProject) -> None:
    names = set(re.findall(r"(--envsync[a-z-]*)[= ][A-Z\[{]", project.pytest("--help").stdout))
    assert {"--envsync", "--envsync-cache-dir", "--envsync-drift"} <= names
    for name in names:
        assert joined([name, "x", "--", name, "x"]) == [f"{name}=x", "--", name, "x"]
    assert joined(["--envsync-offline", "x", "--envsync"]) == ["--envsync-offline", "x", "--envsync"]
