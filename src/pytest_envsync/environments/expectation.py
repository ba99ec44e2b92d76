"""Work out what an environment outside of the cache should be, of which there is a note but no snapshot.

The wheels in the store tell it, and the virtual environment as it is made.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.environments.generations import Record
from pytest_envsync.environments.origins import Origins
from pytest_envsync.errors import StoreError, TargetError
from pytest_envsync.snapshot import NO_TIME, Snapshot, digest_of, row_of, take_snapshot
from pytest_envsync.synced import former_place, is_ours, read_note

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine
    from pytest_envsync.environment.install import ExpectedFile
    from pytest_envsync.snapshot import Row

_OURS = (".lock",)
"""What a sync leaves below a prefix and is no part of it."""


def noted(path: str, *, engine: Engine) -> Record:
    """Return the record of what was last synced to the environment at *path*. Raises TargetError, StoreError."""
    try:
        if not is_ours(path):
            raise TargetError(
                f"`{path}` was not made by envsync, so there is nothing to compare it with",
                hint="make it with `envsync sync --venv`",
            )
    except OSError:
        raise TargetError(f"`{path}` is no virtual environment") from None
    note = read_note(path, engine.cache_dir)
    if note is None:
        if (former := former_place(path)) is not None:
            raise TargetError(
                f"`{path}` was made at `{former}`, and moved or copied: its scripts still lead there",
                hint="move it back, or remove it and make it anew with `envsync sync --venv`",
            )
        raise TargetError(
            f"nothing is known of what was last synced to `{path}`", hint="sync it again with --reinstall"
        )
    from pytest_envsync.environment.interpreter import query
    from pytest_envsync.environment.site_packages import scan

    if os.path.samefile(note["path"], path):
        # Scripts hold the path that it was made at, not that of a link to it.
        path = note["path"]

    target = query(note["base"], engine.cache_dir).in_virtual_environment(path)
    known = {found.name: found.sha256 for found in scan(target).distributions if found.sha256 is not None}
    digests = {**known, **note["digests"]}
    for name, *_ in note["candidates"]:
        if name not in digests:
            raise StoreError(
                f"`{name}` in `{path}` was not installed by envsync, so its files are not known",
                hint=f"sync it again with --reinstall-package {name}",
            )
    return Record(
        key="",
        path=path,
        base=note["base"],
        python=target.python,
        bin=target.paths["scripts"],
        site_packages=target.paths["purelib"],
        version=target.version,
        implementation=target.implementation,
        created="",
        candidates=note["candidates"],
        digests=digests,
        files=[],
        entries=[],
        link_mode=note["link_mode"],
        installer_metadata=note["installer_metadata"],
        missing={},
    )


def expected_snapshot(record: Record, *, engine: Engine) -> Snapshot:
    """Return what the environment of *record* should be: its own rows where they are right, others where not.

    A file is right when its size and time are those of the wheel, or its bytes are.
    """
    origins = Origins(record, engine)
    try:
        rows = {path: _expected_row(file, origins) for path, file in origins.expected.items() if path[:3] != "../"}
        made = take_snapshot(origins.template).directories
        for directory, names in made.items():
            for name, row in names.items():
                path = f"{directory}/{name}" if directory else name
                if name != "." and not stat.S_ISDIR(row[2]):
                    rows[path] = _template_row(path, row, origins)
    finally:
        origins.close()
    for name in _OURS:
        if os.path.lexists(f"{record.path}/{name}"):
            rows[name] = row_of(os.lstat(f"{record.path}/{name}"))
    return Snapshot(_directories(record.path, rows, made), {})


def _directories(root: str, rows: Mapping[str, Row], made: Iterable[str]) -> dict[str, dict[str, Row]]:
    """Return *rows* by directory, with rows for the directories themselves; *made* are some that may be empty."""
    directories: dict[str, dict[str, Row]] = {"": {".": row_of(os.stat(root))}}
    for directory in sorted({*made, *(path.rpartition("/")[0] for path in rows)}):
        parts = directory.split("/") if directory else []
        for length in range(1, len(parts) + 1):
            inner = "/".join(parts[:length])
            if inner not in directories:
                directories[inner] = {}
                directories["/".join(parts[: length - 1])][parts[length - 1]] = _directory_row(f"{root}/{inner}")
    for path, row in rows.items():
        directory, _, name = path.rpartition("/")
        directories[directory][name] = row
    return directories


def _directory_row(place: str) -> Row:
    mode = stat.S_IFDIR | 0o755
    if os.path.isdir(place) and not os.path.islink(place):
        mode = os.lstat(place).st_mode
    return (0, NO_TIME, mode, "")


def _expected_row(file: ExpectedFile, origins: Origins) -> Row:
    place = f"{origins.record.path}/{file.path}"
    try:
        status = os.lstat(place)
        # Parts of it may have been synced with another link mode than the last.
        if file.source is not None and stat.S_ISLNK(status.st_mode) and os.readlink(place) == file.source:
            return row_of(status, file.source)
        is_alike = stat.S_ISREG(status.st_mode) and status.st_size == file.size
        if is_alike and (status.st_mtime_ns == file.mtime_ns or digest_of(place).hex() == file.sha256):
            return row_of(status)
    except OSError:
        pass
    if file.source is not None and origins.link_mode == "symlink":
        return (0, NO_TIME, stat.S_IFLNK | 0o777, file.source)
    executable = file.mode & 0o111
    mode = file.mode if file.source is not None and origins.link_mode == "hardlink" else 0o755 if executable else 0o644
    return (file.size, file.mtime_ns or time.time_ns(), stat.S_IFREG | mode, "")


def _template_row(path: str, row: Row, origins: Origins) -> Row:
    place = f"{origins.record.path}/{path}"
    if row[1] == NO_TIME:
        return row
    try:
        status = os.lstat(place)
        if stat.S_ISREG(status.st_mode) and _says_the_same(f"{origins.template}/{path}", place):
            return row_of(status)
    except OSError:
        pass
    return row


def _says_the_same(template: str, place: str) -> bool:
    first, second = Path(template).read_bytes(), Path(place).read_bytes()
    if not place.endswith("pyvenv.cfg"):
        return first == second
    # Another version of this tool may have made it.
    return _settings(first) == _settings(second)


def _settings(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if not line.startswith((b"envsync", b"prompt"))]
