"""Which files of the store were damaged once, so that whoever holds the damage still can be found.

A repair gives the store a new file; an environment with a hard link keeps the old one, and one that was copied from it
keeps the copy, of the right size and time. So each repair notes what it found, before it changes anything, in
``CACHE/spoiled/<sha256 of the wheel>``, and in environments these few files are compared byte for byte.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress

from pytest_envsync.atomic import write_at_once
from pytest_envsync.distributions import StoredFile
from pytest_envsync.snapshot import digest_of
from pytest_envsync.values import NamedTuple

_KEPT = 365 * 86_400.0  # seconds; by then whatever was synced of it was most likely synced again


class SpoiledFile(NamedTuple):
    """A file of a wheel as it should be (*sha256* in hex, *size*, *mtime_ns*), and the damaged *inodes*."""

    sha256: str
    size: int
    mtime_ns: int
    inodes: tuple[tuple[int, int], ...]

    def is_held_at(self, place: str) -> bool:
        """Whether the file at *place* is the damaged one, or a copy of it.

        What somebody wrote there since, with a time of its own, is not.
        """
        try:
            status = os.lstat(place)
            looks_right = (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)
            if not looks_right and (status.st_dev, status.st_ino) not in self.inodes:
                return False
            found = digest_of(place)
        except OSError:
            return False
        return bool(found) and found.hex() != self.sha256


Spoiled = dict[str, dict[str, SpoiledFile]]
"""The sha256 of a wheel to the files that were damaged, by the sha256 they should have."""


def spoiled_directory(cache_dir: str | os.PathLike[str]) -> str:
    """Return where it is noted; its time changes with every note."""
    return os.path.join(os.fspath(cache_dir), "spoiled")


def load_spoiled(cache_dir: str | os.PathLike[str]) -> Spoiled:
    """Return all that is noted: nothing, as a rule."""
    directory = spoiled_directory(cache_dir)
    try:
        names = os.listdir(directory)
    except OSError:
        return {}
    return {name: _read(f"{directory}/{name}") for name in names if len(name) == 64}


def note_spoiled(cache_dir: str | os.PathLike[str], sha256: str, rows: Iterable[tuple[StoredFile, str]]) -> None:
    """Note that files of the wheel *sha256* are damaged: their rows, and where they lie now.

    The caller holds the lock of entries. Raises OSError.
    """
    place = f"{spoiled_directory(cache_dir)}/{sha256}"
    known = _read(place)
    before = dict(known)
    for row, at in rows:
        try:
            status = os.lstat(at)
        except OSError:
            continue  # nobody holds what is gone
        inodes = known[row.sha256].inodes if row.sha256 in known else ()
        inode = (status.st_dev, status.st_ino)
        known[row.sha256] = SpoiledFile(row.sha256, row.size, row.mtime_ns, tuple(dict.fromkeys((*inodes, inode))))
    if known != before:
        write_at_once(place, json.dumps(list(known.values()), separators=(",", ":")).encode())


def forget_spoiled(cache_dir: str | os.PathLike[str], *, now: float) -> None:
    """Remove what was noted a year ago."""
    directory = spoiled_directory(cache_dir)
    with suppress(OSError):
        for name in os.listdir(directory):
            place = f"{directory}/{name}"
            if now - os.stat(place).st_mtime > _KEPT:
                os.unlink(place)


def _read(place: str) -> dict[str, SpoiledFile]:
    try:
        with open(place, "rb") as file:
            found = [
                SpoiledFile(sha256, size, mtime_ns, tuple((device, inode) for device, inode in inodes))
                for sha256, size, mtime_ns, inodes in json.load(file)
            ]
    except (OSError, ValueError, TypeError):
        return {}
    return {row.sha256: row for row in found}
