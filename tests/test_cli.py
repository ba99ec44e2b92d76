"""The command as people and scripts meet it: real processes, streams and exit statuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import MakeVenv
from factories import make_wheel
from index_server import IndexServer
from pytest_envsync.arguments import ALL, scan
from pytest_envsync.cli.commands import BY_WORDS, COMMANDS
from pytest_envsync.cli.help import command_parser, completion_text, help_text
from pytest_envsync.option_table import OPTIONS
from pytest_envsync.version import __version__

Envsync = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def envsync(tmp_path: Path) -> Envsync:
    """Run the command in *tmp_path* and return how it ended."""

    def run(
        *argv: str | Path, cwd: Path = tmp_path, text: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest_envsync", *map(str, argv)],
            cwd=cwd,
            input=text,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def demo(tmp_path: Path, wheels: Path, index: IndexServer, make_venv: MakeVenv) -> Path:
    """A virtual environment ``.venv``, and ``requirements.txt`` with two pins that the index has."""
    requirements = tmp_path / "requirements.txt"
    lines = [f"--index-url {index.url}"]
    for name in ("demo", "other"):
        index.add(make_wheel(wheels, name))
        lines.append(f"{name}==1.0")
    requirements.write_text("\n".join(lines) + "\n")
    make_venv(".venv")
    return requirements


def plain(text: str) -> str:
    """*text* with its times replaced."""
    return re.sub(r"\b[0-9.]+(ms|s)\b", "TIME", text)


# -- what every command line meets


def test_version(envsync: Envsync) -> None:
    for flag in ("--version", "-V"):
        result = envsync(flag)
        assert (result.returncode, result.stdout, result.stderr) == (0, f"envsync {__version__}\n", "")


def test_without_a_command_help_is_an_error(envsync: Envsync) -> None:
    result = envsync()
    assert (result.returncode, result.stdout) == (2, "")
    assert "Commands:" in result.stderr


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["synk"], "unknown command `synk`", "did you mean `envsync sync`?"),
        (["env"], "`envsync env` needs one of: list, path, diff, restore, remove, prune", "env --help"),
        (["env", "lst"], "unknown command `env lst`", "did you mean `envsync env list`?"),
        (["-q"], "a command is missing", "--help"),
        (["sync"], "`FILE...` is missing", "envsync sync [OPTIONS] FILE..."),
        (["sync", "--user", "x"], "`--user` is not supported", "virtual environment"),
        (["sync", "--ofline", "x"], "unexpected option `--ofline`", "`--offline`"),
        (["-q", "sync", "-v", "x"], "`--quiet` cannot be used with `--verbose`", ""),
        (["env", "diff", "a", "b"], "unexpected argument `b`", "KEY|PATH"),
        (["cache", "size", "x"], "unexpected argument `x`", ""),
        (["env", "prune", "--older-than", "soon"], "invalid value `soon` for `--older-than`", "30d"),
        (["run", "x"], "the command to run is missing", "-- COMMAND..."),
        (["sync", "--directory", "nope", "x"], "cannot change to the directory `nope`", ""),
        (["sync", "--project", "nope", "x"], "the project directory `nope` does not exist", ""),
        (["--print-completion", "tcsh"], "no completion for `tcsh`", "bash, zsh, fish"),
    ],
)
def test_wrong_usage_is_a_sentence_a_hint_and_status_2(
    envsync: Envsync, argv: list[str], message: str, hint: str
) -> None:
    result = envsync(*argv)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert hint in result.stderr
    assert "Traceback" not in result.stderr


def test_a_variable_that_cannot_be_is_named(envsync: Envsync) -> None:
    result = envsync("cache", "dir", UV_OFFLINE="maybe")
    assert result.returncode == 2
    assert "invalid value `maybe` for `UV_OFFLINE`" in result.stderr


def test_quiet_twice_leaves_only_the_status(envsync: Envsync) -> None:
    assert envsync("-qq", "sync", "nope.txt").returncode == 2
    result = envsync("sync", "-qq", "nope.txt")
    assert (result.returncode, result.stdout, result.stderr) == (2, "", "")


def test_colours_when_asked_for(envsync: Envsync) -> None:
    assert "\x1b[" in envsync("sync", "--color", "always", "nope.txt").stderr
    assert "\x1b[" in envsync("sync", "nope.txt", FORCE_COLOR="1").stderr
    assert "\x1b[" not in envsync("sync", "--no-color", "nope.txt", FORCE_COLOR="1").stderr


def test_an_unexpected_exception_is_one_line_and_a_request(envsync: Envsync, tmp_path: Path) -> None:
    # A module of ours that is damaged stands for every fault that nobody thought of.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pytest_envsync.cli.cache'] = None\n")
    result = envsync("cache", "dir", PYTHONPATH=str(tmp_path))
    assert result.returncode == 2
    assert "internal error: ModuleNotFoundError" in result.stderr
    assert "please report it" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in envsync("cache", "dir", "-v", PYTHONPATH=str(tmp_path)).stderr


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "pytest_envsync", "cache", "dir"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, b"")


# -- help and completion


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["", "env", "cache", *(command.name for command in COMMANDS if not command.is_hidden)])
def test_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, name: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = help_text(name.split())
    assert max(len(line) for line in text.splitlines()) <= width
    assert "Usage" in text.title()


def test_help_goes_to_standard_output(envsync: Envsync) -> None:
    for argv in (["--help"], ["help"], ["sync", "-h"], ["sync", "--help", "--nope"], ["env", "--help"]):
        result = envsync(*argv)
        assert (result.returncode, result.stderr) == (0, "")
        assert "nvsync" in result.stdout


def test_help_shows_every_public_option_once() -> None:
    text = help_text(["sync"])
    for option in OPTIONS:
        if option.flags and not option.ignored:
            assert len(re.findall(rf"^ .*{option.shown}( |$)", text, re.MULTILINE)) >= 1, option
    assert "--no-compile-bytecode" not in text
    assert "--trusted-host" not in text


def test_help_names_no_hidden_command() -> None:
    assert "provision" not in help_text(["env"])
    assert BY_WORDS["env provision"].is_hidden


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell: str) -> None:
    text = completion_text(shell)
    for word in ("sync", "restore", "find-links", "max-size", "hardlink"):
        assert word in text
    assert "provision" not in text


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "-n")])
def test_completion_scripts_are_valid(tmp_path: Path, shell: str, check: str) -> None:
    script = tmp_path / "completion"
    script.write_text(completion_text(shell))
    try:
        process = subprocess.run([shell, check, str(script)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"{shell} is not installed")
    assert process.returncode == 0, process.stderr


LINES = [
    [],
    ["-c", "a", "--constraint=b", "--extra", "x,y", "-f", "z"],
    ["--reinstall", "--no-reinstall", "--compile", "--native-tls", "--no-verify-hashes"],
    ["--no-require-hashes", "--require-hashes", "-qq", "-n", "--trusted-host", "h"],
    ["--index", "n=u", "--index-url", "u", "--link-mode", "copy", "-C", "a=b", "-p", "3.12"],
    ["-t", "d", "--python-version", "3.12", "--offline", "--no-index", "--strict", "--build"],
]


@pytest.mark.parametrize("argv", LINES, ids=" ".join)
def test_argparse_and_the_scan_understand_the_same(argv: list[str]) -> None:
    parsed = command_parser(BY_WORDS["sync"]).parse_args([*argv, "file.txt"])
    given = {name: value for name, value in vars(parsed).items() if value is not None and name not in {"files", "help"}}
    for option in OPTIONS:
        if option.is_list and option.name in given:
            parts = [item.split(",") if option.kind == "commas" else [item] for item in given[option.name]]
            given[option.name] = tuple(item for part in parts for item in part)
    assert given == scan(argv, ALL)[0].values


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
        "pytest_envsync.remembered",
        "pytest_envsync.report",
    }
    said, modules = imported(envsync, "sync", "--output-format=text", settled.name)
    assert said == NOTHING
    assert "pytest_envsync.sync" in modules


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
