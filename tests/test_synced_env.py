"""``synced_env``, its marker and its factory, in plain sessions and in sessions inside."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from factories import sha256
from session_project import SessionProject, cached_environments, leases

SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with locks of demo 1.0 and demo 2.0."""
    found = SessionProject(tmp_path)
    entry_points = {"console_scripts": {"demo": "demo:main"}}
    code = (
        "import sys\nVERSION = '{v}'\n"
        "def main():\n    print('demo {v}', *sys.argv[1:])\n    return 3 if 'fail' in sys.argv else 0\n"
    )
    for version in ("1.0", "2.0"):
        wheel = found.wheel("demo", version, files={"demo.py": code.format(v=version)}, entry_points=entry_points)
        found.lock(f"locks/demo-{version[0]}.txt", wheel)
    found.lock("requirements.lock", found.wheel("other"))
    return found


def test_the_marker_gives_an_environment_and_moves_no_test(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {
            "test_it.py": (
                "import pathlib, sys, pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_it(synced_env):\n"
                "    env = synced_env\n"
                "    assert sys.prefix != str(env.path)\n"
                "    assert env.packages == {'demo': '1.0'}\n"
                "    assert env.python.is_file() and env.bin == env.python.parent\n"
                "    assert (env.site_packages / 'demo.py').is_file()\n"
                "    assert env.version == '.'.join(map(str, sys.version_info[:3]))\n"
                "    assert env.files == (pathlib.Path('locks/demo-1.txt').resolve(),)\n"
                "    assert env.created is True and len(env.key) >= 10\n"
                "    assert env.run('python', '-c', 'import demo; print(demo.VERSION)').stdout == '1.0\\n'\n"
                "    assert env.run('demo', 'hello').stdout == 'demo 1.0 hello\\n'\n"
                "    assert not env.diff()\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_again(synced_env):\n"
                "    assert synced_env.packages == {'demo': '1.0'}\n"
            )
        }
    )
    run = project.pytest("--strict-markers")
    assert run.returncode == 0, run.out
    assert run.outcomes == {"passed": 2}
    assert len(cached_environments(cache_dir)) == 1
    assert leases(cache_dir) == []
    again = project.pytest("-k", "again")
    assert again.returncode == 0, again.out


def test_in_a_session_inside_it_is_another_environment(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import os, sys, pytest, other\n"
                "@pytest.mark.envsync('locks/demo-2.txt')\n"
                "def test_it(synced_env):\n"
                "    assert synced_env.packages == {'demo': '2.0'}\n"
                "    shown = synced_env.run('python', '-c', 'import sys; print(sys.prefix); import demo').stdout\n"
                "    assert shown.strip() == str(synced_env.path) != sys.prefix\n"
                "    failed = synced_env.run('python', '-c', 'import other', check=False)\n"
                "    assert 'No module named' in failed.stderr\n"
                "def test_own(synced_env):\n"
                "    assert str(synced_env.path) == sys.prefix\n"
                "    assert synced_env.packages == {'other': '1.0'}\n"
                "    assert not synced_env.diff()\n"
            )
        }
    )
    run = project.pytest("--envsync", "requirements.lock")
    assert run.returncode == 0, run.out
    assert run.outcomes == {"passed": 2}


def test_the_variables_lead_nowhere_else(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import os, pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_it(synced_env, monkeypatch):\n"
                "    monkeypatch.setenv('MINE', 'x')\n"
                "    monkeypatch.setenv('PYTHONPATH', '/somewhere')\n"
                "    monkeypatch.setenv('PYTHONHOME', '/somewhere')\n"
                "    environ = synced_env.environ\n"
                "    assert environ['MINE'] == 'x'\n"
                "    assert environ['PATH'].split(os.pathsep)[0] == str(synced_env.bin)\n"
                "    assert not any('overlays' in entry for entry in environ['PATH'].split(os.pathsep))\n"
                "    assert environ['VIRTUAL_ENV'] == str(synced_env.path)\n"
                "    gone = {'PYTHONPATH', 'PYTHONHOME', 'ENVSYNC_SESSION'}\n"
                "    assert not [name for name in environ if name in gone or name.startswith('PYTEST_')]\n"
                '    code = \'import os; print(os.environ["MINE"], os.environ["EXTRA"])\'\n'
                "    assert synced_env.run('python', '-c', code, env={'EXTRA': 'y'}).stdout == 'x y\\n'\n"
            )
        }
    )
    for args in ([], ["--envsync", "requirements.lock"]):
        run = project.pytest(*args)
        assert run.returncode == 0, run.out


def test_a_command_that_fails_shows_its_end(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import subprocess, pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_it(synced_env, tmp_path):\n"
                "    code = \"print('\\\\n'.join(map(str, range(100)))); import sys; sys.exit('bad \\\\u00e9nd')\"\n"
                "    with pytest.raises(subprocess.CalledProcessError) as failed:\n"
                "        synced_env.run('python', '-X', 'utf8', '-c', code, cwd=tmp_path)\n"
                "    text = str(failed.value)\n"
                "    assert 'ended with 1' in text and 'bad \\u00e9nd' in text\n"
                "    assert '\\n60\\n' in text and '\\n59\\n' not in text\n"
                "    assert failed.value.returncode == 1\n"
                "    assert synced_env.run('demo', 'fail', check=False).returncode == 3\n"
                "    assert synced_env.run('python', '-c', 'print(input())', input='given').stdout == 'given\\n'\n"
                "    with pytest.raises(subprocess.TimeoutExpired):\n"
                "        synced_env.run('python', '-c', 'import time; time.sleep(60)', timeout=0.2)\n"
                "    with pytest.raises(FileNotFoundError, match='nonsense'):\n"
                "        synced_env.run('nonsense')\n"
            )
        }
    )
    run = project.pytest()
    assert run.returncode == 0, run.out


def test_the_closest_marker_wins(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "pytestmark = pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_module(synced_env): assert synced_env.packages == {'demo': '1.0'}\n"
                "def test_unmarked(): pass\n"
                "@pytest.mark.envsync('locks/demo-2.txt')\n"
                "class TestClass:\n"
                "    def test_class(self, synced_env): assert synced_env.packages == {'demo': '2.0'}\n"
                "    @pytest.mark.envsync('requirements.lock')\n"
                "    def test_function(self, synced_env): assert synced_env.packages == {'other': '1.0'}\n"
            )
        }
    )
    run = project.pytest()
    assert run.outcomes == {"passed": 4}, run.out


def test_default_files_and_the_warning_when_nobody_uses_them(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": "def test_it(synced_env): assert synced_env.packages == {'demo': '1.0', 'other': '1.0'}\n",
            "test_plain.py": "def test_plain(): pass\n",
        }
    )
    files = ["--envsync-file", "locks/demo-1.txt", "--envsync-file", "requirements.lock"]
    run = project.pytest(*files)
    assert run.returncode == 0, run.out
    assert "did you mean" not in run.stdout
    for extra in ([], ["-W", "error"]):
        unused = project.pytest(*files, "test_plain.py", *extra)
        assert unused.returncode == 0, unused.out
        assert "did you mean --envsync locks/demo-1.txt requirements.lock?" in unused.stdout
    project.write({"pytest.ini": "[pytest]\nenvsync_files = locks/demo-1.txt requirements.lock\n"})
    assert project.pytest("test_it.py").returncode == 0


def test_without_any_lock_the_test_fails_with_the_reason(project: SessionProject) -> None:
    project.write({"test_it.py": "def test_it(synced_env): pass\ndef test_other(): pass\n"})
    run = project.pytest()
    assert run.outcomes == {"passed": 1, "error": 1}, run.out
    assert "synced_env needs a lockfile" in run.stdout
    assert "--envsync-file" in run.stdout
    assert "Traceback" not in run.out
    assert "fixtures.py" not in run.stdout


def test_a_lock_that_cannot_be_had_fails_the_test_with_the_reason(project: SessionProject) -> None:
    project.write(
        {
            "locks/unfit.txt": "nowhere==1.0\n",
            "test_it.py": (
                "import pytest\n"
                "from pytest_envsync import EnvsyncError\n"
                "@pytest.mark.envsync('locks/unfit.txt')\n"
                "def test_it(synced_env): pass\n"
                "def test_factory(synced_env_factory):\n"
                "    with pytest.raises(EnvsyncError, match='nowhere'):\n"
                "        synced_env_factory('locks/unfit.txt')\n"
            ),
        }
    )
    run = project.pytest()
    assert run.outcomes == {"passed": 1, "error": 1}, run.out
    assert "nowhere" in run.stdout
    assert "Traceback" not in run.out


@pytest.mark.parametrize("place", ["in-the-way/cache", "in-the-way"])
def test_a_cache_directory_that_cannot_be_made_fails_the_test_with_the_reason(
    project: SessionProject, place: str
) -> None:
    project.write(
        {
            "in-the-way": "",
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_it(synced_env): pass\n"
                "def test_other(): pass\n"
            ),
        }
    )
    run = project.pytest(env={"ENVSYNC_CACHE_DIR": str(project.path / place)})
    assert run.returncode == 1, run.out
    assert run.outcomes == {"passed": 1, "error": 1}
    assert f"envsync: the cache directory `{project.path / place}` cannot be written" in run.stdout
    assert "hint: name another directory with --envsync-cache-dir or ENVSYNC_CACHE_DIR" in run.stdout
    assert "Error:" not in run.stdout


def test_relative_places_of_the_command_line_are_those_of_the_session(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_it(synced_env): assert synced_env.packages == {'demo': '1.0'}\n"
                "@pytest.mark.envsync('locks/demo-2.txt', find_links=['../wheels'])\n"
                "def test_marker(synced_env): assert synced_env.packages == {'demo': '2.0'}\n"
            )
        }
    )
    options = ["--envsync-option=--no-index", "--envsync-option=--find-links=../wheels"]
    for words in ([], ["--envsync", "requirements.lock"]):
        run = project.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, *words)
        assert run.returncode == 0, run.out


def test_a_matrix_parametrises(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync(matrix={'old': 'locks/demo-1.txt', 'new': 'locks/demo-2.txt'})\n"
                "@pytest.mark.parametrize('n', [1, 2])\n"
                "def test_it(synced_env, n, request):\n"
                "    name = 'old' if synced_env.packages['demo'] == '1.0' else 'new'\n"
                "    assert name in request.node.name\n"
                "@pytest.mark.envsync(matrix=['locks/demo-1.txt', 'locks/demo-2.txt'])\n"
                "class TestClass:\n"
                "    def test_class(self, synced_env): assert synced_env.packages['demo'] == '2.0'\n"
            )
        }
    )
    ids = project.pytest("--collect-only", "-q").stdout
    for name in ("[1-old]", "[2-new]", "test_class[demo-1]", "test_class[demo-2]"):
        assert name in ids
    run = project.pytest("-k", "old or demo-2")
    assert run.outcomes == {"passed": 3, "deselected": 3}, run.out


def test_declared_environments_have_names(project: SessionProject) -> None:
    project.write(
        {
            "pyproject.toml": (
                "[tool.envsync.environments]\n"
                "old = { files = ['locks/demo-1.txt'] }\n"
                "new = { files = ['locks/demo-2.txt'] }\n"
            ),
            "tests/test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('old')\n"
                "def test_one(synced_env): assert synced_env.packages == {'demo': '1.0'}\n"
                "@pytest.mark.envsync('*')\n"
                "def test_all(synced_env): assert 'demo' in synced_env.packages\n"
            ),
        }
    )
    for args in ([], ["--envsync", "new"]):
        run = project.pytest(*args, "tests")
        assert run.outcomes == {"passed": 3}, run.out


def test_the_factory(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "def test_it(synced_env_factory):\n"
                "    old, new = synced_env_factory('locks/demo-1.txt'), synced_env_factory('locks/demo-2.txt')\n"
                "    assert (old.packages['demo'], new.packages['demo']) == ('1.0', '2.0')\n"
                "    assert synced_env_factory('locks/demo-1.txt') is old\n"
                "    both = synced_env_factory('locks/demo-1.txt', 'requirements.lock')\n"
                "    assert set(both.packages) == {'demo', 'other'}\n"
            )
        }
    )
    run = project.pytest()
    assert run.returncode == 0, run.out


PRIVATE = """\
import os, pathlib, shutil, pytest

@pytest.mark.envsync("locks/demo-1.txt", private=True)
@pytest.mark.parametrize("n", [1, 2])
def test_harm(synced_env, n):
    demo = synced_env.site_packages / "demo.py"
    assert "1.0" in demo.read_text()
    with demo.open("a") as file:
        file.write("# more\\n")
    os.chmod(demo, 0o600)
    os.utime(demo, (0, 0))
    (synced_env.site_packages / "added.py").write_text("x = 1\\n")
    shutil.rmtree(synced_env.site_packages / "demo-1.0.dist-info")
    diff = synced_env.diff()
    assert any(path.endswith("added.py") for path in diff.files.added)
    assert diff.distributions.removed == {"demo": "1.0"}
    with open("places", "a") as file:
        file.write(f"{synced_env.path}\\n")
    assert synced_env.run("python", "-c", "import demo, added; print(added.x)").stdout == "1\\n"

@pytest.mark.envsync("locks/demo-1.txt")
def test_shared(synced_env):
    assert not synced_env.diff()
    assert not (synced_env.site_packages / "added.py").exists()
"""


def test_a_private_environment_may_be_changed_and_is_gone_afterwards(project: SessionProject) -> None:
    project.write({"test_it.py": PRIVATE})
    run = project.pytest()
    assert run.outcomes == {"passed": 3}, run.out
    assert "drift" not in run.stdout
    places = [Path(line) for line in (project.path / "places").read_text().splitlines()]
    assert len(places) == 2
    assert not any(place.exists() for place in places)
    again = project.pytest("-k", "shared")
    assert again.outcomes == {"passed": 1, "deselected": 2}, again.out


@pytest.mark.parametrize(
    ("policy", "passed", "kept"),
    [("all", True, True), ("failed", True, False), ("failed", False, True), ("none", False, False)],
)
def test_private_environments_are_kept_as_pytest_is_told(
    project: SessionProject,
    policy: str,
    passed: bool,  # noqa: FBT001 - a parameter of a table
    kept: bool,  # noqa: FBT001 - as above
) -> None:
    project.write(
        {
            "pytest.ini": f"[pytest]\ntmp_path_retention_policy = {policy}\n",
            "test_it.py": (
                "import pathlib, pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt', private=True)\n"
                "def test_it(synced_env):\n"
                "    pathlib.Path('place').write_text(str(synced_env.path))\n"
                f"    assert {passed}\n"
            ),
        }
    )
    project.pytest()
    assert Path((project.path / "place").read_text()).exists() is kept


def test_a_private_environment_can_be_synced(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "from pytest_envsync import EnvsyncError\n"
                "@pytest.mark.envsync('locks/demo-1.txt', private=True)\n"
                "def test_it(synced_env):\n"
                "    changes = synced_env.sync('locks/demo-2.txt', 'requirements.lock')\n"
                "    assert changes.installed == {'demo': '2.0', 'other': '1.0'}\n"
                "    assert changes.removed == {'demo': '1.0'}\n"
                "    assert synced_env.packages == {'demo': '2.0', 'other': '1.0'}\n"
                "    assert synced_env.run('demo').stdout == 'demo 2.0\\n'\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_shared(synced_env):\n"
                "    with pytest.raises(EnvsyncError, match='shared'):\n"
                "        synced_env.sync('locks/demo-2.txt')\n"
            )
        }
    )
    for args in ([], ["--envsync", "requirements.lock"]):
        run = project.pytest(*args)
        assert run.outcomes == {"passed": 2}, run.out


def test_only_a_test_itself_asks_for_hard_links_in_a_private_environment(
    project: SessionProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "def links(env): return (env.site_packages / 'demo.py').stat().st_nlink > 1\n"
                "@pytest.mark.envsync('locks/demo-1.txt', private=True, link_mode='hardlink')\n"
                "def test_asked(synced_env):\n"
                "    assert links(synced_env)\n"
                "    synced_env.sync('locks/demo-2.txt')\n"
                "    assert not links(synced_env)\n"
                "    synced_env.sync('locks/demo-1.txt', link_mode='hardlink')\n"
                "    assert links(synced_env)\n"
                "@pytest.mark.envsync('locks/demo-1.txt', private=True)\n"
                "def test_configured(synced_env):\n"
                "    assert not links(synced_env)\n"
                "    synced_env.sync('locks/demo-2.txt')\n"
                "    assert not links(synced_env)\n"
            )
        }
    )
    monkeypatch.setenv("UV_LINK_MODE", "hardlink")
    run = project.pytest()
    assert run.outcomes == {"passed": 2}, run.out


def test_what_a_test_changes_in_a_shared_environment_is_told_and_undone(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_harm(synced_env):\n"
                "    (synced_env.site_packages / 'added.py').write_text('')\n"
                "    assert synced_env.diff()\n"
            )
        }
    )
    run = project.pytest("--envsync-report", "report.json")
    assert run.returncode == 0, run.out
    assert "envsync drift" in run.stdout
    assert f" + {SITE}/added.py" in run.stdout.splitlines()
    failing = project.pytest("--envsync-drift", "fail")
    assert failing.returncode == 1, failing.out


def test_restore_undoes_at_once(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_it(synced_env):\n"
                "    (synced_env.site_packages / 'added.py').write_text('')\n"
                "    synced_env.restore()\n"
                "    assert not synced_env.diff()\n"
            )
        }
    )
    run = project.pytest()
    assert run.returncode == 0, run.out
    assert "drift" not in run.stdout


def test_only_selected_tests_are_provided_for(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync(matrix=['locks/demo-1.txt', 'locks/demo-2.txt'])\n"
                "def test_it(synced_env): pass\n"
                "def test_plain(): pass\n"
            )
        }
    )
    for args in (["--collect-only"], ["--fixtures"], ["--markers"], ["-k", "plain"], ["--setup-plan"]):
        assert project.pytest(*args).returncode == 0
        assert not (cache_dir / "environments").exists()
    assert project.pytest("-k", "demo-1").returncode == 0
    assert len(cached_environments(cache_dir)) == 1


def test_workers_share_one_environment(project: SessionProject, cache_dir: Path) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "@pytest.mark.parametrize('n', range(6))\n"
                "def test_it(synced_env, n): assert synced_env.packages == {'demo': '1.0'}\n"
            )
        }
    )
    for args in ([], ["--envsync", "requirements.lock"], ["--dist", "loadgroup"]):
        run = project.pytest("-n", "2", *args)
        assert run.returncode == 0, run.out
        assert run.outcomes == {"passed": 6}
    assert leases(cache_dir) == []
    assert len([path for path in cached_environments(cache_dir) if list(path.rglob("demo.py"))]) == 1


@pytest.mark.parametrize("matrix", [[], ["--envsync", "locks/demo-1.txt", "--envsync", "requirements.lock"]])
def test_tests_that_share_an_environment_stay_together(project: SessionProject, matrix: list[str]) -> None:
    project.write(
        {
            "test_it.py": (
                "import pathlib, sys, time, pytest\n"
                "@pytest.fixture\n"
                "def told(synced_env, worker_id):\n"
                "    with open('who', 'a') as file:\n"
                "        file.write(f'{sys.prefix} {synced_env.packages[\"demo\"]} {worker_id}\\n')\n"
                "    time.sleep(0.05)\n"
                "@pytest.mark.parametrize('n', range(8))\n"
                "@pytest.mark.envsync(matrix=['locks/demo-1.txt', 'locks/demo-2.txt'])\n"
                "def test_both(told, synced_env, n): pass\n"
                "@pytest.mark.parametrize('n', range(4))\n"
                "@pytest.mark.envsync('locks/demo-2.txt')\n"
                "def test_one(told, synced_env, n): pass\n"
                "@pytest.mark.xdist_group('mine')\n"
                "@pytest.mark.parametrize('n', range(4))\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_own_group(synced_env, n): pass\n"
            )
        }
    )
    run = project.pytest(*matrix, "-n", "6", "--dist", "loadgroup")
    assert run.outcomes == {"passed": 24 * (2 if matrix else 1)}, run.out
    rows = [tuple(line.split()) for line in (project.path / "who").read_text().splitlines()]
    workers = {
        (prefix, version): {row[2] for row in rows if row[:2] == (prefix, version)} for prefix, version, _ in rows
    }
    assert {len(found) for found in workers.values()} == {1}, workers
    assert len(workers) == (4 if matrix else 2)


def test_fixtures_and_markers_are_documented(project: SessionProject) -> None:
    fixtures = project.pytest("--fixtures").stdout
    assert "synced_env" in fixtures
    assert "synced_env_factory" in fixtures
    markers = project.pytest("--markers").stdout
    assert "@pytest.mark.envsync(*files, extras=()" in markers


def test_who_changed_a_shared_environment_is_named(project: SessionProject) -> None:
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "pytestmark = pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_good(synced_env): pass\n"
                "def test_harm(synced_env): (synced_env.site_packages / 'added.py').write_text('')\n"
            )
        }
    )
    run = project.pytest("--envsync-drift-trace")
    assert run.returncode == 0, run.out
    assert f" + {SITE}/added.py  (test_it.py::test_harm)" in run.stdout.splitlines()


def test_options_of_a_hook_count_for_every_environment(project: SessionProject) -> None:
    hook = f"def pytest_envsync_options(config): return {{'find_links': [{str(project.wheels)!r}], 'no_index': True}}\n"
    project.write(
        {
            "conftest.py": hook,
            "hooked.py": hook,
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt')\n"
                "def test_it(synced_env): assert synced_env.packages == {'demo': '1.0'}\n"
            ),
        }
    )
    plain = project.run(sys.executable, "-m", "pytest", "test_it.py")
    assert plain.returncode == 0, plain.out
    inside = project.run(sys.executable, "-m", "pytest", "-p", "hooked", "--envsync", "requirements.lock", "test_it.py")
    assert inside.returncode == 0, inside.out


def test_what_another_worker_made_was_made_in_this_session(project: SessionProject) -> None:
    test = (
        "import pytest\n"
        "@pytest.mark.envsync('locks/demo-1.txt')\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_it(synced_env, n, worker_id):\n"
        "    print('SEEN', worker_id, synced_env.created)\n"
    )
    project.write({"test_it.py": test})
    for made in ("True", "False"):
        run = project.pytest("-n", "2", "--dist", "load", "-rP")
        assert run.returncode == 0, run.out
        seen = [line.split() for line in run.stdout.splitlines() if line.startswith("SEEN")]
        assert {worker for _, worker, _ in seen} == {"gw0", "gw1"}
        assert [created for *_, created in seen] == [made, made]


def test_calls_that_mean_nothing_are_refused(project: SessionProject) -> None:
    test = (
        "import pytest\n"
        "def test_it(synced_env_factory):\n"
        "    own = synced_env_factory('locks/demo-1.txt', private=True)\n"
        "    for call, words in [\n"
        "        (lambda: own.sync('locks/demo-2.txt', dry_run=True), '`dry_run` is no option of `sync` here'),\n"
        "        (lambda: own.sync('locks/demo-2.txt', target='x'), '`target` is no option of `sync` here'),\n"
        "        (lambda: own.run(), '`run` was given no command'),\n"
        "        (lambda: synced_env_factory('locks/demo-1.txt', python=['3.11']), 'a call makes one environment'),\n"
        "        (lambda: synced_env_factory(matrix=['locks/demo-1.txt']), '`matrix` is for markers'),\n"
        "    ]:\n"
        "        with pytest.raises(Exception, match=words) as refused:\n"
        "            call()\n"
        "        assert type(refused.value).__name__ == 'EnvsyncError'\n"
        "    assert own.packages == {'demo': '1.0'}\n"
    )
    project.write({"test_it.py": test})
    run = project.pytest()
    assert (run.returncode, run.outcomes) == (0, {"passed": 1}), run.out


@pytest.mark.parametrize("how", ["line", "ini"])
def test_extras_of_the_session_are_those_of_its_own_lock(project: SessionProject, how: str) -> None:
    wheel = project.wheel("extra_only")
    project.write(
        {
            "pytest.ini": "[pytest]\n" + ("envsync_extra = cli\n" if how == "ini" else ""),
            "pylock.toml": 'lock-version = "1.0"\ncreated-by = "test"\nextras = ["cli"]\n[[packages]]\n'
            'name = "extra-only"\nversion = "1.0"\nmarker = "\'cli\' in extras"\n[[packages.wheels]]\n'
            f'path = "{wheel}"\nhashes = {{sha256 = "{sha256(wheel)}"}}\n',
            "test_it.py": "import pytest\n"
            "def test_own(synced_env): assert 'extra-only' in synced_env.packages\n"
            '@pytest.mark.envsync("requirements.lock")\n'
            "def test_other(synced_env): assert 'extra-only' not in synced_env.packages\n"
            '@pytest.mark.envsync("requirements.lock", extras=[])\n'
            "def test_none(synced_env): pass\n",
        }
    )
    more = ["--envsync-extra", "cli"] if how == "line" else []
    run = project.pytest("--envsync", "pylock.toml", *more)
    assert run.outcomes == {"passed": 3}, run.out


def test_nothing_is_restored_behind_a_link_in_the_place_of_a_private_environment(project: SessionProject) -> None:
    project.write(
        {
            "mine/sub/a.txt": "precious",
            "test_it.py": (
                "import pathlib, pytest\n"
                "@pytest.mark.envsync('locks/demo-1.txt', private=True)\n"
                "def test_it(synced_env):\n"
                "    mine = pathlib.Path(__file__).with_name('mine')\n"
                "    synced_env.path.rename(synced_env.path.with_name('away'))\n"
                "    synced_env.path.symlink_to(mine)\n"
                "    with pytest.raises(Exception, match='was replaced by a link'):\n"
                "        synced_env.restore()\n"
            ),
        }
    )
    run = project.pytest("test_it.py")
    assert run.returncode == 0, run.out
    mine = project.path / "mine"
    assert sorted(path.relative_to(mine).as_posix() for path in mine.rglob("*")) == ["sub", "sub/a.txt"]
