"""What an overlay holds on disk: sealed when it was made, compared before each use.

Overlays are shared by all environments and no session gives one back, so bytecode counts like everything else: it is
there from the start, and what a session wrote is dropped before the next one could run it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_envsync.target import Target

_MANIFEST = "manifest.json"
_CACHE = "__pycache__"


def seal(made: Path, *, final: Path, target: Target) -> None:
    """Compile what lacks bytecode, close every file to writing, and write the manifest.

    *made* is the overlay while it is being made, *final* where it will be: that path stands in its code.
    """
    _compile(made, final, target)
    if os.name != "nt":
        for path, status in _files(made):
            (made / path).chmod(0o555 if status.st_mode & stat.S_IXUSR else 0o444)
        for directory, _, _ in os.walk(made):
            Path(directory).chmod(0o755)
    (made / _MANIFEST).write_text(json.dumps(_rows(made)), encoding="utf-8")


def is_sound(place: Path) -> bool:
    """Whether the overlay at *place* is what it was made as, less the bytecode that sessions wrote, which goes now."""
    try:
        manifest = json.loads((place / _MANIFEST).read_bytes())
        found = _rows(place)
        for path in found.keys() - manifest.keys():
            if Path(path).parent.name == _CACHE:
                (place / path).unlink()
                del found[path]
        return bool(manifest == found)
    except (OSError, ValueError, AttributeError):
        return False


def _rows(place: Path) -> dict[str, list[int]]:
    """Return size, modification time in ns and mode of every file but the manifest."""
    return {path: [found.st_size, found.st_mtime_ns, found.st_mode] for path, found in _files(place)}


def _files(place: Path) -> Iterator[tuple[str, os.stat_result]]:
    pending = [""]
    while pending:
        below = pending.pop()
        with os.scandir(place / below) as entries:
            for entry in entries:
                path = f"{below}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path + "/")
                elif path != _MANIFEST:
                    yield path, entry.stat(follow_symlinks=False)


def _compile(made: Path, final: Path, target: Target) -> None:
    from tempfile import TemporaryDirectory

    from pytest_envsync.environments.compiling import Job, compile_modules

    jobs = []
    for path, _ in _files(made):
        if path.startswith("site/") and path.endswith(".py"):
            directory, _, name = path.rpartition("/")
            compiled = made / directory / _CACHE / f"{name[:-3]}.{target.cache_tag}.pyc"
            if not compiled.exists():
                jobs.append(Job(str(made / path), str(final / path), str(compiled), 0))
    if jobs:
        with TemporaryDirectory(prefix="envsync-") as scratch:
            compile_modules(target.python, jobs, scratch=scratch, environ=os.environ)
