"""The package imports nothing until a name of it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_envsync

NAMES = ["Changes", "Diff", "EnvsyncError", "SyncedEnv", "__version__", "sync"]


def loaded(code: str) -> set[str]:
    """The modules of ours that are there after *code*."""
    report = "import sys; print(*[name for name in sys.modules if name.startswith('pytest_envsync')])"
    process = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(process.stdout.split())


def test_importing_the_package_imports_nothing_else() -> None:
    assert loaded("import pytest_envsync") == {"pytest_envsync"}
    assert loaded("from pytest_envsync import EnvsyncError") == {"pytest_envsync", "pytest_envsync.errors"}


def test_every_public_name_is_found_and_listed() -> None:
    assert sorted(pytest_envsync.__all__) == sorted(NAMES)
    assert set(NAMES) <= set(dir(pytest_envsync))
    for name in NAMES:
        assert getattr(pytest_envsync, name) is not None


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        pytest_envsync.nope  # type: ignore[attr-defined]  # noqa: B018 - the look-up is the test


@pytest.mark.parametrize("first", ["pytest_envsync.sync", "pytest_envsync.cli.sync"])
def test_the_name_sync_is_the_function_whatever_was_imported_before(first: str) -> None:
    code = f"import {first}\nfrom pytest_envsync import sync\nassert sync.__name__ == 'sync', sync\n"
    loaded(f"{code}from pytest_envsync.sync import sync_environment")
