"""Where the command prints: human text on standard error, data on standard output.

The progress of downloads is drawn by rich, on a terminal only, and only when they take longer
than a moment: its import costs more than a small download.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock  # threading is half a millisecond
from typing import TYPE_CHECKING, Any

from pytest_envsync.report import Style, phase_line, wants_colour, warning_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.progress import Progress, TaskID

    from pytest_envsync.narration import PhaseName
    from pytest_envsync.options.option import Value

MOMENT = 0.4
"""Seconds that downloads may take before their progress is drawn."""


class Terminal:
    """The two streams, and how much is said on them.

    *quiet* 1 leaves only errors and data, 2 only the exit status; *verbose* adds details.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.quiet = 0
        self.verbose = 0
        self.wants_progress = True
        self.colour = "auto"
        self.style = Style(is_coloured=wants_colour(sys.stderr, environ))
        self.data_style = Style(is_coloured=wants_colour(sys.stdout, environ))

    def configure(self, command: Mapping[str, Value]) -> None:
        """Take the settings that say how to print."""
        quiet, verbose = command.get("quiet", 0), command.get("verbose", 0)
        self.quiet = quiet if isinstance(quiet, int) else 0
        self.verbose = verbose if isinstance(verbose, int) else 0
        self.wants_progress = not command.get("no_progress")
        self.colour = "never" if command.get("no_color") else str(command.get("color", "auto"))
        self.style = Style(is_coloured=wants_colour(sys.stderr, self.environ, self.colour))
        self.data_style = Style(is_coloured=wants_colour(sys.stdout, self.environ, self.colour))

    def say(self, *lines: str) -> None:
        """Print lines for people, unless it is to be quiet."""
        if lines and not self.quiet:
            sys.stderr.write("".join(f"{line}\n" for line in lines))
            sys.stderr.flush()

    def complain(self, *lines: str) -> None:
        """Print an error; ``-qq`` silences it too."""
        if lines and self.quiet < 2:
            sys.stderr.write("".join(f"{line}\n" for line in lines))
            sys.stderr.flush()

    def give(self, *lines: str) -> None:
        """Print data on standard output; ``-qq`` silences it too."""
        if lines and self.quiet < 2:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()


class TerminalReporter:
    """Tell a sync on a terminal as it goes on.

    *notes* are those that were told, *has_warned* says whether there was a warning.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.notes: list[str] = []
        self.has_warned = False
        self.last_phase = time.perf_counter()
        self._lock = allocate_lock()
        self._bar = _Bar(
            is_wanted=terminal.wants_progress
            and not terminal.quiet
            and not terminal.verbose
            and sys.stderr.isatty()
            and terminal.environ.get("TERM") != "dumb",
            is_coloured=terminal.style.is_coloured,
        )

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.has_warned = True
        self._print(warning_line(_masked(text), self.terminal.style))

    def note(self, text: str) -> None:
        """Print a fact of little weight, dimmed."""
        self.notes.append(text)
        self._print(self.terminal.style(_masked(text), "dim"))

    def debug(self, text: str, level: int = 1) -> None:
        """Print a detail with ``-v``."""
        if self.terminal.verbose >= level:
            self._print(self.terminal.style(f"{'DEBUG' if level == 1 else 'TRACE'} {_masked(text)}", "dim"))

    def phase(self, name: PhaseName, count: int, seconds: float, detail: str = "") -> None:
        """Print that a phase is over."""
        self.last_phase = time.perf_counter()
        self._bar.close()
        self._print(phase_line(name, count, seconds, detail, self.terminal.style))

    def building(self, subject: str) -> None:
        """Print that a build begins."""
        self._print(f"   {self.terminal.style('Building', 'cyan', 'bold')} {_masked(subject)}")

    def built(self, subject: str) -> None:
        """Print that a build succeeded."""
        self._print(f"      {self.terminal.style('Built', 'green', 'bold')} {_masked(subject)}")

    def expect(self, wheels: int, size: int | None) -> None:
        """Draw more to wait for."""
        with self._lock:
            self._bar.expect(wheels, size)

    def received(self, size: int) -> None:
        """Draw what has arrived."""
        with self._lock:
            self._bar.received(size)

    def completed(self, filename: str) -> None:
        """Draw that a wheel is in the store."""
        with self._lock:
            self._bar.completed(filename)

    def close(self) -> None:
        """Take the progress off the terminal."""
        with self._lock:
            self._bar.close()

    def _print(self, line: str) -> None:
        if self._bar.is_drawn:
            # Above the bar, which stays the last line.
            self._bar.print_above(line)
        else:
            self.terminal.say(line)


class _Bar:
    """The progress of what is prepared, drawn from the moment on that it takes long.

    It grows with the bytes that have arrived, or, where nobody knows how many there will be, with the wheels that are
    in the store; these are always counted.
    """

    def __init__(self, *, is_wanted: bool, is_coloured: bool) -> None:
        self._is_wanted = is_wanted
        self._is_coloured = is_coloured
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._clear()

    def _clear(self) -> None:
        self._began: float | None = None
        self._wheels = self._done = self._arrived = 0
        self._size: int | None = 0

    @property
    def is_drawn(self) -> bool:
        """Whether it is on the terminal now."""
        return self._progress is not None

    def expect(self, wheels: int, size: int | None) -> None:
        self._began = self._began or time.monotonic()
        self._wheels += wheels
        self._size = None if self._size is None or size is None else self._size + size
        self._draw()

    def received(self, size: int) -> None:
        self._arrived += size
        self._draw()

    def completed(self, filename: str) -> None:
        del filename
        self._done += 1
        self._draw()

    def print_above(self, line: str) -> None:
        if self._progress is not None:
            from rich.text import Text

            self._progress.console.print(Text.from_ansi(line), soft_wrap=True)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None
        self._clear()

    def _draw(self) -> None:
        if not self._is_wanted or self._began is None:
            return
        if self._progress is None:
            if time.monotonic() - self._began < MOMENT:
                return
            self._progress = _rich_progress(is_coloured=self._is_coloured)
            # What is drawn first is drawn with its text.
            self._task = self._progress.add_task(**self._figures())
            self._progress.start()
        elif self._task is not None:
            self._progress.update(self._task, **self._figures())

    def _figures(self) -> dict[str, Any]:
        from rich.filesize import decimal

        arrived = decimal(self._arrived) if self._arrived else ""
        figures = {"description": f"Preparing packages... ({self._done}/{self._wheels})", "arrived": arrived}
        if not self._size:
            return {**figures, "completed": self._done, "total": self._wheels}
        figures["arrived"] = f"{decimal(self._arrived)} of {decimal(self._size)}"
        return {**figures, "completed": self._arrived, "total": self._size}


def _rich_progress(*, is_coloured: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("[dim]{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[arrived]}"),
        console=Console(stderr=True, color_system="auto" if is_coloured else None),
        transient=True,
    )


def _masked(text: str) -> str:
    if "//" not in text:
        return text
    from pytest_envsync.addresses import masked

    return masked(text)


def silence_broken_pipe() -> None:
    """Send what is still buffered for standard output nowhere: the reader is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
