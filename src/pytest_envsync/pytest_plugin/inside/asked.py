"""What the command line and pytest's ini file ask for, as plain values.

The values travel as JSON to the processes inside an environment, so that all of a session
goes by one reading. Relative paths of the command line are relative to the invocation
directory, those of the ini file to that file.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.errors import UsageError
from pytest_envsync.pytest_plugin.paths import absolute
from pytest_envsync.settings.merge import Said, option_named, read_said
from pytest_envsync.true_paths import resolved
from pytest_envsync.values import NamedTuple

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
    text, ``[NAME=]LOCK``, and the directory that it is relative to. *projects* are ``auto``, ``none`` or absolute.
    *line* and *ini* are what goes to the engine. *ini_names* are the other options of pytest's ini file that count
    here, and *ini_place* is that file. *names_python*: ``--envsync-python`` or ``envsync_python`` gave *pythons*, of
    which the engine's settings know nothing.
    """

    rootdir: str
    directory: str
    locks: list[tuple[str, str]]
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
    ini_names: tuple[str, ...] = ()
    ini_place: str = ""
    names_python: bool = False


def read_asked(config: pytest.Config, options: argparse.Namespace) -> Asked:
    """Return what *options* (a fresh reading of the command line) and the ini file ask for.

    Raises UsageError for values that mean nothing.
    """
    directory = str(config.invocation_params.dir)
    base = str(config.inipath.parent) if config.inipath is not None else str(config.rootpath)
    ini: Callable[[str], Any] = config.getini
    locks = options.envsync_locks or []

    def beside(option: str, text: str) -> str:
        return base if _is_of_addopts(config, option, text) else directory

    line = Given(
        arguments=list(options.envsync_options or ()),
        options=_said(
            extras=options.envsync_extra,
            all_extras=options.envsync_all_extras,
            groups=options.envsync_group,
            offline=options.envsync_offline,
        ),
        base=directory,
    )
    check_arguments(line, "--envsync-option")
    of_ini = Given(
        arguments=list(ini("envsync_options")),
        options=_said(
            extras=ini("envsync_extra"),
            all_extras=ini("envsync_all_extras"),
            groups=ini("envsync_group"),
            offline=ini("envsync_offline"),
        ),
        base=base,
    )
    check_arguments(of_ini, "envsync_options")
    pythons = _pythons(options.envsync_python, line, "ENVSYNC_PYTHON")
    return Asked(
        rootdir=str(config.rootpath),
        directory=directory,
        locks=[(text, beside("--envsync", text)) for text in locks] or [(text, base) for text in ini("envsync")],
        pythons=pythons or _pythons(ini("envsync_python"), of_ini),
        projects=_projects(options, ini("envsync_project"), directory=directory, base=base),
        editable=bool(ini("envsync_editable")),
        files=[absolute(text, beside("--envsync-file", text)) for text in options.envsync_files or ()]
        or [absolute(text, base) for text in ini("envsync_files")],
        recreate=options.envsync_recreate,
        drift=_drift(options.envsync_drift, ini("envsync_drift")),
        drift_ignore=list(ini("envsync_drift_ignore")),
        trace=options.envsync_drift_trace,
        overlay=not options.envsync_no_overlay,
        plugins=list(ini("envsync_overlay")),
        report=absolute(options.envsync_report, directory) if options.envsync_report else None,
        cache_dir=_cache_dir(options.envsync_cache_dir, ini("envsync_cache_dir"), directory=directory, base=base),
        line=line,
        ini=of_ini,
        ini_names=tuple(_ini_names(options, ini, has_python=bool(pythons))),
        ini_place=str(config.inipath) if config.inipath is not None else "the command line's -o",
        names_python=bool(options.envsync_python or (not pythons and ini("envsync_python"))),
    )


def _ini_names(options: argparse.Namespace, ini: Callable[[str], Any], *, has_python: bool) -> Iterator[str]:
    """Yield the names of what the ini file says and the command line, or a variable, does not.

    *has_python*: one of these names an interpreter.
    """
    said = {
        "envsync": options.envsync_locks,
        "envsync_python": has_python,
        "envsync_project": options.envsync_project,
        "envsync_files": options.envsync_files,
        "envsync_drift": options.envsync_drift or os.environ.get("ENVSYNC_DRIFT"),
        "envsync_drift_ignore": None,
        "envsync_overlay": None,
        "envsync_cache_dir": options.envsync_cache_dir or os.environ.get("ENVSYNC_CACHE_DIR"),
    }
    yield from (name for name, value in said.items() if not value and ini(name))
    if not ini("envsync_editable"):
        yield "envsync_editable"


# What `envsync sync` does with an environment of the caller's says nothing to a session, which has its own.
_NOT_FOR_SESSIONS = {
    **dict.fromkeys(("dry_run", "check"), "`envsync sync --dry-run` and `--check` compare an environment with a lock"),
    **dict.fromkeys(
        ("venv", "system", "break_system_packages", "target", "prefix"),
        "a session runs in a cached environment; `envsync sync` fills others",
    ),
    **dict.fromkeys(("reinstall", "reinstall_package"), "--envsync-recreate builds the environment anew"),
    **dict.fromkeys(("strict", "verify_files"), "a session says what is missing and compares its environment anyway"),
    "no_cache": "--envsync-cache-dir names another cache",
    "output_format": "--envsync-report FILE writes a JSON report",
    **dict.fromkeys(("quiet", "verbose"), "pytest's own -q and -v say how much is shown"),
    "directory": "paths are relative to where pytest is started",
}


def check_arguments(given: Given, place: str) -> None:
    """Raise UsageError for options of ``envsync sync`` that mean nothing for a session."""
    if not given.arguments:
        return
    said = read_said(Said(arguments=given.arguments, given={}), cwd=given.base).values
    for name, value in said.items():
        if name in _NOT_FOR_SESSIONS and value is not False:
            raise UsageError(
                f"`{option_named(name).long}` of {place} means nothing for a session",
                hint=_NOT_FOR_SESSIONS[name] or None,
            )


def _is_of_addopts(config: pytest.Config, option: str, text: str) -> bool:
    """Whether the ini file's ``addopts`` gives *text* for *option*, and nobody else does: a path starts there."""
    given = " ".join(map(str, config.getini("addopts")))
    if not any(f" {option}{sign}{text} " in f" {given} " for sign in " ="):
        return False
    typed = [*map(str, config.invocation_params.args), *os.environ.get("PYTEST_ADDOPTS", "").split()]
    return text not in typed and f"{option}={text}" not in typed


def _said(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _pythons(named: Sequence[str] | None, given: Given, variable: str = "") -> list[str]:
    """Return the interpreters that are *named*, or else the one of the options *given*, or else of the *variable*."""
    if not named:
        of_options = read_said(Said(arguments=given.arguments), cwd=given.base).values.get("python")
        one = of_options or os.environ.get(variable)
        named = [one] if isinstance(one, str) and one else []
    return [_interpreter(text, given.base) for text in named]


def _interpreter(text: str, base: str) -> str:
    """Return *text*, absolute if it is a path."""
    return absolute(text, base) if os.sep in text or (os.altsep and os.altsep in text) else text


def _projects(options: argparse.Namespace, ini: list[str], *, directory: str, base: str) -> list[str]:
    given = [(text, directory) for text in options.envsync_project or ()]
    given = given or [(text, base) for text in ini]
    found = [text if text in {"auto", "none"} else resolved(absolute(text, place)) for text, place in given]
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
