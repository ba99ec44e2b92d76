"""What is left of a private environment when its test took rights away: nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_envsync.pytest_plugin.fixtures.private import remove


def close(path: Path, mode: int) -> Path:
    """Make a directory with a file in it, and take rights away from it."""
    path.mkdir(parents=True)
    (path / "file.py").write_text("x = 1\n")
    path.chmod(mode)
    return path


def without_rights(act: Callable[[], object]) -> int:
    """Do *act* in a child process, as somebody who is not root; return its status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            act()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="modes of directories are those of POSIX")
def test_closed_directories_go_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    # By relative paths: those above belong to somebody else.
    monkeypatch.chdir(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)

    def act() -> None:
        place = Path("synced_env0")
        site = close(place / "env" / "lib" / "site", 0o755)
        close(site / "closed" / "deeper", 0)
        (site / "closed").chmod(0)
        close(site / "read-only", 0o500)
        (site / "link").symlink_to(Path("..", "..", "..", "..", "outside"), target_is_directory=True)
        (place / "env").chmod(0o500)
        remove(place)
        assert os.listdir(".") == ["outside"]  # noqa: PTH208 - names

    assert without_rights(act) == 0
    assert outside.stat().st_mode & 0o777 == 0o700


def test_directories_nested_without_end_go_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "synced_env0"
    place.mkdir()
    monkeypatch.chdir(place)
    for _ in range(sys.getrecursionlimit() + 100):
        os.mkdir("a")  # noqa: PTH102 - a relative one
        os.chdir("a")
    monkeypatch.chdir(tmp_path)
    remove(place)
    assert not place.exists()
