"""``envsync env``: look after the cached environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_envsync.cli.cached import environments_of, look_up, provide
from pytest_envsync.cli.run import session_words
from pytest_envsync.cli.terminal import TerminalReporter
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.narration import SilentReporter
from pytest_envsync.quantities import parse_age, parse_size
from pytest_envsync.report import SCHEMA, change_lines, diff_lines, json_text, plural, size, table
from pytest_envsync.true_paths import resolved

if TYPE_CHECKING:
    from pytest_envsync.cli import Call
    from pytest_envsync.narration import Reporter


def list_environments(call: Call) -> int:
    """Print the cached environments, as a table or as JSON."""
    rows = environments_of(call, SilentReporter()).list()
    if call.is_json:
        call.terminal.give(json_text({"schema": SCHEMA, "environments": [row.as_dict() for row in rows]}))
    elif rows:
        head = ("KEY", "PYTHON", "LAST USED", "SIZE", "IN USE", "PATH")
        cells = [
            (row.key[:10], row.release, row.last_used[:16].replace("T", " "), size(row.size), str(row.leases), row.path)
            for row in rows
        ]
        call.terminal.give(*table(head, cells, call.terminal.data_style))
    else:
        call.terminal.say("No cached environments")
    return 0


def path(call: Call) -> int:
    """Print where the environment of a key, or of files, is; 1 if there is none."""
    reporter = TerminalReporter(call.terminal)
    word = call.arguments.files[0]
    if _is_key(call, word):
        found: str | None = environments_of(call, reporter).find(word).path
    else:
        try:
            found = _path_of_files(call, reporter)
        finally:
            reporter.close()
    if found is None:
        raise EnvsyncError(
            f"there is no environment for {' '.join(call.arguments.files)} yet",
            hint="`--create` makes it",
            exit_status=1,
        )
    if call.is_json:
        call.terminal.give(json_text({"schema": SCHEMA, "path": found}))
    else:
        call.terminal.give(found)
    return 0


def _path_of_files(call: Call, reporter: Reporter) -> str | None:
    """Return the path of the environment of a session on a file; that of ``run`` for several files together."""
    create = bool(call.own("create"))
    if len(call.arguments.files) == 1:
        from pytest_envsync.pytest_plugin.inside.located import session_path

        return session_path(session_words(call), reporter=reporter, create=create)
    return provide(call, reporter, holder_pid=0).environment.path if create else look_up(call, reporter)


def _is_key(call: Call, word: str) -> bool:
    """Whether *word* is meant as a key: hexadecimal, and no file or declared name."""
    is_hex = not word.strip("0123456789abcdef") and len(call.arguments.files) == 1
    is_taken = os.path.lexists(os.path.join(call.settings.cwd, word)) or word in call.settings.environments  # noqa: PTH118 - plain text
    return is_hex and not is_taken


def diff(call: Call) -> int:
    """Print what differs from what was made; 1 if anything does."""
    found = environments_of(call, SilentReporter()).diff(_place(call), verify_files=bool(call.own("verify_files")))
    if call.is_json:
        call.terminal.give(json_text({"schema": SCHEMA, **found.as_dict()}))
    else:
        call.terminal.give(*diff_lines(found, call.terminal.data_style))
    return 1 if found else 0


def restore(call: Call) -> int:
    """Undo what differs, and print it."""
    reporter = TerminalReporter(call.terminal)
    try:
        done = environments_of(call, reporter).restore(_place(call), verify_files=bool(call.own("verify_files")))
    finally:
        reporter.close()
    if call.is_json:
        call.terminal.give(
            json_text({"schema": SCHEMA, "changes": done.changes.as_list(), "diff": done.diff.as_dict()})
        )
        return 0
    style = call.terminal.style
    if done.diff:
        call.terminal.say("Undone:", *diff_lines(done.diff, style))
    else:
        call.terminal.say("Nothing to restore")
    call.terminal.say(*change_lines(done.changes, style))
    return 0


def _place(call: Call) -> str:
    """Return the key, or the path of an environment, that was typed."""
    word = call.arguments.files[0]
    place = os.path.join(call.settings.cwd, word)  # noqa: PTH118 - plain text
    return resolved(place) if os.sep in word or os.path.isdir(place) else word  # noqa: PTH112 - plain text


def remove(call: Call) -> int:
    """Remove environments by key; all are looked up before the first one goes."""
    environments = environments_of(call, TerminalReporter(call.terminal))
    keys = [environments.find(word, moved_too=True).key for word in call.arguments.files]
    removed = [environments.remove(key) for key in dict.fromkeys(keys)]
    if call.is_json:
        call.terminal.give(json_text({"schema": SCHEMA, "removed": removed}))
    call.terminal.say(*(f"Removed {key[:10]}" for key in removed))
    return 0


def prune(call: Call) -> int:
    """Remove environments that were not used for long, then the longest unused beyond a size."""
    age, most = call.own("older_than"), call.own("max_size")
    limits = {} if age is None else {"older_than": parse_age(str(age), "--older-than")}
    environments = environments_of(call, TerminalReporter(call.terminal))
    done = environments.prune(**limits, max_size=None if most is None else parse_size(str(most), "--max-size"))
    if call.is_json:
        call.terminal.give(json_text({"schema": SCHEMA, "environments": done.environments, "bytes": done.bytes}))
    call.terminal.say(f"Removed {plural(done.environments, 'environment')} ({size(done.bytes)})")
    return 0
