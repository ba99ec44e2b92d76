"""A local wheel that was replaced is seen, also by one of the same size and time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import Envsync, MakeVenv
from factories import make_wheel
from pytest_envsync.file_stamp import stamp_of
from pytest_envsync.memo import Resolution, local_stats, recall, remember

EPOCH = 1_600_000_000


@pytest.fixture
def lock(tmp_path: Path, make_venv: MakeVenv) -> Path:
    """A lockfile that names a local wheel, beside two empty environments."""
    make_venv(".venv")
    make_venv("other")
    place = tmp_path / "requirements.txt"
    place.write_text(f"{put(tmp_path, 'old').as_uri()}\n")
    return place


def put(directory: Path, value: str) -> Path:
    """Put a wheel into place as ``cp -p``, rsync or a store that gives every file one time does it, of one size."""
    beside, place = directory / "beside", directory / "demo-1.0-py3-none-any.whl"
    beside.mkdir(exist_ok=True)
    size = place.stat().st_size if place.exists() else None
    # Digests compress differently well.
    texts = (f"VALUE = '{value}'\n# {number:03}\n" for number in range(1000))
    wheels = (make_wheel(beside, "demo", files={"demo.py": text}) for text in texts)
    made = next(wheel for wheel in wheels if size in {None, wheel.stat().st_size})
    os.utime(made, (EPOCH, EPOCH))
    made.replace(place)
    return place


def value(environment: Path) -> str:
    (module,) = environment.glob("lib/python*/site-packages/demo.py")
    return module.read_text().splitlines()[0]


@pytest.mark.parametrize("option", [[], ["--verify-files"]])
@pytest.mark.parametrize("environment", [".venv", "other"])
def test_a_wheel_of_the_same_size_and_time_is_another_one(
    envsync: Envsync, lock: Path, environment: str, option: list[str]
) -> None:
    for _ in range(2):  # the second one is answered from the record
        assert envsync("sync", lock.name).returncode == 0
    before = (lock.parent / "demo-1.0-py3-none-any.whl").stat()
    after = put(lock.parent, "new").stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    place = lock.parent / environment
    result = envsync("sync", *option, "--venv", place, lock.name)
    assert (result.returncode, value(place)) == (0, "VALUE = 'new'"), result.stderr


def test_a_command_runs_with_the_new_one(envsync: Envsync, lock: Path) -> None:
    words = ("run", lock.name, "--", "python", "-c", "import demo; print(demo.VALUE)")
    assert [envsync(*words).stdout for _ in range(2)] == ["old\n"] * 2
    put(lock.parent, "new")
    assert envsync(*words).stdout == "new\n"


@pytest.mark.parametrize("change", ["content", "inode", "gone"])
def test_a_stamp_is_of_one_file_as_it_is(tmp_path: Path, change: str) -> None:
    place = tmp_path / "x"
    place.write_text("one")
    os.utime(place, (EPOCH, EPOCH))
    before = stamp_of(str(place))
    assert before == stamp_of(str(place))
    if change == "content":
        place.write_text("four")
    elif change == "inode":
        (tmp_path / "y").write_text("two")
        os.utime(tmp_path / "y", (EPOCH, EPOCH))
        (tmp_path / "y").replace(place)
    else:
        place.unlink()
        assert stamp_of(f"{place}/below") is None
    assert stamp_of(str(place)) != before


def test_what_rests_on_stamps_is_not_recalled_where_nothing_is_trusted(tmp_path: Path) -> None:
    cache, listing = tmp_path / "cache", tmp_path / "wheels"
    listing.mkdir()
    on_stamps = Resolution(repeatable=True, key="a" * 64, stats=local_stats((), [str(listing)]))
    on_bytes = Resolution(repeatable=True, key="b" * 64)
    for resolution in (on_stamps, on_bytes):
        remember(str(cache), resolution)
        assert recall(str(cache), resolution.key, {}) is not None
    assert recall(str(cache), on_stamps.key, {}, trusts_stamps=False) is None
    assert recall(str(cache), on_bytes.key, {}, trusts_stamps=False) is not None
    (listing / "demo-1.0-py3-none-any.whl").write_bytes(b"")
    assert recall(str(cache), on_stamps.key, {}) is None
