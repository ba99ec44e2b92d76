"""Environments that a project declares: what is said in a stronger place, and that every command means the same one."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import pytest

from conftest import Envsync
from factories import make_wheel

SHOW = (
    "import sys; from importlib.metadata import distributions as found; "
    "print('has', *sorted({one.name for one in found()} & {'xx', 'yy'}), sys.prefix)"
)


@pytest.fixture
def project(tmp_path: Path, wheels: Path) -> Path:
    """A lock with an extra ``x`` that brings ``xx`` and an extra ``y`` that brings ``yy``, and a session on it."""
    lines = ['lock-version = "1.0"', 'created-by = "me"', 'extras = ["x", "y"]']
    for extra, name in (("x", "xx"), ("y", "yy")):
        wheel = make_wheel(wheels, name)
        digest = sha256(wheel.read_bytes()).hexdigest()
        lines += ["[[packages]]", f'name = "{name}"', 'version = "1.0"', f"marker = \"'{extra}' in extras\""]
        lines += ["[[packages.wheels]]", f'path = "wheels/{wheel.name}"', f'hashes = {{ sha256 = "{digest}" }}']
    (tmp_path / "pylock.toml").write_text("\n".join(lines) + "\n")
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {SHOW}\n")
    (tmp_path / "pytest.ini").touch()
    return tmp_path


def declare(project: Path, row: str, rest: str = "") -> None:
    """Declare the environment ``d``."""
    (project / "pyproject.toml").write_text(
        f"[tool.envsync.environments]\nd = {{ files = ['pylock.toml'], {row} }}\n[tool.envsync]\n{rest}\n"
    )


def places(envsync: Envsync, *options: str, **environ: str) -> list[str]:
    """What is in the one environment that a command, a session and the path of a session mean."""
    command = envsync("run", *options, "d", "--", "python", "-c", SHOW, **environ)
    assert command.returncode == 0, command.stderr
    session = envsync("run", "--pytest", *options, "d", "--", "-q", "-s", "-p", "no:cacheprovider", **environ)
    assert session.returncode == 0, session.stdout + session.stderr
    *names, prefix = command.stdout.split()[1:]
    assert command.stdout.strip() in session.stdout
    assert envsync("env", "path", *options, "d", **environ).stdout.strip() == prefix
    return names


def test_its_extras_hide_those_of_the_project_and_yield_to_the_rest(envsync: Envsync, project: Path) -> None:
    declare(project, "extras = ['x']")
    assert places(envsync) == ["xx"]
    assert places(envsync, "--extra", "y") == ["yy"]
    assert places(envsync, ENVSYNC_EXTRA="y") == ["yy"]
    (project / "pytest.ini").write_text("[pytest]\nenvsync_extra = y\n")
    assert " yy " in envsync("run", "--pytest", "d", "--", "-q", "-s", "-p", "no:cacheprovider").stdout
    (project / "pytest.ini").write_text("")
    declare(project, "extras = ['x']", "extra = ['y']")
    assert places(envsync) == ["xx"]
    declare(project, "python = ['>=3']", "extra = ['y']")
    assert places(envsync) == ["yy"]


def test_its_interpreters_yield_too(envsync: Envsync, project: Path) -> None:
    declare(project, "extras = ['x'], python = ['4.7', '4.8']", "python = '4.9'")
    assert places(envsync, "-p", sys.executable) == ["xx"]
    assert places(envsync, ENVSYNC_PYTHON=sys.executable) == ["xx"]
    refused = envsync("run", "d", "--", "true")
    assert "is declared with 2 interpreters" in refused.stderr
    declare(project, f"extras = ['x'], python = ['{sys.executable}']", "python = '4.9'")
    assert places(envsync) == ["xx"]


def test_a_variable_is_stronger_than_the_interpreter_of_the_ini_file(envsync: Envsync, project: Path) -> None:
    declare(project, "extras = ['x']")
    (project / "pytest.ini").write_text("[pytest]\nenvsync_python = 4.7\n")
    session = ("run", "--pytest", "d", "--", "-p", "no:cacheprovider")
    run = envsync(*session, ENVSYNC_PYTHON=sys.executable)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "envsync_python" not in run.stdout
    assert "python from ENVSYNC_PYTHON" in run.stdout
    assert "4.7" in envsync(*session).stderr


def test_the_header_names_the_place_of_an_interpreter_only_where_it_was_used(envsync: Envsync, project: Path) -> None:
    def shown(*options: str, **environ: str) -> str:
        run = envsync("run", "--pytest", "d", "--", "-p", "no:cacheprovider", *options, **environ)
        assert run.returncode == 0, run.stdout + run.stderr
        lines = [line for line in run.stdout.splitlines() if line.startswith("envsync: settings: ")]
        return "; ".join(part for line in lines for part in line[19:].split("; ") if "python from" in part)

    here = sys.executable
    ini = project / "pytest.ini"
    declare(project, "extras = ['x']", "python = '>=3'")
    assert shown() == f"python from {project / 'pyproject.toml'} [tool.envsync]"
    assert shown("--envsync-python", here) == ""
    assert shown("--envsync-python", here, ENVSYNC_PYTHON="4.7") == ""
    assert shown(ENVSYNC_PYTHON=here) == "python from ENVSYNC_PYTHON"
    assert shown(f"--envsync-option=--python={here}") == ""
    ini.write_text(f"[pytest]\nenvsync_python = {here}\n")
    assert shown() == f"envsync_python from {ini}"
    ini.write_text("[pytest]\nenvsync_python = 4.7\n")
    assert shown(f"--envsync-option=--python={here}") == ""
    ini.write_text(f"[pytest]\nenvsync_options = --python={here}\n")
    assert shown() == f"python from {ini}"
    ini.write_text("")
    declare(project, f"extras = ['x'], python = ['{here}']", "python = '4.7'")
    assert shown() == ""
    assert shown(ENVSYNC_PYTHON=here) == "python from ENVSYNC_PYTHON"


def test_what_the_reference_reads_of_a_place_is_not_even_looked_at(envsync: Envsync, project: Path) -> None:
    declare(project, "extras = ['x']")
    assert places(envsync, UV_LINK_MODE="banana", UV_PYTHON="4.7") == ["xx"]


def test_the_name_of_an_environment_says_where_it_runs(envsync: Envsync, project: Path) -> None:
    (project / "pyproject.toml").write_text(
        f"[tool.envsync]\npython = '>=3'\n[tool.envsync.environments]\n"
        f"low = {{ files = ['pylock.toml'], python = ['{sys.executable}'] }}\nhigh = 'pylock.toml'\n"
    )
    (project / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.envsync(matrix=['low', 'high'])\n"
        "def test_marked(synced_env): pass\n"
        "def test_plain(): pass\n"
    )
    listed = envsync("run", "--pytest", "low", "--", "--collect-only", "-q", "-p", "no:cacheprovider").stdout
    assert "test_it.py::test_marked[high-3]" in listed
    listed = envsync("run", "--pytest", "low", "high", "--", "--collect-only", "-q", "-p", "no:cacheprovider").stdout
    assert "test_it.py::test_plain[high-3]" in listed
