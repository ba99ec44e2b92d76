"""A directory that was sealed when it was made: its manifest, and whether it still is as that has it.

``manifest.json`` in it holds for each other file its size in bytes, time of modification in ns, mode, and sha256 in hex
(empty for bytecode, which follows from the sources).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pytest_envsync.snapshot import digest_of, is_cache

_MANIFEST = "manifest.json"

_Row = tuple[int, int, int]


def write_manifest(place: Path) -> None:
    """Note what is below *place* now. Raises OSError."""
    rows = {
        path: [*row, "" if _is_bytecode(path) else digest_of(str(place / path)).hex()]
        for path, row in _rows(place).items()
    }
    (place / _MANIFEST).write_text(json.dumps(rows), encoding="utf-8")


def is_sound(place: Path) -> bool:
    """Whether *place* is what it was made as by size, time and mode, less the bytecode of sessions, which goes now."""
    try:
        noted = {path: row for path, (row, _) in _noted(place).items()}
        found = _rows(place)
        for path in found.keys() - noted.keys():
            if _is_bytecode(path):
                (place / path).unlink()
                del found[path]
    except (OSError, ValueError):
        return False
    return noted == found


def identity_of(place: Path) -> str | None:
    """Return a digest (hex) of what the manifest says of all files but bytecode, None without a manifest to read."""
    from hashlib import sha256

    try:
        noted = _noted(place)
    except (OSError, ValueError):
        return None
    digests = sorted((path, digest) for path, (_, digest) in noted.items() if not _is_bytecode(path))
    return sha256(json.dumps(digests).encode()).hexdigest()


def holds(place: Path, identity: str) -> bool:
    """Whether the files below *place* are, byte for byte, those that *identity* was made of; bytecode is left out."""
    if identity_of(place) != identity:
        return False
    try:
        noted = {path: digest for path, (_, digest) in _noted(place).items() if not _is_bytecode(path)}
        found = {path: digest_of(str(place / path)).hex() for path, _ in files(place) if not _is_bytecode(path)}
    except (OSError, ValueError):
        return False
    return noted == found


def files(place: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every file below *place* but the manifest, with its status."""
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


def _noted(place: Path) -> dict[str, tuple[_Row, str]]:
    """Return what the manifest says of each file. Raises OSError, and ValueError when it is damaged."""
    try:
        rows = json.loads((place / _MANIFEST).read_bytes())
        return {path: ((size, mtime, mode), digest) for path, (size, mtime, mode, digest) in rows.items()}
    except (AttributeError, TypeError) as error:
        raise ValueError(str(error)) from None


def _rows(place: Path) -> dict[str, _Row]:
    return {path: (found.st_size, found.st_mtime_ns, found.st_mode) for path, found in files(place)}


def _is_bytecode(path: str) -> bool:
    return is_cache(path.rpartition("/")[0])
