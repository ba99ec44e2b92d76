"""A session and its terminal: an interrupt reaches it once, whichever way it comes, and a debugger has the keys."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from session_project import SessionProject, leases

RUNNER = "import sys, pytest\nif __name__ == '__main__':\n    sys.exit(pytest.main(sys.argv[1:]))\n"

# A child that a busy machine keeps from its turn has its interrupt all the same.
PATIENT = "from pytest_envsync.pytest_plugin.inside import child\nchild.GRACE = 60.0\n"

# The end takes a while: a second interrupt would hit it, and take the summary away.
CONFTEST = """\
import time, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    time.sleep(1.5)
    print("the end was not disturbed")
"""

TEST = """\
import pathlib, time

def test_first(): pass

def test_long():
    pathlib.Path("ready").touch()
    time.sleep(600)
"""


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project whose test waits to be interrupted, and a script that runs pytest."""
    found = SessionProject(tmp_path)
    found.lock("requirements.lock", found.wheel("demo"))
    found.write({"runner.py": RUNNER, "conftest.py": CONFTEST, "test_it.py": TEST})
    return found


def command(project: SessionProject) -> list[str]:
    """The command line of the script."""
    words = ["--envsync", "requirements.lock", "-p", "no:cacheprovider", "-s", "--color=no", *project.offline()]
    return [sys.executable, "runner.py", *words]


def wait_for_test(project: SessionProject) -> None:
    """Wait until the test runs."""
    limit = time.monotonic() + 120
    while not (project.path / "ready").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)


def check(output: str, cache_dir: Path) -> None:
    """Hold that the session came to its end and gave back what it had."""
    assert "KeyboardInterrupt" in output, output
    assert "the end was not disturbed" in output
    assert "1 passed in" in output
    assert leases(cache_dir) == []
    assert list((cache_dir / "sessions").iterdir()) == []


def read_to_end(terminal: int) -> bytes:
    """Read what is written to a terminal until nobody has it open."""
    output = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            return output
        if not chunk:
            return output
        output += chunk


@pytest.mark.parametrize("whom", ["the parent alone", "the process group"])
def test_an_interrupt_from_a_process(project: SessionProject, cache_dir: Path, whom: str) -> None:
    if whom == "the process group":
        project.write({"runner.py": PATIENT + RUNNER})
    with subprocess.Popen(
        command(project), cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as parent:  # fmt: skip
        wait_for_test(project)
        if whom == "the parent alone":
            parent.send_signal(signal.SIGINT)
        else:
            os.killpg(parent.pid, signal.SIGINT)
        output, _ = parent.communicate(timeout=120)
    assert parent.returncode == pytest.ExitCode.INTERRUPTED
    check(output, cache_dir)


def test_an_interrupt_from_the_terminal(project: SessionProject, cache_dir: Path) -> None:
    arguments = command(project)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.path)
        os.execv(arguments[0], arguments)  # noqa: S606 - the terminal is to be its own
    wait_for_test(project)
    os.write(terminal, b"\x03")
    output = read_to_end(terminal)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == pytest.ExitCode.INTERRUPTED
    check(output.decode(), cache_dir)


OUTLIVING = """\
import os, pathlib, sys, time

def test_it():
    mine = pathlib.Path(sys.prefix, "mine")
    mine.touch()
    pathlib.Path("ready").touch()
    limit = time.monotonic() + 600
    while not os.path.exists("go") and time.monotonic() < limit:
        time.sleep(0.02)
    pathlib.Path("seen").write_text(str(mine.exists()))
"""


@pytest.mark.parametrize("locks", [["requirements.lock"], ["requirements.lock", "other.lock"]], ids=["one", "matrix"])
def test_a_session_outlives_whoever_waits_for_it(project: SessionProject, cache_dir: Path, locks: list[str]) -> None:
    """Its environments were compared, and its files undone under it."""
    project.lock("other.lock", project.wheel("demo", "2.0"))
    project.write({"conftest.py": "", "test_it.py": OUTLIVING, "test_other.py": "def test_other(): pass\n"})
    words = [f"--envsync={lock}" for lock in locks]
    workers = ["-n", "2"] if len(locks) > 1 else []
    plain = ["-p", "no:cacheprovider", *project.offline()]
    with subprocess.Popen(
        [sys.executable, "runner.py", *words, *workers, *plain, "test_it.py"],
        cwd=project.path,
        stdout=subprocess.DEVNULL,
    ) as parent:
        wait_for_test(project)
        parent.kill()
        parent.wait()
        runs = [project.pytest(word, "test_other.py") for word in words]
        (project.path / "go").touch()
        assert [(run.returncode, "repaired" in run.out) for run in runs] == [(0, False)] * len(words)
        limit = time.monotonic() + 120
        while leases(cache_dir):
            assert time.monotonic() < limit
            time.sleep(0.02)
    assert (project.path / "seen").read_text() == "True"


@pytest.mark.parametrize("start", [["-m", "pytest"], ["runner.py"]], ids=["replaced", "child"])
def test_the_debugger_at_a_terminal(project: SessionProject, start: list[str]) -> None:
    project.write({"test_it.py": "import demo\ndef test_it():\n    x = 6 * 7\n    assert x == 0\n"})
    words = ["-p", "no:cacheprovider", "--color=no", "--pdb", "--envsync", "requirements.lock", *project.offline()]
    arguments = [sys.executable, *start, *words]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.path)
        os.execv(arguments[0], arguments)  # noqa: S606 - as above
    output = b""
    for word in (b"p demo.VERSION, x + 1000", b"c"):
        begin = len(output)
        while b"(Pdb) " not in output[begin:]:
            output += os.read(terminal, 4096)
        os.write(terminal, word + b"\n")
    output += read_to_end(terminal)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == pytest.ExitCode.TESTS_FAILED
    assert "('1.0', 1042)" in output.decode()
    assert "1 failed in" in output.decode()


def test_an_interrupt_before_the_session_is_told_in_its_report(project: SessionProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        project.write({"slow.txt": f"--index-url {address}\nother==1.0\n"})
        words = ["--envsync", "slow.txt", "--envsync-report", "report.json"]
        with subprocess.Popen([sys.executable, "-m", "pytest", *words], cwd=project.path) as run:
            silent.settimeout(300)
            asked, _ = silent.accept()
            run.send_signal(signal.SIGINT)
            assert run.wait(timeout=300) == pytest.ExitCode.INTERRUPTED
            asked.close()
    report = project.report()
    assert report["exitstatus"] == pytest.ExitCode.INTERRUPTED
    assert [row["error"] for row in report["environments"]] == ["interrupted before the session began"]
