"""Find environments that hold a file which was damaged in the store once, and mend the cached ones.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_envsync.environments.generations import generations, homes, read_record
from pytest_envsync.environments.origins import Origins
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.values import NamedTuple
from pytest_envsync.wheels.store.spoiled import Spoiled, load_spoiled

if TYPE_CHECKING:
    from pytest_envsync.distributions import InstalledDistribution
    from pytest_envsync.engine import Engine
    from pytest_envsync.environment.install import ExpectedFile
    from pytest_envsync.environments.generations import Record
    from pytest_envsync.target import Target


class Holders(NamedTuple):
    """Environments that held damage: cached ones that were *mended*, and others, which the next sync mends."""

    mended: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def held_files(record: Record, *, engine: Engine) -> tuple[ExpectedFile, ...]:
    """Return the files of the environment of *record* that hold damage which the store had once.

    By size and time they look right. Raises StoreError when the store lacks a wheel of it.
    """
    spoiled = load_spoiled(engine.cache_dir)
    return _held(record, spoiled, engine) if not spoiled.keys().isdisjoint(record.digests.values()) else ()


def _held(record: Record, spoiled: Spoiled, engine: Engine) -> tuple[ExpectedFile, ...]:
    expected = Origins(record, engine).expected
    return tuple(
        file
        for path, file in expected.items()
        if file.source is not None
        and (row := spoiled.get(record.digests[file.owner], {}).get(file.sha256)) is not None
        and row.is_held_at(f"{record.path}/{path}")
    )


def mend_holders(wheels: Collection[str], *, engine: Engine) -> tuple[str, ...]:
    """Give every cached environment the store's files where it holds damage of *wheels* (sha256); return their paths.

    What cannot be mended now is found when it is compared before its next use.
    """
    spoiled = {sha256: files for sha256, files in load_spoiled(engine.cache_dir).items() if sha256 in wheels}
    mended = []
    for record in _cached(engine) if spoiled else ():
        if spoiled.keys().isdisjoint(record.digests.values()):
            continue
        with suppress(EnvsyncError, OSError):
            files = _held(record, spoiled, engine)
            for file in files:
                _replace(file, record, spoiled[record.digests[file.owner]][file.sha256].inodes, engine)
            mended += [record.path] if files else []
    return tuple(mended)


def _cached(engine: Engine) -> Iterator[Record]:
    for home in homes(str(engine.cache_dir / "environments")):
        for generation in generations(home):
            with suppress(EnvsyncError):
                yield read_record(generation)


def _replace(file: ExpectedFile, record: Record, damaged: Collection[tuple[int, int]], engine: Engine) -> None:
    from pytest_envsync.environment.journal import remove_compiled
    from pytest_envsync.environment.link import replace_file

    if file.source is None:
        return
    place = f"{record.path}/{file.path}"
    status = os.lstat(place)
    # What holds the damaged inode can be a hard link only.
    is_link = (status.st_dev, status.st_ino) in damaged
    mode = "hardlink" if is_link else Origins(record, engine).link_mode
    replace_file(file.source, place, mode, mode=file.mode, time=file.mtime_ns or 0)
    # It may have been compiled from what was there, and would be valid for what is there now.
    remove_compiled(place)


def others_told(*, engine: Engine) -> tuple[str, ...]:
    """Return a sentence for each environment that ``find_others`` finds."""
    return tuple(map(damage_sentence, find_others(engine=engine)))


def damage_sentence(path: str) -> str:
    """Return what to tell of an environment at *path* that holds damage which the store had."""
    return f"`{path}` holds such damage: sync it again to mend it"


def held_by(installed: Collection[InstalledDistribution], *, target: Target, engine: Engine) -> dict[str, str]:
    """Return name to what is wrong for each of *installed*, on *target*, that holds such damage."""
    from pytest_envsync.environment.verify import find_held

    return find_held(installed, target=target, store=engine.store, spoiled=load_spoiled(engine.cache_root))


def find_others(*, engine: Engine) -> tuple[str, ...]:
    """Return the environments outside of the cache, of those that were synced from it, that hold damage."""
    from pytest_envsync.environment.interpreter import query
    from pytest_envsync.environment.site_packages import scan
    from pytest_envsync.environment.verify import find_held

    spoiled = load_spoiled(engine.cache_dir)
    notes = sorted((engine.cache_dir / "synced").glob("*.json")) if spoiled else []
    found = []
    for note in notes:
        with suppress(EnvsyncError, OSError, ValueError, KeyError, TypeError):
            values = json.loads(note.read_bytes())
            if os.path.isdir(values["path"]):
                target = query(values["base"], engine.cache_dir).in_virtual_environment(values["path"])
                if find_held(scan(target).distributions, target=target, store=engine.store, spoiled=spoiled):
                    found.append(values["path"])
    return tuple(found)
