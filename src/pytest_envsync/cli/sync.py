"""``envsync sync``: make an environment match the files exactly.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_envsync.cli.terminal import TerminalReporter
from pytest_envsync.report import json_text, outcome_json, outcome_lines
from pytest_envsync.sync import sync_environment

if TYPE_CHECKING:
    from pytest_envsync.cli import Call


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
    if call.is_json:
        terminal.give(json_text(outcome_json(outcome, is_dry=is_dry)))
    return 1 if options.check and outcome.changes else 0
