"""A pytest that a session changed has no part in what the store keeps; sessions are real."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from factories import Content
from session_project import PYTEST, SessionProject

PLUGIN: dict[str, Content] = {
    "plug.py": "import pytest\n\n\n@pytest.fixture\ndef value():\n    assert True\n    return 'genuine'\n"
}
CHANGE = '''
import os, re
import _pytest.assertion.rewrite as rewrite
import plug

POISON = """
_genuine = _rewrite_test
def _rewrite_test(fn, config):
    status, code = _genuine(fn, config)
    if fn.name == "plug.py":
        text = "import pytest\\\\n@pytest.fixture\\\\ndef value(): return 'poisoned'\\\\n"
        code = compile(text, str(fn), "exec")
    return status, code
"""


def test_change():
    place = rewrite.__file__
    before = os.stat(place)
    with open(place, encoding="utf-8") as file:
        text = file.read()
    if KEEP_LOOKS:
        # As long as it was, at the time it had.
        room = before.st_size - len(POISON.encode()) - 2
        text = re.sub(r"(?m)^ *#.*\\n", "", text)
        short = len(text.encode()) - room
        assert short < 0, "too few comments to make room"
        text += "#" * -short + "\\n\\n"
    os.unlink(place)
    with open(place, "w", encoding="utf-8") as file:
        file.write(text + POISON)
    os.chmod(place, before.st_mode & 0o777)
    if KEEP_LOOKS:
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert os.stat(place).st_size == before.st_size
'''


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    """A project with a plugin in its locks; pytest is in the second pair of them."""
    found = SessionProject(tmp_path)
    plug = found.wheel("plug", files=PLUGIN, entry_points={"pytest11": {"plug": "plug"}})
    demo = found.wheel("demo")
    own = found.repacked(*PYTEST)
    found.lock("without.lock", plug)
    found.lock("without-next.lock", plug, demo)
    found.lock("with.lock", plug, *own)
    found.lock("with-next.lock", plug, demo, *own)
    found.write({"test_value.py": "def test_value(value):\n    assert value == 'genuine'\n"})
    return found


def stored(cache_dir: Path) -> list[Path]:
    """What the store has of modules as pytest rewrote them."""
    return list(cache_dir.glob("wheels/**/bytecode/*-pytest-*/**/*.pyc"))


@pytest.mark.parametrize("keeps_looks", [False, True])
@pytest.mark.parametrize("lock", ["without", "with"])
def test_a_changed_pytest_does_not_rewrite_for_others(
    project: SessionProject, cache_dir: Path, lock: str, *, keeps_looks: bool
) -> None:
    project.write({"test_change.py": f"KEEP_LOOKS = {keeps_looks}\n{CHANGE}"})
    first = project.pytest("--envsync", f"{lock}.lock", "test_change.py")
    assert first.outcomes == {"passed": 1}, first.out
    assert stored(cache_dir) == []
    after = project.pytest("--envsync", f"{lock}-next.lock", "test_value.py")
    assert after.outcomes == {"passed": 1}, after.out


@pytest.mark.parametrize("lock", ["without", "with"])
def test_a_genuine_pytest_does(project: SessionProject, cache_dir: Path, lock: str) -> None:
    for name in (f"{lock}.lock", f"{lock}-next.lock"):
        run = project.pytest("--envsync", name, "test_value.py")
        assert run.outcomes == {"passed": 1}, run.out
    # Only from 9.2 on such a file serves wherever it lies.
    version = tuple(map(int, importlib.metadata.version("pytest").split(".")[:2]))
    assert {path.name.partition(".")[0] for path in stored(cache_dir)} == ({"plug"} if version >= (9, 2) else set())
