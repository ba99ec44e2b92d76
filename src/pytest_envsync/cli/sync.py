"""``envsync sync``: make an environment match the files exactly.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pytest_envsync.cli.terminal import TerminalReporter
from pytest_envsync.environment.interpreter import is_found_at
from pytest_envsync.report import json_text, outcome_json, outcome_lines
from pytest_envsync.sync import sync_environment

if TYPE_CHECKING:
    from pytest_envsync.cli import Call
    from pytest_envsync.remembered import Evidence
    from pytest_envsync.sync import SyncOutcome


def run(call: Call) -> int:
    """Sync, print what was done, and return 1 only if ``--check`` found differences."""
    settings, terminal = call.settings, call.terminal
    options = settings.options
    reporter = TerminalReporter(terminal)
    try:
        outcome = sync_environment(
            call.arguments.files, options=options, cwd=settings.cwd, environ=settings.environ, reporter=reporter
        )
    finally:
        reporter.close()
    is_dry = options.dry_run or options.check
    seconds = time.perf_counter() - reporter.last_phase
    terminal.say(*outcome_lines(outcome, seconds, terminal.style, is_dry=is_dry))
    data = json_text(outcome_json(outcome, is_dry=is_dry)) if call.is_json else ""
    if data:
        terminal.give(data)
    if _is_worth_remembering(call, outcome, reporter):
        _remember(call, outcome, reporter, data=f"{data}\n" if data else "")
    return 1 if options.check and outcome.changes else 0


def _is_worth_remembering(call: Call, outcome: SyncOutcome, reporter: TerminalReporter) -> bool:
    """Whether the same command must say the same again as long as what it looked at stays the same."""
    options = call.settings.options
    is_quiet = not (reporter.has_warned or call.settings.warnings or outcome.warnings or call.terminal.verbose)
    is_certain = outcome.repeatable and not outcome.is_empty and not outcome.changes
    looks_further = (
        options.refresh or options.verify_files or options.strict or options.compile_bytecode or options.no_cache
    )
    # A version or a name is looked for in places that are not written down, and a shim decides anew each time.
    is_here = outcome.target.is_virtual and is_found_at(options.python, outcome.target, cwd=call.settings.cwd)
    is_plain = not (options.system or options.target or options.prefix)
    has_usual_notes = all(note.startswith("Using ") for note in reporter.notes)
    return is_quiet and is_certain and not looks_further and is_here and is_plain and has_usual_notes


def _remember(call: Call, outcome: SyncOutcome, reporter: TerminalReporter, *, data: str) -> None:
    from pytest_envsync.cli.cached import cache_of
    from pytest_envsync.remembered import Answer, remember

    options = call.settings.options
    remember(
        call.argv,
        os.environ,
        cwd=call.start,
        cache_dir=str(cache_of(call)),
        evidence=_evidence(call, outcome),
        answer=Answer(
            notes=tuple(reporter.notes),
            resolved=outcome.resolved,
            checked=outcome.checked,
            is_dry=options.dry_run or options.check,
            data=data,
            quiet=call.terminal.quiet,
            colour=call.terminal.colour,
        ),
    )


def _evidence(call: Call, outcome: SyncOutcome) -> Evidence:
    from hashlib import sha256

    from pytest_envsync.cli.cached import cache_of
    from pytest_envsync.environment.journal import journal_directory
    from pytest_envsync.remembered import Evidence
    from pytest_envsync.wheels.store.spoiled import spoiled_directory

    cwd, target = call.settings.cwd, outcome.target
    configuration = [
        (path, None if content is None else sha256(content).hexdigest())
        for path, content in call.settings.looked_at.items()
    ]
    parents, place = [cwd], cwd
    while (parent := os.path.dirname(place)) != place:  # noqa: PTH120 - plain text
        parents.append(parent)
        place = parent
    return Evidence(
        read=[*((item.path, item.digest) for item in outcome.inputs), *configuration],
        files=[
            os.path.join(target.prefix, "pyvenv.cfg"),  # noqa: PTH118 - plain text
            # A nearer environment that appears would be used instead.
            *(f"{parent}{os.sep}{name}pyvenv.cfg" for parent in parents for name in ("", f".venv{os.sep}")),
        ],
        variables=[name for name, _ in outcome.variables],
        sites=[target.paths["purelib"], target.paths["platlib"]],
        stamped=[
            target.python,
            target.base_python,
            *(path for path, _ in outcome.stats),
            spoiled_directory(cache_of(call)),
        ],
        absent=[journal_directory(target)],
    )
