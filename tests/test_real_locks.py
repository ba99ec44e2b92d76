"""The four real locks, from the public index, held against what the reference makes of them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOCKS = Path(__file__).parent.parent / "benchmarks" / "locks"
OURS_ALONE = {"INSTALLER", "envsync.json", "RECORD"}
THEIRS_ALONE = {"INSTALLER", "uv_cache.json", "uv_build.json", "RECORD"}

VIRTUALENV_SCRIPTS = {"activate", "deactivate", "activate_this", "pydoc", "python", "python3", "python3.11"}

IMPORT_ALL = """
import importlib, importlib.metadata, json, sys, warnings
warnings.simplefilter("ignore")
done = {}
for distribution in importlib.metadata.distributions():
    for file in distribution.files or ():
        top = file.parts[0].removesuffix(".py")
        if file.suffix == ".py" and top.isidentifier() and len(file.parts) <= 2 and top not in done:
            try:
                importlib.import_module(top)
                done[top] = "imported"
            except BaseException as error:
                done[top] = type(error).__name__
json.dump(done, sys.stdout)
"""


def python_311() -> str:
    """The interpreter that the locks are for."""
    if sys.version_info[:2] == (3, 11):
        return getattr(sys, "_base_executable", sys.executable)
    for directory in os.environ["PATH"].split(os.pathsep):
        path = Path(directory, "python3.11")
        if path.exists() and subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0:
            return str(path)
    pytest.skip("the locks are for Python 3.11, which is not here")


def run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def tree(environment: Path, alone: set[str]) -> dict[str, bytes]:
    """Every file that a distribution brought; of scripts, which each installer words itself, the name only."""
    files = {}
    for path in sorted(environment.rglob("*")):
        if path.is_symlink() or not path.is_file() or "__pycache__" in path.parts or path.name in alone:
            continue
        relative = path.relative_to(environment).as_posix()
        if relative.split("/")[0] in {"lib", "share", "etc", "include"}:
            files[relative] = path.read_bytes()
        elif relative.startswith("bin/") and path.stem not in VIRTUALENV_SCRIPTS:
            content = path.read_bytes()
            files[relative] = b"a script" if content.startswith(b"#!") else content
    return files


def record_rows(environment: Path) -> set[tuple[str, str]]:
    """Path and hash of every RECORD row but those of files that an installer writes."""
    rows = set()
    for record in environment.rglob("*.dist-info/RECORD"):
        with record.open(newline="") as stream:
            for path, digest, _ in csv.reader(stream):
                if "/bin/" not in path and path.rsplit("/", 1)[-1] not in OURS_ALONE | THEIRS_ALONE:
                    rows.add((path, digest))
    return rows


@pytest.mark.network
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["small", "web", "jupyter", "airflow"])
def test_a_real_lock_makes_the_environment_that_the_reference_makes(name: str, tmp_path: Path) -> None:
    lock = str(LOCKS / f"{name}.txt")
    python = python_311()
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    run(sys.executable, "-m", "pytest_envsync", "sync", "--venv", str(ours), "-p", python, lock)
    uv = [sys.executable, "-m", "uv", "--no-config"]
    run(*uv, "venv", "-q", "-p", python, str(theirs))
    run(*uv, "pip", "sync", "-q", "-p", str(theirs), lock)

    # A pip from outside finds nothing missing.
    run(sys.executable, "-m", "pip", "--python", str(ours / "bin" / "python"), "check")
    mine, reference = tree(ours, OURS_ALONE), tree(theirs, THEIRS_ALONE)
    assert sorted(mine) == sorted(reference)
    assert [path for path in mine if mine[path] != reference[path]] == []
    assert record_rows(ours) == record_rows(theirs)
    if name in {"small", "web"}:
        imported = [json.loads(run(str(place / "bin/python"), "-I", "-c", IMPORT_ALL)) for place in (ours, theirs)]
        assert imported[0] == imported[1]
        assert list(imported[0].values()).count("imported") > 20
    # Nothing to do the second time, and no index asked.
    again = subprocess.run(
        [sys.executable, "-m", "pytest_envsync", "sync", "--offline", "-p", str(ours), lock],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (again.returncode, again.stderr.splitlines()[-1].split()[0]) == (0, "Checked"), again.stderr
