"""What every test may ask for: an index, a cache, virtual environments, a clean surrounding."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from factories import make_wheel
from index_server import IndexServer

pytest_plugins = ["pytester"]

# A machine that is busy is no fault, and the same commit has the same answer every time.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

LEAKING = ("PIP_", "UV_", "ENVSYNC_", "PYTEST_", "COV_")
LEAKING_NAMES = {
    "CI", "BUILD_NUMBER",
    "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "NETRC", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "PYTHONDONTWRITEBYTECODE", "NO_COLOR", "FORCE_COLOR", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "TOX_ENV_DIR",
}  # fmt: skip

# A runner that is started in the background of a shell ignores these, and so would all that the tests start and stop.
for _ignored, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_ignored) is signal.SIG_IGN:
        signal.signal(_ignored, _usual)


@pytest.fixture(autouse=True)
def clean_surrounding(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No setting of this machine or its user reaches a test; HOME is empty.

    Tests marked ``network`` keep what the machine needs to reach its index.
    """
    home = tmp_path_factory.mktemp("home", numbered=True)
    network = request.node.get_closest_marker("network") is not None
    for name in list(os.environ):
        leaks = name in LEAKING_NAMES or name.startswith(LEAKING)
        if leaks and name != "PYTEST_CURRENT_TEST" and not (network and name.startswith(("PIP_", "SSL_"))):
            monkeypatch.delenv(name)
    if not network:
        # The system-wide configuration of pip names indexes too; a file that is empty replaces it all.
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ENVSYNC_CACHE_DIR", str(home / "cache"))


@pytest.fixture
def cache_dir(clean_surrounding: None) -> Path:
    """The cache directory of this test; it does not exist yet."""
    return Path(os.environ["ENVSYNC_CACHE_DIR"])


@pytest.fixture
def index() -> Iterator[IndexServer]:
    """An index on a free port."""
    with IndexServer() as server:
        yield server


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A directory for wheels that the test builds."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    return directory


MakeVenv = Callable[..., Path]


@pytest.fixture
def make_venv(tmp_path: Path) -> MakeVenv:
    """Make an empty virtual environment without pip; gives its path."""

    def make(name: str = "venv", python: str = sys.executable) -> Path:
        path = tmp_path / name
        subprocess.run([python, "-m", "venv", "--without-pip", str(path)], check=True, capture_output=True)
        return path

    return make


Envsync = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def envsync(tmp_path: Path) -> Envsync:
    """Run the command in *tmp_path* and return how it ended: ``envsync(*argv, cwd=..., text=..., NAME=value)``."""

    def run(
        *argv: str | Path, cwd: Path = tmp_path, text: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest_envsync", *map(str, argv)],
            cwd=cwd,
            input=text,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def demo(tmp_path: Path, wheels: Path, index: IndexServer, make_venv: MakeVenv) -> Path:
    """``requirements.txt`` with two pins that the index has, beside an empty virtual environment ``.venv``."""
    requirements = tmp_path / "requirements.txt"
    lines = [f"--index-url {index.url}"]
    for name in ("demo", "other"):
        index.add(make_wheel(wheels, name))
        lines.append(f"{name}==1.0")
    requirements.write_text("\n".join(lines) + "\n")
    make_venv(".venv")
    return requirements
