"""Places to install to, with a store beside them: real directories, real wheels, no interpreter of their own."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from factories import make_wheel
from pytest_envsync.changes import Changes
from pytest_envsync.distributions import Candidate, InstalledDistribution, StoredWheel
from pytest_envsync.environment.interpreter import base_of_running
from pytest_envsync.environment.journal import recover
from pytest_envsync.environment.site_packages import kept_seeds, scan
from pytest_envsync.environment.transaction import apply_plan
from pytest_envsync.plan import Plan, make_plan
from pytest_envsync.requirements import IndexSource, Source, normalize_name
from pytest_envsync.target import Target
from pytest_envsync.wheels.store.store import Store


class Ready(NamedTuple):
    """A candidate and its wheel in the store."""

    candidate: Candidate
    wheel: StoredWheel


class State(NamedTuple):
    """One entry of a tree; *content* of a link is what it points to, *time* that of a file."""

    kind: str
    mode: int
    content: bytes
    time: int


@cache
def running() -> Target:
    return base_of_running(None)


class Site:
    """An empty virtual environment, as far as directories go, and a store."""

    def __init__(self, root: Path, name: str = "env", *, cache_dir: Path | None = None) -> None:
        self.root = root
        self.prefix = root / name
        self.target = running().in_virtual_environment(str(self.prefix), python=str(self.prefix / "bin" / "python"))
        self.site_packages = Path(self.target.paths["purelib"])
        self.bin = Path(self.target.paths["scripts"])
        for directory in (self.site_packages, self.bin):
            directory.mkdir(parents=True)
        (self.prefix / "pyvenv.cfg").write_text("home = /nowhere\nuv = 1\n")
        (self.bin / "python").write_text("the interpreter\n")
        self.store = Store(cache_dir or root / "cache")
        self.built = count()

    def wheel(
        self, name: str = "demo", version: str = "1.0", *, requested: Source | None = None, **members: Any
    ) -> Ready:
        """Build a wheel and put it into the store."""
        path = make_wheel(self.root / "wheels" / str(next(self.built)), name, version, **members)
        stored = self.store.add(path, filename=path.name)
        candidate = Candidate(
            name=normalize_name(name), version=version, kind="wheel", requested=requested or IndexSource()
        )
        return Ready(candidate, stored)

    @property
    def installed(self) -> tuple[InstalledDistribution, ...]:
        return scan(self.target).distributions

    @property
    def versions(self) -> dict[str, str]:
        return {distribution.name: distribution.version for distribution in self.installed}

    def plan(self, *wanted: Ready, **options: Any) -> Plan:
        return make_plan(
            [ready.candidate for ready in wanted],
            self.installed,
            target=self.target,
            keep_seeds=kept_seeds(self.target),
            **options,
        )

    def sync(self, *wanted: Ready, reinstall: bool = False, durable: bool = False, **options: Any) -> Changes:
        """Make the environment hold exactly *wanted*; nothing waits for the disk unless *durable* says so."""
        recover(self.target)
        wheels = {ready.candidate.name: ready for ready in wanted}
        plan = self.plan(*wanted, reinstall=reinstall)
        return apply_plan(plan, wheels, target=self.target, store=self.store, durable=durable, **options)

    def files(self) -> list[str]:
        """The files below the prefix, but for what was there at the beginning."""
        found = [path.relative_to(self.prefix).as_posix() for path in self.prefix.rglob("*") if not path.is_dir()]
        return sorted(set(found) - {"pyvenv.cfg", "bin/python"})

    def below(self) -> list[str]:
        """The files below site-packages that belong to no dist-info."""
        files = (path.relative_to(self.site_packages) for path in self.site_packages.rglob("*") if not path.is_dir())
        return sorted(path.as_posix() for path in files if not path.parts[0].endswith(".dist-info"))

    def tree(self) -> dict[str, State]:
        return tree(self.prefix)


def tree(root: Path) -> dict[str, State]:
    """Everything below *root*, for comparison: directories without their times."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            path = Path(directory, name)
            status = path.lstat()
            mode = stat.S_IMODE(status.st_mode)
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                found[relative] = State("link", 0, os.fsencode(path.readlink()), 0)
            elif path.is_dir():
                found[relative] = State("directory", mode, b"", 0)
            else:
                found[relative] = State("file", mode, path.read_bytes(), status.st_mtime_ns)
    return found


def contents(states: dict[str, State]) -> dict[str, tuple[str, int, bytes]]:
    """A tree without times: two environments that were filled at different moments."""
    return {path: state[:3] for path, state in states.items()}


def in_child(act: Callable[[], object]) -> int:
    """Run *act* in a child process and return its status: negative for a signal, 0, or 1 for an exception."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def names(distributions: Iterable[InstalledDistribution]) -> list[str]:
    return [distribution.name for distribution in distributions]
