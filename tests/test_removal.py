"""Directory trees are removed however they were left."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from environment_world import where_permissions_count
from factories import nest
from pytest_envsync.removal import discard_tree, remove_tree
from pytest_envsync.wheels.store.upkeep import measure


@pytest.fixture
def top(tmp_path: Path) -> Path:
    made = tmp_path / "top"
    made.mkdir()
    return made


@pytest.mark.parametrize("depth", [sys.getrecursionlimit() + 100, 5000], ids=["deep", "longer than a path may be"])
def test_deep_trees_go(top: Path, depth: int) -> None:
    nest(top, depth)
    (top / "beside").mkdir()
    assert measure(top) > 0
    remove_tree(str(top))
    assert not top.exists()


def test_links_are_not_followed(top: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (top / "link").symlink_to(kept)
    (top / "dangling").symlink_to("nowhere")
    os.mkfifo(top / "fifo")
    remove_tree(str(top))
    assert not top.exists()
    assert (kept / "file").exists()


def test_what_is_not_there_is_as_good(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        # So answers a file system that is read-only, whether it is there or not.
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, "rmdir", refuse)
    remove_tree(str(top / "gone"))


def test_a_file_is_no_tree(top: Path) -> None:
    (top / "file").touch()
    with pytest.raises(NotADirectoryError):
        remove_tree(str(top / "file"))
    assert (top / "file").exists()


@pytest.mark.parametrize("mode", [0o000, 0o500, 0o600], ids=oct)
@pytest.mark.parametrize("depth", [3, 600])
def test_closed_trees_are_opened(top: Path, mode: int, depth: int) -> None:
    nest(top, depth)
    for directory, _, _ in os.walk(top, topdown=False):
        Path(directory).chmod(mode)

    def is_gone() -> bool:
        remove_tree(str(top))
        return not top.exists()

    assert where_permissions_count(is_gone)


def test_what_cannot_be_removed_is_said(top: Path) -> None:
    (top / "mine").mkdir()
    top.chmod(0o500)

    def is_refused() -> bool:
        with pytest.raises(PermissionError):
            remove_tree(str(top / "mine"))
        return True

    assert where_permissions_count(is_refused)
    assert (top / "mine").is_dir()


def test_another_process_may_remove_the_same_tree(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in ("a", "b"):
        (top / directory).mkdir()
        for number in range(9):
            (top / directory / str(number)).touch()
    unlink = os.unlink

    def unlink_two(path: str) -> None:
        others = [place for place in Path(path).parent.iterdir() if str(place) != path]
        unlink(path)
        if others:
            unlink(others[0])

    monkeypatch.setattr(os, "unlink", unlink_two)
    remove_tree(str(top))
    assert not top.exists()


@pytest.mark.parametrize(("times", "is_gone"), [(1, True), (99, False)])
def test_what_is_written_meanwhile_goes_too_if_it_ends(
    top: Path, monkeypatch: pytest.MonkeyPatch, times: int, *, is_gone: bool
) -> None:
    (top / "a").mkdir()
    rmdir = os.rmdir
    written: list[str] = []

    def write_before(path: str) -> None:
        if len(written) < times:
            written.append(path)
            Path(path, "late").touch()
        rmdir(path)

    monkeypatch.setattr(os, "rmdir", write_before)
    if is_gone:
        remove_tree(str(top))
    else:
        with pytest.raises(OSError, match=os.strerror(errno.ENOTEMPTY)):
            remove_tree(str(top))
    assert top.exists() is not is_gone


def test_what_can_be_removed_of_a_tree_is(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nest(top, 700)
    for name in ("before", "kept", "then"):
        (top / name).mkdir()
        (top / name / name).touch()
    unlink = os.unlink

    def refuse(path: str) -> None:
        if Path(path).name == "kept":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)
    discard_tree(top)
    assert [path.relative_to(top).as_posix() for path in sorted(top.rglob("*"))] == ["kept", "kept/kept"]
    discard_tree(top / "gone")
    discard_tree(top / "kept/kept")
    assert (top / "kept/kept").exists()
