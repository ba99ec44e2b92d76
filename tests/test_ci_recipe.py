"""The recipe for CI in examples/ci: each of its commands is run, twice, as a CI system would with a saved cache."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from factories import sha256
from index_server import IndexServer
from snippets import Command, Scenario

RECIPE = Path(__file__).parent.parent / "examples" / "ci"
TEST = """\
import attrs


def test_version():
    assert attrs.__version__ in {"25.4.0", "26.1.0"}
"""


def project(page: Path, directory: Path, index: IndexServer) -> Scenario:
    """A project with two lockfiles, and an activated virtual environment."""
    scenario = Scenario(page, directory, index)
    for name, version in (("low", "25.4.0"), ("high", "26.1.0")):
        scenario.add_wheel("attrs", version)
        wheel = directory / "wheels" / f"attrs-{version}-py3-none-any.whl"
        scenario.write(f"locks/{name}.txt", f"attrs=={version} --hash=sha256:{sha256(wheel)}\n")
    scenario.write("tests/test_attrs.py", TEST)
    scenario.write("pytest.ini", "[pytest]\n")
    scenario.make_venv("tools", pip=True)
    scenario.type(Command(". tools/bin/activate", "", 0))
    return scenario


def done(scenario: Scenario) -> None:
    faults = scenario.run()
    if faults:
        pytest.fail("\n\n".join(faults), pytrace=False)


def check_reports(directory: Path, *, environments: int) -> None:
    values = json.loads((directory / "report.json").read_text())
    assert values["exitstatus"] == 0
    assert [environment["outcomes"] for environment in values["environments"]] == [{"passed": 1}] * environments
    suite = ET.parse(directory / "junit.xml").getroot().find("testsuite")  # noqa: S314 - pytest wrote it a moment ago
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == (str(environments), "0")


def test_shell_script(tmp_path: Path, index: IndexServer) -> None:
    scenario = project(RECIPE / "run.sh", tmp_path, index)
    scenario.type(Command("unset ENVSYNC_CACHE_DIR", "", 0))
    scenario.type(Command(f"{RECIPE / 'run.sh'}", "...\nRemoved 0 wheels (0 B)", 0))
    # Another machine with the saved cache.
    saved = "tar -cf c.tar .cache && rm -r .cache report.json junit.xml && tar -xf c.tar"
    scenario.type(Command(saved, "", 0))
    reused = "...\nenvsync: {0}: locks/{0}.txt -> 0123456789 (CPython 3.12.1, 1 distribution, reused)\n"
    scenario.type(Command(f"{RECIPE / 'run.sh'}", reused.format("high") + reused.format("low") + "...", 0))
    done(scenario)
    check_reports(scenario.cwd, environments=2)


def test_workflow(tmp_path: Path, index: IndexServer) -> None:
    """The ``run`` lines, for each cell of the matrix; the interpreter is the one that runs this test."""
    text = (RECIPE / "workflow.yml").read_text()
    locks = re.findall(r"\w+", re.findall(r"^ +lock: \[(.*)\]$", text, re.MULTILINE)[0])
    pythons = re.findall(r"[\d.]+", re.findall(r"^ +python: \[(.*)\]$", text, re.MULTILINE)[0])
    lines = re.findall(r"^ +(?:- )?run: (.*)$", text, re.MULTILINE)
    assert len(lines) == text.count("run:"), "a run of several lines is not understood by this test"
    scenario = project(RECIPE / "workflow.yml", tmp_path, index)
    for lock, python in list(product(locks, pythons))[:: len(pythons)]:
        scenario.type(Command(f'export ENVSYNC_CACHE_DIR="$PWD/.cache/{lock}-{python}/envsync"', "", 0))
        for line in lines:
            scenario.type(Command(line.replace("${{ matrix.lock }}", lock), "", 0))
        scenario.type(Command(f"mkdir {lock} && mv report.json junit.xml {lock}", "", 0))
    done(scenario)
    for lock in locks:
        check_reports(scenario.cwd / lock, environments=1)
