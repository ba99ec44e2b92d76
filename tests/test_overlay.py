"""The overlay: what a session environment can import behind what the lock holds."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

import pytest_envsync
from factories import nest
from pytest_envsync.environment.interpreter import base_of_running
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.leases import drop, take_lease
from pytest_envsync.pytest_plugin.overlay.making import PASSIVE_MODULES, make_overlay
from session_project import PYTEST, SessionProject, repack

BROUGHT = set(PYTEST)

NAMES = """\
import importlib.metadata, json, pathlib
def test_names():
    found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}
    pathlib.Path("names.json").write_text(json.dumps(found))
"""


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with a lock of one distribution."""
    found = SessionProject(tmp_path)
    found.lock("requirements.lock", found.wheel("demo"))
    found.write({"test_names.py": NAMES})
    return found


def names(project: SessionProject) -> dict[str, str]:
    """What the session saw."""
    found: dict[str, str] = json.loads((project.path / "names.json").read_text())
    return found


def test_metadata_inside_shows_what_the_header_says(project: SessionProject) -> None:
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 0, run.out
    count = len(BROUGHT)
    assert f"+overlay pytest {version('pytest')} ({count} distributions not in the lock)" in run.header()
    found = names(project)
    assert found.keys() == {"demo", "pytest-envsync", *BROUGHT}
    assert found["pytest"] == version("pytest")


def test_a_lock_with_pytest_needs_no_overlay(project: SessionProject) -> None:
    project.lock("requirements.lock", project.wheel("demo"), *project.repacked(*BROUGHT))
    run = project.pytest("--envsync", "requirements.lock", "--envsync-no-overlay", module=False)
    assert run.returncode == 0, run.out
    assert not any("overlay" in line for line in run.header())
    assert names(project).keys() == {"demo", "pytest-envsync", *BROUGHT}


def test_locked_versions_win(project: SessionProject) -> None:
    wheel = repack(project.wheels, "iniconfig", "99.0")
    project.lock("requirements.lock", project.wheel("demo"), wheel)
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 0, run.out
    assert names(project)["iniconfig"] == "99.0"
    assert any(f"({len(BROUGHT) - 1} distributions not in the lock)" in line for line in run.header())


@pytest.mark.parametrize(
    ("wheels", "words"),
    [
        ([("pluggy", "1.0.0")], ["pluggy==1.0.0 of the lock cannot host pytest", "add a pytest to the lock that fits"]),
        ([("pytest", "6.2.5")], ["pytest 6.2.5 of the lock cannot host", "envsync run LOCK"]),
    ],
)
def test_a_pin_that_cannot_host_pytest_is_named_with_the_fix(
    project: SessionProject, wheels: list[tuple[str, str]], words: list[str]
) -> None:
    project.lock("requirements.lock", *(project.wheel(name, number) for name, number in wheels))
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 4, run.out
    for word in words:
        assert word in run.stderr


def test_without_an_overlay_the_lock_must_hold_pytest(project: SessionProject) -> None:
    run = project.pytest("--envsync", "requirements.lock", "--envsync-no-overlay")
    assert run.returncode == 4
    assert "the lock holds no pytest" in run.stderr


@pytest.mark.parametrize(
    ("args", "ini", "environ"),
    [
        (["-p", "timeout"], "", {}),
        (["-p", "envsync", "-p", "pytest_timeout"], "", {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        (["-p", "envsync"], "", {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_timeout"}),
        ([], "required_plugins = pytest-timeout>=2\n", {}),
        (["--timeout=50"], "", {}),
        ([], "timeout = 50\n", {}),
        ([], "envsync_overlay = pytest-timeout\n", {}),
        ([], "envsync_overlay = timeout\n", {}),
    ],
)
def test_plugins_that_the_session_names_are_brought(
    project: SessionProject, args: list[str], ini: str, environ: dict[str, str]
) -> None:
    project.write({"pytest.ini": f"[pytest]\n{ini}"})
    run = project.pytest("--envsync", "requirements.lock", *args, env=environ)
    assert run.returncode == 0, run.out
    assert names(project).keys() == {"demo", "pytest-envsync", "pytest-timeout", *BROUGHT}


def test_plugins_that_nobody_names_stay_outside(project: SessionProject) -> None:
    run = project.pytest("--envsync", "requirements.lock", "-k", "names")
    assert run.returncode == 0, run.out
    assert "plugins: envsync-" in run.stdout
    assert "timeout" not in run.stdout


@pytest.mark.parametrize("args", [[], ["-n", "2"]])
def test_a_marker_of_a_plugin_that_stayed_outside_is_told(project: SessionProject, args: list[str]) -> None:
    """pytest-timeout is here, and nothing but a marker names it."""
    code = "import pytest\n@pytest.mark.timeout(5)\ndef test_it(): pass\n@pytest.mark.tiemout(5)\ndef test_b(): pass\n"
    project.write({"test_it.py": code})
    run = project.pytest("--envsync", "requirements.lock", "test_it.py", *args)
    assert run.outcomes["passed"] == 2, run.out
    told = [line for line in run.stdout.splitlines() if "has no effect" in line]
    (line,) = told
    assert line.startswith("envsync: pytest.mark.timeout has no effect: pytest-timeout is not in the environment; ")
    named = project.pytest(
        "--envsync", "requirements.lock", "test_it.py", *args, "-o", "envsync_overlay=pytest-timeout"
    )
    assert "has no effect" not in named.out
    assert named.outcomes["passed"] == 2, named.out


def test_a_marker_that_is_not_called_as_its_plugin_is_told(project: SessionProject) -> None:
    site = "elsewhere/site-packages"
    metadata = "Metadata-Version: 2.1\nName: pytest-rerunfailures\nVersion: 1.0\n"
    entry_points = "[pytest11]\nrerunfailures = rerunning\n"
    project.write(
        {
            f"{site}/rerunning.py": "",
            f"{site}/pytest_rerunfailures-1.0.dist-info/METADATA": metadata,
            f"{site}/pytest_rerunfailures-1.0.dist-info/entry_points.txt": entry_points,
            "test_it.py": "import pytest\n@pytest.mark.flaky(reruns=1)\ndef test_it(): pass\n",
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "test_it.py", env={"PYTHONPATH": str(project.path / site)})
    assert run.outcomes["passed"] == 1, run.out
    assert "envsync: pytest.mark.flaky has no effect: pytest-rerunfailures is not in the environment; " in run.stdout


def test_the_environment_does_not_count_the_overlay(project: SessionProject) -> None:
    project.write(
        {
            "test_own.py": (
                "def test_own(synced_env):\n"
                "    assert synced_env.packages == {'demo': '1.0'}\n"
                "    assert not synced_env.diff()\n"
                "    import pytest\n"
                "    assert str(synced_env.path) not in pytest.__file__\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "--envsync-report", "report.json", "test_own.py")
    assert run.returncode == 0, run.out
    (row,) = project.report()["environments"]
    assert row["distributions"] == {"demo": "1.0"}
    assert row["overlay"].keys() == BROUGHT


def test_an_overlay_that_somebody_changed_is_made_anew(project: SessionProject, cache_dir: Path) -> None:
    assert project.pytest("--envsync", "requirements.lock").returncode == 0
    (site,) = [path for path in cache_dir.glob("overlays/*/site") if not path.parent.name.startswith(".")]
    (site / "pytest" / "__init__.py").chmod(0o644)
    (site / "pytest" / "__init__.py").write_text("raise SystemExit('changed')\n")
    (site / "sneaked_in.py").write_text("")
    nest(site, sys.getrecursionlimit() + 100)
    project.write({"test_names.py": NAMES + "    assert importlib.util.find_spec('sneaked_in') is None\n"})
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 0, run.out


PLANT = """\
import importlib.util, iniconfig, marshal, os, pathlib
def test_plant():
    source = pathlib.Path(iniconfig.__file__)
    assert "overlays" in source.parts
    status = source.stat()
    numbers = (0, int(status.st_mtime), status.st_size)
    header = importlib.util.MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in numbers)
    code = "import os; os.close(os.open('planted', os.O_CREAT))\\n" + source.read_text()
    for place in (importlib.util.cache_from_source(source), importlib.util.cache_from_source(source, optimization=1)):
        pathlib.Path(place).unlink(missing_ok=True)
        pathlib.Path(place).write_bytes(header + marshal.dumps(compile(code, str(source), "exec")))
"""


def test_bytecode_that_a_session_puts_into_the_overlay_runs_in_no_later_one(
    project: SessionProject, cache_dir: Path
) -> None:
    project.write({"test_plant.py": PLANT})
    assert project.pytest("--envsync", "requirements.lock", "test_plant.py").returncode == 0
    for _ in range(2):
        assert project.pytest("--envsync", "requirements.lock", "test_names.py").returncode == 0
        assert not (project.path / "planted").exists()
    (site,) = [path for path in cache_dir.glob("overlays/*/site") if not path.parent.name.startswith(".")]
    assert not list((site / "iniconfig" / "__pycache__").glob("__init__.*.opt-1.pyc"))


def test_an_overlay_is_closed_to_writing_and_compiled(cache_dir: Path) -> None:
    overlay = make_overlay(cache_dir, locked={}, target=base_of_running(cache_dir))
    root = Path(overlay.path).parent
    files = [path for path in root.rglob("*") if path.is_file() and path != root / "manifest.json"]
    assert {path.stat().st_mode & 0o777 for path in files} <= {0o444, 0o555}
    assert {path.stat().st_mode & 0o777 for path in (root, *root.rglob("*")) if path.is_dir()} == {0o755}
    for path in Path(overlay.path, "pytest_envsync").rglob("*.py"):
        assert Path(cache_from_source(path)).is_file()


def rewritten(cache_dir: Path) -> dict[str, tuple[int, int]]:
    """What pytest made of modules of plugins in the one overlay there is, each with its inode and time."""
    (site,) = [path for path in cache_dir.glob("overlays/*/site") if not path.parent.name.startswith(".")]
    found = {path: path.stat() for path in site.rglob("*-pytest-*.pyc")}
    return {path.name.partition(".")[0]: (status.st_ino, status.st_mtime_ns) for path, status in found.items()}


@pytest.mark.skipif(not hasattr(rewrite, "_fix_code_filename"), reason="older releases put the source's place in it")
def test_what_pytest_makes_of_plugins_is_there_before_a_session(project: SessionProject, cache_dir: Path) -> None:
    arguments = ("--envsync", "requirements.lock", "--timeout=60", "-n", "2", "test_names.py")
    assert project.pytest(*arguments, "--collect-only").returncode == 0
    before = rewritten(cache_dir)
    assert {"pytest_timeout", "plugin", "remote"} <= before.keys()
    for _ in range(2):
        run = project.pytest(*arguments)
        assert run.returncode == 0, run.out
        assert rewritten(cache_dir) == before


def test_a_plugin_behind_a_locked_part_of_pytest_is_rewritten_by_sessions(
    project: SessionProject, cache_dir: Path
) -> None:
    project.lock("part.lock", project.wheel("demo"), *project.repacked("pluggy"))
    run = project.pytest("--envsync", "part.lock", "--timeout=60", "test_names.py", "--collect-only")
    assert run.returncode == 0, run.out
    assert "timeout" in run.stdout
    manifests = [path.read_text() for path in cache_dir.glob("overlays/*/manifest.json")]
    assert manifests
    assert not any("-pytest-" in text for text in manifests)


def test_an_overlay_that_cannot_be_filled_leaves_nothing(
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = base_of_running(cache_dir)
    distribution = tmp_path / "broken-1.0.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    # A directory where the surface has a file.
    (tmp_path / "pytest_envsync/__init__.py").mkdir(parents=True)
    (tmp_path / "pytest_envsync/__init__.py/below").write_text("")
    (distribution / "RECORD").write_text("pytest_envsync/__init__.py/below,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(OSError, match="__init__"):
        make_overlay(cache_dir, locked={}, target=target, plugins=["broken"])
    assert not list((cache_dir / "overlays").iterdir())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="safe_path is of 3.11")
@pytest.mark.parametrize("module", [True, False])
def test_a_safe_path_keeps_the_standard_library_in_front(
    project: SessionProject, monkeypatch: pytest.MonkeyPatch, *, module: bool
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    project.write(
        {
            "test_path.py": (
                "import os, sys\n"
                "def test_path():\n"
                "    assert any(entry.endswith('.zip') for entry in sys.path)\n"
                "    assert os.getcwd() not in sys.path\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "--import-mode=importlib", "test_path.py", module=module)
    assert run.returncode == 0, run.out


OTHERS = {"3.10": "python3.10", "3.12": "python3.12", "3.13": "python3.13"}


def other_interpreter(minor: str) -> str:
    """An interpreter of another minor version, or a skip."""
    from shutil import which

    roots = [Path(sys.base_prefix).parent.glob(f"{minor}.*/bin/python"), [which(OTHERS[minor])]]
    for found in (path for group in roots for path in group):
        if found is not None and Path(found).is_file():
            return str(found)
    pytest.skip(f"there is no Python {minor} here")


@pytest.mark.parametrize("minor", ["3.12", "3.13"])
def test_another_minor_gets_what_is_pure_from_here(project: SessionProject, minor: str) -> None:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == minor:
        pytest.skip("that is this one")
    python = other_interpreter(minor)
    run = project.pytest("--envsync", "requirements.lock", "--envsync-python", python)
    assert run.returncode == 0, run.out
    assert f"CPython {minor}" in run.header()[0]
    assert names(project)["pytest"] == version("pytest")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="that is this one")
def test_another_minor_is_served_from_the_index_with_the_lock_as_constraint(project: SessionProject) -> None:
    python = other_interpreter("3.10")
    project.repacked(*PYTEST)
    project.wheel("exceptiongroup", "1.2", files={"exceptiongroup.py": _GROUPS})
    project.wheel(
        "tomli", "2.9", files={"tomli.py": "class TOMLDecodeError(ValueError): pass\ndef loads(text): return {}\n"}
    )
    project.wheel("typing_extensions", "4.0")
    project.wheel("pytest", "99.0", requires=["pluggy>=99"])
    project.lock("requirements.lock", project.wheel("demo"))
    run = project.pytest("--envsync", "requirements.lock", "--envsync-python", python)
    assert run.returncode == 0, run.out
    assert "CPython 3.10" in run.header()[0]
    found = names(project)
    assert found["pytest"] == version("pytest")
    assert found["exceptiongroup"] == "1.2"


_GROUPS = """\
class BaseExceptionGroup(BaseException):
    def __class_getitem__(cls, item):
        return cls


class ExceptionGroup(BaseExceptionGroup, Exception):
    pass
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="that is this one")
def test_no_index_that_serves_another_minor_is_one_error(project: SessionProject) -> None:
    python = other_interpreter("3.10")
    run = project.pytest("--envsync", "requirements.lock", "--envsync-python", python)
    assert run.returncode == 4, run.out
    assert "add pytest to the lock" in run.stderr
    assert "Traceback" not in run.out


def test_an_interpreter_that_is_too_old_is_one_error(cache_dir: Path) -> None:
    from pytest_envsync.values import replace

    target = replace(base_of_running(cache_dir), version="3.8.18")
    with pytest.raises(EnvsyncError, match=r"Python 3\.8\.18 cannot host a session"):
        make_overlay(cache_dir, locked={}, target=target)


def test_the_overlay_holds_the_surface_and_never_the_engine(cache_dir: Path) -> None:
    overlay = make_overlay(cache_dir, locked={}, target=base_of_running(cache_dir))
    package = Path(overlay.path, "pytest_envsync")
    held = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    source = Path(next(iter(pytest_envsync.__path__)))
    modules = [name.replace(".", "/") for name in PASSIVE_MODULES]
    assert held == {f"{name}/__init__.py".lstrip("/") if (source / name).is_dir() else f"{name}.py" for name in modules}
    assert not {"pytest_plugin/inside", "pytest_plugin/overlay", "sync", "wheels"} & {
        *modules,
        *(path.rpartition("/")[0] for path in held),
    }
    assert os.access(Path(overlay.bin, "pytest"), os.X_OK)
    again = make_overlay(cache_dir, locked={}, target=base_of_running(cache_dir))
    assert again == overlay


def test_overlays_that_nobody_uses_go_and_others_stay(cache_dir: Path) -> None:
    target = base_of_running(cache_dir)
    used = Path(make_overlay(cache_dir, locked={}, target=target).path).parent
    root = cache_dir / "overlays"
    for name, age in (("old", 61), ("young", 59), (".cut-short", 2)):
        place = root / name
        place.mkdir()
        stamp = place / "manifest.json"
        stamp.write_text("{}")
        for path in (stamp, place):
            os.utime(path, (time.time() - age * 86_400,) * 2)
    make_overlay(cache_dir, locked={"anything": "1.0"}, target=target)
    assert {path.name for path in root.iterdir()} == {"memo", "young", used.name}


def test_an_overlay_that_a_process_holds_stays_however_old(cache_dir: Path) -> None:
    target = base_of_running(cache_dir)
    held = Path(make_overlay(cache_dir, locked={}, target=target).path).parent
    aside = held.with_name("f" * 20)
    held.rename(aside)
    held = aside
    home = cache_dir / "environments" / "key"
    lease = take_lease(str(home / "leases"), 1, os.getpid())
    (home / "1.json").write_text(json.dumps({"entries": [["overlay.pth", str(held / "site")]]}))
    os.utime(held, (time.time() - 61 * 86_400,) * 2)
    make_overlay(cache_dir, locked={"anything": "1.0"}, target=target)
    assert held.exists()
    drop(lease.path)
    os.utime(held, (time.time() - 61 * 86_400,) * 2)
    make_overlay(cache_dir, locked={"something": "1.0"}, target=target)
    assert not held.exists()
