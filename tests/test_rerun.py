"""``envsync run`` once more: the same as before, without the engine, as long as nothing has changed."""

from __future__ import annotations

import json
import marshal
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Envsync
from factories import make_wheel
from index_server import IndexServer
from pytest_envsync import remembered

PREFIX = "import sys; print(sys.prefix)"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="only POSIX runs a command without the engine")


@pytest.fixture
def prefix(envsync: Envsync, demo: Path) -> Path:
    """The environment of ``demo``, after a run that the next can go by."""
    envsync("run", demo.name, "--", "python", "-c", "pass")
    found = envsync("run", demo.name, "--", "python", "-c", PREFIX)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    return Path(found.stdout.strip())


def run(envsync: Envsync, demo: Path, code: str = PREFIX, **environ: str) -> tuple[str, bool]:
    """What *code* printed in the environment, and whether the engine was loaded for it."""
    result = envsync("run", demo.name, "--", "python", "-c", code, PYTHONPROFILEIMPORTTIME="1", **environ)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip(), "pytest_envsync.cli" in result.stderr


def leases(prefix: Path) -> list[Path]:
    return list((prefix.parent / "leases").iterdir())


def test_the_same_environment_is_the_answer(envsync: Envsync, demo: Path, prefix: Path, cache_dir: Path) -> None:
    assert run(envsync, demo) == (str(prefix), False)
    assert leases(prefix) == []
    assert list((cache_dir / "sessions").iterdir()) == []


def test_the_overlay_is_noted_as_used(envsync: Envsync, demo: Path, prefix: Path, cache_dir: Path) -> None:
    (overlay,) = (path for path in (cache_dir / "overlays").iterdir() if path.name != "memo")
    long_ago = time.time() - 59 * 86_400
    os.utime(overlay, (long_ago, long_ago))
    assert run(envsync, demo) == (str(prefix), False)
    assert overlay.stat().st_mtime > long_ago + 86_400
    assert run(envsync, demo) == (str(prefix), False)


def test_the_command_finds_what_it_finds_by_the_engine(envsync: Envsync, demo: Path, prefix: Path) -> None:
    code = (
        "import json, os; own = {**os.environ}; path = own.pop('ENVSYNC_SESSION');"
        "values = json.load(open(path)); assert os.path.exists(path + '.claimed');"
        "assert os.path.exists(values['environment']['lease']); values['environment']['lease'] = '';"
        "values['environment'].pop('seconds');"
        "print(json.dumps([own, values], sort_keys=True))"
    )
    variables = {"PYTHONPATH": "", "VIRTUAL_ENV_PROMPT": "x", "WORD": 'say "ü"\n'}
    again, with_engine = run(envsync, demo, code, **variables)
    assert not with_engine
    for path in (prefix.parents[2] / "remembered").iterdir():
        path.unlink()
    first, with_engine = run(envsync, demo, code, **variables)
    assert with_engine
    assert json.loads(again) == json.loads(first)


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_status_is_the_one_of_the_command(
    envsync: Envsync, demo: Path, prefix: Path, code: str, status: int
) -> None:
    assert envsync("run", demo.name, "--", "python", "-c", code).returncode == status
    assert leases(prefix) == []


@pytest.mark.parametrize("name", ["nope", "./requirements.txt"])
def test_a_command_that_cannot_be_started_is_told_by_the_engine(
    envsync: Envsync, demo: Path, prefix: Path, name: str
) -> None:
    result = envsync("run", demo.name, "--", name)
    assert result.returncode in {1, 2}
    assert f"`{name}` is n" in result.stderr
    assert leases(prefix) == []


def test_what_the_command_changes_is_told_and_undone(envsync: Envsync, demo: Path, prefix: Path) -> None:
    code = "import demo, os, sys; open(sys.prefix + '/stray', 'w').close(); os.unlink(demo.__file__)"
    result = envsync("run", demo.name, "--", "python", "-c", code)
    assert (result.returncode, result.stdout) == (0, "")
    assert " + stray" in result.stderr
    assert "that was undone" in result.stderr
    assert not (prefix / "stray").exists()
    assert leases(prefix) == []
    code = "import demo; print(demo.__name__)"
    # The engine takes care of what this compiles.
    assert run(envsync, demo, code)[0] == "demo"
    assert run(envsync, demo, code) == ("demo", False)


def test_a_command_that_spoils_the_settings_keeps_its_status(envsync: Envsync, demo: Path, prefix: Path) -> None:
    text = "[tool.envsync]\nx = 1\n"
    code = (
        "import pathlib, sys; pathlib.Path(sys.prefix, 'stray').touch();"
        f"pathlib.Path('pyproject.toml').write_text({text!r}); sys.exit(5)"
    )
    result = envsync("run", demo.name, "--", "python", "-c", code)
    assert result.returncode == 5
    assert "is compared at its next use" in result.stderr
    (demo.parent / "pyproject.toml").unlink()
    result = envsync("run", demo.name, "--", "python", "-c", "pass")
    assert "stray" in result.stderr
    assert not (prefix / "stray").exists()


@pytest.mark.parametrize("kind", ["added", "changed", "mode", "bytecode"])
def test_what_was_changed_in_between_is_undone_first(envsync: Envsync, demo: Path, prefix: Path, kind: str) -> None:
    (module,) = prefix.glob("lib/python*/site-packages/demo.py")
    if kind == "added":
        module.with_name("stray.py").touch()
    elif kind == "changed":
        module.unlink()
        module.write_text("raise SystemExit(3)\n")
    elif kind == "mode":
        module.chmod(0o777)
    else:
        cache = module.parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        (cache / f"stray.{sys.implementation.cache_tag}.pyc").write_bytes(b"anything")
    said, with_engine = run(envsync, demo, "import demo; print(demo.__name__)")
    assert (said, with_engine) == ("demo", True)
    assert not list(prefix.rglob("stray*"))
    assert run(envsync, demo)[0] == str(prefix)


def test_another_content_is_another_environment(envsync: Envsync, demo: Path, prefix: Path) -> None:
    text = demo.read_text()
    demo.write_text(text.replace("other==1.0\n", ""))
    changed, with_engine = run(envsync, demo)
    assert (changed != str(prefix), with_engine) == (True, True)
    demo.write_text(text)
    assert run(envsync, demo, "import other; print(other.__name__)")[0] == "other"


@pytest.mark.parametrize("name", ["uv.toml", "pyproject.toml"])
def test_a_configuration_that_appears_counts(envsync: Envsync, demo: Path, prefix: Path, name: str) -> None:
    table = "[pip]" if name == "uv.toml" else "[tool.envsync]"
    (demo.parent / name).write_text(f"{table}\nrequire-hashes = true\n")
    result = envsync("run", demo.name, "--", "python", "-c", PREFIX)
    assert (result.returncode, result.stdout) == (2, "")
    assert "hash" in result.stderr
    (demo.parent / name).unlink()
    assert run(envsync, demo) == (str(prefix), False)


def test_a_variable_of_the_settings_counts(envsync: Envsync, demo: Path, prefix: Path) -> None:
    assert run(envsync, demo, ENVSYNC_LINK_MODE="copy") != (str(prefix), False)
    assert run(envsync, demo) == (str(prefix), False)


def test_a_login_on_the_command_line_is_not_kept(
    envsync: Envsync, demo: Path, index: IndexServer, cache_dir: Path
) -> None:
    demo.write_text("demo==1.0\n")
    address = index.with_credentials("user", "k3ptsilent")
    for _ in range(2):
        result = envsync("run", demo.name, "--index-url", address, "--", "python", "-c", "pass")
        assert result.returncode == 0, result.stderr
    kept = [path for path in cache_dir.rglob("*") if path.is_file() and b"k3ptsilent" in path.read_bytes()]
    assert kept == []


def test_a_changed_overlay_is_made_anew(envsync: Envsync, demo: Path, prefix: Path, cache_dir: Path) -> None:
    (hooks,) = cache_dir.glob("overlays/*/site/pytest_envsync/pytest_plugin/hooks.py")
    hooks.chmod(0o644)
    hooks.write_text("raise SystemExit('changed')\n")
    assert run(envsync, demo) == (str(prefix), True)
    assert "SystemExit" not in hooks.read_text()


def test_notes_on_a_damaged_store_are_left_to_the_engine(
    envsync: Envsync, demo: Path, prefix: Path, cache_dir: Path
) -> None:
    (cache_dir / "spoiled").mkdir(exist_ok=True)
    (cache_dir / "spoiled" / ("0" * 64)).write_text("{}")
    assert run(envsync, demo) == (str(prefix), True)


def test_an_environment_that_is_gone_is_made_again(
    envsync: Envsync, demo: Path, prefix: Path, index: IndexServer, wheels: Path
) -> None:
    assert envsync("env", "remove", prefix.parent.name).returncode == 0
    said, with_engine = run(envsync, demo)
    assert (Path(said).exists(), with_engine) == (True, True)
    index.add(make_wheel(wheels, "demo", "2.0"))
    assert run(envsync, demo)[0] == said


def test_what_changes_while_two_use_it_is_told_by_the_last(envsync: Envsync, demo: Path, prefix: Path) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-m", "pytest_envsync", "run", demo.name, "--", "python", "-c", "print(flush=True); input()"],
        cwd=demo.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stdout is not None
    waiting.stdout.readline()  # it was compared before the command began
    assert leases(prefix)
    result = envsync("run", demo.name, "--", "python", "-c", "import sys; open(sys.prefix + '/stray', 'w').close()")
    assert "changed while 2 sessions used it" in result.stderr
    _, said = waiting.communicate("\n")
    assert "stray" in said
    assert not (Path(run(envsync, demo)[0]) / "stray").exists()


def test_a_signal_reaches_the_command(envsync: Envsync, demo: Path, prefix: Path, tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, sys, time;"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9));"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch(); time.sleep(30)"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_envsync", "run", demo.name, "--", "python", "-c", code], cwd=demo.parent
    )
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 9
    assert leases(prefix) == []


def test_the_command_has_the_signals_of_its_parent(envsync: Envsync, demo: Path, prefix: Path) -> None:
    code = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGTERM).name)"
    assert run(envsync, demo, code) == ("set() SIG_DFL", False)


@pytest.mark.parametrize("times", [0, 1], ids=["engine", "rerun"])
def test_a_command_that_removes_its_directory_keeps_its_status(
    envsync: Envsync, demo: Path, times: int, cache_dir: Path
) -> None:
    place = demo.parent / "place"
    place.mkdir()
    lock = place / "lock.txt"
    lock.write_text(demo.read_text())
    for _ in range(times):
        assert envsync("run", "lock.txt", "--", "true", cwd=place).returncode == 0
    code = 'touch "$VIRTUAL_ENV/stray"; rm -r "$PWD"; exit 4'
    result = envsync("run", "lock.txt", "--", "sh", "-c", code, cwd=place)
    assert (result.returncode, "Traceback" in result.stderr) == (4, False)
    assert " + stray" in result.stderr
    assert "that was undone" in result.stderr
    assert list(cache_dir.glob("environments/*/leases/*")) == []


@pytest.mark.parametrize("name", ["interrupted", "claimed"])
def test_what_a_command_puts_in_place_of_our_notes_is_no_error(
    envsync: Envsync, demo: Path, prefix: Path, name: str
) -> None:
    code = f'rm -f "$ENVSYNC_SESSION.{name}"; mkdir "$ENVSYNC_SESSION.{name}"; touch "$VIRTUAL_ENV/stray"; exit 3'
    result = envsync("run", demo.name, "--", "sh", "-c", code)
    assert (result.returncode, "Traceback" in result.stderr) == (3, False)
    assert " + stray" in result.stderr
    assert leases(prefix) == []


@pytest.mark.parametrize("times", [0, 1], ids=["engine", "rerun"])
def test_a_command_outlives_whoever_waits_for_it(
    envsync: Envsync, demo: Path, prefix: Path, cache_dir: Path, times: int
) -> None:
    """Its environment was compared, and its files undone under it."""
    if not times:
        for path in (cache_dir / "remembered").iterdir():
            path.unlink()
    code = (
        "import os, sys; mine = open(sys.prefix + '/mine', 'w'); mine.close(); print(flush=True);"
        "sys.stdin.readline(); print(os.path.exists(mine.name), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_envsync", "run", demo.name, "--", "python", "-c", code],
        cwd=demo.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        said, _ = run(envsync, demo)
        assert said != str(prefix)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "True\n"


@pytest.mark.parametrize("times", [0, 1], ids=["engine", "rerun"])
def test_an_interrupt_of_this_process_alone_reaches_the_command(
    demo: Path, prefix: Path, cache_dir: Path, times: int
) -> None:
    if not times:
        for path in (cache_dir / "remembered").iterdir():
            path.unlink()
    code = "import time\ntry:\n print(flush=True); time.sleep(60)\nexcept KeyboardInterrupt:\n raise SystemExit(7)"
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_envsync", "run", demo.name, "--", "python", "-c", code],
        cwd=demo.parent,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 7
    assert leases(prefix) == []


def test_a_signal_that_is_ignored_is_ignored_by_the_command(envsync: Envsync, demo: Path, prefix: Path) -> None:
    """``nohup envsync run``."""
    code = "import signal; print(signal.getsignal(signal.SIGHUP).name)"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run(envsync, demo, code) == ("SIG_IGN", False)
    finally:
        signal.signal(signal.SIGHUP, before)


SETARCH = shutil.which("setarch")


@pytest.mark.skipif(SETARCH is None, reason="needs the command setarch to have another kernel")
def test_another_kernel_is_another_answer(demo: Path, envsync: Envsync) -> None:
    assert SETARCH is not None
    text = demo.read_text().replace("other==1.0", "other==1.0 ; platform_release >= '3'")
    demo.write_text(text)
    code = "import importlib.util as u; print(u.find_spec('other') is not None)"
    words = [sys.executable, "-m", "pytest_envsync", "run", demo.name, "--", "python", "-c", code]
    for _ in range(2):
        assert subprocess.run(words, cwd=demo.parent, capture_output=True, text=True, check=True).stdout == "True\n"
    old = subprocess.run(
        [SETARCH, os.uname().machine, "--uname-2.6", *words],
        cwd=demo.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert old.stdout == "False\n"


def test_a_day_ends_where_the_command_runs(envsync: Envsync, demo: Path, index: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels, "dated", "1.0"), upload_time="2024-05-01T23:00:00Z")
    demo.write_text(f"--index-url {index.url}\ndated==1.0\n")
    words = ("run", "--exclude-newer", "2024-05-01", demo.name, "--", "echo", "ran")
    for _ in range(2):
        assert envsync(*words, TZ="UTC").stdout == "ran\n"
    result = envsync(*words, TZ="Pacific/Kiritimati")
    assert (result.returncode != 0, result.stdout) == (True, "")
    assert "dated" in result.stderr


def test_another_directory_is_another_answer(envsync: Envsync, demo: Path, prefix: Path) -> None:
    other = demo.parent / "other"
    other.mkdir()
    (other / demo.name).write_text(demo.read_text().replace("other==1.0\n", ""))
    found = envsync("run", demo.name, "--", "python", "-c", PREFIX, cwd=other)
    assert found.stdout.strip() not in {"", str(prefix)}
    assert run(envsync, demo) == (str(prefix), False)


def test_a_record_of_another_shape_is_left_to_the_engine(
    envsync: Envsync, demo: Path, prefix: Path, cache_dir: Path
) -> None:
    (record,) = (cache_dir / "remembered").iterdir()
    key, rows, state, answer = remembered._opened(record.read_bytes())
    for other in (answer[:2], ((1, 2), *answer[1:]), (*answer[:2], [], *answer[3:]), None):
        record.write_bytes(remembered._sealed((key, rows, state, other)))
        assert run(envsync, demo) == (str(prefix), True)
    record.write_bytes(marshal.dumps((key, rows, state, answer)))
    assert run(envsync, demo) == (str(prefix), True)


@pytest.mark.parametrize("place", ["variable", "uv.toml", "pyproject.toml"])
def test_a_login_of_the_settings_is_not_kept(
    envsync: Envsync, demo: Path, index: IndexServer, cache_dir: Path, place: str
) -> None:
    demo.write_text("demo==1.0\n")
    address = index.with_credentials("user", "k3ptsilent")
    variables = {"UV_INDEX_URL": address} if place == "variable" else {}
    if place == "uv.toml":
        (demo.parent / place).write_text(f'[pip]\nindex-url = "{address}"\n')
    elif place == "pyproject.toml":
        (demo.parent / place).write_text(f'[tool.envsync]\nindex-url = "{address}"\n')
    for _ in range(2):
        result = envsync("run", demo.name, "--", "python", "-c", "pass", **variables)
        assert result.returncode == 0, result.stderr
    (record,) = (cache_dir / "remembered").iterdir()
    assert run(envsync, demo, "", **variables)[1] is False
    kept = [path for path in cache_dir.rglob("*") if path.is_file() and b"k3ptsilent" in path.read_bytes()]
    assert (record.exists(), kept) == (True, [])
