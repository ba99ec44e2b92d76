"""A pin with hashes that led to a wheel before asks no index, in whatever lock it stands."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Envsync
from factories import make_wheel, sha256
from index_server import IndexServer
from pytest_envsync import sync
from pytest_envsync.errors import HashMismatch, SelectionError

MakeVenv = Callable[..., Path]


@pytest.fixture
def pin(wheels: Path, index: IndexServer) -> str:
    """A line that pins ``demo``, which the index has, by its hash."""
    wheel = make_wheel(wheels, "demo", "1.0")
    index.add(wheel)
    return f"demo==1.0 --hash=sha256:{sha256(wheel)}\n"


@pytest.fixture
def lock(tmp_path: Path, pin: str, index: IndexServer, make_venv: MakeVenv) -> Path:
    """A lock with that pin, and a comment of its own, after another one was synced."""
    first = tmp_path / "first.txt"
    first.write_text(pin)
    sync([first], python=make_venv("first"), index_url=index.url)
    index.requests.clear()
    second = tmp_path / "second.txt"
    second.write_text(f"# another lock\n{pin}")
    return second


def test_another_lock_with_the_pin_asks_nobody(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    assert sync([lock], python=make_venv(), index_url=index.url).installed == {"demo": "1.0"}
    assert not index.requests
    # And it is remembered as a whole, as if an index had been asked.
    assert sync([lock], python=make_venv("third"), index_url=index.url).installed == {"demo": "1.0"}
    assert not index.requests


def test_what_the_store_has_no_more_is_asked_for(
    lock: Path, index: IndexServer, make_venv: MakeVenv, cache_dir: Path
) -> None:
    for entry in (cache_dir / "wheels").glob("??"):
        shutil.rmtree(entry)
    assert sync([lock], python=make_venv(), index_url=index.url).installed == {"demo": "1.0"}
    assert [request for request in index.requests if ".whl" in request.path]


def test_another_hash_is_another_pin(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    lock.write_text(f"demo==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(HashMismatch):
        sync([lock], python=make_venv(), index_url=index.url)


def test_who_wants_to_look_again_asks(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    assert sync([lock], python=make_venv(), index_url=index.url, refresh=True).installed == {"demo": "1.0"}
    assert index.requests


def test_other_settings_choose_anew(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    with pytest.raises(SelectionError):
        sync([lock], python=make_venv(), index_url=index.url, no_binary=("demo",))


def test_a_yanked_file_is_told_of_each_time(
    tmp_path: Path, wheels: Path, index: IndexServer, make_venv: MakeVenv, envsync: Envsync
) -> None:
    wheel = make_wheel(wheels, "old", "1.0")
    index.add(wheel, yanked="broken")
    for number in range(2):
        lock = tmp_path / f"{number}.txt"
        lock.write_text(f"# {number}\nold==1.0 --hash=sha256:{sha256(wheel)}\n")
        said = envsync("sync", "-p", str(make_venv(str(number))), "--index-url", index.url, str(lock))
        assert "is yanked" in said.stderr
