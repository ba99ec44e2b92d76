"""Settle the bytecode of an environment: the store's, or compiled there from a source that is unchanged.

What was compiled is offered to the store, and the next environment that holds the same wheel starts with it. What the
store has in another form goes without a word: the interpreter makes it again.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_envsync.environments.origins import Origins
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.snapshot import CACHE, digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_envsync.diff import Examination
    from pytest_envsync.distributions import StoredFile
    from pytest_envsync.engine import Engine
    from pytest_envsync.environments.generations import Record
    from pytest_envsync.snapshot import Snapshot

_SECOND = 10**9  # in nanoseconds


def settle_bytecode(
    record: Record, snapshot: Snapshot, seen: Examination, *, engine: Engine, verify_files: bool = False
) -> Snapshot:
    """Offer to the store what *seen* tells of bytecode, remove what is not to be trusted, return what is known then.

    Of files that the snapshot knows only those that it knows otherwise are looked at; with *verify_files* every byte of
    all of them. A file that the store does not have stays, unless it is one that was written anew.
    """
    known = {directory: dict(rows) for directory, rows in snapshot.bytecode.items()}
    all_known = [f"{directory}/{name}" for directory, rows in known.items() for name in rows]
    differing = {path for paths in seen.diff.files for path in paths}
    paths = [*seen.compiled, *(all_known if verify_files else seen.recompiled)]
    origins = Origins(record, engine)
    try:
        stored = _stored(paths, differing, {*seen.compiled}, origins, deep=verify_files)
    except EnvsyncError as error:
        engine.reporter.debug(f"bytecode is not kept: {error}")
        return snapshot
    finally:
        origins.close()
    for path in paths:
        if _source(path) in differing:
            continue  # it goes when its source is repaired
        directory, _, name = path.rpartition("/")
        place = f"{record.path}/{path}"
        rows = known.setdefault(directory, {})
        was = rows.pop(name, None)
        with suppress(OSError):
            status = os.lstat(place)
            now = (status.st_size, status.st_mtime_ns)
            is_linked = path in stored and not verify_files and _is_linked(status, stored[path])
            if is_linked or _is_sound(place, stored.get(path), was, now):
                rows[name] = now
            else:
                os.unlink(place)
    return snapshot._replace(bytecode={directory: rows for directory, rows in known.items() if rows})


def _is_linked(status: os.stat_result, stored: StoredFile) -> bool:
    there = os.lstat(stored.path)
    return (status.st_dev, status.st_ino) == (there.st_dev, there.st_ino) and (
        status.st_size,
        status.st_mtime_ns,
    ) == (stored.size, stored.mtime_ns)


def _is_sound(place: str, stored: StoredFile | None, was: tuple[int, int] | None, now: tuple[int, int]) -> bool:
    if stored is not None:
        # A symbolic link leads to the store's own, and that is looked at there.
        return digest_of(os.path.realpath(place)).hex() == stored.sha256
    # An archive that a cache was kept in may have cut the time to seconds.
    return was is None or now in (was, (was[0], was[1] // _SECOND * _SECOND))


def _source(path: str) -> str:
    cache, _, name = path.rpartition("/")
    directory = cache.rpartition("/")[0]
    source = f"{name.partition('.cpython-')[0]}.py"
    return f"{directory}/{source}" if directory else source


def _stored(
    paths: list[str], differing: set[str], new: set[str], origins: Origins, *, deep: bool
) -> dict[str, StoredFile]:
    """Offer those of *paths* that are *new* to the store, and return what it has for each of *paths*.

    The others may have been changed together with the store's, of which they are hard links: that is looked at first.
    """
    by_owner: dict[str, dict[str, str]] = {}
    for path, owner, tree_path in _of_wheels(paths, differing, origins):
        by_owner.setdefault(owner, {})[tree_path] = path
    root, tag = origins.record.path, origins.base.cache_tag
    found: dict[str, StoredFile] = {}
    for owner, places in by_owner.items():
        offered: dict[str, Path | str] = {i: f"{root}/{path}" for i, path in places.items() if path in new}
        wheel, store = origins.wheels[owner].wheel, origins.engine.store
        if not new.issuperset(places.values()):
            store.repair(wheel, [damage for damage in store.check(wheel, deep=deep) if damage.is_bytecode])
        if offered:
            store.adopt_bytecode(wheel, tag, offered, magic=_magic(tag, offered))
        compiled = origins.compiled(owner)
        found |= {path: compiled[inside] for inside, path in places.items() if inside in compiled}
    return found


def _of_wheels(paths: list[str], differing: set[str], origins: Origins) -> Iterator[tuple[str, str, str]]:
    """Yield path, distribution, and path in the wheel's tree, of bytecode whose source a wheel brought unchanged."""
    for path in paths:
        source = _source(path)
        expected = origins.expected.get(source)
        if expected is None or expected.tree_path is None or source in differing:
            continue
        name = path.rpartition("/")[2]
        inside = expected.tree_path.rpartition("/")[0]
        yield path, expected.owner, f"{inside}/{CACHE}/{name}" if inside else f"{CACHE}/{name}"


def _magic(cache_tag: str, found: Mapping[str, Path | str]) -> bytes:
    """Return the magic number of the interpreter with this cache tag."""
    if sys.implementation.cache_tag == cache_tag:
        from importlib.util import MAGIC_NUMBER

        return MAGIC_NUMBER
    # Of a foreign interpreter the files themselves tell: the environment's own wrote them.
    for place in found.values():
        with suppress(OSError), open(place, "rb") as file:
            return file.read(4)
    return b""
