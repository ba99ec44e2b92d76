"""Make an environment from candidates: a virtual environment, the wheels, the path entries.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked
from pytest_envsync.environments.generations import Record
from pytest_envsync.memo import candidate_row
from pytest_envsync.plan import Plan
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from pytest_envsync.changes import Changes
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.engine import Engine
    from pytest_envsync.environments.request import EnvironmentRequest
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.prepare import PreparedWheel

PROJECT_ENTRY = "envsync_project.pth"
OVERLAY_ENTRY = "zzz_envsync_overlay.pth"
"""Path entries are read in the order of their names: the overlay stands behind everything."""


def path_entries(request: EnvironmentRequest) -> list[list[str]]:
    """Return file name and line of each ``.pth`` file that *request* brings."""
    entries = []
    if request.project is not None and request.project.mode == "path":
        source = os.path.join(request.project.path, "src")
        entries.append([PROJECT_ENTRY, source if os.path.isdir(source) else request.project.path])
    if request.overlay is not None:
        entries.append([OVERLAY_ENTRY, _overlay_line(request.overlay)])
    return entries


def _overlay_line(overlay: str) -> str:
    # In an ordinary environment the interpreter runs the startup code of what is installed there.
    has_code = any(Path(overlay).glob("*.pth"))
    return f"import site; site.addsitedir({overlay!r})" if has_code else overlay


def describe(
    request: EnvironmentRequest,
    *,
    key: str,
    path: str,
    base: Target,
    candidates: Sequence[Candidate],
    wheels: Mapping[str, PreparedWheel],
    engine: Engine,
    question: str = "",
) -> Record:
    """Return the record of the environment that *request* gets at *path*."""
    from pytest_envsync.environment.diagnosis import missing_names

    place = base.in_virtual_environment(path)
    return Record(
        key=key,
        path=path,
        base=base.base_python,
        python=place.python,
        bin=place.paths["scripts"],
        site_packages=place.paths["purelib"],
        version=base.version,
        implementation=base.implementation,
        created=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        candidates=[candidate_row(_settled(candidate, wheels)) for candidate in candidates],
        digests={name: prepared.wheel.sha256 for name, prepared in wheels.items()},
        files=[masked(file) for file in request.files],
        entries=path_entries(request),
        link_mode=request.options.link_mode,
        compile_bytecode=request.options.compile_bytecode,
        installer_metadata=wants_installer_metadata(engine.environ),
        missing=missing_names({name: item.wheel.requires_dist for name, item in wheels.items()}, base.markers),
        question=question,
    )


def _settled(candidate: Candidate, wheels: Mapping[str, PreparedWheel]) -> Candidate:
    """Return the candidate with the version that its wheel says, which a build alone could tell."""
    return replace(candidate, version=wheels[candidate.name].wheel.version)


def wants_installer_metadata(environ: Mapping[str, str]) -> bool:
    """Whether INSTALLER and its like are written, as ``UV_NO_INSTALLER_METADATA`` has it."""
    return not environ.get("UV_NO_INSTALLER_METADATA")


def fill(record: Record, wheels: Mapping[str, PreparedWheel], *, base: Target, engine: Engine) -> Changes:
    """Make the environment of *record*, whose path must not exist. Raises EnvsyncError."""
    from pytest_envsync.environment.transaction import apply_plan
    from pytest_envsync.environment.virtualenvs import create_virtualenv

    Path(record.path).parent.mkdir(parents=True, exist_ok=True)
    target = create_virtualenv(Path(record.path), base, cache_dir=engine.cache_dir)
    candidates = tuple(prepared.candidate for prepared in wheels.values())
    with engine.store.hold():
        changes = apply_plan(
            Plan(install=candidates),
            wheels,
            target=target,
            store=engine.store,
            link_mode=record.link_mode,
            installer_metadata=record.installer_metadata,
            durable=False,
            reporter=engine.reporter,
        )
    finish(record, target=target, engine=engine)
    return changes


def finish(record: Record, *, target: Target, engine: Engine) -> None:
    """Add what is no part of any wheel: path entries, and bytecode if it is asked for."""
    write_entries(record)
    if record.compile_bytecode:
        from pytest_envsync.environment.bytecode import compile_site_packages

        compile_site_packages(target, environ=engine.environ, jobs=os.cpu_count() or 1)


def write_entries(record: Record) -> None:
    """Write the path entries of *record*, and no others of ours."""
    wanted = dict(record.entries)
    for name in (PROJECT_ENTRY, OVERLAY_ENTRY):
        path = Path(record.site_packages, name)
        if name in wanted:
            path.write_bytes(entry_content(wanted[name]))
        else:
            path.unlink(missing_ok=True)


def entry_content(line: str) -> bytes:
    """Return the content of a ``.pth`` file with one line."""
    return os.fsencode(line) + b"\n"
