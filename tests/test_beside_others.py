"""Sessions inside, started by other tools and with pytest's stricter settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from session_project import SessionProject, leases


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with one lock of one distribution."""
    found = SessionProject(tmp_path)
    found.lock("requirements.lock", found.wheel("demo"))
    found.write({"test_it.py": "import demo, sys\ndef test_it(): assert demo.__file__.startswith(sys.prefix)\n"})
    return found


def test_an_ide_runner_with_a_plugin_and_a_finally(project: SessionProject, cache_dir: Path) -> None:
    """As editors do it: a script outside of the project, its own directory on PYTHONPATH, its own -p."""
    project.write(
        {
            "ide/ide_listener.py": (
                "import json, os\n"
                "def pytest_runtest_logreport(report):\n"
                "    if report.when == 'call':\n"
                "        with open(os.environ['LISTENER'], 'a') as file: file.write(report.nodeid + '\\n')\n"
            ),
            "ide/runner.py": (
                "import os, sys\n"
                "import pytest\n"
                "try:\n"
                "    status = pytest.main(['-p', 'ide_listener', *sys.argv[1:]])\n"
                "finally:\n"
                "    print('cleaned up')\n"
                "sys.exit(status)\n"
            ),
        }
    )
    ide = project.path / "ide"
    outside = project.path.parent / "ide"
    ide.rename(outside)
    heard = project.path / "heard"
    run = project.run(
        sys.executable,
        outside / "runner.py",
        "--envsync",
        "requirements.lock",
        *project.offline(),
        env={"PYTHONPATH": str(outside), "LISTENER": str(heard)},
    )
    assert run.returncode == 0, run.out
    assert "cleaned up" in run.stdout
    assert heard.read_text().split() == ["test_it.py::test_it"]
    assert any(f"behind the environment: {outside}" in line for line in run.header())
    assert leases(cache_dir) == []


def test_strict_settings(project: SessionProject) -> None:
    project.write(
        {
            "pytest.ini": (
                "[pytest]\naddopts = --strict-config --strict-markers\nxfail_strict = true\nfilterwarnings = error\n"
                "envsync = requirements.lock\nenvsync_drift = fail\nenvsync_options = --no-index\n"
            )
        }
    )
    run = project.pytest("-W", "error")
    assert run.returncode == 0, run.out


@pytest.mark.skipif(tuple(map(int, pytest.__version__.split(".")[:2])) < (9, 0), reason="pytest 9 reads it")
def test_settings_in_toml_with_types(project: SessionProject) -> None:
    project.write(
        {
            "pytest.ini": "",
            "pyproject.toml": (
                "[tool.pytest]\n"
                'envsync = ["requirements.lock"]\n'
                "envsync_all_extras = false\n"
                'envsync_drift = "fail"\n'
                'envsync_drift_ignore = ["*.log"]\n'
                "strict = true\n"
            ),
        }
    )
    (project.path / "pytest.ini").unlink()
    run = project.pytest()
    assert run.returncode == 0, run.out
    assert any("pyproject.toml" in line for line in run.header())


def test_settings_in_pyproject(project: SessionProject) -> None:
    (project.path / "pytest.ini").unlink()
    project.write(
        {"pyproject.toml": '[tool.pytest.ini_options]\nenvsync = "requirements.lock"\nenvsync_offline = true\n'}
    )
    run = project.pytest()
    assert run.returncode == 0, run.out


def test_interpreter_flags_and_warnings_are_carried(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import sys, warnings, pytest\n"
                "def test_it():\n"
                "    assert sys.flags.utf8_mode == 1\n"
                "    assert 'error::UserWarning' in sys.warnoptions\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", flags=["-X", "utf8", "-W", "error::UserWarning"])
    assert run.returncode == 0, run.out


def test_a_breakpoint_stops_at_the_terminal(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_it():\n    value = 6 * 7\n    breakpoint()\n    assert value\n"})
    run = project.pytest("--envsync", "requirements.lock", input="p value + 1000\nc\n")
    assert "1042" in run.stdout, run.out
    assert run.returncode == 0, run.out


def test_inside_the_environment_of_another_tool(project: SessionProject, cache_dir: Path) -> None:
    """As tox does it: a virtual environment of its own, active; the session goes to ours all the same."""
    foreign = project.path / ".tox" / "py"
    project.run(sys.executable, "-m", "venv", "--without-pip", str(foreign))
    (site,) = foreign.glob("lib/python*/site-packages")
    paths = [entry for entry in sys.path if entry and Path(entry).is_dir()]
    (site / "host.pth").write_text("".join(f"{path}\n" for path in paths))
    project.write({"test_it.py": "import sys\ndef test_it(): assert '.tox' not in sys.prefix\n"})
    run = project.pytest(
        "--envsync",
        "requirements.lock",
        python=str(foreign / "bin" / "python"),
        env={
            "VIRTUAL_ENV": str(foreign),
            "TOX_ENV_NAME": "py",
            "PATH": f"{foreign / 'bin'}{os.pathsep}{os.environ['PATH']}",
        },
    )
    assert run.returncode == 0, run.out
    assert not list(foreign.rglob("demo*"))
    assert leases(cache_dir) == []


def test_rootdir_and_confcutdir_stay_what_they_are(project: SessionProject) -> None:
    project.write(
        {
            "sub/conftest.py": "",
            "sub/test_sub.py": (
                "def test_sub(pytestconfig):\n"
                "    assert pytestconfig.rootpath.name == 'project'\n"
                "    assert pytestconfig.invocation_params.dir.name == 'sub'\n"
            ),
        }
    )
    run = project.pytest("--envsync", "../requirements.lock", "--confcutdir=.", cwd=project.path / "sub")
    assert run.returncode == 0, run.out
    assert f"rootdir: {project.path}" in run.stdout


def test_a_cache_that_cannot_be_written_is_wrong_usage(project: SessionProject) -> None:
    project.write({"file": ""})
    run = project.pytest("--envsync", "requirements.lock", "--envsync-cache-dir", "file/cache")
    assert run.returncode == 4, run.out
    assert "cannot be written" in run.stderr
    assert "Traceback" not in run.out


def test_the_option_for_the_cache_reaches_the_fixtures(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('requirements.lock')\n"
                "def test_it(synced_env): assert 'elsewhere' in str(synced_env.path)\n"
            )
        }
    )
    for args in ([], ["--envsync", "requirements.lock"]):
        run = project.pytest("--envsync-cache-dir", "elsewhere", *args)
        assert run.returncode == 0, run.out
    assert not cache_dir.exists()


def test_recreate_builds_anew(project: SessionProject) -> None:
    assert project.pytest("--envsync", "requirements.lock").returncode == 0
    run = project.pytest("--envsync", "requirements.lock", "--envsync-recreate")
    assert run.returncode == 0, run.out
    assert "created" in run.header()[0]


def test_setup_plan_and_setup_show(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_it(synced_env): pass\n"})
    plan = project.pytest("--envsync", "requirements.lock", "--setup-plan")
    assert plan.returncode == 0, plan.out
    assert "SETUP    F synced_env" in plan.stdout
    show = project.pytest("--envsync", "requirements.lock", "--setup-show")
    assert show.returncode == 0, show.out
    assert "SETUP    F synced_env" in show.stdout


def test_a_fork_that_ends_early_does_not_end_the_session(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {
            "test_it.py": (
                "import os, sys\n"
                "def test_fork():\n"
                "    child = os.fork()\n"
                "    if child == 0:\n"
                "        sys.stdout = sys.stderr = open(os.devnull, 'w')\n"
                "        raise SystemExit(0)\n"
                "    os.waitpid(child, 0)\n"
                "    assert os.path.exists(os.environ['ENVSYNC_SESSION'])\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "-p", "no:terminal")
    assert leases(cache_dir) == [], run.out
