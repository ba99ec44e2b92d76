"""Which environments a session asks for: lockfiles, declared names, interpreters, projects, multiplied.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pytest_envsync.errors import InputError, UsageError
from pytest_envsync.lockfiles import check_lockfile
from pytest_envsync.pytest_plugin.inside.asked import Asked
from pytest_envsync.pytest_plugin.naming import NameClash, identity, python_part, split_name, unique_names
from pytest_envsync.pytest_plugin.paths import absolute
from pytest_envsync.settings.declared import Declared, find_declared
from pytest_envsync.values import NamedTuple


class Wanted(NamedTuple):
    """One environment. *name* is that of the lock; *identity* what varies between those of the session.

    *files* are absolute; *project* is ``auto``, ``none`` or absolute; *python* None means the base
    interpreter of the running pytest. *names_python*: an option of the session or the declaration gave *python*, and no
    setting of the engine.
    """

    name: str
    identity: str
    files: tuple[str, ...]
    python: str | None
    project: str
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    names_python: bool = False


class _Lock(NamedTuple):
    name: str | None
    declared: Declared


def wanted_environments(asked: Asked, declared: Mapping[str, Declared], *, default: str | None = None) -> list[Wanted]:
    """Return the environments that *asked* speaks of, in order.

    *default* is the interpreter that the settings name, for those that name none themselves.
    Raises InputError for what is no lockfile, and UsageError for names that clash.
    """
    locks = [lock for text, base in asked.locks for lock in _locks(text, base, declared)]
    try:
        names = unique_names([(lock.name, lock.declared.files[0]) for lock in locks])
    except NameClash as clash:
        raise UsageError(str(clash)) from clash
    rows = [
        (name, lock.declared, python, project)
        for name, lock in zip(names, locks, strict=True)
        for python in asked.pythons or lock.declared.python or (default,)
        for project in _projects(asked, lock.declared)
    ]
    varies_name = len(set(names)) > 1
    varies_python = len({python for _, _, python, _ in rows}) > 1
    varies_project = len({project for *_, project in rows}) > 1
    found = [
        Wanted(
            name=name,
            identity=identity(
                [
                    name if varies_name else "",
                    python_part(python) if varies_python else "",
                    (project if project in {"auto", "none"} else os.path.basename(project)) if varies_project else "",  # noqa: PTH119 - text
                ]
            ),
            files=one.files,
            python=python,
            project=project,
            extras=one.extras,
            groups=one.groups,
            names_python=bool(asked.names_python if asked.pythons else one.python),
        )
        for name, one, python, project in rows
    ]
    _check_identities(found)
    return found


def _projects(asked: Asked, declared: Declared) -> list[str]:
    return list(declared.project) if asked.projects == ["auto"] and declared.project else asked.projects


def _locks(text: str, base: str, declared: Mapping[str, Declared]) -> list[_Lock]:
    """Return what one value of ``--envsync`` means: a file, a declared environment, or several by a glob."""
    if not text.strip():
        raise UsageError("--envsync names no lockfile", hint="its value is empty: is a variable not set?")
    path = absolute(text, base)
    name, rest = split_name(text)
    # The name ends before anything that an address begins with.
    if os.path.exists(path) or (name is None and "://" in text):  # noqa: PTH110 - plain text
        check_lockfile(path, option="--envsync")
        return [_Lock(None, Declared("", (path,)))]
    rows = find_declared(rest, declared)
    if rows:
        if name is not None and len(rows) > 1:
            names = ", ".join(row.name for row in rows)
            raise UsageError(f"`{text}` gives one name to {len(rows)} environments: {names}")
        for row in rows:
            for file in row.files:
                check_lockfile(file, option="--envsync")
        return [_Lock(name or row.name, row) for row in rows]
    path = absolute(rest, base)
    try:
        check_lockfile(path, option="--envsync")
    except InputError as error:
        if declared and not os.path.exists(path):  # noqa: PTH110 - plain text
            known = ", ".join(declared)
            raise InputError(
                f"{error.message}, and no environment of that name is declared", hint=f"declared: {known}"
            ) from error
        raise
    return [_Lock(name, Declared("", (path,)))]


def _check_identities(found: list[Wanted]) -> None:
    for index, one in enumerate(found):
        for other in found[:index]:
            if len(found) > 1 and one.identity == other.identity:
                raise UsageError(
                    f"two environments are called `{one.identity or one.name}`: "
                    "the same lock, interpreter and project are given twice"
                )
