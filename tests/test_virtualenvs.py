"""Virtual environments from a template."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_envsync.environment.interpreter import (
    base_of_running,
    find_interpreter,
    query,
    query_environment,
)
from pytest_envsync.environment.pyvenv_cfg import read_pyvenv_cfg
from pytest_envsync.environment.virtualenvs import clear_remains, create_virtualenv
from pytest_envsync.errors import TargetError
from pytest_envsync.target import Target
from pytest_envsync.version import __version__


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of this file share: the first environment of an interpreter is slow to make."""
    return tmp_path_factory.mktemp("answers")


@pytest.fixture
def base(answers: Path) -> Target:
    return base_of_running(answers)


def said_by(python: str, expression: str) -> str:
    code = f"import importlib.metadata, sys, sysconfig; print({expression})"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def contents(prefix: Path) -> dict[str, str]:
    """Every file and link below *prefix*; files with their text, links with their target."""
    return {
        path.relative_to(prefix).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in sorted(prefix.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_an_environment_is_what_its_interpreter_says(version: str, answers: Path, tmp_path: Path) -> None:
    try:
        base = find_interpreter(version, cache_dir=answers, environ=os.environ, cwd="/")
    except TargetError:
        pytest.skip(f"no Python {version} on this machine")
    made = create_virtualenv(tmp_path / "it", base, cache_dir=answers)
    assert made == query_environment(str(tmp_path / "it"), answers)
    assert said_by(made.python, "sys.prefix") == str(tmp_path / "it")
    assert said_by(made.python, "sysconfig.get_path('purelib')") == made.paths["purelib"]
    assert said_by(made.python, "sys.version.split()[0]") == base.version
    assert Path(made.paths["purelib"]).is_dir()


def test_an_environment_holds_no_distribution_and_no_patch(base: Target, answers: Path, tmp_path: Path) -> None:
    made = create_virtualenv(tmp_path / "it", base, cache_dir=answers)
    assert list(Path(made.paths["purelib"]).iterdir()) == []
    assert said_by(made.python, "[d.name for d in importlib.metadata.distributions()]") == "[]"


def test_the_settings_say_who_made_it(base: Target, answers: Path, tmp_path: Path) -> None:
    create_virtualenv(tmp_path / "it", base, cache_dir=answers)
    settings = read_pyvenv_cfg(str(tmp_path / "it"))
    assert settings is not None
    assert settings["envsync"] == __version__
    assert settings["include-system-site-packages"] == "false"
    assert settings["version"] == base.version
    assert not {"command", "virtualenv", "prompt", "uv"} & settings.keys()


def test_nothing_in_an_environment_speaks_of_the_template(base: Target, answers: Path, tmp_path: Path) -> None:
    create_virtualenv(tmp_path / "it", base, cache_dir=answers)
    for name, text in contents(tmp_path / "it").items():
        assert "env sync" not in text, name
        assert f"{os.sep}envsync-" not in text, name
    assert str(tmp_path / "it") in (tmp_path / "it" / "bin" / "activate").read_text()


def test_all_environments_of_an_interpreter_have_the_same_files(base: Target, answers: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        create_virtualenv(tmp_path / name, base, cache_dir=answers)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert {name: text.replace("two", "one") for name, text in two.items()} == one
    assert len(one) < 20


def test_no_two_environments_share_a_file(base: Target, answers: Path, tmp_path: Path) -> None:
    """An environment that is edited in place must spoil no other."""
    create_virtualenv(tmp_path / "one", base, cache_dir=answers)
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert path.stat().st_nlink == 1
            path.write_text("spoiled")
    create_virtualenv(tmp_path / "two", base, cache_dir=answers)
    assert "spoiled" not in contents(tmp_path / "two").values()


def test_what_a_killed_process_began_is_cleared_and_nothing_else(base: Target, answers: Path, tmp_path: Path) -> None:
    whole = create_virtualenv(tmp_path / "whole", base, cache_dir=answers)
    names = sorted(contents(Path(whole.prefix)))
    for kept in range(len(names)):
        half = tmp_path / "half"
        create_virtualenv(half, base, cache_dir=answers)
        (half / "pyvenv.cfg").unlink()
        for name in names[kept:]:
            (half / name).unlink(missing_ok=True)
        cut = next((path for path in half.rglob("*") if path.is_file() and not path.is_symlink()), None)
        if cut is not None:
            cut.write_bytes(cut.read_bytes()[:5])
        (half / "bin" / "mine").write_text("x")
        assert not clear_remains(str(half), base, cache_dir=answers)
        assert (half / "bin" / "activate").exists() == ("bin/activate" in names[:kept])
        (half / "bin" / "mine").unlink()
        assert clear_remains(str(half), base, cache_dir=answers)
        assert list(half.iterdir()) == []


def test_the_settings_are_written_last(base: Target, answers: Path, tmp_path: Path) -> None:
    """Killed at any earlier point, it is no environment yet, and made anew."""
    create_virtualenv(tmp_path / "it", base, cache_dir=answers)
    assert (tmp_path / "it" / "pyvenv.cfg").stat().st_mtime_ns >= max(
        path.stat().st_mtime_ns for path in (tmp_path / "it" / "bin").iterdir() if not path.is_symlink()
    )


MAKE = """
import sys
from pathlib import Path
from pytest_envsync.environment.interpreter import base_of_running
from pytest_envsync.environment.virtualenvs import create_virtualenv
cache, path = map(Path, sys.argv[1:])
create_virtualenv(path, base_of_running(cache), cache_dir=cache)
print([name for name in ("virtualenv", "subprocess", "packaging", "tempfile", "shutil") if name in sys.modules])
"""


def test_the_second_environment_needs_no_virtualenv_and_no_process(cache_dir: Path, tmp_path: Path) -> None:
    loaded = [
        subprocess.run(
            [sys.executable, "-c", MAKE, str(cache_dir), str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for name in ("one", "two")
    ]
    assert "virtualenv" in loaded[0]
    assert loaded[1] == "[]"


@pytest.mark.parametrize("spoiled", ["{", "[]", "{}", '{"root": ""}'])
def test_a_template_that_cannot_be_read_is_made_anew(spoiled: str, cache_dir: Path, tmp_path: Path) -> None:
    base = base_of_running(cache_dir)
    create_virtualenv(tmp_path / "one", base, cache_dir=cache_dir)
    record = next((cache_dir / "templates").iterdir())
    good = json.loads(record.read_text())
    record.write_text(spoiled)
    create_virtualenv(tmp_path / "two", base, cache_dir=cache_dir)
    assert {**json.loads(record.read_text()), "root": ""} == {
        **json.loads(json.dumps(good).replace(good["root"], json.loads(record.read_text())["root"])),
        "root": "",
    }
    assert (tmp_path / "two" / "bin" / "python").exists()


def test_without_a_cache_an_environment_is_made_all_the_same(base: Target, tmp_path: Path) -> None:
    made = create_virtualenv(tmp_path / "it", base, cache_dir=None)
    assert said_by(made.python, "sys.prefix") == str(tmp_path / "it")


def test_an_environment_made_elsewhere_works_at_its_final_path(base: Target, answers: Path, tmp_path: Path) -> None:
    final = tmp_path / "cache" / "3f9c" / "1"
    made = create_virtualenv(tmp_path / "building", base, cache_dir=answers, final_path=final)
    assert made.prefix == str(final)
    assert "building" not in "".join(contents(tmp_path / "building").values())
    final.parent.mkdir(parents=True)
    (tmp_path / "building").rename(final)
    assert made == query_environment(str(final), answers)
    assert said_by(made.python, "sys.prefix") == str(final)
    assert activated(final, "bash") == str(final)


def activated(prefix: Path, shell: str) -> str:
    """VIRTUAL_ENV as *shell* has it after the environment was activated."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    script = {
        "bash": '. bin/activate && printf %s "$VIRTUAL_ENV"',
        "sh": '. bin/activate && printf %s "$VIRTUAL_ENV"',
        "fish": "source bin/activate.fish; printf %s $VIRTUAL_ENV",
        "csh": 'set prompt=x; source bin/activate.csh; printf %s "$VIRTUAL_ENV"',
    }[shell]
    flags = ["-f"] if shell == "csh" else []
    answer = subprocess.run(
        [program, *flags, "-c", script], cwd=prefix, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(prefix)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


NAMES = [
    "plain", "with space", "brackets (1) [2]", "umläut-日本", "d'accord", 'say "so"', "dollar$HOME", "back\\slash",
    "bang!", "hash#tag", "semi;colon", "per%cent", "star*", "tick`id`",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shell", ["bash", "sh", "fish", "csh"])
def test_activation_works_whatever_the_path_is_called(
    shell: str, name: str, base: Target, answers: Path, tmp_path: Path
) -> None:
    final = tmp_path / name
    made = create_virtualenv(tmp_path / "building", base, cache_dir=answers, final_path=final)
    (tmp_path / "building").rename(final)
    assert activated(final, shell) == str(final)
    assert said_by(made.python, "sys.prefix") == str(final)


@pytest.mark.parametrize("name", ["plain", "d'accord"])
@pytest.mark.parametrize("prompt", ["mine", "it's"])
def test_a_prompt_is_written_down(name: str, prompt: str, base: Target, answers: Path, tmp_path: Path) -> None:
    create_virtualenv(tmp_path / name, base, cache_dir=answers, prompt=prompt)
    settings = read_pyvenv_cfg(str(tmp_path / name))
    assert settings is not None
    assert settings["prompt"] == prompt
    program = shutil.which("bash")
    if program is not None:
        command = [program, "-c", '. bin/activate && printf %s "$VIRTUAL_ENV_PROMPT"']
        answer = subprocess.run(command, cwd=tmp_path / name, capture_output=True, text=True, check=True)
        assert answer.stdout == prompt


def test_any_target_leads_to_the_interpreter_behind_it(base: Target, answers: Path, tmp_path: Path) -> None:
    first = create_virtualenv(tmp_path / "one", base, cache_dir=answers)
    second = create_virtualenv(tmp_path / "two", query(first.python, answers), cache_dir=answers)
    assert second.base_python == base.base_python
    assert os.path.realpath(second.python) == base.base_python


def test_the_user_s_settings_for_virtualenv_do_not_count(
    base: Target, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "virtualenv.ini").write_text("[virtualenv]\nsystem-site-packages = true\n")
    monkeypatch.setenv("VIRTUALENV_CONFIG_FILE", str(tmp_path / "virtualenv.ini"))
    monkeypatch.setenv("VIRTUALENV_PROMPT", "theirs")
    create_virtualenv(tmp_path / "it", base, cache_dir=cache_dir)
    settings = read_pyvenv_cfg(str(tmp_path / "it"))
    assert settings is not None
    assert (settings["include-system-site-packages"], settings.get("prompt")) == ("false", None)


def test_files_have_the_permissions_that_the_user_s_mask_leaves(base: Target, answers: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        create_virtualenv(tmp_path / "it", base, cache_dir=answers)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "it" / "bin" / "activate").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "it" / "bin").stat().st_mode) == 0o700


def test_what_is_in_the_way_is_an_error(base: Target, answers: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="cannot be written"):
        create_virtualenv(tmp_path / "file" / "it", base, cache_dir=answers)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "bin").mkdir()
    with pytest.raises(TargetError, match="cannot be written"):
        create_virtualenv(tmp_path / "full", base, cache_dir=answers)


def test_an_interpreter_that_virtualenv_refuses_is_an_error(base: Target, tmp_path: Path) -> None:
    from pytest_envsync.values import replace

    gone = replace(base, base_python=str(tmp_path / "gone"), fingerprint="0" * 64)
    with pytest.raises(TargetError, match=r"virtualenv could not make an environment for `.*/gone`"):
        create_virtualenv(tmp_path / "it", gone, cache_dir=tmp_path / "cache")
    assert not (tmp_path / "it").exists()
