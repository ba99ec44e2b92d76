"""Settle the bytecode of an environment: the store's, or what the snapshot knows, and nothing else.

What a session compiled tells which modules are worth compiling; the engine compiles them itself, from the store's
sources, and puts that in the place of what it found. The next environment that holds the same wheel starts with it. Of
what a session wrote nothing is kept: a header that fits says nothing of the code behind it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_envsync.environments.compiling import Job, compile_modules
from pytest_envsync.environments.generations import remove_tree
from pytest_envsync.environments.origins import Origins
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.patterns import pattern
from pytest_envsync.snapshot import CACHE, digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_envsync.diff import Examination
    from pytest_envsync.distributions import StoredFile
    from pytest_envsync.engine import Engine
    from pytest_envsync.environments.generations import Record
    from pytest_envsync.snapshot import Snapshot

_SECOND = 10**9  # in nanoseconds
_LEVEL = pattern(r"\.cpython-[0-9]+t?(?:\.opt-(?P<level>[12]))?\.pyc\Z")


def settle_bytecode(
    record: Record, snapshot: Snapshot, seen: Examination, *, engine: Engine, verify_files: bool = False
) -> Snapshot:
    """Replace what *seen* tells of bytecode by the store's, remove what that has not, return what is known then.

    Of files that the snapshot knows only those that it knows otherwise are looked at; with *verify_files* every byte of
    all of them.
    """
    known = {directory: dict(rows) for directory, rows in snapshot.bytecode.items()}
    all_known = [f"{directory}/{name}" for directory, rows in known.items() for name in rows]
    differing = {path for paths in seen.diff.files for path in paths}
    new = {*seen.compiled}
    paths = [*seen.compiled, *(all_known if verify_files else seen.recompiled)]
    origins = Origins(record, engine)
    try:
        try:
            stored = _stored(paths, differing, new, origins, deep=verify_files)
        except (EnvsyncError, OSError) as error:
            engine.reporter.debug(f"bytecode is not kept: {error}")
            stored = {}
        for path in paths:
            if source_of(path) in differing:
                continue  # it goes when its source is repaired
            directory, _, name = path.rpartition("/")
            rows = known.setdefault(directory, {})
            was = rows.pop(name, None)
            with suppress(OSError):
                now = _settled(path, stored.get(path), was, origins, is_new=path in new, deep=verify_files)
                if now is not None:
                    rows[name] = now
    finally:
        origins.close()
    return snapshot._replace(bytecode={directory: rows for directory, rows in known.items() if rows})


def _settled(
    path: str, stored: StoredFile | None, was: tuple[int, int] | None, origins: Origins, *, is_new: bool, deep: bool
) -> tuple[int, int] | None:
    """Settle one file; return its size and mtime in ns, None when it is gone. Raises OSError."""
    place = f"{origins.record.path}/{path}"
    status = os.lstat(place)
    now = (status.st_size, status.st_mtime_ns)
    if stored is not None and is_new:
        from pytest_envsync.environment.link import replace_file

        try:
            replace_file(stored.path, place, origins.link_mode, mode=stored.mode, time=stored.mtime_ns)
        except OSError:
            os.unlink(place)
            raise
        status = os.lstat(place)
        return (status.st_size, status.st_mtime_ns)
    is_linked = stored is not None and not deep and _is_linked(status, stored)
    if is_linked or (not is_new and _is_sound(place, stored, was, now)):
        return now
    os.unlink(place)
    return None


def _is_linked(status: os.stat_result, stored: StoredFile) -> bool:
    there = os.lstat(stored.path)
    return (status.st_dev, status.st_ino) == (there.st_dev, there.st_ino) and (
        status.st_size,
        status.st_mtime_ns,
    ) == (stored.size, stored.mtime_ns)


def _is_sound(place: str, stored: StoredFile | None, was: tuple[int, int] | None, now: tuple[int, int]) -> bool:
    if stored is not None:
        # A symbolic link is one to the store's own; any other could be led elsewhere later.
        is_link = os.path.islink(place)
        if is_link and os.path.realpath(place) != os.path.realpath(stored.path):
            return False
        return digest_of(stored.path if is_link else place).hex() == stored.sha256
    # An archive that a cache was kept in may have cut the time to seconds.
    return was is not None and now in (was, (was[0], was[1] // _SECOND * _SECOND))


def source_of(path: str) -> str:
    """Return the path of the module that the bytecode at *path* was compiled from."""
    cache, _, name = path.rpartition("/")
    directory = cache.rpartition("/")[0]
    source = f"{name.partition('.cpython-')[0]}.py"
    return f"{directory}/{source}" if directory else source


def _stored(
    paths: list[str], differing: set[str], new: set[str], origins: Origins, *, deep: bool
) -> dict[str, StoredFile]:
    """Compile for the store those of *paths* that are *new* to it, and return what it has for each of *paths*.

    The others may have been changed together with the store's, of which they are hard links: that is looked at first.
    """
    by_owner: dict[str, dict[str, str]] = {}
    for path, owner, tree_path in of_wheels(paths, differing, origins):
        by_owner.setdefault(owner, {})[tree_path] = path
    store = origins.engine.store
    for owner, places in by_owner.items():
        if not new.issuperset(places.values()):
            wheel = origins.wheels[owner].wheel
            store.repair(wheel, [damage for damage in store.check(wheel, deep=deep) if damage.is_bytecode])
    _compile(
        {
            owner: {
                inside: path for inside, path in places.items() if path in new and inside not in origins.compiled(owner)
            }
            for owner, places in by_owner.items()
        },
        origins,
    )
    found: dict[str, StoredFile] = {}
    for owner, places in by_owner.items():
        compiled = origins.compiled(owner)
        found |= {path: compiled[inside] for inside, path in places.items() if inside in compiled}
    return found


def _compile(wanted: Mapping[str, Mapping[str, str]], origins: Origins) -> None:
    """Compile *wanted*, for each distribution the paths in the wheel's tree and in the environment, for the store."""
    engine, tag = origins.engine, origins.base.cache_tag
    scratch = f"{engine.cache_dir}/scratch/{os.getpid()}-{os.urandom(4).hex()}"
    jobs: list[Job] = []
    offers: dict[str, dict[str, Path | str]] = {}
    for number, (owner, places) in enumerate(wanted.items()):
        for inside, path in places.items():
            source, level = origins.expected[source_of(path)], _LEVEL.search(path)
            if level is None or source.source is None or digest_of(source.source).hex() != source.sha256:
                continue
            root = f"{scratch}/{number}"
            compiled = f"{root}/{inside}"
            jobs.append(Job(source.source, f"{root}/{source_of(inside)}", compiled, int(level["level"] or 0)))
            offers.setdefault(owner, {})[inside] = compiled
    if not jobs:
        return
    os.makedirs(scratch)
    try:
        compile_modules(origins.base.python, jobs, scratch=scratch, environ=engine.environ)
        for owner, offered in offers.items():
            made = {inside: place for inside, place in offered.items() if os.path.exists(place)}
            engine.store.adopt_bytecode(origins.wheels[owner].wheel, tag, made, magic=magic_of(made))
            origins.forget_compiled(owner)
    finally:
        remove_tree(scratch)


def of_wheels(paths: list[str], differing: set[str], origins: Origins) -> Iterator[tuple[str, str, str]]:
    """Yield path, distribution, and path in the wheel's tree, of bytecode whose source a wheel brought unchanged."""
    for path in paths:
        source = source_of(path)
        expected = origins.expected.get(source)
        if expected is None or expected.tree_path is None or source in differing:
            continue
        name = path.rpartition("/")[2]
        inside = expected.tree_path.rpartition("/")[0]
        yield path, expected.owner, f"{inside}/{CACHE}/{name}" if inside else f"{CACHE}/{name}"


def magic_of(made: Mapping[str, Path | str]) -> bytes:
    """Return the magic number of the interpreter that made these files, just now."""
    for place in made.values():
        with suppress(OSError), open(place, "rb") as file:
            return file.read(4)
    return b""
