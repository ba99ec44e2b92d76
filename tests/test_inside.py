"""A session runs inside the exact environment of its lock: both ways in, header, statuses, ini twins."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from factories import Content, project_files, write_tree
from session_project import SessionProject, cached_environments, leases


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with one lock of two distributions, and a test that shows where it runs."""
    found = SessionProject(tmp_path)
    found.lock("requirements.lock", found.wheel("demo"), found.wheel("other", "2.0", requires=["demo"]))
    found.write(
        {
            "test_it.py": (
                "import sys\n"
                "import demo, other\n"
                "def test_it():\n"
                "    assert demo.VERSION == '1.0' and other.VERSION == '2.0'\n"
                "    assert demo.__file__.startswith(sys.prefix)\n"
            )
        }
    )
    return found


def test_tests_import_what_the_lock_says_and_nothing_else(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {
            "test_exact.py": (
                "import importlib.metadata, importlib.util, sys\n"
                "def test_exact():\n"
                "    found = importlib.metadata.distributions()\n"
                "    names = {d.metadata['Name'].lower().replace('_', '-') for d in found}\n"
                "    brought = {'pytest', 'pluggy', 'iniconfig', 'packaging', 'pygments', 'pytest-envsync',\n"
                "               'exceptiongroup', 'tomli', 'typing-extensions'}\n"
                "    assert names - brought == {'demo', 'other'}\n"
                "    assert importlib.util.find_spec('httpx') is None\n"
                "    assert importlib.util.find_spec('pytest_envsync.sync') is None\n"
                "    assert importlib.util.find_spec('pytest_envsync.pytest_plugin.inside') is None\n"
            )
        }
    )
    first = project.pytest("--envsync", "requirements.lock")
    assert first.returncode == 0, first.out
    assert first.outcomes == {"passed": 2}
    (line, *rest) = first.header()
    assert line.startswith("requirements.lock -> ")
    assert "2 distributions" in line
    assert "created" in line
    assert any(line.startswith("+overlay pytest ") for line in rest)
    second = project.pytest("--envsync", "requirements.lock")
    assert second.returncode == 0, second.out
    assert "reused" in second.header()[0]
    assert len(cached_environments(cache_dir)) == 1
    assert leases(cache_dir) == []
    assert list((cache_dir / "sessions").iterdir()) == []


@pytest.mark.parametrize("module", [True, False])
def test_the_process_is_replaced_where_pytest_owns_it(project: SessionProject, module: bool) -> None:  # noqa: FBT001 - a table
    project.write(
        {
            "test_it.py": (
                "import json, os, pathlib, sys\n"
                "def test_it():\n"
                "    seen = [os.getppid(), sys.orig_argv, sys.flags.dev_mode]\n"
                "    pathlib.Path('seen.json').write_text(json.dumps(seen))\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", module=module, flags=["-X", "dev"])
    assert run.returncode == 0, run.out
    parent, command, dev_mode = json.loads((project.path / "seen.json").read_text())
    assert parent == os.getpid()
    assert dev_mode is True
    assert command[1:3] == ["-X", "dev"]
    if module:
        assert command[3:5] == ["-m", "pytest"]
    else:
        assert Path(command[3]).name == "pytest"


def test_pytest_main_gets_the_status_of_a_child_and_goes_on(project: SessionProject) -> None:
    project.write(
        {
            "conftest.py": "import os, pathlib\npathlib.Path('seen').open('a').write(f'{os.getppid()}\\n')\n",
            "runner.py": (
                "import os, sys, pytest\n"
                "status = pytest.main(sys.argv[1:])\n"
                "print('status', int(status), type(status).__name__, os.getpid())\n"
            ),
            "test_it.py": "import demo\ndef test_it(): assert demo.VERSION == '2.0'\n",
        }
    )
    run = project.run(sys.executable, "runner.py", "--envsync", "requirements.lock", *project.offline())
    assert run.returncode == 0, run.out
    assert run.outcomes == {"failed": 1}
    last = run.stdout.splitlines()[-1].split()
    assert last[:3] == ["status", "1", "ExitCode"]
    # The conftest was imported once, by the child.
    assert (project.path / "seen").read_text().split() == [last[3]]


def test_plugin_modules_are_carried_and_objects_are_refused(project: SessionProject) -> None:
    project.write(
        {
            "ide/ide_plugin.py": "def pytest_report_header(): return 'ide plugin at work'\n",
            "runner.py": (
                "import sys, pytest\n"
                "sys.path.append('ide')\n"
                "import ide_plugin\n"
                "class Plugin: pass\n"
                "plugins = [ide_plugin if sys.argv[1] == 'module' else Plugin()]\n"
                "raise SystemExit(pytest.main(sys.argv[2:], plugins=plugins))\n"
            ),
        }
    )
    args = ["--envsync", "requirements.lock", *project.offline()]
    carried = project.run(sys.executable, "runner.py", "module", *args)
    assert carried.returncode == 0, carried.out
    assert "ide plugin at work" in carried.stdout
    refused = project.run(sys.executable, "runner.py", "object", *args)
    assert refused.returncode == 4
    assert "cannot be carried into another process" in refused.stderr
    assert "--no-envsync" in refused.stderr


def test_coverage_run_is_refused_with_the_way_out(project: SessionProject) -> None:
    run = project.run(
        sys.executable, "-m", "coverage", "run", "-m", "pytest", "--envsync", "requirements.lock", *project.offline()
    )
    assert run.returncode == 4
    assert "--cov" in run.stderr
    assert "envsync run LOCK -- coverage run -m pytest" in run.stderr


def test_conftest_may_import_what_only_the_lock_has(project: SessionProject) -> None:
    project.write({"conftest.py": "import demo\ndef pytest_report_header(): return f'demo {demo.VERSION}'\n"})
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 0, run.out
    assert "demo 1.0" in run.stdout


def test_the_ini_twin_and_the_way_out_of_it(project: SessionProject) -> None:
    project.write({"pytest.ini": "[pytest]\nenvsync = requirements.lock\n"})
    inside = project.pytest()
    assert inside.returncode == 0, inside.out
    assert any("pytest.ini" in line for line in inside.header())
    outside = project.pytest("--no-envsync")
    assert outside.returncode == 2, outside.out
    assert "No module named 'demo'" in outside.stdout
    assert outside.header() == []


def test_the_option_replaces_the_ini_value_and_paths_have_their_own_base(project: SessionProject) -> None:
    project.lock("locks/new.txt", project.wheel("demo", "3.0"))
    project.write({"pytest.ini": "[pytest]\nenvsync = missing.txt\n", "sub/x": ""})
    project.write({"test_it.py": "import demo\ndef test_it(): assert demo.VERSION == '3.0'\n"})
    run = project.pytest("--envsync", "../locks/new.txt", "..", cwd=project.path / "sub")
    assert run.returncode == 0, run.out
    project.write({"pytest.ini": "[pytest]\nenvsync = locks/new.txt\n"})
    run = project.pytest("..", cwd=project.path / "sub")
    assert run.returncode == 0, run.out


def test_addopts_and_variables_may_hold_the_option(project: SessionProject) -> None:
    project.write({"pytest.ini": "[pytest]\naddopts = --envsync requirements.lock\n"})
    assert project.pytest().returncode == 0
    project.write({"pytest.ini": "[pytest]\n"})
    run = project.pytest(env={"PYTEST_ADDOPTS": "--envsync=requirements.lock"})
    assert run.returncode == 0, run.out


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ("gone.lock", ["there is no lockfile", "gone.lock", "requirements.lock"]),
        ("uv.lock", ["uv export"]),
        (".", ["is a directory"]),
        ("bad.txt", ["bad.txt"]),
        ("unfit.txt", ["nowhere", "unfit.txt"]),
        ("hash.txt", ["demo"]),
    ],
)
def test_a_lock_that_cannot_be_had_is_wrong_usage(project: SessionProject, lock: str, words: list[str]) -> None:
    project.write(
        {
            "uv.lock": "",
            "bad.txt": b"\xff\xfe\x00demo==\xff",
            "unfit.txt": "nowhere==1.0\n",
            "hash.txt": f"demo==1.0 --hash=sha256:{'0' * 64}\n",
        }
    )
    run = project.pytest("--envsync", lock, "--envsync-report", "report.json")
    assert run.returncode == 4, run.out
    assert "Traceback" not in run.out
    for word in words:
        assert word in run.stderr
    report = project.report()
    assert report["exitstatus"] == 4
    assert [bool(row["error"]) for row in report["environments"]] == [True]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("option", "`http://me:****@[bad/simple` is no valid address"),
        ("variable", "`http://me:****@[bad/simple` is no valid address"),
        ("file", "addressed.txt:1: `http://me:****@[bad/simple` is no valid address"),
        ("without a scheme", "`me:****@example.org/simple`"),
    ],
)
def test_an_address_of_an_index_that_is_none_is_wrong_usage(project: SessionProject, place: str, told: str) -> None:
    bad = "me:s3cret@example.org/simple" if place == "without a scheme" else "http://me:s3cret@[bad/simple"
    first = f"--extra-index-url {bad}\n" if place == "file" else ""
    project.write({"addressed.txt": f"{first}nowhere==1.0\n"})
    options = [] if place in {"variable", "file"} else [f"--envsync-option=--index-url={bad}"]
    run = project.run(
        *[sys.executable, "-m", "pytest", "--envsync", "addressed.txt", *options],
        env={"PIP_INDEX_URL": bad} if place == "variable" else {},
    )
    assert run.returncode == 4, run.out
    assert told in run.stderr
    assert "Traceback" not in run.out
    assert "s3cret" not in run.out


@pytest.mark.parametrize("addopts", ["--envsync locks/here.lock", "-q --envsync=here=locks/here.lock"])
def test_a_lock_of_addopts_is_looked_for_beside_the_ini_file(project: SessionProject, addopts: str) -> None:
    project.lock("locks/here.lock", project.wheel("demo"))
    project.write(
        {
            "pytest.ini": f"[pytest]\naddopts = {addopts}\n",
            "below/test_below.py": "import demo\ndef test_it(): pass\n",
            "test_it.py": "",
        }
    )
    for directory in (project.path, project.path / "below"):
        run = project.pytest(cwd=directory)
        assert run.outcomes == {"passed": 1}, run.out
    # Whoever types it means the directory at hand.
    typed = project.pytest(
        f"--envsync={addopts.rpartition(' ')[2].removeprefix('--envsync=')}", cwd=project.path / "below"
    )
    assert typed.returncode == 4, typed.out
    assert "there is no lockfile" in typed.stderr


_NO_PACKAGES = 'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n'


@pytest.mark.parametrize(
    ("lock", "content"), [("empty.lock", ""), ("cut.lock", "# Made by a tool\n"), ("pylock.toml", _NO_PACKAGES)]
)
def test_a_lock_that_lists_nothing_is_refused_unless_it_is_meant(
    project: SessionProject, lock: str, content: str
) -> None:
    project.write({lock: content, "test_it.py": "def test_pass(): pass\n"})
    run = project.pytest("--envsync", lock)
    assert run.returncode == 4, run.out
    assert f"{lock}: nothing is required there" in run.stderr
    assert "--envsync-option=--allow-empty-requirements" in run.stderr
    run = project.pytest("--envsync", lock, "--envsync-option=--allow-empty-requirements")
    assert run.returncode == 0, run.out


def test_requirements_that_their_markers_leave_out_are_not_nothing(project: SessionProject) -> None:
    project.write({"old.lock": "demo==1.0; python_version < '3'\n", "test_it.py": "def test_pass(): pass\n"})
    run = project.pytest("--envsync", "old.lock")
    assert run.returncode == 0, run.out


def test_an_interpreter_that_is_not_there_is_wrong_usage(project: SessionProject) -> None:
    run = project.pytest("--envsync", "requirements.lock", "--envsync-python", "3.3")
    assert run.returncode == 4
    assert "3.3" in run.stderr
    assert "Traceback" not in run.out


@pytest.mark.parametrize("option", ["--help", "--version", "-VV"])
def test_help_and_version_provide_nothing(project: SessionProject, cache_dir: Path, option: str) -> None:
    run = project.pytest("--envsync", "requirements.lock", option)
    assert run.returncode == 0
    assert not (cache_dir / "environments").exists()


def test_help_names_every_option(project: SessionProject) -> None:
    text = project.pytest("--help").stdout
    for option in [
        "--envsync=", "--no-envsync", "--envsync-python", "--envsync-project", "--envsync-extra",
        "--envsync-all-extras", "--envsync-group", "--envsync-option",
        "--envsync-file", "--envsync-recreate", "--envsync-drift=",
        "--envsync-drift-trace", "--envsync-no-overlay", "--envsync-report", "--envsync-cache-dir", "--envsync-offline",
        "envsync_editable", "envsync_drift_ignore", "envsync_overlay",
    ]:  # fmt: skip
        assert option in text


@pytest.mark.parametrize(
    ("files", "args", "status"),
    [
        ({"test_it.py": "def test_it(): assert 0"}, [], 1),
        ({"test_it.py": "import os, signal\ndef test_it(): os.kill(os.getpid(), signal.SIGINT)"}, [], 2),
        ({"test_it.py": "def test_it(): pass"}, ["--nonsense"], 4),
        ({"test_it.py": "def test_it(): pass"}, ["-k", "nothing"], 5),
        ({"test_it.py": "import pytest\ndef test_it(): pytest.exit('enough', returncode=37)"}, [], 37),
    ],
)
def test_statuses_are_those_of_pytest(
    project: SessionProject, files: dict[str, str], args: list[str], status: int
) -> None:
    project.write(files)
    run = project.pytest("--envsync", "requirements.lock", "--envsync-report", "report.json", *args)
    assert run.returncode == status, run.out
    assert project.report()["exitstatus"] == status


def test_output_goes_where_it_goes_in_a_plain_session(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_it(): print('shown at once')\n"})
    captured = project.pytest("--envsync", "requirements.lock")
    assert "shown at once" not in captured.stdout
    shown = project.pytest("--envsync", "requirements.lock", "-s")
    assert "shown at once" in shown.stdout


def test_the_debugger_owns_the_terminal(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_it():\n    secret = 6 * 7\n    assert secret == 0\n"})
    run = project.pytest("--envsync", "requirements.lock", "--pdb", input="p secret + 1000\nq\n")
    assert "1042" in run.stdout, run.out


def test_xdist_workers_run_inside_too(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import sys, demo, pytest\n"
                "@pytest.mark.parametrize('n', range(6))\n"
                "def test_it(n, worker_id):\n"
                "    assert worker_id.startswith('gw')\n"
                "    assert demo.__file__.startswith(sys.prefix)\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "-n", "2", "--envsync-report", "report.json")
    assert run.returncode == 0, run.out
    assert run.outcomes == {"passed": 6}
    assert any("+overlay pytest" in line for line in run.header())
    assert project.report()["environments"][0]["outcomes"] == {"passed": 6}


def test_coverage_is_measured_inside(project: SessionProject) -> None:
    project.write({"mine.py": "def used():\n    return 1\n\n\ndef unused():\n    return 2\n"})
    project.write({"test_it.py": "import demo, mine\ndef test_it(): assert mine.used()\n"})
    run = project.pytest("--envsync", "requirements.lock", "--cov=mine", "--cov-report=term-missing")
    assert run.returncode == 0, run.out
    assert [line.split()[1:] for line in run.stdout.splitlines() if line.startswith("mine.py")] == [
        ["4", "1", "75%", "6"]
    ]


def test_options_after_the_lock_select_as_always(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_one(): pass\ndef test_two(): assert 0\n"})
    run = project.pytest("--envsync", "requirements.lock", "-k", "one", "test_it.py")
    assert run.outcomes == {"passed": 1, "deselected": 1}


def test_a_nested_pytest_stays_inside_and_ignores_the_ini_file(project: SessionProject) -> None:
    project.write(
        {
            "pytest.ini": "[pytest]\nenvsync = requirements.lock\n",
            "inner/test_inner.py": "import sys\ndef test_inner(): assert 'environments' in sys.prefix\n",
            "test_it.py": (
                "import subprocess, sys\n"
                "def test_it():\n"
                "    for command in ([sys.executable, '-m', 'pytest'], ['pytest']):\n"
                "        command += ['inner', '-p', 'no:cacheprovider']\n"
                "        run = subprocess.run(command, capture_output=True, text=True)\n"
                "        assert run.returncode == 0, run.stdout + run.stderr\n"
            ),
        }
    )
    run = project.pytest("test_it.py")
    assert run.returncode == 0, run.out


def test_a_nested_pytest_obeys_the_command_line(project: SessionProject) -> None:
    project.lock("locks/new.txt", project.wheel("demo", "3.0"))
    offline = ", ".join(map(repr, project.offline()))
    project.write(
        {
            "inner/test_inner.py": "import demo\ndef test_inner(): assert demo.VERSION == '3.0'\n",
            "test_it.py": (
                "import subprocess, sys\n"
                "def test_it():\n"
                "    command = [sys.executable, '-m', 'pytest', '--envsync', 'locks/new.txt', 'inner', "
                f"'-p', 'no:cacheprovider', {offline}]\n"
                "    run = subprocess.run(command, capture_output=True, text=True)\n"
                "    assert run.returncode == 0, run.stdout + run.stderr\n"
                "    assert 'locks/new.txt -> ' in run.stdout\n"
            ),
        }
    )
    run = project.pytest("--envsync", "requirements.lock", "test_it.py")
    assert run.returncode == 0, run.out


def test_pytester_inside(project: SessionProject) -> None:
    project.write(
        {
            "conftest.py": "pytest_plugins = ['pytester']\n",
            "test_it.py": (
                "def test_in_process(pytester):\n"
                "    pytester.makepyfile('import demo\\ndef test_x(): pass')\n"
                "    pytester.runpytest_inprocess('-p', 'no:cacheprovider').assert_outcomes(passed=1)\n"
                "def test_in_subprocess(pytester):\n"
                "    pytester.makepyfile('import demo\\ndef test_x(): pass')\n"
                "    pytester.runpytest_subprocess('-p', 'no:cacheprovider').assert_outcomes(passed=1)\n"
            ),
        }
    )
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 0, run.out
    assert run.outcomes == {"passed": 2}


def test_without_the_plugin_the_option_is_unknown(project: SessionProject) -> None:
    run = project.run(sys.executable, "-m", "pytest", "-p", "no:envsync", "--envsync", "requirements.lock")
    assert run.returncode == 4
    assert "--envsync" in run.stderr


def test_autoload_off_and_the_plugin_named(project: SessionProject) -> None:
    run = project.pytest("-p", "envsync", "--envsync", "requirements.lock", env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    assert run.returncode == 0, run.out
    assert run.header()


def test_entries_of_pythonpath_inside(project: SessionProject, tmp_path: Path) -> None:
    project.write(
        {
            "src/mine.py": "",
            "test_it.py": (
                "import sys, demo, mine, shared\n"
                "def test_it():\n"
                "    order = [sys.modules[name].__file__ for name in ('mine', 'demo', 'shared')]\n"
                "    assert demo.VERSION == '1.0'\n"
                "    assert shared.__file__.endswith('shared.py')\n"
            ),
        }
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "demo.py").write_text("VERSION = 'outside'\n")
    (outside / "shared.py").write_text("")
    foreign = tmp_path / "lib" / "site-packages"
    foreign.mkdir(parents=True)
    value = os.pathsep.join(["src", str(outside), str(foreign)])
    run = project.pytest("--envsync", "requirements.lock", env={"PYTHONPATH": value})
    assert run.returncode == 0, run.out
    text = "\n".join(run.header())
    assert "1 entry of other interpreters dropped" in text
    assert f"behind the environment: {outside}" in text


def mine(requires: str = "") -> dict[str, Content]:
    """A project called mine that builds with no index."""
    files = project_files("mine", "3.0")
    files["pyproject.toml"] = str(files["pyproject.toml"]) + requires
    return {**files, "test_it.py": "import mine\ndef test_it(): assert mine.VERSION == '3.0'\n"}


@pytest.mark.parametrize(("editable", "mode"), [("true", "editable"), ("false", "wheel")])
def test_the_project_under_test_is_installed(project: SessionProject, editable: str, mode: str) -> None:
    project.write(mine("dependencies = ['demo>=1', 'absent>=2']\n"))
    # Neither the working directory nor rootdir on sys.path: what is imported is what was installed.
    project.write({"pytest.ini": f"[pytest]\naddopts = --import-mode=importlib\nenvsync_editable = {editable}\n"})
    # Not into the project: a project that is installed as a wheel is built anew when a file of it changes.
    report = project.path.parent / "report.json"
    run = project.pytest("--envsync", "requirements.lock", "--envsync-report", report, module=False)
    assert run.returncode == 0, run.out
    text = "\n".join(run.header())
    assert f"project mine from . ({mode})" in text
    assert "project mine needs what the lock lacks: absent>=2" in text
    assert json.loads(report.read_text())["environments"][0]["project"]["mode"] == mode
    again = project.pytest("--envsync", "requirements.lock", module=False)
    assert again.returncode == 0, again.out
    assert "reused" in again.header()[0]
    project.write({"mine.py": "VERSION = '3.1'\n"})
    edited = project.pytest("--envsync", "requirements.lock", module=False)
    # A wheel is built again: what is tested is the working tree as it is.
    assert edited.returncode == 1, edited.out
    alone = project.pytest("--envsync", "requirements.lock", "--envsync-project", "none", module=False)
    assert "project mine is left out (--envsync-project none)" in alone.header()
    assert alone.returncode == 2
    assert "No module named 'mine'" in alone.stdout


def test_a_project_of_another_directory(project: SessionProject, tmp_path: Path) -> None:
    elsewhere = write_tree(tmp_path / "elsewhere", project_files("mine", "3.0"))
    project.write({"test_it.py": "import mine\ndef test_it(): assert mine.VERSION == '3.0'\n"})
    run = project.pytest("--envsync", "requirements.lock", "--envsync-project", "../elsewhere")
    assert run.returncode == 0, run.out
    assert f"project mine from {elsewhere} (editable)" in run.header()
    gone = project.pytest("--envsync", "requirements.lock", "--envsync-project", "../gone")
    assert gone.returncode == 4
    assert "is no directory" in gone.stderr


def test_a_build_that_fails_is_wrong_usage_with_the_way_out(project: SessionProject) -> None:
    project.write(mine())
    project.write({"backend.py": "def build_editable(*args): raise RuntimeError('the backend is out of order')\n"})
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 4, run.out
    assert "the backend is out of order" in run.stderr
    assert "--envsync-project none" in run.stderr


def test_a_build_that_asks_for_what_is_not_there_names_the_way_out_too(project: SessionProject) -> None:
    files = mine()
    project.write({**files, "pyproject.toml": str(files["pyproject.toml"]).replace("[]", '["nowhere"]', 1)})
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 4, run.out
    assert "nowhere" in run.stderr
    assert "--envsync-project none" in run.stderr


def test_a_requirement_that_is_not_there_does_not_name_the_project(project: SessionProject) -> None:
    project.write(mine())
    project.lock("requirements.lock", pins=["nowhere==1.0"])
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 4, run.out
    assert "--envsync-project" not in run.stderr


@pytest.mark.parametrize("editable", ["true", "false"])
def test_the_header_has_the_name_that_only_a_build_tells(project: SessionProject, editable: str) -> None:
    files = mine()
    build_system, _, _ = str(files["pyproject.toml"]).partition("[project]")
    project.write({**files, "pyproject.toml": build_system, "pytest.ini": f"[pytest]\nenvsync_editable = {editable}\n"})
    for _ in range(2):
        run = project.pytest("--envsync", "requirements.lock", "--envsync-report", "report.json")
        assert run.returncode == 0, run.out
        assert f"project mine from . ({'editable' if editable == 'true' else 'wheel'})" in run.header()
        assert project.report()["environments"][0]["project"]["name"] == "mine"


def test_the_lock_wins_over_the_working_tree(project: SessionProject) -> None:
    project.lock("requirements.lock", project.wheel("demo"), project.wheel("mine", "1.2"))
    project.write(mine())
    project.write(
        {
            "pytest.ini": "[pytest]\naddopts = --import-mode=importlib\n",
            "test_it.py": "import mine\ndef test_it(): assert mine.VERSION == '1.2'\n",
        }
    )
    run = project.pytest("--envsync", "requirements.lock", module=False)
    assert run.returncode == 0, run.out
    assert "mine 1.2 from the lock, not the working tree" in run.header()


def test_a_lock_that_names_the_working_tree(project: SessionProject) -> None:
    project.write(mine())
    project.lock("requirements.lock", project.wheel("demo"), pins=["-e ."])
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 0, run.out
    assert not any("from the lock" in line or "project mine" in line for line in run.header())


def test_where_the_command_looks_for_settings_is_not_the_project_under_test(
    project: SessionProject, tmp_path: Path
) -> None:
    (tmp_path / "settings").mkdir()
    run = project.pytest("--envsync", "requirements.lock", env={"ENVSYNC_PROJECT": str(tmp_path / "settings")})
    assert run.returncode == 0, run.out
    assert not any(line.startswith("project") for line in run.header())


@pytest.mark.parametrize("locks", [["requirements.lock"], ["requirements.lock", "again=requirements.lock"]])
def test_a_cache_that_takes_no_sessions_is_named(project: SessionProject, cache_dir: Path, locks: list[str]) -> None:
    cache_dir.mkdir(parents=True)
    (cache_dir / "sessions").write_text("in the way")
    run = project.pytest(*(f"--envsync={lock}" for lock in locks))
    assert run.returncode != 0
    assert str(cache_dir / "sessions") in run.out
    assert "Traceback" not in run.out
    if len(locks) == 1:
        assert run.returncode == pytest.ExitCode.USAGE_ERROR


def test_a_module_that_is_missing_here_is_no_missing_engine(project: SessionProject) -> None:
    code = (
        "import sys, pytest\n"
        "sys.modules['pytest_envsync.pytest_plugin.inside.probe'] = None\n"
        "pytest.main(['--envsync', 'requirements.lock'])\n"
    )
    run = project.run(sys.executable, "-c", code)
    assert "pytest_envsync.pytest_plugin.inside.probe" in run.out
    assert "without the engine" not in run.out


def test_an_environment_of_ours_has_no_engine(project: SessionProject) -> None:
    command = [sys.executable, "-m", "pytest_envsync", "run", "requirements.lock", "--no-index"]
    command += ["--find-links", str(project.wheels), "--", "env", "-u", "ENVSYNC_SESSION", "pytest"]
    run = project.run(*command, "--envsync", "requirements.lock")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.out
    assert "without the engine" in run.out
