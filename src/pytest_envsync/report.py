"""What was done, found or refused, as text and as JSON.

Pure: makes lines; who prints them, and where, is decided elsewhere. The words and their order are those
of the reference.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

# Also serves the answer of a sync with nothing to do, which cannot afford typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any, Literal, TextIO

    from pytest_envsync.changes import Change, Changes
    from pytest_envsync.diff import Diff
    from pytest_envsync.errors import EnvsyncError
    from pytest_envsync.narration import PhaseName
    from pytest_envsync.sync import SyncOutcome

    Colour = Literal["red", "green", "yellow", "cyan", "bold", "dim"]

SCHEMA: dict[str, int] = {"version": 1}
"""Stands under ``schema`` in every JSON object that is printed."""

_CODES: dict[str, str] = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}

OUTPUT_LINES = 40
"""How much of a failed build's output is shown."""

_VERBS: dict[str, str] = {
    "resolved": "Resolved",
    "prepared": "Prepared",
    "uninstalled": "Uninstalled",
    "installed": "Installed",
    "compiled": "Bytecode compiled",
}


def wants_colour(stream: TextIO, environ: Mapping[str, str], choice: str = "auto") -> bool:
    """Whether text for *stream* is coloured: the option first, then ``NO_COLOR`` and ``FORCE_COLOR``."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


class Style:
    """Put colours on text, or not."""

    def __init__(self, *, is_coloured: bool) -> None:
        self.is_coloured = is_coloured

    def __call__(self, text: str, *colours: Colour) -> str:
        """Return *text* in *colours*."""
        if not self.is_coloured or not text:
            return text
        return f"\x1b[{';'.join(_CODES[colour] for colour in colours)}m{text}\x1b[0m"


def duration(seconds: float) -> str:
    """Return a time for people: ``0.05ms``, ``12ms``, ``1.23s``, ``2m 03s``."""
    if seconds >= 60:
        return f"{int(seconds) // 60}m {int(seconds) % 60:02}s"
    if seconds >= 1:
        return f"{int(seconds * 100) / 100:.2f}s"
    milliseconds = int(seconds * 1000)
    return f"{milliseconds}ms" if milliseconds else f"0.{int(seconds * 100_000):02}ms"


def size(count: int) -> str:
    """Return a number of bytes for people: ``512 B``, ``1.5 KiB``, ``2.0 GiB``."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def plural(count: int, noun: str) -> str:
    """Return *count* and *noun*, which takes an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def phase_line(name: PhaseName, count: int, seconds: float, detail: str, style: Style) -> str:
    """Return the line that says a phase is over, ``Resolved 3 packages in 12ms``."""
    counted = plural(count, "file" if name == "compiled" else "package")
    if name == "resolved" and not count:
        return style(f"Resolved in {duration(seconds)}", "dim")
    words = f"{style(counted, 'bold')}{f' {detail}' if detail else ''}"
    return f"{style(_VERBS[name], 'dim')} {words} {style(f'in {duration(seconds)}', 'dim')}"


def change_lines(changes: Changes, style: Style, unseen: Collection[str] = ()) -> list[str]:
    """Return one line for each change, ``+ name==1.0``, in the order of the reference.

    *unseen* are names of which nothing is here yet: of an address only its own words are said.
    """
    return [_change_line(change, style, unseen) for change in changes.lines]


def _change_line(change: Change, style: Style, unseen: Collection[str]) -> str:
    signs: dict[str, tuple[str, Colour]] = {
        "installed": ("+", "green"),
        "uninstalled": ("-", "red"),
        "reinstalled": ("~", "yellow"),
    }
    sign, colour = signs[change.action]
    is_promise = change.name in unseen and change.source and change.action != "uninstalled"
    if not change.version or is_promise:
        return f" {style(sign, colour)} {style(change.name, 'bold')} {style(f'@ {change.source}', 'dim')}"
    source = f" (from {change.source})" if change.source else ""
    return f" {style(sign, colour)} {style(change.name, 'bold')}{style(f'=={change.version}{source}', 'dim')}"


EMPTY = "No requirements found (hint: use `--allow-empty-requirements` to clear the environment)"


def outcome_lines(outcome: SyncOutcome, seconds: float, style: Style, *, is_dry: bool) -> list[str]:
    """Return what is said when a sync is over, the phases excepted.

    *seconds* is the time since the last phase. *is_dry*: with ``--dry-run`` or ``--check``.
    """
    if outcome.is_empty:
        return [EMPTY]
    lines: list[str] = []
    if not outcome.changes:
        if outcome.compiled is None:
            lines.append(checked_line(outcome.checked, seconds, style))
        if is_dry:
            lines.append("Would make no changes")
    elif is_dry:
        lines += _would_lines(outcome, style)
    lines += change_lines(outcome.changes, style, outcome.unseen)
    lines += [warning_line(warning, style) for warning in outcome.warnings]
    return lines


def checked_line(count: int, seconds: float, style: Style) -> str:
    """Return the line that says that there was nothing to do."""
    counted = f"{style(plural(count, 'package'), 'bold')} " if count else ""
    return f"{style('Checked', 'dim')} {counted}{style(f'in {duration(seconds)}', 'dim')}"


def _would_lines(outcome: SyncOutcome, style: Style) -> list[str]:
    lines = outcome.changes.lines
    counts = {
        "download": len(outcome.unseen),
        "uninstall": outcome.uninstalled,
        "install": sum(change.action != "uninstalled" for change in lines),
    }
    return [f"Would {verb} {style(plural(count, 'package'), 'bold')}" for verb, count in counts.items() if count]


def outcome_json(outcome: SyncOutcome, *, is_dry: bool) -> dict[str, Any]:
    """Return the object that ``envsync sync --output-format json`` prints."""
    return {"schema": SCHEMA, "changes": outcome.changes.as_list(), "dry_run": is_dry}


def warning_line(text: str, style: Style) -> str:
    """Return a warning."""
    return f"{style('warning', 'yellow', 'bold')}{style(':', 'bold')} {text}"


def error_lines(error: EnvsyncError, style: Style) -> list[str]:
    """Return an error: what happened, the output of a build, what to do about it."""
    from pytest_envsync.addresses import masked
    from pytest_envsync.errors import BuildError

    # Errors mask what they print; this is for the one that forgot.
    text = masked(str(error))
    lines = f"{style('error', 'red', 'bold')}{style(':', 'bold')} {text}".split("\n")
    if isinstance(error, BuildError):
        output = error.output.rstrip().splitlines()
        if output and output[-1] not in text:
            lines += [f"  {masked(line)}" for line in output[-OUTPUT_LINES:]]
        if error.log and error.log not in text:
            lines.append(f"  the whole output is in {error.log}")
    if error.hint:
        hint, *more = masked(error.hint).split("\n")
        lines += [f"{style('hint', 'cyan', 'bold')}{style(':', 'bold')} {hint}", *(f"  {line}" for line in more)]
    return lines


def error_json(error: EnvsyncError) -> dict[str, Any]:
    """Return an error as the object that the pytest side reads."""
    from pytest_envsync.addresses import masked

    return {
        "schema": SCHEMA,
        "error": {
            "kind": type(error).__name__,
            "message": masked(str(error)),
            "hint": error.hint and masked(error.hint),
            "exit_status": error.exit_status,
        },
    }


def table(head: Sequence[str], rows: Sequence[Sequence[str]], style: Style) -> list[str]:
    """Return *rows* in columns under *head*; the last column is not padded."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    return [style(line(head), "bold"), *(line(row) for row in rows)]


def json_text(values: Mapping[str, Any]) -> str:
    """Return *values* as the JSON that is printed: indented, in the order given."""
    import json

    text = json.dumps(values, indent=2, ensure_ascii=False)
    # The bytes of a name that is no UTF-8 stand as escapes: raw they would make no text.
    return text.encode("utf-8", "backslashreplace").decode()


def diff_lines(diff: Diff, style: Style, *, limit: int | None = None) -> list[str]:
    """Return the lines of a comparison; of the files at most *limit*, and how many more there are."""
    colours: dict[str, Colour] = {"+": "green", "-": "red", "~": "yellow"}
    lines = diff.lines(limit)
    return [f" {style(line[1], colours[line[1]])}{line[2:]}" if line[1] in colours else line for line in lines]
