"""What the command line and pytest's ini file ask for, as plain values.

The values travel as JSON to the processes inside an environment, so that all of a session
goes by one reading. Relative paths of the command line are relative to the invocation
directory, those of the ini file to that file.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_envsync.errors import UsageError
from pytest_envsync.pytest_plugin.paths import absolute

if TYPE_CHECKING:
    import argparse

    import pytest

DRIFT = ("ignore", "warn", "fail")


class Given(NamedTuple):
    """What one place says to the engine: texts as for ``envsync sync``, and values by name."""

    arguments: list[str]
    options: dict[str, Any]
    base: str


class Asked(NamedTuple):
    """What a session asks for.

    *rootdir*, *directory* (of the invocation), *report*, *cache_dir* and *files* are absolute. *locks* are pairs of a
    text, ``[NAME=]LOCK``, and the directory that it is relative to; *lock_origin* says where they stand.
    *projects* are ``auto``, ``none`` or absolute. *line* and *ini* are what goes to the engine.
    """

    rootdir: str
    directory: str
    locks: list[tuple[str, str]]
    lock_origin: str
    pythons: list[str]
    projects: list[str]
    editable: bool
    files: list[str]
    recreate: bool
    drift: str
    drift_ignore: list[str]
    trace: bool
    overlay: bool
    plugins: list[str]
    report: str | None
    cache_dir: str | None
    line: Given
    ini: Given


def read_asked(config: pytest.Config, options: argparse.Namespace) -> Asked:
    """Return what *options* (a fresh reading of the command line) and the ini file ask for.

    Raises UsageError for values that mean nothing.
    """
    directory = str(config.invocation_params.dir)
    base = str(config.inipath.parent) if config.inipath is not None else str(config.rootpath)
    ini: Callable[[str], Any] = config.getini
    locks = options.envsync_locks or []
    return Asked(
        rootdir=str(config.rootpath),
        directory=directory,
        locks=[(text, directory) for text in locks] or [(text, base) for text in ini("envsync")],
        lock_origin="the command line" if locks else _ini_place(config),
        pythons=[
            *(_interpreter(text, directory) for text in options.envsync_python or ()),
        ]
        or [_interpreter(text, base) for text in ini("envsync_python")],
        projects=_projects(options, ini("envsync_project"), directory=directory, base=base),
        editable=bool(ini("envsync_editable")),
        files=[absolute(text, directory) for text in options.envsync_files or ()]
        or [absolute(text, base) for text in ini("envsync_files")],
        recreate=options.envsync_recreate,
        drift=_drift(options.envsync_drift, ini("envsync_drift")),
        drift_ignore=list(ini("envsync_drift_ignore")),
        trace=options.envsync_drift_trace,
        overlay=not options.envsync_no_overlay,
        plugins=list(ini("envsync_overlay")),
        report=absolute(options.envsync_report, directory) if options.envsync_report else None,
        cache_dir=_cache_dir(options.envsync_cache_dir, ini("envsync_cache_dir"), directory=directory, base=base),
        line=Given(
            arguments=list(options.envsync_options or ()),
            options=_said(
                extras=options.envsync_extra,
                all_extras=options.envsync_all_extras,
                groups=options.envsync_group,
                offline=options.envsync_offline,
            ),
            base=directory,
        ),
        ini=Given(
            arguments=list(ini("envsync_options")),
            options=_said(
                extras=ini("envsync_extra"),
                all_extras=ini("envsync_all_extras"),
                groups=ini("envsync_group"),
                offline=ini("envsync_offline"),
            ),
            base=base,
        ),
    )


def _said(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _ini_place(config: pytest.Config) -> str:
    return str(config.inipath) if config.inipath is not None else "the ini option `envsync`"


def _interpreter(text: str, base: str) -> str:
    """Return *text*, absolute if it is a path."""
    return absolute(text, base) if os.sep in text or (os.altsep and os.altsep in text) else text


def _projects(options: argparse.Namespace, ini: list[str], *, directory: str, base: str) -> list[str]:
    given = [(text, directory) for text in options.envsync_project or ()]
    given = given or [(text, base) for text in ini]
    found = [text if text in {"auto", "none"} else absolute(text, place) for text, place in given]
    for path in found:
        if path not in {"auto", "none"} and not Path(path).is_dir():
            raise UsageError(
                f"the project `{path}` is no directory", hint="--envsync-project auto, none or a directory"
            )
    return found or ["auto"]


def _drift(option: str | None, ini: str | None) -> str:
    value = option or os.environ.get("ENVSYNC_DRIFT") or ini or "warn"
    if value not in DRIFT:
        raise UsageError(f"`{value}` is no way to treat drift", hint=f"envsync_drift is one of {', '.join(DRIFT)}")
    return value


def _cache_dir(option: str | None, ini: str | None, *, directory: str, base: str) -> str | None:
    if option:
        return absolute(option, directory)
    variable = os.environ.get("ENVSYNC_CACHE_DIR")
    if variable:
        return absolute(variable, directory)
    return absolute(ini, base) if ini else None
