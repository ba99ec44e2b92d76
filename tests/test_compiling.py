"""The processes that compile for the store end with the call, whatever becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_envsync.environments import compiling
from pytest_envsync.environments.compiling import Job, compile_modules


def job(directory: Path) -> Job:
    source = directory / "module.py"
    source.write_text("x = 1\n")
    return Job(str(source), "module.py", str(directory / "made" / "module.pyc"), 0)


def test_what_is_compiled_is_there(tmp_path: Path) -> None:
    wanted = job(tmp_path)
    compile_modules(sys.executable, [wanted], scratch=str(tmp_path), environ=os.environ)
    assert Path(wanted.compiled).is_file()


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for an interpreter is a shell script")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, subprocess.TimeoutExpired])
def test_an_interpreter_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    note = tmp_path / "pid"
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $$ > '{note}.new'\nmv '{note}.new' '{note}'\nexec sleep 1000\n")
    python.chmod(0o755)
    wait = subprocess.Popen.wait

    def wait_for_the_start(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None:
            return wait(self)
        while not note.exists():
            assert self.poll() is None
        if kind is KeyboardInterrupt:
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(compiling, "_TIME_LIMIT", 0.0)
    monkeypatch.setattr(subprocess.Popen, "wait", wait_for_the_start)
    wanted = job(tmp_path)
    if kind is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            compile_modules(str(python), [wanted], scratch=str(tmp_path), environ=os.environ)
    else:
        compile_modules(str(python), [wanted], scratch=str(tmp_path), environ=os.environ)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    assert not Path(wanted.compiled).exists()
