"""Let the next environment of a matrix hold the controller, when a conftest cannot be loaded in the one that does.

The controller imports initial conftests, so that one which fails in its environment alone would end the session for
all. Runs inside session environments: standard library and pytest only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.pytest_plugin import guard

if TYPE_CHECKING:
    import pytest


def move_on(config: pytest.Config, values: Mapping[str, Any], error: BaseException) -> None:
    """Replace this process by the controller in the next environment, and note what was wrong here.

    Returns when *error* is of another kind, no environment is left, or the process cannot be replaced: then pytest
    says what it says in any session.
    """
    if type(error).__name__ != "ConftestImportFailure" or os.name != "posix":
        return
    cells = [dict(cell) for cell in values["matrix"]["cells"]]
    usable = [cell for cell in cells if cell["values"] is not None and not cell["error"]]
    here = next((cell for cell in usable if cell["values"]["prefix"] == values["prefix"]), None)
    usable = [cell for cell in usable if cell is not here]
    if here is None or not usable or threading.current_thread() is not threading.main_thread():
        return
    here["error"] = _told(error)
    there = usable[0]
    path = os.environ[guard.VARIABLE]
    guard.hand_on(path, {**there["values"], "header": values["header"], "matrix": {**values["matrix"], "cells": cells}})
    capture = config.pluginmanager.get_plugin("capturemanager")
    if capture is not None:
        capture.stop_global_capturing()
    sys.stderr.write(f"envsync: {here['identity']}: {here['error']}\n")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    command = _command(there, values["matrix"]["flags"], config.invocation_params.args)
    os.execve(command[0], command, {**_environ(there), guard.VARIABLE: path})  # noqa: S606 - no shell is wanted


def _told(error: BaseException) -> str:
    # What it is called differs between the releases of pytest.
    cause = getattr(error, "cause", None) or getattr(error, "excinfo", (None, error))[1]
    path = getattr(error, "path", "conftest.py")
    text = str(cause).strip().splitlines()
    return f"`{path}` cannot be loaded: {type(cause).__name__}{f': {text[0]}' if text else ''}"


def _command(cell: Mapping[str, Any], flags: Sequence[str], arguments: Sequence[str | os.PathLike[str]]) -> list[str]:
    enter = Path(cell["values"]["overlay"]["path"]).parent / "enter.py"
    form = "module" if cell["front"] else "script"
    return [cell["python"], *flags, str(enter), form, *(os.fspath(argument) for argument in arguments)]


def _environ(cell: Mapping[str, Any]) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in cell["environ"]}
    return {**environ, **{name: value for name, value in cell["environ"].items() if value is not None}}
