"""What a wheel says of itself, held against its file name and against its files.

METADATA and WHEEL must be readable and agree with the name of the file; RECORD must not contradict the bytes. Where
RECORD merely differs from the archive it is healed as the reference does it: rows without a file are dropped, files
without a row get one that has their size and no hash. Sources: PEP 427 (file contents), core metadata.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from pytest_envsync.distributions import StoredFile
from pytest_envsync.errors import WheelError
from pytest_envsync.record import (
    Metadata,
    RecordEntry,
    WheelFilename,
    WheelHeader,
    format_record,
    parse_metadata,
    parse_record,
    parse_wheel,
    parse_wheel_filename,
    record_hash,
)
from pytest_envsync.requirements import normalize_name
from pytest_envsync.values import NamedTuple
from pytest_envsync.versions import canonical_version

_Parsed = TypeVar("_Parsed")
_STRONG = {"sha256", "sha384", "sha512"}
_UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")


class Identity(NamedTuple):
    """Who a wheel is: *name* is normalised, *version* as METADATA has it."""

    name: str
    version: str
    dist_info: str
    wheel: WheelHeader
    metadata: Metadata


def read_filename(filename: str) -> WheelFilename:
    """Return the parts of a wheel's file name. Raises WheelError."""
    try:
        return parse_wheel_filename(filename)
    except ValueError as error:
        raise WheelError(filename, str(error)) from None


def find_dist_info(paths: Iterable[str], filename: str) -> str:
    """Return the one ``.dist-info`` directory among *paths*; it must belong to the project of *filename*.

    Raises WheelError.
    """
    present = set(paths)
    found = sorted(
        {
            top
            for top, separator, _ in (path.partition("/") for path in present)
            if separator and top.endswith(".dist-info")
        }
    )
    if not found:
        raise WheelError(filename, "it has no .dist-info directory")
    if len(found) > 1:
        raise WheelError(filename, f"it has several .dist-info directories: {', '.join(found[:5])}")
    dist_info = found[0]
    name = read_filename(filename).name
    if not normalize_name(dist_info[: -len(".dist-info")]).startswith(normalize_name(name)):
        raise WheelError(filename, f"its `{dist_info}` belongs to another project than `{name}`")
    for needed in ("METADATA", "WHEEL", "RECORD"):
        if f"{dist_info}/{needed}" not in present:
            # As the reference, which misses METADATA when it resolves, the others when it installs.
            status = 1 if needed == "METADATA" else 2
            raise WheelError(filename, f"`{dist_info}/{needed}` is missing", exit_status=status)
    return dist_info


def read_identity(
    dist_info: str, read: Callable[[str], bytes], filename: str, *, skip_filename_check: bool = False
) -> Identity:
    """Return who the wheel is, by its METADATA and WHEEL; *read* gives the bytes of a path in it.

    The version may lack the local part that the file name has. Raises WheelError when name, version or
    ``Wheel-Version`` are not as they must be; *skip_filename_check* lets METADATA say what it likes.
    """
    metadata = _parsed(parse_metadata, read, f"{dist_info}/METADATA", filename)
    try:
        wheel = _parsed(parse_wheel, read, f"{dist_info}/WHEEL", filename)
    except WheelError as error:
        error.exit_status = 2  # the reference reads it when it installs
        raise
    if wheel.version[0] != 1 and wheel.version != (0, 1):
        wanted = ".".join(map(str, wheel.version))
        raise WheelError(filename, f"its Wheel-Version is {wanted}; only 1.x is understood", exit_status=2)
    name = normalize_name(metadata.name)
    if not skip_filename_check:
        check_filename(name, metadata.version, filename)
    return Identity(name, metadata.version, dist_info, wheel, metadata)


def check_filename(name: str, version: str, filename: str) -> None:
    """Refuse a wheel whose METADATA speaks of another *name* or *version* than its file name. Raises WheelError."""
    parts = read_filename(filename)
    if normalize_name(parts.name) != name:
        raise WheelError(filename, f"its METADATA says the name is `{name}`")
    if version == parts.version:
        return
    said = canonical_version(version)
    named = canonical_version(parts.version)
    if said is None or named is None or said not in {named, named.partition("+")[0]}:
        raise WheelError(
            filename,
            f"its METADATA says the version is `{version}`",
            hint="UV_SKIP_WHEEL_FILENAME_CHECK=1 installs it all the same",
            exit_status=2,
        )


def _parsed(parse: Callable[[str], _Parsed], read: Callable[[str], bytes], path: str, filename: str) -> _Parsed:
    try:
        # What is no UTF-8 stands in descriptions and author names; the headers that count are ASCII.
        return parse(read(path).decode("utf-8", "replace"))
    except ValueError as error:
        raise WheelError(filename, str(error)) from None


def heal_record(
    dist_info: str,
    text: bytes,
    rows: Mapping[str, StoredFile],
    filename: str,
    *,
    digest: Callable[[str, str], str] | None,
) -> bytes | None:
    """Return the RECORD that fits the files *rows* (by path), None when *text* does already.

    *digest* gives the hex digest of a path for an algorithm other than sha256; None leaves the hashes
    unread. Raises WheelError when RECORD is no table, or has a hash that is not the file's or proves nothing.
    """
    try:
        entries = parse_record(text.decode("utf-8"))
    except ValueError as error:
        raise WheelError(filename, f"`{dist_info}/RECORD`: {error}") from None
    unhashed = {f"{dist_info}/{name}" for name in _UNHASHED}
    healed: dict[str, RecordEntry] = {}
    for entry in entries:
        row = rows.get(entry.path)
        if row is None or entry.path in healed:
            continue
        if digest is not None and entry.hash and entry.path not in unhashed:
            _check_hash(entry, row, filename, digest)
        healed[entry.path] = entry
    if len(healed) == len(entries) and len(healed) == len(rows):
        return None
    for path in sorted(rows.keys() - healed.keys()):
        healed[path] = RecordEntry(path, "", None if path in unhashed else rows[path].size)
    return format_record(healed.values()).encode()


def _check_hash(entry: RecordEntry, row: StoredFile, filename: str, digest: Callable[[str, str], str]) -> None:
    algorithm, _, value = entry.hash.partition("=")
    if algorithm not in _STRONG:
        raise WheelError(
            filename, f"RECORD names `{entry.path}` by `{algorithm}`; only {', '.join(sorted(_STRONG))} count"
        )
    digits = row.sha256 if algorithm == "sha256" else digest(entry.path, algorithm)
    actual = record_hash(digits, algorithm)
    # Some wheels on indexes, gmsh's among them, have hex digits where base64 belongs: their bytes are proved as well.
    if value.rstrip("=") != actual.partition("=")[2] and value.lower() != digits:
        raise WheelError(
            filename,
            f"`{entry.path}` is not the file that RECORD names\n  Expected: {entry.hash}\n  Computed: {actual}",
            hint="the wheel was changed after it was built; UV_INSECURE_NO_ZIP_VALIDATION=1 installs it all the same",
        )
