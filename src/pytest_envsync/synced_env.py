"""An environment as tests see it: where it is, what it holds, how to run something in it.

Standard library only: this module runs inside session environments. What needs the engine is
asked of the host's through ``EngineCalls``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_envsync.errors import EnvsyncError
from pytest_envsync.foreign_variables import FOREIGN
from pytest_envsync.patterns import pattern
from pytest_envsync.true_paths import settled

if TYPE_CHECKING:
    from pytest_envsync.changes import Changes
    from pytest_envsync.diff import Diff

TAIL = 40
"""How many lines of each stream a failed command shows."""

_DROPPED = (*FOREIGN, "PYTHONPATH", "ENVSYNC_SESSION")
_DIST_INFO = pattern(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.(?:dist|egg)-info")


_NOT_FOR_PRIVATE = frozenset({
    "dry_run", "check", "venv", "system", "break_system_packages", "target", "prefix", "python", "output_format",
})  # fmt: skip
"""Options of ``envsync sync`` that mean nothing for an environment that is there."""


class EngineCalls(Protocol):
    """What an environment asks of the engine."""

    def restore(self, path: str) -> Changes:
        """Undo what was changed in the environment at *path*."""

    def apply(self, path: str, files: Sequence[str], options: Mapping[str, Any]) -> Changes:
        """Make the private environment at *path* hold what *files* say."""


class CommandFailed(subprocess.CalledProcessError):
    """A command that ended with another status than 0; shows the end of what it printed."""

    def __str__(self) -> str:
        """Return the status and the last lines of both streams."""
        command = " ".join(map(str, self.cmd)) if isinstance(self.cmd, (list, tuple)) else str(self.cmd)
        ended = f"was ended by signal {-self.returncode}" if self.returncode < 0 else f"ended with {self.returncode}"
        lines = [f"`{command}` {ended}"]
        for name, text in (("stdout", self.stdout), ("stderr", self.stderr)):
            found = (text or "").splitlines()
            cut = f", last {TAIL} of {len(found)} lines" if len(found) > TAIL else ""
            lines += [f"--- {name}{cut}", *found[-TAIL:]] if found else []
        return "\n".join(lines)


class SyncedEnv:
    """An environment that holds exactly what its lockfiles say.

    A shared one must not be changed by tests; what they change all the same is undone. A private
    one is a copy of its own, gone after the test.
    """

    def __init__(self, values: Mapping[str, Any], engine: EngineCalls, *, is_private: bool = False) -> None:
        self._values = dict(values)
        self._engine = engine
        self.is_private = is_private

    def __repr__(self) -> str:
        """Show key and place."""
        kind = "private, " if self.is_private else ""
        return f"<SyncedEnv {kind}{self.key[:10]} at {self.path}>"

    @property
    def path(self) -> Path:
        """The root of the environment."""
        return Path(self._values["path"])

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return Path(self._values["python"])

    @property
    def bin(self) -> Path:
        """The directory of its commands."""
        return Path(self._values["bin"])

    @property
    def site_packages(self) -> Path:
        """The directory that distributions are installed in."""
        return Path(self._values["site_packages"])

    @property
    def version(self) -> str:
        """The version of its interpreter, ``3.12.1``."""
        return str(self._values["version"])

    @property
    def key(self) -> str:
        """What names its content: equal keys are equal environments."""
        return str(self._values["key"])

    @property
    def files(self) -> tuple[Path, ...]:
        """The lockfiles that it was made of."""
        return tuple(Path(file) for file in self._values["files"])

    @property
    def created(self) -> bool:
        """Whether it was made in this session."""
        return bool(self._values["created"])

    @property
    def packages(self) -> dict[str, str]:
        """Normalised names and versions of the distributions in it, sorted."""
        if self.is_private:
            return _installed(self.site_packages)
        return dict(sorted(self._values["packages"].items()))

    @property
    def environ(self) -> dict[str, str]:
        """The variables for a process in it: those of now, without what leads elsewhere."""
        found = {
            name: value for name, value in os.environ.items() if name not in _DROPPED and not name.startswith("PYTEST_")
        }
        path = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if not _is_ours(entry)]
        found["PATH"] = os.pathsep.join([str(self.bin), *path])
        found["VIRTUAL_ENV"] = str(self.path)
        found["PYTHONNOUSERSITE"] = "1"
        return found

    def run(
        self,
        *argv: str | os.PathLike[str],
        check: bool = True,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - the word of subprocess.run
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return what it printed, as text.

        A name without a directory is looked for in ``bin`` first. *env* is put on top of ``environ``;
        *timeout* is in seconds. With *check*, another status than 0 raises CommandFailed.
        """
        __tracebackhide__ = True
        if not argv:
            raise EnvsyncError("`run` was given no command", hint="as in `synced_env.run('python', '-c', 'pass')`")
        environ = {**self.environ, **(env or {})}
        command = [os.fspath(part) for part in argv]
        command[0] = self._find(command[0], environ)
        result = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=environ,
            input=input,
            timeout=timeout,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if check and result.returncode:
            raise CommandFailed(result.returncode, command, result.stdout, result.stderr)
        return result

    def _find(self, name: str, environ: Mapping[str, str]) -> str:
        from shutil import which

        if os.path.dirname(name):  # noqa: PTH120 - plain text
            return name
        found = which(name, path=str(self.bin)) or which(name, path=environ.get("PATH"))
        if found is None:
            raise FileNotFoundError(f"there is no command `{name}` in {self.bin} or on PATH")
        return found

    def diff(self) -> Diff:
        """Return what differs from what it was when it was made."""
        from pytest_envsync.diff import compare, load_snapshot, sweep_rewritten

        snapshot = load_snapshot(self._values["snapshot"])
        found = compare(self.path, snapshot)
        return found.less(sweep_rewritten(self.path, snapshot, found.files.added))

    def restore(self) -> Changes:
        """Undo what was changed in it, and return that."""
        return self._engine.restore(str(self.path))

    def sync(self, *files: str | os.PathLike[str], **sync_options: Any) -> Changes:
        """Make a private environment hold what *files* say, and return what changed.

        Relative files are relative to the working directory. Raises EnvsyncError for a shared one.
        """
        __tracebackhide__ = True
        if not self.is_private:
            raise EnvsyncError(
                "a shared environment is not synced by a test",
                hint="ask for one of its own: envsync(..., private=True)",
            )
        for name in _NOT_FOR_PRIVATE.intersection(sync_options):
            raise EnvsyncError(
                f"`{name}` is no option of `sync` here: it makes this environment hold what the files say",
                hint="`diff()` tells what differs; another place is another environment",
            )
        names = [os.fspath(file) for file in files]
        here = os.getcwd()  # noqa: PTH109 - plain text
        paths = [name if "://" in name else settled(os.path.join(here, name)) for name in names]  # noqa: PTH118 - as above
        return self._engine.apply(str(self.path), paths, sync_options)


def _is_ours(entry: str) -> bool:
    """Whether a directory on PATH belongs to the environment of the running session, or to its overlay."""
    if not os.environ.get("ENVSYNC_SESSION"):
        return False
    above = os.path.dirname(entry)  # noqa: PTH120 - plain text
    return above == os.environ.get("VIRTUAL_ENV") or os.path.isfile(f"{above}/enter.py")  # noqa: PTH113 - plain text


def _installed(site_packages: Path) -> dict[str, str]:
    found = {}
    for entry in sorted(os.listdir(site_packages)):  # noqa: PTH208 - names are all that is wanted
        match = _DIST_INFO.fullmatch(entry)
        if match:
            found[re.sub(r"[-_.]+", "-", match["name"]).lower()] = match["version"]
    return dict(sorted(found.items()))
