"""The overlay: what a session environment can import behind what the lock holds.

One directory behind the environment's site-packages. It holds this plugin's public surface
(never the engine), pytest if the lock lacks it, and the host's plugins that the session names
and the lock lacks, each with its requirements. Locked versions win, and must fit.

On disk: ``CACHE/overlays/<digest>/{site,bin,pyvenv.cfg,manifest.json}``, named by what it holds, checked
against its manifest before each use and made anew when somebody changed it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest_envsync
from pytest_envsync.atomic import write_at_once
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.pytest_plugin.overlay.contents import seal
from pytest_envsync.pytest_plugin.overlay.host_distributions import NotHereError, choose
from pytest_envsync.removal import discard_tree
from pytest_envsync.sealed import is_sound
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.target import Target

FORMAT = "7"  # of the directory; part of its name
DAY = 86_400.0  # seconds
UNUSED_DAYS = 60
OLDEST_PYTHON = (3, 10)
OLDEST_PYTEST = (7, 4)

_PASSIVE = {
    "": (
        "atomic", "changes", "comparison", "diff", "errors", "foreign_variables", "guard_file", "leases", "patterns",
        "removal", "snapshot", "source_hash", "synced_env", "true_paths", "values",
    ),
    "pytest_plugin": ("command_line", "guard", "hooks", "hookspecs", "naming", "paths", "surroundings"),
    "pytest_plugin.fixtures": ("axes", "factory", "markings", "option_values", "private", "refusals"),
    "pytest_plugin.matrix": (
        "apart", "foreign_warnings", "identities", "in_turn", "moving_on", "remote", "scheduling", "selection", "table",
        "turn_note", "xdist",
    ),
    "pytest_plugin.session": (
        "arrival", "cells", "companion", "coverages", "engine", "handover", "ledger", "lookup", "report_file",
        "silence", "trace",
    ),
}  # fmt: skip
PASSIVE_MODULES = tuple(f"{room}.{name}".strip(".") for room, names in _PASSIVE.items() for name in ("", *names))
"""The public surface, by names below the package: standard library, pytest and pluggy only."""

PASSIVE = (
    "py.typed",
    *(f"{m.replace('.', '/')}{'/__init__' if m in _PASSIVE else ''}.py".lstrip("/") for m in PASSIVE_MODULES),
)
"""Their files, below the package."""

_LAUNCHER = """\
#!/usr/bin/env python
from runpy import run_module

if __name__ == "__main__":
    run_module("pytest.__main__", run_name="__main__")
"""

# Runs pytest with directories behind the environment; `python -m pytest` has the working directory in front.
_ENTER = """\
import json
import os
import sys
from runpy import run_module

if __name__ == "__main__":
    form = sys.argv.pop(1)
    with open(os.environ["ENVSYNC_SESSION"], encoding="utf-8") as file:
        sys.path += json.load(file)["behind"]
    if getattr(sys.flags, "safe_path", False):
        pass  # the directory of this file is not in front, and nothing is to come there
    elif form == "module":
        sys.path[0] = os.getcwd()
    else:
        del sys.path[0]
    run_module("pytest.__main__", run_name="__main__", alter_sys=form == "module")
"""


class Held(Protocol):
    """A distribution that an overlay takes, from this interpreter or from the store."""

    name: str
    version: str
    fingerprint: str

    def files(self, cache_tag: str) -> Iterator[tuple[str, Path]]:
        """Yield its files, by their paths below site-packages."""


class Bring(Protocol):
    """Brings distributions that this interpreter cannot give."""

    def __call__(self, wanted: Sequence[str], *, locked: Mapping[str, str], target: Target) -> Sequence[Held]:
        """Return *wanted*, PEP 508 texts, with what they require and *locked* lacks. Raises EnvsyncError."""


class Overlay(NamedTuple):
    """An overlay that is there.

    *path* is the directory behind site-packages, *bin* that of its commands. *distributions* are what
    it holds beyond the lock, by normalised name; this plugin itself is not among them.
    *pytest* is the version of pytest in the environment, from whichever side.
    """

    path: str
    bin: str
    digest: str
    distributions: dict[str, str]
    pytest: str

    def header(self) -> str:
        """Return the header line, empty when nothing was brought."""
        if not self.distributions:
            return ""
        count = len(self.distributions)
        brought = self.distributions.get("pytest")
        first = f"pytest {brought}" if brought else ", ".join(sorted(self.distributions)[:3])
        return f"+overlay {first} ({count} distribution{'s' if count > 1 else ''} not in the lock)"


def make_overlay(
    cache_dir: Path,
    *,
    locked: Mapping[str, str],
    target: Target,
    plugins: Sequence[str] = (),
    with_pytest: bool = True,
    bring: Bring | None = None,
) -> Overlay:
    """Return the overlay for an environment that holds *locked* (normalised name to version).

    *plugins* are names of host distributions that the session needs. Without *with_pytest* only the public
    surface is brought. *bring* gets what this interpreter's files cannot do for another one.
    Raises EnvsyncError when the environment cannot host pytest.
    """
    _check_python(target)
    wanted = ("pytest", *plugins) if with_pytest else ()
    memo = cache_dir / "overlays" / "memo" / _memo_name(locked, target, wanted)
    found = _read_memo(memo)
    if found is not None and is_sound(Path(found.path).parent):
        _touch(Path(found.path).parent)
        return found
    _check_pytest(locked, with_pytest=with_pytest)
    held = _held(wanted, locked=locked, target=target, bring=bring)
    overlay = _fill(cache_dir / "overlays", held, locked=locked, target=target)
    memo.parent.mkdir(parents=True, exist_ok=True)
    _sweep(cache_dir / "overlays")
    write_at_once(memo, json.dumps(overlay._asdict()).encode())
    return overlay


def _check_python(target: Target) -> None:
    version = tuple(int(part) for part in target.minor.split("."))
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise EnvsyncError(
            f"Python {target.version} cannot host a session: pytest-envsync needs {oldest} inside the environment",
            hint="`envsync run LOCK -- python -m pytest` runs what the lock holds, without the plugin",
            exit_status=1,
        )


def _check_pytest(locked: Mapping[str, str], *, with_pytest: bool) -> None:
    version = locked.get("pytest")
    if version is None:
        if with_pytest:
            return
        raise EnvsyncError(
            "the lock holds no pytest, and none is brought (--envsync-no-overlay)",
            hint="add pytest to the lock, or leave --envsync-no-overlay away",
            exit_status=1,
        )
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    if tuple(numbers) < OLDEST_PYTEST:
        oldest = ".".join(map(str, OLDEST_PYTEST))
        raise EnvsyncError(
            f"pytest {version} of the lock cannot host a session: pytest-envsync needs {oldest} or newer",
            hint="`envsync run LOCK -- python -m pytest` runs it without the plugin",
            exit_status=1,
        )


def _held(wanted: Sequence[str], *, locked: Mapping[str, str], target: Target, bring: Bring | None) -> Sequence[Held]:
    try:
        return choose(wanted, locked=locked, target=target)
    except NotHereError:
        if bring is None or target.cache_tag == sys.implementation.cache_tag:
            raise
        oldest = ".".join(map(str, OLDEST_PYTEST))
        texts = [f"pytest>={oldest}" if name == "pytest" else name for name in wanted if name not in locked]
        return bring(texts, locked=locked, target=target)


def _memo_name(locked: Mapping[str, str], target: Target, wanted: Sequence[str]) -> str:
    """Return the name of the memo: everything that decides what an overlay holds."""
    package = Path(pytest_envsync.__file__).parent
    sources = [_stamp(package / name) for name in PASSIVE]
    # A working directory or a directory of scripts has no say, whatever stands in it.
    brings = any(name not in locked for name in wanted)
    host = [(entry, _stamp(Path(entry))) for entry in sys.path if brings and holds_distributions(entry)]
    state = [FORMAT, sys.version, target.fingerprint, target.version, sorted(locked.items()), wanted, sources, host]
    return sha256(json.dumps(state).encode()).hexdigest()[:32] + ".json"


def holds_distributions(entry: str) -> bool:
    """Whether *entry* of ``sys.path`` is a directory in which distributions are installed."""
    try:
        return any(path.suffix in {".dist-info", ".egg-info", ".egg-link"} for path in Path(entry).iterdir())
    except OSError:
        return False


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def _read_memo(path: Path) -> Overlay | None:
    try:
        return Overlay(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _touch(place: Path) -> None:
    """Note by its time that the overlay at *place* is used, at most once a day; ``standing`` does so each time."""
    if time.time() - place.stat().st_mtime > DAY:
        os.utime(place)


def _sweep(root: Path) -> None:
    """Remove overlays that were not used for two months and that nobody uses now, and what was cut short."""
    held = ""
    now = time.time()
    for place in [*root.iterdir(), *(root / "memo").iterdir()]:
        try:
            age = now - place.stat().st_mtime
        except OSError:
            continue
        if place.name != "memo" and age > (DAY if place.name[:1] == "." else UNUSED_DAYS * DAY):
            held = held or _held_entries(root.parent) or "nothing"
            if place.name in held:
                continue
            discard_tree(place) if place.is_dir() else place.unlink(missing_ok=True)


def _held_entries(cache_dir: Path) -> str:
    """Return the records of the environments that a process holds, which name their overlays."""
    from pytest_envsync.leases import held_leases

    records = []
    for leases in (cache_dir / "environments").glob("*/leases"):
        for lease in held_leases(str(leases)):
            with suppress(OSError):
                records.append((leases.parent / f"{lease.generation}.json").read_text(encoding="utf-8"))
    return "\n".join(records)


def _fill(root: Path, held: Sequence[Held], *, locked: Mapping[str, str], target: Target) -> Overlay:
    """Make the overlay that holds *held* unless it is there, and return it."""
    package = Path(pytest_envsync.__file__).parent
    surface = {name: (package / name).read_bytes() for name in PASSIVE}
    digest = _digest(surface, held, target)
    place = root / digest
    if not is_sound(place):
        from tempfile import mkdtemp

        root.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{digest}-", dir=root))
        try:
            _copy(made, surface, held, target)
            seal(made, final=place, target=target)
            _publish(made, place)
        except BaseException:
            discard_tree(made)
            raise
    distributions = {one.name: one.version for one in held}
    return Overlay(
        path=str(place / "site"),
        bin=str(place / "bin"),
        digest=digest,
        distributions=distributions,
        pytest=locked.get("pytest") or distributions.get("pytest", ""),
    )


def _digest(surface: Mapping[str, bytes], held: Sequence[Held], target: Target) -> str:
    digest = sha256(f"{FORMAT} {target.cache_tag} {pytest_envsync.__version__}\n".encode())
    for name, content in surface.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    for one in held:
        digest.update(f"{one.name}=={one.version} {one.fingerprint}\n".encode())
    return digest.hexdigest()[:20]


def _copy(made: Path, surface: Mapping[str, bytes], held: Sequence[Held], target: Target) -> None:
    from shutil import copyfile

    site = made / "site"
    for name, content in surface.items():
        path = site / "pytest_envsync" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _write_metadata(site)
    for one in held:
        for relative, source in one.files(target.cache_tag):
            path = site / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            copyfile(source, path)
            status = source.stat()
            # The bytecode beside it names this time.
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    launcher = made / "bin" / "pytest"
    launcher.parent.mkdir()
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o755)
    (made / "enter.py").write_text(_ENTER)
    # Tools tell what is installed from what is under test by this file; coverage leaves out what is below it.
    (made / "pyvenv.cfg").write_text(f"include-system-site-packages = false\nversion = {target.minor}\n")


def _write_metadata(site: Path) -> None:
    """Write what makes the surface a distribution with an entry point.

    There is no RECORD on purpose: pytest rewrites the modules of every plugin that it finds there.
    """
    version = pytest_envsync.__version__
    name = f"pytest_envsync-{version}.dist-info"
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: pytest-envsync\nVersion: {version}\n",
        "INSTALLER": "envsync\n",
        "entry_points.txt": "[pytest11]\nenvsync = pytest_envsync.pytest_plugin.hooks\n",
    }
    (site / name).mkdir()
    for file, text in texts.items():
        (site / name / file).write_text(text, encoding="utf-8")


def _publish(made: Path, place: Path) -> None:
    """Put *made* at *place*; what is there already and was changed goes."""
    for _ in range(3):
        if _moved(made, place):
            return
        if is_sound(place):
            discard_tree(made)
            return
        aside = place.with_name(f".changed-{os.getpid()}-{os.urandom(4).hex()}")
        if _moved(place, aside):
            discard_tree(aside)
    raise EnvsyncError(f"the overlay `{place}` cannot be put in place", hint="try again, or remove that directory")


def _moved(source: Path, target: Path) -> bool:
    try:
        source.rename(target)
    except OSError:
        return False
    return True
