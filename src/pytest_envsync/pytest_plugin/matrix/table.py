"""The table at the end of a matrix: where environments differ, and how to run the failures again.

Pure; standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pytest_envsync.pytest_plugin.matrix.identities import with_identity
from pytest_envsync.pytest_plugin.session.cells import Cell

MOST_ROWS = 50
MOST_IDS = 20
_FAILED = {"failed", "error"}


def render(cells: Sequence[Cell], *, width: int) -> list[str]:
    """Return the lines: tests that differ as rows, environments as columns, the others as counts.

    *width* is that of the terminal; ids that do not fit are cut in front.
    """
    present = [cell for cell in cells if cell.is_usable]
    lines = [f"{cell.identity}: {cell.error}" for cell in cells if cell.error]
    tests = list(dict.fromkeys(nodeid for cell in present for nodeid in cell.results))
    if len(present) > 1:
        rows = [(nodeid, [cell.results.get(nodeid, "-") for cell in present]) for nodeid in tests]
        lines += _rows([row for row in rows if len(set(row[1])) > 1], [cell.identity for cell in present], width)
        counts: dict[str, int] = {}
        for _, (result, *others) in rows:
            if set(others) == {result}:
                counts[result] = counts.get(result, 0) + 1
        if counts:
            found = ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
            lines.append(f"the same in all {len(present)}: {found}")
    return lines


def _rows(rows: Sequence[tuple[str, Sequence[str]]], names: Sequence[str], width: int) -> list[str]:
    if not rows:
        return []
    columns = [max(len(name), *(len(results[index]) for _, results in rows)) for index, name in enumerate(names)]
    room = max(width - sum(columns) - 2 * len(columns), 20)
    shown = [_cut(nodeid, room) for nodeid, _ in rows[:MOST_ROWS]]
    first = max(map(len, shown))
    lines = ["  ".join([" " * first, *(name.ljust(column) for name, column in zip(names, columns, strict=True))])]
    for text, (_, results) in zip(shown, rows, strict=False):
        lines.append("  ".join([text.ljust(first), *(r.ljust(c) for r, c in zip(results, columns, strict=True))]))
    if len(rows) > MOST_ROWS:
        lines.append(f"... and {len(rows) - MOST_ROWS} more that differ")
    return [line.rstrip() for line in lines]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"...{text[3 - room :]}"


def rerun(
    cells: Sequence[Cell], command: Sequence[str], *, has_cache: bool, selecting: Sequence[str] = ()
) -> list[str]:
    """Return the line with the command that runs the failures again; nothing when there are none.

    *command* is what was typed: ``pytest ...``, or ``envsync run --pytest LOCK... -- ...``. Without pytest's cache the
    new one names the tests, in place of *selecting*, the paths and ids among its words.
    """
    failed = [
        with_identity(nodeid, cell.identity)
        for cell in cells
        for nodeid, result in cell.results.items()
        if result in _FAILED
    ]
    if not failed:
        return []
    words = list(command)
    if has_cache:
        # Behind `--` there are only paths and ids; the first one of `envsync run` is its own.
        ends = [index for index, word in enumerate(words) if word == "--"][1 if words[0] == "envsync" else 0 :]
        if not {"--lf", "--last-failed"} & set(words):
            words.insert(ends[0] if ends else len(words), "--lf")
    else:
        for word in selecting:
            if word in words:
                del words[len(words) - 1 - words[::-1].index(word)]
        words += failed[:MOST_IDS]
    return [f"run the failures again: {shlex.join(words)}"]
