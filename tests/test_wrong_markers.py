"""A test whose ``envsync`` marker is wrong is one failed item with the reason, and the others run."""

from __future__ import annotations

from pathlib import Path

import pytest

from session_project import SessionProject


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with a lock for the session, one for markers, and a second one."""
    found = SessionProject(tmp_path)
    found.lock("requirements.lock", found.wheel("other"))
    found.lock("locks/demo.txt", found.wheel("demo"))
    found.lock("locks/more.txt", found.wheel("more"))
    return found


BAD = """\
import pytest

def test_good(): pass

@pytest.mark.parametrize('n', [1, 2])
@pytest.mark.envsync('locks/demo.txt')
def test_fine(synced_env, n): assert 'demo' in synced_env.packages

{mark}
{function}: raise SystemExit('a test that must not run')
"""


@pytest.mark.parametrize(
    ("mark", "function", "words"),
    [
        ("@pytest.mark.envsync('gone.txt')", "def test_bad(synced_env)", ["no lockfile `gone.txt`"]),
        ("@pytest.mark.envsync('locks/demo.txt', extra=['x'])", "def test_bad(synced_env)", ["`extra`", "`extras`"]),
        ("@pytest.mark.envsync(python=3)", "def test_bad(synced_env)", ["python=3"]),
        ("@pytest.mark.envsync(7)", "def test_bad(synced_env)", ["7"]),
        ("@pytest.mark.envsync('locks')", "def test_bad(synced_env)", ["`locks` is a directory, not a lockfile"]),
        (
            "@pytest.mark.envsync('locks/demo.txt', reinstall=True)",
            "def test_bad(synced_env)",
            ["`reinstall` is no option of a test's environment", "private=True"],
        ),
        (
            "@pytest.mark.envsync('locks/demo.txt', cache_dir='x')",
            "def test_bad(synced_env)",
            ["`cache_dir` is no option of a test's environment", "--envsync-cache-dir"],
        ),
        (
            "@pytest.mark.envsync('locks/demo.txt')",
            "def test_bad()",
            ["`test_bad` is marked", "does not request the fixture `synced_env`"],
        ),
        (
            "@pytest.mark.envsync(matrix=['locks/demo.txt', 'gone.txt'])",
            "def test_bad(synced_env)",
            ["no lockfile `gone.txt`"],
        ),
        ("@pytest.mark.envsync(matrix='locks/demo.txt')", "def test_bad(synced_env)", ["matrix='locks/demo.txt'"]),
        (
            "@pytest.mark.envsync('locks/demo.txt', link_mode='bogus')",
            "def test_bad(synced_env)",
            ["envsync: link_mode='bogus' is none of clone, copy, hardlink, symlink"],
        ),
    ],
)
def test_the_item_fails_with_the_reason_and_the_others_run(
    project: SessionProject, mark: str, function: str, words: list[str]
) -> None:
    project.write({"test_it.py": BAD.format(mark=mark, function=function)})
    run = project.pytest()
    assert run.returncode == 1, run.out
    assert run.outcomes == {"passed": 3, "error": 1}
    assert "ERROR at setup of test_bad" in run.stdout
    # Where pytest 8 counts decorators to the function.
    assert "\ntest_it.py:9: " in run.stdout or "\ntest_it.py:10: " in run.stdout
    for word in words:
        assert word in run.stdout
    assert "pytest_envsync" not in run.out
    assert "Traceback" not in run.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'locks/demo.txt', python='3.99'", ["3.99"]),
        ("'locks/pylock.toml', extras=['nope']", ["nope"]),
        ("'locks/demo.txt', extras=['nope']", ["extra"]),
        ("'locks/demo.txt', find_links='http://me:s3cret@[bad/simple'", ["`http://me:****@[bad/simple` is no valid"]),
        ("'locks/pylock.toml', 'locks/demo.txt'", ["pylock.toml"]),
        ("'locks/line.txt'", ["line.txt:1"]),
        ("'locks/bytes.txt'", ["bytes.txt"]),
        ("'locks/hash.txt'", ["hash.txt:1"]),
        ("'locks/uv.lock'", ["is the lock of another tool", "make a lock of it with `uv export"]),
        ("'locks/demo.in'", ["is the input of a lock, not a lock", "uv pip compile locks/demo.in --generate-hashes"]),
        ("'locks/demo.txt', 'locks/demo.in'", ["is the input of a lock, not a lock"]),
        ("'test_it.py'", ["is a Python file without inline metadata", "`test_it.py` is a test file"]),
        ("'locks/empty.txt'", ["empty.txt: nothing is required there", "--allow-empty-requirements"]),
    ],
)
def test_what_only_the_engine_sees_names_the_marker_too(
    project: SessionProject, arguments: str, words: list[str]
) -> None:
    project.write(
        {
            "locks/pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n',
            "locks/line.txt": "demo =! 1\n",
            "locks/bytes.txt": b"\xff\xfe\x00demo==\xff",
            "locks/hash.txt": f"demo==1.0 --hash=sha256:{'0' * 64}\n",
            "locks/uv.lock": "version = 1\n",
            "locks/demo.in": "demo\n",
            "locks/empty.txt": "# nothing\n",
            "test_it.py": BAD.format(mark=f"@pytest.mark.envsync({arguments})", function="def test_bad(synced_env)"),
        }
    )
    run = project.pytest()
    assert run.returncode == 1, run.out
    assert run.outcomes == {"passed": 3, "error": 1}
    reason = run.stdout.partition("ERROR at setup of test_bad")[2].splitlines()
    assert reason[1].replace(":10:", ":9:").startswith("test_it.py:9: envsync: ")
    for word in words:
        assert word in "\n".join(reason[1:3])
    assert "``" not in run.stdout
    assert "s3cret" not in run.out
    assert "Traceback" not in run.out


def test_the_default_of_the_fixture_is_a_lock_too(project: SessionProject) -> None:
    """The session refuses requirements that are not locked; a test's environment is made of them neither."""
    project.write({"requirements.in": "demo\n", "test_it.py": "def test_it(synced_env): raise SystemExit\n"})
    run = project.pytest("--envsync-file", "requirements.in")
    assert (run.returncode, run.outcomes) == (1, {"error": 1}), run.out
    assert "requirements.in` is the input of a lock, not a lock" in run.stdout
    assert "make a lock of it with `uv pip compile requirements.in --generate-hashes" in run.stdout


def test_collecting_only_says_it_too(project: SessionProject) -> None:
    mark = "@pytest.mark.envsync('gone.txt')"
    project.write({"test_it.py": BAD.format(mark=mark, function="def test_bad(synced_env)")})
    for words in (["--collect-only"], ["--collect-only", "-q"], ["--collect-only", "-W", "error"]):
        run = project.pytest(*words)
        assert run.returncode == 0, run.out
        assert "test_bad" in run.stdout
        assert "test_it.py:9: test_bad: envsync: there is no lockfile `gone.txt`" in run.stdout.replace(":10:", ":9:")
    # What is not selected is nobody's concern.
    assert "gone.txt" not in project.pytest("--collect-only", "-k", "good").out


def test_only_what_is_selected_fails(project: SessionProject) -> None:
    mark = "@pytest.mark.envsync('gone.txt')"
    project.write({"test_it.py": BAD.format(mark=mark, function="def test_bad(synced_env)")})
    run = project.pytest("-k", "good")
    assert run.returncode == 0, run.out
    # The skip comes first, as it does with a fixture that fails.
    skipped = "@pytest.mark.skip\n@pytest.mark.envsync('gone.txt')"
    project.write({"test_it.py": BAD.format(mark=skipped, function="def test_bad(synced_env)")})
    run = project.pytest("-k", "good or bad")
    assert run.returncode == 0, run.out
    assert run.outcomes["skipped"] == 1


@pytest.mark.parametrize(
    ("args", "outcomes"),
    [
        (["--envsync", "requirements.lock"], {"passed": 3, "error": 2}),
        (["-n", "2"], {"passed": 3, "error": 2}),
        (["--envsync", "requirements.lock", "-n", "2"], {"passed": 3, "error": 2}),
        (["-n", "2", "--dist", "loadgroup"], {"passed": 3, "error": 2}),
        (["--envsync", "requirements.lock", "--envsync", "locks/more.txt"], {"passed": 6, "error": 4}),
    ],
)
def test_everywhere_a_session_runs(project: SessionProject, args: list[str], outcomes: dict[str, int]) -> None:
    mark = "@pytest.mark.envsync('gone.txt')\n@pytest.mark.parametrize('x', 'ab')"
    project.write({"test_it.py": BAD.format(mark=mark, function="def test_bad(synced_env, x)")})
    run = project.pytest(*args)
    assert run.returncode == 1, run.out
    assert run.outcomes == outcomes
    assert "there is no lockfile `gone.txt`" in run.stdout
    assert "Traceback" not in run.out
