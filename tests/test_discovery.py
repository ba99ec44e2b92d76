"""Where a sync goes: the environment that is meant."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_envsync.environment.discovery import find_target
from pytest_envsync.environment.interpreter import base_of_running, find_interpreter
from pytest_envsync.errors import EnvsyncError, TargetError, UsageError
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.target import Target

MakeVenv = Callable[..., Path]


class Notes(SilentReporter):
    """A reporter that keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class World:
    """A directory to stand in, an environment to look at, a cache that is shared by all tests."""

    def __init__(self, cwd: Path, cache_dir: Path) -> None:
        self.cwd = cwd
        self.cache_dir = cache_dir
        self.environ = {"PATH": "", "HOME": str(cwd / "home")}
        self.reporter = Notes()

    @property
    def notes(self) -> list[str]:
        return self.reporter.notes

    def find(self, options: SyncOptions | None = None, /, **environ: str) -> Target:
        self.reporter.notes.clear()
        return find_target(
            options or SyncOptions(),
            cwd=str(self.cwd),
            environ={**self.environ, **environ},
            cache_dir=self.cache_dir,
            reporter=self.reporter,
        )

    def refusal(self, options: SyncOptions | None = None, /, **environ: str) -> EnvsyncError:
        with pytest.raises(EnvsyncError) as caught:
            self.find(options, **environ)
        assert caught.value.exit_status == 2
        return caught.value


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers")


@pytest.fixture
def world(tmp_path: Path, answers: Path) -> World:
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    return World(cwd, answers)


@pytest.fixture
def running(answers: Path) -> Target:
    return base_of_running(answers)


@pytest.fixture
def other(answers: Path, running: Target) -> Target:
    """An interpreter of another version than the running one's."""
    for version in ("3.10", "3.11", "3.12", "3.13"):
        if version != running.minor:
            try:
                return find_interpreter(version, cache_dir=answers, environ=os.environ, cwd="/")
            except TargetError:
                continue
    pytest.skip("only one version of Python on this machine")


def test_the_active_environment_is_meant_first(world: World, make_venv: MakeVenv) -> None:
    active, near = make_venv("active"), make_venv("cwd/.venv")
    found = world.find(VIRTUAL_ENV=str(active))
    assert (found.prefix, found.python, found.is_virtual) == (str(active), str(active / "bin" / "python"), True)
    assert world.notes == [f"Using Python {found.version} environment at: {active}"]
    assert world.find().prefix == str(near)


def test_a_relative_active_environment_is_relative_to_the_directory(world: World, make_venv: MakeVenv) -> None:
    active = make_venv("active")
    assert world.find(VIRTUAL_ENV="../active").prefix == str(active)


def test_dot_venv_is_used_silently(world: World, make_venv: MakeVenv) -> None:
    near = make_venv("cwd/.venv")
    assert world.find(VIRTUAL_ENV="").prefix == str(near)
    assert world.notes == []


def test_dot_venv_of_a_parent_is_used_and_told(world: World, make_venv: MakeVenv) -> None:
    near = make_venv("cwd/.venv")
    world.cwd = world.cwd / "deep" / "er"
    world.cwd.mkdir(parents=True)
    found = world.find()
    assert found.prefix == str(near)
    assert world.notes == [f"Using Python {found.version} environment at: {near}"]


@pytest.mark.parametrize("below", ["", "sub", "lib", "sub/of/it"])
def test_the_environment_that_the_directory_lies_in_is_meant_before_one_on_path(
    below: str, world: World, make_venv: MakeVenv
) -> None:
    around, first = make_venv("around"), make_venv("first")
    world.cwd = around / below
    world.cwd.mkdir(parents=True, exist_ok=True)
    found = world.find(PATH=str(first / "bin"))
    assert found.prefix == str(around)
    assert world.notes == [f"Using Python {found.version} environment at: {around if below else '.'}"]


def test_dot_venv_inside_another_environment_is_meant_from_beside_and_from_within(
    world: World, make_venv: MakeVenv
) -> None:
    around = make_venv("around")
    near = make_venv("around/deep/.venv")
    world.cwd = around / "deep"
    assert world.find().prefix == str(near)
    world.cwd = near
    assert world.find().prefix == str(near)


@pytest.mark.parametrize("what", ["missing", "empty", "an interpreter"])
def test_an_active_environment_that_is_none_is_passed_over(
    what: str, world: World, make_venv: MakeVenv, running: Target, tmp_path: Path
) -> None:
    near = make_venv("cwd/.venv")
    path = {"missing": tmp_path / "missing", "empty": tmp_path / "empty", "an interpreter": Path(running.prefix)}[what]
    if what == "empty":
        path.mkdir()
    assert world.find(VIRTUAL_ENV=str(path)).prefix == str(near)


def test_an_active_environment_that_is_none_is_an_error_when_there_is_no_other(world: World, tmp_path: Path) -> None:
    error = world.refusal(VIRTUAL_ENV=str(tmp_path / "missing"))
    assert (
        str(error) == f"`{tmp_path / 'missing'}` is no virtual environment: it has no `pyvenv.cfg` and no interpreter"
    )


@pytest.mark.parametrize("end", ["", "/", "/."])
def test_an_interpreter_s_own_directory_is_no_active_environment(end: str, world: World, running: Target) -> None:
    assert "No virtual environment found" in str(world.refusal(VIRTUAL_ENV=running.prefix + end))


def test_a_broken_dot_venv_is_an_error(world: World) -> None:
    (world.cwd / ".venv").mkdir()
    error = world.refusal()
    assert str(error) == f"Broken virtual environment `{world.cwd / '.venv'}`: missing `pyvenv.cfg`"


def test_conda_s_environment_counts_but_not_its_base(world: World, running: Target) -> None:
    # It stands for conda's here, and may be one that a distribution of Linux manages.
    options = SyncOptions(break_system_packages=running.externally_managed is not None)
    found = world.find(options, CONDA_PREFIX=running.prefix, CONDA_DEFAULT_ENV=Path(running.prefix).name)
    assert (found.prefix, found.is_virtual) == (running.prefix, False)
    assert world.notes == [f"Using Python {found.version} environment at: {running.prefix}"]
    for environ in ({"CONDA_DEFAULT_ENV": "base"}, {"CONDA_DEFAULT_ENV": "other"}, {"_CONDA_ROOT": running.prefix}):
        assert "No virtual environment found" in str(world.refusal(CONDA_PREFIX=running.prefix, **environ))


def test_a_base_of_conda_that_is_a_virtual_environment_comes_after_that_of_the_project(
    world: World, make_venv: MakeVenv
) -> None:
    base = make_venv("miniconda")
    environ = {"CONDA_PREFIX": str(base), "CONDA_DEFAULT_ENV": "base"}
    assert world.find(**environ).prefix == str(base)
    made = make_venv("project")
    made.rename(world.cwd / ".venv")
    assert world.find(**environ).prefix == str(world.cwd / ".venv")


def test_the_environment_that_stands_first_on_path_is_meant(world: World, make_venv: MakeVenv, running: Target) -> None:
    first = make_venv("first") / "bin"
    behind = Path(running.python).parent
    assert world.find(PATH=f"{first}{os.pathsep}{behind}").prefix == str(first.parent)
    assert "No virtual environment found" in str(world.refusal(PATH=f"{behind}{os.pathsep}{first}"))


def test_no_environment_is_an_error_that_says_how_to_have_one(world: World) -> None:
    error = world.refusal()
    assert str(error) == "No virtual environment found"
    assert error.hint is not None
    assert "--venv .venv" in error.hint
    assert "--system" in error.hint


@pytest.mark.parametrize("form", ["{minor}", "{version}", "cpython{minor}", "python{minor}", "cp{short}", ">=3.8", "3"])
def test_a_version_means_an_environment_that_has_it(
    form: str, world: World, make_venv: MakeVenv, running: Target
) -> None:
    near = make_venv("cwd/.venv")
    text = form.format(minor=running.minor, version=running.version, short=running.minor.replace(".", ""))
    assert world.find(SyncOptions(python=text)).prefix == str(near)


def test_a_version_that_no_environment_has_names_those_that_are_there(
    world: World, make_venv: MakeVenv, running: Target, other: Target
) -> None:
    make_venv("cwd/.venv")
    error = world.refusal(SyncOptions(python=other.minor), PATH=str(Path(other.python).parent))
    assert str(error) == f"No virtual environment found for Python {other.minor}; found: {running.title} in .venv"


def test_a_version_chooses_among_environments(
    world: World, make_venv: MakeVenv, running: Target, other: Target
) -> None:
    near, active = make_venv("cwd/.venv"), make_venv("active", python=other.python)
    assert world.find(SyncOptions(python=other.minor), VIRTUAL_ENV=str(active)).prefix == str(active)
    assert world.find(SyncOptions(python=running.minor), VIRTUAL_ENV=str(active)).prefix == str(near)


def test_a_path_may_be_any_interpreter(world: World, make_venv: MakeVenv, running: Target) -> None:
    prefix = make_venv("cwd/here")
    for text in ("here", "./here", "here/bin/python", str(prefix)):
        found = world.find(SyncOptions(python=text))
        assert (found.prefix, found.python) == (str(prefix), str(prefix / "bin" / "python"))
        assert world.notes == [f"Using Python {found.version} environment at: here"]
    assert world.find(SyncOptions(python=running.python, break_system_packages=True)).prefix == running.prefix
    assert world.find(SyncOptions(python=running.prefix, break_system_packages=True)).prefix == running.prefix


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("./nowhere", "no interpreter found at `{cwd}/nowhere`"),
        (".", "`{cwd}` is no virtual environment: it has no `pyvenv.cfg` and no interpreter"),
        ("snake", "No virtual environment found for executable name `snake`"),
        ("pypy", "No virtual environment found for PyPy"),
    ],
)
def test_what_is_no_interpreter_is_refused(text: str, message: str, world: World) -> None:
    assert str(world.refusal(SyncOptions(python=text))) == message.format(cwd=world.cwd)


def test_a_name_means_an_environment_on_path(world: World, make_venv: MakeVenv, running: Target) -> None:
    prefix = make_venv("named")
    behind = Path(running.python).parent
    found = world.find(SyncOptions(python="python"), PATH=f"{behind}{os.pathsep}{prefix / 'bin'}")
    assert found.prefix == str(prefix)


def test_system_means_the_first_interpreter_on_path_that_is_no_environment(
    world: World, make_venv: MakeVenv, running: Target, tmp_path: Path
) -> None:
    active = make_venv("active")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(running.base_python)
    environ = {"PATH": f"{active / 'bin'}{os.pathsep}{tmp_path / 'bin'}", "VIRTUAL_ENV": str(active)}
    options = SyncOptions(system=True, break_system_packages=True)
    found = world.find(options, **environ)
    assert (found.prefix, found.python) == (running.prefix, str(tmp_path / "bin" / "python3"))
    assert world.notes == [f"Using Python {found.version} environment at: {running.prefix}"]
    assert str(world.refusal(options)) == "No system Python installation found"


def test_system_with_a_version_is_searched_on_path(world: World, other: Target, running: Target) -> None:
    environ = {"PATH": os.pathsep.join([str(Path(running.python).parent), str(Path(other.python).parent)])}
    options = SyncOptions(system=True, break_system_packages=True, python=other.minor)
    assert world.find(options, **environ).prefix == other.prefix
    error = world.refusal(SyncOptions(system=True, python="3.99"), **environ)
    assert str(error) == "No system Python installation found for Python 3.99"


def test_system_with_a_version_never_means_what_is_behind_an_environment(
    world: World, other: Target, make_venv: Callable[..., Path]
) -> None:
    """Whoever has an environment first on PATH would have lost all that its interpreter has installed."""
    path = os.pathsep.join([str(make_venv() / "bin"), str(Path(other.python).parent)])
    options = SyncOptions(system=True, break_system_packages=True, python=">=3.8")
    assert world.find(options, PATH=path).prefix == other.prefix


def test_a_python_that_starts_something_else_makes_no_environment(
    world: World, running: Target, make_venv: Callable[..., Path]
) -> None:
    prefix = make_venv()
    python = prefix / "bin" / "python"
    for text, mode, words in (
        (f'#!/bin/sh\nexec {running.base_python} "$@"\n', 0o755, "knows nothing of"),
        ("#!/bin/sh\necho nothing\n", 0o755, "could not be asked"),
        ("no program", 0o644, "it is no executable"),
    ):
        python.unlink()
        python.write_text(text)
        python.chmod(mode)
        assert words in str(world.refusal(SyncOptions(python=str(prefix))))


def test_an_interpreter_s_own_directory_is_found_by_its_name(world: World) -> None:
    (world.cwd / "own" / "bin").mkdir(parents=True)
    (world.cwd / "own" / "bin" / "python3").write_text("no program")
    assert "own/bin/python3" in str(world.refusal(SyncOptions(python="own")))


def test_an_externally_managed_interpreter_is_left_alone(world: World, running: Target, tmp_path: Path) -> None:
    """PEP 668. The interpreter and the file are real; only in its answer are they together."""
    cache_dir = tmp_path / "cache"
    base_of_running(cache_dir)
    record = next((cache_dir / "interpreters").iterdir())
    values = json.loads(record.read_text())
    marker = tmp_path / "EXTERNALLY-MANAGED"
    marker.write_text("")
    values["target"]["externally_managed"] = "Ask apt.\n\nOr dnf."
    values["marker"] = str(marker)
    record.write_text(json.dumps(values))
    world.cache_dir = cache_dir
    for options in (SyncOptions(python=running.python), SyncOptions(python=running.python, dry_run=True)):
        error = world.refusal(options)
        assert "is externally managed" in str(error)
        assert "  Ask apt.\n  \n  Or dnf." in str(error)
        assert error.hint is not None
        assert "--break-system-packages" in error.hint
    allowed = [
        SyncOptions(python=running.python, break_system_packages=True),
        SyncOptions(python=running.python, target="there"),
        SyncOptions(python=running.python, prefix="there"),
        SyncOptions(venv="there"),
    ]
    assert [world.find(options).prefix for options in allowed] == [running.prefix] + [str(world.cwd / "there")] * 3
    marker.unlink()
    gone = base_of_running(cache_dir).externally_managed
    assert gone == running.externally_managed, "the file is gone, so is the rule, but for one of this machine's own"


def test_target_is_a_flat_directory_for_the_nearest_interpreter(
    world: World, make_venv: MakeVenv, running: Target, tmp_path: Path
) -> None:
    found = world.find(SyncOptions(target="there"), PATH=str(Path(running.python).parent))
    there = str(world.cwd / "there")
    assert (found.prefix, found.paths["purelib"], found.paths["scripts"]) == (there, there, f"{there}/bin")
    assert (found.is_virtual, found.base_python) == (False, running.base_python)
    assert world.notes == [f"Using {running.title} interpreter at: {found.python}"]
    near = make_venv("cwd/.venv")
    assert world.find(SyncOptions(target=str(tmp_path / "x"))).python == str(near / "bin" / "python")
    assert world.notes == [f"Using {running.title} interpreter at: .venv/bin/python"]
    assert not Path(there).exists()


def test_prefix_has_the_layout_of_an_environment(world: World, other: Target) -> None:
    options = SyncOptions(prefix="there", python=other.minor)
    found = world.find(options, PATH=str(Path(other.python).parent))
    there = str(world.cwd / "there")
    assert found.paths == other.in_virtual_environment(there).paths
    assert (found.python, found.version) == (str(Path(other.python).parent / Path(found.python).name), other.version)
    error = world.refusal(SyncOptions(target="there", python="3.99"))
    assert str(error).startswith("no interpreter of version 3.99; found: ")


def test_without_anything_on_path_the_running_interpreter_fills_a_directory(world: World, running: Target) -> None:
    assert world.find(SyncOptions(target="there")).base_python == running.base_python


def test_target_and_prefix_exclude_each_other(world: World) -> None:
    assert isinstance(world.refusal(SyncOptions(target="a", prefix="b")), UsageError)


def test_venv_is_made_when_it_is_missing(world: World, running: Target) -> None:
    options = SyncOptions(venv="made/here")
    path = world.cwd / "made" / "here"
    dry = world.find(SyncOptions(venv="made/here", dry_run=True))
    assert world.notes[-1] == "Would create virtual environment at: made/here"
    assert not path.exists()
    made = world.find(options)
    assert made == dry == running.in_virtual_environment(str(path))
    assert world.notes == [
        f"Using {running.title} interpreter at: {running.python}",
        "Creating virtual environment at: made/here",
    ]
    assert world.find(options) == made
    assert world.notes == [f"Using Python {made.version} environment at: made/here"]


def test_venv_is_made_with_the_interpreter_that_is_asked_for(world: World, running: Target, other: Target) -> None:
    environ = {"PATH": str(Path(other.python).parent)}
    made = world.find(SyncOptions(venv="it", python=other.minor), **environ)
    assert (made.version, made.base_python) == (other.version, other.base_python)
    assert world.find(SyncOptions(venv="it")).version == other.version
    assert world.find(SyncOptions(venv="it", python=other.base_python)).version == other.version
    for python in (running.minor, running.python):
        error = world.refusal(SyncOptions(venv="it", python=python), **environ)
        assert str(error).startswith(f"the virtual environment `{world.cwd / 'it'}` has {other.title}, which is not ")
        assert error.hint is not None
    error = world.refusal(SyncOptions(venv="new", python="3.99"), **environ)
    assert str(error).startswith("no interpreter of version 3.99; found: ")


@pytest.mark.parametrize("what", ["a file", "a directory with something in it", "a link to nowhere"])
def test_venv_over_something_else_is_refused(what: str, world: World) -> None:
    path = world.cwd / "it"
    if what == "a file":
        path.write_text("")
    elif what == "a link to nowhere":
        path.symlink_to("nowhere")
    else:
        path.mkdir()
        (path / "precious.txt").write_text("")
    error = world.refusal(SyncOptions(venv="it"))
    assert isinstance(error, TargetError)
    assert str(error) == f"`{path}` is no virtual environment: it has no `pyvenv.cfg`"


def test_venv_in_an_empty_directory_is_made(world: World) -> None:
    (world.cwd / "it").mkdir()
    assert world.find(SyncOptions(venv="it")).is_virtual


def test_an_unknown_platform_is_refused_before_anything_is_made(world: World) -> None:
    for options in (
        SyncOptions(venv="it", python_platform="amiga"),
        SyncOptions(venv="it", python_version="three"),
    ):
        assert isinstance(world.refusal(options), UsageError)
    assert list(world.cwd.iterdir()) == []


def test_a_platform_changes_what_fits_not_where_it_goes(world: World, make_venv: MakeVenv) -> None:
    make_venv("cwd/.venv")
    plain = world.find()
    found = world.find(SyncOptions(python_platform="windows", python_version="3.9"))
    assert found.tags[0] == "cp39-cp39-win_amd64"
    assert (found.paths, found.python, found.version) == (plain.paths, plain.python, plain.version)
    assert (
        world.find(SyncOptions(python_platform="macos"), MACOSX_DEPLOYMENT_TARGET="12.0")
        .tags[0]
        .endswith("-macosx_12_0_arm64")
    )


def test_the_environment_that_runs_this_is_not_meant_by_itself(world: World) -> None:
    assert "No virtual environment found" in str(world.refusal())
