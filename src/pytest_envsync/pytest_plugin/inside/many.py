"""Sessions in several environments: provide them all, then run them as one matrix, or one after another.

Only in the host interpreter. The matrix itself, workers and one report, is the work of ``matrix`` in
the process that replaces this one.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import masked
from pytest_envsync.errors import EnvsyncError, UsageError
from pytest_envsync.pytest_plugin import guard
from pytest_envsync.pytest_plugin.inside import provision, way
from pytest_envsync.pytest_plugin.inside.child import run_child
from pytest_envsync.pytest_plugin.inside.narrator import Narrator
from pytest_envsync.pytest_plugin.inside.probe import check_hosting
from pytest_envsync.pytest_plugin.inside.start import Start, command_of, rendered, typed_command
from pytest_envsync.pytest_plugin.inside.turns import Place, run_in_turn
from pytest_envsync.pytest_plugin.session.silence import silence

if TYPE_CHECKING:
    import argparse

    from pytest_envsync.narration import Reporter
    from pytest_envsync.pytest_plugin.inside.provision import Preparation
    from pytest_envsync.pytest_plugin.inside.wanted import Wanted

MAKERS = 4
"""Environments that are provided at the same time; more only share the disk."""


def is_about_the_first(options: argparse.Namespace) -> bool:
    """Whether the command line asks a question that one environment answers."""
    names = ("showfixtures", "show_fixtures_per_test", "markers", "cacheshow")
    return any(getattr(options, name, None) for name in names)


def runs_in_turn(start: Start) -> bool:
    """Whether environments have to own the terminal, one after another, or there is no xdist."""
    options = start.options
    asks = ("usepdb", "trace", "collectonly", "setupshow", "setuponly", "setupplan")
    return (
        any(getattr(options, name, False) for name in asks)
        or getattr(options, "capture", None) == "no"
        or getattr(options, "numprocesses", None) == 0
        or not any(map(start.config.pluginmanager.hasplugin, ("xdist", "xdist.plugin")))  # by -p it has either name
    )


def run(start: Start, preparation: Preparation, wanted: Sequence[Wanted]) -> int:
    """Run the session in all environments; return its status where the process is not replaced.

    Raises EnvsyncError when none of them can be had.
    """
    in_turn = runs_in_turn(start)
    if not in_turn:
        _check_options(start.options)
        names = [*preparation.plugins.distributions, "pytest-xdist"]
        preparation = preparation._replace(
            plugins=preparation.plugins._replace(distributions=sorted(set(names))),
        )
    places = _provide(preparation, wanted, as_workers=not in_turn)
    if all(place.provided is None for place in places):
        raise EnvsyncError("\n".join(f"{place.wanted.identity}: {place.error}" for place in places))
    if in_turn:
        return run_in_turn(start, places)
    return _run_as_matrix(start, places)


def _check_options(options: argparse.Namespace) -> None:
    if getattr(options, "dist", "no") == "each":
        raise UsageError(
            "--dist each sends every test to every worker, and a matrix runs each once in every environment",
            hint="leave --dist each away",
        )
    if getattr(options, "tx", None):
        raise UsageError("--tx names workers, and a matrix makes its own", hint="use -n to say how many")


def _provide(preparation: Preparation, wanted: Sequence[Wanted], *, as_workers: bool) -> list[Place]:
    from concurrent.futures import ThreadPoolExecutor

    identities = [one.identity for one in wanted]
    with Narrator() as reporter, ThreadPoolExecutor(MAKERS) as pool:
        tasks = [pool.submit(_place, preparation, one, reporter, identities, as_workers) for one in wanted]
        return [task.result() for task in tasks]


def _place(
    preparation: Preparation,
    wanted: Wanted,
    reporter: Reporter,
    identities: Sequence[str],
    as_worker: bool,  # noqa: FBT001 - handed to a pool
) -> Place:
    try:
        provided = provision.provide_one(preparation, wanted, reporter=reporter, identities=identities)
    except EnvsyncError as error:
        return Place(wanted, None, _told(error))
    try:
        check_hosting(provided, as_worker=as_worker)
    except EnvsyncError as error:
        provided.release()
        return Place(wanted, None, _told(error))
    return Place(wanted, provided)


def _told(error: EnvsyncError) -> str:
    return rendered(error).removeprefix("envsync: ")


def _run_as_matrix(start: Start, places: Sequence[Place]) -> int:
    """Start the controller in the first environment; it starts workers in all of them."""
    first = next(place.provided for place in places if place.provided is not None)
    form = start.form if start.form.is_pytest else way.Form((), module="pytest")
    directory = str(start.config.invocation_params.dir)
    cells = [_cell(place, front=[directory] if form.module else []) for place in places]
    values = {
        **first.values,
        "header": _header(places),
        "matrix": {
            "cells": cells,
            "flags": list(form.flags),
            "command": typed_command(start),
        },
    }
    path = str(guard.write(Path(first.guard_path).parent, values))
    environ = {**first.environ, guard.VARIABLE: path}
    command = command_of(start, first)
    if start.owns_process:
        way.replace_process(command, environ)
    try:
        return run_child(command, environ)
    finally:
        guard.remove(path)
        for place in places:
            if place.provided is not None:
                place.provided.release()
        silence(start.config, start.parser, start.args)


def _cell(place: Place, *, front: Sequence[str]) -> dict[str, Any]:
    """Return what the controller needs to know of one environment."""
    wanted, provided = place.wanted, place.provided
    plain = {
        "identity": wanted.identity,
        "name": wanted.identity or wanted.name,
        "files": list(map(masked, wanted.files)),
        "error": place.error,
    }
    if provided is None:
        return {**plain, "values": None}
    # The workers are given this file, and are not the session's first process.
    guard.deny(provided.guard_path)
    names = ("PATH", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONNOUSERSITE", guard.VARIABLE)
    return {
        **plain,
        "values": provided.values,
        "guard": provided.guard_path,
        "python": provided.environment.python,
        "environ": {name: provided.environ.get(name) for name in names},
        "front": list(front),
        "behind": provided.paths.behind,
    }


def _header(places: Sequence[Place]) -> list[str]:
    """Return the lines of every environment; what holds for all of them is said once."""
    headers = [place.provided.values["header"] for place in places if place.provided is not None]
    shared = [line for line in headers[0][1:] if all(line in header for header in headers)] if headers[1:] else []
    lines = [f"{len(places)} environments"]
    for place in places:
        found = place.provided.values["header"] if place.provided is not None else [f"not there: {place.error}"]
        lines += [f"{place.wanted.identity}: {line}" for line in found if line not in shared]
    return [*lines, *shared]
