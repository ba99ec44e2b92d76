"""The structure of a wheel's zip archive: what is in it, and whether it is what it seems.

Reads the directory at the end and holds it against the whole file: no bytes in front, between or behind, no
member that lands elsewhere or twice, nothing but plain files. What two readers could read in two ways is
refused. Sources: APPNOTE (zip, zip64), PEP 427; the table of hostile wheels in ``tests/test_archive.py``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from functools import lru_cache
from struct import Struct
from typing import BinaryIO

from pytest_envsync.errors import WheelError
from pytest_envsync.values import NamedTuple

STORED, DEFLATED = 0, 8
_END = Struct("<4s4H2IH")
_END64 = Struct("<4sQ2H2I4Q")
_LOCATOR64 = Struct("<4sIQI")
_CENTRAL = Struct("<4s6H3I5H2I")
LOCAL = Struct("<4s5H3I2H")
_EXTRA = Struct("<HH")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, HAS_DESCRIPTOR, _IS_UTF8 = 0x1, 0x8, 0x800
_SATURATED = (_FULL16, _FULL16, _FULL32, _FULL32)
_PATCHED = 0x20 | 0x40 | 0x2000  # patch data, strong encryption, masked headers
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\:]" if os.name == "nt" else r"[\x00-\x1f\x7f\\]")
_DEEPEST = 200  # directories; a path may not be much longer, and whoever lays it out goes down one by one
_LARGEST_DIRECTORY = 64 * 2**20  # bytes; a wheel of 100,000 files needs some ten million
_DEFLATE_LIMIT = 1032  # no deflate stream says more than this many bytes with one


class Member(NamedTuple):
    """A file of the archive. Offsets and sizes are in bytes.

    *offset* is where its local header begins, *end* where the next one does. *name* are the bytes of the name as
    they stand in the archive, *path* is posix. *mtime_ns* is the archive's time, read as UTC.
    """

    path: str
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    end: int
    executable: bool
    mtime_ns: int


def read_members(archive: BinaryIO, filename: str, *, validate: bool = True) -> tuple[Member, ...]:
    """Return the files of *archive* in the order in which they lie in it; directories are left out.

    *filename* names it in errors. Without *validate* the archive's ends are not looked at, nor what lies
    between its members; what would land outside, twice or as something else than a file is refused always.
    Raises WheelError.
    """
    total = archive.seek(0, os.SEEK_END)
    end = _find_end(archive, filename, total, validate=validate)
    archive.seek(end.start)
    directory = archive.read(end.size)
    rows = sorted(_read_directory(directory, end, filename), key=lambda member: member.offset)
    if not rows:
        raise WheelError(filename, "it is empty")
    if rows[-1].offset > end.start:
        raise WheelError(filename, f"`{rows[-1].path}` is not where the directory says")
    ends = [*(member.offset for member in rows[1:]), end.start]
    rows = [member._replace(end=after) for member, after in zip(rows, ends, strict=True)]
    if validate:
        _check_layout(rows, filename)
    members = tuple(member for member in rows if not member.path.endswith("/"))
    _check_paths(members, filename)
    return members


class _End(NamedTuple):
    """Where the directory begins (*start*), its *size*, and the number of its *rows*.

    *shift* is the number of foreign bytes in front of the archive.
    """

    start: int
    size: int
    rows: int
    shift: int


def _find_end(archive: BinaryIO, filename: str, total: int, *, validate: bool) -> _End:
    reach = min(total, _END.size + _FULL16)
    archive.seek(total - reach)
    tail = archive.read(reach)
    position = tail.rfind(b"PK\x05\x06")
    if position < 0 or position + _END.size > len(tail):
        raise WheelError(filename, "no zip archive, or cut short: the end of its directory is missing")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(tail, position)
    end = total - reach + position
    if validate and position + _END.size + comment != len(tail):
        raise WheelError(filename, "there are bytes behind the end of the archive")
    if disk not in {0, _FULL16} or first_disk not in {0, _FULL16}:
        raise WheelError(filename, "it is one part of several")
    expected = end
    locator = tail[position - _LOCATOR64.size : position] if position >= _LOCATOR64.size else b""
    if locator[:4] == b"PK\x06\x07":
        expected = min(_LOCATOR64.unpack(locator)[2], total)
        archive.seek(expected)
        record = archive.read(_END64.size)
        if len(record) != _END64.size or record[:4] != b"PK\x06\x06":
            raise WheelError(filename, "the zip64 locator points at something else")
        _, length, _, _, disk, first_disk, here64, count64, size64, start64 = _END64.unpack(record)
        if validate and (expected + 12 + length != end - _LOCATOR64.size or disk or first_disk or here64 != count64):
            raise WheelError(filename, "its zip64 record does not fit in its place")
        small, large = (here, count, size, start), (here64, count64, size64, start64)
        if any(s not in {big, full} for s, big, full in zip(small, large, _SATURATED, strict=True)):
            raise WheelError(filename, "the end of its directory contradicts its zip64 record")
        count, size, start = count64, size64, start64
    elif here != count:
        raise WheelError(filename, "it is one part of several")
    if size > min(total, _LARGEST_DIRECTORY):
        raise WheelError(filename, f"its directory claims {size} bytes")
    shift = expected - size - start
    if validate and (shift or tail.find(b"PK\x05\x06", max(0, expected - (total - reach))) != position):
        raise WheelError(filename, "there are bytes in front of the archive, or it is several archives in one file")
    if shift < 0:
        raise WheelError(filename, "its directory is not where the archive says")
    return _End(start + shift, size, count, shift)


def _read_directory(directory: bytes, end: _End, filename: str) -> Iterator[Member]:
    at = 0
    seen = 0
    while at < len(directory):
        if at + _CENTRAL.size > len(directory) or directory[at : at + 4] != b"PK\x01\x02":
            raise WheelError(filename, "its directory is damaged")
        row = _CENTRAL.unpack_from(directory, at)
        name_at = at + _CENTRAL.size
        extra_at = name_at + row[10]
        at = extra_at + row[11] + row[12]
        if at > len(directory):
            raise WheelError(filename, "its directory is damaged")
        seen += 1
        yield _member(row, directory[name_at:extra_at], directory[extra_at : extra_at + row[11]], end.shift, filename)
    if seen != end.rows:
        raise WheelError(filename, f"its directory has {seen} members where its end claims {end.rows}")


def _member(row: tuple[int, ...], name: bytes, extra: bytes, shift: int, filename: str) -> Member:
    _, _, _, flags, method, time, date, crc, packed, size, _, _, _, disk, _, attributes, offset = row
    path = decode_name(name, flags, filename)
    if extra or _FULL32 in {size, packed, offset}:
        size, packed, offset = wide_values(extra, (size, packed, offset), path, filename)
        _check_unicode_path(extra, path, filename)
    if disk not in {0, _FULL16}:
        raise WheelError(filename, "it is one part of several")
    if flags & (_ENCRYPTED | _PATCHED):
        raise WheelError(filename, f"`{path}` is encrypted")
    if method not in {STORED, DEFLATED}:
        raise WheelError(filename, f"`{path}` is packed by method {method}; a wheel's files are stored or deflated")
    if (method == STORED and size != packed) or size > packed * _DEFLATE_LIMIT + 64:
        raise WheelError(filename, f"`{path}` claims {size} bytes, which {packed} packed bytes cannot hold")
    mode = attributes >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "a special file"
        raise WheelError(filename, f"`{path}` is {kind}; a wheel holds plain files only")
    if path.endswith("/") and size:
        raise WheelError(filename, f"the directory `{path}` has contents")
    executable = bool(mode & 0o111) and stat.S_IFMT(mode) != stat.S_IFDIR
    return Member(path, name, flags, method, crc, packed, size, offset + shift, 0, executable, _nanoseconds(date, time))


def decode_name(name: bytes, flags: int, filename: str) -> str:
    """Return the text of a member's name. Raises WheelError for bytes that are no text."""
    try:
        return name.decode("utf-8" if flags & _IS_UTF8 else "ascii" if name.isascii() else "cp437")
    except UnicodeDecodeError:
        raise WheelError(filename, f"a member's name is no UTF-8: {name[:80]!r}") from None


def wide_values(extra: bytes, values: tuple[int, ...], path: str, filename: str) -> tuple[int, ...]:
    """Return *values* with those that are saturated taken from the zip64 field of *extra*."""
    if _FULL32 not in values:
        return values
    for kind, data in _extra_fields(extra, path, filename):
        if kind == 1:
            wide = [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data) - 7, 8)]
            needed = sum(value == _FULL32 for value in values)
            if len(wide) >= needed:
                supply = iter(wide)
                return tuple(next(supply) if value == _FULL32 else value for value in values)
    raise WheelError(filename, f"`{path}` lacks its zip64 sizes")


def _check_unicode_path(extra: bytes, path: str, filename: str) -> None:
    """Refuse a second name that differs (Info-ZIP's 0x7075): readers disagree on which one counts."""
    for kind, data in _extra_fields(extra, path, filename):
        if kind == 0x7075 and data[5:] != path.encode():
            raise WheelError(filename, f"`{path}` has a second, different name")


def _extra_fields(extra: bytes, path: str, filename: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if at + length > len(extra):
            raise WheelError(filename, f"`{path}` has a damaged extra field")
        yield kind, extra[at : at + length]
        at += length


@lru_cache(maxsize=4096)
def _nanoseconds(date: int, time: int) -> int:
    """Return a DOS date and time, read as UTC, in nanoseconds since 1970; 1980-01-01 when there is no such day."""
    year, month, day = 1980 + (date >> 9), date >> 5 & 15, date & 31
    hour, minute, second = time >> 11, time >> 5 & 63, (time & 31) * 2
    lengths = (31, 29 if year % 4 == 0 and year != 2100 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if not 1 <= month <= 12 or not 1 <= day <= lengths[month - 1] or hour > 23 or minute > 59 or second > 59:
        year, month, day, hour, minute, second = 1980, 1, 1, 0, 0, 0
    # Days since 1970 by the civil calendar; the year begins in March, so that a leap day is its last day.
    march_year = year - (month < 3)
    days = march_year * 365 + march_year // 4 - march_year // 100 + march_year // 400
    days += (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719468
    return ((days * 24 + hour) * 60 + minute) * 60_000_000_000 + second * 1_000_000_000


def _check_layout(rows: list[Member], filename: str) -> None:
    """Refuse room that no member accounts for: overlaps, and a first member that is not at the beginning.

    The rest, bytes between the end of one member and the beginning of the next, shows when the local
    headers are read (``wheels.unpack``).
    """
    if rows[0].offset != 0:
        raise WheelError(filename, "there are bytes in front of the archive")
    for member in rows:
        if member.end - member.offset < LOCAL.size + len(member.name) + member.packed:
            raise WheelError(filename, f"`{member.path}` overlaps with what follows it")


def _check_paths(members: tuple[Member, ...], filename: str) -> None:
    files = set()
    folders: set[str] = set()
    for member in members:
        path = member.path
        folder, _, base = path.rpartition("/")
        # A slash in front leaves nothing before it, as a file at the top does, and is no way to the top.
        if folder not in folders or path.startswith("/"):
            parts = path.split("/")
            _check_parts(parts, path, filename)
            while folder and folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
            folders.add("")
        else:
            _check_parts((base,), path, filename)
        if path in files:
            raise WheelError(filename, f"`{path}` is in it twice")
        files.add(path)
    for path in files & folders:
        raise WheelError(filename, f"`{path}` is both a file and a directory")


def _check_parts(parts: list[str] | tuple[str], path: str, filename: str) -> None:
    if len(parts) > _DEEPEST:
        raise WheelError(filename, f"`{path[:80]}...` lies more than {_DEEPEST} directories deep")
    for part in parts:
        if part in {"", ".", ".."}:
            raise WheelError(filename, f"`{path}` would land outside of the environment, or has an empty part")
        if _FORBIDDEN.search(part):
            raise WheelError(filename, f"{path!r} has a character that no path in a wheel may have")
