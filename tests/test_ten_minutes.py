"""The first ten minutes of a user, from the installation on: every step a real process, each on what the last left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from factories import write_tree

ROOT = Path(__file__).parent.parent
FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "sums"
version = "0.1"
dependencies = ["numpy"]
""",
    "src/sums/__init__.py": "import numpy\n\n\ndef total(values):\n    return int(numpy.sum(values))\n",
    "pytest.ini": "[pytest]\naddopts = -ra\n",
    "requirements.lock": "numpy==2.2.6\nattrs==25.4.0\n",
    "locks/low.txt": "numpy==2.1.3\nattrs==25.3.0\n",
    "locks/high.txt": "numpy==2.2.6\nattrs==25.4.0\n",
    "locks/dev.txt": "numpy==2.2.6\nattrs==25.4.0\npytest==8.4.2\ncoverage==7.10.7\n"
    "pluggy==1.6.0\niniconfig==2.1.0\npackaging==25.0\npygments==2.19.2\n"
    "exceptiongroup==1.3.0; python_version < '3.11'\ntomli==2.2.1; python_version < '3.11'\n"
    "typing-extensions==4.15.0; python_version < '3.13'\n",
    "tests/conftest.py": "import numpy\n\n\ndef pytest_report_header():\n    return f'numpy {numpy.__version__}'\n",
    "tests/test_sums.py": "import sums\n\n\ndef test_total():\n    assert sums.total([1, 2, 3]) == 6\n",
    "tests/test_marked.py": """\
import pytest


@pytest.mark.envsync("../locks/low.txt")
def test_low(synced_env):
    assert synced_env.packages["attrs"] == "25.3.0"
    assert synced_env.run("python", "-c", "import attr; print(attr.__version__)").stdout == "25.3.0\\n"
""",
    "harm/test_harm.py": """\
import os, pathlib, time, attrs


def test_harm():
    place = pathlib.Path(attrs.__file__)
    place.with_name(f"left-by-{os.environ['WHO']}.py").write_text("x = 1")
    (pathlib.Path(os.environ["MEET"]) / os.environ["WHO"]).touch()
    for _ in range(600):
        if len(list(pathlib.Path(os.environ["MEET"]).iterdir())) == 2:
            break
        time.sleep(0.1)
""",
    "nested/conftest.py": "pytest_plugins = ['pytester']\n",
    "nested/test_outer.py": """\
def test_nested(pytester):
    pytester.makepyfile("import attr\\ndef test_it(): assert attr.__version__ == '25.4.0'")
    pytester.runpytest().assert_outcomes(passed=1)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
""",
    "script.py": """\
import pytest

status = pytest.main(["--envsync", "requirements.lock", "-q", "tests/test_sums.py"])
print("and the script goes on with", int(status))
""",
    "tox.ini": """\
[tox]
env_list = locked
[testenv]
skip_install = true
pass_env = PIP_*, SSL_*, ENVSYNC_*
deps = {env:SUMS_WHEEL}
commands = pytest --envsync locks/high.txt tests/test_sums.py
""",
}


class User:
    """Types commands in a project directory, with the commands of a virtual environment on PATH."""

    def __init__(self, directory: Path) -> None:
        self.project = directory / "project"
        self.bin = directory / "venv" / "bin"
        self.environ = {**os.environ, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
        write_tree(self.project, FILES)

    def types(self, *words: str | Path, status: int = 0, **environ: str) -> str:
        """Run a command that must end with *status*; return what it printed on both streams."""
        result = subprocess.run(
            words, cwd=self.project, env={**self.environ, **environ}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        told = f"{words}\n{result.stdout}{result.stderr}"
        assert result.returncode == status, told
        return told


@pytest.fixture
def user(tmp_path: Path) -> User:
    """A user with this plugin, tox, coverage and a wheel of the plugin."""
    found = User(tmp_path)
    found.types(sys.executable, "-m", "venv", tmp_path / "venv")
    pip = [str(found.bin / "python"), "-m", "pip"]
    found.types(*pip, "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("pytest_envsync-*.whl")
    found.types(*pip, "install", "-q", wheel, "tox", "coverage", "pytest-cov")
    found.environ["SUMS_WHEEL"] = str(wheel)
    return found


@pytest.mark.network
@pytest.mark.timeout(900)
def test_the_first_ten_minutes(user: User, tmp_path: Path, cache_dir: Path) -> None:
    lock = ["--envsync", "requirements.lock"]
    # A library in src/, a lockfile that does not name it, and a marker.
    first = user.types("pytest", *lock, "tests")
    assert "2 passed" in first
    assert "numpy 2.2.6" in first
    assert "requirements.lock -> " in first
    assert "3 distributions, created in" in first
    assert "reused" in user.types("pytest", *lock, "tests")

    # A matrix, one after another and with workers; the plugin's own environment has no numpy.
    both = ["--envsync", "locks/low.txt", "--envsync", "locks/high.txt"]
    for workers in ([], ["-n", "2"]):
        told = user.types("pytest", *both, *workers, "tests", "--cov=sums")
        assert "4 passed" in told
        assert "the same in all 2: 2 passed" in told
        assert "100%" in told
    assert "1 passed" in user.types("pytest", *both, "-k", "test_total and low", "tests")

    # Coverage: refused where it would measure the wrong process, with a way that works.
    refused = user.types("coverage", "run", "-m", "pytest", *lock, "tests/test_sums.py", status=4)
    assert "envsync run LOCK -- coverage run -m pytest" in refused
    run = ["envsync", "run", "--install-project", ".", "locks/dev.txt", "--"]
    assert "1 passed" in user.types(*run, "coverage", "run", "--source=sums", "-m", "pytest", "tests/test_sums.py")
    assert "100%" in user.types(*run, "coverage", "report")

    # Two sessions at once write into the same environment.
    (tmp_path / "meet").mkdir()
    sessions = {
        who: subprocess.Popen(
            ["pytest", *lock, "harm"], cwd=user.project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**user.environ, "WHO": who, "MEET": str(tmp_path / "meet")},
        )
        for who in ("a", "b")
    }  # fmt: skip
    printed = {who: session.communicate()[0] for who, session in sessions.items()}
    for who, session in sessions.items():
        assert session.returncode == 0, printed[who]
        assert f"left-by-{who}.py" in printed[who]
        assert "envsync drift" in printed[who]
    clean = user.types("pytest", *lock, "tests/test_sums.py", "--envsync-drift", "fail")
    assert "repaired" not in clean
    assert list(cache_dir.rglob("left-by-*")) == []

    # Nested pytest, a script, tox.
    assert "1 passed" in user.types("pytest", *lock, "nested")
    assert user.types("python", "script.py").splitlines()[-1] == "and the script goes on with 0"
    told = user.types("tox", "-q", "run")
    assert "high.txt -> " in told
    assert "1 passed" in told

    # The cache, saved and brought to another place, serves without the network.
    user.types("tar", "-C", cache_dir, "-cf", tmp_path / "cache.tar", ".")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    user.types("tar", "-C", elsewhere, "-xf", tmp_path / "cache.tar")
    restored = user.types("pytest", *lock, "tests/test_sums.py", "--envsync-offline", ENVSYNC_CACHE_DIR=str(elsewhere))
    assert "1 passed" in restored
    user.types("envsync", "cache", "verify", "--deep", ENVSYNC_CACHE_DIR=str(elsewhere))
