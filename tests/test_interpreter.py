"""Interpreters: what they say about themselves, and how one is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.tags import sys_tags

from conftest import MakeVenv
from pytest_envsync.environment.interpreter import (
    base_of,
    base_of_running,
    find_interpreter,
    is_found_at,
    query,
    query_environment,
)
from pytest_envsync.environment.python_request import parse_request
from pytest_envsync.environment.pyvenv_cfg import read_pyvenv_cfg
from pytest_envsync.errors import TargetError, UsageError
from pytest_envsync.target import Target

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
TRUTH = """
import json, platform, sys, sysconfig
sys.path.append(sys.argv[1])
from packaging.markers import default_environment
from packaging.tags import sys_tags
paths = sysconfig.get_paths()
print(json.dumps({
    "python": sys.executable, "prefix": sys.prefix, "base_prefix": sys.base_prefix,
    "version": platform.python_version(), "implementation": sys.implementation.name,
    "cache_tag": sys.implementation.cache_tag, "markers": default_environment(), "tags": [str(t) for t in sys_tags()],
    "paths": {key: paths[key] for key in ("purelib", "platlib", "scripts", "data")},
}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of this file share: interpreters are slow to ask."""
    return tmp_path_factory.mktemp("answers")


def interpreter(version: str, cache_dir: Path) -> Target:
    try:
        return find_interpreter(version, cache_dir=cache_dir, environ=os.environ, cwd="/")
    except TargetError:
        pytest.skip(f"no Python {version} on this machine")


def asked_itself(python: str) -> dict[str, Any]:
    """What the executable says, asked with its own site-packages and paths."""
    import packaging

    directory = str(Path(packaging.__file__).parent.parent)
    answer = subprocess.run([python, "-B", "-c", TRUTH, directory], capture_output=True, text=True, check=True)
    return dict(json.loads(answer.stdout))


def made_by_venv(base: Target, path: Path) -> None:
    subprocess.run([base.python, "-m", "venv", "--without-pip", str(path)], check=True, capture_output=True)


def made_by_venv_with_copies(base: Target, path: Path) -> None:
    command = [base.python, "-m", "venv", "--without-pip", "--copies", str(path)]
    subprocess.run(command, check=True, capture_output=True)


def made_by_virtualenv(base: Target, path: Path) -> None:
    command = [sys.executable, "-m", "virtualenv", "-q", "--no-seed", "-p", base.python, str(path)]
    subprocess.run(command, check=True, capture_output=True)


def made_by_uv(base: Target, path: Path) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed")
    subprocess.run([uv, "venv", "-q", "--offline", "-p", base.python, str(path)], check=True, capture_output=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("make", [made_by_venv, made_by_venv_with_copies, made_by_virtualenv, made_by_uv])
def test_an_environment_is_described_without_starting_it_as_it_would_describe_itself(
    version: str, make: Callable[[Target, Path], None], answers: Path, tmp_path: Path
) -> None:
    base = interpreter(version, answers)
    prefix = tmp_path / "environment"
    make(base, prefix)
    found = query_environment(str(prefix), answers)
    truth = asked_itself(found.python)
    assert sorted(truth.pop("tags")) == sorted(found.tags)
    assert {key: getattr(found, key) for key in truth if key != "paths"} | {"paths": truth["paths"]} == truth
    assert {key: found.paths[key] for key in truth["paths"]} == truth["paths"]
    assert found.paths["headers"] == str(prefix / "include" / "site" / f"python{version}")
    assert (found.is_virtual, found.externally_managed) == (True, None)
    assert (found.base_python, found.fingerprint) == (base.base_python, base.fingerprint)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_ordinary_interpreter_is_described_as_it_describes_itself(version: str, answers: Path) -> None:
    found = interpreter(version, answers)
    truth = asked_itself(found.python)
    assert sorted(truth.pop("tags")) == sorted(found.tags)
    truth_paths = truth.pop("paths")
    assert {key: getattr(found, key) for key in truth} == truth
    assert {key: found.paths[key] for key in truth_paths} == truth_paths
    assert (found.is_virtual, found.base_python) == (False, os.path.realpath(found.python))


def test_tags_rank_as_packaging_has_them_but_for_a_wheel_of_some_unknown_linux(answers: Path) -> None:
    """The reference takes ``manylinux`` before ``linux``; packaging does not, since 26.3."""
    own = [str(tag) for tag in sys_tags()]
    found = base_of_running(answers).tags
    assert [tag for tag in found if "-linux_" not in tag] == [tag for tag in own if "-linux_" not in tag]
    for tag in found:
        if "-linux_" in tag:
            group = tag.rpartition("-")[0]
            after = found[found.index(tag) + 1 :]
            assert not any(other.rpartition("-")[0] == group and "linux" in other for other in after)


def test_a_target_survives_json(answers: Path) -> None:
    found = base_of_running(answers)
    assert Target.from_dict(json.loads(json.dumps(found.as_dict()))) == found


QUERY_TWICE = """
import sys
from pathlib import Path
from pytest_envsync.environment.interpreter import base_of_running, query_environment
cache, prefix = Path(sys.argv[1]), sys.argv[2]
base_of_running(cache), query_environment(prefix, cache)
print([name for name in ("subprocess", "packaging", "hashlib", "importlib.util", "tempfile") if name in sys.modules])
"""


def test_a_second_question_starts_no_process_and_imports_nothing_for_it(
    cache_dir: Path, make_venv: Callable[..., Path]
) -> None:
    prefix = make_venv()
    command = [sys.executable, "-c", QUERY_TWICE, str(cache_dir), str(prefix)]
    loaded = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    assert "subprocess" in loaded[0]
    assert loaded[1] == "[]"


def record_of(cache_dir: Path) -> Path:
    return next((cache_dir / "interpreters").iterdir())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.write_text("{"),
        lambda record: record.write_bytes(b"\xff\xfe"),
        lambda record: record.write_text("[]"),
        lambda record: record.write_text(record.read_text().replace('"size": ', '"size": 1')),
        lambda record: record.write_text(record.read_text().replace('"mtime_ns": ', '"mtime_ns": 1')),
        lambda record: record.write_text(record.read_text().replace('"tags": ', '"marks": ')),
        lambda record: record.write_text(record.read_text().replace('"schema": ', '"schema": 9')),
    ],
    ids=["torn", "bytes", "no mapping", "another size", "another time", "another shape", "another schema"],
)
def test_an_answer_that_no_longer_holds_is_asked_for_again(spoil: Callable[[Path], object], cache_dir: Path) -> None:
    first = base_of_running(cache_dir)
    record = record_of(cache_dir)
    good = record.read_text()
    spoil(record)
    assert base_of_running(cache_dir) == first
    assert record.read_text() == good


def test_the_kernel_s_version_is_always_the_running_one_s(cache_dir: Path) -> None:
    base_of_running(cache_dir)
    record = record_of(cache_dir)
    values = json.loads(record.read_text())
    values["target"]["markers"]["platform_release"] = "1.0-before-the-restart"
    record.write_text(json.dumps(values))
    assert base_of_running(cache_dir).markers["platform_release"] == os.uname().release


def test_without_a_cache_nothing_is_written(cache_dir: Path) -> None:
    assert base_of_running(None).base_python == os.path.realpath(base_of_running(None).python)
    assert not cache_dir.exists()


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert base_of_running(tmp_path / "file").is_virtual is False


def test_a_script_that_starts_an_interpreter_is_asked_each_time(answers: Path, tmp_path: Path) -> None:
    """A pyenv shim starts another interpreter when PYENV_VERSION changes."""
    bases = [interpreter(version, answers) for version in VERSIONS[:2]]
    shim = tmp_path / "python"
    for base in bases:
        shim.write_text(f'#!/bin/sh\nexec "{base.python}" "$@"\n')
        shim.chmod(0o755)
        assert query(str(shim), answers).base_python == base.base_python


def test_a_link_is_the_interpreter_it_leads_to_under_its_own_name(answers: Path, tmp_path: Path) -> None:
    base = base_of_running(answers)
    link = tmp_path / "python"
    link.symlink_to(base.base_python)
    found = query(str(link), answers)
    assert (found.python, found.base_python, found.prefix) == (str(link), base.base_python, base.prefix)


def test_an_environment_of_an_environment_has_the_interpreter_behind_both(
    answers: Path, make_venv: Callable[..., Path]
) -> None:
    outer = make_venv("outer")
    inner = make_venv("inner", python=str(outer / "bin" / "python"))
    found = query_environment(str(inner), answers)
    assert found.base_python == base_of_running(answers).base_python
    assert base_of(found, answers) == base_of_running(answers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "no interpreter found at `{path}`"),
        (
            lambda path: path.symlink_to("/nowhere/python"),
            r"`{path}` is a broken link: .*\(`/nowhere/python`\) removed",
        ),
        (lambda path: path.write_text(""), "the interpreter `{path}` cannot be started: "),
        (lambda path: script(path, "echo hello; exit 3"), r"could not be asked \(status 3\)\n  hello"),
        (lambda path: script(path, "echo hello"), r"could not be asked \(status 0\)\n  hello"),
        # A program that is no Python quotes what it was asked to run.
        (lambda path: script(path, 'echo "no file: $5" >&2; exit 2'), r"could not be asked \(status 2\)$"),
        (lambda path: script(path, "echo Python 2.7 >&2; exit 2"), r"\(status 2\)\n  Python 2.7"),
        (lambda path: path.mkdir(), "no interpreter found at `{path}`"),
    ],
    ids=["missing", "broken link", "not executable", "fails", "says nothing", "no Python", "too old", "a directory"],
)
def test_what_is_no_interpreter_is_refused(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "python"
    make(path)
    with pytest.raises(TargetError, match=message.format(path=path)):
        query(str(path), None)


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_a_directory_that_is_no_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"is no virtual environment: it has no `pyvenv\.cfg` and no interpreter"):
        query_environment(str(tmp_path), None)


def test_an_environment_whose_interpreter_is_gone_is_refused(tmp_path: Path, make_venv: Callable[..., Path]) -> None:
    prefix = make_venv()
    python = prefix / "bin" / "python"
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    with pytest.raises(TargetError, match=f"`{python}` is a broken link") as caught:
        query_environment(str(prefix), None)
    assert caught.value.hint == "make the environment anew"
    assert caught.value.exit_status == 2


def test_an_environment_without_an_interpreter_is_refused(make_venv: Callable[..., Path]) -> None:
    prefix = make_venv()
    shutil.rmtree(prefix / "bin")
    with pytest.raises(TargetError, match="has no interpreter"):
        query_environment(str(prefix), None)


def test_a_copy_whose_original_is_gone_is_refused(answers: Path, tmp_path: Path) -> None:
    made_by_venv_with_copies(base_of_running(answers), tmp_path / "it")
    (tmp_path / "it" / "pyvenv.cfg").write_text("home = /nowhere\n")
    with pytest.raises(TargetError, match="no interpreter found at") as caught:
        query_environment(str(tmp_path / "it"), None)
    assert caught.value.hint == f"make the environment `{tmp_path / 'it'}` anew"


@pytest.mark.parametrize(("version", "flags"), [("3.7", "m"), ("3.8", "")])
def test_an_interpreter_that_packaging_does_not_run_on_has_the_tags_of_this_machine(
    version: str, flags: str, answers: Path
) -> None:
    old = interpreter(version, answers)
    short = version.replace(".", "")
    ours = base_of_running(answers).tags[0].rpartition("-")[2]
    assert old.tags[0] == f"cp{short}-cp{short}{flags}-{ours}"
    assert old.tags[-1] == "py30-none-any"
    assert old.markers["python_version"] == version
    assert old.tags.index(f"cp{short}-none-any") < old.tags.index(f"py{short}-none-any")


def test_the_settings_of_an_environment_are_read_as_python_reads_them(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("Home = /some\nprompt='a = b'\nnonsense\n uv= 1 \n")
    assert read_pyvenv_cfg(str(tmp_path)) == {"home": "/some", "prompt": "'a = b'", "uv": "1"}
    assert read_pyvenv_cfg(str(tmp_path / "elsewhere")) is None


@pytest.mark.parametrize(
    ("text", "shown", "met_by", "not_met_by"),
    [
        ("3", "Python 3", ["3.10.1", "3.13.0"], ["2.7.18"]),
        ("3.12", "Python 3.12", ["3.12.0", "3.12.9", "3.12.0rc1"], ["3.1.2", "3.11.2", "3.120.0"]),
        ("3.12.1", "Python 3.12.1", ["3.12.1"], ["3.12.2", "3.12.10"]),
        ("312", "Python 3.12", ["3.12.4"], ["3.1.2"]),
        ("v3.12", "Python 3.12", ["3.12.4"], ["3.11.0"]),
        ("3.14rc1", "Python 3.14rc1", ["3.14.0rc1"], ["3.14.0", "3.14.0rc2"]),
        (">=3.10,<3.12", "Python >=3.10,<3.12", ["3.10.0", "3.11.9"], ["3.12.0", "3.9.1"]),
        ("==3.11.*", "Python ==3.11.*", ["3.11.9"], ["3.12.0"]),
        ("cpython", "CPython", ["3.10.0"], []),
        ("cpython3.12", "CPython 3.12", ["3.12.0"], ["3.11.0"]),
        ("cpython@3.12", "CPython 3.12", ["3.12.0"], ["3.11.0"]),
        ("CP312", "CPython 3.12", ["3.12.0"], ["3.11.0"]),
        ("python3.12", "Python 3.12", ["3.12.0"], ["3.11.0"]),
        ("cpython-3.12-linux-x86_64-gnu", "CPython 3.12", ["3.12.0"], ["3.11.0"]),
        ("cpython-3.12-any", "CPython 3.12", ["3.12.0"], ["3.11.0"]),
        ("pypy", "PyPy", [], ["3.12.0"]),
        ("pp310", "PyPy 3.10", [], ["3.10.0"]),
        ("cpython-3.12-windows-x86_64-none", "CPython 3.12", [], ["3.12.0"]),
        ("cpython-3.12-linux-aarch64-gnu", "CPython 3.12", [], ["3.12.0"]),
        ("3.13t", "Python 3.13t", [], ["3.13.0"]),
        ("3.13+freethreaded", "Python 3.13t", [], ["3.13.0"]),
        ("3.13+gil", "Python 3.13", ["3.13.0"], ["3.12.0"]),
        ("==3.11", "Python ==3.11.*", ["3.11.9"], ["3.12.0"]),
        ("==3.11.0", "Python ==3.11.0", ["3.11.0"], ["3.11.9"]),
        ("cpython>=3.11,<3.13", "CPython >=3.11,<3.13", ["3.11.9"], ["3.13.0"]),
        ("python >=3.11", "Python >=3.11", ["3.13.0"], ["3.10.0"]),
        ("pypy>=3.9", "PyPy >=3.9", [], ["3.10.0"]),
        (">=3.13t", "Python >=3.13t", [], ["3.13.0"]),
        ("any-3.12", "Python 3.12", ["3.12.0"], ["3.11.0"]),
        ("3.12-x86_64", "Python 3.12", ["3.12.0"], ["3.11.0"]),
        ("any-any-macos", "Python", [], ["3.12.0"]),
        ("cpython->=3.12-linux", "CPython >=3.12", ["3.12.0"], ["3.11.0"]),
        ("cpython-3.12-linux-x86_64-musl", "CPython 3.12", [], ["3.12.0"]),
    ],
)
def test_requests(text: str, shown: str, met_by: list[str], not_met_by: list[str]) -> None:
    request = parse_request(text)
    assert (request.kind, str(request)) == ("version", shown)
    assert [version for version in met_by + not_met_by if request.is_met_by(cpython(version))] == met_by


def cpython(version: str, *, flags: str = "") -> Target:
    """An ordinary CPython on Linux, as far as requests look at it."""
    short = "".join(version.split(".")[:2])
    return Target(
        python="/python",
        version=version,
        implementation="cpython",
        cache_tag="",
        markers={"sys_platform": "linux", "platform_machine": "x86_64"},
        tags=(f"cp{short}-cp{short}{flags}-linux_x86_64",),
        paths={},
        prefix="/",
        base_python="/python",
        base_prefix="/",
        is_virtual=False,
        fingerprint="",
    )


def test_an_interpreter_without_the_global_lock_is_asked_for_by_name() -> None:
    free = cpython("3.13.0", flags="t")
    assert parse_request("3.13t").is_met_by(free)
    assert parse_request("3.13").is_met_by(free), "an environment that exists may be one"
    assert parse_request(">=3.13t").is_met_by(free)
    assert not parse_request("3.13+gil").is_met_by(free)
    assert (free.is_free_threaded, cpython("3.13.0", flags="d").is_free_threaded) == (True, False)


@pytest.mark.parametrize("text", [None, "", " ", "any", "default"])
def test_nothing_asked_is_met_by_everything(text: str | None) -> None:
    request = parse_request(text)
    assert request.kind == "any"
    assert request.is_met_by(cpython("3.9.1"))


@pytest.mark.parametrize(
    "text",
    [
        "python",
        "./x",
        "/some/python3",
        "venv",
        "my-python",
        "3.x",
        "3.1.2.3",
        "312x",
        "python-3.12",
        "@3.12",
        "cpython@",
        "cpython-3.12-linux-linux",
    ],
)
def test_anything_else_is_a_place(text: str) -> None:
    request = parse_request(text)
    assert (request.kind, str(request)) == ("place", f"`{text}`")


@pytest.mark.parametrize("text", [">=3.10,", ">=3.10,,<4", "cpython>=x"])
def test_a_range_with_a_clause_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no range of Python versions"):
        parse_request(text)


def test_a_range_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(UsageError, match="`>=banana` is no range of Python versions"):
        parse_request(">=banana")


def test_the_running_interpreter_is_preferred_for_its_own_version(answers: Path) -> None:
    running = base_of_running(answers)
    for request in (None, running.minor, running.version, f"cpython{running.minor}", ">=3.8", "3"):
        assert find_interpreter(request, cache_dir=answers, environ=os.environ, cwd="/") == running


def test_path_is_searched_in_its_order(answers: Path, tmp_path: Path) -> None:
    bases = [interpreter(version, answers) for version in VERSIONS[:2]]
    for place, base in zip(("a", "b"), reversed(bases), strict=True):
        (tmp_path / place).mkdir()
        (tmp_path / place / "python3").symlink_to(base.base_python)
    environ = {"PATH": f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}", "HOME": str(tmp_path)}
    found = find_interpreter(">=3.8", cache_dir=answers, environ=environ, cwd="/", prefer_running=False)
    assert found.base_python == bases[1].base_python
    found = find_interpreter(bases[0].minor, cache_dir=answers, environ=environ, cwd="/", prefer_running=False)
    assert found.base_python == bases[0].base_python


def test_an_environment_on_path_stands_for_the_interpreter_behind_it(
    answers: Path, tmp_path: Path, make_venv: Callable[..., Path]
) -> None:
    environ = {"PATH": str(make_venv() / "bin"), "HOME": str(tmp_path)}
    for request in (">=3.8", "python"):
        found = find_interpreter(request, cache_dir=answers, environ=environ, cwd="/", prefer_running=False)
        assert (found.is_virtual, found.base_python) == (False, base_of_running(answers).base_python)


def test_pyenv_s_versions_are_searched_newest_first_where_its_shims_stand_on_path(
    answers: Path, tmp_path: Path
) -> None:
    bases = [interpreter(version, answers) for version in VERSIONS[:2]]
    root = tmp_path / "pyenv"
    for base in bases:
        (root / "versions" / base.version / "bin").mkdir(parents=True)
        (root / "versions" / base.version / "bin" / "python").symlink_to(base.base_python)
    (root / "shims").mkdir()
    script(root / "shims" / "python3", "exit 127")
    environ = {"PATH": str(root / "shims"), "PYENV_ROOT": str(root), "HOME": str(tmp_path)}
    found = find_interpreter("3", cache_dir=answers, environ=environ, cwd="/", prefer_running=False)
    assert found.base_python == bases[1].base_python
    found = find_interpreter(bases[0].minor, cache_dir=answers, environ=environ, cwd="/", prefer_running=False)
    assert found.base_python == bases[0].base_python


def test_what_uv_has_installed_is_found(answers: Path, tmp_path: Path) -> None:
    base = base_of_running(answers)
    place = tmp_path / "pythons" / f"cpython-{base.version}-linux-x86_64-gnu" / "bin"
    place.mkdir(parents=True)
    (place / "python3").symlink_to(base.base_python)
    environ = {"PATH": "", "UV_PYTHON_INSTALL_DIR": str(tmp_path / "pythons"), "HOME": str(tmp_path)}
    found = find_interpreter(base.minor, cache_dir=answers, environ=environ, cwd="/", prefer_running=False)
    assert found.base_python == base.base_python


def test_a_version_that_nobody_has_names_those_that_were_found(answers: Path, tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to("/nowhere")
    script(tmp_path / "python3.98", "exit 1")
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    running = base_of_running(answers)
    with pytest.raises(TargetError) as caught:
        find_interpreter("3.99", cache_dir=answers, environ=environ, cwd="/")
    assert str(caught.value) == f"no interpreter of version 3.99; found: {running.title} ({running.base_python})"
    assert caught.value.hint is not None
    with pytest.raises(TargetError, match=r"no interpreter for PyPy 3\.99; found: CPython"):
        find_interpreter("pypy3.99", cache_dir=answers, environ=environ, cwd="/")
    with pytest.raises(TargetError, match="no interpreter is called `snake`; found: CPython"):
        find_interpreter("snake", cache_dir=answers, environ=environ, cwd="/")


def test_a_path_gives_what_is_there(answers: Path, tmp_path: Path, make_venv: Callable[..., Path]) -> None:
    prefix = make_venv("here")
    (tmp_path / "python").mkdir()
    for request in ("here", "./here", str(prefix), "here/bin/python", str(prefix / "bin" / "python")):
        found = find_interpreter(request, cache_dir=answers, environ=os.environ, cwd=str(tmp_path))
        assert (found.is_virtual, found.prefix) == (True, str(prefix))
    # A directory that merely has the name of a command is not meant by it.
    environ = {"PATH": str(prefix / "bin"), "HOME": str(tmp_path)}
    assert not find_interpreter("python", cache_dir=answers, environ=environ, cwd=str(tmp_path)).is_virtual


def test_places_of_the_same_interpreter(answers: Path) -> None:
    base = base_of_running(answers)
    assert base.at(python="/p", prefix="/", paths={}, is_virtual=True).python == "/p"
    virtual = base.in_virtual_environment("/env")
    assert (virtual.prefix, virtual.python, virtual.is_virtual) == ("/env", "/env/bin/python", True)
    assert virtual.paths["headers"] == f"/env/include/site/python{base.minor}"
    below = base.in_prefix("/p")
    assert (below.python, below.is_virtual, below.externally_managed) == (base.python, False, None)
    assert below.paths == {**virtual.paths, **{k: v.replace("/env", "/p") for k, v in virtual.paths.items()}}
    flat = base.in_directory("/d")
    assert flat.paths == {
        "purelib": "/d", "platlib": "/d", "scripts": "/d/bin", "data": "/d", "headers": "/d/include",
    }  # fmt: skip


SHIM = """
#include <stdio.h>
#include <unistd.h>
int main(int count, char **words) {
    char place[4096] = {0};
    FILE *file = fopen("%s", "r");
    if (!file || !fgets(place, sizeof place, file)) return 1;
    words[0] = place;
    return execv(place, words);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler for a shim that is no script")
def test_a_shim_that_is_no_script_is_asked_each_time(answers: Path, tmp_path: Path, make_venv: MakeVenv) -> None:
    """That of mise, and of Xcode."""
    (tmp_path / "shim.c").write_text(SHIM % (tmp_path / "which"))
    shim = tmp_path / "shim"
    subprocess.run(["cc", "-o", str(shim), str(tmp_path / "shim.c")], check=True)
    for name in ("one", "two"):
        prefix = make_venv(name)
        (tmp_path / "which").write_text(str(prefix / "bin" / "python"))
        found = query(str(shim), answers)
        assert (found.prefix, found.python) == (str(prefix), str(prefix / "bin" / "python"))
        assert not is_found_at(str(shim), found, cwd="/")
    (tmp_path / "which").write_text(base_of_running(answers).base_python)
    found = query(str(shim), answers)
    assert (found.is_virtual, found.python) == (False, base_of_running(answers).base_python)
    assert not is_found_at(str(shim), found, cwd="/")


def test_what_a_path_means_each_time(answers: Path, tmp_path: Path, make_venv: MakeVenv) -> None:
    prefix, other = make_venv("here"), make_venv("other")
    inside, base = query(str(prefix / "bin" / "python"), answers), base_of_running(answers)
    (tmp_path / "link").symlink_to(base.base_python)
    script(tmp_path / "script", f'exec {base.base_python} "$@"')
    for python in ("here/bin/python", "here/", str(prefix), None):
        assert is_found_at(python, inside, cwd=str(tmp_path))
    for python in ("here/bin/python", base.base_python, "./link", None):
        assert is_found_at(python, base, cwd=str(tmp_path))
    for python in ("./script", "3.11", "python3", "./missing"):
        assert not is_found_at(python, base, cwd=str(tmp_path))
    assert not is_found_at(str(other), inside, cwd="/")


def test_another_machine_is_another_interpreter(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``setarch``: the same executable has other tags."""
    before = base_of_running(cache_dir)
    record = json.loads(record_of(cache_dir).read_text())
    assert record["machine"] == os.uname().machine
    names = {key: getattr(os.uname(), key) for key in ("sysname", "nodename", "release", "version")}
    monkeypatch.setattr(os, "uname", lambda: os.uname_result([*names.values(), "other"]))
    record["target"]["version"] = "0.0"
    record_of(cache_dir).write_text(json.dumps(record))
    assert base_of_running(cache_dir).version == before.version
