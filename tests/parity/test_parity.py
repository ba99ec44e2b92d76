"""The same input to the reference and to us: statuses, changes and trees have to be the same.

Each table of cases belongs to a section of the reference's behaviour. A case that differs on purpose says
why, and then the outcomes have to differ: what the reference learns later is noticed here.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

import cases_addresses
import cases_choices
import cases_comparisons
import cases_configuration
import cases_hashes
import cases_hostile
import cases_indexes
import cases_inputs
import cases_installing
import cases_lines
import cases_network
import cases_odd_inputs
import cases_options
import cases_output
import cases_planning
import cases_pylock
import cases_pylock_shapes
import cases_refusals
import cases_requirements
import cases_sources
import cases_spellings
import cases_variables
from case import Case, case
from random_lines import LINES
from shelf import Shelf
from twins import Twins
from verdict import FAILS_AT_ANOTHER_STEP, complaints, report

UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
if UV is None:
    pytest.skip("the reference is not installed", allow_module_level=True)

MEMORY = "/dev/shm"  # noqa: S108 - a file system in memory: thousands of small files come and go

pytestmark = pytest.mark.parity

TABLES: dict[str, list[Case]] = {
    "inputs": [*cases_inputs.CASES, *cases_odd_inputs.CASES],
    "addresses": cases_addresses.CASES,
    "variables": cases_variables.CASES,
    "options": cases_options.CASES,
    "spellings": cases_spellings.CASES,
    "configuration": cases_configuration.CASES,
    "requirements": [*cases_requirements.CASES, *cases_lines.CASES],
    "planning": cases_planning.CASES,
    "installing": cases_installing.CASES,
    "hashes": cases_hashes.CASES,
    "sources": cases_sources.CASES,
    "indexes": [*cases_indexes.CASES, *cases_choices.CASES],
    "network": cases_network.CASES,
    "pylock": [*cases_pylock.CASES, *cases_pylock_shapes.CASES],
    "hostile": cases_hostile.CASES,
    "comparisons": cases_comparisons.CASES,
    "refusals": cases_refusals.CASES,
    "output": cases_output.CASES,
}


@pytest.fixture(scope="session")
def twins() -> Iterator[Twins]:
    assert UV is not None
    with TemporaryDirectory(prefix="twins-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as directory:
        root = Path(directory)
        shelf = Shelf(root / "shelf")
        pair = Twins(root / "twins", shelf, UV)
        try:
            pair.prime()
            yield pair
        finally:
            pair.close()
            shelf.close()


@pytest.mark.parametrize(
    ("section", "asked"),
    [pytest.param(section, item, id=f"{section}-{item.name}") for section, items in TABLES.items() for item in items],
)
def test_both_do_the_same(twins: Twins, section: str, asked: Case) -> None:
    expected, found = twins.both(asked, real=section == "output")
    wrong = complaints(asked, expected, found)
    assert not wrong, "\n".join([*wrong, report(expected, found)])


def test_every_case_that_is_excepted_is_one() -> None:
    assert {item.name for items in TABLES.values() for item in items} >= FAILS_AT_ANOTHER_STEP


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(LINES)
def test_lines_that_nobody_wrote(twins: Twins, lines: str) -> None:
    written = case("random", lines + "\n", "--no-index -f @WHEELS@ --dry-run r.txt", index=False)
    (theirs,), (ours,) = both = twins.both(written)
    note(report(*both))
    assert bool(ours.status) is bool(theirs.status)
    assert ours.changes == theirs.changes
    assert "pytest_envsync/" not in ours.stderr
