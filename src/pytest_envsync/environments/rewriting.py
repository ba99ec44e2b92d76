"""Have the modules that pytest rewrites rewritten by the engine, once for each wheel and each pytest.

What a session wrote tells which modules are worth it, and is thrown away: a header that fits says nothing of the code
behind it. The pytest of the environment or of its overlay does the work, from its sources, apart from whatever the
session or the user's settings would add. Every byte of it is compared before and after the work, with the wheels and
with what the overlay was sealed as; where anything differs, nothing is kept. pytest 9.2 takes such a file wherever it
lies, so it goes into the store; older ones leave in the code where the source was, so that it stays in its environment.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.environment.link import choose_link_mode, placing, replace_file
from pytest_envsync.environments.bytecode import magic_of, of_wheels, source_of
from pytest_envsync.environments.generations import remove_tree
from pytest_envsync.environments.looking import look
from pytest_envsync.environments.origins import Origins
from pytest_envsync.environments.rewriter import IMPORTED, Rewriter, rewriter_of, takes_part
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.snapshot import Snapshot, digest_of
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.distributions import StoredFile
    from pytest_envsync.engine import Engine
    from pytest_envsync.environments.generations import Record
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.prepare import PreparedWheel

_WORKER = """\
import os, sys, warnings
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path

warnings.simplefilter("ignore")
own = {name.replace("-", "_") for name in sys.argv[1].split(",")} | {"_pytest"}


class FromSource(SourceFileLoader):
    def get_code(self, fullname):
        # Sources were compared; bytecode was not.
        return self.source_to_code(self.get_data(self.path), self.path)


class OnlyThese:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in own:
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None and type(spec.loader) is SourceFileLoader:
                spec.loader = FromSource(spec.loader.name, spec.loader.path)
            return spec
        if path is None and name not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, OnlyThese)
sys.path += sys.argv[2:]
from _pytest.assertion import rewrite

sys.stdout.write("anywhere" if hasattr(rewrite, "_fix_code_filename") else "here")
for line in sys.stdin.buffer:
    source, place = os.fsdecode(line[:-1]).split("\\0")
    try:
        said, code = rewrite._rewrite_test(Path(source), None)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            rewrite._write_pyc_fp(file, said, code)
    except Exception:
        pass
"""
_TIME_LIMIT = 60  # seconds


class _Wanted(NamedTuple):
    """A file to make: its path in the environment, whose it is, its path in the wheel's tree."""

    path: str
    owner: str
    inside: str


def keep_rewritten(record: Record, snapshot: Snapshot, paths: Sequence[str], *, engine: Engine) -> Snapshot:
    """Put what the environment's pytest makes of the modules behind *paths* in their place; return what is known then.

    *paths* are bytecode that a session wrote and that is gone. The environment must not differ from *snapshot*, and
    nobody else may use it.
    """
    origins = Origins(record, engine)
    known = {directory: dict(rows) for directory, rows in snapshot.bytecode.items()}
    try:
        rewriter = rewriter_of(record, origins.base.cache_tag)
        if rewriter is None:
            return snapshot
        ending = f".{origins.base.cache_tag}-pytest-{rewriter.version}.pyc"
        wanted = [_Wanted(*found) for found in of_wheels([p for p in paths if p.endswith(ending)], set(), origins)]
        for path in _settle(wanted, rewriter, origins, snapshot):
            directory, _, name = path.rpartition("/")
            with suppress(OSError):
                status = os.lstat(f"{record.path}/{path}")
                known.setdefault(directory, {})[name] = (status.st_size, status.st_mtime_ns)
    except (EnvsyncError, OSError) as error:
        engine.reporter.debug(f"what pytest rewrote is not kept: {error}")
    finally:
        origins.close()
    return snapshot._replace(bytecode=known)


def _settle(wanted: Sequence[_Wanted], rewriter: Rewriter, origins: Origins, snapshot: Snapshot) -> list[str]:
    """Place what the store has or can get of *wanted*, and return the paths of what is there then."""
    store = origins.engine.store
    for owner in {item.owner for item in wanted}:
        wheel = origins.wheels[owner].wheel
        # A file of the store may have been changed through another environment.
        store.repair(wheel, [damage for damage in store.check(wheel) if damage.is_bytecode])
        origins.forget_compiled(owner)
    missing = [item for item in wanted if item.inside not in origins.compiled(item.owner)]
    scratch = f"{origins.engine.cache_dir}/scratch/{os.getpid()}-{os.urandom(4).hex()}"
    made: dict[str, str] = {}
    try:
        if missing:
            made = _rewrite(missing, rewriter, origins, snapshot, scratch)
        return [item.path for item in wanted if _place(item, made.get(item.path), origins)]
    finally:
        if missing:
            remove_tree(scratch)


def _place(item: _Wanted, own: str | None, origins: Origins) -> bool:
    stored: StoredFile | None = origins.compiled(item.owner).get(item.inside)
    place = f"{origins.record.path}/{item.path}"
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if stored is not None:
        replace_file(stored.path, place, origins.link_mode, mode=stored.mode, time=stored.mtime_ns)
    elif own is not None:
        replace_file(own, place, "copy", mode=0o444, time=os.stat(own).st_mtime_ns)
    return stored is not None or own is not None


def _rewrite(
    missing: Sequence[_Wanted], rewriter: Rewriter, origins: Origins, snapshot: Snapshot, scratch: str
) -> dict[str, str]:
    """Rewrite *missing*; return for each its path in the environment and where it lies now.

    What serves anywhere goes into the store too. Raises EnvsyncError when something was changed, before or meanwhile.
    """
    os.makedirs(scratch)
    jobs: list[tuple[str, str]] = []
    offers: dict[str, dict[str, Path | str]] = {}
    own: dict[str, str] = {}
    owners = {owner: number for number, owner in enumerate(dict.fromkeys(item.owner for item in missing))}
    for item in missing:
        source = f"{origins.record.path}/{source_of(item.path)}"
        if digest_of(source).hex() != origins.expected[source_of(item.path)].sha256:
            continue
        place = f"{scratch}/{owners[item.owner]}/{item.inside}"
        jobs.append((source, place))
        offers.setdefault(item.owner, {})[item.inside] = place
        own[item.path] = place
    if not jobs:
        return {}
    _check_unchanged(rewriter, origins, snapshot)
    serves_anywhere = rewrite_sources(
        jobs, python=origins.base.python, paths=rewriter.paths, scratch=scratch, environ=origins.engine.environ
    )
    _check_unchanged(rewriter, origins, snapshot)
    own = {path: place for path, place in own.items() if os.path.exists(place)}
    if not serves_anywhere:
        return own
    for owner, offered in offers.items():
        made = {inside: place for inside, place in offered.items() if os.path.exists(place)}
        wheel = origins.wheels[owner].wheel
        origins.engine.store.adopt_bytecode(wheel, rewriter.tag, made, magic=magic_of(made))
        origins.forget_compiled(owner)
    return own


def _check_unchanged(rewriter: Rewriter, origins: Origins, snapshot: Snapshot) -> None:
    """Raise EnvsyncError unless the environment is as *snapshot* has it, and each byte of the rewriter as it came."""
    record = origins.record
    if look(record, snapshot, engine=origins.engine).diff:
        raise EnvsyncError("the environment was changed")
    if not rewriter.is_genuine():
        raise EnvsyncError(f"the overlay `{rewriter.overlay}` was changed")
    site = os.path.relpath(record.site_packages, record.path).replace(os.sep, "/") + "/"
    for path, file in origins.expected.items():
        if path.startswith(site) and takes_part(path[len(site) :]) and file.tree_path is not None:
            if file.owner not in IMPORTED:
                raise EnvsyncError(f"`{path}` of {file.owner} may be imported by pytest")
            if digest_of(f"{record.path}/{path}").hex() != file.sha256:
                raise EnvsyncError(f"`{path}` was changed")


def rewrite_sources(
    jobs: Sequence[tuple[str, str]],
    *,
    python: str,
    paths: Sequence[str],
    scratch: str,
    environ: Mapping[str, str],
) -> bool:
    """Let the pytest in the directories *paths* do *jobs* (source, place); return whether its files serve anywhere.

    *python* is its interpreter, *scratch* a directory for the list. What cannot be rewritten is not there afterwards.
    Raises EnvsyncError when that pytest cannot be imported from *paths* alone.
    """
    import subprocess

    listed = Path(scratch, "jobs")
    listed.write_bytes(
        b"".join(b"\0".join(map(os.fsencode, job)) + b"\n" for job in jobs if "\n" not in job[0] + job[1])
    )
    with listed.open("rb") as file:
        try:
            answer = subprocess.run(
                [python, "-I", "-S", "-B", "-c", _WORKER, ",".join(IMPORTED), *paths],
                stdin=file,
                capture_output=True,
                check=False,
                env=_environ(environ),
                timeout=_TIME_LIMIT,
            )
        except subprocess.TimeoutExpired:
            raise EnvsyncError(f"it took longer than {_TIME_LIMIT} s") from None
    if answer.returncode != 0:
        lines = answer.stderr.decode(errors="replace").strip().splitlines()
        raise EnvsyncError(lines[-1] if lines else f"status {answer.returncode}")
    return answer.stdout == b"anywhere"


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    # What pytest itself would read at its import is no part of the environment.
    return {name: value for name, value in environ.items() if not name.startswith(("PYTEST", "PYTHON"))}


def place_rewritten(record: Record, wheels: Mapping[str, PreparedWheel], *, base: Target, engine: Engine) -> None:
    """Place what the store has of modules as the pytest of *record* rewrites them, in an environment just made."""
    rewriter = rewriter_of(record, base.cache_tag)
    if rewriter is None:
        return
    target, mode = base.in_virtual_environment(record.path), None
    for prepared in wheels.values():
        wheel = prepared.wheel
        root, rows = engine.store.bytecode(wheel, rewriter.tag)
        if root is None:
            continue
        if mode is None:
            mode = choose_link_mode(record.link_mode, f"{root}/{rows[0].path}", record.path)[0]
        site = target.paths["purelib" if wheel.root_is_purelib else "platlib"]
        for row in rows:
            with suppress(OSError):  # pytest makes it again
                _place_stored(f"{root}/{row.path}", f"{site}/{row.path}", row, mode)


def _place_stored(source: str, place: str, row: StoredFile, mode: str) -> None:
    status = os.lstat(source)
    if (status.st_size, status.st_mtime_ns) != (row.size, row.mtime_ns) or os.path.lexists(place):
        return
    cache = os.path.dirname(place)
    if not os.path.isdir(cache):
        if not os.path.isfile(f"{os.path.dirname(cache)}/{os.path.basename(place).partition('.cpython-')[0]}.py"):
            return  # a file of the wheel's data, which is elsewhere
        os.mkdir(cache)
    placing(mode)(source, place, row.mode, row.mtime_ns)
