"""A command from outside of the environment that imports from there is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from conftest import Envsync
from pytest_envsync.foreign_commands import foreign_python

pytestmark = pytest.mark.skipif(os.name == "nt", reason="commands of Windows have no first line")

LONG = "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\nprint('ran')\n"


def script(place: Path, text: str) -> Path:
    """Write a command that may be run."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(0o755)
    return place


@pytest.mark.parametrize(
    ("name", "text", "runs"),
    [
        ("bin/tool", "#!/opt/x/bin/python3.11\n", "/opt/x/bin/python3.11"),
        ("bin/tool", "#! /opt/x/bin/python -I\n", "/opt/x/bin/python"),
        ("bin/tool", LONG.format(python="/opt/long place/bin/python"), "/opt/long place/bin/python"),
        ("bin/tool", "#!/bin/sh\n'''exec' /opt/bin/python \"$0\" \"$@\"\n", "/opt/bin/python"),
        ("bin/tool", "#!/usr/bin/env python3\n", ""),
        ("bin/tool", "#!/bin/sh\necho python\n", ""),
        ("bin/tool", "#!\n", ""),
        ("bin/tool", "", ""),
        ("bin/tool", "\x7fELF python", ""),
        ("shims/tool", "#!/usr/bin/env bash\nexec /opt/libexec/pyenv exec tool\n", "pyenv"),
        ("shims/tool", "#!/usr/bin/env bash\nexec other\n", ""),
    ],
)
def test_what_runs_a_command(tmp_path: Path, name: str, text: str, runs: str) -> None:
    place = script(tmp_path / name, text)
    assert foreign_python(str(place), [str(tmp_path / "own")]) == runs
    assert foreign_python(str(place), [str(place.parent)]) == ""
    assert foreign_python(str(tmp_path / "missing"), []) == ""


@pytest.mark.parametrize("text", [f"#!{sys.executable}\nprint('ran')\n", LONG.format(python=sys.executable)])
def test_a_run_says_so_each_time(envsync: Envsync, demo: Path, tmp_path: Path, text: str) -> None:
    tool = script(tmp_path / "elsewhere/tool", text)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    # The first run is the engine's, the third could be the record's.
    for command in (["tool"], ["python", "-c", "print('ran')"], ["tool"]):
        result = envsync("run", demo.name, "--", *command, PATH=path)
        assert (result.returncode, result.stdout) == (0, "ran\n")
        told = f"warning: `tool` is not in the environment: {tool} runs instead, in {sys.executable}, without what is"
        assert (told in result.stderr) is (command == ["tool"])


def test_a_command_that_imports_nothing_is_not_spoken_of(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    make = script(tmp_path / "elsewhere/make", "#!/bin/sh\necho made with $(python -c 'import demo; print(1)')\n")
    path = f"{make.parent}{os.pathsep}{os.environ['PATH']}"
    for _ in range(2):
        result = envsync("run", demo.name, "--", "make", PATH=path)
        assert (result.returncode, result.stdout) == (0, "made with 1\n"), result.stderr
        assert "warning" not in result.stderr
    profiled = envsync("run", demo.name, "--", "make", PATH=path, PYTHONPROFILEIMPORTTIME="1")
    assert "pytest_envsync.cli" not in profiled.stderr
