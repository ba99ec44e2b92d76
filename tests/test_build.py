"""Backends that fail: one clear error with their own words, nothing changed, nothing left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from factories import make_sdist, make_wheel, project_files, setuptools_free_backend, write_tree
from pytest_envsync import build_environments
from pytest_envsync.build_environments import make_builder
from pytest_envsync.errors import BuildError, UsageError
from pytest_envsync.options import SyncOptions
from pytest_envsync.wheels.build import backend, processes
from pytest_envsync.wheels.build.build import Builder
from pytest_envsync.wheels.build.settings import build_jobs, config_settings
from source_world import World


@pytest.fixture
def world(tmp_path: Path, clean_surrounding: None) -> World:
    return World(tmp_path)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A process that ended and that nobody waits for yet is no running one.
        return not Path("/proc/self").exists() or (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
        )
    except (ProcessLookupError, FileNotFoundError):  # it may go between two questions
        return False


def are_ended(pids: Path) -> bool:
    """Whether the processes that *pids* names were ended; whoever is killed is gone soon, not at once."""
    rest = [int(pid) for pid in pids.read_text().split()]
    limit = time.monotonic() + 60
    while (rest := [pid for pid in rest if is_running(pid)]) and time.monotonic() < limit:
        time.sleep(0.01)
    return not rest


class Clock:
    """Time stands still until a file is there, and then leaps: no limit is met by a machine that is slow."""

    sleep = staticmethod(time.sleep)

    def __init__(self, awaited: Path) -> None:
        self.awaited = awaited

    def monotonic(self) -> float:
        return 1e6 if self.awaited.exists() else 0.0


RAISES = """
def build_wheel(*arguments, **options):
    for number in range(100):
        print("line", number)
    raise RuntimeError("no compiler today")
"""


def test_a_backend_that_raises_is_quoted_and_its_whole_output_is_kept(world: World) -> None:
    world.sync(str(world.tree("other")))
    error = world.refused(str(world.broken(RAISES)))
    assert isinstance(error, BuildError)
    text = str(error)
    assert error.exit_status == 1
    assert "call to `backend.build_wheel` failed: it ended with exit status 1" in text
    assert "RuntimeError: no compiler today" in text
    assert "line 99" in text
    assert "line 2\n" not in text
    assert error.log is not None
    assert "line 2\n" in Path(error.log).read_text()
    assert world.installed() == {"other": "1.0"}


def test_a_good_build_leaves_no_log(world: World) -> None:
    world.sync(str(world.tree()))
    assert list((world.cache / "logs").glob("*")) == []
    assert world.leftovers() == []


def test_ten_megabytes_of_output_are_kept_in_the_log_and_not_in_the_error(world: World) -> None:
    chatty = "\ndef build_wheel(*a, **k):\n    print('x' * 99 + chr(10), end='', flush=True)\n"
    chatty += "    import sys\n    sys.stdout.write(('y' * 99 + chr(10)) * 100_000)\n    raise SystemExit(3)\n"
    error = world.refused(str(world.broken(chatty)))
    assert isinstance(error, BuildError)
    assert len(str(error)) < 10_000
    assert "exit status 3" in str(error)
    assert error.log is not None
    assert Path(error.log).stat().st_size >= 10_000_000


def test_commands_to_a_terminal_stay_in_the_log(world: World) -> None:
    body = "\ndef build_wheel(*a, **k):\n"
    body += "    os.write(1, b'10%\\r55%\\r99%\\r\\n\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07\\x9b\\xff\\x00end\\n\\n')\n"
    error = world.refused(str(world.broken(body + "    raise SystemExit(1)\n")))
    assert isinstance(error, BuildError)
    assert error.output.splitlines() == ["99%", "red \ufffd\ufffdend"]
    assert error.log is not None
    assert b"\x1b[31m" in Path(error.log).read_bytes()


def test_a_backend_that_a_signal_ends_says_which(world: World) -> None:
    error = world.refused(str(world.broken("\ndef build_wheel(*a, **k):\n    os.kill(os.getpid(), 9)\n")))
    assert "it was ended by signal 9 (SIGKILL)" in str(error)
    assert "memory" in (error.hint or "")


def test_a_backend_that_reads_is_given_nothing(world: World) -> None:
    body = "\ndef build_wheel(*a, **k):\n    import sys\n    print('read', repr(sys.stdin.read()))\n    input()\n"
    text = str(world.refused(str(world.broken(body))))
    assert "read ''" in text
    assert "EOFError" in text


def test_a_backend_that_is_missing_names_itself(world: World) -> None:
    table = (
        '[build-system]\nrequires = []\nbuild-backend = "not_there.api"\n[project]\nname = "demo"\nversion = "1.0"\n'
    )
    error = world.refused(str(world.tree(extra={"pyproject.toml": table})))
    assert "the backend `not_there.api` cannot be imported: ModuleNotFoundError" in str(error)
    assert error.hint is not None
    assert "build-system.requires" in error.hint


def test_a_backend_that_no_index_has_names_itself(world: World) -> None:
    table = (
        '[build-system]\nrequires = ["nowhere>=2"]\nbuild-backend = "x"\n[project]\nname = "demo"\nversion = "1.0"\n'
    )
    error = world.refused(str(world.tree(extra={"pyproject.toml": table})))
    assert error.exit_status == 1
    assert "`nowhere`" in str(error)


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("stranger", "1.0", "built a wheel of `stranger`, but `demo` was asked for"),
        ("demo", "2.0", "built version 2.0, but 1.0 was asked for"),
    ],
)
def test_a_wheel_of_another_name_or_version_is_refused(world: World, name: str, version: str, words: str) -> None:
    from factories import make_sdist

    files = {**project_files("demo", "1.0"), "backend.py": setuptools_free_backend(name, version)}
    make_sdist(world.root / "links", files=files)
    error = world.refused("demo==1.0", find_links=(str(world.root / "links"),))
    assert (error.exit_status, words in str(error)) == (1, True), error


def test_a_local_part_may_be_added_to_the_version(world: World) -> None:
    from factories import make_sdist

    files = {**project_files("demo", "1.0"), "backend.py": setuptools_free_backend("demo", "1.0+here")}
    make_sdist(world.root / "links", files=files)
    world.sync("demo==1.0", find_links=(str(world.root / "links"),))
    assert world.installed() == {"demo": "1.0+here"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("\ndef build_wheel(*a, **k):\n    return 'elsewhere-1.0-py3-none-any.whl'\n", "no wheel in the directory"),
        ("\ndef build_wheel(*a, **k):\n    return '../../x.whl'\n", "no wheel in the directory"),
        ("\ndef build_wheel(*a, **k):\n    return None\n", "no wheel in the directory"),
        ("\ndef get_requires_for_build_wheel(*a, **k):\n    return {'x': 1}\n", "no list of requirements"),
        ("\ndel build_wheel\n", "has no attribute 'build_wheel'"),
    ],
)
def test_hooks_that_answer_nonsense_are_refused(world: World, body: str, words: str) -> None:
    error = world.refused(str(world.broken(body)))
    assert isinstance(error, BuildError)
    assert words in str(error)


def test_an_editable_needs_a_backend_that_can_do_it(world: World) -> None:
    error = world.refused(f"-e {world.broken(chr(10) + 'del build_editable' + chr(10))}")
    assert "has no hook `build_editable`" in str(error)
    assert error.exit_status == 1


def test_a_file_that_is_no_wheel_is_refused(world: World) -> None:
    body = """
def build_wheel(directory, *a, **k):
    open(os.path.join(directory, "demo-1.0-py3-none-any.whl"), "w").write("no zip")
    return "demo-1.0-py3-none-any.whl"
"""
    error = world.refused(str(world.broken(body)))
    assert "demo-1.0-py3-none-any.whl" in str(error)


HANGS = """
def build_wheel(*arguments, **options):
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session={detached})
    print("about to sleep")
    with open({path!r} + ".new", "w") as stream:
        stream.write("%d %d" % (os.getpid(), child.pid))
    os.rename(stream.name, {path!r})
    time.sleep(600)
"""


def test_a_backend_that_hangs_is_ended_with_all_it_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = world.root / "pids"
    monkeypatch.setattr(processes, "time", Clock(pids))
    tree = world.broken(HANGS.format(path=str(pids), detached=False))
    error = world.refused(str(tree), environ={"ENVSYNC_BUILD_TIMEOUT": "1.5"})
    assert isinstance(error, BuildError)
    assert "took more than 2 s and was ended" in str(error)
    assert "about to sleep" in error.output
    assert are_ended(pids)


DETACHED = """
def build_wheel(*arguments, **options):
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep({rest})"], start_new_session=True)
    with open({path!r} + ".new", "w") as stream:
        stream.write("%d %d" % (os.getpid(), child.pid))
    os.rename(stream.name, {path!r})
    {then}
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not tell the variables of others")
@pytest.mark.parametrize("then", ["raise SystemExit(3)", "time.sleep(600)"])
def test_what_left_the_group_of_a_backend_that_fails_is_ended_too(
    world: World, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    pids = world.root / "pids"
    monkeypatch.setattr(processes, "time", Clock(pids))
    tree = world.broken(DETACHED.format(path=str(pids), rest=600, then=then))
    world.refused(str(tree), environ={"ENVSYNC_BUILD_TIMEOUT": "1.5"})
    assert are_ended(pids)


def test_a_server_that_a_good_build_started_stays(world: World) -> None:
    pids = world.root / "pids"
    body = "\n_plain = build_wheel\n" + DETACHED.format(path=str(pids), rest=600, then="return _plain(*arguments)")
    world.sync(str(world.broken(body)))
    server = int(pids.read_text().split()[1])
    try:
        assert is_running(server)
    finally:
        os.kill(server, signal.SIGKILL)


def test_output_without_an_end_ends_the_build(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "MOST_OUTPUT", 3 * 2**20)
    error = world.refused(
        str(world.broken("\ndef build_wheel(*a, **k):\n    while True:\n        print('x' * 1000)\n"))
    )
    assert "it wrote more than 3 MiB of output and was ended" in str(error)
    (log,) = (world.cache / "logs").iterdir()
    assert log.stat().st_size > 3 * 2**20


@pytest.mark.parametrize(
    "body",
    [
        "\ndef build_wheel(*a, **k):\n    print('x' * 10**6)\n    raise SystemExit(3)\n",
        "\ndef get_requires_for_build_wheel(*a):\n    return ['x' * 10**6 + '!!']\n",
        "\nraise ImportError('x' * 10**6)\n",
    ],
)
def test_a_line_without_an_end_is_cut_in_the_error(world: World, body: str) -> None:
    error = world.refused(str(world.broken(body)))
    assert len(str(error)) < 100_000
    # Whatever shows it does not repeat what it has.
    assert "\n  ".join(getattr(error, "output", "").splitlines()) in str(error)


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan"])
def test_a_time_limit_that_is_none_is_wrong_usage(world: World, text: str) -> None:
    error = world.refused(str(world.tree()), environ={"ENVSYNC_BUILD_TIMEOUT": text})
    assert isinstance(error, UsageError)
    assert f"found `{text}`" in str(error)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("hook", ["build_wheel", "get_requires_for_build_wheel"])
def test_a_signal_ends_the_builds_and_leaves_the_environment_alone(
    world: World, hook: str, number: signal.Signals
) -> None:
    world.sync(str(world.tree("other")))
    before = world.files()
    pids = world.root / "pids"
    detached = hook == "build_wheel" and Path("/proc/self/environ").exists()
    tree = world.broken(HANGS.format(path=str(pids), detached=detached).replace("build_wheel", hook))
    if hook != "build_wheel":
        # Its name is asked for, before anything else.
        table = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        (tree / "pyproject.toml").write_text(table)
    (world.root / "requirements.txt").write_text(f"{tree}\n")
    command = [sys.executable, "-m", "pytest_envsync", "sync", "--python", str(world.prefix), "requirements.txt"]
    process = subprocess.Popen(command, cwd=world.root, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        while not pids.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode in {128 + number, -number}
    assert "Traceback" not in errors
    assert are_ended(pids)
    assert world.files() == before
    if number != signal.SIGKILL:
        assert world.leftovers() == []


def test_the_failure_of_one_build_ends_the_others(world: World) -> None:
    pids = world.root / "pids"
    slow = world.broken(HANGS.format(path=str(pids), detached=False), "slow")
    wait = f"\ndef build_wheel(*a, **k):\n    import time\n    while not os.path.exists({str(pids)!r}):\n"
    wait += "        time.sleep(0.01)\n    raise SystemExit(7)\n"
    error = world.refused(str(slow), str(world.broken(wait, "quick")), environ={"UV_CONCURRENT_BUILDS": "2"})
    assert "exit status 7" in str(error)
    assert [path.name.startswith("build-quick-") for path in (world.cache / "logs").iterdir()] == [True]
    assert are_ended(pids)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[build-system", "cannot be read"),
        ("build-system = 1", "is no table"),
        ("[build-system]\n", "`build-system.requires` of"),
        ("[build-system]\nrequires = 1\n", "must be a list of requirements"),
        ("[build-system]\nrequires = []\nbuild-backend = 1\n", "must be text"),
        ("[build-system]\nrequires = []\nbackend-path = 1\n", "must be a list of directories"),
        ("[build-system]\nrequires = ['x y']\nbuild-backend = 'b'\n", "`x y` is no requirement"),
        (
            "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['..']\n",
            "must be inside source tree",
        ),
    ],
)
def test_a_malformed_build_system_is_one_error(world: World, table: str, words: str) -> None:
    tree = world.tree(extra={"pyproject.toml": table})
    error = world.refused(f"demo @ {tree.as_uri()}")
    assert words in str(error), error


def test_a_directory_without_a_project_says_what_is_missing(world: World) -> None:
    empty = write_tree(world.root / "empty", {"setup.cfg": "[metadata]\nname = demo\n"})
    error = world.refused(str(empty))
    assert "neither `pyproject.toml` nor `setup.py` is there" in str(error)
    assert error.hint == "an empty `pyproject.toml` beside `setup.cfg` is enough"
    (empty / "pyproject.toml").touch()
    assert "`setuptools` was not found" in str(world.refused(str(empty)))  # a project now, which asks for its backend
    assert world.refused(f"-e {world.root / 'nowhere'}").exit_status == 1


def test_without_isolation_the_backend_comes_from_the_environment(world: World) -> None:
    table = (
        '[build-system]\nrequires = ["nowhere"]\nbuild-backend = "tool"\n[project]\nname = "demo"\nversion = "1.0"\n'
    )
    tree = world.tree(extra={"pyproject.toml": table})
    error = world.refused(str(tree), no_build_isolation=True)
    assert "ModuleNotFoundError: No module named 'tool'" in str(error)
    assert "with --no-build-isolation, install it first" in (error.hint or "")
    tool = make_wheel(world.root / "links", "tool", files={"tool.py": setuptools_free_backend("demo", "1.0")})
    world.sync(str(tool))
    world.sync(str(tool), str(tree), no_build_isolation=True)
    assert world.installed() == {"demo": "1.0", "tool": "1.0"}
    other = World(world.root / "other")
    assert "`nowhere` was not found" in str(
        other.refused(str(tree), no_build_isolation_package=("other",), refresh=True)
    )


def test_without_isolation_what_is_installed_along_counts_and_a_failure_installs_nothing(world: World) -> None:
    table = '[build-system]\nrequires = []\nbuild-backend = "tool"\n[project]\nname = "demo"\nversion = "1.0"\n'
    tree = world.tree(extra={"pyproject.toml": table})
    backend = "import part\n" + setuptools_free_backend("demo", "1.0")
    tool = make_wheel(world.root / "links", "tool", files={"tool.py": backend})
    part = make_wheel(world.root / "links", "part", files={"part.py": ""})
    error = world.refused(str(tree), str(tool), no_build_isolation_package=("Demo",))
    assert "No module named 'part'" in str(error)
    world.sync(str(part))
    # One is there already, the other comes with it.
    world.sync(str(tree), str(tool), str(part), no_build_isolation_package=("Demo",))
    assert world.installed() == {"demo": "1.0", "part": "1.0", "tool": "1.0"}


def test_the_surrounding_of_the_user_does_not_reach_a_backend(world: World) -> None:
    stranger = write_tree(world.root / "strangers", {"sitecustomize.py": "raise SystemExit('a stranger')\n"})
    body = "\nimport json, sys, warnings\n_plain = build_wheel\ndef build_wheel(*a, **k):\n"
    body += "    warnings.warn('old', DeprecationWarning)\n    assert sys.flags.optimize == 0\n"
    body += (
        "    json.dump([dict(os.environ), sys.prefix, sys.path], open('seen.json', 'w'))\n    return _plain(*a, **k)\n"
    )
    tree = world.broken(body)
    leaking = {
        "PYTHONPATH": str(stranger), "PYTHONHOME": str(stranger), "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2",
        "PYTHONINSPECT": "1", "VIRTUAL_ENV": str(stranger), "GIT_DIR": str(stranger), "GIT_INDEX_FILE": "x",
        "ENVSYNC_SESSION": "x", "PYTHONUSERBASE": str(stranger),
    }  # fmt: skip
    world.sync(str(tree), environ={**leaking, "CFLAGS": "-O0", "GIT_SSH_COMMAND": "ssh -4"})
    environ, prefix, path = json.loads((tree / "seen.json").read_text())
    assert {name for name in leaking if name in environ} == {"VIRTUAL_ENV"}
    assert environ["VIRTUAL_ENV"] == prefix
    assert environ["PATH"].split(os.pathsep)[0] == str(Path(prefix, "bin"))
    assert (environ["CFLAGS"], environ["GIT_SSH_COMMAND"]) == ("-O0", "ssh -4")
    assert str(world.prefix) not in prefix
    assert not [entry for entry in path if str(stranger) in entry or str(world.prefix) in entry]


def test_config_settings_of_a_project_come_before_those_for_all() -> None:
    options = SyncOptions(config_settings=("a=1", "a=2", "b=3"), config_settings_package=("Demo:a=0", "other:c=4"))
    assert config_settings(options, "demo") == {"a": ["0", "1", "2"], "b": "3"}
    assert config_settings(options, "other") == {"a": ["1", "2"], "b": "3", "c": "4"}


@pytest.mark.parametrize("is_named", [True, False])
def test_as_many_builds_run_at_once_as_asked_for(world: World, *, is_named: bool) -> None:
    hook = "build_wheel" if is_named else "get_requires_for_build_wheel"
    trees = []
    for name in ("first", "second", "third"):
        # Each waits for all of them.
        body = f"\n_plain = build_wheel\ndef {hook}(*a, **k):\n    import pathlib, time\n"
        body += f"    here = pathlib.Path({str(world.root)!r})\n    (here / '{name}.began').touch()\n"
        body += "    while len(list(here.glob('*.began'))) < 3:\n        time.sleep(0.01)\n"
        body += "    return _plain(*a, **k)\n" if is_named else "    return []\n"
        tree = world.broken(body, name)
        if not is_named:
            (tree / "pyproject.toml").write_text(
                '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            )
        trees.append(str(tree))
    world.sync(*trees, environ={"UV_CONCURRENT_BUILDS": "3", "ENVSYNC_BUILD_TIMEOUT": "60"})
    assert world.installed() == {"first": "1.0", "second": "1.0", "third": "1.0"}


@pytest.mark.parametrize(
    ("environ", "jobs"), [({"UV_CONCURRENT_BUILDS": "3"}, 3), ({"UV_CONCURRENT_BUILDS": "0"}, os.cpu_count())]
)
def test_builds_at_once_are_one_for_each_core_or_as_many_as_asked_for(environ: dict[str, str], jobs: int) -> None:
    assert build_jobs(environ) == jobs


def test_two_processes_at_once_build_one_thing_once(world: World) -> None:
    count = f"    open({str(world.root / 'count')!r}, 'a').write('x')\n"
    body = f"\n_plain = build_wheel\ndef build_wheel(*a, **k):\n    import time\n{count}    time.sleep(0.5)\n"
    body += "    return _plain(*a, **k)\n"
    files = {**project_files("demo", "1.0"), "backend.py": setuptools_free_backend("demo", "1.0") + body}
    make_sdist(world.root / "links", files=files)
    (world.root / "requirements.txt").write_text("demo\n")
    sites = [world, World(world.root / "second"), World(world.root / "third")]
    words = ["sync", "--no-index", "--find-links", str(world.root / "links"), str(world.root / "requirements.txt")]
    processes = [
        subprocess.Popen([sys.executable, "-m", "pytest_envsync", *words, "--python", str(site.prefix)])
        for site in sites
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert [site.installed() for site in sites] == [{"demo": "1.0"}] * 3
    assert (world.root / "count").read_text() == "x"


@pytest.mark.parametrize("name", ["prøj ект", 'a\'b "c" $HOME', "x" * 200])
@pytest.mark.parametrize("prefix", ["", "-e "])
def test_a_directory_may_have_any_name(world: World, name: str, prefix: str) -> None:
    tree = write_tree(world.root / name, project_files())
    world.sync(f"{prefix}{tree}" if "'" not in name else f"{prefix}demo @ {tree.as_uri()}".replace("-e demo @ ", "-e "))
    assert world.installed() == {"demo": "1.0"}
    assert not world.sync(f"{prefix}{tree.as_uri()}").changes


def test_a_backend_that_ends_without_a_word_is_named(world: World) -> None:
    error = world.refused(str(world.broken("\ndef build_wheel(*a, **k):\n    os._exit(0)\n")))
    assert "call to `backend.build_wheel` failed: the backend ended without a result" in str(error)
    assert "Errno" not in str(error)
    assert error.exit_status == 2


def test_a_backend_that_ends_while_it_is_asked_what_it_needs_has_failed(world: World) -> None:
    error = world.refused(str(world.broken("\ndef get_requires_for_build_wheel(*a, **k):\n    os._exit(0)\n")))
    assert "the backend ended without a result" in str(error)
    assert error.exit_status == 1


def test_a_byte_order_mark_is_no_part_of_a_project(world: World) -> None:
    tree = world.tree()
    path = tree / "pyproject.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"[tool.uv]\ncache-keys = ['demo.py']\n")
    world.sync(str(tree))
    assert world.installed() == {"demo": "1.0"}
    path.touch()
    assert not world.sync(str(tree)).changes
    (tree / "demo.py").touch()
    assert world.sync(str(tree)).changes


def test_a_backend_that_cannot_be_imported_is_quoted_once(world: World) -> None:
    table = '[build-system]\nrequires = []\nbuild-backend = "absent"\nbackend-path = ["."]\n'
    table += '[project]\nname = "demo"\nversion = "1.0"\n'
    error = world.refused(str(world.tree(extra={"pyproject.toml": table})))
    assert str(error).count("Cannot find module 'absent'") == 1, error


@pytest.mark.parametrize(
    ("filename", "words"),
    [
        ("demo-3.0.tar.gz", "says version 3.0, but what was built of it is 1.0"),
        ("demo-1.0+x.tar.gz", "says version 1.0+x, but what was built of it is 1.0"),
        ("demo-1.0.0.tar.gz", None),
        # The name of another project, or of none, says nothing about this one.
        ("other-3.0.tar.gz", None),
        ("v3.0.tar.gz", None),
    ],
)
def test_the_name_of_a_local_sdist_is_compared_with_what_was_built_of_it(
    world: World, filename: str, words: str | None
) -> None:
    made = make_sdist(world.root / "links", files=project_files("demo", "1.0"))
    place = made.rename(made.with_name(filename))
    line = f"demo @ {place.as_uri()}"
    if words is None:
        world.sync(line)
        assert world.installed() == {"demo": "1.0"}
        return
    error = world.refused(line)
    assert (error.exit_status, words in str(error)) == (1, True), error


def test_all_builds_of_a_sync_have_one_builder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(*given: Any, **named: Any) -> Builder:
        made.append(make_builder(*given, **named))
        time.sleep(0.2)  # long enough for another thread to find none yet
        return made[-1]

    monkeypatch.setattr(build_environments, "make_builder", make)
    lines = [f"{name} @ {world.tree(name)}" for name in ("one", "two")]
    world.sync(*lines, environ={"UV_CONCURRENT_BUILDS": "2"})
    assert (sorted(world.installed()), len(made)) == (["one", "two"], 1)
