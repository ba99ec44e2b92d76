"""The tools that are compared, installed into environments of their own, and the locks with their wheels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("uv", "tox", "nox", "virtualenv")
HOST = ("pytest", "pytest-xdist")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where everything lies. *host* has pytest-envsync and pytest, *tools* the peers."""

    root: Path
    host: Path
    tools: Path
    python: str
    environ: Mapping[str, str]

    def tool(self, name: str) -> str:
        """Return the path of a peer's command."""
        return str(self.tools / "bin" / name)

    def ours(self, name: str) -> str:
        """Return the path of a command of the host environment."""
        return str(self.host / "bin" / name)


def _call(*command: str, environ: Mapping[str, str] | None = None, text: str | None = None) -> str:
    result = subprocess.run(command, env=environ, input=text, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
    return result.stdout


def make_bench(root: Path, python: str) -> Bench:
    """Make (or reuse) the environments below *root*; the project is installed anew each time."""
    project = Path(__file__).resolve().parent.parent
    root.mkdir(parents=True, exist_ok=True)
    for name, packages in (("tools", TOOLS), ("host", HOST)):
        if not (root / name / "bin" / "python").exists():
            _call(python, "-m", "venv", str(root / name))
            # Commands start as today's installers write them: those of older ones import `re`, 5 ms each time.
            _call(str(root / name / "bin" / "python"), "-m", "pip", "install", "-q", "--upgrade", "pip")
            _call(str(root / name / "bin" / "python"), "-m", "pip", "install", "-q", *packages)
    _call(str(root / "host/bin/python"), "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", str(project))
    _call(str(root / "host/bin/python"), "-m", "pip", "install", "-q", str(project))
    # Tools are installed with bytecode; what a user has after the first run is what is measured.
    _call(str(root / "host/bin/python"), "-m", "compileall", "-q", str(root / "host/lib"))
    home = root / "home"
    home.mkdir(exist_ok=True)
    environ = {
        "HOME": str(home),
        "PATH": f"{root / 'tools/bin'}:{Path(python).parent}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "UV_CACHE_DIR": str(root / "uv-cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "ENVSYNC_CACHE_DIR": str(root / "envsync-cache"),
    }
    return Bench(root=root, host=root / "host", tools=root / "tools", python=python, environ=environ)


def lock_with_pytest(bench: Bench, lock: Path) -> Path:
    """Return *lock* with pytest and what it needs added, its own pins kept.

    The peers need pytest in the set; the same file is given to all.
    """
    merged = bench.root / "locks" / lock.name
    if not merged.exists():
        merged.parent.mkdir(exist_ok=True)
        pins = [line.split()[0] for line in lock.read_text().splitlines() if "==" in line.split(" ")[0]]
        compiled = _call(
            bench.tool("uv"), "pip", "compile", "-q", "--generate-hashes", "--no-annotate", "--no-header",
            "--python", bench.python, "-",
            text="\n".join([*pins, "pytest"]),
        )  # fmt: skip
        merged.write_text(compiled)
    return merged


def wheels_of(bench: Bench, lock: Path) -> Path:
    """Return a directory that holds every wheel of *lock*, fetched once from the public index."""
    wheels = bench.root / "wheels" / lock.stem
    done = wheels / ".complete"
    if not done.exists():
        wheels.mkdir(parents=True, exist_ok=True)
        _call(
            sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--require-hashes",
            "-d", str(wheels), "-r", str(lock),
        )  # fmt: skip
        done.touch()
    return wheels
