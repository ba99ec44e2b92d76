"""Keep what pytest writes for the modules that it rewrites, beside a cached environment and never in it.

Rewriting the modules of plugins costs a session a quarter of a second, and what is written for it is no
part of what the lock says: it is brought before a session and taken out again after it.

Standard library only: this module also runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_envsync.diff import sweep_rewritten
from pytest_envsync.snapshot import is_rewritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_envsync.snapshot import Snapshot

DIRECTORY = "rewritten"
"""Beside the generations of an environment: their sources are the same."""


def keep_rewritten(prefix: str, snapshot: Snapshot, paths: Iterable[str]) -> tuple[str, ...]:
    """Take out of the cached environment at *prefix* what ``sweep_rewritten`` would remove, and keep it.

    *paths* are the files to look at, such as ``diff.files.added``. Returns those that are gone now.
    """
    found = [path for path in paths if is_rewritten(path)]
    if not found:
        return ()
    kept = _place(prefix)
    for path in found:
        with suppress(OSError):
            os.makedirs(os.path.dirname(f"{kept}/{path}"), exist_ok=True)
            temporary = f"{kept}/{path}.{os.getpid()}"
            os.link(f"{prefix}/{path}", temporary)
            os.replace(temporary, f"{kept}/{path}")
    swept = sweep_rewritten(prefix, snapshot, found)
    for path in set(found).difference(swept):
        with suppress(OSError):
            os.unlink(f"{kept}/{path}")
    return swept


def bring_rewritten(prefix: str) -> None:
    """Put what was kept into the cached environment at *prefix*, where pytest looks for it.

    Copies: what is written into them is not written into what is kept. What does not fit its source is
    recognised by pytest itself.
    """
    kept = _place(prefix)
    for path in _files(kept):
        target = f"{prefix}/{path}"
        with suppress(OSError):
            with open(f"{kept}/{path}", "rb") as file:
                content = file.read()
            directory = os.path.dirname(target)
            if not os.path.isdir(directory):
                os.mkdir(directory)
            with open(target, "xb") as file:
                file.write(content)


def _place(prefix: str) -> str:
    return os.path.join(os.path.dirname(prefix), DIRECTORY)


def _files(root: str) -> Iterator[str]:
    """Yield the kept files, relative to *root*."""
    pending = [""]
    while pending:
        below = pending.pop()
        try:
            entries = list(os.scandir(f"{root}/{below}"))
        except OSError:
            continue
        for entry in entries:
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                pending.append(f"{path}/")
            elif is_rewritten(path):
                yield path
