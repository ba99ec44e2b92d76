"""Commands that start with standard streams closed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Envsync


def run(where: Path, closed: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run the command in *where* from a shell that closes streams as *closed* says."""
    line = f"exec {shlex.join([sys.executable, '-m', 'pytest_envsync', *argv])} {closed}"
    return subprocess.run(["sh", "-c", line], cwd=where, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_sync_works(envsync: Envsync, demo: Path, closed: str) -> None:
    for _ in range(2):  # The second is answered from its record.
        ended = run(demo.parent, closed, "sync", demo.name)
        assert (ended.returncode, ended.stdout) == (0, "")
        assert ("Resolved 2 packages" in ended.stderr) is ("2>" not in closed)
    assert envsync("sync", "--check", demo.name).returncode == 0


def test_what_a_command_writes_goes_into_no_file_of_ours(demo: Path, cache_dir: Path) -> None:
    written = "import os; os.write(1, b'on' + b'ward'); os.write(2, b'on' + b'ward')"
    for _ in range(2):
        assert run(demo.parent, ">&- 2>&-", "run", demo.name, "--", "python", "-c", written).returncode == 0
    files = [path for path in cache_dir.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"onward" in path.read_bytes()] == []
