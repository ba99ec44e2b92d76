"""What tests of cached environments share: an index with wheels, a cache, requests, and processes that ask for them."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from factories import make_wheel
from index_server import IndexServer
from pytest_envsync.environments import CachedEnvironment, EnvironmentRequest, Environments
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions

HOLDER = """
import json, os, signal, sys
from pathlib import Path
from pytest_envsync.environments import EnvironmentRequest, Environments
from pytest_envsync.narration import SilentReporter

class Reporter(SilentReporter):
    def phase(self, name, count, seconds, detail=""):
        if sys.argv[4] == "die" and name == "installed":
            os.kill(os.getpid(), signal.SIGKILL)

request = EnvironmentRequest.from_dict(json.loads(sys.argv[1]))
environments = Environments(Path(sys.argv[2]), cwd=sys.argv[3], environ=dict(os.environ), reporter=Reporter())
print(json.dumps(environments.provide(request, holder_pid=os.getpid()).as_dict()), flush=True)
if sys.argv[4] == "hold":
    sys.stdin.read()
"""


DEMO = {
    "demo/__init__.py": "VALUE = 1\n\ndef main():\n    print('demo', VALUE)\n",
    "demo/inner/__init__.py": "",
    "demo/inner/data.txt": "one two three\n",
}


SCRIPT = "import subprocess, sys; subprocess.run([sys.prefix + '/bin/demo'], check=True)"
"""Run in an environment: call the script that ``demo`` brings."""


class Notes(SilentReporter):
    """A reporter that keeps the notes it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class World:
    """A cache, an index and a project directory."""

    def __init__(self, directory: Path, cache_dir: Path, index: IndexServer) -> None:
        self.directory = directory
        self.cache_dir = cache_dir
        self.index = index
        self.reporter = Notes()
        self.environments = Environments(
            cache_dir, cwd=str(directory), environ=dict(os.environ), reporter=self.reporter
        )

    def publish(self, name: str, version: str, **wheel: Any) -> Path:
        """Build a wheel and put it on the index."""
        path = make_wheel(self.directory / "wheels", name, version, **wheel)
        self.index.add(path)
        return path

    def lock(self, *lines: str, name: str = "requirements.txt") -> str:
        """Write a lockfile and return its path."""
        path = self.directory / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    def request(self, *lines: str, name: str = "requirements.txt", **values: Any) -> EnvironmentRequest:
        """A request for a lockfile with these lines."""
        options = SyncOptions(index_url=self.index.url, **values.pop("options", {}))
        return EnvironmentRequest(files=(self.lock(*lines, name=name),), options=options, **values)

    def provide(self, *lines: str, lease: bool = True, **values: Any) -> CachedEnvironment:
        """Provide the environment of a lockfile with these lines, held by this process."""
        return self.environments.provide(self.request(*lines, **values), holder_pid=os.getpid() if lease else 0)

    def process(self, request: EnvironmentRequest, then: str = "exit") -> subprocess.Popen[str]:
        """A process that asks for the environment, prints it, and exits, holds it, or dies while it is made."""
        arguments = [json.dumps(request.as_dict()), str(self.cache_dir), str(self.directory), then]
        return subprocess.Popen(
            [sys.executable, "-c", HOLDER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def answer(self, process: subprocess.Popen[str]) -> CachedEnvironment:
        """What the process printed."""
        assert process.stdout is not None
        return CachedEnvironment.from_dict(json.loads(process.stdout.readline()))


def demo_world(directory: Path, cache_dir: Path, index: IndexServer) -> World:
    """An index with ``demo`` 1.0 and two versions of ``other``, and an empty cache."""
    world = World(directory, cache_dir, index)
    world.publish("demo", "1.0", files=DEMO, entry_points={"console_scripts": {"demo": "demo:main"}})
    world.publish("other", "1.0")
    world.publish("other", "1.1", files={"other.py": 'VERSION = "1.1"\n', "fresh.py": ""})
    return world


def site(environment: CachedEnvironment) -> Path:
    """The site-packages directory."""
    return Path(environment.site_packages)


def edit(path: Path, text: str) -> None:
    """Write a file as an editor does that spares the other links of it."""
    path.unlink()
    path.write_text(text)


def run(environment: CachedEnvironment, code: str, *, check: bool = True) -> str:
    """Run *code* in an environment and return what it printed; bytecode is written as usual."""
    result = subprocess.run(
        [environment.python, "-c", code], capture_output=True, text=True, check=check, cwd=environment.path
    )
    return result.stdout.strip()


def where_permissions_count(act: Callable[[], object]) -> bool:
    """Whether *act*, in a child process, returns something true where modes are obeyed: root never is refused.

    The child gives up the right to pass over modes; the owner of its files it stays.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a child of a process with threads; it starts none
        child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                obey_modes()
            status = 0 if act() else 2
        except Exception:  # noqa: BLE001 - the child must never come back into the test
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def obey_modes() -> None:
    """Drop CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (capabilities(7)) for the rest of this process."""
    library = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same for the upper 32
    for call in (library.capget, library.capset):
        if call(header, data) != 0:
            raise OSError(ctypes.get_errno(), "capabilities cannot be changed")
        data[0] &= ~0b110


def tree(root: str | Path, *, without: Sequence[str] = ()) -> dict[str, bytes | str | None]:
    """Every file below *root* with its bytes, links with their target, directories with None."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(Path(root).rglob("*")):
        name = path.relative_to(root).as_posix()
        if any(part in name for part in without):
            continue
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found
