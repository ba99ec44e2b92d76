"""What the pages say is so: every block of shell and configuration in them is run, and what they show is compared.

The two commands that the README marks are the CI script's: they need the public index.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from index_server import IndexServer
from snippets import Scenario

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")

# Options of other commands that the pages name.
OF_OTHERS = {
    *("--no-deps", "--python-executable", "--force", "--ask", "--user", "--pip-args"),  # pip-sync
    *("--skip-env-install", "--upgrade", "--group", "--editable", "--from", "--mount"),  # tox, pip, Dockerfiles
    *("--format", "--pdb", "--cov", "--junitxml", "--hash", "--output-file"),
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_does_what_it_says(page: Path, tmp_path: Path, index: IndexServer) -> None:
    scenario = Scenario(page, tmp_path, index)
    scenario.collect()
    faults = scenario.run()
    if faults:
        pytest.fail("\n\n".join(faults), pytrace=False)
    if scenario.missing:
        pytest.skip(f"{scenario.missing} is not installed; what stands in front of it was run")


def help_of(*argv: str) -> str:
    """What a command of ours prints with ``--help``."""
    command = [sys.executable, "-m", *argv, "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=DOCS, timeout=300)
    return result.stdout + result.stderr


def test_each_option_and_ini_key_of_sessions_is_on_their_page() -> None:
    said = (DOCS / "sessions.md").read_text(encoding="utf-8")
    shown = help_of("pytest")
    options = set(re.findall(r"--(?:no-)?envsync[a-z-]*\b", shown))
    keys = set(re.findall(r"^  (envsync\w*) \(", shown, re.MULTILINE))
    assert len(options) > 10
    assert len(keys) > 10
    assert [option for option in sorted(options) if f"`{option}" not in said] == []
    assert [key for key in sorted(keys) if f"`{key}`" not in said] == []


def test_pages_name_no_option_that_does_not_exist() -> None:
    """In prose as well: what stands in a snippet was run."""
    commands = [("env", name) for name in ("list", "path", "diff", "restore", "remove", "prune")]
    commands += [("cache", name) for name in ("dir", "size", "verify", "prune", "clean")]
    known = set(OF_OTHERS) | set(OPTION.findall(help_of("pytest")))
    for command in [(), ("sync",), ("run",), *commands]:
        known |= set(OPTION.findall(help_of("pytest_envsync", *command)))
    known |= set(OPTION.findall((DOCS / "settings.md").read_text(encoding="utf-8")))
    named = {(page.name, option) for page in PAGES for option in OPTION.findall(page.read_text(encoding="utf-8"))}
    assert sorted((page, option) for page, option in named if option not in known) == []


@pytest.mark.network
def test_readme_main_job_in_a_fresh_clone(tmp_path: Path, cache_dir: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, capture_output=True)
    readme = (clone / "README.md").read_text(encoding="utf-8")
    command = re.findall(r"<!-- command: main job -->\n```sh\n(.*?)```", readme, re.DOTALL)[0]
    result = subprocess.run(["bash", "-euc", command], cwd=clone, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    header = r"^envsync: requirements.lock -> [0-9a-f]{10} \(CPython .*, 3 distributions, created"
    assert re.search(header, result.stdout, re.MULTILINE)
    assert cache_dir.is_dir()
