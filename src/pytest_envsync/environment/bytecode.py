"""Compile the site-packages of an environment: ``--compile-bytecode``.

The environment's own interpreter compiles, in a few workers that are fed one path at a time, so that a file
that takes too long costs its worker and no more. What is compiled already is left as it is.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import IO

from pytest_envsync.environment.site_packages import site_directories
from pytest_envsync.errors import InstallError
from pytest_envsync.target import Target

_WORKER = """\
import os, py_compile, sys
from importlib.util import MAGIC_NUMBER, cache_from_source

def is_compiled(path):
    try:
        with open(cache_from_source(path), "rb") as file:
            header = file.read(16)
        status = os.stat(path)
    except (OSError, NotImplementedError):
        return False
    numbers = (0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return header == MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in numbers)

mode = os.environ.get("PYC_INVALIDATION_MODE", "")
if os.environ.get("SOURCE_DATE_EPOCH") and not mode:
    mode = "checked-hash"
modes = {kind.name.lower().replace("_", "-"): kind for kind in py_compile.PycInvalidationMode}
kind = modes[mode.lower().replace("_", "-")] if mode else py_compile.PycInvalidationMode.TIMESTAMP
for line in sys.stdin.buffer:
    path = os.fsdecode(line[:-1])
    if kind is not py_compile.PycInvalidationMode.TIMESTAMP or not is_compiled(path):
        try:
            py_compile.compile(path, doraise=True, invalidation_mode=kind)
        except Exception:
            pass
    sys.stdout.buffer.write(b"\\n")
    sys.stdout.buffer.flush()
"""

_MODES = ("timestamp", "checked-hash", "unchecked-hash")


def compile_site_packages(target: Target, *, environ: Mapping[str, str], jobs: int) -> int:
    """Compile every module in the site-packages of *target* and return how many there are.

    A file that cannot be compiled is no error. *jobs* workers run at the same time. Of *environ*
    ``PYC_INVALIDATION_MODE``, ``SOURCE_DATE_EPOCH`` and ``UV_COMPILE_BYTECODE_TIMEOUT`` (seconds for one file, 60; 0:
    any time) count. Raises InstallError when a file takes too long or the interpreter does not run.
    """
    timeout = _timeout(environ)
    mode = environ.get("PYC_INVALIDATION_MODE", "").lower().replace("_", "-")
    if mode and mode not in _MODES:
        raise InstallError(
            f"PYC_INVALIDATION_MODE is `{environ['PYC_INVALIDATION_MODE']}` (expected one of: {', '.join(_MODES)})"
        )
    sources = list(_sources(target))
    if not sources:
        return 0
    from concurrent.futures import ThreadPoolExecutor

    jobs = max(1, min(jobs, len(sources) // 50 + 1))
    with ThreadPoolExecutor(jobs) as pool:
        parts = [
            pool.submit(_compile, target.python, sources[number::jobs], environ, timeout) for number in range(jobs)
        ]
        for part in parts:
            part.result()
    return len(sources)


def _timeout(environ: Mapping[str, str]) -> float | None:
    given = environ.get("ENVSYNC_COMPILE_BYTECODE_TIMEOUT") or environ.get("UV_COMPILE_BYTECODE_TIMEOUT")
    try:
        seconds = float(given or 60)
    except ValueError:
        raise InstallError(f"UV_COMPILE_BYTECODE_TIMEOUT is `{given}` (expected seconds)") from None
    return seconds or None


def _sources(target: Target) -> Iterator[str]:
    for root in site_directories(target):
        yield from _modules(root)


def _modules(directory: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_symlink():
                continue
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _modules(entry.path)
            elif entry.name.endswith(".py") and "\n" not in entry.name:
                yield entry.path


def _compile(python: str, sources: list[str], environ: Mapping[str, str], timeout: float | None) -> None:
    import subprocess

    # -I: neither the working directory nor PYTHONPATH shadows a module of the standard library.
    command = [python, "-I", "-S", "-c", _WORKER]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(environ)) as worker:
            assert worker.stdin is not None  # noqa: S101 - both are pipes
            assert worker.stdout is not None  # noqa: S101 - as above
            try:
                for source in sources:
                    worker.stdin.write(os.fsencode(source) + b"\n")
                    worker.stdin.flush()
                    _wait(worker.stdout, source, timeout)
            except BaseException:
                worker.kill()
                raise
            worker.stdin.close()
    except OSError as error:
        raise InstallError(f"`{python}` cannot compile: {error.strerror or error}") from error


def _wait(answers: IO[bytes], source: str, timeout: float | None) -> None:
    """Wait for the answer about one file. Raises InstallError when there is none."""
    if os.name != "nt":
        import select

        if not select.select([answers], [], [], timeout)[0]:
            raise InstallError(
                f"compiling `{source}` took more than {timeout:.0f} s",
                hint="UV_COMPILE_BYTECODE_TIMEOUT sets how long one file may take, in seconds",
            )
    if not answers.readline():
        raise InstallError(f"the interpreter ended while it compiled `{source}`")
