"""What every test may ask for: an index, a cache, virtual environments, a clean surrounding."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from index_server import IndexServer

pytest_plugins = ["pytester"]

LEAKING = ("PIP_", "UV_", "ENVSYNC_", "PYTEST_", "COV_")
LEAKING_NAMES = {
    "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "NETRC", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "PYTHONDONTWRITEBYTECODE", "NO_COLOR", "FORCE_COLOR", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "TOX_ENV_DIR",
}  # fmt: skip


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
