"""The command as people and scripts meet it: real processes, streams and exit statuses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Envsync
from pytest_envsync.cli.commands import BY_WORDS, COMMANDS
from pytest_envsync.cli.help import command_parser, completion_text, help_text
from pytest_envsync.cli.reference import reference_page
from pytest_envsync.options.table import OPTIONS
from pytest_envsync.settings.arguments import ALL, scan
from pytest_envsync.version import __version__

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


@pytest.mark.skipif(os.name == "nt", reason="a directory in use cannot be removed there")
def test_a_working_directory_that_was_removed_is_named(tmp_path: Path) -> None:
    place = tmp_path / "gone"
    place.mkdir()
    script = f"cd {place} && rmdir {place} && exec {sys.executable} -m pytest_envsync sync requirements.txt"
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines()[0] == "error: the working directory was removed"


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


def completed(shell: str, directory: Path, line: str) -> list[str]:
    """Return what *shell* offers for the last word of *line* in *directory*."""
    script = directory / "completion"
    script.write_text(completion_text(shell))
    if shell == "bash":
        ask = (
            f"source {script}; COMP_LINE='{line}'; COMP_WORDS=({line}); [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('');"
            "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_POINT=${#COMP_LINE}; _shtab_envsync envsync;"
            "printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        argv = ["bash", "--norc", "-c", ask]
    else:
        argv = ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"]
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    ended = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=True)
    return sorted(words[0] for offer in ended.stdout.splitlines() if (words := offer.split("\t"))[0])


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_shells_complete_names_of_files(tmp_path: Path, shell: str) -> None:
    (tmp_path / "requirements.lock").touch()
    for start in ("sync", "sync -c", "run", "sync requirements.lock"):
        assert completed(shell, tmp_path, f"envsync {start} requ") == ["requirements.lock"]
    assert completed(shell, tmp_path, "envsync sync --link-mode h") == ["hardlink"]
    assert set(completed(shell, tmp_path, "envsync --")) == {"--help", "--print-completion", "--version"}
    assert completed(shell, tmp_path, "envsync --print-completion z") == ["zsh"]


def test_completion_scripts_let_files_through() -> None:
    assert completion_text("bash").endswith("complete -o bashdefault -o default -F _shtab_envsync envsync")
    assert '"*:A file:_files"' in completion_text("zsh")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("how", ["source <(cat _envsync)", 'eval "$(cat _envsync)"', "source ./_envsync"])
def test_zsh_takes_its_completion_from_a_source_line(how: str, tmp_path: Path) -> None:
    (tmp_path / "_envsync").write_text(completion_text("zsh"))
    lines = f"autoload -Uz compinit; compinit -u -d {tmp_path}/dump\n{how}\necho $_comps[envsync]\n"
    ended = subprocess.run(["zsh", "-f", "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("_shtab_envsync\n", "")


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


def test_the_page_of_settings_is_the_one_that_the_table_makes() -> None:
    page = Path(__file__).parent.parent / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == reference_page()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the encoding of paths does not depend on the locale")
def test_a_path_that_the_locale_cannot_write_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "prøj").mkdir()
    (tmp_path / "requirements.txt").write_text("-e ./prøj\n", encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "pytest_envsync", "sync", "--venv", "venv", "requirements.txt"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **plain}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "error: the locale has no way to write" in done.stderr
    assert "PYTHONUTF8=1" in done.stderr
