"""Mend files of the store, in the store and in every environment that holds the damaged inode.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.environments.generations import generations, homes, load_record
from pytest_envsync.errors import DamagedStoreError, EnvsyncError, StoreError

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine
    from pytest_envsync.wheels.prepare import PreparedWheel


def mend_store(prepared: PreparedWheel, sources: Mapping[str, str], *, engine: Engine) -> list[str]:
    """Mend those of *sources* (path in the wheel to place in the store) that are damaged; return them.

    Every byte is read. Each cached environment that holds a damaged inode gets the mended file in its place.
    Raises DamagedStoreError when the place it came from does not give the wheel again; the store has it no more then,
    so that nothing is made of it, and whoever needs it asks anew where to have it.
    """
    store, wheel = engine.store, prepared.wheel
    damages = store.check(wheel, deep=True, paths=sources)
    if not damages:
        return []
    before = {damage.path: _inode(sources[damage.path]) for damage in damages}
    try:
        with store.hold():
            store.repair(wheel, damages, fetch=_fetcher(engine))
    except EnvsyncError as error:
        store.remove(wheel.sha256)
        # The store's own errors say this already.
        said = "" if isinstance(error, StoreError) else f"the store's files of `{wheel.filename}` are damaged: "
        raise DamagedStoreError(
            f"{said}{error}", hint="they were removed from the store; sync again to have them from where the lock says"
        ) from error
    spoiled = {
        sources[path]: inode for path, inode in before.items() if inode is not None and _inode(sources[path]) != inode
    }
    if spoiled:
        _replace_everywhere(prepared, spoiled, engine=engine)
    return [f"{wheel.filename}: {path}" for path in before]


def mend_wheels(wheels: Mapping[str, PreparedWheel], *, engine: Engine) -> list[str]:
    """Mend what is damaged by its size, time or mode in the store's files of *wheels*; return those files.

    Bytecode is dropped: it can be made again. Raises as ``mend_store`` does.
    """
    store = engine.store
    mended = []
    for prepared in wheels.values():
        wheel = prepared.wheel
        damages = store.check(wheel)
        compiled = [damage for damage in damages if damage.is_bytecode]
        if compiled:
            store.repair(wheel, compiled)
            mended += [f"{wheel.filename}: {damage.path}" for damage in compiled]
        sources = {damage.path: f"{wheel.tree}/{damage.path}" for damage in damages if not damage.is_bytecode}
        if sources:
            mended += mend_store(prepared, sources, engine=engine)
    return mended


def _fetcher(engine: Engine) -> Callable[[str, Path], object]:
    def fetch(url: str, destination: Path) -> object:
        return engine.client.download(url, destination, algorithms=["sha256"], size=None, on_bytes=lambda _: None)

    return fetch


def _inode(place: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(place)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _replace_everywhere(prepared: PreparedWheel, spoiled: Mapping[str, tuple[int, int]], *, engine: Engine) -> None:
    """Give every cached environment of that wheel the mended file where it holds the damaged inode."""
    from pytest_envsync.environment.install import expected_files
    from pytest_envsync.environment.interpreter import query
    from pytest_envsync.environment.link import replace_file

    wheel = prepared.wheel
    for home in homes(str(engine.cache_dir / "environments")):
        for generation in generations(home):
            try:
                record = load_record(generation.record)
                if record.digests.get(wheel.name) != wheel.sha256:
                    continue
                target = query(record.base, engine.cache_dir).in_virtual_environment(record.path)
            except EnvsyncError:
                continue  # it is made anew at its next use
            files = expected_files({wheel.name: prepared}, target=target, store=engine.store)
            for path, expected in files.items():
                place = f"{record.path}/{path}"
                if expected.source is not None and _inode(place) == spoiled.get(expected.source, ()):
                    # What holds the damaged inode can be a hard link only.
                    replace_file(expected.source, place, "hardlink", mode=expected.mode, time=expected.mtime_ns or 0)
