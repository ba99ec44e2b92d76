"""Damage to the store: how it is found, and how it is mended."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from factories import make_wheel, sha256
from pytest_envsync.distributions import StoredWheel
from pytest_envsync.errors import FetchError, StoreError, WheelError
from pytest_envsync.wheels.store.damage import Damage, DamageKind
from pytest_envsync.wheels.store.digests import digest_file
from pytest_envsync.wheels.store.store import Store

SOURCE = "demo/__init__.py"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def archive(wheels: Path) -> Path:
    return make_wheel(wheels, files={SOURCE: "x = 1\n", "demo/sub/deep.py": "y = 2\n", "demo/z.py": "z\n"})


@pytest.fixture
def wheel(store: Store, archive: Path) -> StoredWheel:
    return store.add(archive, filename=archive.name, url="https://host/demo.whl")


def edit(place: Path) -> None:
    """Write into a file as root, or somebody who lifts the protection, does: the inode stays."""
    place.chmod(0o644)
    with place.open("r+") as file:
        file.write("X")


def edit_and_hide(place: Path) -> None:
    before = place.stat()
    edit(place)
    place.chmod(stat.S_IMODE(before.st_mode))
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def loosen(place: Path) -> None:
    place.chmod(0o644)


def rewrite(place: Path) -> None:
    place.chmod(0o644)
    place.write_text("longer than before\n")


def replace_by_directory(place: Path) -> None:
    place.unlink()
    place.mkdir()
    (place / "inside").write_text("x")


def replace_by_link(place: Path) -> None:
    place.unlink()
    place.symlink_to("/etc/passwd")


DAMAGES: list[tuple[Callable[[Path], object], DamageKind, str]] = [
    (Path.unlink, "missing", "is missing"),
    (edit, "changed", "was written to"),
    (rewrite, "changed", "has 19 bytes instead of 6"),
    (loosen, "changed", "has mode 0644 instead of 0444"),
    (replace_by_link, "changed", "is no plain file any more"),
    (replace_by_directory, "missing", "is missing"),
]


@pytest.mark.parametrize(("spoil", "kind", "detail"), DAMAGES)
def test_damage_is_found_and_mended(
    store: Store, wheel: StoredWheel, archive: Path, *, spoil: Callable[[Path], object], kind: DamageKind, detail: str
) -> None:
    before = store.files(wheel)
    spoil(Path(wheel.tree, SOURCE))
    found = store.check(wheel)
    assert found[0] == Damage(SOURCE, kind, detail)
    assert str(found[0]) == f"{SOURCE}: {detail}"
    store.repair(wheel, found, archive=archive)
    assert store.check(wheel, deep=True) == ()
    assert store.files(wheel) == before
    assert Path("/etc/passwd").exists() or os.name == "nt"


@pytest.mark.parametrize("deep", [True, False])
def test_a_file_with_another_time_and_the_right_bytes_is_given_its_time_back(
    store: Store, wheel: StoredWheel, *, deep: bool
) -> None:
    place = Path(wheel.tree, SOURCE)
    before = place.stat().st_mtime_ns
    os.utime(place, (1, 1))
    assert store.check(wheel, deep=deep) == ()
    assert place.stat().st_mtime_ns == before
    os.utime(place, (1, 1))
    place.chmod(0o644)
    assert [damage.detail for damage in store.check(wheel, deep=deep)] == ["has mode 0644 instead of 0444"]


def test_an_edit_that_hides_is_found_by_every_byte(store: Store, wheel: StoredWheel, archive: Path) -> None:
    edit_and_hide(Path(wheel.tree, SOURCE))
    assert store.check(wheel) == ()
    found = store.check(wheel, deep=True)
    assert found == (Damage(SOURCE, "changed", "has other contents of the same length"),)
    store.repair(wheel, found, archive=archive)
    assert store.check(wheel, deep=True) == ()


def test_single_files_are_checked_alone(store: Store, wheel: StoredWheel) -> None:
    edit_and_hide(Path(wheel.tree, SOURCE))
    Path(wheel.tree, "demo/z.py").unlink()
    assert [damage.path for damage in store.check(wheel, deep=True, paths=[SOURCE])] == [SOURCE]
    assert [damage.path for damage in store.check(wheel, deep=True, paths=["demo/z.py"])] == ["demo/z.py"]
    assert store.check(wheel, deep=True, paths=["demo/sub/deep.py"]) == ()


def test_what_does_not_belong_there_is_found_and_removed(store: Store, wheel: StoredWheel) -> None:
    Path(wheel.tree, "demo", "stray.py").write_text("x")
    Path(wheel.tree, "new").mkdir()
    Path(wheel.tree, "new", "stray.py").write_text("x")
    found = store.check(wheel)
    assert [(damage.path, damage.kind) for damage in found] == [
        ("demo/stray.py", "unexpected"),
        ("new/stray.py", "unexpected"),
    ]
    store.repair(wheel, found)
    assert store.check(wheel) == ()


def test_a_whole_tree_that_is_gone_comes_back(store: Store, wheel: StoredWheel, archive: Path) -> None:
    before = store.files(wheel)
    shutil.rmtree(wheel.tree)
    store.repair(wheel, store.check(wheel), archive=archive)
    assert store.check(wheel, deep=True) == ()
    assert store.files(wheel) == before


def test_a_directory_that_is_gone_comes_back(store: Store, wheel: StoredWheel, archive: Path) -> None:
    shutil.rmtree(Path(wheel.tree, "demo"))
    store.repair(wheel, store.check(wheel), archive=archive)
    assert store.check(wheel, deep=True) == ()


def test_a_directory_that_became_a_link_comes_back(
    store: Store, wheel: StoredWheel, archive: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(Path(wheel.tree, "demo"), outside)
    before = {path.name: path.stat().st_ino for path in outside.iterdir()}
    shutil.rmtree(Path(wheel.tree, "demo"))
    Path(wheel.tree, "demo").symlink_to(outside)
    store.repair(wheel, store.check(wheel), archive=archive)
    assert store.check(wheel, deep=True) == ()
    assert {path.name: path.stat().st_ino for path in outside.iterdir()} == before


def test_a_repair_gives_the_store_a_file_of_its_own(
    store: Store, wheel: StoredWheel, archive: Path, tmp_path: Path
) -> None:
    """The environment's hard link keeps the damaged file: whoever mends the environment sees that it differs."""
    linked = tmp_path / "linked.py"
    linked.hardlink_to(Path(wheel.tree, SOURCE))
    edit(linked)
    store.repair(wheel, store.check(wheel), archive=archive)
    assert linked.read_text() == "X = 1\n"
    assert Path(wheel.tree, SOURCE).read_text() == "x = 1\n"
    assert linked.stat().st_ino != Path(wheel.tree, SOURCE).stat().st_ino


def test_what_only_lost_its_time_needs_no_archive(store: Store, wheel: StoredWheel) -> None:
    os.utime(Path(wheel.tree, SOURCE), (1, 1))
    Path(wheel.tree, "demo/z.py").chmod(0o777)

    def fetch(url: str, destination: Path) -> None:
        pytest.fail(f"{url} was fetched")

    store.repair(wheel, store.check(wheel), fetch=fetch)
    assert store.check(wheel, deep=True) == ()


def test_the_wheel_is_fetched_from_where_it_came(store: Store, wheel: StoredWheel, archive: Path) -> None:
    asked = []

    def fetch(url: str, destination: Path) -> None:
        asked.append(url)
        shutil.copyfile(archive, destination)

    edit(Path(wheel.tree, SOURCE))
    Path(wheel.tree, "demo/z.py").unlink()
    store.repair(wheel, store.check(wheel), fetch=fetch)
    assert asked == ["https://host/demo.whl"]
    assert store.check(wheel, deep=True) == ()


def test_a_local_wheel_is_taken_from_its_place(store: Store, wheels: Path) -> None:
    archive = make_wheel(wheels, "local")
    wheel = store.add(archive, filename=archive.name, url=archive.as_uri())
    edit(Path(wheel.tree, "local.py"))
    store.repair(wheel, store.check(wheel))
    assert store.check(wheel, deep=True) == ()


def test_a_wheel_that_was_accepted_is_not_judged_again(store: Store, wheels: Path) -> None:
    odd = make_wheel(wheels, "odd", files={"odd.py": "x\n"}, record=b"odd.py,sha256=AAAA,1\nghost,,\n")
    wheel = store.add(odd, filename=odd.name, validate=False)
    edit(Path(wheel.tree, "odd.py"))
    edit(Path(wheel.tree, "odd-1.0.dist-info/RECORD"))
    store.repair(wheel, store.check(wheel), archive=odd)
    assert store.check(wheel, deep=True) == ()


def test_what_cannot_be_had_again_is_said(store: Store, wheel: StoredWheel, wheels: Path, archive: Path) -> None:
    edit(Path(wheel.tree, SOURCE))
    damages = store.check(wheel)
    with pytest.raises(StoreError, match="damaged and cannot be had again: nothing is fetched here"):
        store.repair(wheel, damages)
    other = make_wheel(wheels, "demo", "2.0")
    with pytest.raises(StoreError, match="has other bytes by now") as caught:
        store.repair(wheel, damages, fetch=lambda _, destination: shutil.copyfile(other, destination))
    assert sha256(archive) in str(caught.value)
    assert sha256(other) in str(caught.value)

    def down(url: str, destination: Path) -> None:
        raise FetchError("the index is down", url=url)

    with pytest.raises(FetchError):
        store.repair(wheel, damages, fetch=down)
    assert store.check(wheel) == damages
    built = make_wheel(wheels, "built")
    kept = store.add(built, filename=built.name)
    edit(Path(kept.tree, "built.py"))
    with pytest.raises(StoreError, match="no address of it is known"):
        store.repair(kept, store.check(kept))


def test_an_archive_that_is_replaced_while_it_is_read_mends_nothing(
    store: Store, archive: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = store.add(archive, filename=archive.name, url=archive.as_uri())
    edit(Path(wheel.tree, SOURCE))
    before = archive.read_bytes()
    other = make_wheel(wheels, files={SOURCE: "x = 2\n"}).read_bytes()
    archive.write_bytes(before)

    def replacing(path: str, algorithms: Collection[str] = ("sha256",)) -> dict[str, str]:
        digests = digest_file(path, algorithms)
        if Path(path) == archive:
            archive.write_bytes(other)
        return digests

    monkeypatch.setattr("pytest_envsync.wheels.store.digests.digest_file", replacing)
    with pytest.raises(WheelError, match="it was changed while it was read"):
        store.repair(wheel, store.check(wheel, deep=True))
    assert [damage.path for damage in store.check(wheel)] == [SOURCE]
