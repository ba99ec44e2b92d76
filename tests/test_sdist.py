"""Archives of sources are unpacked safely: nothing lands outside, nothing is larger than a source tree can be."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from factories import make_sdist, project_files
from pytest_envsync.errors import WheelError
from pytest_envsync.wheels.build import sdist
from pytest_envsync.wheels.build.sdist import unpack_sdist
from source_world import World


@pytest.fixture
def place(tmp_path: Path) -> Path:
    directory = tmp_path / "unpacked"
    directory.mkdir()
    return directory


def member(name: str, content: bytes = b"x", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a tar file with *attributes* of TarInfo."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    if info.type != tarfile.REGTYPE:
        info.size = 0
    return info, content


def make_tar(directory: Path, *members: tuple[tarfile.TarInfo, bytes], name: str = "demo-1.0.tar.gz") -> Path:
    """Write a tar file of *members* behind one harmless one."""
    path = directory / name
    with tarfile.open(path, "w:gz") as tar:
        for info, content in (member("demo-1.0/setup.py", b"print()"), *members):
            tar.addfile(info, io.BytesIO(content))
    return path


def link(name: str, aim: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=kind, linkname=aim)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_the_tree_is_the_one_directory_in_the_archive(tmp_path: Path, place: Path, kind: str) -> None:
    tree = unpack_sdist(make_sdist(tmp_path, format=kind), place)
    assert tree == place / "demo-1.0"
    assert {path.name for path in tree.iterdir()} == {*project_files(), "PKG-INFO"}


def test_links_inside_are_kept_and_modes_are_plain(tmp_path: Path, place: Path) -> None:
    archive = make_tar(
        tmp_path,
        member("demo-1.0/run.sh", mode=0o4777),
        member("demo-1.0/data", mode=0o000),
        link("demo-1.0/again", "run.sh"),
        link("demo-1.0/hard", "demo-1.0/data", tarfile.LNKTYPE),
        link("demo-1.0/up/down", "../data"),
    )
    tree = unpack_sdist(archive, place)
    assert (tree / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert (tree / "data").stat().st_mode & 0o7777 == 0o644
    assert (tree / "again").readlink() == Path("run.sh")
    assert (tree / "hard").read_bytes() == (tree / "up" / "down").read_bytes() == b"x"


@pytest.mark.parametrize(
    "bad",
    [
        member("../out"),
        member("demo-1.0/../../out"),
        member("/out"),
        member("C:/out"),
        member("demo-1.0\\..\\..\\out"),
        link("demo-1.0/link", "../../out"),
        link("demo-1.0/link", "/etc/passwd"),
        link("demo-1.0/link", "../out", tarfile.LNKTYPE),
        link("demo-1.0/link", "/etc/passwd", tarfile.LNKTYPE),
        link("link", "demo-1.0/../../out"),
        member("demo-1.0/pipe", type=tarfile.FIFOTYPE),
        member("demo-1.0/device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("demo-1.0/device", type=tarfile.BLKTYPE),
    ],
    ids=lambda bad: f"{bad[0].type.decode()} {bad[0].name} {bad[0].linkname}",
)
def test_a_member_that_leaves_the_tree_or_is_special_is_refused(
    tmp_path: Path, place: Path, bad: tuple[tarfile.TarInfo, bytes]
) -> None:
    before = set(tmp_path.iterdir())
    archive = make_tar(tmp_path, bad)
    with pytest.raises(WheelError) as caught:
        unpack_sdist(archive, place)
    assert caught.value.exit_status == 1
    assert set(tmp_path.iterdir()) == {*before, archive}
    assert not any(path.is_symlink() for path in place.rglob("*"))


def test_a_file_behind_a_link_lands_where_the_link_was_and_not_where_it_points(tmp_path: Path, place: Path) -> None:
    archive = make_tar(
        tmp_path,
        member("demo-1.0/inner/a"),
        link("demo-1.0/link", "inner/a"),
        member("demo-1.0/link", b"mine"),
    )
    tree = unpack_sdist(archive, place)
    assert ((tree / "link").read_bytes(), (tree / "inner" / "a").read_bytes()) == (b"mine", b"x")


def test_a_chain_of_links_out_of_the_tree_is_refused(tmp_path: Path, place: Path) -> None:
    archive = make_tar(
        tmp_path,
        member("demo-1.0/a/b/keep"),
        link("demo-1.0/deep", "a/b"),
        link("demo-1.0/deep/up", "../../../../out"),
    )
    with pytest.raises(WheelError):
        unpack_sdist(archive, place)


# A link that leads up less far than its own place is deep makes a second one lead out.
UP = [
    member("demo-1.0/s/keep"),
    member("demo-1.0/a/b/c/keep"),
    link("demo-1.0/a/b/c/l", "../../../s"),
    link("demo-1.0/m", "a/b/c/l/../../../.."),
]


@pytest.mark.parametrize(
    "members",
    [
        [*UP, member("demo-1.0/m/evil.txt")],
        [*UP[:2], UP[3], UP[2], member("demo-1.0/m/evil.txt")],
        UP,
        [*UP[:2], UP[3], UP[2]],
        [*UP, member("demo-1.0/m/evil", type=tarfile.DIRTYPE)],
        [*UP, link("demo-1.0/m/evil", "../x")],
        [*UP[:2], UP[2], link("demo-1.0/h", "demo-1.0/a/b/c/l", tarfile.LNKTYPE)],
        [member("demo-1.0/s/keep"), link("demo-1.0/t", "s"), member("demo-1.0/t/inside.txt")],
    ],
)
def test_nothing_is_written_through_links_and_none_leads_out_in_the_end(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    place = tmp_path / "some" / "deep" / "place"
    place.mkdir(parents=True)
    archive = make_tar(tmp_path, *members)
    with pytest.raises(WheelError, match="link"):
        unpack_sdist(archive, place)
    assert [path for path in tmp_path.rglob("*evil*") if not path.is_relative_to(place)] == []


def zip_of(directory: Path, name: str, *, mode: int = 0o644) -> Path:
    path = directory / "demo-1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo-1.0/setup.py", "")
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, "x")
    return path


@pytest.mark.parametrize(("name", "mode"), [("../out", 0o644), ("/out", 0o644), ("demo-1.0/link", 0o120777)])
def test_a_zip_keeps_to_the_same_rules(tmp_path: Path, place: Path, name: str, mode: int) -> None:
    with pytest.raises(WheelError):
        unpack_sdist(zip_of(tmp_path, name, mode=mode), place)
    assert not (tmp_path / "out").exists()


def test_ten_gigabytes_of_zeros_are_refused_before_they_are_written(tmp_path: Path, place: Path) -> None:
    path = tmp_path / "demo-1.0.tar.gz"
    header = member("demo-1.0/zeros", b"")[0]
    header.size = 10 * 1024**3
    with gzip.open(path, "wb") as stream:
        # Honest about its size; the zeros themselves need not be there.
        stream.write(member("demo-1.0/setup.py", b"")[0].tobuf() + header.tobuf() + bytes(1 << 20))
    with pytest.raises(WheelError, match="2048 MiB") as caught:
        unpack_sdist(path, place)
    assert caught.value.hint is not None
    assert sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) == 0


def test_a_zip_that_lies_about_its_size_is_refused(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdist, "MAX_SIZE", 1 << 20)
    path = tmp_path / "demo-1.0.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demo-1.0/zeros", bytes(8 << 20))
    content = path.read_bytes()
    size = (8 << 20).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(WheelError):
        unpack_sdist(path, place)
    assert sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) <= 100


def test_too_many_members_are_refused(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "MAX_MEMBERS", 10)
    archive = make_tar(tmp_path, *(member(f"demo-1.0/{number}") for number in range(20)))
    with pytest.raises(WheelError, match="10 files"):
        unpack_sdist(archive, place)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def garble(path: Path) -> None:
    path.write_bytes(b"no archive at all" * 100)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
@pytest.mark.parametrize("damage", [cut, garble])
def test_a_damaged_archive_is_one_error(tmp_path: Path, place: Path, kind: str, damage: Callable[[Path], None]) -> None:
    archive = make_sdist(tmp_path, format=kind, files={**project_files(), "big.bin": os.urandom(5000)})
    damage(archive)
    with pytest.raises(WheelError, match="damaged"):
        unpack_sdist(archive, place)


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path, place: Path) -> None:
    path = tmp_path / "demo-1.0.tar.gz"
    header = member("demo-1.0/long", b"")[0]
    header.type, header.size = tarfile.XHDTYPE, 10 * 1024**3
    with gzip.open(path, "wb") as stream:
        stream.write(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    with pytest.raises(WheelError, match="a header of 10737418240 bytes"):
        unpack_sdist(path, place)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_whatever_bytes_come_there_is_a_tree_or_one_error(tmp_path: Path, kind: str) -> None:
    chance = random.Random(4)
    good = make_sdist(tmp_path / "good", format=kind).read_bytes()
    plain = gzip.decompress(good) if kind == "tar.gz" else good
    for number in range(150):
        content = bytearray(plain)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        # Half of them are damaged inside of the compression, half of them outside.
        packed = gzip.compress(bytes(content), 1) if kind == "tar.gz" and number % 2 else bytes(content)
        if kind == "tar.gz" and not number % 2:
            broken = bytearray(good)
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
            packed = bytes(broken)
        path = tmp_path / f"demo-1.{number}.{kind}"
        path.write_bytes(packed)
        place = tmp_path / str(number)
        place.mkdir()
        with suppress(WheelError):
            unpack_sdist(path, place)
        shutil.rmtree(place)
    assert not list(tmp_path.glob("out*"))


def test_an_archive_without_one_top_directory_is_refused(tmp_path: Path, place: Path) -> None:
    with pytest.raises(WheelError, match="one top-level directory, found 2"):
        unpack_sdist(make_tar(tmp_path, member("other/file")), place)


def test_an_archive_that_is_the_project_itself_is_taken(tmp_path: Path, place: Path) -> None:
    archive = tmp_path / "demo-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("pyproject.toml", "src/demo.py"):
            tar.addfile(tarfile.TarInfo(name))
    assert unpack_sdist(archive, place) == place
    assert (place / "src/demo.py").is_file()


def test_a_member_where_one_of_another_kind_is_is_damage(tmp_path: Path, place: Path) -> None:
    with pytest.raises(WheelError, match="the archive is damaged"):
        unpack_sdist(make_tar(tmp_path, member("demo-1.0/a/b"), member("demo-1.0/a")), place)


@pytest.mark.parametrize("name", ["../out", "demo-1.0/../../out"])
def test_a_bad_sdist_changes_no_environment(tmp_path: Path, clean_surrounding: None, name: str) -> None:
    world = World(tmp_path)
    world.sync(str(world.tree("other")))
    error = world.refused(str(make_tar(tmp_path, member(name))))
    assert isinstance(error, WheelError)
    assert "would land outside of the source tree" in str(error)
    assert world.installed() == {"other": "1.0"}
