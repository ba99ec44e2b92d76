"""Compare an environment with its snapshot, with all that the engine knows of its files.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pytest_envsync.diff import Diff, Examination, FileChanges, examine, sweep_rewritten
from pytest_envsync.environments.held_damage import held_files
from pytest_envsync.environments.origins import Origins
from pytest_envsync.snapshot import is_rewritten

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine
    from pytest_envsync.environments.generations import Record
    from pytest_envsync.snapshot import Digests, Snapshot


def look(record: Record, snapshot: Snapshot, *, engine: Engine, verify_files: bool = False) -> Examination:
    """Compare the environment of *record* with *snapshot*; what pytest alone wrote is swept on the way.

    A touched file whose content is right does not count. Raises StoreError when the store is asked and lacks a wheel.
    """
    asked: list[Origins] = []

    def digests() -> Digests:
        asked.append(Origins(record, engine))
        return asked[-1].digests

    try:
        seen = examine(record.path, snapshot, digests=digests, verify_files=verify_files)
    finally:
        for origins in asked:
            origins.close()
    rewritten = [path for path in seen.diff.files.added if is_rewritten(path)]
    if rewritten:
        swept = sweep_rewritten(record.path, snapshot, rewritten)
        seen = seen._replace(diff=seen.diff.less(swept), rewritten=swept)
    if record.link_mode == "symlink" or (not record.key and _has_links(snapshot, engine.store.wheels)):
        return _look_behind_links(seen, record, engine=engine, verify_files=verify_files)
    return _with_changed(seen, {file.path for file in held_files(record, engine=engine)})


def _has_links(snapshot: Snapshot, store: str) -> bool:
    """Whether a part of an environment outside of the cache was synced with symbolic links into the *store*."""
    return any(row[3].startswith(store) for rows in snapshot.directories.values() for row in rows.values())


def _look_behind_links(seen: Examination, record: Record, *, engine: Engine, verify_files: bool) -> Examination:
    """Add the links whose file in the store is damaged: the environment shows that file's content."""
    origins = Origins(record, engine)
    damaged = {
        f"{prepared.wheel.tree}/{damage.path}"
        for prepared in origins.wheels.values()
        for damage in engine.store.check(prepared.wheel, deep=verify_files)
    }
    return _with_changed(seen, {path for path, file in origins.expected.items() if damaged and file.source in damaged})


def _with_changed(seen: Examination, paths: Collection[str]) -> Examination:
    if not paths:
        return seen
    added, removed, changed = seen.diff.files
    files = FileChanges(added, removed, tuple(sorted({*changed, *paths}.difference(removed))))
    return seen._replace(diff=Diff(seen.diff.distributions, files, bytecode=seen.diff.bytecode))
