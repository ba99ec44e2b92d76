"""Say of an environment what was found in it, and nothing twice.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_envsync.diff import Diff, FileChanges
from pytest_envsync.errors import EnvsyncError

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine
    from pytest_envsync.environments.generations import Record


def without_named(diff: Diff, record: Record, *, engine: Engine) -> Diff:
    """Return *diff* less the files of the distributions that it names: their lines tell of all of them.

    Has to be asked while the environment is as it was found: what came is known by its own RECORD, what went by its
    wheel in the store. Where neither can be read, the files stay in it.
    """
    if not any(diff.distributions):
        return diff
    named = set(_came(diff, record.path))
    with suppress(EnvsyncError):
        named.update(_went(diff, record, engine))
    files = (tuple(path for path in paths if path not in named) for paths in diff.files)
    return Diff(diff.distributions, FileChanges(*files))


def _came(diff: Diff, prefix: str) -> Iterator[str]:
    from pytest_envsync.environment.uninstall import record_paths

    for path in diff.files.added:
        metadata, _, name = path.rpartition("/")
        if name == "RECORD" and metadata.endswith(".dist-info"):
            site = os.path.dirname(f"{prefix}/{metadata}")
            with suppress(OSError, ValueError, EnvsyncError), open(f"{prefix}/{path}", encoding="utf-8") as file:
                for _, place in record_paths(file.read(), site):
                    yield place.removeprefix(f"{prefix}/")


def _went(diff: Diff, record: Record, engine: Engine) -> Iterator[str]:
    from pytest_envsync.environments.origins import Origins

    names = diff.distributions.removed.keys() | diff.distributions.changed.keys()
    if names:
        for path, file in Origins(record, engine).expected.items():
            if file.owner in names:
                yield path
