"""Make the contents of a store entry: a wheel's files, unpacked and judged, and the values that describe it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from pytest_envsync.addresses import masked, without_credentials
from pytest_envsync.cache import ELSEWHERE
from pytest_envsync.distributions import StoredFile, StoredWheel
from pytest_envsync.errors import StoreError, WheelError
from pytest_envsync.file_stamp import Stamp, stamp_of
from pytest_envsync.hashes import Digest
from pytest_envsync.values import NamedTuple
from pytest_envsync.wheels.store.archive import read_members
from pytest_envsync.wheels.store.digests import digest_file
from pytest_envsync.wheels.store.identity import Identity, find_dist_info, heal_record, read_identity
from pytest_envsync.wheels.store.unpack import unpack


class Unpacked(NamedTuple):
    """Who a wheel is, and its files sorted by path."""

    identity: Identity
    rows: list[StoredFile]


def unpack_wheel(
    archive: Path | str,
    tree: str,
    filename: str,
    *,
    exact_modes: bool = False,
    validate: bool = True,
    skip_filename_check: bool = False,
    stamp: Stamp | None = None,
) -> Unpacked:
    """Unpack the wheel file *archive* into *tree*, an empty directory, and judge what it says of itself.

    RECORD is healed where it has to be. Without *validate* neither the zip's layout nor the hashes of RECORD are
    looked at. *stamp* is the archive's from before its bytes were digested, if it lies where others may write.
    Raises WheelError, StoreError when there is too little room, and OSError.
    """
    with open(archive, "rb", buffering=0) as file:
        members = read_members(file, filename, validate=validate)
        # Bytecode that travels in a wheel would be run without anybody having compared it with its source.
        members = tuple(member for member in members if not _is_cached_bytecode(member.path))
        dist_info = find_dist_info((member.path for member in members), filename)
        _check_room(tree, sum(member.size for member in members), filename)
        rows = {
            row.path: row for row in unpack(file, members, tree, filename, validate=validate, exact_modes=exact_modes)
        }
    if stamp is not None and stamp_of(os.fspath(archive)) != stamp:
        raise WheelError(filename, "it was changed while it was read", hint="do it again when it is whole")
    identity = read_identity(
        dist_info, lambda path: Path(tree, path).read_bytes(), filename, skip_filename_check=skip_filename_check
    )
    record = f"{dist_info}/RECORD"
    healed = heal_record(
        dist_info,
        Path(tree, record).read_bytes(),
        rows,
        filename,
        digest=(lambda path, algorithm: digest_file(f"{tree}/{path}", [algorithm])[algorithm]) if validate else None,
    )
    if healed is not None:
        rows[record] = _rewrite(f"{tree}/{record}", healed, rows[record])
    return Unpacked(identity, [rows[path] for path in sorted(rows)])


def _is_cached_bytecode(path: str) -> bool:
    return path.endswith(".pyc") and "/__pycache__/" in f"/{path}"


def _check_room(directory: str, needed: int, filename: str) -> None:
    if not hasattr(os, "statvfs"):
        return
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    if needed > free:
        raise StoreError(
            f"`{filename}` unpacks to {needed} bytes, and the cache directory has {free} left",
            hint=f"run `envsync cache prune`, or {ELSEWHERE}",
        )


def _rewrite(place: str, contents: bytes, row: StoredFile) -> StoredFile:
    os.unlink(place)
    with open(place, "xb") as file:
        file.write(contents)
    os.chmod(place, row.mode)
    os.utime(place, ns=(row.mtime_ns, row.mtime_ns))
    return row._replace(size=len(contents), sha256=sha256(contents).hexdigest())


def describe(
    identity: Identity,
    *,
    filename: str,
    tree: str,
    digests: Mapping[str, str],
    size: int,
    url: str | None,
    built: bool,
    unchecked: tuple[str, ...] = (),
) -> StoredWheel:
    """Return the values of a wheel whose files are, or will be, in *tree*.

    *digests* (algorithm -> hex digits, sha256 among them) and *size* are those of the wheel file. Of *url* the
    credentials are dropped; an address that is a secret itself, signed for a time, is not kept.
    """
    address = without_credentials(url) if url is not None else None
    if address is not None and masked(address) != address:
        address = None
    return StoredWheel(
        name=identity.name,
        version=identity.version,
        filename=filename,
        sha256=digests["sha256"],
        tree=tree,
        dist_info=identity.dist_info,
        root_is_purelib=identity.wheel.root_is_purelib,
        tags=identity.wheel.tags,
        requires_python=identity.metadata.requires_python,
        requires_dist=identity.metadata.requires_dist,
        size=size,
        digests=tuple(Digest(algorithm, value) for algorithm, value in sorted(digests.items())),
        url=address,
        built=built,
        unchecked=unchecked,
    )
