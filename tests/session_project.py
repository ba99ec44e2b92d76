"""A project on disk whose tests are run by real pytest processes, offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from factories import Content, make_wheel, sha256, write_tree

PYTEST: tuple[str, ...] = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
if sys.version_info < (3, 11):
    PYTEST = (*PYTEST, "exceptiongroup", "tomli", "typing-extensions")
"""pytest and what it needs on this Python."""

OUTCOME = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed|xpassed|deselected|rerun|warnings?)")


class Run(subprocess.CompletedProcess[str]):
    """A finished pytest; ``out`` is what it printed on both streams."""

    @property
    def out(self) -> str:
        return self.stdout + self.stderr

    @property
    def outcomes(self) -> dict[str, int]:
        """The counts of the last line of the terminal report."""
        lines = [line for line in self.stdout.splitlines() if OUTCOME.search(line) and " in " in line]
        found = OUTCOME.findall(lines[-1]) if lines else []
        return {name.removesuffix("s") if name.startswith(("error", "warn")) else name: int(n) for n, name in found}

    def header(self) -> list[str]:
        """The lines of the header that are ours."""
        return [line.removeprefix("envsync: ") for line in self.stdout.splitlines() if line.startswith("envsync: ")]


def repack(directory: Path, name: str, version: str | None = None) -> Path:
    """Make a wheel of a pure distribution that is installed here, with another *version* if one is given."""
    found = distribution(name)
    files: dict[str, Content] = {}
    for file in found.files or ():
        path = file.as_posix()
        if not path.startswith("..") and ".dist-info/" not in path and not path.endswith(".pyc"):
            files[path] = Path(str(found.locate_file(file))).read_bytes()
    entry_points: dict[str, dict[str, str]] = {}
    for entry in found.entry_points:
        entry_points.setdefault(entry.group, {})[entry.name] = entry.value
    metadata = (found.read_text("METADATA") or "").replace(
        f"\nVersion: {found.version}\n", f"\nVersion: {version or found.version}\n"
    )
    return make_wheel(
        directory,
        found.metadata["Name"],
        version or found.version,
        files=files,
        metadata=metadata,
        entry_points=entry_points,
    )


class SessionProject:
    """A directory with tests, lockfiles and wheels."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "project"
        self.wheels = directory / "wheels"
        self.path.mkdir()
        self.wheels.mkdir(exist_ok=True)
        self.write({"pytest.ini": "[pytest]\n"})

    def write(self, files: Mapping[str, Content]) -> None:
        """Write files below the project."""
        write_tree(self.path, files)

    def wheel(self, name: str, version: str = "1.0", **values: Any) -> Path:
        """Make a wheel that locks may name."""
        return make_wheel(self.wheels, name, version, **values)

    def repacked(self, *names: str) -> list[Path]:
        """Make wheels of distributions that are installed here."""
        return [repack(self.wheels, name) for name in names]

    def lock(self, name: str = "requirements.lock", *wheels: Path, pins: Sequence[str] = ()) -> Path:
        """Write a lockfile that pins the *wheels* with their hashes; *pins* are lines as they are."""
        rows = [f"{w.name.split('-')[0]}=={w.name.split('-')[1]} --hash=sha256:{sha256(w)}\n" for w in wheels]
        self.write({name: "".join(rows) + "".join(f"{pin}\n" for pin in pins)})
        return self.path / name

    def offline(self) -> list[str]:
        """The options that make the wheels of this project all there is."""
        return ["--envsync-option=--no-index", f"--envsync-option=--find-links={self.wheels}"]

    def pytest(
        self,
        *args: str | os.PathLike[str],
        python: str = sys.executable,
        module: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str | None = None,  # noqa: A002 - the word of subprocess.run
        flags: Sequence[str] = (),
    ) -> Run:
        """Run pytest in the project, with its wheels as the only ones there are."""
        command = [python, *flags, *(["-m", "pytest"] if module else [str(Path(python).parent / "pytest")])]
        return self.run(*command, "-p", "no:cacheprovider", *self.offline(), *args, env=env, cwd=cwd, input=input)

    def run(
        self,
        *argv: str | os.PathLike[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str | None = None,  # noqa: A002 - as above
    ) -> Run:
        """Run a command in the project."""
        environ = {**os.environ, "COLUMNS": "120", **(env or {})}
        result = subprocess.run(
            [os.fspath(part) for part in argv],
            cwd=cwd or self.path,
            env=environ,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return Run(result.args, result.returncode, result.stdout, result.stderr)

    def report(self, name: str = "report.json") -> dict[str, Any]:
        """Read a JSON report."""
        values: dict[str, Any] = json.loads((self.path / name).read_text())
        return values


def other_interpreter() -> Path:
    """Another minor version of Python than the one that runs this; the test is skipped without one."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for minor in ("3.12", "3.13", "3.11", "3.10"):
        for path in Path(sys.base_prefix).parent.glob(f"{minor}.*/bin/python{minor}"):
            if minor != own:
                return path
    for directory in os.environ["PATH"].split(os.pathsep):
        for minor in ("3.12", "3.13", "3.11", "3.10"):
            path = Path(directory, f"python{minor}")
            if minor != own and path.exists():
                found = subprocess.run([path, "-c", "import venv"], check=False, capture_output=True)
                if found.returncode == 0:
                    return path
    return pytest.skip("there is one interpreter here")


def cached_environments(cache_dir: Path) -> list[Path]:
    """The prefixes of all generations in a cache."""
    return sorted(path.parent for path in cache_dir.glob("environments/*/*/pyvenv.cfg"))


def leases(cache_dir: Path) -> list[str]:
    """The names of all leases in a cache."""
    return sorted(path.name for path in cache_dir.glob("environments/*/leases/*"))
