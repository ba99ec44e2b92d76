"""One empty environment, one cache, and source trees to fill it with: what every test of builds starts from."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from factories import Content, project_files, setuptools_free_backend, write_tree
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.sync import SyncOutcome, sync_environment


@cache
def bare_environment() -> Path:
    """A virtual environment to copy; it is made once."""
    root = Path(tempfile.mkdtemp(prefix="envsync-tests-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "venv"], check=True, capture_output=True)
    return root / "venv"


class Builds(SilentReporter):
    """Keeps what was built."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    def built(self, subject: str) -> None:
        """Keep *subject*."""
        self.subjects.append(subject)


class World:
    """An empty environment at ``venv`` below *root*, and the cache of this test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = Path(os.environ["ENVSYNC_CACHE_DIR"])
        self.prefix = root / "venv"
        self.built: list[str] = []
        shutil.copytree(bare_environment(), self.prefix, symlinks=True)
        for name in ("interpreters", "templates"):
            if (known := bare_environment().parent / name).is_dir() and not (self.cache / name).exists():
                shutil.copytree(known, self.cache / name)

    def tree(self, name: str = "demo", version: str = "1.0", *, extra: Mapping[str, Content] | None = None) -> Path:
        """Write a project whose backend is in the tree; *extra* replaces or adds files."""
        return write_tree(self.root / name, project_files(name, version, extra=extra))

    def broken(self, body: str, name: str = "demo") -> Path:
        """Write a project with a backend whose last words are *body*, so that it may replace hooks."""
        return self.tree(name, extra={"backend.py": setuptools_free_backend(name, "1.0") + body})

    def sync(
        self, *lines: str, files: tuple[str, ...] = (), environ: Mapping[str, str] | None = None, **options: Any
    ) -> SyncOutcome:
        """Make the environment hold what *lines* say, or *files*; ``built`` holds what that took."""
        if not files:
            (self.root / "requirements.txt").write_text("\n".join(lines) + "\n")
            files = ("requirements.txt",)
        reporter = Builds()
        given: dict[str, Any] = {"python": str(self.prefix), "no_index": True, **options}
        try:
            return sync_environment(
                files,
                options=SyncOptions(**given),
                cwd=str(self.root),
                environ={**os.environ, **(environ or {})},
                reporter=reporter,
            )
        finally:
            self.built = reporter.subjects
            for name in ("interpreters", "templates"):
                # What is known of the interpreter is the same for every cache, and takes its time.
                if (found := self.cache / name).is_dir() and not (bare_environment().parent / name).exists():
                    shutil.copytree(found, bare_environment().parent / name)

    def refused(self, *lines: str, **options: Any) -> EnvsyncError:
        """The error that syncing *lines* ends with; it left the environment and the cache's private places alone."""
        before = self.files()
        error: EnvsyncError | None = None
        try:
            self.sync(*lines, **options)
        except EnvsyncError as raised:
            error = raised
        assert error is not None, "nothing was refused"
        assert self.files() == before
        assert self.leftovers() == []
        return error

    @property
    def site(self) -> Path:
        """The site-packages of the environment."""
        return next(iter(self.prefix.glob("lib/python*/site-packages")))

    def installed(self) -> dict[str, str]:
        """Names and versions, by the directories of their metadata."""
        found = [path.name.removesuffix(".dist-info") for path in self.prefix.glob("lib/python*/*/*.dist-info")]
        return dict(name.split("-") for name in sorted(found))  # one dash in each

    def note(self, name: str, filename: str) -> str:
        """A file of the metadata of *name*."""
        return next(iter(self.site.glob(f"{name}-*.dist-info/{filename}"))).read_text()

    def files(self) -> dict[str, int]:
        """Every file of the environment and its inode; another inode is another file."""
        return {
            str(path.relative_to(self.prefix)): path.stat().st_ino
            for path in sorted(self.prefix.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def leftovers(self) -> list[str]:
        """What lies in the private directories of the cache."""
        return sorted(str(path) for path in self.cache.glob("wheels/.new/*"))

    def run(self, code: str) -> str:
        """What *code* prints in the environment."""
        python = self.prefix / "bin" / "python"
        return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def git(repository: Path, *arguments: str) -> str:
    """Run git in *repository* with an identity of its own and return what it printed."""
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.invalid", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


def make_repository(root: Path, files: Mapping[str, Content]) -> Path:
    """Make a repository at *root* with one commit on ``main`` that holds *files*."""
    write_tree(root, files)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root, "first")
    return root


def commit(repository: Path, message: str) -> str:
    """Commit whatever changed and return the commit's id."""
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", message)
    return git(repository, "rev-parse", "HEAD")


def touch(path: Path) -> None:
    """Touch *path* in such a way that its inode's time is another one for certain."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        os.utime(path)
