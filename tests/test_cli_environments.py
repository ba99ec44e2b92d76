"""``envsync run``, ``env`` and ``cache``, and what sessions ask of the engine: real processes."""

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

from conftest import Envsync
from factories import nest

PRINT = "import demo, sys; print(demo.__file__); print(sys.prefix)"


def environments(envsync: Envsync) -> list[dict[str, Any]]:
    """The rows of ``env list``."""
    rows: list[dict[str, Any]] = json.loads(envsync("env", "list", "--output-format", "json").stdout)["environments"]
    return rows


# -- run


def test_a_command_runs_in_the_environment_of_the_files(envsync: Envsync, demo: Path, cache_dir: Path) -> None:
    first = envsync("run", demo.name, "--", "python", "-c", PRINT)
    assert first.returncode == 0, first.stderr
    module, prefix = first.stdout.splitlines()
    assert module.startswith(prefix)
    assert prefix.startswith(str(cache_dir))
    second = envsync("run", demo.name, "--", "python", "-c", PRINT)
    assert (second.stdout, second.stderr) == (first.stdout, "")


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_status_is_the_one_of_the_command(envsync: Envsync, demo: Path, code: str, status: int) -> None:
    assert envsync("run", demo.name, "--", "python", "-c", code).returncode == status


def test_streams_and_arguments_are_passed_on(envsync: Envsync, demo: Path) -> None:
    code = "import sys; print(sys.stdin.read(), sys.argv[1:])"
    result = envsync("run", demo.name, "--", "python", "-c", code, "--", "-h", text="typed")
    assert result.stdout == "typed ['--', '-h']\n"


def test_nothing_of_other_interpreters_reaches_the_command(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ.get('PYTHONPATH'), os.environ['VIRTUAL_ENV'] == sys.prefix)"
    result = envsync("run", demo.name, "--", "python", "-c", code, VIRTUAL_ENV="/nowhere")
    assert result.stdout == "None True\n"


def test_a_command_that_cannot_be_started(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    result = envsync("run", demo.name, "--", "nope")
    assert (result.returncode, result.stdout) == (2, "")
    assert "`nope` is neither in the environment nor on PATH" in result.stderr
    plain = tmp_path / "plain"
    plain.write_text("x")
    result = envsync("run", demo.name, "--", "./plain")
    assert result.returncode == 1
    assert "not executable" in result.stderr


@pytest.mark.parametrize("name", ["nope.txt", "low"])
def test_files_that_are_missing(envsync: Envsync, name: str) -> None:
    result = envsync("run", name, "--", "true")
    assert result.returncode == 2
    assert f"`{name}` is neither a file nor an environment" in result.stderr


def test_what_the_command_changes_is_told_and_undone(envsync: Envsync, demo: Path) -> None:
    code = "import demo, os, sys; open(sys.prefix + '/stray', 'w').close(); os.unlink(demo.__file__)"
    result = envsync("run", demo.name, "--", "python", "-c", code)
    assert result.returncode == 0
    assert " + stray" in result.stderr
    assert "demo.py" in result.stderr
    assert "that was undone" in result.stderr
    again = envsync("run", demo.name, "--", "python", "-c", PRINT)
    assert (again.returncode, again.stderr) == (0, "")


def test_the_status_of_the_command_counts_when_the_environment_cannot_be_given_back(
    envsync: Envsync, demo: Path, cache_dir: Path
) -> None:
    code = f"import glob, os; [os.unlink(path) for path in glob.glob({str(cache_dir)!r} + '/environments/*/leases/*')]"
    result = envsync("run", demo.name, "--", "python", "-c", f"{code}; raise SystemExit(7)")
    assert result.returncode == 7
    assert "warning: the environment" in result.stderr
    assert "could not be given back" in result.stderr
    assert "there is no lease" in result.stderr


def test_a_change_that_cannot_be_undone_is_not_said_to_be(envsync: Envsync, demo: Path, cache_dir: Path) -> None:
    code = f"import demo, os, shutil; os.unlink(demo.__file__); shutil.rmtree({str(cache_dir / 'wheels')!r})"
    result = envsync("run", demo.name, "--", "python", "-c", code)
    assert result.returncode == 0
    assert "that could not be undone" in result.stderr
    assert "was undone" not in result.stderr
    assert "the store no longer holds the wheel of `demo`" in result.stderr


def test_a_change_while_others_use_the_environment_is_left_to_them(envsync: Envsync, demo: Path) -> None:
    words = ["run", demo.name, "--", "python", "-c"]
    first = subprocess.Popen(
        [sys.executable, "-m", "pytest_envsync", *words, "import sys; print('ready', flush=True); sys.stdin.read()"],
        cwd=demo.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdin is not None
    assert first.stdout is not None
    with first.stdout:
        assert first.stdout.readline() == "ready\n"
        result = envsync(*words, "import sys; open(sys.prefix + '/stray', 'w').close()")
        first.stdin.close()
        assert first.wait() == 0
    assert "changed while 2 sessions used it; nobody gets it again" in result.stderr
    assert "undone" not in result.stderr


def test_a_signal_reaches_the_command_and_the_environment_is_given_back(
    demo: Path, tmp_path: Path, envsync: Envsync
) -> None:
    code = "import sys, time; print('ready', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_envsync", "run", demo.name, "--", "python", "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    assert [row["leases"] for row in environments(envsync)] == [0]


def test_a_declared_environment_has_a_name(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.envsync.environments]\nlow = {{ files = ['{demo.name}'] }}\nlow-2 = '{demo.name}'\n"
        f"many = {{ files = ['{demo.name}'], python = ['3.11', '3.12'] }}\n"
    )
    assert envsync("run", "low", "--", "python", "-c", PRINT).returncode == 0
    assert len(environments(envsync)) == 1
    two = envsync("run", "low*", "--", "true")
    assert (two.returncode, "only one environment" in two.stderr) == (2, True)
    many = envsync("run", "many", "--", "true")
    assert (many.returncode, "is declared with 2 interpreters" in many.stderr) == (2, True)


def test_the_session_of_run_is_the_one_of_pytest(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import demo\n\ndef test_it():\n    print(demo.__file__)\n    assert False\n")
    result = envsync("run", "--pytest", demo.name, "--", "-p", "no:cacheprovider", "test_it.py")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "envsync: requirements.txt ->" in result.stdout
    assert str(environments(envsync)[0]["path"]) in result.stdout


def test_what_was_left_behind_is_mended_first(envsync: Envsync, demo: Path) -> None:
    path = Path(envsync("env", "path", "--create", demo.name).stdout.strip())
    (path / "stray").write_text("x")
    result = envsync(
        "run", demo.name, "--", "python", "-c", "import os, sys; print(os.path.exists(sys.prefix + '/stray'))"
    )
    assert result.stdout == "False\n"
    assert "was not as it was made" in result.stderr
    assert " + stray" in result.stderr


# -- env


def test_a_list_without_and_with_environments(envsync: Envsync, demo: Path) -> None:
    empty = envsync("env", "list")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "No cached environments" in empty.stderr
    envsync("run", demo.name, "--", "true")
    (row,) = environments(envsync)
    assert set(row) == {"key", "path", "python", "created", "last_used", "size", "leases"}
    table = envsync("env", "list").stdout.splitlines()
    assert table[0].startswith("KEY")
    assert row["key"][:10] in table[1]
    assert row["path"] in table[1]
    assert f"  CPython {'.'.join(map(str, sys.version_info[:3]))}  " in table[1]
    assert Path(row["python"]).is_file()


def test_the_path_of_an_environment(envsync: Envsync, demo: Path) -> None:
    missing = envsync("env", "path", demo.name)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "--create" in missing.stderr
    made = envsync("env", "path", "--create", demo.name)
    assert made.returncode == 0, made.stderr
    assert Path(made.stdout.strip(), "pyvenv.cfg").is_file()
    assert envsync("env", "path", demo.name).stdout == made.stdout
    (row,) = environments(envsync)
    assert row["leases"] == 0
    assert envsync("env", "path", row["key"][:6]).stdout == made.stdout
    as_json = envsync("env", "path", "--output-format=json", row["key"]).stdout
    assert json.loads(as_json) == {"schema": {"version": 1}, "path": made.stdout.strip()}


def test_run_and_path_use_the_same_environment(envsync: Envsync, demo: Path) -> None:
    path = envsync("env", "path", "--create", demo.name).stdout.strip()
    assert envsync("run", demo.name, "--", "python", "-c", PRINT).stdout.splitlines()[1] == path


def test_diff_and_restore(envsync: Envsync, demo: Path) -> None:
    path = Path(envsync("env", "path", "--create", demo.name).stdout.strip())
    key = path.parent.name
    same = envsync("env", "diff", key)
    assert (same.returncode, same.stdout) == (0, "")
    (path / "stray").write_text("x")
    for place in (key[:8], str(path)):
        differs = envsync("env", "diff", place)
        assert (differs.returncode, differs.stdout) == (1, " + stray\n")
    as_json = json.loads(envsync("env", "diff", key, "--output-format", "json").stdout)
    assert as_json["schema"] == {"version": 1}
    assert as_json["files"] == {"added": ["stray"], "removed": [], "changed": []}
    restored = envsync("env", "restore", key, "--output-format=json")
    assert restored.returncode == 0
    assert json.loads(restored.stdout)["diff"]["files"]["added"] == ["stray"]
    assert not (path / "stray").exists()
    assert "Nothing to restore" in envsync("env", "restore", key).stderr


def test_remove_and_prune(envsync: Envsync, demo: Path) -> None:
    path = Path(envsync("env", "path", "--create", demo.name).stdout.strip())
    unknown = envsync("env", "remove", "ffffff", path.parent.name)
    assert unknown.returncode == 2
    assert path.exists()
    assert envsync("env", "remove", path.parent.name[:6]).returncode == 0
    assert not path.exists()
    envsync("env", "path", "--create", demo.name)
    assert "Removed 0 environments" in envsync("env", "prune").stderr
    pruned = envsync("env", "prune", "--older-than", "0s", "--output-format=json")
    assert json.loads(pruned.stdout)["environments"] == 1
    assert environments(envsync) == []


# -- cache


def test_where_the_cache_is_and_how_large(envsync: Envsync, demo: Path, cache_dir: Path, tmp_path: Path) -> None:
    assert envsync("cache", "dir").stdout == f"{cache_dir}\n"
    assert envsync("cache", "dir", "--cache-dir", "other").stdout == f"{tmp_path / 'other'}\n"
    assert envsync("cache", "size").stdout.split() == ["total", "0", "B"]
    envsync("sync", demo.name)
    sizes = json.loads(envsync("cache", "size", "--output-format=json").stdout)
    assert sizes["size"] > sizes["parts"]["wheels"] > 0


def damage(cache_dir: Path) -> Path:
    """Change a file of the store without changing its size, and return its path."""
    (path,) = (cache_dir / "wheels").glob("??/*/tree/demo.py")
    path.chmod(0o644)
    path.write_text(path.read_text().replace("1", "2", 1))
    return path


def test_verify_finds_and_repairs(envsync: Envsync, demo: Path, cache_dir: Path) -> None:
    envsync("sync", demo.name)
    assert "2 wheels, 0 damaged" in envsync("cache", "verify", "--deep").stderr
    before = damage(cache_dir)
    found = envsync("cache", "verify", "--output-format", "json")
    assert found.returncode == 1
    (entry,) = json.loads(found.stdout)["damaged"]
    assert (entry["outcome"], entry["damages"][0]["path"]) == ("found", "demo.py")
    assert "demo.py" in envsync("cache", "verify").stdout
    repaired = envsync("cache", "verify", "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert envsync("cache", "verify", "--deep").returncode == 0
    assert "2" not in before.read_text()


def test_prune_and_clean(envsync: Envsync, demo: Path, cache_dir: Path) -> None:
    path = Path(envsync("env", "path", "--create", demo.name).stdout.strip())
    kept = envsync("cache", "prune", "--ci", "--output-format=json")
    assert json.loads(kept.stdout)["wheels"] == 0
    envsync("env", "remove", path.parent.name)
    assert "Removed 2 wheels" in envsync("cache", "prune", "--ci").stderr
    envsync("env", "path", "--create", demo.name)
    # A test, or a backend, may nest directories deeper than the interpreter calls functions.
    nest(cache_dir / "index", sys.getrecursionlimit() + 100)
    assert "Removed 2 wheels" in envsync("cache", "clean").stderr
    assert path.exists()
    assert not (cache_dir / "index").exists()
    assert (cache_dir / "CACHEDIR.TAG").exists()
    assert envsync("run", demo.name, "--", "python", "-c", PRINT).returncode == 0


OURS = "# This file marks a cache directory of pytest-envsync; see the Cache Directory Tagging Specification.\n"
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"


def foreign(root: Path) -> list[Path]:
    """A directory with files of somebody else, some where a cache has its own; return them."""
    files = [root / name for name in ("p", "sub/q", "index/r", "git/s", "wheels/t", "logs/u")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("precious")
        os.utime(file, (0, 0))
        os.utime(file.parent, (0, 0))
    return files


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        (SIGNATURE + "# made by another tool\n", "is that of another tool"),
        (SIGNATURE, "is that of another tool"),
        (OURS, "is that of another tool"),
        (None, "is missing"),
    ],
)
@pytest.mark.parametrize("command", ["clean", "prune"])
def test_what_is_no_cache_of_ours_is_left_alone(
    envsync: Envsync, tmp_path: Path, command: str, tag: str | None, found: str
) -> None:
    files = foreign(tmp_path / "other")
    if tag is not None:
        (tmp_path / "other/CACHEDIR.TAG").write_text(tag)
    before = sorted((tmp_path / "other").rglob("*"))
    for refused in (
        envsync("cache", command, ENVSYNC_CACHE_DIR=str(tmp_path / "other")),
        envsync("cache", command, "--cache-dir", "other"),
    ):
        assert (refused.returncode, refused.stdout) == (2, "")
        said = " ".join(refused.stderr.split())
        assert f"`{tmp_path / 'other'}` is not marked as a cache of envsync" in said
        assert f"`CACHEDIR.TAG` {found}, expected one that names pytest-envsync" in said
    assert sorted((tmp_path / "other").rglob("*")) == before
    assert {file.read_text() for file in files} == {"precious"}


def test_a_tag_that_is_a_link_marks_nothing(envsync: Envsync, tmp_path: Path) -> None:
    files = foreign(tmp_path / "other")
    (tmp_path / "ours").write_text(SIGNATURE + OURS)
    (tmp_path / "other/CACHEDIR.TAG").symlink_to(tmp_path / "ours")
    assert envsync("cache", "clean", "--cache-dir", "other").returncode == 2
    assert all(file.exists() for file in files)


def test_an_environment_is_no_cache(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    assert envsync("sync", "--venv", "new", demo.name).returncode == 0
    before = sorted((tmp_path / "new").rglob("*"))
    refused = envsync("cache", "clean", ENVSYNC_CACHE_DIR=str(tmp_path / "new"))
    assert refused.returncode == 2
    assert sorted((tmp_path / "new").rglob("*")) == before


def test_where_no_cache_was_made_yet_nothing_is(envsync: Envsync, tmp_path: Path) -> None:
    (tmp_path / "plain/sub").mkdir(parents=True)
    for place in ("plain", "nowhere"):
        for command in ("clean", "prune"):
            done = envsync("cache", command, "--cache-dir", place)
            assert (done.returncode, done.stderr.strip()) == (0, "Removed 0 wheels (0 B)")
    assert [entry.name for entry in (tmp_path / "plain").iterdir()] == ["sub"]
    assert not (tmp_path / "nowhere").exists()


def test_only_rooms_of_ours_go_with_a_clean(envsync: Envsync, demo: Path, cache_dir: Path) -> None:
    envsync("env", "path", "--create", demo.name)
    tag = cache_dir / "CACHEDIR.TAG"
    assert tag.read_text() == SIGNATURE + OURS
    tag.write_bytes((SIGNATURE + "# and mine\n" + OURS).replace("\n", "\r\n").encode())
    (cache_dir / "sub").mkdir()
    (cache_dir / "sub/q").write_text("precious")
    cleaned = envsync("cache", "clean")
    assert cleaned.returncode == 0, cleaned.stderr
    assert (cache_dir / "sub/q").read_text() == "precious"
    kept = {"environments", "locks", "overlays", "sessions", "spoiled", "synced", "sub", "remembered"}
    assert {entry.name for entry in cache_dir.iterdir() if entry.is_dir()} <= kept


# -- what sessions ask


def ask(envsync: Envsync, *argv: str, request: object = None, status: int = 0) -> dict[str, Any]:
    """The answer to a request."""
    result = envsync("env", *argv, text="" if request is None else json.dumps(request))
    assert result.returncode == status, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    assert answer.pop("schema") == {"version": 1}
    return answer


def test_provision_and_give_back(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    request = {"holder": os.getpid(), "files": [str(demo)], "cwd": str(tmp_path)}
    environment = ask(envsync, "provision", request=request)["environment"]
    assert (environment["created"], environment["packages"]) == (True, {"demo": "1.0", "other": "1.0"})
    assert [row["leases"] for row in environments(envsync)] == [1]
    assert ask(envsync, "provision", request=request)["environment"]["created"] is False
    Path(environment["path"], "stray").write_text("x")
    back = ask(envsync, "give-back", environment["lease"], request={})
    assert back["diff"]["files"]["added"] == ["stray"]


def test_what_a_request_does_not_say_ignores_nothing_and_settings_that_broke_hinder_nobody(
    envsync: Envsync, demo: Path, tmp_path: Path
) -> None:
    request = {"holder": os.getpid(), "files": [str(demo)], "cwd": str(tmp_path)}
    for said, added in (({}, ["stray"]), ({"ignore": ["stray"]}, []), ({"arguments": ["--nope"]}, ["stray"])):
        environment = ask(envsync, "provision", request=request)["environment"]
        Path(environment["path"], "stray").write_text("x")
        back = ask(envsync, "give-back", environment["lease"], request={"cwd": str(tmp_path), **said})
        assert (back["diff"]["files"]["added"], back["undone"]) == (added, True)
    stray = Path(ask(envsync, "provision", request=request)["environment"]["path"], "stray")
    stray.write_text("x")
    assert ask(envsync, "undo", request={"path": str(stray.parent), "cwd": str(tmp_path)}) == {"changes": []}
    assert not stray.exists()


@pytest.mark.parametrize("command", ["diff", "restore"])
def test_an_environment_whose_sync_was_cut_short_is_not_judged(envsync: Envsync, demo: Path, command: str) -> None:
    place = demo.parent / "made"
    assert envsync("sync", "--venv", place, demo.name).returncode == 0
    (place / ".envsync-transaction").mkdir()
    result = envsync("env", command, place)
    assert result.returncode == 2
    assert "was cut short" in result.stderr
    assert "finishes or undoes" in result.stderr
    (place / ".envsync-transaction/committed").touch()
    assert "what it set aside is still there" in envsync("env", command, place).stderr
    assert envsync("sync", "--venv", place, demo.name).returncode == 0
    assert envsync("env", command, place).returncode == 0


def test_a_private_copy_and_a_sync_in_it(envsync: Envsync, demo: Path, tmp_path: Path, cache_dir: Path) -> None:
    place = tmp_path / "private"
    request = {"files": [str(demo)], "cwd": str(tmp_path), "private": {"destination": str(place), "link_mode": None}}
    copy = ask(envsync, "provision", request=request)["environment"]
    assert (copy["path"], copy["lease"]) == (str(place), None)
    assert [row["leases"] for row in environments(envsync)] == [0]
    less = tmp_path / "less.txt"
    less.write_text("\n".join(demo.read_text().splitlines()[:2]))
    done = ask(envsync, "apply", request={"path": str(place), "files": [str(less)], "cwd": str(tmp_path)})
    assert done["changes"] == [{"name": "other", "version": "1.0", "action": "uninstalled"}]
    ask(envsync, "apply", request={"path": str(place), "files": [str(demo)], "cwd": str(tmp_path)})
    (module,) = place.glob("lib/python*/site-packages/other.py")
    assert module.stat().st_nlink == 1


def test_settings_of_a_request(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    demo.write_text("demo==1.0\n")
    (tmp_path / "wheels-here").symlink_to(tmp_path / "wheels")
    request = {
        "files": [str(demo)],
        "cwd": str(tmp_path),
        "arguments": ["--no-index"],
        "options": {"link_mode": "copy"},
        "ini": {"arguments": ["--find-links=wheels-here"], "options": {}, "base": str(tmp_path)},
    }
    environment = ask(envsync, "provision", request=request)["environment"]
    module = Path(environment["site_packages"], "demo.py")
    assert module.stat().st_nlink == 1


@pytest.mark.parametrize(
    ("request_", "status", "kind", "message"),
    [
        ({}, 2, "UsageError", "names no `files`"),
        ([], 2, "UsageError", "no JSON object"),
        ({"files": ["/nope.txt"]}, 2, "InputError", "nope.txt"),
        ({"files": ["x"], "options": {"indexurl": "x"}}, 2, "UsageError", "`indexurl` is no option"),
        ({"files": ["x"], "arguments": ["--nope"]}, 2, "UsageError", "unexpected option"),
    ],
)
def test_an_error_is_an_answer(envsync: Envsync, request_: object, status: int, kind: str, message: str) -> None:
    answer = ask(envsync, "provision", request=request_, status=status)
    assert answer["error"]["kind"] == kind
    assert message in answer["error"]["message"]


def test_a_lease_that_is_unknown(envsync: Envsync) -> None:
    assert "error" in ask(envsync, "give-back", "/nowhere/lease", request={}, status=2)


def test_a_request_that_is_no_json(envsync: Envsync) -> None:
    result = envsync("env", "provision", text="{")
    assert result.returncode == 2
    assert "is no JSON" in json.loads(result.stdout)["error"]["message"]


def test_a_lease_ends_with_its_holder(envsync: Envsync, demo: Path, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        ask(envsync, "provision", request={"holder": holder.pid, "files": [str(demo)], "cwd": str(tmp_path)})
        assert [row["leases"] for row in environments(envsync)] == [1]
    finally:
        holder.kill()
        holder.wait()
    deadline = time.monotonic() + 300
    while environments(envsync)[0]["leases"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [row["leases"] for row in environments(envsync)] == [0]
