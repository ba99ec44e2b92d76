"""Keep of a run what the same command needs to run without the engine (``rerun``).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked
from pytest_envsync.cli.cached import cache_of
from pytest_envsync.environment.interpreter import is_found_at
from pytest_envsync.requirements import DirectorySource
from pytest_envsync.rerun import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_envsync.cli import Call
    from pytest_envsync.cli.cached import Provided
    from pytest_envsync.environments.provision import Basis
    from pytest_envsync.remembered import Evidence


def command_places(provided: Provided) -> list[str]:
    """Return where the commands of an environment are, and of its overlay if that brings pytest."""
    overlay = provided.overlay
    return [provided.environment.bin, *([overlay.bin] if overlay and "pytest" in overlay.distributions else [])]


def remember_run(call: Call, provided: Provided, *, arguments: Sequence[str]) -> None:
    """Keep what was provided, where the same words must mean the same as long as what was looked at stays the same.

    Never raises: the command has ended, whatever it did to the files that are looked at here.
    """
    try:
        _remember(call, provided, arguments)
    except Exception as error:  # noqa: BLE001 - all that is lost is time
        if call.terminal.verbose:
            call.terminal.say(f"the run is not remembered: {error}")


def _remember(call: Call, provided: Provided, arguments: Sequence[str]) -> None:
    words, basis = words_of(call.argv), provided.basis
    if words is None or basis is None or not _is_plain(call, provided, basis):
        return
    guard = _guard(call, provided, arguments)
    if any("://" in word for word in arguments) or any(masked(part) != part for part in guard):
        # An address may hold a login, and a record is no place for that.
        return
    from pytest_envsync.environments.generations import key_lock_file
    from pytest_envsync.remembered import write_record
    from pytest_envsync.sealed import is_sound
    from pytest_envsync.snapshot import take_snapshot
    from pytest_envsync.standing import Standing
    from pytest_envsync.wheels.store.spoiled import spoiled_directory

    environment, cache_dir = provided.environment, cache_of(call)
    place = ""
    parts: tuple[object, ...] = ()
    try:
        if provided.overlay is not None:
            place = os.path.dirname(provided.overlay.path)  # noqa: PTH120 - plain text
            parts = tuple(take_snapshot(place))
            if not is_sound(Path(place)):
                return
    except OSError:
        return
    standing = Standing(
        home=basis.home,
        number=environment.generation,
        lock=str(key_lock_file(cache_dir, environment.key)),
        spoiled=spoiled_directory(cache_dir),
        question=basis.question_file,
        overlay=place,
        overlay_parts=parts,
    )
    auto_prune = bool(call.settings.command.get("auto_prune", True))
    write_record(
        words[0],
        os.environ,
        cwd=call.start,
        cache_dir=str(cache_dir),
        evidence=_evidence(call, basis),
        answer=(tuple(standing), command_places(provided), guard, auto_prune),
    )


def _is_plain(call: Call, provided: Provided, basis: Basis) -> bool:
    environment, resolution, options = provided.environment, basis.resolution, basis.request.options
    is_silent = not (
        environment.missing
        or environment.warnings
        or environment.repaired
        or call.settings.warnings
        or resolution.warnings
        or resolution.late
        or call.terminal.verbose
    )
    is_certain = resolution.repeatable and not any(
        isinstance(candidate.requested, DirectorySource) for candidate in resolution.candidates
    )
    is_usual = not (
        basis.request.recreate or basis.request.project or options.no_cache or options.link_mode == "symlink"
    )
    # Without an overlay that was wanted the environment cannot host pytest today.
    has_overlay = provided.overlay is not None or bool(call.own("no_overlay"))
    is_here = call.start == call.settings.cwd and dict(call.settings.environ) == dict(os.environ)
    words_are_files = all(os.path.isfile(word) for word in call.arguments.files)  # noqa: PTH113 - plain text
    return (
        is_silent
        and is_certain
        and is_usual
        and has_overlay
        and is_here
        and words_are_files
        and is_found_at(basis.request.python, basis.base, cwd=call.settings.cwd)
    )


def _evidence(call: Call, basis: Basis) -> Evidence:
    from pytest_envsync.remembered import Evidence

    configuration = [
        (path, None if content is None else sha256(content).hexdigest())
        for path, content in call.settings.looked_at.items()
    ]
    resolution = basis.resolution
    return Evidence(
        read=[*((item.path, item.digest) for item in resolution.inputs), *configuration],
        files=[_beside(sys.executable), *([_beside(basis.request.python)] if basis.request.python else [])],
        variables=[name for name, _ in resolution.variables],
        sites=[],
        stamped=[
            sys.executable,
            *([basis.request.python] if basis.request.python else []),
            basis.base.base_python,
            os.path.realpath(basis.base.base_python),
            *(path for path, _ in resolution.stats),
            *_overlay_sources(),
        ],
        absent=[],
    )


def _beside(python: str) -> str:
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(python))), "pyvenv.cfg")  # noqa: PTH100, PTH118, PTH120 - plain text


def _overlay_sources() -> Iterator[str]:
    """Yield what decides what an overlay holds."""
    import pytest_envsync
    from pytest_envsync.pytest_plugin.overlay.making import PASSIVE, holds_distributions

    root = os.path.dirname(os.path.abspath(str(pytest_envsync.__file__)))  # noqa: PTH100, PTH120 - plain text
    yield from (os.path.join(root, name) for name in PASSIVE)  # noqa: PTH118 - as above
    yield from filter(holds_distributions, sys.path)


def _guard(call: Call, provided: Provided, arguments: Sequence[str]) -> list[str]:
    """Return what ``rerun`` needs to write a guard file: see there."""
    import json

    from pytest_envsync.pytest_plugin import guard
    from pytest_envsync.pytest_plugin.inside.command_guard import command_values
    from pytest_envsync.pytest_plugin.inside.launch import HOST_VARIABLES

    cache_dir = cache_of(call)
    values = command_values(cache_dir, provided.environment, call.settings, arguments=arguments)
    marks = [f"{name}-{os.urandom(8).hex()}" for name in ("lease", "variables")]
    # Nothing is done for the next one.
    values["environment"].update(created=False, changes=[], seconds=0.0)
    values["environment"]["lease"], values["surroundings"]["host_environ"] = marks
    text = json.dumps({"schema": guard.SCHEMA, **values})
    head, _, rest = text.partition(json.dumps(marks[0]))
    middle, _, tail = rest.partition(json.dumps(marks[1]))
    return [str(cache_dir / "sessions"), head, middle, tail, *HOST_VARIABLES]
