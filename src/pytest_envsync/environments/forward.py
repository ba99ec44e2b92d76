"""Bring the environment of a former content forward, by the difference, instead of filling a new one.

What a lockfile named yesterday and nobody uses any more is renamed to its new place, the files that hold its
path are written anew, and the distributions that differ are installed over it. Cost grows with what changed.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.cache import exclusive
from pytest_envsync.diff import load_snapshot
from pytest_envsync.environments.bytecode import settle_bytecode
from pytest_envsync.environments.filling import finish
from pytest_envsync.environments.generations import (
    Generation,
    Record,
    current,
    key_lock_file,
    read_record,
    remove_if_empty,
)
from pytest_envsync.environments.looking import look
from pytest_envsync.environments.origins import Origins
from pytest_envsync.errors import EnvsyncError, LockTimeout
from pytest_envsync.leases import DAY
from pytest_envsync.plan import make_plan
from pytest_envsync.snapshot import is_rewritten

if TYPE_CHECKING:
    from pytest_envsync.changes import Changes
    from pytest_envsync.engine import Engine
    from pytest_envsync.snapshot import Snapshot
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.prepare import PreparedWheel

_WANTED = 14 * DAY
"""An environment that another question was answered with in that time is not taken away from it."""


def bring_forward(
    former: str, record: Record, wheels: Mapping[str, PreparedWheel], *, base: Target, engine: Engine
) -> Changes | None:
    """Make the environment of *record* out of that of the key *former*; return what changed.

    None when there is none, it is in use, asked for by others, differs from its snapshot, was made in another way, or
    holds the same distributions: nothing was touched then. Raises EnvsyncError when it fails half-way; the caller
    removes what is at the new path.
    """
    home = str(engine.cache_dir / "environments" / former)
    if not os.path.isdir(home) or _is_wanted(former, record.question, engine.cache_dir / "questions"):
        return None
    try:
        # Without waiting: whoever holds that lock may be waiting for ours.
        with exclusive(key_lock_file(engine.cache_dir, former), timeout=0) as is_held:
            generation = current(home)
            if not is_held or generation is None or generation.holders():
                return None
            return _take(generation, record, wheels, base=base, engine=engine)
    except LockTimeout:
        return None


def _is_wanted(key: str, question: str, questions: Path) -> bool:
    """Whether another question than *question* was answered with *key* of late."""
    recent = time.time() - _WANTED
    others = (
        [path for path in questions.iterdir() if path.name != question and path.name[:1] != "."]
        if questions.is_dir()
        else []
    )
    with suppress(FileNotFoundError):  # a name that is being replaced just now
        return any(path.read_bytes() == key.encode() and path.stat().st_mtime > recent for path in others)
    return True


def _take(
    generation: Generation, record: Record, wheels: Mapping[str, PreparedWheel], *, base: Target, engine: Engine
) -> Changes | None:
    try:
        former, snapshot = read_record(generation), load_snapshot(generation.snapshot)
    except (EnvsyncError, OSError, ValueError):
        return None
    if not _is_same_make(former, record) or _rows(former) == _rows(record):
        # With the same distributions it is another overlay or setting, and both may be wanted in turns.
        return None
    seen = look(former, snapshot, engine=engine)
    if seen.diff or seen.touched:
        return None
    if seen.compiled or seen.recompiled:
        settle_bytecode(former, snapshot, seen, engine=engine)
    # Without its record the former one is gone, whatever happens from here on.
    os.unlink(generation.record)
    os.unlink(generation.snapshot)
    os.makedirs(os.path.dirname(record.path), exist_ok=True)
    os.rename(generation.prefix, record.path)
    _drop_rewritten(record, snapshot)
    remove_if_empty(generation.home)
    target = base.in_virtual_environment(record.path)
    with engine.store.hold():
        _write_paths_anew(former, record, wheels, engine=engine)
        changes = _install_difference(former, record, wheels, target=target, engine=engine)
    finish(record, target=target, engine=engine)
    return changes


def _drop_rewritten(record: Record, snapshot: Snapshot) -> None:
    """Remove what pytest made of modules: another pytest may be in the set, and the code may hold the former path."""
    for directory, rows in snapshot.bytecode.items():
        for name in rows:
            if is_rewritten(f"{directory}/{name}"):
                Path(record.path, directory, name).unlink(missing_ok=True)


def _is_same_make(former: Record, record: Record) -> bool:
    """Whether the two differ by their distributions and path entries only."""
    return all(
        getattr(former, name) == getattr(record, name)
        for name in ("base", "version", "link_mode", "compile_bytecode", "installer_metadata")
    )


def _rows(record: Record) -> dict[str, tuple[object, ...]]:
    """Return by name what makes an installation another one: artifact and origin."""
    return {
        name: (record.digests[name], source, cache_info, build_info)
        for name, _, _, source, _, cache_info, build_info in record.candidates
    }


def _write_paths_anew(former: Record, record: Record, wheels: Mapping[str, PreparedWheel], *, engine: Engine) -> None:
    """Write those files again that hold the path of the environment: its own, and generated scripts."""
    origins = Origins(record, engine)
    try:
        template = origins.template
        for directory, _, names in os.walk(template):
            for name in names:
                source = os.path.join(directory, name)
                if not os.path.islink(source):
                    _rewrite(os.path.join(record.path, os.path.relpath(source, template)), Path(source).read_bytes())
    finally:
        origins.close()
    before, now = _rows(former), _rows(record)
    kept = {name: wheels[name] for name in now if before.get(name) == now[name]}
    with_scripts = {name: item for name, item in kept.items() if _has_scripts(item, origins.target)}
    if not with_scripts:
        return
    from pytest_envsync.environment.install import expected_files

    files = expected_files(
        with_scripts, target=origins.target, store=engine.store, installer_metadata=record.installer_metadata
    )
    for path, expected in files.items():
        if expected.content is not None:
            _rewrite(f"{record.path}/{path}", expected.content)


def _has_scripts(prepared: PreparedWheel, target: Target) -> bool:
    """Whether the distribution, as it is installed, has a file in the directory of scripts."""
    site = target.paths["purelib" if prepared.wheel.root_is_purelib else "platlib"]
    scripts = os.path.relpath(target.paths["scripts"], site).replace(os.sep, "/") + "/"
    try:
        return os.fsencode(scripts) in Path(site, prepared.wheel.dist_info, "RECORD").read_bytes()
    except OSError:
        return True


def _rewrite(path: str, content: bytes) -> None:
    """Give a file that is ours alone another content; its mode stays."""
    if Path(path).read_bytes() == content:
        return
    mode = stat.S_IMODE(os.stat(path).st_mode)
    # Some file systems flush a file that is cut to nothing and written again, or renamed over another: 3 ms each.
    os.unlink(path)
    Path(path).write_bytes(content)
    os.chmod(path, mode)


def _install_difference(
    former: Record, record: Record, wheels: Mapping[str, PreparedWheel], *, target: Target, engine: Engine
) -> Changes:
    from pytest_envsync.environment.site_packages import scan
    from pytest_envsync.environment.transaction import apply_plan

    before, now = _rows(former), _rows(record)
    plan = make_plan(
        [prepared.candidate for prepared in wheels.values()],
        scan(target).distributions,
        target=target,
        damaged={name: "it is another artifact" for name in now if name in before and before[name] != now[name]},
    )
    needed = {*(candidate.name for candidate in plan.install), *(item.candidate.name for item in plan.reinstall)}
    return apply_plan(
        plan,
        {name: wheels[name] for name in sorted(needed)},
        target=target,
        store=engine.store,
        link_mode=record.link_mode,
        installer_metadata=record.installer_metadata,
        durable=False,
        reporter=engine.reporter,
    )
