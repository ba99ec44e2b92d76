"""Judges what both tools did with a case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from case import Case
from twins import Run

FAILS_AT_ANOTHER_STEP = frozenset(
    {
        "badcrc", "badsize", "data", "directory-named-otherwise", "extra-requirements-that-match-a-range",
        "extra-requirements-that-match-nothing", "fetching-broken-sdist", "fetching-gone-sdist",
        "fetching-nobody-sdist", "fetching-nothing-sdist", "fetching-refused-sdist", "k2", "k6",
        "no-binary-of-a-path", "no-binary-of-an-address", "norecord", "othermember",
        "requires-python-of-a-directory", "requires-python-of-an-editable", "sdist-named-otherwise",
        "stated-metadata-of-a-directory", "tags-of-a-path", "tags-of-an-address",
        "wheel-without-a-version-of-its-format",
    }
)  # fmt: skip
"""Cases that both refuse, one before and one after it has said how many names it settled or fetched."""


def complaints(case: Case, expected: Sequence[Run], found: Sequence[Run]) -> list[str]:
    """Return what is wrong with a case; *expected* are the runs of the reference, *found* are ours."""
    wrong = list(_endings(case, expected, found))
    differences = [
        f"step {number}: {difference}"
        for number, (theirs, ours) in enumerate(zip(expected, found, strict=True))
        for difference in _differences(theirs, ours, counts=case.name not in FAILS_AT_ANOTHER_STEP)
    ]
    if case.differs:
        # What is different on purpose has to be so: the reference may have learned it meanwhile.
        return wrong if differences else [*wrong, f"no longer different: {case.differs}"]
    return [*wrong, *differences]


def report(expected: Sequence[Run], found: Sequence[Run]) -> str:
    """Return what both printed, step by step."""
    return "\n".join(
        f"-- {tool}: {run.status}\n{run.stdout}{run.stderr}"
        for runs in zip(expected, found, strict=True)
        for tool, run in zip(("the reference", "ours"), runs, strict=True)
    )


def _endings(case: Case, expected: Sequence[Run], found: Sequence[Run]) -> Iterator[str]:
    for step, theirs, ours in zip(case.steps, expected, found, strict=True):
        reference = step.status if step.reference is None else step.reference
        if ours.status != step.status:
            yield f"we ended with {ours.status}, not {step.status}"
        if theirs.status != reference:
            yield f"the reference ended with {theirs.status}, not {reference}"
        if step.says not in ours.stderr:
            yield f"`{step.says}` was not said"
        if "pytest_envsync/" in ours.stderr:
            yield "a traceback was printed"


def _differences(theirs: Run, ours: Run, *, counts: bool = True) -> Iterator[str]:
    if theirs.status != ours.status:
        yield f"status {theirs.status}, ours {ours.status}"
    if theirs.changes != ours.changes:
        yield f"changes {theirs.changes}, ours {ours.changes}"
    if theirs.data != ours.data:
        yield f"JSON {theirs.data}, ours {ours.data}"
    if (counts or not theirs.status) and theirs.counts != ours.counts:
        yield f"lines {theirs.counts}, ours {ours.counts}"
    # Who fails warns of less or more before that.
    if not theirs.status and theirs.has_warned != ours.has_warned:
        yield f"warned: {theirs.has_warned}, ours: {ours.has_warned}"
    for path in sorted(theirs.tree.keys() | ours.tree.keys()):
        there, here = theirs.tree.get(path), ours.tree.get(path)
        if there != here:
            yield f"{path}: {there}, ours {here}"
