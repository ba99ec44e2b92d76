"""One sync from files to changes, through the public function."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factories import make_wheel, sha256
from index_server import IndexServer
from pytest_envsync import EnvsyncError, sync
from pytest_envsync.cache import exclusive
from pytest_envsync.errors import HashMismatch, InstallError, SelectionError
from pytest_envsync.wheels.store.store import Store

MakeVenv = Callable[..., Path]


@pytest.fixture
def lock(tmp_path: Path, wheels: Path, index: IndexServer) -> Path:
    """A lock of two distributions that the index has in two versions."""
    lines = []
    for name in ("demo", "other"):
        for version in ("1.0", "2.0"):
            index.add(make_wheel(wheels, name, version))
        lines.append(f"{name}==1.0 --hash=sha256:{sha256(wheels / f'{name}-1.0-py3-none-any.whl')}\n")
    path = tmp_path / "requirements.txt"
    path.write_text("".join(lines))
    return path


def site(venv: Path) -> set[str]:
    """What is in site-packages, bytecode aside."""
    return {path.name for path in next((venv / "lib").glob("python*/site-packages")).iterdir()} - {"__pycache__"}


def test_a_sync_brings_what_is_missing_and_then_nothing(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    venv = make_venv()
    first = sync([lock], python=venv, index_url=index.url)
    assert (first.installed, first.removed, first.reinstalled) == ({"demo": "1.0", "other": "1.0"}, {}, {})
    assert site(venv) == {"demo.py", "demo-1.0.dist-info", "other.py", "other-1.0.dist-info"}
    asked = len(index.requests)
    assert not sync([lock], python=venv, index_url=index.url)
    assert len(index.requests) == asked


def test_a_second_environment_asks_nobody(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    sync([lock], python=make_venv("one"), index_url=index.url)
    asked = len(index.requests)
    assert sync([lock], python=make_venv("two"), index_url=index.url).installed == {"demo": "1.0", "other": "1.0"}
    assert len(index.requests) == asked


def test_what_nobody_asked_for_goes_and_an_upgrade_is_both(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    venv = make_venv()
    sync([lock], python=venv, index_url=index.url)
    lock.write_text("demo==2.0\n")
    changes = sync([lock], python=venv, index_url=index.url)
    assert str(changes) == " - demo==1.0\n + demo==2.0\n - other==1.0"
    assert site(venv) == {"demo.py", "demo-2.0.dist-info"}


@pytest.mark.parametrize("options", [{"dry_run": True}, {"check": True}])
def test_a_dry_run_tells_and_does_nothing(
    options: dict[str, Any], lock: Path, index: IndexServer, make_venv: MakeVenv
) -> None:
    venv = make_venv()
    assert sync([lock], python=venv, index_url=index.url, **options).installed == {"demo": "1.0", "other": "1.0"}
    assert site(venv) == set()


def test_variables_and_files_count_here_too(
    lock: Path, index: IndexServer, make_venv: MakeVenv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("UV_LINK_MODE", "symlink")
    venv = make_venv()
    assert sync([lock], python=venv).installed == {"demo": "1.0", "other": "1.0"}
    assert not next(venv.glob("lib/python*/site-packages/demo.py")).is_symlink()


def test_an_index_that_the_file_names_comes_before_that_of_pips_configuration(
    lock: Path, index: IndexServer, make_venv: MakeVenv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/nobody/simple/")
    lock.write_text(f"--index-url {index.url}\ndemo==1.0\n")
    assert sync([lock], python=make_venv()).installed == {"demo": "1.0"}


def test_the_environment_that_is_named_is_the_one_that_is_synced(
    lock: Path, index: IndexServer, make_venv: MakeVenv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = make_venv(".venv"), make_venv("other")
    sync([lock], python=mine, index_url=index.url)
    (tmp_path / "pyproject.toml").write_text('[tool.envsync]\nvenv = ".venv"\n')
    monkeypatch.chdir(tmp_path)
    lock.write_text("demo==2.0\n")
    assert sync([lock], python="other", index_url=index.url).installed == {"demo": "2.0"}
    assert (len(site(mine)), site(other)) == (4, {"demo.py", "demo-2.0.dist-info"})


def test_a_lock_that_is_held_for_too_long_is_an_error(
    lock: Path, index: IndexServer, make_venv: MakeVenv, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = make_venv()
    monkeypatch.setenv("UV_LOCK_TIMEOUT", "0.2")
    with exclusive(venv / ".lock", timeout=1), pytest.raises(EnvsyncError, match=str(os.getpid())):
        sync([lock], python=venv, index_url=index.url)
    assert site(venv) == set()


def test_a_failure_leaves_everything_as_it_was(
    lock: Path, index: IndexServer, wheels: Path, make_venv: MakeVenv
) -> None:
    venv = make_venv()
    sync([lock], python=venv, index_url=index.url)
    before = site(venv)
    lock.write_text(f"demo==2.0\nother==2.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(HashMismatch) as mismatch:
        sync([lock], python=venv, index_url=index.url)
    assert sha256(wheels / "other-2.0-py3-none-any.whl") in str(mismatch.value)
    assert f"{lock.name}:2" in str(mismatch.value)
    lock.write_text("demo==3.0\n")
    with pytest.raises(SelectionError, match=r"no version of `demo` meets `==3\.0`"):
        sync([lock], python=venv, index_url=index.url)
    assert site(venv) == before


def test_an_environment_that_was_made_for_a_sync_goes_when_it_fails(
    lock: Path, index: IndexServer, tmp_path: Path
) -> None:
    lock.write_text("demo==3.0\n")
    for venv in (tmp_path / "new", tmp_path / "dry"):
        with pytest.raises(SelectionError):
            sync([lock], python=sys.executable, venv=venv, index_url=index.url, dry_run=venv.name == "dry")
        assert not venv.exists()


def test_a_dry_run_does_not_judge_what_was_cut_short(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    venv = make_venv()
    (venv / ".envsync-transaction").mkdir()
    with pytest.raises(InstallError, match="cut short") as refused:
        sync([lock], python=venv, index_url=index.url, check=True)
    assert refused.value.exit_status == 1
    sync([lock], python=venv, index_url=index.url)
    (venv / ".envsync-transaction").mkdir()
    (venv / ".envsync-transaction/committed").touch()
    assert not sync([lock], python=venv, index_url=index.url, check=True)


def test_damage_of_the_store_reaches_no_new_environment(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    venv, twin = make_venv("one"), make_venv("two")
    sync([lock], python=venv, index_url=index.url)
    edited = next(venv.glob("lib/python*/site-packages/demo.py"))
    edited.chmod(0o644)
    with edited.open("a") as stream:
        stream.write("print('left while debugging')\n")
    sync([lock], python=twin, index_url=index.url)
    assert next(twin.glob("lib/python*/site-packages/demo.py")).read_text() == 'VERSION = "1.0"\n'


@pytest.mark.parametrize("link_mode", ["hardlink", "copy"])
def test_damaged_bytecode_of_the_store_is_dropped(
    lock: Path, index: IndexServer, make_venv: MakeVenv, cache_dir: Path, link_mode: str
) -> None:
    sync([lock], python=make_venv("one"), index_url=index.url)
    wheel = sha256(index.projects["demo"][0].path)
    store = Store(cache_dir)
    stored = store.get(wheel)
    assert stored is not None
    compiled = py_compile.compile(f"{stored.tree}/demo.py", str(cache_dir / "demo.pyc"), dfile=f"{cache_dir}/demo.py")
    tag = str(sys.implementation.cache_tag)
    name = f"__pycache__/demo.{tag}.pyc"
    place = cache_dir / "__pycache__" / f"demo.{tag}.pyc"
    place.parent.mkdir()
    Path(str(compiled)).rename(place)
    assert store.adopt_bytecode(stored, tag, {name: place}, magic=importlib.util.MAGIC_NUMBER) == 1
    kept = Path(f"{store.entry(wheel)}/bytecode/{tag}/{name}")
    kept.chmod(0o644)
    with kept.open("ab") as stream:
        stream.write(b"?")
    venv = make_venv("two")
    sync([lock], python=venv, index_url=index.url, link_mode=link_mode)
    assert next(venv.glob("lib/python*/site-packages/demo.py")).read_text() == 'VERSION = "1.0"\n'
    assert not list(venv.glob("lib/python*/site-packages/__pycache__/*"))
    assert not kept.exists()


def test_verifying_finds_and_mends_an_edited_file(lock: Path, index: IndexServer, make_venv: MakeVenv) -> None:
    venv, twin = make_venv("one"), make_venv("two")
    for place in (venv, twin):
        sync([lock], python=place, index_url=index.url)
    edited = next(venv.glob("lib/python*/site-packages/demo.py"))
    untouched = edited.read_bytes()
    edited.chmod(0o644)
    # In place, size and time kept: with hard links this is the store's file, and the twin's.
    status = edited.stat()
    edited.write_bytes(untouched.replace(b"1.0", b"6.6"))
    os.utime(edited, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not sync([lock], python=venv, index_url=index.url)
    assert sync([lock], python=venv, index_url=index.url, verify_files=True).reinstalled == {"demo": "1.0"}
    assert edited.read_bytes() == untouched
    assert sync([lock], python=twin, index_url=index.url, verify_files=True).reinstalled in ({}, {"demo": "1.0"})
    assert next(twin.glob("lib/python*/site-packages/demo.py")).read_bytes() == untouched


def test_an_option_that_is_none_is_named(lock: Path, make_venv: MakeVenv) -> None:
    with pytest.raises(EnvsyncError, match="index_ur"):
        sync([lock], python=make_venv(), index_ur="x")


@pytest.mark.parametrize("as_text", [True, False])
def test_one_file_may_be_given_alone(lock: Path, index: IndexServer, make_venv: MakeVenv, *, as_text: bool) -> None:
    changes = sync(str(lock) if as_text else lock, python=make_venv(), index_url=index.url)
    assert changes.installed == {"demo": "1.0", "other": "1.0"}


@pytest.mark.parametrize("name", ["3.11", "312", "cpython3.12"])
def test_a_directory_that_is_called_like_a_version_is_meant(
    lock: Path, index: IndexServer, make_venv: MakeVenv, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    venv = make_venv(name)
    monkeypatch.chdir(venv.parent)
    assert sync([lock], python=name, index_url=index.url).installed == {"demo": "1.0", "other": "1.0"}
    assert "demo.py" in site(venv)
    assert not sync([lock], python=Path(name), index_url=index.url)
