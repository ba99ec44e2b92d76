"""The JSON report of a session: ``--envsync-report FILE``.

Standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_envsync.atomic import write_at_once

SCHEMA = {"version": 1}
INTERNAL_ERROR = 3
USAGE_ERROR = 4


def environment_row(
    values: Mapping[str, Any],
    *,
    outcomes: Mapping[str, int] | None = None,
    drift: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """Return the row of an environment that was provided; *values* are those of its guard file.

    Its ``shown_files`` are addresses without secrets; the files that it names elsewhere may hold some.
    """
    environment = values["environment"]
    return {
        # In a matrix what stands in ids: one lock may be there with several interpreters.
        "name": values["identity"] or values["name"],
        "key": environment["key"],
        "files": list(values["shown_files"]),
        "python": {"version": environment["version"], "path": environment["python"]},
        "project": values.get("project"),
        "overlay": (values.get("overlay") or {}).get("distributions") or None,
        "distributions": dict(environment["packages"]),
        "created": environment["created"],
        "seconds": environment["seconds"],
        "outcomes": dict(outcomes or {}),
        "drift": drift,
        "error": error,
    }


def refused_row(name: str, files: Sequence[str], error: str, *, python: str | None = None) -> dict[str, Any]:
    """Return the row of an environment that could not be had; *files* and *error* hold no secrets."""
    return {
        "name": name,
        "key": None,
        "files": list(files),
        "python": {"version": python, "path": None} if python else None,
        "project": None,
        "overlay": None,
        "distributions": {},
        "created": False,
        "seconds": 0.0,
        "outcomes": {},
        "drift": None,
        "error": error,
    }


def write_report(path: str | os.PathLike[str], exitstatus: int, environments: Sequence[Mapping[str, Any]]) -> None:
    """Write the report, at once or not at all, and into a stream as it is. Raises OSError."""
    values = {"schema": SCHEMA, "exitstatus": int(exitstatus), "environments": list(environments)}
    content = (json.dumps(values, indent=2) + "\n").encode()
    if is_stream(path):
        with Path(path).open("ab") as file:
            file.write(content)
    else:
        write_at_once(os.path.realpath(path), content)


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether there is a pipe, a terminal or another device, which no file can take the place of."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - text
    except OSError:
        return False
    # `/dev/stdout` may lead to a file that somebody else has open.
    is_led = os.path.islink(path) and os.fspath(path).startswith("/dev/")  # noqa: PTH114 - as above
    return is_led or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
