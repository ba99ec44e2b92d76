"""Run a build backend: its hooks, its output, its time limit, its end (PEP 517, PEP 660).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytest_envsync.errors import BuildError
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pyproject_hooks import BuildBackendHookCaller

    from pytest_envsync.wheels.build.processes import Processes

TAIL = 40
"""Lines of a backend's output that an error shows; the whole is in its log."""
MOST_OUTPUT = 2**30
"""Bytes of output of one build that are kept; more would fill the disk without telling anybody anything."""
_LONGEST = 4000  # characters of one line in an error
_TERMINAL_COMMANDS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SIGKILL = 9
_ANSWER = "output.json"
LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
LEGACY_REQUIRES = ("setuptools>=40.8.0",)


class BuildSystem(NamedTuple):
    """The ``[build-system]`` table of a source tree; defaults of PEP 517 where it says nothing."""

    requires: tuple[str, ...] = LEGACY_REQUIRES
    backend: str = LEGACY_BACKEND
    backend_path: tuple[str, ...] | None = None


def read_build_system(tree: Path, subject: str) -> BuildSystem:
    """Read the build system of the source tree at *tree*. Raises BuildError for no source tree or a malformed table."""
    path = tree / "pyproject.toml"
    if not path.exists():
        if not (tree / "setup.py").exists():
            raise BuildError(
                f"`{subject}` does not appear to be a Python project: neither `pyproject.toml` nor `setup.py` is there",
                subject=subject,
                hint="an empty `pyproject.toml` beside `setup.cfg` is enough"
                if (tree / "setup.cfg").exists()
                else "check the path, or the subdirectory",
            )
        return BuildSystem()
    import tomli

    try:
        # Editors write a byte order mark; TOML has none.
        table: Any = tomli.loads(path.read_text(encoding="utf-8-sig"))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BuildError(f"`pyproject.toml` of `{subject}` cannot be read: {error}", subject=subject) from error
    return parse_build_system(table.get("build-system"), subject)


def parse_build_system(table: object, subject: str) -> BuildSystem:
    """Check a ``[build-system]`` table (PEP 518). Raises BuildError that names the key."""
    if table is None:
        return BuildSystem()
    if not isinstance(table, dict):
        raise BuildError(f"`build-system` of `{subject}` is no table", subject=subject)
    requires = table.get("requires")
    if not isinstance(requires, list) or not all(isinstance(item, str) for item in requires):
        raise BuildError(f"`build-system.requires` of `{subject}` must be a list of requirements", subject=subject)
    backend = table.get("build-backend", LEGACY_BACKEND)
    if not isinstance(backend, str):
        raise BuildError(f"`build-system.build-backend` of `{subject}` must be text", subject=subject)
    path = table.get("backend-path")
    if path is not None and not (isinstance(path, list) and all(isinstance(item, str) for item in path)):
        raise BuildError(f"`build-system.backend-path` of `{subject}` must be a list of directories", subject=subject)
    return BuildSystem(tuple(requires), backend, None if path is None else tuple(path))


class Backend:
    """One source tree with the environment that builds it.

    *environ* are the variables of the backend's process; *log* is the file that all its output goes to;
    *timeout* in seconds is for each hook, which runs while what *turn* gives is held.
    """

    def __init__(
        self,
        tree: Path,
        system: BuildSystem,
        *,
        subject: str,
        python: str,
        environ: Mapping[str, str],
        log: Path,
        timeout: float,
        processes: Processes,
        turn: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.turn = turn
        self.tree = tree
        self.system = system
        self.subject = subject
        self.python = python
        self.environ = environ
        self.log = log
        self.timeout = timeout
        self.processes = processes

    def requires(self, *, editable: bool, settings: Mapping[str, Any]) -> list[str]:
        """Return what the backend wants besides ``build-system.requires``."""
        hook = f"get_requires_for_build_{'editable' if editable else 'wheel'}"
        wanted = self._call(hook, lambda caller: getattr(caller, hook)(dict(settings)))
        if not isinstance(wanted, list) or not all(isinstance(item, str) for item in wanted):
            raise self._error(hook, f"returned {wanted!r}, which is no list of requirements")
        return wanted

    def metadata(self, directory: Path, *, editable: bool, settings: Mapping[str, Any]) -> Path | None:
        """Have the ``.dist-info`` directory made without a build; None when the backend cannot."""
        from pyproject_hooks import HookMissing

        hook = f"prepare_metadata_for_build_{'editable' if editable else 'wheel'}"

        def prepare(caller: BuildBackendHookCaller) -> str | None:
            try:
                name: str = getattr(caller, hook)(str(directory), dict(settings), _allow_fallback=False)
            except HookMissing:
                return None
            return name

        name = self._call(hook, prepare)
        if name is not None and not (isinstance(name, str) and (directory / name / "METADATA").is_file()):
            raise self._error(hook, f"returned `{name}`, in which there is no METADATA")
        return None if name is None else directory / name

    def build(self, directory: Path, *, editable: bool, settings: Mapping[str, Any]) -> Path:
        """Build a wheel into *directory* and return its path."""
        hook = f"build_{'editable' if editable else 'wheel'}"
        name = self._call(hook, lambda caller: getattr(caller, hook)(str(directory), dict(settings)))
        path = directory / str(name)
        if not isinstance(name, str) or path.parent != directory or not path.is_file():
            raise self._error(hook, f"returned `{name}`, which is no wheel in the directory that it was given")
        return path

    def _call(self, hook: str, act: Any) -> Any:
        from subprocess import CalledProcessError, TimeoutExpired

        from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller, HookMissing, UnsupportedOperation

        from pytest_envsync.wheels.build.processes import TooMuchOutput

        try:
            caller = BuildBackendHookCaller(
                str(self.tree),
                self.system.backend,
                backend_path=None if self.system.backend_path is None else list(self.system.backend_path),
                runner=self._run,
                python_executable=self.python,
            )
            return act(caller)
        except BackendUnavailable as error:
            said = str(error.traceback or error).strip().splitlines()
            raise self._error(
                hook,
                f"the backend `{self.system.backend}` cannot be imported: {''.join(said[-1:])}",
                said=said[:-1] and said,
                hint="add it to `build-system.requires`; with --no-build-isolation, install it first",
            ) from error
        except HookMissing as error:
            raise self._error(
                hook,
                f"the backend `{self.system.backend}` has no hook `{error.hook_name}`",
                hint="a newer version of the backend may have it" if "editable" in hook else None,
            ) from error
        except UnsupportedOperation as error:
            raise self._error(hook, f"the backend does not support it: {error}") from error
        except TimeoutExpired as error:
            raise self._error(
                hook,
                f"it took more than {self.timeout:.0f} s and was ended",
                hint="ENVSYNC_BUILD_TIMEOUT sets the limit, in seconds",
            ) from error
        except TooMuchOutput as error:
            raise self._error(hook, f"it wrote more than {MOST_OUTPUT // 2**20} MiB of output and was ended") from error
        except CalledProcessError as error:
            hint = "the system ends a process so when memory is short" if error.returncode == -_SIGKILL else None
            raise self._error(hook, _ending(error.returncode), hint=hint) from error
        except FileNotFoundError as error:
            if Path(error.filename or "").name != _ANSWER:
                raise self._error(hook, str(error)) from error
            broken = self._error(hook, "the backend ended without a result")
            broken.exit_status = 1 if hook.startswith("get_requires") else 2  # as the reference has it
            raise broken from error
        except (ValueError, OSError) as error:
            # ValueError: a `backend-path` that leaves the tree, an answer that is no JSON.
            raise self._error(hook, str(error)) from error

    def _run(self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        import subprocess

        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.turn(), self.log.open("ab") as output:
            status = self.processes.run(
                cmd,
                cwd=cwd,
                environ={**self.environ, **(extra_environ or {})},
                output=output,
                timeout=self.timeout,
                most_output=MOST_OUTPUT,
                with_descendants=True,
            )
            if status == 0:
                _write_down_warnings(Path(cmd[-1], _ANSWER), output)
        if status != 0:
            raise subprocess.CalledProcessError(status, list(cmd))

    def _error(self, hook: str, detail: str, *, said: Sequence[str] = (), hint: str | None = None) -> BuildError:
        """Return the error of *hook*, with the end of the log, or what was *said* beside it."""
        logged = output_tail(self.log)
        tail = [_cut(line) for line in logged or said[-TAIL:]]
        failed = f"Failed to build `{self.subject}`: call to `{self.system.backend}.{hook}` failed: {detail}"
        lines = [*map(_cut, failed.split("\n")), *(f"  {line}" for line in tail)]
        log = str(self.log) if logged else None
        if log is not None:
            lines.append(f"  the whole output is in {log}")
        return BuildError("\n".join(lines), subject=self.subject, output="\n".join(tail), log=log, hint=hint)


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def _write_down_warnings(answer: Path, log: IO[bytes]) -> None:
    """Move the warnings of a hook from its *answer* to the log: its caller would raise them here, from any thread."""
    import json

    try:
        values = json.loads(answer.read_bytes())
        warnings = values.pop("warnings", None)
    except (OSError, ValueError, AttributeError):
        return
    if warnings:
        for warning in warnings:
            log.write(f"warning: {warning.get('message')}\n".encode("utf-8", "replace"))
        answer.write_text(json.dumps(values), encoding="utf-8")


def _ending(status: int) -> str:
    """Say how a process with *status* ended."""
    if status >= 0:
        return f"it ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unknown"
    return f"it was ended by signal {-status} ({name})"


def output_tail(log: Path) -> list[str]:
    """Return the last lines of a log, whatever its size, as plain text; none when there is no log.

    Colours and other commands to a terminal are left out, and of a line that was written over and over its last state
    stays.
    """
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 64 * 1024))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = _TERMINAL_COMMANDS.sub("", text).replace("\r\n", "\n").split("\n")
    plain = [_CONTROLS.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in lines]
    while plain and not plain[-1]:
        plain.pop()
    return plain[-TAIL:]
