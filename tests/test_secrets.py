"""What is written to disk and what is shown holds no passwords: not those of addresses, variables or command lines."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from conftest import Envsync, MakeVenv
from environment_world import Notes
from factories import make_wheel, sha256
from index_server import IndexServer
from pytest_envsync.environments import EnvironmentRequest, Environments
from pytest_envsync.pytest_plugin.naming import name_of
from session_project import SessionProject

PASSWORD = "Qs3cr3tQ"


def with_login(address: str, login: str) -> str:
    """The same address with a login in it."""
    return address.replace("://", f"://{login}@")


def holding(root: Path, secret: str) -> list[str]:
    """The files below *root* that hold *secret*."""
    found = [path for path in root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    return sorted(str(path.relative_to(root)) for path in found)


def locked(directory: Path, index: IndexServer, wheels: Path) -> Path:
    """A lock that names an index with a login from a variable, one wheel of it, and another wheel by address."""
    index.require_auth("bob", PASSWORD)
    demo, other = make_wheel(wheels, "demo"), make_wheel(wheels, "other")
    index.add(demo)
    address = with_login(index.add(other), "bob:${TOK}")
    lock = directory / "requirements.txt"
    lock.write_text(
        f"--index-url {with_login(index.url, 'bob:${TOK}')}\n"
        f"demo==1.0 --hash=sha256:{sha256(demo)}\n"
        f"other @ {address} --hash=sha256:{sha256(other)}\n"
    )
    return lock


def test_no_password_of_a_sync_is_in_the_cache(  # noqa: PLR0917 - fixtures
    envsync: Envsync, index: IndexServer, wheels: Path, make_venv: MakeVenv, cache_dir: Path, tmp_path: Path
) -> None:
    lock = locked(tmp_path, index, wheels)
    make_venv(".venv")
    words = ["sync", lock.name, "--index", with_login(index.url, f"bob:{PASSWORD}")]
    variables = {"TOK": PASSWORD, "UV_INDEX_ELSEWHERE_PASSWORD": PASSWORD}
    for _ in range(3):
        result = envsync(*words, **variables)
        assert result.returncode == 0, result.stderr
    assert list((cache_dir / "remembered").iterdir())
    assert list((cache_dir / "memo").rglob("*.json"))
    assert holding(cache_dir, PASSWORD) == []


def test_another_value_of_a_variable_is_another_question(
    envsync: Envsync, index: IndexServer, wheels: Path, make_venv: MakeVenv, tmp_path: Path
) -> None:
    make_venv(".venv")
    lines = []
    for version in ("1.0", "2.0"):
        wheel = make_wheel(wheels, "demo", version)
        (tmp_path / version).mkdir()
        wheel.rename(tmp_path / version / wheel.name)
        lines.append(f"{version}/{wheel.name}")
    lock = tmp_path / "requirements.txt"
    lock.write_text("${WHEEL}\n")
    for line, said in [(lines[0], "+ demo==1.0"), (lines[0], "Checked"), (lines[0], "Checked"), (lines[1], "2.0")]:
        assert said in envsync("sync", lock.name, WHEEL=line).stderr


def test_no_password_of_a_cached_environment_is_in_the_cache(
    index: IndexServer, wheels: Path, cache_dir: Path, tmp_path: Path
) -> None:
    locked(tmp_path, index, wheels)
    text = (tmp_path / "requirements.txt").read_text().replace("${TOK}", PASSWORD)
    address = with_login(f"{index.base}/lock.txt", f"bob:{PASSWORD}")
    index.raw("/lock.txt", text.encode(), "text/plain")
    environments = Environments(cache_dir, cwd=str(tmp_path), environ=dict(os.environ), reporter=Notes())
    for _ in range(2):
        found = environments.provide(EnvironmentRequest(files=(address,)), holder_pid=0)
        assert found.packages == {"demo": "1.0", "other": "1.0"}
    assert list(cache_dir.glob("environments/*/1.json"))
    assert holding(cache_dir, PASSWORD) == []


def test_a_cache_that_is_made_is_its_owners(envsync: Envsync, demo: Path, cache_dir: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    assert envsync("sync", demo.name).returncode == 0
    assert envsync("sync", demo.name, "--cache-dir", shared).returncode == 0
    assert envsync("run", demo.name, "--cache-dir", tmp_path / "run", "--", "true").returncode == 0
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (cache_dir, tmp_path / "run", shared)]
    assert modes == [0o700, 0o700, 0o755]


def test_no_password_of_an_address_is_shown_by_a_session(
    index: IndexServer, wheels: Path, tmp_path: Path, cache_dir: Path
) -> None:
    locked(tmp_path, index, wheels)
    text = (tmp_path / "requirements.txt").read_text().replace("${TOK}", PASSWORD)
    index.raw("/lock.txt", text.encode(), "text/plain")
    address = with_login(f"{index.base}/lock.txt", f"bob:{PASSWORD}")
    project = SessionProject(tmp_path)
    project.write({"test_it.py": "import demo\ndef test_it():\n    assert demo.VERSION == '1.0'\n"})
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--envsync-report=report.json"]
    for lock in (address, f"main={address}"):
        run = project.run(*command, "--envsync", lock)
        assert run.returncode == 0, run.out
        assert run.header()[0].startswith(f"{with_login(f'{index.base}/lock.txt', 'bob:****')} -> ")
        assert PASSWORD not in run.out
        assert PASSWORD not in (project.path / "report.json").read_text()
        (row,) = project.report()["environments"]
        assert row["name"] == ("main" if lock.startswith("main=") else "lock")
    assert holding(cache_dir, PASSWORD) == []


@pytest.mark.parametrize("second", [[], ["--envsync", "https://127.0.0.1:1/other.lock"]])
def test_no_password_is_shown_when_a_lock_cannot_be_had(index: IndexServer, tmp_path: Path, second: list[str]) -> None:
    address = with_login(f"{index.base}/missing.txt", f"bob:{PASSWORD}")
    project = SessionProject(tmp_path)
    project.write({"test_it.py": "def test_it(): pass\n"})
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--envsync-report=report.json"]
    run = project.run(*command, "--envsync", address, *second, env={"ENVSYNC_HTTP_RETRIES": "0"})
    assert run.returncode != 0
    assert "missing.txt" in run.out
    assert PASSWORD not in run.out
    assert PASSWORD not in (project.path / "report.json").read_text()


def test_the_name_of_an_address_is_without_its_login() -> None:
    assert name_of(f"https://bob:{PASSWORD}@example.org") == "example"
    assert name_of(f"https://bob:{PASSWORD}@example.org/a/pylock.test.toml?x=1") == "test"
