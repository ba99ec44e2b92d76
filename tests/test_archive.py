"""Unpacking wheels: what comes out of a sound one, and what is refused of a hostile one."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import random
import re
import resource
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import make_wheel, record_line
from pytest_envsync.errors import EnvsyncError, StoreError, WheelError
from pytest_envsync.wheels.store.archive import read_members
from pytest_envsync.wheels.store.entry import Unpacked, unpack_wheel
from zips import Entry, wheel_entries, write_zip, zip_bytes

NAME = "demo-1.0-py3-none-any.whl"
LINK = 0o120777 << 16


def unpacked(archive: Path, tree: Path, **options: Any) -> Unpacked:
    tree.mkdir()
    return unpack_wheel(archive, str(tree), archive.name, **options)


def written(tree: Path) -> dict[str, bytes]:
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def refusal(tmp_path: Path, content: bytes, **options: bool) -> str:
    """Why a wheel with these bytes is refused; nothing may have been written outside of its tree."""
    archive = tmp_path / NAME
    archive.write_bytes(content)
    before = set(tmp_path.parent.iterdir())
    with pytest.raises(WheelError) as caught:
        unpacked(archive, tmp_path / "tree", **options)
    assert {path.name for path in tmp_path.iterdir()} == {NAME, "tree"}
    assert set(tmp_path.parent.iterdir()) == before
    assert str(caught.value).startswith(f"`{NAME}` is not valid: ")
    return caught.value.detail


# what comes out


def test_a_wheel_comes_out_with_digests_modes_and_times(tmp_path: Path, wheels: Path) -> None:
    archive = make_wheel(
        wheels,
        files={"demo/__init__.py": "x = 1\n", "demo/run.sh": "#!/bin/sh\n", "demo/empty": b""},
        modes={"demo/run.sh": 0o755},
    )
    identity, rows = unpacked(archive, tmp_path / "tree")
    assert (identity.name, identity.version, identity.dist_info) == ("demo", "1.0", "demo-1.0.dist-info")
    assert [row.path for row in rows] == sorted(written(tmp_path / "tree"))
    for row in rows:
        place = tmp_path / "tree" / row.path
        status = place.lstat()
        assert stat.S_IMODE(status.st_mode) == row.mode == (0o555 if row.path.endswith(".sh") else 0o444)
        assert status.st_mtime_ns == row.mtime_ns == 1_580_608_922 * 10**9  # 2020-02-02T02:02:02Z
        assert status.st_size == row.size
        assert hashlib.sha256(place.read_bytes()).hexdigest() == row.sha256
    assert stat.S_IMODE((tmp_path / "tree" / "demo").stat().st_mode) == 0o755
    with zipfile.ZipFile(archive) as reference:
        assert written(tmp_path / "tree") == {name: reference.read(name) for name in reference.namelist()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_large_members_are_written_in_pieces(tmp_path: Path, method: int) -> None:
    noise = random.Random(1).randbytes(3 * 2**20 + 7)
    contents = {"demo/noise.bin": noise, "demo/zeros.bin": bytes(9 * 2**20 + 1), "demo/small.py": b"x\n"}
    entries = wheel_entries(contents)
    for entry in entries:
        entry.method = method
    unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree")
    assert {path: (tmp_path / "tree" / path).read_bytes() for path in contents} == contents


def test_zlib_does_where_isal_is_missing(tmp_path: Path, wheels: Path) -> None:
    archive = make_wheel(wheels, files={"demo.py": "x = 1\n", "big.bin": bytes(5 * 2**20)})
    code = (
        "import sys; sys.modules['isal'] = None\n"
        "from pytest_envsync.wheels.store.entry import unpack_wheel\n"
        "unpack_wheel(sys.argv[1], sys.argv[2], sys.argv[3])\n"
        "assert 'isal.isal_zlib' not in sys.modules"
    )
    (tmp_path / "tree").mkdir()
    subprocess.run([sys.executable, "-c", code, str(archive), str(tmp_path / "tree"), archive.name], check=True)
    assert (tmp_path / "tree" / "big.bin").read_bytes() == bytes(5 * 2**20)


def test_the_memory_in_use_does_not_grow_with_the_wheel(tmp_path: Path) -> None:
    entries = wheel_entries({f"demo/zeros{number}.bin": bytes(60 * 2**20) for number in range(2)})
    archive = write_zip(tmp_path / NAME, entries)
    code = (
        "import resource, sys\n"
        "from pytest_envsync.wheels.store.entry import unpack_wheel\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "unpack_wheel(sys.argv[1], sys.argv[2], sys.argv[3])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    (tmp_path / "tree").mkdir()
    command = [sys.executable, "-c", code, str(archive), str(tmp_path / "tree"), archive.name]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 20 * 1024  # KiB, for 120 MiB of files


def test_the_umask_takes_nothing_away(tmp_path: Path, wheels: Path) -> None:
    archive = make_wheel(wheels, files={"demo/deep/run": "#!/bin/sh\n"}, modes={"demo/deep/run": 0o755})
    previous = os.umask(0o077)
    try:
        unpacked(archive, tmp_path / "tree", exact_modes=True)
    finally:
        os.umask(previous)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "tree").rglob("*")
        if "dist" not in path.name
    }
    assert modes == {"demo": 0o755, "deep": 0o755, "run": 0o555, "METADATA": 0o444, "WHEEL": 0o444, "RECORD": 0o444}


def test_two_unpackings_are_the_same(tmp_path: Path, wheels: Path) -> None:
    archive = make_wheel(wheels)
    assert unpacked(archive, tmp_path / "one").rows == unpacked(archive, tmp_path / "two").rows


@pytest.mark.parametrize(
    ("date", "time", "seconds"),
    [
        (0, 0, 315_532_800),  # no such day: 1980-01-01
        (1 << 5 | 1, 0, 315_532_800),
        (20 << 9 | 2 << 5 | 29, 0, 951_782_400),  # 2000-02-29
        (120 << 9 | 2 << 5 | 29, 0, 315_532_800),  # 2100 has no 29 February
        (127 << 9 | 12 << 5 | 31, 23 << 11 | 59 << 5 | 29, 4_354_819_198),  # 2107-12-31T23:59:58
        (44 << 9 | 3 << 5 | 1, 0, 1_709_251_200),  # 2024-03-01
        (44 << 9 | 13 << 5 | 1, 0, 315_532_800),
        (44 << 9 | 3 << 5 | 1, 31 << 11, 315_532_800),
    ],
)
def test_dates_are_read_as_utc(tmp_path: Path, date: int, time: int, seconds: int) -> None:
    entries = wheel_entries()
    entries[0].date, entries[0].time = date, time
    rows = unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree").rows
    assert {row.path: row.mtime_ns for row in rows}["demo.py"] == seconds * 10**9


def test_members_that_are_directories_leave_nothing(tmp_path: Path) -> None:
    entries = [Entry("demo/", method=0, attributes=0o040755 << 16), *wheel_entries({"demo/__init__.py": b""})]
    assert [row.path for row in unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree").rows] == [
        "demo-1.0.dist-info/METADATA",
        "demo-1.0.dist-info/RECORD",
        "demo-1.0.dist-info/WHEEL",
        "demo/__init__.py",
    ]


def test_bytecode_in_a_wheel_is_left_out_and_its_row_too(tmp_path: Path) -> None:
    entries = wheel_entries({"demo.py": b"", "__pycache__/demo.cpython-311.pyc": b"evil", "old.pyc": b"sourceless"})
    rows = unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree").rows
    assert [row.path for row in rows if "dist-info" not in row.path] == ["demo.py", "old.pyc"]
    assert "cpython-311" not in (tmp_path / "tree" / "demo-1.0.dist-info" / "RECORD").read_text()


def test_a_zip_with_descriptors_and_a_comment_is_sound(tmp_path: Path) -> None:
    entries = wheel_entries()
    for entry, layout in zip(entries, ["<4sIII", "<III", "<4sIQQ", "<IQQ"], strict=True):
        data = entry.data()
        values = (zlib.crc32(entry.content), len(data), len(entry.content))
        entry.flags = 8
        entry.local = {"crc": 0, "packed": 0, "size": 0}
        entry.behind = struct.pack(layout, *((b"PK\x07\x08",) if "4s" in layout else ()), *values)
    unpacked(write_zip(tmp_path / NAME, entries, comment=b"made by hand"), tmp_path / "tree")
    assert (tmp_path / "tree" / "demo.py").read_bytes() == b"VERSION = 1\n"


def test_a_zip64_archive_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 8)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    with zipfile.ZipFile(tmp_path / NAME, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in wheel_entries({"demo.py": b"x = 1\n" * 99}):
            with archive.open(str(entry.name), "w", force_zip64=True) as member:
                member.write(entry.content)
    assert (tmp_path / NAME).read_bytes().count(b"PK\x06\x06") == 1
    unpacked(tmp_path / NAME, tmp_path / "tree")
    assert (tmp_path / "tree" / "demo.py").read_bytes() == b"x = 1\n" * 99


ZIP64_LIES = [
    (b"PK\x06\x07", 8, struct.pack("<Q", 0), "locator points at something else"),
    (b"PK\x06\x06", 4, struct.pack("<Q", 45), "does not fit in its place"),
    (b"PK\x06\x06", 24, struct.pack("<Q", 3), "does not fit in its place"),
    (b"PK\x06\x06", 40, struct.pack("<Q", 10**15), "contradicts its zip64 record"),
    (b"PK\x06\x06", 48, struct.pack("<Q", 1), "contradicts its zip64 record"),
    (b"PK\x06\x07", 8, struct.pack("<Q", 2**64 - 1), "locator points at something else"),
    (b"PK\x05\x06", 8, struct.pack("<HH", 1, 1), "contradicts its zip64 record"),
]


@pytest.mark.parametrize(("signature", "offset", "value", "reason"), ZIP64_LIES)
def test_a_zip64_archive_that_lies_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, signature: bytes, offset: int, value: bytes, reason: str
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 8)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry in wheel_entries():
            archive.writestr(str(entry.name), entry.content)
    content = bytearray(buffer.getvalue())
    place = content.rindex(signature) + offset
    content[place : place + len(value)] = value
    assert reason in refusal(tmp_path, bytes(content))


def test_names_are_text_of_any_language(tmp_path: Path) -> None:
    entries = [Entry("demo/größe.py", b"1", flags=0x800), Entry(b"demo/na\x8bve.py", b"2"), *wheel_entries()]
    unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree")
    assert {"demo/größe.py", "demo/naïve.py"} < set(written(tmp_path / "tree"))


# what is refused, whoever asks

ESCAPES = [
    "../evil.py", "demo/../../evil.py", "demo/..", "/evil.py", "//evil.py", "demo//evil.py", "./demo.py", "demo/./x.py",
    "..\\evil.py", "demo\\evil.py", "C:\\evil.py", "demo/evil\0.py", "demo\n.py", "demo-1.0.data/scripts/../../../evil",
    "demo/../evil.py",
]  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("validate", [True, False])
def test_members_that_land_elsewhere_are_refused(tmp_path: Path, name: str, *, validate: bool) -> None:
    detail = refusal(tmp_path, zip_bytes([Entry(name, b"evil"), *wheel_entries()]), validate=validate)
    assert "outside of the environment" in detail or "no path in a wheel may have" in detail
    assert written(tmp_path / "tree") == {}


@pytest.mark.parametrize("name", ESCAPES)
def test_members_that_land_elsewhere_are_refused_behind_members_that_do_not(tmp_path: Path, name: str) -> None:
    sound = wheel_entries({"top.py": b"", "demo/__init__.py": b""})
    assert "top.py" in {entry.name for entry in sound}
    detail = refusal(tmp_path, zip_bytes([*sound, Entry(name, b"evil")]))
    assert "outside of the environment" in detail or "no path in a wheel may have" in detail
    assert not os.path.lexists("/evil.py")


def deep_link() -> list[Entry]:
    return [Entry("demo/link", b"/tmp", attributes=LINK), Entry("demo/link/evil.py", b"evil"), *wheel_entries()]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([Entry("demo/link.py", b"demo.py", attributes=LINK), *wheel_entries()], "is a symbolic link"),
        (deep_link(), "is a symbolic link"),
        ([Entry("demo/pipe", b"", attributes=0o010644 << 16), *wheel_entries()], "is a special file"),
        ([*wheel_entries(), Entry("demo.py", b"other")], "is in it twice"),
        ([Entry("demo", b"a file"), *wheel_entries({"demo/__init__.py": b""})], "both a file and a directory"),
        ([Entry("demo/", b"contents", method=0), *wheel_entries()], "the directory `demo/` has contents"),
        ([Entry("demo/a.py", b"x", flags=1), *wheel_entries()], "is encrypted"),
        ([Entry("demo/a.py", b"x", method=12), *wheel_entries()], "is packed by method 12"),
        ([Entry("demo/a.py", b"x", method=9), *wheel_entries()], "is packed by method 9"),
        ([Entry(b"demo/\xff\xfe.py", b"x", flags=0x800), *wheel_entries()], "is no UTF-8"),
        ([Entry("demo/a.py", b"x", crc=7), *wheel_entries()], "is damaged"),
        ([Entry("demo/a.py", b"xyz", size=2), *wheel_entries()], "is damaged"),
        ([Entry("demo/a.py", b"xyz", size=4), *wheel_entries()], "is damaged"),
        ([Entry("demo/a.py", b"xyz", packed=b"\xff\xff\xff"), *wheel_entries()], "cannot be inflated"),
        ([Entry("demo/a.py", b"xyz" * 99, packed=b"\x4b"), *wheel_entries()], "cannot be inflated|is damaged"),
        ([Entry("demo/a.py", b"xyz", method=0, size=10**9), *wheel_entries()], "claims 1000000000 bytes"),
        ([Entry("demo/a.py", b"xyz", size=10**9), *wheel_entries()], "claims 1000000000 bytes"),
        ([Entry("demo/" + "a" * 300, b""), *wheel_entries()], "no name that this file system allows"),
    ],
)
@pytest.mark.parametrize("validate", [True, False])
def test_members_that_are_no_plain_files_are_refused(
    tmp_path: Path, entries: list[Entry], reason: str, *, validate: bool
) -> None:
    assert re.search(reason, refusal(tmp_path, zip_bytes(entries), validate=validate))
    assert "evil.py" not in written(tmp_path / "tree")


def test_a_bomb_that_lies_about_its_size_costs_no_memory(tmp_path: Path) -> None:
    zeros = Entry("demo/bomb.bin", bytes(200 * 2**20))
    bomb = Entry("demo/bomb.bin", b"", packed=zeros.data(), size=1000, crc=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "is damaged" in refusal(tmp_path, zip_bytes([bomb, *wheel_entries()]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_more_than_the_disk_holds_is_refused_before_it_is_written(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    extra = struct.pack("<HHQQ", 1, 16, 4 * free, 4 * free)
    huge = Entry("demo/huge.bin", b"x", size=0xFFFFFFFF, packed_size=0xFFFFFFFF, extra=extra)
    archive = write_zip(tmp_path / NAME, [huge, *wheel_entries()])
    with pytest.raises(StoreError, match=rf"unpacks to {4 * free}\d* bytes|unpacks to \d+ bytes"):
        unpacked(archive, tmp_path / "tree", validate=False)
    assert written(tmp_path / "tree") == {}


NOISE = random.Random(2).randbytes(3 * 2**20)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (Entry("demo/a.bin", NOISE, method=0, crc=1), "is damaged"),
        (Entry("demo/a.bin", NOISE, crc=1), "is damaged"),
        (Entry("demo/a.bin", NOISE, size=len(NOISE) - 1), "is damaged"),
        (Entry("demo/a.bin", NOISE, size=len(NOISE) + 1), "is damaged"),
        (Entry("demo/a.bin", NOISE, packed=Entry("", NOISE).data() + b"more"), "is damaged"),
        (Entry("demo/a.bin", NOISE, packed=Entry("", NOISE).data()[:-9]), "is damaged"),
        (Entry("demo/a.bin", NOISE, packed=b"\xff" * 2**21), "cannot be inflated"),
    ],
)
def test_large_members_are_held_against_their_promises_too(tmp_path: Path, member: Entry, reason: str) -> None:
    assert reason in refusal(tmp_path, zip_bytes([member, *wheel_entries()]))


# what is refused because two readers could read it in two ways

SOUND = zip_bytes(wheel_entries())
OTHER = zip_bytes(wheel_entries({"evil.py": b""}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no zip archive"),
        (b"PK\x05\x06" + bytes(18), "it is empty"),
        (b"no zip at all" * 99, "no zip archive"),
        (SOUND[:-1], "no zip archive|cut short|behind"),
        (SOUND[:-30], "no zip archive"),
        (SOUND[: len(SOUND) // 2], "no zip archive"),
        (b"#!/bin/sh\n" + SOUND, "bytes in front"),
        (SOUND + b"\0", "bytes behind the end"),
        (SOUND + OTHER, "several archives|bytes in front"),
        (SOUND + SOUND, "several archives|bytes in front"),
        (zip_bytes(wheel_entries(), comment=SOUND), "bytes in front|several archives"),
        (zip_bytes(wheel_entries(), count=3), "4 members where its end claims 3"),
        (zip_bytes(wheel_entries(), count=5), "4 members where its end claims 5"),
        (zip_bytes(wheel_entries(), before_directory=b"gap"), "belong to no member"),
        (zip_bytes([Entry("hidden.py", b"x", in_directory=False), *wheel_entries()]), "bytes in front"),
        (zip_bytes([*wheel_entries(), Entry("hidden.py", b"x", in_directory=False)]), "belong to no member"),
        (zip_bytes([Entry("demo/a.py", b"x", behind=b"gap"), *wheel_entries()]), "belong to no member"),
        (zip_bytes([Entry("demo/a.py", b"x", local={"name": b"demo/b.py"}), *wheel_entries()]), "another name"),
        (zip_bytes([Entry("demo/a.py", b"x", local={"method": 0}), *wheel_entries()]), "described in two ways"),
        (zip_bytes([Entry("demo/a.py", b"x", local={"flags": 0x800}), *wheel_entries()]), "described in two ways"),
        (zip_bytes([Entry("demo/a.py", b"x", local={"crc": 1}), *wheel_entries()]), "another checksum"),
        (zip_bytes([Entry("demo/a.py", b"x", local={"size": 9}), *wheel_entries()]), "another checksum"),
        (
            zip_bytes(
                [Entry("demo/a.py", b"x", extra=struct.pack("<HHBI", 0x7075, 9, 1, 0) + b"evil"), *wheel_entries()]
            ),
            "second, different name",
        ),
        (zip_bytes([Entry("demo/a.py", b"x", extra=b"\x01\x00\xff\xff"), *wheel_entries()]), "damaged extra field"),
        (zip_bytes([Entry("demo/a.py", b"x", size=0xFFFFFFFF), *wheel_entries()]), "lacks its zip64 sizes"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    detail = refusal(tmp_path, content)
    assert re.search(reason, detail), detail
    assert "hidden.py" not in written(tmp_path / "tree")


@pytest.mark.parametrize("validate", [True, False])
def test_a_member_beyond_the_end_is_refused(tmp_path: Path, *, validate: bool) -> None:
    content = bytearray(zip_bytes(wheel_entries()))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 42 : entry + 46] = struct.pack("<I", len(content) + 99)
    detail = refusal(tmp_path, bytes(content), validate=validate)
    assert "is not where the directory says" in detail or "bytes in front" in detail


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    entries = wheel_entries()
    content = bytearray(zip_bytes(entries))
    first = entries[0].local_part()
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    content[second + 42 : second + 46] = struct.pack("<I", len(first) - 4)
    assert "overlaps" in refusal(tmp_path, bytes(content))


def change_the_directory(content: bytes, change: Callable[[bytearray, int], None]) -> bytes:
    changed = bytearray(content)
    change(changed, changed.rindex(b"PK\x05\x06"))
    return bytes(changed)


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (4, struct.pack("<H", 1), "one part of several"),
        (8, struct.pack("<H", 2), "one part of several"),
        (12, struct.pack("<I", 10**9), "its directory claims"),
        (12, struct.pack("<I", 46), "bytes in front|several archives"),
        (16, struct.pack("<I", 0), "bytes in front"),
        (16, struct.pack("<I", 10**9), "bytes in front"),
    ],
)
def test_an_end_that_lies_is_refused(tmp_path: Path, offset: int, value: bytes, reason: str) -> None:
    def lie(content: bytearray, end: int) -> None:
        content[end + offset : end + offset + len(value)] = value

    assert re.search(reason, refusal(tmp_path, change_the_directory(SOUND, lie)))


@pytest.mark.parametrize(
    "content", [b"#!/bin/sh\n" + SOUND, SOUND + b"behind", zip_bytes(wheel_entries(), before_directory=b"x")]
)
def test_the_layout_is_not_looked_at_when_that_is_wanted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    unpacked(tmp_path / NAME, tmp_path / "tree", validate=False)
    assert (tmp_path / "tree" / "demo.py").read_bytes() == b"VERSION = 1\n"


# what a wheel says of itself


@pytest.mark.parametrize(
    ("entries", "reason", "status"),
    [
        ([Entry("demo.py", b"")], "no .dist-info directory", 1),
        ([*wheel_entries(), Entry("other-1.dist-info/METADATA", b"")], "several .dist-info directories", 1),
        (wheel_entries(name="other"), "belongs to another project", 1),
        (wheel_entries()[:-1], "`demo-1.0.dist-info/RECORD` is missing", 2),
        ([entry for entry in wheel_entries() if not str(entry.name).endswith("WHEEL")], "WHEEL` is missing", 2),
        ([entry for entry in wheel_entries() if not str(entry.name).endswith("METADATA")], "METADATA` is missing", 1),
        (wheel_entries(METADATA="Name: other\nVersion: 1.0\n"), "METADATA says the name is `other`", 1),
        (wheel_entries(METADATA="Name: demo\nVersion: 2.0\n"), "METADATA says the version is `2.0`", 2),
        (wheel_entries(METADATA="Version: 1.0\n"), "METADATA has no Name", 1),
        (wheel_entries(WHEEL="Wheel-Version: 2.0\nTag: py3-none-any\n"), "only 1.x is understood", 2),
        (wheel_entries(WHEEL="Tag: py3-none-any\n"), "no valid Wheel-Version", 2),
        (wheel_entries(RECORD="demo.py\n"), "expected path, hash and size", 1),
        (wheel_entries(RECORD="demo.py,sha256=AAAA,12\n"), "not the file that RECORD names", 1),
        (wheel_entries(RECORD="demo.py,sha512=AAAA,12\n"), "not the file that RECORD names", 1),
        (wheel_entries(RECORD="demo.py,md5=AAAA,12\n"), "only sha256, sha384, sha512 count", 1),
    ],
)
def test_a_wheel_that_contradicts_itself_is_refused(
    tmp_path: Path, entries: list[Entry], reason: str, status: int
) -> None:
    (tmp_path / NAME).write_bytes(zip_bytes(entries))
    with pytest.raises(WheelError, match=reason) as caught:
        unpacked(tmp_path / NAME, tmp_path / "tree")
    assert caught.value.exit_status == status


def test_a_wrong_hash_says_what_was_expected(tmp_path: Path) -> None:
    entries = wheel_entries()
    entries[0].content = b"VERSION = 2\n"
    detail = refusal(tmp_path, zip_bytes(entries))
    assert record_line("demo.py", b"VERSION = 1\n").split(",")[1] in detail
    assert record_line("demo.py", b"VERSION = 2\n").split(",")[1] in detail
    (tmp_path / "again").mkdir()
    unpack_wheel(tmp_path / NAME, str(tmp_path / "again"), NAME, validate=False)


@pytest.mark.parametrize("metadata", ["Name: Other\nVersion: 1.0\n", "Name: demo\nVersion: 7\n"])
def test_the_file_name_is_not_held_against_metadata_when_that_is_wanted(tmp_path: Path, metadata: str) -> None:
    archive = write_zip(tmp_path / NAME, wheel_entries(METADATA=metadata))
    assert unpacked(archive, tmp_path / "tree", skip_filename_check=True).identity.name in {"other", "demo"}


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("demo-1.0.0-py3-none-any.whl", "1.0"),
        ("demo-1.0+cu118-py3-none-any.whl", "1.0"),
        ("demo-1.0a1-py3-none-any.whl", "1.0alpha1"),
    ],
)
def test_versions_are_compared_as_versions(tmp_path: Path, filename: str, version: str) -> None:
    archive = write_zip(tmp_path / filename, wheel_entries(METADATA=f"Name: demo\nVersion: {version}\n"))
    assert unpacked(archive, tmp_path / "tree").identity.version == version


def test_a_record_that_differs_is_healed(tmp_path: Path) -> None:
    entries = wheel_entries({"demo.py": b"x = 1\n", "extra.py": b"y\n"}, unlisted=["extra.py"])
    entries[-1].content = b"ghost.py,sha256=abc,1\ndemo.py,,\n" + entries[-1].content
    rows = unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree").rows
    record = (tmp_path / "tree" / "demo-1.0.dist-info" / "RECORD").read_bytes()
    assert b"ghost.py" not in record
    assert record.count(b"demo.py,") == 1
    assert record.endswith(b"demo-1.0.dist-info/RECORD,,\nextra.py,,2\n")
    row = next(row for row in rows if row.path.endswith("RECORD"))
    assert (row.size, row.sha256, row.mode) == (len(record), hashlib.sha256(record).hexdigest(), 0o444)
    assert (tmp_path / "tree" / row.path).stat().st_mtime_ns == row.mtime_ns


def test_a_record_that_fits_is_left_as_it_is(tmp_path: Path) -> None:
    entries = wheel_entries({"demo.py": b"x = 1\n"})
    entries[-1].content = entries[-1].content.replace(b"\n", b"\r\n")
    unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree")
    assert (tmp_path / "tree" / "demo-1.0.dist-info" / "RECORD").read_bytes() == entries[-1].content


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("spelling", ["base64", "padded", "hex"])
def test_hashes_of_a_record_may_be_spelled_in_several_ways(tmp_path: Path, algorithm: str, spelling: str) -> None:
    content = b"VERSION = 1\n"
    digest = hashlib.new(algorithm, content)
    padded = base64.urlsafe_b64encode(digest.digest()).decode()
    value = {"base64": padded.rstrip("="), "padded": padded, "hex": digest.hexdigest()}[spelling]
    entries = wheel_entries({"demo.py": content}, RECORD=f"demo.py,{algorithm}={value},12\n")
    rows = unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree").rows
    assert f"demo.py,{algorithm}={value},12\n" in (tmp_path / "tree" / "demo-1.0.dist-info" / "RECORD").read_text()
    assert len(rows) == 4


def test_signatures_of_a_record_are_tolerated(tmp_path: Path) -> None:
    entries = [
        *wheel_entries(),
        Entry("demo-1.0.dist-info/RECORD.jws", b"{}"),
        Entry("demo-1.0.dist-info/RECORD.p7s", b"x"),
    ]
    unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "tree")
    record = (tmp_path / "tree" / "demo-1.0.dist-info" / "RECORD").read_text()
    assert "demo-1.0.dist-info/RECORD.jws,,\ndemo-1.0.dist-info/RECORD.p7s,,\n" in record


# any bytes at all


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damaged_archives_make_one_clear_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    content = content[:cut] if data.draw(st.booleans()) else content
    tree = tmp_path / os.urandom(8).hex()
    tree.mkdir()
    archive = tmp_path / NAME
    archive.write_bytes(content)
    try:
        rows = unpack_wheel(archive, str(tree), NAME).rows
    except EnvsyncError:
        return
    assert {row.path: row.sha256 for row in rows} == {
        path: hashlib.sha256(content).hexdigest() for path, content in written(tree).items()
    }


@given(st.binary(max_size=300))
def test_no_bytes_make_another_error_than_a_wheelerror(content: bytes) -> None:
    for archive in (content, b"PK\x03\x04" + content + b"PK\x05\x06" + bytes(18), content + SOUND, SOUND + content):
        try:
            members = read_members(io.BytesIO(archive), NAME)
        except WheelError:
            continue
        assert content == b""
        assert members[0].path == "demo.py"


def test_a_member_deeper_than_any_code_lies_is_refused(tmp_path: Path) -> None:
    """It was a fault of ours: whoever lays files out goes down one directory at a time."""
    entries = wheel_entries({"d/" * 199 + "deep.py": b"x = 1\n"})
    assert len(unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "one").rows) == len(entries)
    entries = wheel_entries({"d/" * 1500 + "deep.py": b"x = 1\n"})
    with pytest.raises(WheelError, match="lies more than 200 directories deep"):
        unpacked(write_zip(tmp_path / NAME, entries), tmp_path / "two")
