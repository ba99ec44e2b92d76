"""One session over several environments."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from session_project import PYTEST, Run, SessionProject, cached_environments, leases, other_interpreter

TESTS = """\
import sys, demo, pytest

def test_place():
    assert demo.__file__.startswith(sys.prefix)

@pytest.mark.parametrize("n", [1, 2])
def test_version(n):
    assert demo.VERSION == "1.0" or n == 1
"""

BOTH = ("--envsync", "low.txt", "--envsync", "high.txt")


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with a low lock of demo 1.0 and a high lock of demo 2.0."""
    found = SessionProject(tmp_path)
    found.lock("low.txt", found.wheel("demo", "1.0"))
    found.lock("high.txt", found.wheel("demo", "2.0"))
    found.write({"test_it.py": TESTS})
    return found


def cached(project: SessionProject, *args: str) -> list[str]:
    """Arguments with pytest's cache switched on again."""
    return ["-p", "cacheprovider", *args]


@pytest.mark.parametrize("workers", [[], ["-n", "1"], ["-n", "2"], ["-n", "3"]])
def test_each_test_runs_once_in_each_environment(project: SessionProject, cache_dir: Path, workers: list[str]) -> None:
    run = project.pytest(*BOTH, *workers, "-rA", "--envsync-report", "report.json")
    assert run.returncode == 1, run.out
    assert run.outcomes == {"passed": 5, "failed": 1}
    shown = [line.split()[1] for line in run.stdout.splitlines() if line.startswith(("PASSED ", "FAILED "))]
    assert sorted(shown) == [
        "test_it.py::test_place[high]",
        "test_it.py::test_place[low]",
        "test_it.py::test_version[1-high]",
        "test_it.py::test_version[1-low]",
        "test_it.py::test_version[2-high]",
        "test_it.py::test_version[2-low]",
    ]
    assert "test_version[2-high]" in next(line for line in run.stdout.splitlines() if line.startswith("FAILED"))
    report = project.report()
    assert report["exitstatus"] == 1
    assert [(row["name"], row["outcomes"], row["error"]) for row in report["environments"]] == [
        ("low", {"passed": 3}, None),
        ("high", {"passed": 2, "failed": 1}, None),
    ]
    assert leases(cache_dir) == []
    assert list((cache_dir / "sessions").iterdir()) == []


def test_the_header_and_the_table(project: SessionProject) -> None:
    run = project.pytest(*BOTH)
    header = run.header()
    assert header[0] == "2 environments"
    assert any(line.startswith("low: low.txt -> ") for line in header)
    assert any(line.startswith("high: high.txt -> ") for line in header)
    lines = [line.split() for line in run.stdout.splitlines()]
    assert ["low", "high"] in lines
    assert ["test_it.py::test_version[2]", "passed", "failed"] in lines
    assert "the same in all 2: 2 passed" in run.stdout
    assert "run the failures again: pytest" in run.stdout


def test_without_n_the_environments_take_turns(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import demo, time\n"
                "def note(word):\n"
                "    with open('order', 'a') as file: file.write(f'{demo.VERSION} {word}\\n')\n"
                "def test_one():\n"
                "    note('begins'); time.sleep(0.3); note('ends')\n"
                "def test_two(): note('two')\n"
            )
        }
    )
    run = project.pytest(*BOTH)
    assert run.returncode == 0, run.out
    order = (project.path / "order").read_text().split("\n")[:-1]
    assert order == [f"{version} {word}" for version in ("1.0", "2.0") for word in ("begins", "ends", "two")]


@pytest.mark.parametrize("args", [[], ["-q"], ["-v"]])
def test_workers_that_come_up_late_stay_out_of_the_progress(project: SessionProject, args: list[str]) -> None:
    run = project.pytest(*BOTH, *args)
    assert run.outcomes == {"passed": 5, "failed": 1}, run.out
    lines = run.stdout.splitlines()
    begun = next(number for number, line in enumerate(lines) if line.startswith(".") or "PASSED" in line)
    told = [line for line in lines[begun:] if "bringing up" in line or "collecting:" in line or "workers [" in line]
    assert told == []
    assert not any("PASSED" in line and "Python 3" in line for line in lines)


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_progress_does_not_go_back(project: SessionProject, workers: list[str]) -> None:
    """The environments that come later have not collected when the first tests run."""
    run = project.pytest(*BOTH, "--envsync", "third=low.txt", "-v", *workers)
    assert run.outcomes["passed"] >= 7, run.out
    shares = [int(found) for found in re.findall(r"\[ *(\d+)%\]", run.stdout)]
    assert shares == sorted(shares)
    assert (len(shares), shares.count(100)) == (9, 1)


@pytest.mark.parametrize("dist", ["load", "loadscope", "loadfile", "loadgroup", "worksteal"])
def test_dist_keeps_its_meaning_inside_each(project: SessionProject, dist: str) -> None:
    project.write(
        {
            f"test_{name}.py": (
                "import demo, pytest\n"
                "@pytest.mark.parametrize('n', range(5))\n"
                "def test_it(n, worker_id):\n"
                "    with open('who', 'a') as file: file.write(f'{demo.VERSION} {__name__} {worker_id}\\n')\n"
            )
            for name in ("it", "a", "b")
        }
    )
    run = project.pytest(*BOTH, "-n", "4", "--dist", dist)
    assert run.returncode == 0, run.out
    assert run.outcomes == {"passed": 30}
    rows = {tuple(line.split()) for line in (project.path / "who").read_text().splitlines()}
    by_worker = {worker: {row[0] for row in rows if row[2] == worker} for *_, worker in rows}
    assert all(len(versions) == 1 for versions in by_worker.values())
    if dist in {"loadscope", "loadfile"}:
        assert len({(version, module) for version, module, _ in rows}) == len(rows)


@pytest.mark.parametrize(("args", "word"), [(["--dist", "each"], "--dist each"), (["--tx", "popen"], "--tx")])
def test_what_makes_no_sense_is_wrong_usage(project: SessionProject, args: list[str], word: str) -> None:
    run = project.pytest(*BOTH, *args)
    assert run.returncode == 4, run.out
    assert word in run.stderr


def test_two_interpreters(project: SessionProject) -> None:
    other = other_interpreter()
    minor = other.name.removeprefix("python")
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    project.write({"test_it.py": "import sys\ndef test_it(): print(sys.version_info)\n"})
    run = project.pytest(
        "--envsync", "low.txt", "--envsync-python", own, "--envsync-python", minor, "-n", "2", "-rA",
        "--envsync-report", "report.json",
    )  # fmt: skip
    assert run.returncode == 0, run.out
    assert [row["name"] for row in project.report()["environments"]] == [f"py{own}", f"py{minor}"]
    assert f"test_it.py::test_it[py{own}]" in run.stdout
    assert f"test_it.py::test_it[py{minor}]" in run.stdout
    assert run.outcomes == {"passed": 2}


def test_what_pytest_rewrites_on_another_interpreter_is_no_drift(project: SessionProject) -> None:
    """Both environments are compared by one process, and the header of bytecode is each interpreter's own."""
    minor = other_interpreter().name.removeprefix("python")
    project.wheel(
        "pytest-thing",
        files={"pytest_thing.py": "def pytest_report_header():\n    assert True\n"},
        entry_points={"pytest11": {"thing": "pytest_thing"}},
    )
    project.lock("low.txt", pins=["pytest-thing==1.0"])
    project.write({"test_it.py": "def test_it(): pass\n"})
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    both = ["--envsync-python", own, "--envsync-python", minor]
    for _ in range(2):
        run = project.pytest("--envsync", "low.txt", *both, "--envsync-drift", "fail", "-n", "2")
        assert run.returncode == 0, run.out
        assert "repaired" not in run.stdout


def test_keywords_and_names(project: SessionProject) -> None:
    run = project.pytest("--envsync", "old=low.txt", "--envsync", "new=high.txt", "-k", "old and version", "-rA")
    assert run.outcomes["passed"] == 2, run.out
    assert "test_version[1-old]" in run.stdout
    assert "-new]" not in run.stdout


@pytest.mark.parametrize(
    ("pasted", "passed"),
    [
        (["test_it.py::test_place[low]"], 1),
        (["test_it.py::test_version[1-high]"], 1),
        (["test_it.py::test_version[1-high]", "test_it.py::test_place[low]"], 2),
        (["test_it.py::test_version[1]"], 2),
        (["test_it.py::test_place[low]", "test_it.py::test_place"], 2),
    ],
)
def test_a_pasted_id_selects_that_test_there(project: SessionProject, pasted: list[str], passed: int) -> None:
    run = project.pytest(*BOTH, *pasted, "-rA")
    assert run.returncode == 0, run.out
    assert run.outcomes["passed"] == passed
    for nodeid in pasted:
        assert nodeid.removesuffix("]") in run.stdout


def passed_of(run: Run) -> list[str]:
    """The ids that the summary says passed, also of environments in turn."""
    return sorted(line.split()[1] for line in run.stdout.splitlines() if line.startswith("PASSED "))


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_an_id_may_be_said_by_another_path_and_deselected(project: SessionProject, workers: str) -> None:
    """IDEs paste absolute paths; ``--deselect`` takes ids by their beginning."""
    project.write({"test_it.py": "def test_a(): pass\ndef test_ab(): pass\n"})
    for path in ("./test_it.py", str(project.path / "test_it.py"), "../" + project.path.name + "/test_it.py"):
        run = project.pytest(*BOTH, workers, f"{path}::test_a[low]", "-rA")
        assert passed_of(run) == ["test_it.py::test_a[low]"], run.out
    run = project.pytest(*BOTH, workers, "--deselect", "test_it.py::test_a[low]", "-rA")
    assert passed_of(run) == ["test_it.py::test_a[high]", *(f"test_it.py::test_ab[{name}]" for name in ("high", "low"))]


def test_last_failed_runs_the_failures_where_they_were(project: SessionProject) -> None:
    def run(*args: str) -> dict[str, int]:
        command = [sys.executable, "-m", "pytest", *project.offline(), *BOTH, *args]
        found = project.run(*command).outcomes
        found.pop("deselected", None)
        return found

    assert run() == {"passed": 5, "failed": 1}
    assert run("--lf") == {"failed": 1}
    assert run("--ff", "-n", "2") == {"passed": 5, "failed": 1}
    project.write({"test_it.py": TESTS.replace('== "1.0" or n == 1', "in ('1.0', '2.0')")})
    assert run("--lf") == {"passed": 1}


def test_maxfail_ends_the_session_everywhere(project: SessionProject) -> None:
    project.write(
        {"test_it.py": "import time\ndef test_a(): assert 0\ndef test_b(): assert 0\ndef test_c(): assert 0\n"}
    )
    run = project.pytest(*BOTH, "-x", "--envsync-report", "report.json")
    assert run.returncode == 1, run.out
    assert project.report()["exitstatus"] == 1
    assert run.outcomes["failed"] < 4
    assert "stopping after 1 failures" in run.stdout


def test_junit_has_unique_ids_and_says_where(project: SessionProject) -> None:
    project.pytest(*BOTH, "-n", "2", "--junitxml", "junit.xml", "--durations=2")
    cases = list(ET.parse(project.path / "junit.xml").iter("testcase"))  # noqa: S314 - written by this test
    assert len(cases) == 6
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == 6
    properties = {row.get("name"): row.get("value") for case in cases for row in case.iter("property")}
    assert properties["envsync.environment"] in {"low", "high"}
    assert "envsync.python" in properties


def test_an_environment_that_cannot_be_made_is_one_error_and_the_others_finish(project: SessionProject) -> None:
    project.write({"unfit.txt": "nowhere==1.0\n", "test_it.py": "import demo\ndef test_it(): pass\n"})
    run = project.pytest("--envsync", "unfit.txt", *BOTH, "--envsync-report", "report.json")
    assert run.returncode == 1, run.out
    assert run.outcomes == {"passed": 2}
    assert any(line.startswith("unfit: not there:") for line in run.header())
    assert any(line.startswith("unfit: ") and "nowhere" in line for line in run.stdout.splitlines())
    rows = project.report()["environments"]
    assert [bool(row["error"]) for row in rows] == [True, False, False]


def test_no_environment_at_all_is_wrong_usage(project: SessionProject) -> None:
    project.write({"unfit.txt": "nowhere==1.0\n", "worse.txt": "nowhere==2.0\n"})
    run = project.pytest("--envsync", "unfit.txt", "--envsync", "worse.txt", "--envsync-report", "report.json")
    assert run.returncode == 4, run.out
    assert "unfit: " in run.stderr
    assert "worse: " in run.stderr
    assert len(project.report()["environments"]) == 2


def test_an_environment_that_cannot_host_pytest_is_one_error(project: SessionProject) -> None:
    project.lock("old.txt", project.wheel("demo", "1.0"), project.wheel("pluggy", "1.0.0"))
    broken = project.wheel("iniconfig", "9.0", files={"iniconfig.py": "raise RuntimeError('broken here')\n"})
    project.lock("broken.txt", project.wheel("demo", "1.0"), broken)
    project.write({"test_it.py": "import demo\ndef test_it(): pass\n"})
    run = project.pytest("--envsync", "old.txt", "--envsync", "broken.txt", "--envsync", "high.txt")
    assert run.returncode == 1, run.out
    assert run.outcomes == {"passed": 1}
    assert run.stdout.count("cannot host pytest") >= 2
    assert "broken here" in run.stdout


def test_without_an_overlay_a_matrix_needs_xdist_in_each_lock(project: SessionProject) -> None:
    wheels = project.repacked(*PYTEST)
    for name, version in (("low.txt", "1.0"), ("high.txt", "2.0")):
        project.lock(name, project.wheel("demo", version), *wheels)
    project.write({"test_it.py": "import demo\ndef test_it(): pass\n"})
    run = project.pytest(*BOTH, "--envsync-no-overlay")
    assert run.returncode == 4, run.out
    assert "low.txt holds no pytest-xdist" in run.stderr
    assert "-p no:xdist" in run.stderr
    in_turn = project.pytest(*BOTH, "--envsync-no-overlay", "-p", "no:xdist")
    assert in_turn.returncode == 0, in_turn.out


def test_a_conftest_that_fails_in_one_environment_is_its_error(project: SessionProject) -> None:
    project.write(
        {
            "conftest.py": "import demo\nif demo.VERSION == '2.0': raise RuntimeError('not with\\nthis one')\n",
            "test_it.py": "def test_it(): pass\n",
        }
    )
    for more in ([], ["-n", "4"], ["-v"]):
        run = project.pytest(*BOTH, *more, "--envsync-report", "report.json")
        assert run.returncode == 1, run.out
        assert run.outcomes == {"passed": 1}
        (line,) = (line for line in run.stdout.splitlines() if line.startswith("high: no worker could start in it: "))
        place = project.path / "conftest.py"
        assert line.endswith(f"in it: `{place}` cannot be loaded: RuntimeError: not with")
        assert ("Traceback" in run.out) is (more == ["-v"])
        rows = project.report()["environments"]
        assert [bool(row["error"]) for row in rows] == [False, True]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be replaced there")
@pytest.mark.parametrize("module", [True, False])
def test_a_conftest_that_fails_in_the_first_environment_is_its_error_too(
    project: SessionProject,
    cache_dir: Path,
    module: bool,  # noqa: FBT001 - a table
) -> None:
    project.write(
        {
            "conftest.py": "import demo\nif demo.VERSION == '1.0': raise RuntimeError('not with this one')\n",
            "test_it.py": "import demo\ndef test_it(): assert demo.VERSION == '2.0'\n",
            "runner.py": "import sys, pytest\nstatus = pytest.main(sys.argv[1:])\nprint('status', int(status))\n",
        }
    )
    for workers in ([], ["-n", "3"]):
        run = project.pytest(*BOTH, *workers, "--envsync-report", "report.json", module=module)
        assert run.returncode == 1, run.out
        assert run.outcomes == {"passed": 1}
        assert any(
            line.startswith("low: ") and line.endswith("cannot be loaded: RuntimeError: not with this one")
            for line in run.stdout.splitlines()
        ), run.out
        rows = project.report()["environments"]
        assert [(row["name"], row["outcomes"]) for row in rows] == [("low", {}), ("high", {"passed": 1})]
        assert "not with this one" in rows[0]["error"]
        assert rows[1]["error"] is None
    in_child = project.run(sys.executable, "runner.py", *BOTH, *project.offline())
    assert in_child.stdout.splitlines()[-1] == "status 1", in_child.out
    assert leases(cache_dir) == []
    assert list((cache_dir / "sessions").iterdir()) == []

    # One that no environment can load is wrong usage, as ever.
    project.write({"conftest.py": "raise RuntimeError('nowhere')\n"})
    nowhere = project.pytest(*BOTH, module=module)
    assert nowhere.returncode == 4, nowhere.out
    assert "nowhere" in nowhere.stderr
    assert leases(cache_dir) == []


def test_a_worker_that_crashes_is_replaced_and_the_crash_named(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import demo, os\n"
                "def test_a(): pass\n"
                "def test_crash():\n"
                "    if demo.VERSION == '2.0': os._exit(3)\n"
                "def test_b(): pass\n"
                "def test_c(): pass\n"
            )
        }
    )
    for workers in ([], ["-n", "2"]):
        run = project.pytest(*BOTH, *workers)
        assert run.returncode == 1, run.out
        assert run.outcomes == {"passed": 7, "failed": 1}
        assert "FAILED test_it.py::test_crash[high]" in run.stdout


def test_collections_may_differ(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import demo, pytest\n"
                "@pytest.mark.parametrize('n', range(int(demo.VERSION[0])))\n"
                "def test_it(n): pass\n"
                "if demo.VERSION == '2.0':\n"
                "    def test_more(): pass\n"
            )
        }
    )
    for workers in ([], ["-n", "4"]):
        run = project.pytest(*BOTH, *workers)
        assert run.returncode == 0, run.out
        assert run.outcomes == {"passed": 4}
        assert "test_it.py::test_more" in run.stdout


def test_a_module_that_cannot_be_collected_in_one_environment(project: SessionProject) -> None:
    project.write({"test_it.py": "import demo\nassert demo.VERSION == '1.0'\ndef test_it(): pass\n"})
    project.write({"test_bad.py": "import absent\n"})
    run = project.pytest(*BOTH)
    assert run.returncode != 0
    assert "in the environment high:" in run.stdout
    assert run.stdout.count("No module named 'absent'") >= 2


def test_nothing_collected_anywhere(project: SessionProject) -> None:
    assert project.pytest(*BOTH, "-k", "nothing").returncode == 5
    run = project.pytest(*BOTH, "-k", "low")
    assert run.returncode == 0, run.out


@pytest.mark.parametrize("named", ["test_it.py::test_absent", "absent.py"])
def test_what_no_environment_has_is_wrong_usage(project: SessionProject, named: str) -> None:
    for workers in ([], ["-n", "2"]):
        run = project.pytest(*BOTH, named, *workers)
        assert run.returncode == 4, run.out
        assert f"ERROR: not found in any environment: {named}" in run.stdout
    project.write({"test_new.py": "import demo\nif demo.VERSION == '2.0':\n    def test_new(): pass\n"})
    somewhere = project.pytest(*BOTH, "test_new.py::test_new")
    assert somewhere.returncode == 0, somewhere.out
    assert somewhere.outcomes == {"passed": 1}


def test_coverage_is_combined(project: SessionProject) -> None:
    project.write(
        {
            "mine.py": (
                "import demo\n\n\n"
                "def which():\n    if demo.VERSION == '1.0':\n        return 'low'\n    return 'high'\n"
            ),
            "test_it.py": "import mine\ndef test_it(): assert mine.which()\n",
        }
    )
    for workers in ([], ["-n", "2"]):
        run = project.pytest(*BOTH, *workers, "--cov=mine", "--cov-report=term")
        assert run.returncode == 0, run.out
        assert [line.split()[-1] for line in run.stdout.splitlines() if line.startswith("mine.py")] == ["100%"]


def test_drift_is_told_for_each_environment(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import demo, pathlib\n"
                "def test_it():\n"
                "    if demo.VERSION == '2.0': pathlib.Path(demo.__file__).with_name('added.py').write_text('')\n"
            )
        }
    )
    run = project.pytest(*BOTH, "-n", "2", "--envsync-drift", "fail", "--envsync-report", "report.json")
    assert run.returncode == 1, run.out
    assert "high.txt -> " in run.stdout.partition("envsync drift")[2]
    assert [bool(row["drift"]) for row in project.report()["environments"]] == [False, True]


@pytest.mark.parametrize(
    ("args", "passed"),
    [
        (["-s"], 1),
        (["-n", "0"], 1),
        (["--pdb"], 1),
        (["-p", "no:xdist"], 1),
        (["--collect-only"], 0),
        (["--setup-show"], 1),
    ],
)
def test_environments_own_the_terminal_in_turn(project: SessionProject, args: list[str], passed: int) -> None:
    project.write({"test_it.py": "import demo\ndef test_it(): print('version', demo.VERSION)\n"})
    run = project.pytest(*BOTH, *args, "--envsync-report", "report.json")
    assert run.returncode == 0, run.out
    assert "envsync: low\n" in run.stdout
    assert "envsync: high\n" in run.stdout
    if args == ["-s"]:
        assert "version 1.0" in run.stdout
        assert "version 2.0" in run.stdout
    outcomes = [row["outcomes"] for row in project.report()["environments"]]
    assert outcomes == [{"passed": passed} if passed else {}] * 2


@pytest.mark.parametrize("args", [["-s"], ["-s", "-n", "2"], ["-p", "no:xdist"]])
def test_reports_of_environments_in_turn_are_as_those_of_a_matrix(project: SessionProject, args: list[str]) -> None:
    run = project.pytest(*cached(project, *BOTH, *args, "--junitxml", "junit.xml", "--envsync-report", "report.json"))
    assert run.returncode == 1, run.out
    assert "FAILED test_it.py::test_version[2-high]" in run.stdout
    outcomes = [row["outcomes"] for row in project.report()["environments"]]
    assert outcomes == [{"passed": 3}, {"passed": 2, "failed": 1}]
    root = ET.parse(project.path / "junit.xml").getroot()  # noqa: S314 - pytest wrote it a moment ago
    names = [case.get("name") for case in root.iter("testcase")]
    assert sorted(map(str, names)) == [
        "test_place[high]", "test_place[low]", "test_version[1-high]", "test_version[1-low]",
        "test_version[2-high]", "test_version[2-low]",
    ]  # fmt: skip
    where = {case.get("name"): value(case, "envsync.environment") for case in root.iter("testcase")}
    assert (where["test_place[low]"], where["test_place[high]"]) == ("low", "high")

    # One after another, each knows its own failures and keeps those of the others.
    again = project.pytest(*cached(project, *BOTH, *args, "--lf"))
    assert again.returncode == 1, again.out
    assert "test_version[2-high]" in again.stdout
    assert "1 failed" in again.stdout
    assert "passed" not in again.stdout.replace("deselected", "")
    # A matrix knows them too.
    known = project.pytest(*cached(project, *BOTH, "--lf"))
    assert (known.outcomes["failed"], known.outcomes.get("passed")) == (1, None), known.out


@pytest.mark.parametrize("cache", ["cacheprovider", "no:cacheprovider"])
def test_the_command_at_the_end_runs_the_failures_again(project: SessionProject, cache: str) -> None:
    run = project.pytest("-p", cache, *BOTH, "test_it.py", "-n", "2")
    assert run.outcomes["failed"] == 1, run.out
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("run the failures again: "))
    again = project.run(sys.executable, "-m", *shlex.split(line.partition(": ")[2]))
    assert again.returncode == 1, again.out
    assert "test_version[2-high]" in again.stdout
    assert (again.outcomes["failed"], again.outcomes.get("passed")) == (1, None), again.out


def test_without_a_summary_what_could_not_be_had_is_told_all_the_same(project: SessionProject) -> None:
    project.lock("bad.txt", pins=["absent==1"])
    run = project.pytest(*BOTH, "--envsync", "bad.txt", "--no-summary")
    assert run.returncode == 1, run.out
    assert "bad: not there: " in run.stdout
    assert "run the failures again" not in run.stdout
    assert "the same in all" not in run.stdout


@pytest.mark.parametrize("name", ["xdist", "xdist.plugin"])
def test_plugins_that_are_named_one_by_one(project: SessionProject, name: str) -> None:
    named = ["-p", "envsync", "-p", name]
    run = project.pytest(*named, *BOTH, "-n", "2", env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    assert run.outcomes == {"passed": 5, "failed": 1}, run.out


@pytest.mark.parametrize(("args", "failed"), [(["-s", "-x"], 1), (["-s"], 2)])
def test_the_first_failure_ends_environments_in_turn(project: SessionProject, args: list[str], failed: int) -> None:
    project.write({"test_it.py": "def test_it(): assert 0\n"})
    run = project.pytest(*BOTH, *args)
    assert run.returncode == 1, run.out
    assert run.stdout.count("FAILED test_it.py::test_it[") == failed


def test_coverage_of_environments_in_turn_is_combined(project: SessionProject) -> None:
    project.write(
        {
            "lib.py": "def f(new):\n    if new:\n        return 1\n    return 2\n",
            "test_it.py": "import demo, lib\ndef test_it(): assert lib.f(demo.VERSION == '2.0')\n",
        }
    )
    run = project.pytest(*BOTH, "-s", "--cov=lib", "--cov-report=term")
    assert run.returncode == 0, run.out
    totals = [line.split()[-1] for line in run.stdout.splitlines() if line.startswith("lib.py")]
    assert totals == ["75%", "100%"]


def value(case: ET.Element, name: str) -> str | None:
    """The property of a test case."""
    return next((found.get("value") for found in case.iter("property") if found.get("name") == name), None)


def test_questions_are_answered_by_the_first(project: SessionProject, cache_dir: Path) -> None:
    run = project.pytest(*BOTH, "--markers")
    assert run.returncode == 0, run.out
    assert "@pytest.mark.envsync" in run.stdout
    assert len(cached_environments(cache_dir)) == 1


def test_the_ini_file_may_hold_the_matrix(project: SessionProject) -> None:
    project.write(
        {
            "pytest.ini": "[pytest]\nenvsync = low* new=high.txt\n",
            "pyproject.toml": "[tool.envsync.environments]\nlower = { files = ['low.txt'] }\n",
        }
    )
    run = project.pytest("-rA", "-k", "place")
    assert run.returncode == 0, run.out
    assert "test_it.py::test_place[lower]" in run.stdout
    assert "test_it.py::test_place[new]" in run.stdout


def test_pytest_main_gets_the_status_of_a_matrix(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {"runner.py": "import sys, pytest\nstatus = pytest.main(sys.argv[1:])\nprint('status', int(status))\n"}
    )
    run = project.run(sys.executable, "runner.py", *BOTH, *project.offline())
    assert run.stdout.splitlines()[-1] == "status 1", run.out
    assert run.outcomes == {"passed": 5, "failed": 1}
    assert leases(cache_dir) == []


def test_synced_env_in_a_matrix(project: SessionProject, cache_dir: Path) -> None:
    project.lock("other.txt", project.wheel("other"))
    project.write(
        {
            "test_it.py": (
                "import sys, pytest\n"
                "@pytest.mark.envsync('other.txt')\n"
                "def test_other(synced_env): assert synced_env.packages == {'other': '1.0'}\n"
                "def test_own(synced_env): assert str(synced_env.path) == sys.prefix\n"
            )
        }
    )
    run = project.pytest(*BOTH, "-n", "2")
    assert run.returncode == 0, run.out
    assert run.outcomes == {"passed": 4}
    assert leases(cache_dir) == []


def test_two_names_that_clash_are_wrong_usage(project: SessionProject) -> None:
    run = project.pytest("--envsync", "x=low.txt", "--envsync", "x=high.txt")
    assert run.returncode == 4
    assert "`x`" in run.stderr


ODD_WARNING = """\
class OddWarning(UserWarning):
    def __init__(self, what, /, *more):
        super().__init__(what, *more)

    def __str__(self):
        return f"mind {self.args[0]}"
"""


@pytest.mark.parametrize("args", [[], ["-n", "2"], ["-n", "2", "-p", "no:warnings"], ["-W", "error::UserWarning"]])
@pytest.mark.parametrize(
    "at_the_first",
    [
        None,
        "",
        "OddWarning = print\n",
        "raise SystemExit(3)\n",
        "import pytest\npytest.skip('not this one', allow_module_level=True)\n",
        "class OddWarning(UserWarning):\n    def __init__(self, *args): raise ValueError('other arguments')\n",
    ],
    ids=["no-module", "no-class", "no-warning", "exits", "skips", "other-arguments"],
)
def test_a_warning_whose_class_the_first_environment_lacks_is_shown(
    project: SessionProject, args: list[str], at_the_first: str | None
) -> None:
    low = {} if at_the_first is None else {"oddities.py": at_the_first}
    project.lock("low.txt", project.wheel("odd", "1.0", files={"odd.py": "NEW = False\n", **low}))
    project.lock("high.txt", project.wheel("odd", "2.0", files={"odd.py": "NEW = True\n", "oddities.py": ODD_WARNING}))
    project.write(
        {
            "test_it.py": (
                "import warnings, odd\n"
                "def test_odd():\n"
                "    if odd.NEW:\n"
                "        from oddities import OddWarning\n"
                "        warnings.warn(OddWarning('the gap'))\n"
                "def test_plain(): pass\n"
            )
        }
    )
    run = project.pytest(*BOTH, *args)
    assert "INTERNALERROR" not in run.out
    if "-W" in args:
        assert (run.returncode, run.outcomes) == (1, {"passed": 3, "failed": 1}), run.out
        assert "FAILED test_it.py::test_odd[high]" in run.stdout
    elif "no:warnings" in args:
        assert (run.returncode, run.outcomes) == (0, {"passed": 4}), run.out
    else:
        assert (run.returncode, run.outcomes) == (0, {"passed": 4, "warning": 1}), run.out
        assert re.search(r"test_it\.py:5: (oddities\.)?OddWarning: .*mind the gap", run.stdout), run.stdout
