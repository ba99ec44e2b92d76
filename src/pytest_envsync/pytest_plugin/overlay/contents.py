"""Finish what an overlay holds on disk: compiled, closed to writing, and noted in its manifest (``sealed``).

Overlays are shared by all environments and no session gives one back, so bytecode counts like everything else: it is
there from the start, and what a session wrote is dropped before the next one could run it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.sealed import files, write_manifest
from pytest_envsync.snapshot import CACHE

if TYPE_CHECKING:
    from pytest_envsync.target import Target


def seal(made: Path, *, final: Path, target: Target) -> None:
    """Compile what lacks bytecode, close every file to writing, and write the manifest.

    *made* is the overlay while it is being made, *final* where it will be: that path stands in its code.
    """
    _compile(made, final, target)
    _rewrite(made, target)
    if os.name != "nt":
        for path, status in files(made):
            (made / path).chmod(0o555 if status.st_mode & stat.S_IXUSR else 0o444)
        for directory, _, _ in os.walk(made):
            Path(directory).chmod(0o755)
    write_manifest(made)


def _compile(made: Path, final: Path, target: Target) -> None:
    from tempfile import TemporaryDirectory

    from pytest_envsync.environments.compiling import Job, compile_modules

    jobs = []
    for path, _ in files(made):
        if path.startswith("site/") and path.endswith(".py"):
            directory, _, name = path.rpartition("/")
            compiled = made / directory / CACHE / f"{name[:-3]}.{target.cache_tag}.pyc"
            if not compiled.exists():
                jobs.append(Job(str(made / path), str(final / path), str(compiled), 0))
    if jobs:
        with TemporaryDirectory(prefix="envsync-") as scratch:
            compile_modules(target.python, jobs, scratch=scratch, environ=os.environ)


def _rewrite(made: Path, target: Target) -> None:
    """Keep what pytest makes of the modules of plugins: each session would rewrite their assertions again.

    Only where the overlay's own pytest can do it, and by a release whose files do not hold the path of the source.
    """
    from importlib.metadata import distributions
    from tempfile import TemporaryDirectory

    from pytest_envsync.environments.rewriting import rewrite_sources
    from pytest_envsync.errors import EnvsyncError

    site = made / "site"
    held = {found.metadata["Name"]: found for found in distributions(path=[str(site)])}
    if "pytest" not in held:
        return
    ending = f".{target.cache_tag}-pytest-{held['pytest'].version}.pyc"
    jobs = []
    for found in held.values():
        if any(entry.group == "pytest11" for entry in found.entry_points):
            sources = [site / path for path in found.files or () if path.suffix == ".py" and ".." not in path.parts]
            jobs += [(str(path), str(path.parent / CACHE / f"{path.stem}{ending}")) for path in sources]
    if not jobs:
        return
    with TemporaryDirectory(prefix="envsync-") as scratch:
        try:
            if rewrite_sources(jobs, python=target.python, paths=[str(site)], scratch=scratch, environ=os.environ):
                return
        except EnvsyncError:
            pass  # a part of pytest is in the lock: sessions rewrite, as anywhere
    for _, place in jobs:
        Path(place).unlink(missing_ok=True)
