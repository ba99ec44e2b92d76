"""Runs our command over and over in forks of one process that has imported everything already.

A program: reads a request per line (JSON), answers with a line that is the exit status. An ordinary start
costs ten times as much, and there are hundreds of runs; that ordinary starts do the same is shown by
the cases on output, which take them.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import traceback
from contextlib import suppress
from typing import Any


def preload() -> None:
    import pytest_envsync

    for module in pkgutil.walk_packages(pytest_envsync.__path__, "pytest_envsync."):
        if not module.name.startswith(("pytest_envsync.pytest_plugin", "pytest_envsync.__main__")):
            # What cannot be imported (an extra is missing) fails where it is needed.
            with suppress(ImportError):
                importlib.import_module(module.name)
    for name in ("httpx", "tomli", "installer", "packaging.metadata", "filelock", "concurrent.futures.thread"):
        importlib.import_module(name)


def run(request: dict[str, Any]) -> int:
    """Run the command in a fork and return its status."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    code = 70
    try:
        for descriptor, (path, flags) in enumerate(
            [
                (request["stdin"], os.O_RDONLY),
                (request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
                (request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            ]
        ):
            opened = os.open(path, flags, 0o644)
            os.dup2(opened, descriptor)
            os.close(opened)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environ"])
        sys.argv = ["envsync", *request["argv"]]
        from pytest_envsync.__main__ import main

        code = main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - what an ordinary process would print and die of
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    preload()
    for line in requests:
        answers.write(f"{run(json.loads(line))}\n")
        answers.flush()


if __name__ == "__main__":
    serve()
