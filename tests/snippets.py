"""The fenced blocks of a page, and how they are run: one bash per page, block after block, in one directory.

What a reader does not see stands in HTML comments in front of the block that needs it:

* ``wheel: NAME VERSION [OPTION=VALUE...]``: the index has this wheel, with a module of its name.
  ``command`` adds a command of its name; ``tag=`` and ``python=`` (requires-python) go into it;
  ``digest=`` is the sha256 that the page shows for it.
* ``file: PATH``: the rest of the comment is written to PATH; without a rest, the next block is.
* ``venv: PATH [pip]``: a virtual environment.
* ``run: COMMAND``: run it, show nothing; ``$HOST_PYTHON`` is the Python that can import the engine.
* ``environ: NAME=VALUE``: for the commands that follow.
* ``login: USER PASSWORD``: the index wants these.
* ``needs: COMMAND``: leave the rest of the page out where the command is not installed.
* ``command: NAME``: the block is one of the two that the CI script runs from a fresh clone.

``https://packages.example.com`` is the address of the local index. In a ``console`` block a line that starts with ``$``
is a command, one that starts with ``>`` goes on with it, and the rest is what it must print; ``...`` stands for
anything. A command must succeed, unless ``$ echo $?`` follows it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from factories import make_wheel, sha256
from index_server import IndexServer

ADDRESS = re.compile(r"https://([^@/\s]*@)?packages\.example\.com")
HOST = "packages.example.com"
HOME = "/home/me/project"
PART = re.compile(
    r"^<!--[ ]*(?P<comment>.*?)[ ]*-->|^(?P<fence>```+)(?P<language>\{?[\w-]*\}?)[^\n]*\n(?P<text>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
WRITTEN = {"toml", "ini", "python", "yaml"}
SHOWN = {"text", "json", "", "{toctree}", "{include}", "{literalinclude}"}


class Part(NamedTuple):
    """A directive (*language* ``<!--``) or a fenced block; *line* counts from 1."""

    language: str
    text: str
    line: int


class Command(NamedTuple):
    """What is typed, and what must be printed; an empty *expected* says nothing about the output."""

    text: str
    expected: str
    line: int
    may_fail: bool = False
    shown: bool = True


def read_parts(page: str) -> Iterator[Part]:
    """Cut a page into directives and blocks, in their order."""
    for match in PART.finditer(page):
        line = page.count("\n", 0, match.start()) + 1
        if match["comment"] is not None:
            if re.match(r"[a-z]+:", match["comment"]):
                yield Part("<!--", match["comment"], line)
        else:
            yield Part(match["language"], match["text"], line)


def read_commands(block: Part) -> Iterator[Command]:
    """The commands of a ``console`` block, each with the lines below it."""
    found: list[tuple[list[str], list[str], int]] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if line.startswith("$ "):
            found.append(([line[2:]], [], number))
        elif line.startswith("> ") and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            found[-1][1].append(line)
    for (typed, printed, number), following in zip(found, [*found[1:], None], strict=True):
        asked = following is not None and following[0] == ["echo $?"]
        yield Command("\n".join(typed), "\n".join(printed), number, may_fail=asked)


def normalised(text: str) -> str:
    """Take out of an output what differs from run to run: durations, keys, what pytest needs, the length of rules."""
    text = re.sub(r"\bin \d+(\.\d+)? ?m?s\b( \([\d:]+\))?", "in 0s", text)
    text = re.sub(r"\b[0-9a-f]{10}\b", "0123456789", text)
    text = re.sub(r"\bCPython \d+\.\d+\.\d+\b", "CPython 3.X.Y", text)
    text = re.sub(r"\d+ distributions not in the lock", "N distributions not in the lock", text)
    text = re.sub(r"(={3,}|-{3,})", lambda rule: rule[0][:3], text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def agrees(expected: str, printed: str) -> bool:
    """Whether what was printed is what the page shows. ``...`` alone on a line stands for any lines, else any text."""
    pattern = ""
    for line in normalised(expected).splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.split("..."))) + r"\n"
    return re.fullmatch(pattern, normalised(printed) + "\n") is not None


def _end(text: str) -> str:
    """The last lines of an output."""
    return "\n".join(text.splitlines()[-25:])


STAND_IN = """\
import os
import sys

def run(module):
    os.execv({python!r}, [{python!r}, "-m", module, *sys.argv[1:]])

def envsync():
    run("pytest_envsync")

def pytest():
    run("pytest")
"""


@dataclass
class Scenario:
    """A page that is run in *directory*, with the wheels that its directives ask for."""

    page: Path
    directory: Path
    index: IndexServer
    commands: list[Command] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    replaced: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    cwd: Path = field(init=False)

    def __post_init__(self) -> None:
        self.cwd = self.directory / "project"
        self.cwd.mkdir()
        self._stand_in()
        self._tools()
        self._warm_up()

    def _stand_in(self) -> None:
        """``pip install pytest-envsync`` installs commands that lead to the code under test."""
        points = {"envsync": "envsync_stand_in:envsync", "pytest-envsync": "envsync_stand_in:envsync"}
        wheel = make_wheel(
            self.directory / "wheels",
            "pytest-envsync",
            "0.1.0",
            files={"envsync_stand_in.py": STAND_IN.format(python=sys.executable)},
            entry_points={"console_scripts": {**points, "pytest": "envsync_stand_in:pytest"}},
        )
        self.index.add(wheel)

    def _tools(self) -> None:
        """A directory for PATH: our commands, and a Python that is not the one that runs this test."""
        tools = self.directory / "bin"
        tools.mkdir()
        beside = Path(sys.executable).parent
        base = Path(getattr(sys, "_base_executable", sys.executable))
        for name, leads_to in (("python", base), ("python3", base), ("pytest", beside / "pytest")):
            (tools / name).symlink_to(leads_to)
        for name in ("tox", "nox"):
            found = shutil.which(name, path=f"{beside}:{os.environ['PATH']}")
            if found:
                (tools / name).symlink_to(found)
        command = tools / "envsync"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pytest_envsync "$@"\n')
        command.chmod(0o755)

    def _warm_up(self) -> None:
        """Start from a cache that knows the interpreter and has the overlay: made once, it saves a second a page."""
        warm = self.directory.parent / "warm-cache"
        if not warm.exists():
            lock = self.directory / "warm.txt"
            lock.write_text(f"warm @ {make_wheel(self.directory / 'warm', 'warm').as_uri()}\n")
            command = [sys.executable, "-m", "pytest_envsync", "run", "-q", "--cache-dir", str(warm), str(lock)]
            subprocess.run([*command, "--", "true"], cwd=self.directory, check=True, capture_output=True)
        for name in ("templates", "interpreters", "overlays"):
            shutil.copytree(warm / name, Path(os.environ["ENVSYNC_CACHE_DIR"]) / name, symlinks=True)

    def environ(self) -> dict[str, str]:
        """What the commands see: an empty HOME, and the local index as pip would be told of it."""
        return {
            **os.environ,
            "PATH": f"{self.directory / 'bin'}:/usr/bin:/bin",
            "PIP_INDEX_URL": self.index.url,
            "HOST_PYTHON": sys.executable,
            "PIP_REQUIRE_VIRTUALENV": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "COLUMNS": "120",
            "LC_ALL": "C.UTF-8",
        }

    def substituted(self, text: str) -> str:
        """The text of the page, with the real address and the real digests in it."""
        port = self.index.port
        text = ADDRESS.sub(lambda address: f"http://{address[1] or ''}127.0.0.1:{port}", text).replace(
            HOST, "127.0.0.1"
        )
        for shown, real in self.replaced.items():
            text = text.replace(shown, real)
        return text

    def collect(self) -> None:
        """Read the page; makes the wheels, and notes the steps."""
        awaited = ""
        for part in read_parts(self.page.read_text(encoding="utf-8")):
            where = f"{self.page.name}:{part.line}"
            if part.language == "<!--":
                name, _, rest = part.text.partition(":")
                awaited = self._direct(name, rest.strip(), part.line)
                if self.missing:
                    return
                continue
            if awaited == "by CI":
                pass
            elif awaited:
                self.write(awaited, part.text)
            elif part.language == "console":
                for command in read_commands(part):
                    self.type(command)
            elif part.language == "sh":
                self.type(Command(f"set -e\n{part.text}set +e\n", "", part.line))
            elif part.language == "dockerfile":
                self._docker(part)
            else:
                assert part.language in SHOWN, f"{where}: a block in {part.language!r} that nothing runs or uses"
            awaited = ""

    def _direct(self, name: str, rest: str, line: int) -> str:
        """Follow a directive. Returns the path that the next block is to be written to, if it is one."""
        first, _, body = rest.partition("\n")
        if name == "wheel":
            self.add_wheel(*first.split())
        elif name == "file":
            if not body:
                return first
            self.write(first, body + "\n")
        elif name == "venv":
            path, *seeds = first.split()
            self.make_venv(path, pip=bool(seeds))
        elif name == "run":
            self._hidden(rest, line)
        elif name == "environ":
            self._hidden(f"export {first}", line)
        elif name == "login":
            user, password = first.split()
            self._hidden(f"# {user}", line)
            self.index.require_auth(user, password)
        elif name == "needs":
            self.missing = first if not (self.directory / "bin" / first).exists() else ""
        elif name == "command":
            return "by CI"
        else:
            raise AssertionError(f"{self.page.name}:{line}: unknown directive {name}")
        return ""

    def add_wheel(self, name: str, version: str, *options: str) -> None:
        """Put a wheel on the index; *options* are those of the directive."""
        chosen = dict(option.split("=", 1) for option in options if "=" in option)
        module = name.replace("-", "_")
        wheel = make_wheel(
            self.directory / "wheels",
            name,
            version,
            files={
                f"{module}/__init__.py": f'__version__ = "{version}"\n\n'
                f'def main() -> None:\n    print("{name} {version}")\n',
                f"{module}/py.typed": "",
            },
            entry_points={"console_scripts": {name: f"{module}:main"}} if "command" in options else None,
            tag=chosen.get("tag", "py3-none-any"),
        )
        self.index.add(wheel, requires_python=chosen.get("python"))
        if "digest" in chosen:
            self.replaced[chosen["digest"]] = sha256(wheel)

    def make_venv(self, path: str, *, pip: bool) -> None:
        """Make a virtual environment, at this point of the page."""
        seeds = [f"--app-data={self.directory.parent / 'seeds'}"] if pip else ["--no-seed"]
        base = str(self.directory / "bin" / "python")
        self._hidden(shlex.join([sys.executable, "-m", "virtualenv", "-q", "-p", base, *seeds, path]), 0)

    def write(self, path: str, text: str) -> None:
        """Write a file, at this point of the page."""
        content = self.directory / "contents" / str(len(self.steps))
        content.parent.mkdir(exist_ok=True)
        content.write_text(self.substituted(text), encoding="utf-8")
        self._hidden(f"mkdir -p $(dirname {path}) && cp {content} {path}", 0)

    def _hidden(self, text: str, line: int) -> None:
        self.type(Command(text, "", line, shown=False))

    def type(self, command: Command) -> None:
        """Run a command, at this point of the page."""
        self.commands.append(command)
        self.steps.append(self.substituted(command.text))

    def _docker(self, block: Part) -> None:
        """Run what a Dockerfile says in directories in place of an image; there is no container engine to ask.

        Absolute paths of the image lie below a directory. Mounts of RUN are left away, FROM starts from nothing.
        """
        image = self.directory / "image"
        inside = r"(?<![\w.])/(?=app\b|opt\b|root\b)"
        workdir = image
        for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
            keyword, _, rest = line.strip().partition(" ")
            rest = re.sub(inside, f"{image}/", re.sub(r"--(mount|from)=\S+ ", "", rest))
            if keyword == "WORKDIR":
                workdir = Path(rest)
                self._hidden(f"mkdir -p {workdir}", block.line)
            elif keyword == "COPY":
                *sources, destination = rest.split()
                sources = [source for source in sources if not source.startswith(str(image))]
                if sources:
                    copy = f"cp -r {' '.join(sources)} {workdir}/{destination}"
                    self.type(Command(copy, "", block.line))
            elif keyword == "ENV":
                self.type(Command(f"export {rest}", "", block.line))
            elif keyword == "RUN":
                self.type(Command(f"mkdir -p {workdir} && (cd {workdir} && {rest})", "", block.line))
            elif keyword == "CMD":
                argv = shlex.join(re.findall(r'"([^"]*)"', rest))
                self.type(Command(f"(cd {workdir} && {argv})", "", block.line))
            else:
                assert keyword in {"FROM", "", "#"}, f"{self.page.name}:{block.line}: {keyword} is not understood"

    def run(self, extra: Mapping[str, str] | None = None) -> list[str]:
        """Run the page; returns what is wrong, one text per command."""
        steps = self.directory / "steps"
        steps.mkdir()
        script = ["status=0"]
        for number, text in enumerate(self.steps):
            (steps / str(number)).write_text(text + "\n", encoding="utf-8")
            script += [f"(exit $status); . {steps / str(number)}", r"status=$?; printf '\036%s\036' $status"]
        (steps / "script").write_text("\n".join(script) + "\n", encoding="utf-8")
        result = subprocess.run(
            ["bash", str(steps / "script")],
            cwd=self.cwd,
            env={**self.environ(), **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            timeout=600,
        )
        pieces = result.stdout.split("\036")
        return list(self._judge(pieces))

    def _judge(self, pieces: list[str]) -> Iterator[str]:
        for number, command in enumerate(self.commands):
            where = f"{self.page.name}:{command.line}: $ {self.steps[number]}"
            if 2 * number + 1 >= len(pieces):
                yield f"{where}\nwas never reached; the last words were\n{pieces[-1]}"
                return
            printed, status = pieces[2 * number], pieces[2 * number + 1]
            printed = printed.replace(str(self.cwd), HOME)
            if status != "0" and not command.may_fail:
                yield f"{where}\nexit status {status}\n{_end(printed)}"
            elif command.expected.strip() and not agrees(self.substituted(command.expected), printed):
                yield f"{where}\nexpected\n{command.expected}\nprinted\n{_end(printed)}"
