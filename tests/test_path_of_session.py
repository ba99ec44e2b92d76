"""``envsync env path LOCK`` is where ``pytest --envsync LOCK`` runs, from the same directory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from factories import setuptools_free_backend
from session_project import Run, SessionProject, cached_environments

TOML = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "{name}"\n'


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project that is installed into its environment, whose test prints where that is."""
    found = SessionProject(tmp_path)
    found.lock("requirements.lock", found.wheel("demo"))
    found.write(
        {
            "pyproject.toml": TOML.format(name="mine") + 'version = "1.0"\n',
            "backend.py": setuptools_free_backend("mine", "1.0"),
            "mine.py": "",
            "tests/test_it.py": "import sys\ndef test_it(): print('in', sys.prefix)\n",
        }
    )
    return found


def path(project: SessionProject, *words: str, cwd: Path | None = None) -> Run:
    """Ask for the path."""
    offline = ["--no-index", f"--find-links={project.wheels}"]
    return project.run(sys.executable, "-m", "pytest_envsync", "env", "path", *offline, *words, cwd=cwd)


@pytest.mark.parametrize(
    ("settings", "words", "session_words"),
    [
        ("", [], []),
        ("envsync_editable = false", [], []),
        ("addopts = -p xdist", [], []),
        ("envsync_project = none", [], []),
        ("", ["--install-project", "none"], ["--envsync-project=none"]),
        ("", ["--python", sys.executable], ["--envsync-option=--python", f"--envsync-option={sys.executable}"]),
    ],
)
def test_it_is_the_environment_of_the_session(
    project: SessionProject, cache_dir: Path, settings: str, words: list[str], session_words: list[str]
) -> None:
    project.write({"pytest.ini": f"[pytest]\n{settings}\n"})
    missing = path(project, *words, "requirements.lock")
    assert (missing.returncode, missing.stdout) == (1, ""), missing.out
    assert "--create" in missing.stderr
    made = path(project, "--create", *words, "requirements.lock")
    assert made.returncode == 0, made.out
    run = project.pytest("-s", "--envsync=requirements.lock", *session_words)
    assert run.returncode == 0, run.out
    assert f"in {made.stdout.strip()}\n" in run.stdout
    assert "reused" in run.header()[0]
    assert cached_environments(cache_dir) == [Path(made.stdout.strip())]
    assert path(project, *words, "requirements.lock").stdout == made.stdout


def test_from_a_directory_below(project: SessionProject) -> None:
    made = path(project, "--create", "../requirements.lock", cwd=project.path / "tests")
    run = project.pytest("-s", "--envsync=requirements.lock")
    assert f"in {made.stdout.strip()}\n" in run.stdout, run.out


def test_what_cannot_be_is_said(project: SessionProject) -> None:
    absent = path(project, "absent.lock")
    assert (absent.returncode, absent.stdout) == (2, "")
    assert "absent.lock" in absent.stderr
    assert "Traceback" not in absent.out
    project.write({"pytest.ini": "[pytest]\nenvsync_python = 3.98 3.99\n"})
    several = path(project, "requirements.lock")
    assert several.returncode == 2
    assert "only one environment" in several.stderr
    project.write({"pytest.ini": "[pytest]\nminversion = 99\n"})
    refused = path(project, "requirements.lock")
    assert refused.returncode == 2
    assert "99" in refused.stderr
    assert "Traceback" not in refused.out
