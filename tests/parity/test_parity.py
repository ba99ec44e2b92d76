"""The same input to the reference and to us: statuses, changes and trees have to be the same.

Each table of cases belongs to a section of the reference's behaviour. A case that differs on purpose says
why, and then the outcomes have to differ: what the reference learns later is noticed here.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import cases_hashes
import cases_indexes
import cases_inputs
import cases_installing
import cases_options
import cases_output
import cases_planning
import cases_pylock
import cases_requirements
import cases_sources
import pytest
from case import Case
from shelf import Shelf
from twins import Run, Twins

UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
if UV is None:
    pytest.skip("the reference is not installed", allow_module_level=True)

pytestmark = pytest.mark.parity

TABLES: dict[str, list[Case]] = {
    "inputs": cases_inputs.CASES,
    "options": cases_options.CASES,
    "requirements": cases_requirements.CASES,
    "planning": cases_planning.CASES,
    "installing": cases_installing.CASES,
    "hashes": cases_hashes.CASES,
    "sources": cases_sources.CASES,
    "indexes": cases_indexes.CASES,
    "pylock": cases_pylock.CASES,
    "output": cases_output.CASES,
}


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    assert UV is not None
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    pair = Twins(tmp_path_factory.mktemp("twins"), shelf, UV)
    try:
        pair.prime()
        yield pair
    finally:
        pair.close()
        shelf.close()


def outcome(run: Run, *, lines: bool) -> dict[str, object]:
    """What has to be the same."""
    return {
        "status": run.status,
        "changes": run.changes,
        "counts": run.counts if lines and not run.status else [],
        "data": run.data,
        "warned": "warning:" in run.stderr,
    }


@pytest.mark.parametrize(
    ("section", "case"),
    [pytest.param(section, case, id=f"{section}-{case.name}") for section, cases in TABLES.items() for case in cases],
)
def test_both_do_the_same(twins: Twins, section: str, case: Case) -> None:
    expected, found = twins.both(case, real=section == "output")
    said = "\n".join(f"--- {a.status}\n{a.stdout}{a.stderr}+++ {b.status}\n{b.stdout}{b.stderr}" for a, b in zip(expected, found, strict=True))
    for step, theirs, ours in zip(case.steps, expected, found, strict=True):
        assert ours.status == step.status, said
        assert theirs.status == (step.status if step.reference is None else step.reference), said
        assert "pytest_envsync/" not in ours.stderr, said
        assert step.says in ours.stderr, said
    theirs_all = [(outcome(run, lines=case.lines), run.tree) for run in expected]
    ours_all = [(outcome(run, lines=case.lines), run.tree) for run in found]
    if case.differs:
        assert ours_all != theirs_all, f"no longer different: {case.differs}\n{said}"
        return
    for (their_outcome, their_tree), (our_outcome, our_tree) in zip(theirs_all, ours_all, strict=True):
        assert our_outcome == their_outcome, said
        assert sorted(our_tree) == sorted(their_tree), said
        assert our_tree == their_tree, said
