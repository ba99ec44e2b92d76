"""The work that is timed: each case gives contestants, ours first, the reference second."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Contestant
from peers import Bench  # noqa: TC002 - a dataclass field

TRIVIAL = "def test_nothing():\n    assert True\n"
EVERYTHING = '''"""Import every module of the environment, two levels deep."""
import importlib, importlib.metadata, pkgutil, sys, warnings

SKIP = {"__main__", "conftest", "tests", "test", "testing", "setup"}


def names():
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            parts = file.parts
            if file.suffix != ".py" or len(parts) > 3 or not all(p.removesuffix(".py").isidentifier() for p in parts):
                continue
            modules = [p.removesuffix(".py") for p in parts]
            if modules[-1] == "__init__":
                modules.pop()
            if modules and not SKIP & set(modules) and not any(m.startswith("_") for m in modules[1:]):
                yield ".".join(modules)


def test_import_everything():
    warnings.simplefilter("ignore")
    done = 0
    for name in sorted(set(names())):
        try:
            importlib.import_module(name)
            done += 1
        except BaseException:
            pass
    assert done > 20
'''


@dataclass(frozen=True, kw_only=True)
class Work:
    """One lock on the bench: its file, and a directory of its own."""

    bench: Bench
    lock: Path
    place: Path

    @property
    def envsync_cache(self) -> Path:
        """The cache of our own."""
        return Path(self.bench.environ["ENVSYNC_CACHE_DIR"])

    @property
    def uv_cache(self) -> Path:
        """The cache of the reference."""
        return Path(self.bench.environ["UV_CACHE_DIR"])

    def project(self, name: str, test: str) -> Path:
        """Return a directory with one test file and an empty ini file."""
        directory = self.place / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "test_it.py").write_text(test)
        (directory / "pytest.ini").write_text("[pytest]\n")
        return directory

    def remove(self, *names: str) -> Callable[[], None]:
        """Return an act that removes directories below the place of this work."""

        def act() -> None:
            for name in names:
                shutil.rmtree(self.place / name, ignore_errors=True)

        return act


def _uv_venv(work: Work, name: str) -> list[list[str]]:
    place = str(work.place / name)
    return [
        [work.bench.tool("uv"), "venv", "-q", "-p", work.bench.python, place],
        [work.bench.tool("uv"), "pip", "sync", "-q", "-p", place, str(work.lock)],
    ]


def fresh(work: Work) -> list[Contestant]:
    """Make a fresh environment from a warm store, with hard links."""
    ours = [work.bench.ours("envsync"), "sync", "-q", "-p", work.bench.python, "--link-mode", "hardlink",
            "--venv", str(work.place / "ours"), str(work.lock)]  # fmt: skip
    return [
        Contestant(name="envsync sync --venv", setup=work.remove("ours"), commands=[ours]),
        Contestant(name="uv venv && uv pip sync", setup=work.remove("uv"), commands=_uv_venv(work, "uv")),
    ]


def unchanged(work: Work) -> list[Contestant]:
    """Sync an environment that is as the lock says."""
    for contestant in fresh(work):
        contestant.setup()
        for command in contestant.commands:
            subprocess.run(command, check=True, env=dict(work.bench.environ))
    return [
        Contestant(
            name="envsync sync",
            commands=[[work.bench.ours("envsync"), "sync", "-p", str(work.place / "ours"), str(work.lock)]],
        ),
        Contestant(
            name="uv pip sync",
            commands=[[work.bench.tool("uv"), "pip", "sync", "-p", str(work.place / "uv"), str(work.lock)]],
        ),
    ]


def one_changed(work: Work) -> list[Contestant]:
    """Change one pin of the set and sync the old environment."""
    text = work.lock.read_text()
    old = work.place / "without.txt"
    # The set without one distribution: syncing to the whole set again is one change.
    old.write_text(re.sub(r"(?ms)^iniconfig==.*?(?=^\S)", "", text))

    def back(*command: str) -> Callable[[], None]:
        def act() -> None:
            subprocess.run(command, check=True, env=dict(work.bench.environ), capture_output=True)

        return act

    ours = [work.bench.ours("envsync"), "sync", "-q", "-p", str(work.place / "ours")]
    uv = [work.bench.tool("uv"), "pip", "sync", "-q", "-p", str(work.place / "uv")]
    return [
        Contestant(name="envsync sync", setup=back(*ours, str(old)), commands=[[*ours, str(work.lock)]]),
        Contestant(name="uv pip sync", setup=back(*uv, str(old)), commands=[[*uv, str(work.lock)]]),
    ]


def cold(work: Work) -> list[Contestant]:
    """Make a fresh environment with an empty store, from the local index."""
    contestants = fresh(work)

    def clear(cache: Path, name: str) -> Callable[[], None]:
        def act() -> None:
            for place in (cache, work.place / name):
                shutil.rmtree(place, ignore_errors=True)
            cache.mkdir(parents=True)

        return act

    ours, uv = work.bench.root / "cold-envsync", work.bench.root / "cold-uv"
    return [
        Contestant(
            name=contestants[0].name,
            setup=clear(ours, "ours"),
            commands=contestants[0].commands,
            environ={"ENVSYNC_CACHE_DIR": str(ours)},
        ),
        Contestant(
            name=contestants[1].name,
            setup=clear(uv, "uv"),
            commands=contestants[1].commands,
            environ={"UV_CACHE_DIR": str(uv)},
        ),
    ]


def _session(work: Work, project: Path, *, setup: Callable[[], None] = lambda: None) -> Contestant:
    return Contestant(
        name="pytest --envsync",
        setup=setup,
        commands=[[work.bench.ours("pytest"), "-q", f"--envsync={work.lock}", f"--envsync-python={work.bench.python}"]],
        cwd=project,
    )


def _uv_session(work: Work, project: Path) -> Contestant:
    commands = _uv_venv(work, "uv")
    return Contestant(
        name="uv venv && uv pip sync && pytest",
        setup=work.remove("uv"),
        commands=[*commands, [str(work.place / "uv/bin/python"), "-m", "pytest", "-q"]],
        cwd=project,
    )


def first_test(work: Work) -> list[Contestant]:
    """Time to the first test passing in a fresh environment, everything imported, warm store."""
    project = work.project("everything", EVERYTHING)

    def forget() -> None:
        # The environments go; the store with its bytecode stays, and the note that it was looked after today.
        for key in (work.envsync_cache / "environments").glob("*/"):
            shutil.rmtree(key, ignore_errors=True)

    return [_session(work, project, setup=forget), _uv_session(work, project)]


def cached_session(work: Work) -> list[Contestant]:
    """Run one trivial test: ours on its cached environment, the reference made anew."""
    project = work.project("trivial", TRIVIAL)
    return [_session(work, project), _uv_session(work, project)]


def session_overhead(work: Work) -> list[Contestant]:
    """Start a session on a cached environment, plain pytest in it, and one start of the host's pytest."""
    project = work.project("trivial", TRIVIAL)
    inside = _environment_python(work)
    return [
        _session(work, project),
        Contestant(name="plain pytest in the environment", commands=[[inside, "-m", "pytest", "-q"]], cwd=project),
        Contestant(name="the host's pytest", commands=[[work.bench.ours("pytest"), "-q"]], cwd=project),
    ]


def _environment_python(work: Work) -> str:
    answer = subprocess.run(
        [work.bench.ours("envsync"), "env", "path", "--create", "-p", work.bench.python, "--output-format", "json",
         str(work.lock)],
        check=True, capture_output=True, text=True, env=dict(work.bench.environ),
    )  # fmt: skip
    return str(Path(json.loads(answer.stdout)["path"]) / "bin" / "python")


def run_command(work: Work) -> list[Contestant]:
    """``envsync run LOCK -- pytest`` against plain pytest, tox and nox that reuse their own."""
    project = work.project("trivial", TRIVIAL)
    (project / "tox.ini").write_text(
        f"[tox]\nskipsdist = true\nenv_list = e\n[testenv]\nbase_python = {work.bench.python}\n"
        f"deps = -r {work.lock}\ncommands = pytest -q\n"
    )
    (project / "noxfile.py").write_text(
        "import nox\n\n@nox.session(reuse_venv=True)\ndef e(session):\n"
        f"    session.install('-q', '-r', {str(work.lock)!r})\n    session.run('pytest', '-q')\n"
    )
    inside = _environment_python(work)
    pip = {"PIP_INDEX_URL": work.bench.environ["UV_DEFAULT_INDEX"]}
    return [
        Contestant(
            name="envsync run -- pytest",
            commands=[
                [work.bench.ours("envsync"), "run", "-p", work.bench.python, str(work.lock), "--", "pytest", "-q"]
            ],
            cwd=project,
        ),
        Contestant(name="plain pytest in the environment", commands=[[inside, "-m", "pytest", "-q"]], cwd=project),
        Contestant(name="tox, reusing", commands=[[work.bench.tool("tox"), "-q", "-e", "e"]], cwd=project, environ=pip),
        Contestant(name="nox, reusing", commands=[[work.bench.tool("nox"), "-s", "e"]], cwd=project, environ=pip),
    ]


def plugin_unused(work: Work) -> list[Contestant]:
    """Start pytest with the plugin installed but not used, and with the plugin blocked."""
    project = work.project("trivial", TRIVIAL)
    return [
        Contestant(name="pytest, plugin unused", commands=[[work.bench.ours("pytest"), "-q"]], cwd=project),
        Contestant(
            name="pytest -p no:envsync", commands=[[work.bench.ours("pytest"), "-q", "-p", "no:envsync"]], cwd=project
        ),
    ]


def matrix(bench: Bench, locks: Sequence[Path], place: Path) -> list[Contestant]:
    """Run one trivial test in an environment of each of *locks*: ours with two workers, tox all at once; both reuse."""
    project = place / "matrix"
    project.mkdir(parents=True, exist_ok=True)
    (project / "test_it.py").write_text(TRIVIAL)
    (project / "pytest.ini").write_text("[pytest]\n")
    names = [lock.stem for lock in locks]
    (project / "tox.ini").write_text(
        f"[tox]\nskipsdist = true\nenv_list = {', '.join(names)}\n[testenv]\nbase_python = {bench.python}\n"
        "commands = pytest -q\n" + "".join(f"[testenv:{lock.stem}]\ndeps = -r {lock}\n" for lock in locks)
    )
    asked = [f"--envsync={lock}" for lock in locks]
    return [
        Contestant(
            name=f"pytest -n 2, {len(locks)} locks",
            commands=[[bench.ours("pytest"), "-q", "-n", "2", *asked, f"--envsync-python={bench.python}"]],
            cwd=project,
        ),
        Contestant(
            name=f"tox -p, {len(locks)} locks",
            commands=[[bench.tool("tox"), "-q", "-p"]],
            cwd=project,
            environ={"PIP_INDEX_URL": bench.environ["UV_DEFAULT_INDEX"]},
        ),
    ]


MATRIX_GOAL = 0.5
"""For the ratio of ours to tox's; the case is one of all locks together."""

COMPARISON = """
import os, sys, time
from pytest_envsync.diff import compare, load_snapshot

prefix, snapshot = sys.argv[1:3]

def bare(path):
    count = 0
    with os.scandir(path) as entries:
        for entry in entries:
            entry.stat(follow_symlinks=False)
            count += 1
            if entry.is_dir(follow_symlinks=False):
                count += bare(entry.path)
    return count

best = {"bare": 9e9, "compare": 9e9}
for _ in range(7):
    began = time.perf_counter()
    count = bare(prefix)
    between = time.perf_counter()
    diff = compare(prefix, load_snapshot(snapshot))
    best["compare"] = min(best["compare"], time.perf_counter() - between)
    best["bare"] = min(best["bare"], between - began)
assert not diff, str(diff)
print(count, best["bare"], best["compare"])
"""


def comparison(work: Work) -> tuple[int, float, float]:
    """Return entries, seconds of a bare scandir-and-stat, and seconds of a comparison, of the cached environment."""
    inside = Path(_environment_python(work)).parent.parent
    snapshot = inside.with_name(f"{inside.name}.snapshot")
    answer = subprocess.run(
        [work.bench.ours("python"), "-c", COMPARISON, str(inside), str(snapshot)],
        check=True, capture_output=True, text=True, env=dict(work.bench.environ),
    )  # fmt: skip
    count, bare, compared = answer.stdout.split()
    return int(count), float(bare), float(compared)


CASES: Mapping[str, tuple[Callable[[Work], list[Contestant]], float | None]] = {
    "first_test": (first_test, 0.4),
    "cached_session": (cached_session, 0.5),
    "fresh": (fresh, 0.8),
    "unchanged": (unchanged, 1.0),
    "one_changed": (one_changed, 1.0),
    "cold": (cold, 1.0),
    "run_command": (run_command, 1.25),
    "session_overhead": (session_overhead, None),
    "plugin_unused": (plugin_unused, None),
}
"""Case to what it times and the goal for the ratio of ours to the first of the others."""

assert sys.version_info >= (3, 10)
