"""Write the files of a wheel: one pass over the archive, each file checked while it is written.

The bytes of a member are inflated, held against their CRC and length, digested and written, then dropped: a small
member is in memory at once, a large one in pieces. Nothing is written outside of the given directory, which is
the caller's own and empty; what fails leaves it half full, and the caller drops it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Any, BinaryIO

from pytest_envsync.distributions import StoredFile
from pytest_envsync.errors import WheelError
from pytest_envsync.values import NamedTuple
from pytest_envsync.wheels.store.archive import DEFLATED, HAS_DESCRIPTOR, LOCAL, Member, wide_values

_WINDOW = 2**20  # bytes of the archive that are in memory; most members of it lie in one
_AT_ONCE = 2 * 2**20  # bytes of the largest member that is inflated in one piece
_PIECE = 2**18
_AGREEING_FLAGS = 0x1 | HAS_DESCRIPTOR | 0x800
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_UNNAMABLE = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
_HAS_DIR_FD = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd
_HAS_UTIME_FD = os.utime in os.supports_fd


def unpack(
    archive: BinaryIO,
    members: tuple[Member, ...],
    root: str,
    filename: str,
    *,
    validate: bool = True,
    exact_modes: bool = False,
) -> list[StoredFile]:
    """Write *members* below the empty directory *root* and return a row for each, in the order of the archive.

    Files become 0444, executables 0555, directories 0755 (*exact_modes*: also where the umask would take bits away).
    *archive* is unbuffered; without *validate* local headers may contradict the directory.
    Raises WheelError for bytes other than the archive promises, OSError when they cannot be written.
    """
    window = _Window(archive)
    tree = _Tree(root, filename, exact_modes=exact_modes)
    rows = []
    try:
        for member in members:
            record = window.at(member.offset, member.end - member.offset)
            begin = _check_local(member, record, filename, validate=validate)
            mode = 0o555 if member.executable else 0o444
            if begin + member.packed <= len(record) and member.size <= _AT_ONCE:
                packed = record[begin : begin + member.packed]
                contents = _inflate(packed, member, filename) if member.method == DEFLATED else packed
                tree.write(member.path, mode, member.mtime_ns, (contents,))
                digest = sha256(contents).hexdigest()
            else:
                running = sha256()
                pieces = _pieces(archive, member, member.offset + begin, filename, running.update)
                tree.write(member.path, mode, member.mtime_ns, pieces)
                digest = running.hexdigest()
            rows.append(StoredFile(member.path, member.size, mode, member.mtime_ns, digest))
    finally:
        tree.close()
    return rows


class _Window:
    """The piece of the archive that is in memory: one buffer, read into again and again."""

    def __init__(self, archive: BinaryIO) -> None:
        self._archive = archive
        self._view = memoryview(bytearray(_WINDOW))
        self._begin = self._end = 0

    def at(self, offset: int, length: int) -> memoryview:
        """Return *length* bytes from *offset*: fewer if the window or the archive ends before."""
        if offset < self._begin or offset + min(length, _WINDOW) > self._end:
            self._archive.seek(offset)
            filled = 0
            while filled < _WINDOW:
                count = self._archive.readinto(self._view[filled:])  # type: ignore[attr-defined] # BinaryIO lacks it
                if not count:
                    break
                filled += count
            self._begin, self._end = offset, offset + filled
        begin = offset - self._begin
        return self._view[begin : min(begin + length, self._end - self._begin)]


def _check_local(member: Member, record: memoryview, filename: str, *, validate: bool) -> int:
    """Return where the member's bytes begin in *record*, having held its local header against the directory."""
    if len(record) < LOCAL.size or bytes(record[:4]) != b"PK\x03\x04":
        raise WheelError(filename, f"`{member.path}` is not where the directory says")
    name_length: int
    extra_length: int
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = LOCAL.unpack_from(record)
    name_end = LOCAL.size + name_length
    begin = name_end + extra_length
    if not validate:
        return begin
    if bytes(record[LOCAL.size : name_end]) != member.name:
        raise WheelError(filename, f"`{member.path}` has another name where its bytes are")
    if method != member.method or (flags ^ member.flags) & _AGREEING_FLAGS:
        raise WheelError(filename, f"`{member.path}` is described in two ways")
    if 0xFFFFFFFF in {packed, size}:
        size, packed = wide_values(bytes(record[name_end:begin]), (size, packed), member.path, filename)
    given = (crc, packed, size)
    expected = (member.crc, member.packed, member.size)
    if given != expected and not (
        flags & HAS_DESCRIPTOR and all(g in {0, e} for g, e in zip(given, expected, strict=True))
    ):
        raise WheelError(filename, f"`{member.path}` has other sizes or another checksum where its bytes are")
    behind = member.end - member.offset - begin - member.packed
    if behind and not (flags & HAS_DESCRIPTOR and behind in {12, 16, 20, 24}):
        raise WheelError(filename, f"there are bytes behind `{member.path}` that belong to no member")
    return begin


class _Inflation(NamedTuple):
    """The functions of the library that inflates: isal where there is a wheel of it, else zlib."""

    decompressor: Callable[[int], Any]
    crc32: Callable[..., int]
    error: Any


@lru_cache(maxsize=1)
def _inflation() -> _Inflation:
    # isal inflates twice as fast as zlib and computes a CRC nine times as fast (measured).
    try:
        from isal import isal_zlib
    except ImportError:
        import zlib

        return _Inflation(zlib.decompressobj, zlib.crc32, zlib.error)
    return _Inflation(isal_zlib.decompressobj, isal_zlib.crc32, isal_zlib.error)


def _inflate(packed: memoryview, member: Member, filename: str) -> bytes:
    library = _inflation()
    stream = library.decompressor(-15)
    try:
        # One byte more than promised is enough to know that there are more: a bomb costs no memory.
        contents: bytes = stream.decompress(packed, member.size + 1)
    except library.error as error:
        raise WheelError(filename, f"`{member.path}` cannot be inflated: {error}") from None
    if len(contents) != member.size or not stream.eof or stream.unused_data or library.crc32(contents) != member.crc:
        raise _spoiled(member, filename)
    return contents


def _spoiled(member: Member, filename: str) -> WheelError:
    return WheelError(filename, f"`{member.path}` is damaged: its length or checksum is not the promised one")


def _pieces(
    archive: BinaryIO, member: Member, begin: int, filename: str, digest: Callable[[bytes], object]
) -> Iterator[bytes]:
    """Yield the bytes of a large member in pieces, telling *digest* of each; the last step checks the whole."""
    library = _inflation()
    crc = written = 0
    archive.seek(begin)
    packed = _read_pieces(archive, member, filename)
    for piece in packed if member.method != DEFLATED else _inflate_pieces(packed, member, filename):
        written += len(piece)
        if written > member.size:
            raise _spoiled(member, filename)
        crc = library.crc32(piece, crc)
        digest(piece)
        yield piece
    if written != member.size or crc != member.crc:
        raise _spoiled(member, filename)


def _read_pieces(archive: BinaryIO, member: Member, filename: str) -> Iterator[bytes]:
    left = member.packed
    while left:
        piece = archive.read(min(left, _PIECE))
        if not piece:
            raise WheelError(filename, f"it ends within `{member.path}`")
        left -= len(piece)
        yield piece


def _inflate_pieces(pieces: Iterator[bytes], member: Member, filename: str) -> Iterator[bytes]:
    library = _inflation()
    stream = library.decompressor(-15)
    most = 4 * _PIECE
    for packed in pieces:
        rest = packed
        while True:
            try:
                piece = stream.decompress(rest, most)
            except library.error as error:
                raise WheelError(filename, f"`{member.path}` cannot be inflated: {error}") from None
            yield piece
            rest = stream.unconsumed_tail
            if not rest and len(piece) < most:  # else the library may hold back more than it was asked for
                break
    if not stream.eof or stream.unused_data:
        raise _spoiled(member, filename)


class _Tree:
    """The directory that is being filled: makes each directory once, each file with four system calls."""

    def __init__(self, root: str, filename: str, *, exact_modes: bool) -> None:
        self._filename = filename
        self._exact = exact_modes
        self._made = {""}
        self._prefix = "" if _HAS_DIR_FD else root + os.sep
        self._root: int | None = os.open(root, os.O_RDONLY) if _HAS_DIR_FD else None

    def close(self) -> None:
        if self._root is not None:
            os.close(self._root)

    def write(self, path: str, mode: int, mtime_ns: int, pieces: tuple[bytes | memoryview] | Iterator[bytes]) -> None:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            self._make(folder, path)
        place = self._prefix + path
        try:
            descriptor = os.open(place, _CREATE, mode, dir_fd=self._root)
        except OSError as error:
            raise self._refusal(error, path) from error
        try:
            for piece in pieces:
                written = os.write(descriptor, piece)
                while written < len(piece):
                    written += os.write(descriptor, piece[written:])
            if self._exact:
                os.fchmod(descriptor, mode)
            if _HAS_UTIME_FD:
                os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(descriptor)
        if not _HAS_UTIME_FD:
            os.utime(place, ns=(mtime_ns, mtime_ns))

    def _make(self, folder: str, path: str) -> None:
        parent = folder.rpartition("/")[0]
        if parent not in self._made:
            self._make(parent, path)
        try:
            os.mkdir(self._prefix + folder, 0o755, dir_fd=self._root)
            if self._exact:
                os.chmod(self._prefix + folder, 0o755, dir_fd=self._root)  # noqa: S103 - the store's directories
        except OSError as error:
            raise self._refusal(error, path) from error
        self._made.add(folder)

    def _refusal(self, error: OSError, path: str) -> OSError | WheelError:
        """Return the error to raise: the wheel's fault where the name is, the machine's otherwise."""
        if isinstance(error, FileExistsError):
            return WheelError(self._filename, f"`{path}` differs only by case from another member")
        if error.errno in _UNNAMABLE:
            return WheelError(self._filename, f"`{path[:120]}` is no name that this file system allows")
        return error
