"""Looking after the store: size, verify, prune, clean."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from factories import make_wheel, sha256
from pytest_envsync.cache import exclusive
from pytest_envsync.errors import FetchError, LockTimeout
from pytest_envsync.wheels.store.store import Store
from pytest_envsync.wheels.store.upkeep import Removed, clean, measure, prune, verify


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def add(store: Store, wheels: Path, name: str, *, url: str | None = None, built: bool = False) -> str:
    archive = make_wheel(wheels, name)
    return store.add(archive, filename=archive.name, url=url, built=built).sha256


def age(store: Store, sha256: str, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(f"{store.entry(sha256)}/wheel", (then, then))


def spoil(store: Store, sha256: str, name: str) -> Path:
    place = Path(store.entry(sha256), "tree", name)
    place.chmod(0o644)
    place.write_text("spoiled\n")
    return place


def test_files_with_several_names_are_measured_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(bytes(1000))
    (tmp_path / "a" / "two").hardlink_to(tmp_path / "a" / "one")
    (tmp_path / "a" / "link").symlink_to("/etc")
    (tmp_path / "b").write_bytes(bytes(10))
    assert measure(tmp_path) == 1010 + len("/etc")
    assert measure(tmp_path / "missing") == 0


def test_a_sound_store_is_verified(store: Store, wheels: Path) -> None:
    assert verify(store).checked == 0
    add(store, wheels, "one")
    add(store, wheels, "two")
    verification = verify(store, deep=True)
    assert (verification.checked, verification.damaged, verification.has_damage_left) == (2, (), False)


def test_damage_is_reported_and_left_unless_a_repair_is_asked_for(store: Store, wheels: Path) -> None:
    digest = add(store, wheels, "one", url="https://host/one.whl")
    add(store, wheels, "two")
    spoil(store, digest, "one.py")
    verification = verify(store)
    assert verification.has_damage_left
    (entry,) = verification.damaged
    assert (entry.sha256, entry.name, entry.outcome) == (digest, "one-1.0-py3-none-any.whl", "found")
    assert [damage.path for damage in entry.damages] == ["one.py"]
    repaired = verify(store, repair=True, fetch=lambda _, place: shutil.copyfile(wheels / entry.name, place))
    assert [entry.outcome for entry in repaired.damaged] == ["repaired"]
    assert not repaired.has_damage_left
    assert verify(store, deep=True).damaged == ()


def test_an_entry_that_cannot_be_mended_is_removed(store: Store, wheels: Path) -> None:
    nowhere = add(store, wheels, "one")
    changed = add(store, wheels, "two", url="https://host/two.whl")
    headless = add(store, wheels, "three")
    listless = add(store, wheels, "four")
    sound = add(store, wheels, "five")
    spoil(store, nowhere, "one.py")
    spoil(store, changed, "two.py")
    Path(store.entry(headless), "wheel").write_bytes(b"nonsense")
    Path(store.entry(listless), "manifest").unlink()
    assert verify(store).has_damage_left
    other = make_wheel(wheels, "other")
    verification = verify(store, repair=True, fetch=lambda _, place: shutil.copyfile(other, place))
    assert {entry.sha256: entry.outcome for entry in verification.damaged} == dict.fromkeys(
        [nowhere, changed, headless, listless], "removed"
    )
    assert not verification.has_damage_left
    assert list(store.entries()) == [sound]


def test_an_index_that_is_down_keeps_the_entry(store: Store, wheels: Path) -> None:
    digest = add(store, wheels, "one", url="https://host/one.whl")
    spoil(store, digest, "one.py")

    def down(url: str, place: Path) -> None:
        raise FetchError(f"`{url}` is down", url=url)

    verification = verify(store, repair=True, fetch=down)
    assert [(entry.outcome, entry.error) for entry in verification.damaged] == [
        ("failed", "`https://host/one.whl` is down")
    ]
    assert verification.has_damage_left
    assert list(store.entries()) == [digest]


def test_verifying_counts_as_no_use(store: Store, wheels: Path) -> None:
    digest = add(store, wheels, "one")
    age(store, digest, 61)
    verify(store, deep=True)
    assert prune(store).entries == 1


def test_what_nobody_used_for_long_is_pruned(store: Store, wheels: Path) -> None:
    old, kept, fresh = (add(store, wheels, name) for name in ("old", "kept", "fresh"))
    age(store, old, 61)
    age(store, kept, 61)
    age(store, fresh, 59)
    before = measure(store.entry(old))
    removed = prune(store, keep=lambda: [kept])
    assert (removed.entries, removed.size) == (1, before)
    assert set(store.entries()) == {kept, fresh}
    assert prune(store, keep=lambda: [kept]) == Removed(0, 0, 0)
    assert prune(store, keep=lambda: [kept], older_than_days=58).entries == 1
    assert prune(store, now=time.time() + 1).entries == 1


def test_ci_keeps_what_is_expensive_to_get_again(store: Store, wheels: Path) -> None:
    add(store, wheels, "fetched", url="https://host/fetched.whl")
    built = add(store, wheels, "built", built=True)
    used = add(store, wheels, "used")
    age(store, built, 365)
    assert prune(store, keep=lambda: [used], ci=True).entries == 1
    assert set(store.entries()) == {built, used}


def test_an_environment_keeps_its_files(store: Store, wheels: Path, tmp_path: Path) -> None:
    digest = add(store, wheels, "one")
    linked = tmp_path / "linked.py"
    linked.hardlink_to(Path(store.entry(digest), "tree", "one.py"))
    prune(store, older_than_days=-1)
    assert linked.read_text() == 'VERSION = "1.0"\n'


def test_leftovers_go_after_a_day_whosever_they_are(store: Store, wheels: Path) -> None:
    """A process id says nothing: in another container it is another process."""
    add(store, wheels, "one")
    places = [Path(store.wheels, ".new", name) for name in ("999999999-x", f"{os.getpid()}-x", "strange")]
    for place in places:
        place.mkdir(parents=True)
        (place / "file").write_bytes(bytes(100))
    assert prune(store) == Removed(0, 0, 0)
    os.utime(places[0], (1, 1))
    assert prune(store) == Removed(0, 1, 100)
    assert [place.exists() for place in places] == [False, True, True]
    assert prune(store, now=time.time() + 2 * 86_400) == Removed(0, 2, 200)


def test_what_is_known_of_wheels_that_are_gone_goes(store: Store, wheels: Path) -> None:
    gone, kept = add(store, wheels, "gone"), add(store, wheels, "kept")
    store.remember("gone", gone)
    store.remember("kept", kept)
    age(store, gone, 99)
    prune(store)
    assert (store.find("gone"), store.find("kept")) == (None, kept)


def test_an_entry_that_cannot_be_read_is_pruned(store: Store, wheels: Path) -> None:
    digest = add(store, wheels, "one")
    Path(store.entry(digest), "wheel").unlink()
    assert prune(store, keep=lambda: [digest]).entries == 1


def test_cleaning_leaves_nothing_of_the_store(store: Store, wheels: Path) -> None:
    add(store, wheels, "one")
    add(store, wheels, "two")
    total = measure(store.wheels)
    removed = clean(store)
    assert (removed.entries, removed.size) == (2, total)
    assert measure(store.wheels) == 0
    assert clean(store) == Removed(0, 0, 0)
    assert add(store, wheels, "one") == sha256(wheels / "one-1.0-py3-none-any.whl")


def test_pruning_waits_for_those_who_use_the_store(store: Store, wheels: Path) -> None:
    digest = add(store, wheels, "one")
    age(store, digest, 61)
    done = threading.Event()

    def work() -> None:
        prune(store)
        done.set()

    with store.hold(), Store(store.root).hold():
        with pytest.raises(LockTimeout), exclusive(store.use_lock, timeout=0):
            pass
        thread = threading.Thread(target=work)
        thread.start()
        assert not done.wait(0.2)
        assert list(store.entries()) == [digest]
    assert done.wait(30)
    thread.join()
    assert list(store.entries()) == []


def test_users_wait_for_pruning(store: Store, tmp_path: Path) -> None:
    held = threading.Event()

    def work() -> None:
        with store.hold():
            held.set()

    with exclusive(store.use_lock, timeout=1):
        thread = threading.Thread(target=work)
        thread.start()
        assert not held.wait(0.2)
    assert held.wait(30)
    thread.join()
