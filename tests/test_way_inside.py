"""How a session gets inside: forms of command lines, PYTHONPATH, the command and variables inside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from factories import write_tree
from pytest_envsync.pytest_plugin.command_line import has_envsync, inner_arguments
from pytest_envsync.pytest_plugin.inside.child import run_child
from pytest_envsync.pytest_plugin.inside.launch import session_command, session_environ, sort_paths
from pytest_envsync.pytest_plugin.inside.way import Form, read_form
from pytest_envsync.pytest_plugin.overlay.making import Overlay


@pytest.mark.parametrize(
    ("argv", "form"),
    [
        (["python", "-m", "pytest", "-q"], Form((), module="pytest")),
        (["python", "-mpytest"], Form((), module="pytest")),
        (["python", "-X", "dev", "-Werror", "-Bm", "pytest"], Form(("-X", "dev", "-W", "error", "-B"), "pytest")),
        (["python", "-sE", "/venv/bin/pytest", "-x"], Form(("-sE",), script="/venv/bin/pytest")),
        (
            ["python", "--check-hash-based-pycs", "always", "x.py"],
            Form(("--check-hash-based-pycs", "always"), None, "x.py"),
        ),
        (["python", "-c", "import pytest"], Form(())),
        (["python"], Form(())),
    ],
)  # fmt: skip
def test_form_of_a_command_line(argv: list[str], form: Form) -> None:
    assert read_form(argv) == form


@pytest.mark.parametrize(
    ("form", "is_pytest", "is_coverage"),
    [
        (Form((), module="pytest"), True, False),
        (Form((), script="/venv/bin/pytest"), True, False),
        (Form((), script="/venv/bin/py.test"), True, False),
        (Form((), script="C:\\venv\\Scripts\\pytest.exe".replace("\\", "/")), True, False),
        (Form((), script="/anywhere/run_tests.py"), False, False),
        (Form((), script="/ide/pytest_runner.py"), False, False),
        (Form((), module="coverage"), False, True),
        (Form((), script="/venv/bin/coverage-3.11"), False, True),
        (Form(()), False, False),
    ],
)
def test_what_is_run(form: Form, is_pytest: bool, is_coverage: bool) -> None:  # noqa: FBT001 - parameters of a table
    assert (form.is_pytest, form.is_coverage) == (is_pytest, is_coverage)


@pytest.mark.parametrize(
    ("args", "inner"),
    [
        (["--envsync", "a.txt", "-q", "tests"], ["-q", "tests"]),
        (["--envsync=a.txt", "--envsync", "b.txt", "--envsync-drift=fail"], ["--envsync-drift=fail"]),
        (["-k", "x", "--", "--envsync"], ["-k", "x", "--", "--envsync"]),
        (["--envsync"], []),
    ],
)
def test_the_command_line_inside_has_no_lock(args: list[str], inner: list[str]) -> None:
    assert inner_arguments(args) == inner
    assert has_envsync(args) is (inner != args)


def test_plugin_modules_become_options() -> None:
    assert inner_arguments(["-q"], ["one", "two.three"]) == ["-p", "one", "-p", "two.three", "-q"]


def test_entries_of_pythonpath_are_sorted(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "project", {"src/mine.py": "", "src/demo.py": "", "src/docs/x.txt": ""})
    site = write_tree(tmp_path / "env" / "site-packages", {"demo.py": "", "other/__init__.py": "", "docs/x.txt": ""})
    other = tmp_path / "lib" / "python3.9" / "site-packages"
    outside = tmp_path / "shared"
    text = os.pathsep.join(["src", str(other), str(outside), ""])
    paths = sort_paths(
        text, rootdir=str(root), directory=str(root), site_packages=str(site), extra=["/ide/plugins", str(outside)]
    )
    assert paths.front == [str(root / "src")]
    assert paths.dropped == [str(other)]
    assert paths.behind == [str(outside), "/ide/plugins"]
    assert paths.shadows == [(str(root / "src"), "demo")]
    assert paths.header() == [
        "PYTHONPATH: 1 entry of other interpreters dropped",
        f"PYTHONPATH: behind the environment: {outside}, /ide/plugins",
        f"PYTHONPATH: {root / 'src'} hides `demo` of the lock",
    ]


def overlay_at(path: Path) -> Overlay:
    """An overlay that brings pytest."""
    return Overlay(str(path / "site"), str(path / "bin"), "digest", {"pytest": "9.0"}, "9.0")


def test_command_inside_has_the_form_and_the_flags_of_the_one_outside(tmp_path: Path) -> None:
    overlay = overlay_at(tmp_path / "overlay")
    bin_directory = tmp_path / "env" / "bin"
    bin_directory.mkdir(parents=True)
    flags = ("-X", "dev")
    module = session_command(
        "/env/python", Form(flags, module="pytest"), overlay, behind=False, bin_directory=str(bin_directory)
    )
    assert module == ["/env/python", "-X", "dev", "-m", "pytest"]
    script = Form(flags, script="/venv/bin/pytest")
    brought = session_command("/env/python", script, overlay, behind=False, bin_directory=str(bin_directory))
    assert brought == ["/env/python", "-X", "dev", str(tmp_path / "overlay/bin/pytest")]
    (bin_directory / "pytest").touch()
    locked = session_command("/env/python", script, overlay, behind=False, bin_directory=str(bin_directory))
    assert locked[-1] == str(bin_directory / "pytest")


def test_variables_inside_lead_to_the_environment_and_nowhere_else(tmp_path: Path) -> None:
    paths = sort_paths("", rootdir="/r", directory="/r", site_packages="/s")
    environ = session_environ(
        {"PATH": "/usr/bin", "PYTHONHOME": "/x", "PYTHONPATH": "/y", "LANG": "C", "PYTEST_VERSION": "9"},
        prefix="/env",
        bin_directory="/env/bin",
        cache_dir="/cache",
        guard_path="/cache/sessions/1.json",
        overlay=overlay_at(Path("/overlay")),
        paths=paths,
    )
    assert environ == {
        "PATH": os.pathsep.join(["/env/bin", "/overlay/bin", "/usr/bin"]),
        "LANG": "C",
        "VIRTUAL_ENV": "/env",
        "PYTHONNOUSERSITE": "1",
        "ENVSYNC_CACHE_DIR": "/cache",
        "ENVSYNC_SESSION": "/cache/sessions/1.json",
    }


def test_status_of_a_child_is_passed_on() -> None:
    assert run_child([sys.executable, "-c", "raise SystemExit(7)"], os.environ) == 7
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run_child([sys.executable, "-c", killed], os.environ) == 128 + 9


def test_signals_go_to_the_child(tmp_path: Path) -> None:
    """A runner that is asked to end passes that on, and ends with the child's status."""
    write_tree(
        tmp_path,
        {
            "child.py": (
                "import pathlib, signal, sys, time\n"
                "signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\n"
                "pathlib.Path('ready').touch()\n"
                "time.sleep(60)\n"
            ),
            "parent.py": (
                "import os, sys\n"
                "from pytest_envsync.pytest_plugin.inside.child import run_child\n"
                "raise SystemExit(run_child([sys.executable, 'child.py'], os.environ))\n"
            ),
        },
    )
    with subprocess.Popen([sys.executable, "parent.py"], cwd=tmp_path) as parent:
        while not (tmp_path / "ready").exists():
            assert parent.poll() is None
        parent.terminate()
        assert parent.wait(timeout=300) == 42
