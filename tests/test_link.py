"""Each link mode, what it falls back to, and what it keeps of the file."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_envsync.environment.link import (
    LINK_MODES,
    check_link_mode,
    choose_link_mode,
    clone_file,
    placing,
    replace_file,
    write_file,
)
from pytest_envsync.errors import InstallError, UsageError
from sites import in_child

TIME = 1_580_608_922_000_000_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.py"
    path.write_text("content\n")
    path.chmod(0o444)
    os.utime(path, ns=(TIME, TIME))
    return path


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
@pytest.mark.parametrize("bits", [0o444, 0o555])
def test_content_and_time_are_those_of_the_store(tmp_path: Path, source: Path, mode: str, bits: int) -> None:
    source.chmod(bits)
    place = tmp_path / "placed.py"
    placing(mode)(str(source), str(place), bits, TIME)
    assert place.read_text() == "content\n"
    assert place.stat().st_mtime_ns == TIME
    assert bool(place.stat().st_mode & 0o111) is (bits == 0o555)
    assert place.is_symlink() is (mode == "symlink")
    assert (place.stat().st_ino == source.stat().st_ino) is (mode != "copy")
    assert bool(place.stat().st_mode & 0o200) is (mode == "copy")


def test_a_clone_is_a_file_of_its_own_or_leaves_nothing(tmp_path: Path, source: Path) -> None:
    place = tmp_path / "placed.py"
    clones = choose_link_mode("clone", str(source), str(tmp_path))[0] == "clone"
    if not clones:
        with pytest.raises(OSError, match=r"not supported|Invalid"):
            clone_file(str(source), str(place), 0o444, TIME)
    else:
        clone_file(str(source), str(place), 0o444, TIME)
        assert place.read_text() == "content\n"
        assert place.stat().st_ino != source.stat().st_ino
    assert place.exists() is clones


@pytest.mark.parametrize("mode", LINK_MODES)
def test_what_stands_there_is_never_overwritten(tmp_path: Path, source: Path, mode: str) -> None:
    place = tmp_path / "placed.py"
    place.write_text("mine")
    with pytest.raises(FileExistsError):
        placing(mode)(str(source), str(place), 0o444, TIME)
    assert place.read_text() == "mine"


def test_the_modes_that_work_here_are_chosen(tmp_path: Path, source: Path) -> None:
    directory = tmp_path / "environment"
    directory.mkdir()
    best, warning = choose_link_mode(None, str(source), str(directory))
    assert best in {"clone", "hardlink"}
    assert warning is None
    assert choose_link_mode("hardlink", str(source), str(directory)) == ("hardlink", None)
    assert choose_link_mode("copy", str(source), str(directory)) == ("copy", None)
    assert choose_link_mode("symlink", str(source), str(directory)) == ("symlink", None)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("mode", [None, "clone", "hardlink"])
def test_between_file_systems_files_are_copied_with_a_warning(other_disk: Path, source: Path, mode: str | None) -> None:
    chosen, warning = choose_link_mode(mode, str(source), str(other_disk))
    assert chosen == "copy"
    assert warning is not None
    assert "hard links" in warning
    assert list(other_disk.iterdir()) == []
    assert choose_link_mode("copy", str(source), str(other_disk)) == ("copy", None)
    assert choose_link_mode("symlink", str(source), str(other_disk)) == ("symlink", None)


def test_a_hard_link_that_is_refused_becomes_a_copy(other_disk: Path, source: Path) -> None:
    place = other_disk / "placed.py"
    placing("hardlink")(str(source), str(place), 0o444, TIME)
    assert place.read_text() == "content\n"
    assert place.stat().st_mtime_ns == TIME


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path, source: Path) -> None:
    with pytest.raises(InstallError, match="cannot be placed"):
        choose_link_mode("hardlink", str(source), str(tmp_path / "missing"))


def test_more_links_than_one_inode_may_have(tmp_path: Path, source: Path) -> None:
    """The store's file gets a fresh inode; environments keep the full one."""
    try:
        most = os.pathconf(tmp_path, "PC_LINK_MAX")
    except OSError:
        pytest.skip("the file system does not say how many links it allows")
    if most > 70_000:
        pytest.skip(f"it would take {most} links")
    links = tmp_path / "links"
    links.mkdir()
    for number in range(most - source.stat().st_nlink):
        os.link(source, links / str(number))
    with pytest.raises(OSError, match="Too many links"):
        os.link(source, links / "one more")
    full = source.stat().st_ino
    place = tmp_path / "placed.py"
    placing("hardlink")(str(source), str(place), 0o444, TIME)
    assert place.stat().st_ino == source.stat().st_ino != full
    assert (source.read_text(), source.stat().st_mtime_ns) == ("content\n", TIME)
    assert stat.S_IMODE(source.stat().st_mode) == 0o444
    assert source.stat().st_nlink == 2


def test_a_large_file_is_copied_whole(tmp_path: Path, source: Path) -> None:
    content = os.urandom(3_000_001)
    source.chmod(0o644)
    source.write_bytes(content)
    placing("copy")(str(source), str(tmp_path / "copy"), 0o444, TIME)
    assert (tmp_path / "copy").read_bytes() == content


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
@pytest.mark.parametrize("name", ["placed.py", "long" * 63 + ".py"], ids=["short", "as long as can be"])
def test_a_single_file_is_replaced_in_one_step(tmp_path: Path, source: Path, mode: str, name: str) -> None:
    place = tmp_path / name
    place.write_text("damaged")
    for _ in range(2):
        replace_file(str(source), str(place), mode, mode=0o444, time=TIME)
        assert place.read_text() == "content\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "source.py"])
    with pytest.raises(OSError, match="No such file"):
        replace_file(str(tmp_path / "missing"), str(place), "hardlink", mode=0o444, time=TIME)
    assert place.read_text() == "content\n"


def test_a_written_file_is_new_and_has_its_mode(tmp_path: Path) -> None:
    def write() -> None:
        os.umask(0o022)
        write_file(str(tmp_path / "script"), b"text", 0o777)
        write_file(str(tmp_path / "plain"), b"", 0o666)

    assert in_child(write) == 0
    assert stat.S_IMODE((tmp_path / "script").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o644
    with pytest.raises(FileExistsError):
        write_file(str(tmp_path / "script"), b"", 0o777)


@pytest.mark.parametrize(
    ("mode", "no_cache", "text"),
    [
        ("fold", False, "unknown link mode"),
        ("symlink", True, "symbolic links cannot point into a cache"),
    ],
)
def test_what_cannot_work_is_refused_early(mode: str, *, no_cache: bool, text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        check_link_mode(mode, no_cache=no_cache)
    assert caught.value.exit_status == 2


def test_what_works_is_not_refused() -> None:
    check_link_mode(None, no_cache=True)
    check_link_mode("copy", no_cache=True)
    check_link_mode("symlink", no_cache=False)
