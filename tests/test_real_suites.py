"""The suites of two real projects in a matrix, held against a plain virtual environment and pip.

Each project comes as its sdist, and its tests run as they are, in four environments: two locks, two interpreters. The
locks in ``real_suites/`` were made with ``uv pip compile --universal --generate-hashes`` of what the projects
require for their tests, the low ones with ``--resolution lowest-direct``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from session_project import other_interpreter

LOCKS = Path(__file__).parent / "real_suites"
NAMES = ("low", "high")


class Suite(NamedTuple):
    """A project: its sdist with the digest, and arguments that leave out tens of thousands of rows of one table."""

    name: str
    version: str
    digest: str
    arguments: Sequence[str] = ()


SUITES = [
    Suite("humanize", "4.15.0", "1dd098483eb1c7ee8e32eb2e99ad1910baefa4b75c3aff3a82f4d78688993b10"),
    Suite(
        "packaging",
        "26.2",
        "ff452ff5a3e828ce110190feff1178bb1f2ea2281fa2075aadb987c2fb221661",
        ["-k", "not test_comparison and not test_basic_valid_requirement_parsing"],
    ),
]


def run(*command: str | Path, cwd: Path, statuses: Sequence[int] = (0,)) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode in statuses, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def source_of(suite: Suite, directory: Path) -> Path:
    """Fetch the sdist, checked, and unpack it with the two locks in it."""
    wanted = directory / "sdist.txt"
    wanted.write_text(f"{suite.name}=={suite.version} --hash=sha256:{suite.digest}\n")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    run(*pip, "-r", wanted, "-d", directory, cwd=directory)
    run("tar", "-xzf", f"{suite.name}-{suite.version}.tar.gz", cwd=directory)
    source = directory / f"{suite.name}-{suite.version}"
    (source / "locks").mkdir()
    for name in NAMES:
        text = (LOCKS / f"{suite.name}-{name}.txt").read_text()
        (source / "locks" / f"{name}.txt").write_text(text)
    return source


def outcomes(junit: Path, ending: str = "") -> dict[str, str]:
    """Return the outcome of each test of a report; of those whose id has *ending*, without it."""
    found: dict[str, str] = {}
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        name = case.get("name", "")
        if ending and name.endswith(f"[{ending}]"):
            name = name[: -len(ending) - 2]
        elif ending and name.endswith(f"-{ending}]"):
            name = name[: -len(ending) - 2] + "]"
        elif ending:
            continue
        key = f"{case.get('classname')}::{name}"
        assert key not in found
        found[key] = ",".join(sorted({child.tag for child in case} - {"properties", "system-out", "system-err"}))
    return found


def plain(suite: Suite, source: Path, lock: str, python: str, directory: Path) -> dict[str, str]:
    """Run the suite in a virtual environment that pip filled."""
    run(python, "-m", "venv", directory, cwd=source)
    inside = directory / "bin" / "python"
    run(inside, "-m", "pip", "install", "-q", "--no-deps", "-r", f"locks/{lock}.txt", cwd=source)
    run(inside, "-m", "pip", "install", "-q", "--no-deps", "-e", ".", cwd=source)
    junit = directory / "junit.xml"
    run(inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suite.arguments, f"--junitxml={junit}", cwd=source)
    return outcomes(junit)


@pytest.mark.network
@pytest.mark.timeout(900)
@pytest.mark.parametrize("suite", SUITES, ids=[suite.name for suite in SUITES])
def test_outcomes_are_those_of_a_plain_environment(suite: Suite, tmp_path: Path) -> None:
    source = source_of(suite, tmp_path)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = other_interpreter()
    pythons = {own: getattr(sys, "_base_executable", sys.executable), other.name.removeprefix("python"): str(other)}
    locks = [f"--envsync=locks/{name}.txt" for name in NAMES]
    # Both begin with the tree as it was unpacked; a build writes a file into it.
    command = [sys.executable, "-m", "pytest", *locks, *(f"--envsync-python={minor}" for minor in pythons)]
    more = ["-n2", "-p", "no:cacheprovider", "--junitxml=matrix.xml", "--envsync-report=report.json", "--color=no"]
    told = run(*command, *more, *suite.arguments, cwd=source)
    report = json.loads((source / "report.json").read_text())
    (source / "matrix.xml").rename(tmp_path / "matrix.xml")
    cells = [(name, minor) for name in NAMES for minor in pythons]
    with ThreadPoolExecutor(2) as pool:
        tasks = {
            cell: pool.submit(plain, suite, source, cell[0], pythons[cell[1]], tmp_path / "-".join(cell))
            for cell in cells
        }
        expected: Mapping[tuple[str, str], dict[str, str]] = {cell: task.result() for cell, task in tasks.items()}
    assert len({os.fspath(row["python"]["path"]) for row in report["environments"]}) == len(cells)
    assert [(row["error"], row["drift"]) for row in report["environments"]] == [(None, None)] * len(cells), told
    for name, minor in cells:
        found = outcomes(tmp_path / "matrix.xml", f"{name}-py{minor}")
        assert len(found) > 500
        assert found == expected[name, minor]
