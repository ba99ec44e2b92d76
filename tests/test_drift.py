"""What a session changes in its environment is shown, judged, and undone; what was left behind is mended first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from index_server import IndexServer
from session_project import SessionProject, cached_environments, leases


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project whose tests can do harm to a distribution called demo."""
    found = SessionProject(tmp_path)
    found.lock("requirements.lock", found.wheel("demo", files={"demo.py": "VALUE = 1\n", "data/x.txt": "x\n"}))
    found.write({"test_it.py": "import demo\ndef test_it(): assert demo.VALUE == 1\n"})
    return found


HARM = """\
import pathlib, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))

def test_harm():
    (site / "added.py").write_text("")
    (site / "data" / "x.txt").unlink()
    demo = site / "demo.py"
    demo.unlink()
    demo.write_text("VALUE = 2\\n")
"""

SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def test_a_session_that_changes_nothing_says_nothing(project: SessionProject, cache_dir: Path) -> None:
    for _ in range(2):
        run = project.pytest("--envsync", "requirements.lock", "--envsync-drift=fail", "--envsync-report=report.json")
        assert run.returncode == 0, run.out
        assert "drift" not in run.stdout
        assert project.report()["environments"][0]["drift"] is None
    assert leases(cache_dir) == []


def test_drift_is_shown_and_undone(project: SessionProject) -> None:
    project.write({"test_harm.py": HARM})
    run = project.pytest("--envsync", "requirements.lock", "--envsync-report", "report.json", "test_harm.py")
    assert run.returncode == 0, run.out
    assert "envsync drift" in run.stdout
    assert "requirements.lock -> " in run.stdout
    assert "was changed by this session (3 differences)" in run.stdout
    for line in (f" + {SITE}/added.py", f" - {SITE}/data/x.txt", f" ~ {SITE}/demo.py"):
        assert line in run.stdout.splitlines()
    drift = project.report()["environments"][0]["drift"]
    assert drift["files"] == {
        "added": [f"{SITE}/added.py"],
        "removed": [f"{SITE}/data/x.txt"],
        "changed": [f"{SITE}/demo.py"],
    }
    after = project.pytest("--envsync", "requirements.lock", "test_it.py")
    assert after.returncode == 0, after.out
    assert "repaired" not in after.stdout
    assert "reused" in after.header()[0]


@pytest.mark.parametrize(
    ("drift", "test", "status", "shown"),
    [
        ("ignore", HARM, 0, False),
        ("warn", HARM, 0, True),
        ("fail", HARM, 1, True),
        ("fail", HARM + "\ndef test_more(): raise KeyboardInterrupt\n", 2, True),
    ],
)
def test_what_drift_means(
    project: SessionProject,
    drift: str,
    test: str,
    status: int,
    shown: bool,  # noqa: FBT001 - a parameter of a table
) -> None:
    project.write({"test_harm.py": test, "pytest.ini": f"[pytest]\nenvsync_drift = {drift}\n"})
    run = project.pytest("--envsync", "requirements.lock", "test_harm.py")
    assert run.returncode == status, run.out
    assert ("envsync drift" in run.stdout) is shown
    assert project.pytest("--envsync", "requirements.lock", "test_it.py").returncode == 0


def test_a_wrong_word_for_drift_is_wrong_usage(project: SessionProject) -> None:
    project.write({"pytest.ini": "[pytest]\nenvsync_drift = loud\n"})
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 4
    assert "ignore, warn, fail" in run.stderr


def test_ignored_globs_are_no_drift_and_undone_all_the_same(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {"test_harm.py": HARM, "pytest.ini": f"[pytest]\nenvsync_drift_ignore = */demo.py {SITE}/data */added*\n"}
    )
    run = project.pytest("--envsync", "requirements.lock", "--envsync-drift", "fail", "test_harm.py")
    assert run.returncode == 0, run.out
    (prefix,) = cached_environments(cache_dir)
    assert not (prefix / SITE / "added.py").exists()
    assert (prefix / SITE / "demo.py").read_text() == "VALUE = 1\n"


def test_without_a_summary_one_line_on_standard_error(project: SessionProject) -> None:
    project.write({"test_harm.py": HARM})
    for option in ("--no-summary", "-pno:terminal"):
        run = project.pytest("--envsync", "requirements.lock", option, "test_harm.py")
        assert run.returncode == 0, run.out
        assert "envsync drift" not in run.stdout
        lines = [line for line in run.stderr.splitlines() if "was changed by this session" in line]
        assert len(lines) == 1


def test_warnings_as_errors_do_not_trip_over_drift(project: SessionProject) -> None:
    project.write({"test_harm.py": HARM, "pytest.ini": "[pytest]\nfilterwarnings = error\n"})
    run = project.pytest("--envsync", "requirements.lock", "-W", "error", "test_harm.py")
    assert run.returncode == 0, run.out
    assert "envsync drift" in run.stdout


def test_a_distribution_that_a_test_installs_is_named(project: SessionProject) -> None:
    project.write(
        {
            "test_harm.py": (
                "import pathlib, sysconfig\n"
                "def test_harm():\n"
                "    site = pathlib.Path(sysconfig.get_path('purelib'))\n"
                "    info = site / 'six-1.16.0.dist-info'\n"
                "    info.mkdir()\n"
                "    (info / 'METADATA').write_text('Metadata-Version: 2.1\\nName: six\\nVersion: 1.16.0\\n')\n"
                "    (site / 'six.py').write_text('')\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "test_harm.py")
    assert " + six==1.16.0" in run.stdout.splitlines(), run.out


def test_what_a_killed_session_left_is_mended_before_the_next_test(project: SessionProject, cache_dir: Path) -> None:
    project.write({"test_harm.py": HARM + "    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n"})
    killed = project.pytest("--envsync", "requirements.lock", "test_harm.py")
    assert killed.returncode == -signal.SIGKILL
    assert len(leases(cache_dir)) == 1
    run = project.pytest("--envsync", "requirements.lock", "test_it.py")
    assert run.returncode == 0, run.out
    (repaired,) = [line for line in run.header() if line.startswith("repaired")]
    assert f"{SITE}/added.py was not from the lock" in repaired
    assert leases(cache_dir) == []


def test_what_was_done_by_hand_is_mended(project: SessionProject, cache_dir: Path) -> None:
    assert project.pytest("--envsync", "requirements.lock").returncode == 0
    (prefix,) = cached_environments(cache_dir)
    demo = prefix / SITE / "demo.py"
    demo.unlink()
    demo.write_text("print('left from debugging')\n")
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 0, run.out
    assert any(line.startswith("repaired") and "demo.py" in line for line in run.header())


def test_what_is_written_at_exit_is_found_at_the_next_use(project: SessionProject) -> None:
    project.write(
        {
            "test_harm.py": (
                "import atexit, pathlib, sysconfig\n"
                "late = pathlib.Path(sysconfig.get_path('purelib'), 'late.py')\n"
                "def test_harm(): atexit.register(late.write_text, '')\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "test_harm.py")
    assert run.returncode == 0
    after = project.pytest("--envsync", "requirements.lock", "test_it.py")
    assert after.returncode == 0, after.out
    assert any(line.startswith("repaired") and "late.py" in line for line in after.header())


def test_bytecode_of_a_plugin_that_pytest_rewrote_is_no_drift(project: SessionProject, cache_dir: Path) -> None:
    wheel = project.wheel(
        "pytest-thing",
        files={"pytest_thing.py": "def pytest_report_header():\n    assert True\n    return 'thing at work'\n"},
        entry_points={"pytest11": {"thing": "pytest_thing"}},
    )
    project.lock("requirements.lock", project.wheel("demo", files={"demo.py": "VALUE = 1\n"}))
    with (project.path / "requirements.lock").open("a") as lock:
        lock.write(f"{wheel.name.split('-')[0].replace('_', '-')}==1.0\n")
    for _ in range(2):
        run = project.pytest("--envsync", "requirements.lock", "--envsync-drift", "fail", "test_it.py")
        assert run.returncode == 0, run.out
        assert "thing at work" in run.stdout
        assert not any(line.startswith("repaired") for line in run.header())
    (prefix,) = cached_environments(cache_dir)
    # The engine's own, which the next session takes.
    (kept,) = prefix.rglob("*-pytest-*.pyc")
    before = kept.stat()
    assert project.pytest("--envsync", "requirements.lock", "test_it.py").returncode == 0
    assert kept.stat() == before
    assert not kept.stat().st_mode & 0o222


def test_what_a_session_compiled_is_kept(project: SessionProject, cache_dir: Path) -> None:
    assert project.pytest("--envsync", "requirements.lock").returncode == 0
    stored = [path.name for path in cache_dir.glob("wheels/**/*.pyc")]
    assert any(name.startswith("demo.") for name in stored)


def test_two_sessions_on_one_environment(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {
            "test_slow.py": (
                "import pathlib, time\n"
                "def test_slow():\n"
                "    pathlib.Path('started').touch()\n"
                "    deadline = time.monotonic() + 300\n"
                "    while not pathlib.Path('go').exists() and time.monotonic() < deadline: time.sleep(0.02)\n"
            ),
            "test_harm.py": HARM,
        }
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *project.offline()]
    command += ["--envsync", "requirements.lock"]
    with subprocess.Popen(
        [*command, "test_slow.py"], cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as slow:
        deadline = time.monotonic() + 300
        while not (project.path / "started").exists():
            assert time.monotonic() < deadline
            assert slow.poll() is None
            time.sleep(0.02)
        harm = project.pytest("--envsync", "requirements.lock", "test_harm.py")
        assert harm.returncode == 0, harm.out
        assert "was changed while 2 sessions used it" in harm.stdout
        third = project.pytest("--envsync", "requirements.lock", "test_it.py")
        assert third.returncode == 0, third.out
        (project.path / "go").touch()
        output, _ = slow.communicate(timeout=300)
        assert slow.returncode == 0, output
    assert "was changed" in output
    assert leases(cache_dir) == []
    assert len(cached_environments(cache_dir)) == 1


def test_a_session_that_never_began_leaves_nothing_behind(project: SessionProject, cache_dir: Path) -> None:
    run = project.pytest("--envsync", "requirements.lock", "--nonsense")
    assert run.returncode == 4
    assert leases(cache_dir) == []
    assert list((cache_dir / "sessions").iterdir()) == []


def test_hooks_are_told(project: SessionProject) -> None:
    project.write(
        {
            "test_harm.py": HARM,
            "conftest.py": (
                "import json, pathlib\n"
                "def note(*values):\n"
                "    with open('told.jsonl', 'a') as file: file.write(json.dumps(values) + '\\n')\n"
                "def pytest_envsync_synced(config, env, changes):\n"
                "    note('synced', env.packages, changes.installed)\n"
                "def pytest_envsync_drift(config, env, diff):\n"
                "    note('drift', env.version, diff.as_dict()['files']['added'])\n"
            ),
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "test_harm.py")
    assert run.returncode == 0, run.out
    told = [json.loads(line) for line in (project.path / "told.jsonl").read_text().splitlines()]
    version = ".".join(map(str, sys.version_info[:3]))
    assert told == [
        ["synced", {"demo": "1.0"}, {"demo": "1.0"}],
        ["drift", version, [f"{SITE}/added.py"]],
    ]


def test_drift_in_an_environment_of_a_child_process(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {"test_harm.py": HARM, "runner.py": "import sys, pytest\nraise SystemExit(pytest.main(sys.argv[1:]))\n"}
    )
    run = project.run(
        sys.executable,
        "runner.py",
        "--envsync",
        "requirements.lock",
        "test_harm.py",
        *project.offline(),
        env={**os.environ},
    )
    assert run.returncode == 0, run.out
    assert "envsync drift" in run.stdout
    assert leases(cache_dir) == []


def test_the_test_that_did_it_is_named(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import demo, pathlib, pytest\n"
                "place = pathlib.Path(demo.__file__)\n"
                "def test_first(): pass\n"
                "def test_adds(): place.with_name('added.py').write_text('')\n"
                "@pytest.fixture\n"
                "def late():\n"
                "    yield\n"
                "    place.unlink()\n"
                "def test_removes(late): pass\n"
                "def test_adds_more(): place.with_name('more.py').write_text('')\n"
            )
        }
    )
    for workers in ([], ["-n", "1"]):
        run = project.pytest(
            "--envsync", "requirements.lock", "--envsync-drift-trace", "--envsync-report", "r.json", *workers
        )
        assert run.returncode == 0, run.out
        lines = run.stdout.splitlines()
        assert f" + {SITE}/added.py  (test_it.py::test_adds)" in lines
        assert f" - {SITE}/demo.py  (test_it.py::test_removes)" in lines
        assert f" + {SITE}/more.py  (test_it.py::test_adds_more)" in lines
        tests = project.report("r.json")["environments"][0]["drift"]["tests"]
        assert tests[f"{SITE}/added.py"] == ["test_it.py::test_adds"]


def test_code_put_in_place_of_what_pytest_wrote_for_a_plugin_runs_in_no_later_session(
    project: SessionProject, cache_dir: Path
) -> None:
    wheel = project.wheel(
        "pytest-thing",
        files={"pytest_thing.py": "def pytest_report_header():\n    assert True\n    return 'thing at work'\n"},
        entry_points={"pytest11": {"thing": "pytest_thing"}},
    )
    with (project.path / "requirements.lock").open("a") as lock:
        lock.write(f"{wheel.name.split('-')[0].replace('_', '-')}==1.0\n")
    project.write(
        {
            "test_plant.py": (
                "import marshal, pathlib, pytest_thing\n"
                "def test_plant():\n"
                "    source = pathlib.Path(pytest_thing.__file__)\n"
                "    (found,) = (source.parent / '__pycache__').glob('pytest_thing.*-pytest-*.pyc')\n"
                "    code = compile(source.read_text().replace('thing at', 'another at'), str(source), 'exec')\n"
                "    header = found.read_bytes()[:16]\n"
                "    found.unlink()\n"
                "    found.write_bytes(header + marshal.dumps(code))\n"
            )
        }
    )
    for _ in range(2):
        run = project.pytest("--envsync", "requirements.lock", "--envsync-drift", "fail", "test_plant.py")
        assert run.returncode == 0, run.out
        assert "thing at work" in run.out
        (prefix,) = cached_environments(cache_dir)
        # What is there, if anything, the engine made.
        assert [path for path in prefix.rglob("*-pytest-*.pyc") if b"another at" in path.read_bytes()] == []


DAMAGE = """\
import demo, os

def test_damage():
    os.chmod(demo.__file__, 0o644)
    with open(demo.__file__, "a") as file:
        file.write("VALUE = 2\\n")
"""
"""With hard links this is the file of the store."""


@pytest.mark.parametrize("is_offline", [True, False])
def test_what_is_fetched_at_the_end_goes_by_the_options_of_the_session(
    project: SessionProject, index: IndexServer, cache_dir: Path, *, is_offline: bool
) -> None:
    wheel = project.wheel("demo", files={"demo.py": "VALUE = 1\n"})
    index.add(wheel)
    index.require_auth("bob", "s3cr3t")
    project.lock("requirements.lock", wheel)
    project.write({"test_damage.py": DAMAGE})
    login = index.with_credentials("bob", "s3cr3t")
    session = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--envsync=requirements.lock",
        f"--envsync-option=--index-url={login}", "--envsync-option=--link-mode=hardlink",
    ]  # fmt: skip
    first = project.run(*session, "test_it.py")
    assert first.returncode == 0, first.out
    index.requests.clear()
    run = project.run(*session, *(["--envsync-offline"] if is_offline else []), "test_damage.py")
    assert run.returncode == 0, run.out
    assert f" ~ {SITE}/demo.py" in run.stdout
    assert bool(index.requests) is not is_offline
    assert ("mended in the store: demo-1.0-py3-none-any.whl: demo.py" in run.stdout) is not is_offline
    assert "s3cr3t" not in run.out
    # The file that hands the options over goes with the session.
    assert not [path for path in cache_dir.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    after = project.run(*session, "test_it.py")
    assert after.returncode == 0, after.out


def test_what_a_hook_says_of_the_network_holds_until_the_end(project: SessionProject, index: IndexServer) -> None:
    wheel = project.wheel("demo", files={"demo.py": "VALUE = 1\n"})
    index.add(wheel)
    project.lock("requirements.lock", wheel)
    project.write({"test_damage.py": DAMAGE})
    session = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--envsync=requirements.lock",
        f"--envsync-option=--index-url={index.url}", "--envsync-option=--link-mode=hardlink",
    ]  # fmt: skip
    assert project.run(*session, "test_it.py").returncode == 0
    index.requests.clear()
    project.write({"hooked.py": "def pytest_envsync_options(config): return {'offline': True}\n"})
    run = project.run(*session, "-p", "hooked", "test_damage.py")
    assert run.returncode == 0, run.out
    assert f" ~ {SITE}/demo.py" in run.stdout
    assert index.requests == []


def test_a_login_that_stands_in_a_lock_only_holds_until_the_end(project: SessionProject, index: IndexServer) -> None:
    wheel = project.wheel("demo", files={"demo.py": "VALUE = 1\n"})
    index.add(wheel)
    index.require_auth("bob", "s3cr3t")
    lock = project.lock("requirements.lock", wheel)
    lock.write_text(f"--index-url {index.with_credentials('bob', '${TOK}')}\n{lock.read_text()}")
    project.write({"test_damage.py": DAMAGE})
    session = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--envsync=requirements.lock",
        "--envsync-option=--link-mode=hardlink",
    ]  # fmt: skip
    run = project.run(*session, "test_damage.py", env={"TOK": "s3cr3t"})
    assert run.returncode == 0, run.out
    assert "mended in the store: demo-1.0-py3-none-any.whl: demo.py" in run.stdout


def test_the_environment_of_a_test_is_mended_by_what_its_marker_says(
    project: SessionProject, index: IndexServer
) -> None:
    wheel = project.wheel("demo", files={"demo.py": "VALUE = 1\n"})
    index.add(wheel)
    index.require_auth("bob", "s3cr3t")
    project.lock("requirements.lock", wheel)
    address = index.with_credentials("bob", "s3cr3t")
    project.write(
        {
            "test_damage.py": (
                "import os, pytest\n"
                f"@pytest.mark.envsync('requirements.lock', index_url={address!r})\n"
                "def test_damage(synced_env):\n"
                "    file = synced_env.site_packages / 'demo.py'\n"
                "    os.chmod(file, 0o644)\n"
                "    with open(file, 'a') as stream: stream.write('VALUE = 2\\n')\n"
            )
        }
    )
    run = project.run(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--envsync-option=--link-mode=hardlink"),
        "test_damage.py",
    )
    assert run.returncode == 0, run.out
    assert f" ~ {SITE}/demo.py" in run.stdout
    assert "mended in the store: demo-1.0-py3-none-any.whl: demo.py" in run.stdout
    assert "s3cr3t" not in run.out


@pytest.mark.parametrize("depth", [1500, 3000], ids=["deep", "longer than a path may be"])
def test_directories_nested_without_end_are_told_and_undone(
    project: SessionProject, cache_dir: Path, depth: int
) -> None:
    """The end of the session was a traceback, and so was every later use of the environment."""
    project.write(
        {
            "test_harm.py": (
                "import os, sys\n"
                "def test_it(monkeypatch):\n"
                "    monkeypatch.chdir(sys.prefix)\n"
                f"    for _ in range({depth}):\n"
                "        os.mkdir('a')\n"
                "        os.chdir('a')\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "test_harm.py")
    assert run.returncode == 0, run.out[-2000:]
    assert "was changed by this session (1 difference)" in run.stdout
    assert [path.name for path in cached_environments(cache_dir)[0].glob("a*")] == []
    again = project.pytest("--envsync", "requirements.lock", "test_it.py")
    assert (again.returncode, "repaired" in again.out) == (0, False), again.out


def test_what_a_link_in_the_place_of_the_environment_leads_to_stays(project: SessionProject) -> None:
    """A test put one there; undoing emptied the user's directory, and wrote the environment into it."""
    project.write(
        {
            "mine/a.txt": "precious",
            "mine/sub/b.txt": "precious",
            "test_harm.py": (
                "import pathlib, sys\n"
                "def test_harm():\n"
                "    here = pathlib.Path(sys.prefix)\n"
                "    here.rename(here.with_name('away'))\n"
                "    here.symlink_to(pathlib.Path(__file__).with_name('mine'))\n"
            ),
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "test_harm.py")
    assert run.returncode == 0, run.out
    assert "was replaced by a link to" in run.stdout
    mine = project.path / "mine"
    assert sorted(path.relative_to(mine).as_posix() for path in mine.rglob("*")) == ["a.txt", "sub", "sub/b.txt"]
    again = project.pytest("--envsync", "requirements.lock", "test_it.py")
    assert again.returncode == 0, again.out
    assert "replaced" not in again.out
    assert sorted(path.relative_to(mine).as_posix() for path in mine.rglob("*")) == ["a.txt", "sub", "sub/b.txt"]
