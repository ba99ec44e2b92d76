"""Compile modules as the store holds them, so that no bytecode of a session has to be believed.

The base interpreter of the environment compiles, apart from whatever the environment or the user's settings would add
to it. What a session left tells only which modules are worth it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pytest_envsync.values import NamedTuple

_WORKER = """\
import os, py_compile, sys, warnings
warnings.simplefilter("ignore")
kind = py_compile.PycInvalidationMode.TIMESTAMP
for line in sys.stdin.buffer:
    source, shown, compiled, level = os.fsdecode(line[:-1]).split("\\0")
    try:
        os.makedirs(os.path.dirname(compiled), exist_ok=True)
        py_compile.compile(source, compiled, shown, doraise=True, optimize=int(level), invalidation_mode=kind)
    except Exception:
        pass
"""
_SHARE = 100  # modules that are worth a process of their own
_TIME_LIMIT = 300.0  # seconds, for all of them


class Job(NamedTuple):
    """One module to compile: *source* in the store, the path *shown* in its code, the file to write, and the level."""

    source: str
    shown: str
    compiled: str
    level: int


def compile_modules(python: str, jobs: Sequence[Job], *, scratch: str, environ: Mapping[str, str]) -> None:
    """Let the interpreter *python* do *jobs*, in a few processes; what cannot be compiled is not there afterwards.

    *scratch* is a directory for lists of files. What takes too long is left out; no process outlives the call.
    """
    import subprocess
    import time

    jobs = [job for job in jobs if "\n" not in job.source]
    count = max(1, min(os.cpu_count() or 1, 4, len(jobs) // _SHARE))
    running: list[subprocess.Popen[bytes]] = []
    until = time.monotonic() + _TIME_LIMIT
    try:
        for number in range(count):
            listed = f"{scratch}/jobs-{number}"
            with open(listed, "wb") as file:
                file.writelines(
                    b"\0".join(os.fsencode(str(part)) for part in job) + b"\n" for job in jobs[number::count]
                )
            with open(listed, "rb") as file, suppress(OSError):
                running.append(
                    subprocess.Popen(
                        [python, "-I", "-S", "-c", _WORKER],
                        stdin=file,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        env=dict(environ),
                    )
                )
        with suppress(subprocess.TimeoutExpired):
            for process in running:
                process.wait(max(0.0, until - time.monotonic()))
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
