"""``envsync run --pytest``: sessions whose plugins only the lock has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from session_project import PYTEST, Run, SessionProject, leases


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project whose lock holds pytest and a plugin that the host lacks."""
    found = SessionProject(tmp_path)
    plugin = found.wheel(
        "lonely",
        "1.0",
        files={
            "lonely/__init__.py": "",
            "lonely/plugin.py": (
                "def pytest_addoption(parser):\n"
                "    parser.addoption('--lonely', default='no')\n"
                "def pytest_report_header(config): return f'lonely: {config.option.lonely}'\n"
            ),
        },
        entry_points={"pytest11": {"lonely": "lonely.plugin"}},
    )
    found.lock("requirements.lock", plugin, *found.repacked(*PYTEST))
    found.write({"test_it.py": "import lonely\ndef test_it(): pass\n"})
    return found


def run(project: SessionProject, *args: str, env: dict[str, str] | None = None) -> Run:
    """Run ``envsync run --pytest`` on the lock."""
    command = [
        sys.executable,
        "-m",
        "pytest_envsync",
        "run",
        "--pytest",
        "--no-index",
        f"--find-links={project.wheels}",
    ]
    return project.run(*command, "requirements.lock", "--", "-p", "no:cacheprovider", *args, env=env)


@pytest.mark.parametrize(
    ("args", "ini", "environ"),
    [
        (["-p", "lonely.plugin", "--lonely=yes"], "", {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        (["--lonely", "yes"], "", {}),
        ([], "addopts = -p lonely --lonely=yes\n", {}),
        (["--lonely=yes"], "required_plugins = lonely>=1\n", {}),
        (["--lonely=yes"], "", {"PYTEST_PLUGINS": "lonely.plugin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
    ],
)
def test_plugins_of_the_lock_alone(
    project: SessionProject, cache_dir: Path, args: list[str], ini: str, environ: dict[str, str]
) -> None:
    project.write({"pytest.ini": f"[pytest]\n{ini}"})
    extra = ["-p", "envsync"] if environ else []
    found = run(project, *extra, *args, env=environ)
    assert found.returncode == 0, found.out
    assert "lonely: yes" in found.stdout
    assert any("requirements.lock -> " in line for line in found.header())
    assert leases(cache_dir) == []


def test_a_plugin_that_nobody_has_is_an_error_inside(project: SessionProject) -> None:
    found = run(project, "-p", "absent_plugin")
    # As in a plain session: before pytest 9 it ends with the traceback of the import.
    assert found.returncode == (4 if pytest.version_tuple >= (9,) else 1), found.out
    assert "absent_plugin" in found.stderr


def test_help_is_that_of_the_pytest_inside(project: SessionProject) -> None:
    found = run(project, "--help")
    assert found.returncode == 0, found.out
    assert "--lonely" in found.stdout


def test_status_and_drift_are_those_of_the_session(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_it(): assert 0\n"})
    assert run(project).returncode == 1
    assert run(project, "-k", "nothing").returncode == 5


def test_a_plain_command_knows_where_it_is(project: SessionProject, cache_dir: Path) -> None:
    """What the ini file asks for has happened already, and fixtures find the engine."""
    project.lock("other.txt", project.wheel("other"))
    project.write(
        {
            "pytest.ini": "[pytest]\nenvsync = requirements.lock\n",
            "test_it.py": (
                "import sys, pytest, lonely\n"
                "@pytest.mark.envsync('other.txt')\n"
                "def test_other(synced_env): assert synced_env.packages == {'other': '1.0'}\n"
                "def test_own(synced_env): assert str(synced_env.path) == sys.prefix\n"
            ),
        }
    )
    options = ["--no-index", f"--find-links={project.wheels}"]
    command = [sys.executable, "-m", "pytest_envsync", "run", *options, "requirements.lock", "--"]
    found = project.run(*command, "pytest", "-p", "no:cacheprovider")
    assert found.returncode == 0, found.out
    assert found.outcomes == {"passed": 2}
    assert found.header() == []
    assert leases(cache_dir) == []
    assert list((cache_dir / "sessions").iterdir()) == []
