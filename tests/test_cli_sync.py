"""``envsync sync``: what it prints where, how it ends, and when it answers from its record."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from conftest import Envsync, MakeVenv
from factories import make_wheel
from index_server import IndexServer
from pytest_envsync import remembered
from pytest_envsync.environment.interpreter import base_of_running
from pytest_envsync.memo import resolution_key
from pytest_envsync.options import SyncOptions
from pytest_envsync.remembered import Answer, Evidence, read_record, remember, replay, write_record


def plain(text: str) -> str:
    """*text* with its times replaced."""
    return re.sub(r"\b[0-9.]+(ms|s)\b", "TIME", text)


# -- sync


def test_a_first_and_a_second_sync(envsync: Envsync, demo: Path) -> None:
    first = envsync("sync", demo.name)
    assert (first.returncode, first.stdout) == (0, "")
    assert plain(first.stderr).splitlines() == [
        "Resolved 2 packages in TIME",
        "Prepared 2 packages in TIME",
        "Installed 2 packages in TIME",
        " + demo==1.0",
        " + other==1.0",
    ]
    second = envsync("sync", demo.name)
    assert (second.returncode, second.stdout) == (0, "")
    assert plain(second.stderr).splitlines() == ["Resolved 2 packages in TIME", "Checked 2 packages in TIME"]


def test_a_wrong_size_ends_alike_with_and_without_the_wheel_in_the_store(
    envsync: Envsync, demo: Path, wheels: Path, index: IndexServer
) -> None:
    wheel = wheels / "demo-1.0-py3-none-any.whl"
    size, digest = wheel.stat().st_size, sha256(wheel.read_bytes()).hexdigest()
    head = (
        'lock-version = "1.0"\ncreated-by = "me"\n[[packages]]\nname = "demo"\nversion = "1.0"\n[[packages.wheels]]\n'
    )

    def sync(size: int, place: str) -> subprocess.CompletedProcess[str]:
        lock = demo.with_name("pylock.toml")
        lock.write_text(f'{head}{place}\nsize = {size}\nhashes = {{ sha256 = "{digest}" }}\n')
        return envsync("sync", lock)

    address = f'url = "{index.base}/files/{wheel.name}"'
    statuses = []
    for told in (size + 1, size, size + 1):
        result = sync(told, address)
        statuses.append(result.returncode)
        assert ("size mismatch" in result.stderr) is (told != size)
        demo.write_text("")  # an empty environment again, and what the store has stays
        envsync("sync", "--allow-empty-requirements", demo.name)
    assert statuses == [1, 0, 1]
    assert sync(size + 1, f'path = "wheels/{wheel.name}"').returncode == 2


def test_what_the_files_do_not_say_goes(envsync: Envsync, demo: Path) -> None:
    envsync("sync", demo.name)
    demo.write_text("\n".join(demo.read_text().splitlines()[:2]))
    result = envsync("sync", demo.name)
    assert plain(result.stderr).splitlines() == [
        "Resolved 1 package in TIME",
        "Uninstalled 1 package in TIME",
        " - other==1.0",
    ]


def test_dry_run_and_check(envsync: Envsync, demo: Path) -> None:
    dry = envsync("sync", "--dry-run", demo.name)
    assert dry.returncode == 0
    assert plain(dry.stderr).splitlines() == [
        "Resolved 2 packages in TIME",
        "Would download 2 packages",
        "Would install 2 packages",
        " + demo==1.0",
        " + other==1.0",
    ]
    assert envsync("sync", "--check", demo.name).returncode == 1
    envsync("sync", demo.name)
    for _ in range(3):
        check = envsync("sync", "--check", demo.name)
        assert check.returncode == 0
        assert check.stderr.splitlines()[-1] == "Would make no changes"


def test_json_on_standard_output(envsync: Envsync, demo: Path) -> None:
    result = envsync("sync", "--output-format", "json", demo.name)
    assert json.loads(result.stdout) == {
        "schema": {"version": 1},
        "changes": [
            {"name": "demo", "version": "1.0", "action": "installed"},
            {"name": "other", "version": "1.0", "action": "installed"},
        ],
        "dry_run": False,
    }
    assert "Installed 2 packages" in result.stderr
    for _ in range(3):
        quiet = envsync("sync", "--output-format=json", "-q", "--check", demo.name)
        assert (json.loads(quiet.stdout)["changes"], json.loads(quiet.stdout)["dry_run"]) == ([], True)
        assert quiet.stderr == ""
    silent = envsync("sync", "--output-format=json", "-qq", demo.name)
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")


def test_an_empty_file_touches_nothing(envsync: Envsync, demo: Path) -> None:
    envsync("sync", demo.name)
    demo.write_text("")
    result = envsync("sync", demo.name)
    assert result.returncode == 0
    assert "No requirements found" in result.stderr
    cleared = envsync("sync", "--allow-empty-requirements", demo.name)
    assert [line for line in cleared.stderr.splitlines() if line.startswith(" ")] == [" - demo==1.0", " - other==1.0"]


def test_the_environment_is_named_unless_it_is_the_usual_one(envsync: Envsync, demo: Path, make_venv: MakeVenv) -> None:
    elsewhere = make_venv("elsewhere")
    for _ in range(3):
        result = envsync("sync", demo.name, VIRTUAL_ENV=str(elsewhere))
        assert result.stderr.startswith("Using Python ")
        assert str(elsewhere) in result.stderr.splitlines()[0] or "elsewhere" in result.stderr.splitlines()[0]
    assert "Using" not in envsync("sync", demo.name).stderr


def test_what_fails_names_the_requirement_and_changes_nothing(envsync: Envsync, demo: Path) -> None:
    envsync("sync", demo.name)
    demo.write_text(demo.read_text().replace("other==1.0", "other==9.9"))
    result = envsync("sync", "--output-format", "json", demo.name)
    assert (result.returncode, result.stdout) == (1, "")
    assert "`==9.9` (requirements.txt:3)" in result.stderr
    demo.write_text(demo.read_text().replace("other==9.9", "other==1.0"))
    assert "Checked 2 packages" in envsync("sync", demo.name).stderr


def test_no_environment(envsync: Envsync, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("demo==1.0\n")
    result = envsync("sync", "requirements.txt")
    assert (result.returncode, result.stdout) == (2, "")
    assert "No virtual environment found" in result.stderr


def test_settings_of_the_project_are_used(envsync: Envsync, demo: Path, index: IndexServer, tmp_path: Path) -> None:
    demo.write_text("demo==1.0\n")
    (tmp_path / "pyproject.toml").write_text(f"[tool.envsync]\nindex-url = '{index.url}'\n")
    assert envsync("sync", demo.name).returncode == 0


# -- the record of a sync with nothing to do


def imported(envsync: Envsync, *argv: str | Path) -> tuple[str, set[str]]:
    """What a run says, and the modules that it imports."""
    result = envsync(*argv, PYTHONPROFILEIMPORTTIME="1")
    rows = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    said = [line for line in result.stderr.splitlines() if not line.startswith("import time:")]
    return plain("\n".join(said)), {row.rpartition("|")[2].strip() for row in rows}


@pytest.fixture
def settled(envsync: Envsync, demo: Path) -> Path:
    """``demo`` after a run that found nothing to do."""
    envsync("sync", demo.name)
    envsync("sync", demo.name)
    return demo


NOTHING = "Resolved 2 packages in TIME\nChecked 2 packages in TIME"


def test_the_third_sync_imports_next_to_nothing(envsync: Envsync, settled: Path) -> None:
    said, modules = imported(envsync, "sync", settled.name)
    assert said == NOTHING
    ours = {name for name in modules if name.startswith("pytest_envsync")}
    assert ours == {
        "pytest_envsync",
        "pytest_envsync.version",
        "pytest_envsync.cache_location",
        "pytest_envsync.file_stamp",
        "pytest_envsync.machine",
        "pytest_envsync.remembered",
        "pytest_envsync.report",
    }
    said, modules = imported(envsync, "sync", "--output-format=text", settled.name)
    assert said == NOTHING
    assert "pytest_envsync.sync" in modules


def test_a_remembered_change_imports_little(envsync: Envsync, settled: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(settled.read_text().replace("other==1.0\n", ""))
    assert "- other==1.0" in plain(envsync("sync", "one.txt").stderr)
    said, modules = imported(envsync, "sync", settled.name)
    assert "+ other==1.0" in said
    unwanted = {"pathlib", "urllib.parse", "_hashlib", "threading", "logging", "subprocess", "tempfile", "httpx"}
    assert modules & unwanted == set()
    assert not {name for name in modules if name.startswith("pytest_envsync.inputs.")}


def _edit_input(requirements: Path) -> None:
    requirements.write_text(requirements.read_text() + "\n# a comment\n")


def _add_configuration(requirements: Path) -> None:
    (requirements.parent / "uv.toml").write_text("offline = true\n")


def _touch_wheel_file(requirements: Path) -> None:
    (found,) = requirements.parent.glob(".venv/lib/python*/site-packages/demo-1.0.dist-info/WHEEL")
    found.unlink()
    found.write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")


def _edit_pyvenv(requirements: Path) -> None:
    with (requirements.parent / ".venv" / "pyvenv.cfg").open("a") as stream:
        stream.write("x = y\n")


def _leave_journal(requirements: Path) -> None:
    (requirements.parent / ".venv" / ".envsync-transaction").mkdir()


@pytest.mark.parametrize(
    "change",
    [_edit_input, _add_configuration, _touch_wheel_file, _edit_pyvenv, _leave_journal],
    ids=lambda f: f.__name__,
)
def test_whatever_the_record_rests_on_is_looked_at_again(
    envsync: Envsync, settled: Path, change: Callable[[Path], None]
) -> None:
    change(settled)
    _, modules = imported(envsync, "sync", settled.name)
    assert "pytest_envsync.sync" in modules


def test_a_distribution_that_went_comes_back(envsync: Envsync, settled: Path) -> None:
    (found,) = settled.parent.glob(".venv/lib/python*/site-packages/demo-1.0.dist-info")
    found.rename(found.with_name("stray-1.0.dist-info"))
    result = envsync("sync", settled.name)
    assert " + demo==1.0" in result.stderr
    assert " - stray==1.0" in result.stderr


def test_a_nearer_environment_is_seen(envsync: Envsync, settled: Path, make_venv: MakeVenv) -> None:
    inner = settled.parent / "inner"
    inner.mkdir()
    (inner / settled.name).write_text(settled.read_text())
    for _ in range(2):
        assert "Checked 2 packages" in envsync("sync", settled.name, cwd=inner).stderr
    make_venv("inner/.venv")
    assert "Installed 2 packages" in envsync("sync", settled.name, cwd=inner).stderr


@pytest.mark.parametrize("option", ["--refresh", "--verify-files", "--strict", "-n", "-v"])
def test_runs_that_look_further_are_never_replayed(envsync: Envsync, settled: Path, option: str) -> None:
    envsync("sync", option, settled.name)
    _, modules = imported(envsync, "sync", option, settled.name)
    assert "pytest_envsync.sync" in modules


def test_a_damaged_record_is_as_good_as_none(envsync: Envsync, settled: Path, cache_dir: Path) -> None:
    records = list((cache_dir / "remembered").iterdir())
    assert records
    for record in records:
        record.write_bytes(b"\x00damaged")
    assert plain(envsync("sync", settled.name).stderr).strip() == NOTHING


def test_what_was_changed_while_a_sync_went_on_is_not_remembered(
    envsync: Envsync, settled: Path, cache_dir: Path
) -> None:
    """The record held the state of the files after the run, not of those that were read."""
    (settled.parent / "uv.toml").write_text("link-mode = 'copy'\n")
    code = (
        "import sys; from pathlib import Path; from pytest_envsync.cache import exclusive\n"
        "with exclusive(Path('.venv/.lock'), timeout=5): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=settled.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with subprocess.Popen(
            [sys.executable, "-m", "pytest_envsync", "sync", settled.name],
            cwd=settled.parent,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            assert "waiting for process" in process.stderr.readline()  # the settings were read
            (settled.parent / "uv.toml").write_text("offline = maybe\n")
            holder.communicate()
            assert "Checked 2 packages" in process.stderr.read()
    result = envsync("sync", settled.name)
    assert result.returncode == 2
    assert "uv.toml" in result.stderr


def record_of(tmp_path: Path, evidence: Evidence) -> bool:
    """Whether a run with this evidence is remembered."""
    remember(
        ["sync", "a.txt"],
        {"ENVSYNC_CACHE_DIR": str(tmp_path / "cache")},
        cwd=str(tmp_path),
        cache_dir=str(tmp_path / "cache"),
        evidence=evidence,
        answer=Answer(notes=(), resolved=1, checked=1, is_dry=False, data="", quiet=0, colour="auto"),
    )
    return any((tmp_path / "cache").glob("remembered/*"))


def evidence(**values: Any) -> Evidence:
    return Evidence(**{"read": (), "files": (), "variables": (), "sites": (), "stamped": (), "absent": (), **values})


def test_only_the_bytes_that_were_read_are_remembered(tmp_path: Path) -> None:
    lock = tmp_path / "a.txt"
    lock.write_text("demo==1.0\n")
    was = (str(lock), sha256(lock.read_bytes()).hexdigest())
    missing = (str(tmp_path / "uv.toml"), None)
    lock.write_text("demo==2.0\n")
    assert not record_of(tmp_path, evidence(read=[was, missing]))
    lock.write_text("demo==1.0\n")
    (tmp_path / "uv.toml").touch()
    assert not record_of(tmp_path, evidence(read=[was, missing]))
    (tmp_path / "uv.toml").unlink()
    assert record_of(tmp_path, evidence(read=[was, missing]))


@pytest.mark.parametrize("kind", ["files", "stamped", "sites"])
def test_what_was_written_to_since_the_process_began_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = tmp_path / "place"
    (place / "demo-1.0.dist-info").mkdir(parents=True)
    path = place if kind == "sites" else place / "file"
    (place / "file").touch()
    monkeypatch.setattr(remembered, "BEGAN", time.time_ns())
    os.utime(path, (1, 1))  # neither its time nor its size tells
    assert not record_of(tmp_path, evidence(**{kind: [str(path)]}))
    monkeypatch.setattr(remembered, "BEGAN", time.time_ns() + 10**9)
    assert record_of(tmp_path, evidence(**{kind: [str(path)]}))


# -- while it goes on


def test_an_interrupt_is_status_130_and_changes_nothing(demo: Path, index: IndexServer, tmp_path: Path) -> None:
    index.fail("/", delay=600)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_envsync", "sync", demo.name],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not index.requests:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=120)
    assert process.returncode == 130, text
    assert "Traceback" not in text
    assert not list(tmp_path.glob(".venv/lib/python*/site-packages/*.dist-info"))


def on_a_terminal(cwd: Path, *argv: str, **environ: str) -> str:
    """What a run prints on a terminal of 100 columns."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_envsync", *argv],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", **environ},
    )
    os.close(terminal)
    printed = b""
    try:
        while part := os.read(controller, 65536):
            printed += part
    except OSError:
        # Linux's way of saying that the last writer is gone.
        pass
    os.close(controller)
    process.communicate()
    assert process.returncode == 0
    return printed.decode()


@pytest.fixture
def slow(demo: Path, index: IndexServer, wheels: Path) -> Path:
    """``demo``, with a wheel of some size on an index that takes its time."""
    index.add(make_wheel(wheels, "large", files={"large.bin": os.urandom(200_000)}))
    demo.write_text(demo.read_text() + "large==1.0\n")
    index.fail("/files", delay=0.7)
    return demo


def test_progress_is_drawn_on_a_terminal_and_taken_off_again(slow: Path) -> None:
    printed = on_a_terminal(slow.parent, "sync", slow.name)
    assert "Preparing packages..." in printed
    assert "\x1b[" in printed
    lines = plain(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)).split("\r\n")
    assert lines[-4:-1] == [" + demo==1.0", " + large==1.0", " + other==1.0"]


@pytest.mark.parametrize("pages", ["json", "html"])
def test_every_frame_of_the_progress_says_what_is_known(slow: Path, index: IndexServer, pages: str) -> None:
    """The first frame had no text; HTML pages tell no sizes, and wheels were counted as bytes then."""
    index.format = pages
    printed = on_a_terminal(slow.parent, "sync", slow.name, NO_COLOR="1")
    assert re.findall(r"\x1b\[[0-9;]*m", printed) == [], "NO_COLOR"
    frames = [part for part in re.split(r"[\r\n]+|\x1b\[[0-9;?]*[A-Za-z]", printed) if "Prepar" in part or "━" in part]
    *drawn, _ = frames  # behind them: Prepared 3 packages
    assert drawn
    for frame in drawn:
        assert re.search(r"Preparing packages\.\.\. \([0-3]/3\)", frame)
        assert "?" not in frame
        assert bool(re.search(r"(bytes|kB) of [0-9.]+ kB", frame)) is (pages == "json")


@pytest.mark.parametrize("argv", [["-q"], ["--no-progress"], ["-v"]])
def test_no_progress_where_it_is_not_wanted(slow: Path, argv: list[str]) -> None:
    assert "Preparing" not in on_a_terminal(slow.parent, "sync", *argv, slow.name)
    assert "Preparing" not in on_a_terminal(slow.parent, "sync", "--reinstall", slow.name, TERM="dumb")


def test_no_progress_where_there_is_no_terminal(envsync: Envsync, slow: Path) -> None:
    assert "Preparing" not in envsync("sync", slow.name).stderr


def test_details_say_where_settings_came_from(envsync: Envsync, demo: Path) -> None:
    text = envsync("sync", "-v", demo.name, UV_INDEX="https://me:secret@nowhere.example/", UV_OFFLINE="0").stderr
    assert "DEBUG offline is False, from UV_OFFLINE" in text
    assert "secret" not in text


@pytest.mark.parametrize("change", ["sealed", "shape"])
def test_a_record_of_another_shape_is_as_good_as_none(tmp_path: Path, change: str) -> None:
    argv, environ = ["sync", "a.txt"], {"ENVSYNC_CACHE_DIR": str(tmp_path / "cache")}
    write_record(
        argv,
        environ,
        cwd=str(Path.cwd()),
        cache_dir=str(tmp_path / "cache"),
        evidence=evidence(),
        answer=("one", "two") if change == "shape" else (),
    )
    (record,) = (tmp_path / "cache" / "remembered").iterdir()
    if change == "sealed":
        content = bytearray(record.read_bytes())
        content[-3] ^= 1
        record.write_bytes(content)
        assert read_record(argv, environ) is None
    else:
        assert read_record(argv, environ) == ("one", "two")
    assert replay(argv, environ, began=0.0) is None


def test_the_record_that_was_used_least_recently_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_RECORDS", 2)
    environ = {"ENVSYNC_CACHE_DIR": str(tmp_path / "cache")}

    def write(word: str) -> None:
        write_record(
            [word], environ, cwd=str(Path.cwd()), cache_dir=str(tmp_path / "cache"), evidence=evidence(), answer=(word,)
        )

    write("used")
    write("idle")
    for number, path in enumerate((tmp_path / "cache" / "remembered").iterdir()):
        os.utime(path, (number, number))
    assert read_record(["used"], environ) == ("used",)
    write("new")
    assert read_record(["used"], environ) == ("used",)
    assert read_record(["idle"], environ) is None


@pytest.mark.parametrize("name", ["sysname", "release", "version", "machine"])
def test_another_kernel_or_machine_is_another_question(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Memo and record: what a marker may ask of the system is in the name of both."""
    names = {key: getattr(os.uname(), key) for key in ("sysname", "nodename", "release", "version", "machine")}

    def keys() -> tuple[bytes, str]:
        asked = base_of_running(None)
        return remembered._key([], {}, "/"), resolution_key(["a.txt"], SyncOptions(), asked, "/")

    before = keys()
    assert keys() == before
    monkeypatch.setattr(os, "uname", lambda: os.uname_result({**names, name: "2.6"}.values()))
    assert keys()[0] != before[0]
    if name in {"release", "version"}:
        assert keys()[1] != before[1]


def test_another_zone_is_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    options, target = SyncOptions(exclude_newer="2024-05-01"), base_of_running(None)

    def keys() -> tuple[bytes, str]:
        time.tzset()
        return remembered._key([], {}, "/"), resolution_key(["a.txt"], options, target, "/")

    try:
        found = []
        for zone in ("UTC", "Pacific/Kiritimati", "Europe/Berlin", "Africa/Lagos"):
            monkeypatch.setenv("TZ", zone)
            found.append(keys())
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert [len(set(column)) for column in zip(*found, strict=True)] == [4, 4]


def test_what_a_shim_means_is_asked_each_time(envsync: Envsync, demo: Path, make_venv: MakeVenv) -> None:
    shim, which = demo.parent / "shim", demo.parent / "which"
    shim.write_text(f'#!/bin/sh\nexec "$(cat {which})/bin/python" "$@"\n')
    shim.chmod(0o755)
    one, two = make_venv("one"), make_venv("two")
    which.write_text(str(one))
    said = [envsync("sync", "-p", "./shim", demo.name).stderr for _ in range(3)]
    assert "Checked 2 packages" in said[-1]
    which.write_text(str(two))
    assert "Installed 2 packages" in envsync("sync", "-p", "./shim", demo.name).stderr
    assert list(two.glob("lib/python*/site-packages/demo.py"))


def test_a_dry_run_writes_nothing(envsync: Envsync, settled: Path) -> None:
    """Nor does it make a lock file, or write into one."""
    lock = settled.parent / ".venv" / ".lock"
    lock.write_text("precious")
    settled.write_text(settled.read_text().replace("other==1.0\n", ""))
    assert "Would uninstall 1 package" in envsync("sync", "--dry-run", settled.name).stderr
    assert lock.read_text() == "precious"
    lock.unlink()
    assert envsync("sync", "--check", settled.name).returncode == 1
    assert not lock.exists()
