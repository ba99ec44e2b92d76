"""Coverage in a session reports the files and the numbers that it reports in an ordinary virtual environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from session_project import PYTEST, SessionProject, repack

TOOLS = (*PYTEST, "coverage", "pytest-cov", "pytest-xdist", "execnet")


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A package under test and its tests; one lock without and one with pytest, and an ordinary environment beside."""
    found = SessionProject(tmp_path)
    demo = found.wheel("demo")
    tools = [repack(found.wheels, name) for name in TOOLS]
    found.lock("requirements.lock", demo)
    found.lock("full.lock", demo, *tools)
    found.write(
        {
            "pytest.ini": "[pytest]\npythonpath = .\n",
            "mine/__init__.py": "import demo\n\ndef used():\n    return 1\n\ndef unused():\n    return 2\n",
            "mine/part.py": "def elsewhere():\n    return 3\n",
            "tests/test_it.py": (
                "import subprocess, sys\nfrom mine import used\n"
                "def test_it(): assert used() == 1\n"
                "def test_more():\n"
                "    code = 'from mine.part import elsewhere; elsewhere()'\n"
                "    subprocess.run([sys.executable, '-c', code], check=True)\n"
            ),
        }
    )
    synced = found.run(
        *(sys.executable, "-m", "pytest_envsync", "sync", "--venv", tmp_path / "twin", "full.lock"),
        *("--no-index", "--find-links", found.wheels),
    )
    assert synced.returncode == 0, synced.out
    return found


def measured(project: SessionProject) -> dict[str, Any]:
    """The JSON report that a run left, without what tells of the run itself."""
    path = project.path / "coverage.json"
    values: dict[str, Any] = json.loads(path.read_text())
    path.unlink()
    return {name: values[name] for name in ("files", "totals")}


@pytest.mark.parametrize("lock", ["requirements.lock", "full.lock"])
@pytest.mark.parametrize("settings", ["", "[run]\npatch = subprocess\n"], ids=["", "subprocesses"])
def test_reports_are_those_of_an_ordinary_environment(project: SessionProject, lock: str, settings: str) -> None:
    if settings:
        project.write({".coveragerc": settings})
    for args in (["--cov"], ["--cov=mine"], ["--cov", "-n", "2"]):
        words = [*args, "--cov-report=json:coverage.json"]
        twin = project.path.parent / "twin" / "bin" / "python"
        ordinary = project.run(twin, "-m", "pytest", "-p", "no:cacheprovider", *words)
        assert ordinary.returncode == 0, ordinary.out
        wanted = measured(project)
        run = project.pytest(f"--envsync={lock}", *words)
        assert run.returncode == 0, run.out
        assert measured(project) == wanted
        assert ("mine/part.py" in wanted["files"]) is bool(settings or args == ["--cov=mine"])


def test_coverage_as_the_command_of_run(project: SessionProject) -> None:
    twin = project.path.parent / "twin" / "bin" / "python"
    arguments = ["-m", "pytest", "-p", "no:cacheprovider", "-q"]
    ordinary = project.run(twin, "-m", "coverage", "run", *arguments)
    assert ordinary.returncode == 0, ordinary.out
    assert project.run(twin, "-m", "coverage", "json").returncode == 0
    wanted = measured(project)
    offline = ["--no-index", "--find-links", str(project.wheels)]
    run = project.run(
        sys.executable, "-m", "pytest_envsync", "run", *offline, "full.lock", "--", "coverage", "run", *arguments
    )
    assert run.returncode == 0, run.out
    assert project.run(twin, "-m", "coverage", "json").returncode == 0
    assert measured(project) == wanted


def test_a_coverage_that_looks_for_no_pyvenv_cfg(project: SessionProject) -> None:
    """Releases before 7.13.3 take for installed what one function of theirs names."""
    project.write(
        {
            "old_coverage.py": (
                "import sysconfig, coverage.inorout as inorout\n"
                "def add_third_party_paths(paths):\n"
                "    for name in sysconfig.get_scheme_names():\n"
                "        paths.update(sysconfig.get_paths(name)[kind] for kind in ('platlib', 'purelib'))\n"
                "inorout.add_third_party_paths = add_third_party_paths\n"
                "inorout._add_third_party_paths = lambda paths: inorout.add_third_party_paths(paths)\n"
            )
        }
    )
    run = project.pytest(
        "--envsync=requirements.lock", "-p", "old_coverage", "--cov", "--cov-report=json:coverage.json",
        env={"PYTHONPATH": str(project.path)},
    )  # fmt: skip
    assert run.returncode == 0, run.out
    assert sorted(measured(project)["files"]) == ["mine/__init__.py", "tests/test_it.py"]
