"""Ask the engine of the host interpreter, as a subprocess.

Standard library only: this module runs inside session environments, where the engine is not.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pytest_envsync.changes import Change, Changes
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.pytest_plugin.surroundings import Surroundings

_NOT_FOR_HOST = ("ENVSYNC_SESSION", "PYTHONSAFEPATH")


class Engine:
    """The engine, as a process inside an environment reaches it; *tell* is given what a reader waits for meanwhile."""

    def __init__(self, surroundings: Surroundings, tell: Callable[[str], None] | None = None) -> None:
        self._surroundings = surroundings
        self._tell = tell

    def provision(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Provide the environment that *request* describes, and return it. Raises EnvsyncError."""
        found: dict[str, Any] = self._call(["env", "provision"], request)["environment"]
        return found

    def give_back(self, lease: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Compare, undo and release; return ``diff``, ``shared``, ``undone``, ``error`` and ``damage``.

        *values* is the environment as it was provided. What has to be fetched is fetched by the settings that it was
        provided with: those of the session, and what is ``said`` of it beyond them.
        """
        said = values.get("said") or {}
        request = self.request(values["files"], said.get("options") or {})
        if said.get("ini"):
            request["ini"] = said["ini"]
        return self._call(["env", "give-back", lease], request)

    def restore(self, path: str) -> Changes:
        """Undo what was changed in the environment at *path*."""
        return read_changes(self._call(["env", "undo"], {**self._said({}), "path": path})["changes"])

    def apply(self, path: str, files: Sequence[str], options: Mapping[str, Any]) -> Changes:
        """Make the private environment at *path* hold what *files* say."""
        request = self.request(files, options)
        request.update(path=path, link_mode=options.get("link_mode"))
        return read_changes(self._call(["env", "apply"], request)["changes"])

    def request(self, files: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what goes to the engine for *files* and the *options* of a marker or call.

        The extras and groups that the session was given are of its own files: those of a marker have theirs.
        """
        said = self._said(options)
        if list(files) != self._surroundings.files:
            said["options"] = {**_without_sets(self._surroundings.line), **options}
            said["ini"] = {**self._surroundings.ini, "options": _without_sets(self._surroundings.ini)}
        return {"files": list(files), **said}

    def _said(self, options: Mapping[str, Any]) -> dict[str, Any]:
        said = self._surroundings.line
        return {
            "cwd": self._surroundings.directory,
            "root": self._surroundings.rootdir,
            "arguments": said["arguments"],
            "options": {**said["options"], **options},
            "ini": self._surroundings.ini,
        }

    def _call(self, arguments: Sequence[str], request: Mapping[str, Any]) -> dict[str, Any]:
        given = self._surroundings
        environ = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_HOST}
        for name, value in given.host_environ.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value
        environ["ENVSYNC_CACHE_DIR"] = given.cache_dir
        # The working directory comes first on sys.path with -m: one that no test can put modules into.
        place = Path(given.cache_dir)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvsyncError(
                f"the cache directory `{place}` cannot be written: {error.strerror or error}",
                hint="name another directory with --envsync-cache-dir or ENVSYNC_CACHE_DIR",
            ) from error
        command = [given.host, "-m", "pytest_envsync", *arguments]
        status, output, said = self._run(command, json.dumps(request), environ, place)
        try:
            values = json.loads(output)
        except ValueError:
            values = {}
        if not isinstance(values, dict) or not values or isinstance(values.get("error"), dict):
            raise _failure(values, status, said)
        return values

    def _run(
        self, command: Sequence[str], request: str, environ: Mapping[str, str], place: Path
    ) -> tuple[int, str, list[str]]:
        """Run *command*; return its status, its standard output, and the lines that it said on standard error."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env=environ,
                cwd=place,
            )
        except OSError as error:
            # Not the file alone: a test may run as a user who may not enter the directories above it.
            closed = os.fspath(error.filename or command[0])
            raise EnvsyncError(
                f"the engine cannot be started: `{closed}`: {error.strerror or error}",
                hint="its interpreter and the cache must be open to the user that the tests run as",
            ) from None
        said: list[str] = []
        with process:
            listener = threading.Thread(target=self._listen, args=(process.stderr, said), daemon=True)
            listener.start()
            try:
                if process.stdin is not None:
                    # One that ends without reading says why.
                    with suppress(BrokenPipeError), process.stdin as stream:
                        stream.write(request)
                output = process.stdout.read() if process.stdout is not None else ""
                listener.join()
            except BaseException:
                process.kill()
                raise
        return process.returncode, output, said

    def _listen(self, stream: IO[str] | None, said: list[str]) -> None:
        for line in stream or ():
            said.append(line.rstrip("\n"))
            if self._tell is not None and line.startswith(_WAITING):
                self._tell(line.rstrip("\n"))


_WAITING = "waiting for process "


def _without_sets(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of *given*, but for those that choose sets of a lock."""
    return {name: value for name, value in given["options"].items() if name not in {"extras", "all_extras", "groups"}}


def _failure(values: Any, status: int, said: Sequence[str]) -> EnvsyncError:
    error = values.get("error") if isinstance(values, dict) else None
    if isinstance(error, dict):
        return EnvsyncError(str(error.get("message")), hint=error.get("hint"), exit_status=status or None)
    shown = "\n".join(said[-20:]) or f"status {status}"
    return EnvsyncError(f"the engine failed: {shown}")


def read_changes(lines: Sequence[Mapping[str, Any]]) -> Changes:
    """Return the changes that *lines*, as ``Changes.as_list`` gives them, stand for."""
    return Changes(tuple(Change(str(line["name"]), str(line["version"]), line["action"]) for line in lines))
