"""Where interpreters may be, in the order in which they are looked for.

Reads directories and nothing else: whether an executable is what was asked for, only it can tell.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping

from pytest_envsync.environment.python_request import PythonRequest
from pytest_envsync.patterns import pattern

_NAME = pattern(r"(?:python|pypy|graalpy)(\d+(?:\.\d+)?t?)?(?:\.exe)?")


def installed_pythons(request: PythonRequest | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of executables that may be what *request* asks for; None asks for all.

    The directories of PATH in their order, where those of pyenv's shims stand for the versions
    that pyenv has, then pyenv's and uv's own directories, then what the system's registry knows.
    An interpreter may be named more than once.
    """
    pyenv = environ.get("PYENV_ROOT") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".pyenv")
    shims = os.path.join(pyenv, "shims")
    for directory in _path(environ):
        if os.path.normpath(directory) == os.path.normpath(shims):
            yield from _below(os.path.join(pyenv, "versions"), request)
        else:
            yield from _executables(directory, request)
    yield from _below(os.path.join(pyenv, "versions"), request)
    yield from _below(_uv_directory(environ), request)
    if sys.platform == "win32":
        yield from _registered()


def named_pythons(name: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the executables called *name* in the directories of PATH."""
    suffixes = ("", ".exe") if os.name == "nt" else ("",)
    for directory in _path(environ):
        for suffix in suffixes:
            path = os.path.join(directory, name + suffix)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                yield path


def first_python(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the executables called ``python`` or ``python3``, directory by directory of PATH."""
    for directory in _path(environ):
        alone = {**environ, "PATH": directory}
        yield from named_pythons("python", alone)
        yield from named_pythons("python3", alone)


def versioned_pythons(request: PythonRequest, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the executables of PATH, directory by directory, by the names that an interpreter of *request* may have.

    ``python3.12`` stands before ``python3`` and that before ``python``; a name with a version that was not asked
    for is left to the search for all.
    """
    parts = [str(number) for number in request.version[:2]]
    names = [f"python{'.'.join(parts[:count])}" for count in range(len(parts), 0, -1)] or ["python3"]
    for directory in _path(environ):
        for name in dict.fromkeys((*names, "python3", "python")):
            yield from named_pythons(name, {**environ, "PATH": directory})


def _path(environ: Mapping[str, str]) -> list[str]:
    return [directory for directory in environ.get("PATH", "").split(os.pathsep) if directory]


def _executables(directory: str, request: PythonRequest | None) -> Iterator[str]:
    """Yield the executables of one directory, the best name first: ``python3.12`` before ``python3``."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    found = []
    for name in names:
        match = _NAME.fullmatch(name)
        path = os.path.join(directory, name)
        if match is not None and os.access(path, os.X_OK) and os.path.isfile(path):
            found.append((match[1] or "", path))
    # A link tells its version by the file it leads to, which spares asking it.
    for version, path in sorted(found, key=lambda item: (-len(item[0]), item[0])):
        real = _NAME.fullmatch(os.path.basename(os.path.realpath(path)))
        known = max(version, real[1] or "" if real else "", key=len)
        if request is None or request.could_be(known):
            yield path


def _below(root: str, request: PythonRequest | None) -> Iterator[str]:
    """Yield the interpreters installed side by side below *root*, newest first; names tell their versions."""
    try:
        names = os.listdir(root)
    except OSError:
        return
    numbered = []
    for name in names:
        version = re.search(r"\d+(\.\d+)*", name)
        numbered.append(([int(part) for part in version[0].split(".")] if version else [], name))
    for _, name in sorted(numbered, reverse=True):
        version = re.search(r"(?:^|cpython-)(\d+(?:\.\d+)+)", name)
        if request is not None and version is not None and not request.could_be(version[1]):
            continue
        for path in ("bin/python", "bin/python3", "bin/pypy3", "python.exe"):
            python = os.path.join(root, name, *path.split("/"))
            if os.path.isfile(python):
                yield python
                break


def _uv_directory(environ: Mapping[str, str]) -> str:
    """Where uv keeps the interpreters it has installed."""
    given = environ.get("UV_PYTHON_INSTALL_DIR")
    if given:
        return given
    home = environ.get("HOME") or os.path.expanduser("~")
    if sys.platform == "win32":
        data = environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
        return os.path.join(data, "uv", "data", "python")
    return os.path.join(environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share"), "uv", "python")


def _registered() -> Iterator[str]:
    """Yield what Windows has registered (PEP 514), as virtualenv finds it."""
    try:
        from python_discovery import iter_interpreters
    except ImportError:
        return
    for interpreter in iter_interpreters():
        if interpreter.system_executable:
            yield interpreter.system_executable
