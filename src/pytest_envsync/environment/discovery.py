"""Where a sync goes: the environment that is meant, or asked for.

The rules are the reference's: ``--target`` and ``--prefix`` need any interpreter, ``--system`` one that
is no virtual environment, everything else an environment that exists. ``--venv`` is ours.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import chain

from pytest_envsync.environment.installed_pythons import (
    first_python,
    installed_pythons,
    named_pythons,
    versioned_pythons,
)
from pytest_envsync.environment.interpreter import (
    CacheDir,
    base_of,
    base_of_running,
    find_interpreter,
    place_of,
    query,
    query_environment,
)
from pytest_envsync.environment.python_request import PythonRequest, parse_request
from pytest_envsync.environment.pyvenv_cfg import prefix_of
from pytest_envsync.errors import TargetError, UsageError
from pytest_envsync.narration import Reporter, SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.target import Target
from pytest_envsync.true_paths import resolved
from pytest_envsync.values import NamedTuple, replace

_HOW_TO_CREATE = "add `--venv .venv` to create one, or pass `--system` to install into a non-virtual environment"


class _Surrounding(NamedTuple):
    """What a search depends on besides the options."""

    cwd: str
    environ: Mapping[str, str]
    cache_dir: CacheDir

    def path(self, text: str) -> str:
        """Return *text* as an absolute path."""
        return resolved(os.path.join(self.cwd, os.path.expanduser(text)))

    def find(self, request: str | None) -> Target:
        """Return the interpreter that *request* names, in the order of PATH."""
        return find_interpreter(
            request, cache_dir=self.cache_dir, environ=self.environ, cwd=self.cwd, prefer_running=False
        )


def find_target(
    options: SyncOptions,
    *,
    cwd: str,
    environ: Mapping[str, str],
    cache_dir: CacheDir,
    reporter: Reporter | None = None,
) -> Target:
    """Return the place that *options* mean, seen from *cwd*.

    Makes the environment of ``--venv`` when it is missing, unless this is a dry run. Which
    environment is used is told to *reporter* if it is not ``.venv`` in *cwd*. Raises TargetError
    when there is none, when it is not what was asked for, or when PEP 668 forbids it.
    """
    here = _Surrounding(cwd=cwd, environ=environ, cache_dir=cache_dir)
    if options.target is not None and options.prefix is not None:
        raise UsageError("`--target` and `--prefix` exclude each other")
    _check_platform(options, environ)
    if options.venv is not None:
        target = _own_environment(options, here, reporter or SilentReporter())
    elif options.target is not None or options.prefix is not None:
        target = _directory(options, here, reporter or SilentReporter())
    else:
        target = _existing_environment(options, here)
        _tell(target, here, reporter or SilentReporter())
    if target.externally_managed is not None and not options.break_system_packages:
        words = "\n  ".join(target.externally_managed.splitlines())
        raise TargetError(
            f"The interpreter at `{target.prefix}` is externally managed"
            + (f", and says:\n\n  {words}\n" if words else ""),
            hint="use a virtual environment, or pass `--break-system-packages` if you know what you do",
        )
    return for_platform(target, options.python_version, options.python_platform, environ)


def for_platform(
    target: Target, python_version: str | None, python_platform: str | None, environ: Mapping[str, str] | None = None
) -> Target:
    """Return *target* with the markers and tags of another Python version, platform or both.

    The interpreter, its own version and its paths stay. Raises UsageError for text that names none.
    """
    if python_version is None and python_platform is None:
        return target
    from pytest_envsync.platforms import find_platform, own_platform_tags, platform_markers, platform_tags, python_tags

    markers = dict(target.markers)
    version = _release(target.version)
    if python_version is not None:
        full = _full_version(python_version)
        version = _release(full)
        markers["python_full_version"] = full
        markers["python_version"] = f"{version[0]}.{version[1]}"
        if target.implementation == "cpython":
            markers["implementation_version"] = full
    platforms = own_platform_tags(target.tags)
    if python_platform is not None:
        platform = find_platform(python_platform, environ or {})
        markers |= platform_markers(platform)
        platforms = platform_tags(platform)
    tags = python_tags(target.tags, version=version, platforms=platforms, implementation=target.implementation)
    return replace(target, markers=markers, tags=tags)


def _check_platform(options: SyncOptions, environ: Mapping[str, str]) -> None:
    """Refuse what names no version or platform before anything is looked for or made."""
    if options.python_version is not None:
        _full_version(options.python_version)
    if options.python_platform is not None:
        from pytest_envsync.platforms import find_platform

        find_platform(options.python_platform, environ)


def _release(version: str) -> tuple[int, int]:
    import re

    numbers = re.findall(r"\d+", version)
    return int(numbers[0]), int(numbers[1])


def _full_version(text: str) -> str:
    """Return ``3.12`` as ``3.12.0``, in any spelling of PEP 440; post releases and a fourth number are dropped."""
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(text)
    except InvalidVersion:
        version = None
    # Each number of an interpreter's version is a byte of `sys.hexversion`.
    if version is None or version.epoch or version.is_devrelease or version.local or max(version.release[:3]) > 255:
        raise UsageError(
            f"invalid value '{text}' for '--python-version': not a Python version",
            hint="write it like `3.12` or `3.7.9`",
        )
    return f"{version.major}.{version.minor}.{version.micro}{''.join(map(str, version.pre or ()))}"


def _own_environment(options: SyncOptions, here: _Surrounding, reporter: Reporter) -> Target:
    """Return the environment of ``--venv``, made if it is missing."""
    path = here.path(str(options.venv))
    is_environment = os.path.isfile(os.path.join(path, "pyvenv.cfg"))
    wanted = parse_request(options.python)
    if is_environment:
        target = query_environment(path, here.cache_dir)
        if not _is_of(target, wanted, here):
            raise TargetError(
                f"the virtual environment `{path}` has {target.title}, which is not {wanted}",
                hint="remove it, or name another path with --venv",
            )
        _tell(target, here, reporter)
        return target
    found = find_interpreter(options.python, cache_dir=here.cache_dir, environ=here.environ, cwd=here.cwd)
    base = base_of(found, here.cache_dir)
    from pytest_envsync.environment.virtualenvs import clear_remains, create_virtualenv

    is_occupied = os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path))
    is_dry = options.dry_run or options.check
    if is_occupied and not (
        os.path.isdir(path) and clear_remains(path, base, cache_dir=here.cache_dir, dry_run=is_dry)
    ):
        raise TargetError(
            f"`{path}` is no virtual environment: it has no `pyvenv.cfg`",
            hint="name another path with --venv, or remove what is there",
        )
    reporter.note(f"Using {base.title} interpreter at: {base.python}")
    if is_dry:
        reporter.note(f"Would create virtual environment at: {_shown(path, here.cwd)}")
        return base.in_virtual_environment(path)
    reporter.note(f"Creating virtual environment at: {_shown(path, here.cwd)}")
    return create_virtualenv(path, base, cache_dir=here.cache_dir)


def _is_of(target: Target, wanted: PythonRequest, here: _Surrounding) -> bool:
    """Whether the environment *target* was made from the interpreter that is *wanted*."""
    if wanted.kind != "place":
        return wanted.is_met_by(target)
    named = here.find(wanted.text)
    return named.base_python == target.base_python


def _directory(options: SyncOptions, here: _Surrounding, reporter: Reporter) -> Target:
    """Return the directory of ``--target`` or ``--prefix``, for any interpreter."""
    interpreter = _any_interpreter(options, here)
    reporter.note(f"Using {interpreter.title} interpreter at: {_shown(interpreter.python, here.cwd)}")
    # A tilde is the shell's to expand, as in the reference: one that is left names a directory here.
    place = resolved(os.path.join(here.cwd, str(options.prefix if options.target is None else options.target)))
    return interpreter.in_prefix(place) if options.target is None else interpreter.in_directory(place)


def _any_interpreter(options: SyncOptions, here: _Surrounding) -> Target:
    wanted = parse_request(options.python)
    if wanted.kind == "place":
        return here.find(options.python)
    if not options.system:
        for target in _environments(here):
            if wanted.is_met_by(target):
                return target
    if wanted.kind == "any":
        return _system_interpreter(wanted, here) or base_of_running(here.cache_dir)
    return here.find(options.python)


def _existing_environment(options: SyncOptions, here: _Surrounding) -> Target:
    wanted = parse_request(options.python)
    path = place_of(wanted, here.cwd) if wanted.kind == "place" else None
    if path is not None:
        return query_environment(path, here.cache_dir) if os.path.isdir(path) else query(path, here.cache_dir)
    if options.system:
        system = _system_interpreter(wanted, here)
        if system is None:
            asked = "" if wanted.kind == "any" else f" for {wanted}"
            raise TargetError(f"No system Python installation found{asked}", hint="name one with --python")
        return system
    if wanted.kind == "place":
        return _named_environment(wanted, here)
    return _matching_environment(wanted, here)


def _system_interpreter(wanted: PythonRequest, here: _Surrounding) -> Target | None:
    """Return the first interpreter that fits and is no virtual environment: one behind an environment is not meant.

    PATH is searched first; a version is looked for among those that version managers have, too.
    """
    candidates: Iterator[str]
    if wanted.kind == "place":
        candidates = named_pythons(wanted.text, here.environ)
    elif wanted.kind == "any":
        candidates = first_python(here.environ)
    else:
        candidates = chain(versioned_pythons(wanted, here.environ), installed_pythons(wanted, here.environ))
    for python in candidates:
        if prefix_of(python) is None:
            try:
                target = query(python, here.cache_dir)
            except TargetError:
                continue
            if not target.is_virtual and wanted.is_asked_of(target):
                return target
    return None


def _named_environment(wanted: PythonRequest, here: _Surrounding) -> Target:
    """Return the environment whose interpreter is found on PATH under the name that is *wanted*."""
    for python in named_pythons(wanted.text, here.environ):
        if prefix_of(python) is not None:
            return query(python, here.cache_dir)
    if os.path.isdir(here.path(wanted.text)):
        raise TargetError(
            f"`{wanted.text}` is a directory, but no virtual environment: it has no `pyvenv.cfg`",
            hint=f"to make one there, write `--venv {wanted.text}`"
            if not os.listdir(here.path(wanted.text))
            else "name the directory of an environment, or `--venv PATH` to make one",
        )
    raise TargetError(f"No virtual environment found for executable name `{wanted.text}`", hint=_HOW_TO_CREATE)


def _matching_environment(wanted: PythonRequest, here: _Surrounding) -> Target:
    others = []
    for target in _environments(here):
        if wanted.is_met_by(target):
            return target
        others.append(f"{target.title} in {_shown(target.prefix, here.cwd)}")
    asked = "" if wanted.kind == "any" else f" for {wanted}"
    found = f"; found: {', '.join(others)}" if others else ""
    raise TargetError(f"No virtual environment found{asked}{found}", hint=_HOW_TO_CREATE)


def _upwards(directory: str) -> Iterator[str]:
    """Yield *directory* and those above it."""
    yield directory
    while (parent := os.path.dirname(directory)) != directory:
        directory = parent
        yield directory


def _environments(here: _Surrounding) -> Iterator[Target]:
    """Yield the environments that are meant when none is named, the nearest first.

    ``VIRTUAL_ENV``, ``CONDA_PREFIX`` (but not conda's base), the directory or a parent that is one itself
    or holds a ``.venv``, conda's base where that is a virtual environment, and the one that stands first on PATH.
    What the variables name but is not there is an error only when nothing else is found.
    """
    broken: TargetError | None = None
    count = 0
    for prefix, is_conda in _active_prefixes(here):
        try:
            target = query_environment(prefix, here.cache_dir)
        except TargetError as error:
            if os.path.isfile(prefix):
                raise
            broken = broken or error
            continue
        if target.is_virtual or is_conda:
            count += 1
            yield target
    surrounding = _surrounding_prefix(here.cwd)
    if surrounding is not None:
        count += 1
        yield query_environment(surrounding, here.cache_dir)
    base = here.path(here.environ.get("CONDA_PREFIX") or "")
    if _is_conda_s_base(here) and os.path.isfile(os.path.join(base, "pyvenv.cfg")):
        count += 1
        yield query_environment(base, here.cache_dir)
    first = next(first_python(here.environ), None)
    if first is not None and prefix_of(first) is not None:
        count += 1
        yield query(first, here.cache_dir)
    if broken is not None and not count:
        raise broken


def _surrounding_prefix(cwd: str) -> str | None:
    """Return the nearest environment that *cwd* lies in, or that is called ``.venv`` there or above."""
    for directory in _upwards(cwd):
        if os.path.isfile(os.path.join(directory, "pyvenv.cfg")):
            return directory
        prefix = os.path.join(directory, ".venv")
        if os.path.isdir(prefix) or (os.path.islink(prefix) and not os.path.exists(prefix)):
            if not os.path.isfile(os.path.join(prefix, "pyvenv.cfg")):
                raise TargetError(
                    f"Broken virtual environment `{prefix}`: missing `pyvenv.cfg`", hint="remove it or make it anew"
                )
            return prefix
    return None


def _active_prefixes(here: _Surrounding) -> Iterator[tuple[str, bool]]:
    """Yield what the variables name, and whether it is conda's: those environments have no ``pyvenv.cfg``."""
    active = here.environ.get("VIRTUAL_ENV")
    if active:
        yield here.path(active), False
    conda = here.environ.get("CONDA_PREFIX")
    if conda and not _is_conda_s_base(here):
        yield here.path(conda), True


def _is_conda_s_base(here: _Surrounding) -> bool:
    """Whether ``CONDA_PREFIX`` is the environment that is active in every shell, and so not meant for a project.

    Others are called by the last part of their path, or by the path itself.
    """
    conda, name = here.environ.get("CONDA_PREFIX"), here.environ.get("CONDA_DEFAULT_ENV")
    if not conda:
        return False
    is_other = not name or (name not in {"base", "root"} and name in {conda, os.path.basename(conda.rstrip(os.sep))})
    return not is_other or conda == here.environ.get("_CONDA_ROOT")


def _tell(target: Target, here: _Surrounding, reporter: Reporter) -> None:
    if target.prefix != os.path.join(here.cwd, ".venv"):
        reporter.note(f"Using Python {target.version} environment at: {_shown(target.prefix, here.cwd)}")


def _shown(path: str, cwd: str) -> str:
    """Return *path* as people call it in *cwd*: relative when it is below, or the same."""
    if path == cwd:
        return "."
    below = cwd.rstrip(os.sep) + os.sep
    return path.removeprefix(below)
