"""Private environments: made for one user alone, who may change them.

Their files share nothing with the store that a write could reach: they are cloned, else copied. Snapshot
and record lie beside the environment, ``<path>.snapshot`` and ``<path>.json``, and vanish with the directory
it was made in.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.diff import save_snapshot, take_snapshot
from pytest_envsync.environments.filling import fill
from pytest_envsync.environments.generations import Record, save_record
from pytest_envsync.environments.origins import Origins
from pytest_envsync.environments.request import CachedEnvironment
from pytest_envsync.environments.rewriting import place_rewritten
from pytest_envsync.errors import InstallError
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine
    from pytest_envsync.wheels.prepare import PreparedWheel


def record_beside(path: str) -> str:
    """Return where the record of the private environment at *path* is."""
    return f"{path}.json"


def snapshot_beside(path: str) -> str:
    """Return where the snapshot of the private environment at *path* is."""
    return f"{path}.snapshot"


def private_copy(record: Record, destination: Path, *, link_mode: str | None, engine: Engine) -> CachedEnvironment:
    """Make the environment of *record* once more at *destination*, which must not exist or be empty.

    *link_mode* None: clone, else copy. A hard link is made only when it is asked for: rewritten in place, it would
    change the store. Raises EnvsyncError.
    """
    began = time.monotonic()
    place = str(destination.absolute())
    if destination.is_dir() and any(destination.iterdir()):
        raise InstallError(f"`{place}` is not empty", hint="name a directory that does not exist")
    origins = Origins(record, engine)
    target = origins.base.in_virtual_environment(place)
    copy = replace(
        record,
        path=place,
        python=target.python,
        bin=target.paths["scripts"],
        site_packages=target.paths["purelib"],
        link_mode=link_mode or _independent_mode(origins.wheels, destination.absolute().parent, engine),
    )
    changes = fill(copy, origins.wheels, base=origins.base, engine=engine)
    place_rewritten(copy, origins.wheels, base=origins.base, engine=engine)
    save_snapshot(take_snapshot(place), snapshot_beside(place))
    save_record(copy, record_beside(place))
    return CachedEnvironment(
        key=record.key,
        generation=0,
        path=place,
        python=copy.python,
        bin=copy.bin,
        site_packages=copy.site_packages,
        version=copy.version,
        implementation=copy.implementation,
        files=tuple(copy.files),
        created=True,
        packages=copy.packages,
        snapshot=snapshot_beside(place),
        changes=changes,
        warnings=changes.warnings,
        seconds=time.monotonic() - began,
    )


def _independent_mode(wheels: dict[str, PreparedWheel], parent: Path, engine: Engine) -> str:
    """Return ``clone`` where the file system can, else ``copy``."""
    from pytest_envsync.environment.link import choose_link_mode

    for prepared in wheels.values():
        for file in engine.store.files(prepared.wheel):
            parent.mkdir(parents=True, exist_ok=True)
            mode, _ = choose_link_mode("clone", os.path.join(prepared.wheel.tree, file.path), str(parent))
            return "clone" if mode == "clone" else "copy"
    return "copy"
