"""Sessions in several environments, one after another, each owning the terminal: told of as one.

Only in the host interpreter. What one session of them is told, and what it tells, is the work of ``matrix.in_turn``
inside.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import masked
from pytest_envsync.pytest_plugin.inside.child import run_child
from pytest_envsync.pytest_plugin.inside.junit import JunitFile
from pytest_envsync.pytest_plugin.inside.start import Start, command_of, typed_command
from pytest_envsync.pytest_plugin.matrix import table
from pytest_envsync.pytest_plugin.matrix.turn_note import Turn, note_path, others_failed_path, read_note, report_path
from pytest_envsync.pytest_plugin.session import report_file
from pytest_envsync.pytest_plugin.session.cells import Cell
from pytest_envsync.pytest_plugin.session.silence import silence
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.pytest_plugin.inside.provision import Provided
    from pytest_envsync.pytest_plugin.inside.wanted import Wanted


class Place(NamedTuple):
    """One environment of the matrix: provided, or why not."""

    wanted: Wanted
    provided: Provided | None
    error: str | None = None


def run_in_turn(start: Start, places: Sequence[Place]) -> int:
    """Run one session after another; return the status of all."""
    turns = _Turns(start, places)
    with suppress(OSError):  # it is said at the end
        turns.begin_report()
    try:
        turns.run()
    finally:
        for place in places:
            if place.provided is not None:
                place.provided.release()
        silence(start.config, start.parser, start.args)
    status = combined(turns.statuses)
    turns.tell()
    _write(getattr(start.options, "xmlpath", None), turns.junit.write)
    _write(start.asked.report, lambda: turns.write_report(status))
    return status


def _write(name: str | None, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as problem:
        sys.stderr.write(f"envsync: `{name}` cannot be written: {problem.strerror or problem}\n")


class _Turns:
    """The sessions of *places*: their statuses, rows of the report, and results."""

    def __init__(self, start: Start, places: Sequence[Place]) -> None:
        self.start = start
        self.places = places
        self.statuses: list[int] = []
        self.rows: list[Mapping[str, Any]] = []
        self.cells: list[Cell] = []
        self.junit = JunitFile(getattr(start.options, "xmlpath", None), start.config.invocation_params.dir)
        self.failed = 0
        self.knew_failures = False

    def run(self) -> None:
        """Run them until one says that it is enough."""
        last = max(index for index, place in enumerate(self.places) if place.provided is not None)
        has_begun = is_over = False
        for index, place in enumerate(self.places):
            if place.provided is None:
                self._refuse(place)
            elif is_over:
                self._pass_over(place)
            else:
                more = self._options(is_first=not has_begun, is_last=index == last)
                has_begun = True
                turn = self._take_turn(place, place.provided, more)
                is_over = turn.ends or 0 < self._most_failures <= self.failed

    @property
    def _most_failures(self) -> int:
        return int(getattr(self.start.options, "maxfail", 0) or 0)

    def _options(self, *, is_first: bool, is_last: bool) -> list[str]:
        """Return what makes one session of a turn count as a part of all."""
        more = []
        if self._most_failures and self.failed:
            more.append(f"--maxfail={self._most_failures - self.failed}")
        if any(arg.partition("=")[0] == "--cov" for arg in self.start.args):
            # What one session measured is not erased by the next; all of it is there at the last.
            more += [] if is_first else ["--cov-append"]
            more += [] if is_last else ["--cov-fail-under=0"]
        return more

    def _refuse(self, place: Place) -> None:
        sys.stderr.write(f"envsync: {place.wanted.identity}: {place.error}\n")
        self._pass_over(place)
        self.statuses.append(1)

    def _pass_over(self, place: Place) -> None:
        """Tell of an environment that has no turn, or whose turn does not come any more."""
        cell = _cell(place, place.error)
        self.cells.append(cell)
        self.rows.append(cell.row())

    def _take_turn(self, place: Place, provided: Provided, more: Sequence[str]) -> Turn:
        sys.stdout.write(f"\nenvsync: {place.wanted.identity}\n")
        sys.stdout.flush()
        report, note = report_path(provided.guard_path), note_path(provided.guard_path)
        others_failed = others_failed_path(provided.guard_path)
        if self.knew_failures:
            others_failed.touch()
        try:
            status = run_child(command_of(self.start, provided, more), provided.environ)
            noted, rows = read_note(note), _rows(report)
        finally:
            for left in (report, note, others_failed):
                left.unlink(missing_ok=True)
            provided.release()
        self.junit.take()
        self.statuses.append(status)
        turn = noted or Turn({}, 0, ends=status in _ENDED)
        self.failed += turn.failed
        self.knew_failures = self.knew_failures or turn.knew_failures
        ended = f"the session ended with status {status}" if status else "the session did not come to its end"
        error = ended if noted is None else None
        cell = _cell(place, error)
        cell.results.update(turn.results)
        self.cells.append(cell)
        self.rows += rows or [cell.row()]
        return turn

    def begin_report(self) -> None:
        """Write the report that stays when this process is killed. Raises OSError."""
        path = self.start.asked.report
        if path is not None and not report_file.is_stream(path):
            cells = [_cell(place, place.error or "the session did not come to its end") for place in self.places]
            report_file.write_report(path, report_file.INTERNAL_ERROR, [cell.row() for cell in cells])

    def write_report(self, status: int) -> None:
        """Write the JSON report of all, if one is asked for. Raises OSError."""
        if self.start.asked.report is not None:
            report_file.write_report(self.start.asked.report, status, self.rows)

    def tell(self) -> None:
        """Show where the environments differ, and how to run the failures again."""
        cells = self.cells
        if getattr(self.start.options, "no_summary", False):
            cells = [cell for cell in cells if cell.values is None]
        lines = list(self._lines(cells))
        if lines:
            width = _width()
            sys.stdout.write("".join(f"{line}\n" for line in ["", " environments ".center(width, "="), *lines]))
            sys.stdout.flush()

    def _lines(self, cells: Sequence[Cell]) -> Iterator[str]:
        config = self.start.config
        yield from table.render(cells, width=_width())
        yield from table.rerun(
            cells,
            typed_command(self.start),
            has_cache=config.pluginmanager.hasplugin("cacheprovider"),
            selecting=self.start.options.file_or_dir or (),
        )


def _cell(place: Place, error: str | None) -> Cell:
    """Return what there is to tell of the environment at *place*, before it had its turn."""
    identity, provided = place.wanted.identity, place.provided
    if provided is not None:
        return Cell(identity, provided.values, description=provided.values, error=error)
    description = {"name": identity or place.wanted.name, "files": list(map(masked, place.wanted.files))}
    return Cell(identity, None, description=description, error=error)


def _width() -> int:
    from shutil import get_terminal_size

    width = get_terminal_size().columns
    return width if width >= 40 else 80  # as pytest has it


INTERRUPTED = 2
# A signal that ends one session was sent to end all: it came through this process.
_ENDED = {INTERRUPTED, *(128 + number for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", 1)))}
WRONG_USAGE = 4
NOTHING_COLLECTED = 5


def combined(statuses: Sequence[int]) -> int:
    """Return the status of sessions that ran one after another."""
    told = {status for status in statuses if status not in {0, NOTHING_COLLECTED}}
    if told == {WRONG_USAGE} == set(statuses):
        return WRONG_USAGE
    # What one environment cannot do is an error of it, while others ran.
    told = {1 if status == WRONG_USAGE else status for status in told}
    if told:
        return max(told)
    return NOTHING_COLLECTED if 0 not in statuses else 0


def _rows(report: Path) -> list[Mapping[str, Any]]:
    try:
        values = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return []
    rows: list[Mapping[str, Any]] = values["environments"]
    return rows
