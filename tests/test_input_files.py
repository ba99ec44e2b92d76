"""Where the files of a run are read: at the place that the run was given, whoever reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envsync.errors import TargetError
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.sync import sync_environment


def _sync(root: Path, cwd: Path, cache: Path) -> bool:
    """Sync what *cwd* names where there is no environment; whether it found that nothing is asked for."""
    (cwd / "all.txt").write_text("-r ${PROJECT_ROOT}/more.txt\n")
    outcome = sync_environment(
        ["all.txt"],
        options=SyncOptions(cache_dir=str(cache), python=str(cwd / "nowhere")),
        cwd=str(cwd),
        environ={},
        reporter=SilentReporter(),
        root=str(root),
    )
    return outcome.is_empty


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A root directory, a working directory and a cache."""
    found = (tmp_path / "root", tmp_path / "cwd", tmp_path / "cache")
    for place in found[:2]:
        place.mkdir()
        (place / "more.txt").write_text("")
    return found


def test_who_asks_for_nothing_needs_no_environment(places: tuple[Path, Path, Path]) -> None:
    assert _sync(*places)


def test_whether_anything_is_asked_for_is_looked_up_at_the_root(places: tuple[Path, Path, Path]) -> None:
    # The file of that name in the working directory is empty, and is not the one that is meant.
    (places[0] / "more.txt").write_text("demo==1.0\n")
    with pytest.raises(TargetError):
        _sync(*places)
