"""Sessions that test a working tree: what an edit rebuilds, what it does not, and what two worktrees share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import iniconfig
import pytest

from factories import project_files, setuptools_free_backend, write_tree
from session_project import SessionProject
from source_world import git, make_repository, touch
from test_build import is_running

BACKEND = """
import base64, hashlib, os, re, zipfile

def _wheel(directory, files):
    text = open("pyproject.toml").read()
    flavour = re.search('flavour = "(.*)"', text).group(1)
    open("builds", "a").write(flavour + "\\n")
    files["stamp.py"] = "FLAVOUR = %r\\n" % flavour
    info = "mine-3.0.dist-info/"
    files[info + "METADATA"] = "Metadata-Version: 2.1\\nName: mine\\nVersion: 3.0\\nRequires-Dist: absent>=2\\n"
    files[info + "WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    scripts = "[console_scripts]\\nmine-%s = mine:main\\n" % flavour
    files[info + "entry_points.txt"] = scripts + "[tastes]\\nnow = mine:main\\n"
    digest = lambda c: base64.urlsafe_b64encode(hashlib.sha256(c.encode()).digest()).rstrip(b"=").decode()
    rows = "".join("%s,sha256=%s,%d\\n" % (p, digest(c), len(c)) for p, c in files.items())
    with zipfile.ZipFile(os.path.join(directory, "mine-3.0-py3-none-any.whl"), "w") as archive:
        for path, content in {**files, info + "RECORD": rows + info + "RECORD,,\\n"}.items():
            archive.writestr(path, content)
    return "mine-3.0-py3-none-any.whl"

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"mine.py": open("code/mine.py").read()})

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"__editable__.mine.pth": os.path.abspath("code") + "\\n"})
"""

TEST = """
import importlib.metadata, os, shutil, subprocess, sys
import mine, stamp

def test_it():
    assert mine.__file__ == os.path.join({root!r}, "code", "mine.py")
    assert stamp.__file__.startswith(sys.prefix)
    tool = shutil.which("mine-" + stamp.FLAVOUR)
    assert tool.startswith(sys.prefix)
    said = subprocess.run([tool], capture_output=True, text=True, check=True).stdout
    assert said == "mine says %s\\n" % mine.WORD
    (entry,) = importlib.metadata.entry_points(group="tastes")
    assert entry.load() is mine.main
    print("FOUND", stamp.FLAVOUR, mine.WORD)
"""


def pyproject(flavour: str, more: str = "") -> str:
    return (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "mine"\nversion = "3.0"\n[tool.mine]\nflavour = "{flavour}"\n{more}'
    )


def write_mine(root: Path, flavour: str = "sweet", more: str = "") -> Path:
    """A project called mine with a command, whose module is in ``code``."""
    code = 'WORD = "hello"\ndef main():\n    print("mine says", WORD)\n'
    return write_tree(root, {"pyproject.toml": pyproject(flavour, more), "backend.py": BACKEND, "code/mine.py": code})


def builds(root: Path) -> list[str]:
    """The flavours of the builds so far."""
    return (root / "builds").read_text().split()


@pytest.fixture
def project(tmp_path: Path) -> SessionProject:
    found = SessionProject(tmp_path)
    found.write({"pytest.ini": "[pytest]\naddopts = --import-mode=importlib -s\n"})
    return found


@pytest.mark.parametrize("by", ["the lock", "the root directory"])
def test_a_session_runs_against_the_working_tree(project: SessionProject, by: str) -> None:
    write_mine(project.path)
    project.lock("requirements.lock", project.wheel("demo"), pins=["-e ."] if by == "the lock" else [])
    project.write({"test_it.py": TEST.format(root=str(project.path))})

    def session() -> str:
        run = project.pytest("--envsync", "requirements.lock", module=False)
        assert run.returncode == 0, run.out
        assert "absent" in "".join(run.header())
        return next(line for line in run.stdout.splitlines() if "FOUND" in line).partition("FOUND ")[2]

    assert session() == "sweet hello"
    # An edit of a module counts at once, and builds nothing.
    project.write({"code/mine.py": 'WORD = "bye"\ndef main():\n    print("mine says", WORD)\n'})
    assert session() == "sweet bye"
    assert builds(project.path) == ["sweet"]
    project.write({"pyproject.toml": pyproject("sour")})
    assert session() == "sour bye"
    assert builds(project.path) == ["sweet", "sour"]
    keys = '[tool.envsync]\ncache-keys = [{ env = "FLAVOUR" }, { file = "data/*.txt" }]\n'
    project.write({"pyproject.toml": pyproject("salty", keys)})
    assert session() == "salty bye"
    touch(project.path / "pyproject.toml")
    session()
    assert len(builds(project.path)) == 3
    project.write({"data/more/new.txt": ""})
    session()
    assert len(builds(project.path)) == 4


@pytest.mark.parametrize("editable", [True, False])
def test_a_synced_environment_of_a_directory_follows_its_keys(project: SessionProject, *, editable: bool) -> None:
    library = write_mine(project.path.parent / "library")
    project.lock("library.lock", pins=[f"{'-e ' if editable else ''}{library}"])
    project.write(
        {
            "test_it.py": (
                "import pytest\n"
                "@pytest.mark.envsync('library.lock')\n"
                "def test_it(synced_env):\n"
                "    code = 'import stamp, mine; print(stamp.FLAVOUR, mine.WORD)'\n"
                "    print('FOUND', synced_env.run('python', '-c', code).stdout.strip(), synced_env.packages['mine'])\n"
            ),
        }
    )

    def session() -> str:
        run = project.pytest(module=False)
        assert run.returncode == 0, run.out
        return next(line for line in run.stdout.splitlines() if "FOUND" in line).partition("FOUND ")[2]

    assert session() == "sweet hello 3.0"
    write_tree(library, {"code/mine.py": 'WORD = "bye"\n'})
    assert session() == ("sweet bye 3.0" if editable else "sweet hello 3.0")
    assert builds(library) == ["sweet"]
    write_tree(library, {"pyproject.toml": pyproject("sour")})
    assert session() == "sour bye 3.0"
    assert builds(library) == ["sweet", "sour"]


def test_two_worktrees_of_one_repository_never_share(project: SessionProject, cache_dir: Path) -> None:
    make_repository(write_mine(project.path), {"requirements.lock": "-e .\n"})
    other = project.path.parent / "other"
    git(project.path, "worktree", "add", "--quiet", str(other))
    keys = set()
    for root in (project.path, other, project.path):
        write_tree(root, {"test_it.py": TEST.format(root=str(root))})
        run = project.pytest("--envsync", "requirements.lock", "--rootdir", root, cwd=root, module=False)
        assert run.returncode == 0, run.out
        keys.add(run.header()[0].split()[2])
    assert len(keys) == 2
    assert [builds(root) for root in (project.path, other)] == [["sweet"], ["sweet"]]


@pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_session_that_ends_while_its_project_is_built_leaves_no_backend(
    project: SessionProject, number: signal.Signals
) -> None:
    write_mine(project.path)
    pids = project.path.parent / "pids"
    hangs = (
        f"\ndef build_editable(*a, **k):\n    import time\n    open({str(pids)!r}, 'w').write(str(os.getpid()) + ' ')\n"
    )
    project.write({"backend.py": BACKEND + hangs + "    time.sleep(600)\n", "test_it.py": "def test_it(): pass\n"})
    project.lock("requirements.lock", project.wheel("demo"))
    command = [sys.executable, "-m", "pytest", *project.offline(), "--envsync", "requirements.lock"]
    process = subprocess.Popen(command, cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while not (pids.exists() and pids.read_text().endswith(" ")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        said, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == (2 if number == signal.SIGINT else -number)
    assert "Traceback" not in said
    assert ("envsync: interrupted before the session began" in said) is (number == signal.SIGINT)
    while is_running(int(pids.read_text())):
        time.sleep(0.01)
    # The next session builds it, and is well.
    project.write({"backend.py": BACKEND})
    again = project.pytest("--envsync", "requirements.lock", module=False)
    assert again.returncode == 0, again.out


def test_a_backend_that_fails_ends_the_session_with_its_last_words(project: SessionProject) -> None:
    write_mine(project.path)
    fails = "\ndef build_editable(*a, **k):\n    for number in range(60):\n        print('step', number)\n"
    project.write({"backend.py": BACKEND + fails + "    raise SystemExit('no sugar')\n", "test_it.py": ""})
    project.lock("requirements.lock", project.wheel("demo"))
    run = project.pytest("--envsync", "requirements.lock", module=False)
    assert run.returncode == 4, run.out
    assert "no sugar" in run.stderr
    assert "step 59" in run.stderr
    assert "step 1\n" not in run.stderr
    assert "--envsync-project none" in run.stderr
    without = project.pytest("--envsync", "requirements.lock", "--envsync-project", "none", module=False)
    assert without.returncode == 5, without.out


@pytest.mark.parametrize("line", ["-e .", "./"])
def test_a_dependency_of_pytest_may_be_the_working_tree(project: SessionProject, line: str) -> None:
    package = Path(iniconfig.__file__).parent
    modules = {f"iniconfig/{path.name}": path.read_text() for path in package.glob("*.py")}
    # Only the backend knows the version, and that its wheel has the package.
    table = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    table += '[project]\nname = "iniconfig"\ndynamic = ["version"]\n'
    backend = setuptools_free_backend("iniconfig", "9.9").replace(
        'p.name: p.read_bytes() for p in pathlib.Path(".").glob("iniconfig*.py")',
        'str(p): p.read_bytes() for p in pathlib.Path("iniconfig").glob("*.py")',
    )
    test = "import importlib.metadata, iniconfig\ndef test_it():\n"
    test += "    print('FOUND', importlib.metadata.version('iniconfig'), iniconfig.__file__)\n"
    project.write({**modules, "pyproject.toml": table, "backend.py": backend, "test_it.py": test})
    project.lock("requirements.lock", pins=[line])
    run = project.pytest("--envsync", "requirements.lock", module=False)
    assert run.returncode == 0, run.out
    (found,) = [text for text in run.stdout.splitlines() if "FOUND 9.9" in text]
    assert (str(project.path / "iniconfig") in found) is (line == "-e .")


def test_relative_paths_of_a_lock_start_at_the_root_of_the_session(project: SessionProject) -> None:
    write_tree(project.path, project_files("mine"))
    write_tree(project.path / "tests", project_files("other"))
    write_tree(project.path / "library", project_files("library"))
    project.lock("locked.txt", pins=["-e .", "./library"])
    project.write(
        {
            "pytest.ini": "[pytest]\naddopts = --import-mode=importlib -s\n",
            "tests/test_it.py": (
                "import importlib.metadata, pytest\n"
                "def test_it():\n"
                "    names = {found.name for found in importlib.metadata.distributions()}\n"
                "    print('FOUND', sorted(names & {'mine', 'other', 'library'}))\n"
                "@pytest.mark.envsync('locked.txt')\n"
                "def test_marker(synced_env):\n"
                "    print('MARKED', sorted(synced_env.packages))\n"
                "@pytest.mark.envsync('locked.txt', private=True)\n"
                "def test_private(synced_env):\n"
                "    with open('again.txt', 'w') as file:\n"
                "        file.write('-e .\\n./library\\n./extra\\n')\n"
                "    synced_env.sync('again.txt')\n"
                "    print('SYNCED', sorted(synced_env.packages))\n"
            ),
        }
    )
    write_tree(project.path / "extra", project_files("extra"))
    paths = set()
    for place, words in ((project.path, "locked.txt"), (project.path / "tests", "../locked.txt")):
        run = project.pytest("--envsync", words, "--envsync-project", "none", module=False, cwd=place)
        assert run.returncode == 0, run.out
        for text in (
            "FOUND ['library', 'mine']",
            "MARKED ['library', 'mine']",
            "SYNCED ['extra', 'library', 'mine']",
        ):
            assert text in run.stdout, run.out
        options = ["--no-index", f"--find-links={project.wheels}", "--install-project", "none"]
        path = project.run(sys.executable, "-m", "pytest_envsync", "env", "path", *options, words, cwd=place)
        assert path.returncode == 0, path.out
        paths.add(path.stdout.strip())
    assert len(paths) == 1
