"""Zip archives written byte by byte, so that a test can say any lie in any place."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from factories import metadata_text, record_line

DATE = (2020 - 1980) << 9 | 2 << 5 | 2
TIME = 2 << 11 | 2 << 5 | 1


@dataclass
class Entry:
    """A member as the archive is to describe it; None means the truth."""

    name: str | bytes
    content: bytes = b""
    method: int = 8
    flags: int = 0
    attributes: int = 0o100644 << 16
    date: int = DATE
    time: int = TIME
    crc: int | None = None
    packed: bytes | None = None
    size: int | None = None
    packed_size: int | None = None
    extra: bytes = b""
    local: dict[str, int | bytes] = field(default_factory=dict)
    behind: bytes = b""
    in_directory: bool = True

    def encoded(self) -> bytes:
        return self.name if isinstance(self.name, bytes) else self.name.encode()

    def data(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method != 8:
            return self.content
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
        return squeeze.compress(self.content) + squeeze.flush()

    def local_part(self) -> bytes:
        data = self.data()
        values = {
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.content) if self.crc is None else self.crc,
            "packed": len(data) if self.packed_size is None else self.packed_size,
            "size": len(self.content) if self.size is None else self.size,
            "name": self.encoded(),
            "extra": b"",
            **self.local,
        }
        name, extra = bytes(values["name"]), bytes(values["extra"])
        head = struct.pack(
            "<4s5H3I2H", b"PK\x03\x04", 20, values["flags"], values["method"], self.time, self.date,
            values["crc"], values["packed"], values["size"], len(name), len(extra),
        )  # fmt: skip
        return head + name + extra + data + self.behind

    def directory_part(self, offset: int) -> bytes:
        data = self.data()
        name = self.encoded()
        head = struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 0x0314, 20, self.flags, self.method, self.time, self.date,
            zlib.crc32(self.content) if self.crc is None else self.crc,
            len(data) if self.packed_size is None else self.packed_size,
            len(self.content) if self.size is None else self.size,
            len(name), len(self.extra), 0, 0, 0, self.attributes, offset,
        )  # fmt: skip
        return head + name + self.extra


def zip_bytes(
    entries: Iterable[Entry], *, comment: bytes = b"", count: int | None = None, before_directory: bytes = b""
) -> bytes:
    """An archive of *entries*; *count* replaces the number of members that its end tells."""
    body, directory, number = b"", b"", 0
    for entry in entries:
        if entry.in_directory:
            directory += entry.directory_part(len(body))
            number += 1
        body += entry.local_part()
    body += before_directory
    told = number if count is None else count
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, told, told, len(directory), len(body), len(comment))
    return body + directory + end + comment


def wheel_entries(
    files: Mapping[str, bytes] | None = None,
    *,
    name: str = "demo",
    version: str = "1.0",
    unlisted: Sequence[str] = (),
    **texts: str,
) -> list[Entry]:
    """The members of a sound wheel; *texts* replace METADATA, WHEEL or RECORD; *unlisted* are left out of RECORD."""
    dist_info = f"{name}-{version}.dist-info"
    contents = dict(files if files is not None else {f"{name}.py": b"VERSION = 1\n"})
    contents[f"{dist_info}/METADATA"] = texts.get("METADATA", metadata_text(name, version)).encode()
    contents[f"{dist_info}/WHEEL"] = texts.get(
        "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ).encode()
    rows = "".join(record_line(path, content) for path, content in contents.items() if path not in unlisted)
    contents[f"{dist_info}/RECORD"] = texts.get("RECORD", f"{rows}{dist_info}/RECORD,,\n").encode()
    return [Entry(path, content) for path, content in contents.items()]


def write_zip(path: Path, entries: Iterable[Entry], **options: object) -> Path:
    """Write an archive of *entries* (``zip_bytes``) and return its path."""
    path.write_bytes(zip_bytes(entries, **options))  # type: ignore[arg-type]  # the options of zip_bytes
    return path
