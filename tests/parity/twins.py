"""Runs the reference and our command on the same input, at the same path, one after the other."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

from case import Case, Step, Text
from shelf import BASE, FULL, PY, Shelf

OWN_FILES = {"INSTALLER", "uv_cache.json", "uv_build.json", "envsync.json"}
"""What an installer writes about itself."""

CHANGE = re.compile(r" [-+~] ")
COUNT = re.compile(r"(Resolved|Prepared|Uninstalled|Installed|Checked|Bytecode compiled|Would|No requirements found)\b")
TIME = re.compile(r" in (?:\d+m )?[0-9.]+m?s$")


class Entry(NamedTuple):
    """A file, directory or link of a tree."""

    kind: str
    is_executable: bool
    content: bytes


class Run(NamedTuple):
    """How one run ended, and what it left."""

    status: int
    stdout: str
    stderr: str
    tree: dict[str, Entry]

    @property
    def changes(self) -> list[str]:
        """The lines that say what changed."""
        return [line for line in self.stderr.splitlines() if CHANGE.match(line)]

    @property
    def counts(self) -> list[str]:
        """The lines that count, without their times."""
        return [TIME.sub("", line.partition(" (hint")[0]) for line in self.stderr.splitlines() if COUNT.match(line)]

    @property
    def has_warned(self) -> bool:
        """Whether there was a warning; its words are each tool's own."""
        return "warning:" in self.stderr

    @property
    def data(self) -> object:
        """What was printed as JSON; the number of the schema is each tool's own."""
        if not self.stdout.strip():
            return None
        values = json.loads(self.stdout)
        del values["schema"]
        return values


class Twins:
    """One directory in which both tools work in turn, so that no path differs."""

    def __init__(self, root: Path, shelf: Shelf, uv: str) -> None:
        self.root, self.shelf, self.uv = root, shelf, uv
        self.here = root / "here"
        self.bin = root / "bin"
        self.bin.mkdir(parents=True)
        for tool in ("uv", "envsync"):
            (root / f"{tool}-primed").mkdir()
        (root / "empty").touch()
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("preloaded.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def prime(self) -> None:
        """Let both learn once what there is to know of the interpreter."""
        self._lay_out(Case(name="prime", steps=()))
        for tool in ("uv", "envsync"):
            self._start(
                tool, "sync", Step(args="--allow-empty-requirements -"), {}, self.root / f"{tool}-primed", real=False
            )
        shutil.rmtree(self.here)

    def close(self) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()

    def both(self, case: Case, *, real: bool = False) -> tuple[list[Run], list[Run]]:
        """Run the steps of *case* with the reference and with us; *real*: in processes of their own."""
        return self._run("uv", case, real=real), self._run("envsync", case, real=real)

    def _run(self, tool: str, case: Case, *, real: bool) -> list[Run]:
        cache = self.root / f"{tool}-cache"
        shutil.copytree(self.root / f"{tool}-primed", cache)
        runs = []
        try:
            self._lay_out(case)
            for step in case.steps:
                for name in step.gone:
                    place = self.here / name
                    shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
                self._write(step.files)
                environ = dict(case.environ)
                if case.index:
                    environ.setdefault("UV_DEFAULT_INDEX", "@INDEX@")
                status, stdout, stderr = self._start(tool, "sync", step, environ, cache, real=real)
                runs.append(Run(status, stdout, stderr, snapshot(self.here)))
        finally:
            shutil.rmtree(self.here, ignore_errors=True)
            shutil.rmtree(cache)
        return runs

    def _lay_out(self, case: Case) -> None:
        self.here.mkdir()
        if case.venv == "system":
            make_system(self.here / case.place)
        elif case.venv != "none":
            make_environment(self.here / case.place, made_by_uv=case.venv == "uv")
        site_packages = self.here / case.place / "lib" / f"python{PY}" / "site-packages"
        for prefix in case.installed:
            install(self.shelf.find(prefix), site_packages)
        self._write(case.files)

    def _write(self, files: object) -> None:
        assert isinstance(files, dict)
        for name, text in files.items():
            place = self.here / self.shelf.expand(name, self.here)
            place.parent.mkdir(parents=True, exist_ok=True)
            content: Text = text
            if isinstance(content, str):
                content = self.shelf.expand(content, self.here).encode()
            place.write_bytes(content)

    def _start(
        self, tool: str, command: str, step: Step, more: dict[str, str], cache: Path, *, real: bool
    ) -> tuple[int, str, str]:
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        environ = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "UV_CACHE_DIR": str(cache),
            "ENVSYNC_CACHE_DIR": str(cache),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_HTTP_RETRIES": "0",
            # Else the reference warns that its pylock.toml is an experiment.
            "UV_PREVIEW_FEATURES": "pylock",
            # Nothing gets out: whoever asks for the public index meets a closed port.
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "PIP_CONFIG_FILE": os.devnull,
        }
        for name, value in {**more, **step.environ}.items():
            environ[name] = self.shelf.expand(value, self.here)
        argv = [command, *shlex.split(self.shelf.expand(step.args, self.here))]
        if tool == "uv" or real:
            start = [self.uv, "pip"] if tool == "uv" else [sys.executable, "-m", "pytest_envsync"]
            ended = subprocess.run(
                [*start, *argv],
                cwd=self.here,
                env=environ,
                input=step.stdin,
                capture_output=True,
                text=True,
                check=False,
            )
            return ended.returncode, ended.stdout, ended.stderr
        streams = {name: str(self.root / name) for name in ("stdin", "stdout", "stderr")}
        Path(streams["stdin"]).write_text(step.stdin)
        request = {"argv": argv, "cwd": str(self.here), "environ": environ, **streams}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        return status, Path(streams["stdout"]).read_text(), Path(streams["stderr"]).read_text()


def make_environment(path: Path, *, made_by_uv: bool = False) -> None:
    """Make the least that is a virtual environment; ``pyvenv.cfg`` says who made it."""
    (path / "bin").mkdir(parents=True)
    (path / "lib" / f"python{PY}" / "site-packages").mkdir(parents=True)
    base = Path(BASE) / f"python{PY}"
    for name in ("python", "python3", f"python{PY}"):
        (path / "bin" / name).symlink_to(base)
    made = "uv = 0.13.9\n" if made_by_uv else ""
    (path / "pyvenv.cfg").write_text(
        f"home = {base.parent}\nimplementation = CPython\n{made}version_info = {FULL}\n"
        "include-system-site-packages = false\n"
    )


def make_system(path: Path) -> None:
    """Make an interpreter that is no virtual environment: a copy of ours, with links to its library."""
    library = Path("lib") / f"python{PY}"
    (path / "bin").mkdir(parents=True)
    (path / library / "site-packages").mkdir(parents=True)
    for name in ("python3", f"python{PY}"):
        shutil.copy2(Path(BASE, f"python{PY}").resolve(), path / "bin" / name)
    base = Path(BASE).parent
    for source in [*(base / "lib").iterdir(), *(base / library).iterdir()]:
        place = path / source.relative_to(base)
        if not place.exists() and source.name != "EXTERNALLY-MANAGED":
            place.symlink_to(source)


def install(wheel: Path, site_packages: Path) -> None:
    """Unpack a plain wheel, as pip would have installed it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)
    (info,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
    (site_packages / info).with_name("INSTALLER").write_text("pip\n")
    with (site_packages / info).open("a") as record:
        record.write(info.replace("RECORD", "INSTALLER") + ",,\n")


def snapshot(root: Path) -> dict[str, Entry]:
    """All that is below *root*, but for bytecode, locks and what an installer writes about itself."""
    found: dict[str, Entry] = {}
    for directory, names, files in os.walk(root):
        if "__pycache__" in names:
            names.remove("__pycache__")
        for name in [*names, *files]:
            path = Path(directory, name)
            relative = path.relative_to(root).as_posix()
            is_own = name in OWN_FILES and path.parent.name.endswith(".dist-info")
            if name == ".lock" or is_own:
                continue
            if path.is_symlink():
                found[relative] = Entry("link", False, os.fsencode(path.readlink()))
            elif path.is_dir():
                found[relative] = Entry("directory", False, b"")
            else:
                mode = stat.S_IMODE(path.lstat().st_mode)
                found[relative] = Entry("file", bool(mode & 0o111), _comparable(path))
    return found


def _comparable(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name == "RECORD" and path.parent.name.endswith(".dist-info"):
        return _comparable_record(content.decode())
    if path.parent.name in ("bin", "Scripts") and is_wrapper(content):
        return _decided(content)
    return content


def _decided(wrapper: bytes) -> bytes:
    """Return what a wrapper's text says of its entry point: the first lines, the import and the call."""
    start, _, body = wrapper.partition(b"# -*-")
    kept = [line for line in body.splitlines() if line.startswith(b"from ") or b"sys.exit(" in line]
    return start + b"\n".join(kept)


def is_wrapper(content: bytes) -> bool:
    """Whether a script was made from an entry point: its words are each installer's own."""
    return b"sys.exit(" in content and b"import sys" in content


def _comparable_record(text: str) -> bytes:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    kept = [row for row in rows if row[0].rpartition("/")[2] not in OWN_FILES]
    # The digest of a script is that of the text that each writes.
    lines = [",".join(row[:1] if re.match(r"(\.\./)*bin/|bin/", row[0]) else row) for row in kept]
    return "\n".join(lines).encode()
