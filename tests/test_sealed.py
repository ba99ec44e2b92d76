"""A sealed directory is told from one that somebody changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_envsync.sealed import holds, identity_of, is_sound, write_manifest


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    place = tmp_path / "sealed"
    for name, text in {"site/a.py": "a = 1\n", "site/__pycache__/a.pyc": "code", "enter.py": ""}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    write_manifest(place)
    return place


def test_it_is_sound_and_holds_what_it_says(sealed: Path) -> None:
    identity = identity_of(sealed)
    assert identity is not None
    assert is_sound(sealed)
    assert holds(sealed, identity)


def test_two_with_the_same_sources_have_one_identity(sealed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    sealed_again = {"site/a.py": "a = 1\n", "enter.py": ""}
    for name, text in sealed_again.items():
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(text)
    write_manifest(other)
    assert identity_of(other) == identity_of(sealed)


def rewrite(place: Path) -> None:
    before = (place / "site/a.py").stat()
    (place / "site/a.py").write_text("a = 2\n")
    os.utime(place / "site/a.py", ns=(before.st_atime_ns, before.st_mtime_ns))


def rewrite_and_seal(place: Path) -> None:
    rewrite(place)
    write_manifest(place)


CHANGES: list[Callable[[Path], object]] = [
    lambda place: (place / "site/a.py").write_text("a = 22\n"),
    lambda place: (place / "site/a.py").unlink(),
    lambda place: (place / "site/b.py").write_text(""),
    lambda place: (place / "site/b").symlink_to(place),
    lambda place: (place / "manifest.json").write_text("[]"),
    lambda place: (place / "manifest.json").write_text('{"site/a.py": [1, 2, 3]}'),
    lambda place: (place / "manifest.json").unlink(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_by_both_looks(sealed: Path, change: Callable[[Path], object]) -> None:
    identity = identity_of(sealed) or ""
    change(sealed)
    assert not is_sound(sealed)
    assert not holds(sealed, identity)


@pytest.mark.parametrize("change", [rewrite, rewrite_and_seal])
def test_a_change_that_keeps_its_looks_is_found_by_reading(sealed: Path, change: Callable[[Path], object]) -> None:
    identity = identity_of(sealed) or ""
    change(sealed)
    assert is_sound(sealed)
    assert not holds(sealed, identity)


def test_bytecode_of_sessions_goes(sealed: Path) -> None:
    late = sealed / "site/__pycache__/late.pyc"
    late.write_text("code")
    assert holds(sealed, identity_of(sealed) or "")
    assert is_sound(sealed)
    assert not late.exists()
