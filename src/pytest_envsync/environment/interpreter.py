"""What an interpreter is: asked once, then remembered.

The answer is kept in the cache, by path, modification time and size of the executable; reading it
back starts no process. A virtual environment is described by its ``pyvenv.cfg`` and the answer of
the interpreter it was made from, without starting it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pytest_envsync.atomic import write_at_once
from pytest_envsync.environment.installed_pythons import installed_pythons, named_pythons
from pytest_envsync.environment.python_request import PythonRequest, parse_request
from pytest_envsync.environment.pyvenv_cfg import base_executable, prefix_of, pythons_in
from pytest_envsync.errors import TargetError
from pytest_envsync.target import Target
from pytest_envsync.true_paths import resolved
from pytest_envsync.values import replace

CacheDir = str | os.PathLike[str] | None
"""The root of the cache; None remembers nothing."""

_SCHEMA = 4  # of the cached answers; another number is another question
_TIMEOUT = 60  # seconds until an interpreter must have answered
_FACTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "interpreter_facts.py")
# Old interpreters cannot read that file; they get as far as this line.
_START = (
    "import sys\n"
    "if sys.version_info < (3, 7): sys.exit('Python %d.%d is too old' % sys.version_info[:2])\n"
    "del sys.argv[0]\n"
    "exec(compile(open(sys.argv[0], encoding='utf-8').read(), sys.argv[0], 'exec'))"
)


def query(python: str, cache_dir: CacheDir) -> Target:
    """Return what the executable at the path *python* is.

    It may belong to a virtual environment, be an ordinary interpreter or a script that starts one.
    Without *cache_dir* nothing is remembered. Raises TargetError when there is none or it cannot be used.
    """
    python = resolved(python)
    prefix = prefix_of(python)
    if prefix is not None:
        if os.path.isfile(python):
            _check_own(python, prefix)
        return _query_base(_base_of(python, prefix), cache_dir).in_virtual_environment(prefix, python=python)
    if not os.path.isfile(python):
        raise TargetError(_missing(python))
    if _is_script(python):
        # What a pyenv shim starts depends on the directory and the environment: asked each time.
        return query(_ask(python)["executable"], cache_dir)
    real = os.path.realpath(python)
    found = _query_base(real, cache_dir)
    return replace(found, python=python) if found.base_python == real else found


def is_found_at(python: str | None, target: Target, *, cwd: str) -> bool:
    """Whether *python*, relative to *cwd*, is *target* or the interpreter behind it, as long as the file is the same.

    What starts another interpreter (the shim of a version manager) decides each time which one; a version or a name is
    looked for. None means the running interpreter, and always the same one.
    """
    if python is None:
        return True
    path = resolved(os.path.join(cwd, python))
    if not os.path.dirname(python) or not os.path.exists(path):
        return False
    prefix = path if os.path.isfile(os.path.join(path, "pyvenv.cfg")) else prefix_of(path)
    if prefix is not None:
        return not target.is_virtual or os.path.realpath(prefix) == os.path.realpath(target.prefix)
    real = os.path.realpath(path)
    return os.path.isfile(real) and not _is_script(real) and real == os.path.realpath(target.base_python)


def query_environment(prefix: str, cache_dir: CacheDir) -> Target:
    """Return what the virtual environment, or the interpreter's own directory, at *prefix* is.

    Raises TargetError when *prefix* is neither.
    """
    prefix = resolved(prefix)
    is_virtual = os.path.isfile(os.path.join(prefix, "pyvenv.cfg"))
    for python in pythons_in(prefix):
        if os.path.isfile(python):
            return query(python, cache_dir)
        if os.path.islink(python):
            raise TargetError(_missing(python), hint="make the environment anew")
    if is_virtual:
        raise TargetError(f"the virtual environment `{prefix}` has no interpreter", hint="make the environment anew")
    raise TargetError(f"`{prefix}` is no virtual environment: it has no `pyvenv.cfg` and no interpreter")


def base_of_running(cache_dir: CacheDir) -> Target:
    """Return the interpreter that runs this, or the one behind it when this is a virtual environment."""
    python = os.path.abspath(sys.executable)
    prefix = prefix_of(python)
    return _query_base(os.path.realpath(python) if prefix is None else _base_of(python, prefix), cache_dir)


def base_of(target: Target, cache_dir: CacheDir) -> Target:
    """Return the interpreter behind *target*, which may be the same."""
    return _query_base(target.base_python, cache_dir)


def find_interpreter(
    request: str | None,
    *,
    cache_dir: CacheDir,
    environ: Mapping[str, str],
    cwd: str,
    prefer_running: bool = True,
) -> Target:
    """Return the interpreter that *request* names; None asks for the one behind the running interpreter.

    A path gives exactly what is there (also a virtual environment). A version or a name gives an
    interpreter that is no virtual environment: the running one's if it fits and *prefer_running*, else in
    the order of PATH, then pyenv's versions (newest first), then others that tools have installed.
    Raises TargetError, naming those that were found, when none fits.
    """
    wanted = parse_request(request)
    if wanted.kind == "place":
        return _find_place(wanted, cache_dir=cache_dir, environ=environ, cwd=cwd)
    running = base_of_running(cache_dir)
    if wanted.kind == "any" or (prefer_running and wanted.is_asked_of(running)):
        return running
    for python in installed_pythons(wanted, environ):
        target = _usable(python, cache_dir)
        if target is not None and wanted.is_asked_of(target):
            return target
    if wanted.is_asked_of(running):
        return running
    what = str(wanted)
    missing = f"of version {what.removeprefix('Python ')}" if what.startswith("Python ") else f"for {what}"
    raise TargetError(
        f"no interpreter {missing}; found: {_listed(cache_dir, environ)}",
        hint="install it, or name the path of an interpreter",
    )


def _find_place(wanted: PythonRequest, *, cache_dir: CacheDir, environ: Mapping[str, str], cwd: str) -> Target:
    path = place_of(wanted, cwd)
    if path is not None:
        return query_environment(path, cache_dir) if os.path.isdir(path) else query(path, cache_dir)
    for python in named_pythons(wanted.text, environ):
        target = _usable(python, cache_dir)
        if target is not None:
            return target
    raise TargetError(
        f"no interpreter is called `{wanted.text}`; found: {_listed(cache_dir, environ)}",
        hint="name a version such as `3.12`, or the path of an interpreter",
    )


def place_of(wanted: PythonRequest, cwd: str) -> str | None:
    """Return the absolute path that *wanted* is, or None when it is the name of an executable.

    What has a separator is a path; without one, a file or an environment of that name in *cwd* is.
    """
    path = resolved(os.path.join(cwd, os.path.expanduser(wanted.text)))
    if os.path.dirname(wanted.text) or wanted.text.startswith(("~", ".")):
        return path
    signs = (path, os.path.join(path, "pyvenv.cfg"), *pythons_in(path))
    return path if any(map(os.path.isfile, signs)) else None


def _usable(python: str, cache_dir: CacheDir) -> Target | None:
    """Return the interpreter behind an executable that was merely found; None when it does not answer."""
    try:
        return base_of(query(python, cache_dir), cache_dir)
    except TargetError:
        return None


def _listed(cache_dir: CacheDir, environ: Mapping[str, str]) -> str:
    found = {}
    for python in installed_pythons(None, environ):
        target = _usable(python, cache_dir)
        if target is not None:
            found[target.base_python] = target
    running = base_of_running(cache_dir)
    found[running.base_python] = running
    by_version = sorted(found.values(), key=lambda target: [int(n) for n in target.minor.split(".")], reverse=True)
    return ", ".join(f"{target.title} ({target.base_python})" for target in by_version)


def _base_of(python: str, prefix: str) -> str:
    base = base_executable(python, prefix)
    if base is None:
        raise TargetError(_missing(python), hint=f"make the environment `{prefix}` anew")
    return base


def _check_own(python: str, prefix: str) -> None:
    """Refuse what cannot be started, and a script that starts something else than the environment *prefix*."""
    if not os.access(python, os.X_OK):
        raise TargetError(f"`{python}` cannot be started: it is no executable", hint="make the environment anew")
    if _is_script(python) and os.path.realpath(_ask(python)["prefix"]) != os.path.realpath(prefix):
        raise TargetError(f"`{python}` starts what knows nothing of `{prefix}`", hint="make the environment anew")


def _missing(python: str) -> str:
    if os.path.islink(python):
        return f"`{python}` is a broken link: was the interpreter behind it (`{os.path.realpath(python)}`) removed?"
    return f"no interpreter found at `{python}`"


def _is_script(python: str) -> bool:
    try:
        with open(python, "rb") as file:
            return file.read(2) == b"#!"
    except OSError as error:
        raise TargetError(f"`{python}` cannot be read: {error.strerror or error}") from error


def _query_base(executable: str, cache_dir: CacheDir) -> Target:
    """Return what the interpreter at the path *executable*, symlinks resolved, is."""
    try:
        status = os.stat(executable)
    except OSError as error:
        raise TargetError(f"no interpreter found at `{executable}`: {error.strerror or error}") from error
    question = {
        "schema": _SCHEMA,
        "executable": executable,
        "mtime_ns": status.st_mtime_ns,
        "size": status.st_size,
        "system": _system(),
        "machine": _machine(),
    }
    path = None if cache_dir is None else _answer_path(cache_dir, executable)
    target = None if path is None else _remembered(path, question)
    if target is None:
        facts = _ask(executable)
        if not _is_same(facts["executable"], executable):
            # It starts another one; which, it may decide otherwise the next time.
            return query(facts["executable"], cache_dir)
        target = _described(facts, executable, status)
        if path is not None:
            _remember(path, {**question, "target": target.as_dict(), "marker": facts["marker"]})
    return replace(target, markers={**target.markers, **_kernel()})


def _system() -> str:
    """Return what of the system decides on tags: its C library or, elsewhere, its release."""
    if hasattr(os, "confstr"):
        try:
            return os.confstr("CS_GNU_LIBC_VERSION") or ""
        except (ValueError, OSError):
            pass
    return os.uname().release if hasattr(os, "uname") else ""


def _machine() -> str:
    """Return what this process runs on: ``setarch`` and emulators make one executable answer in several ways."""
    return os.uname().machine if hasattr(os, "uname") else ""


def _is_same(started: str, executable: str) -> bool:
    """Whether an executable said of itself that it is what was started; one that does not know says nothing."""
    if os.name != "posix" or not os.path.isabs(started) or not os.path.isfile(started):
        return True
    return prefix_of(started) is None and os.path.samefile(started, executable)


def _kernel() -> dict[str, str]:
    """Return the two variables that change when the machine starts another kernel."""
    if not hasattr(os, "uname"):
        return {}
    names = os.uname()
    return {"platform_release": names.release, "platform_version": names.version}


def _answer_path(cache_dir: str | os.PathLike[str], executable: str) -> str:
    import zlib

    readable = "".join(character if character.isalnum() else "-" for character in executable)[-80:]
    return os.path.join(cache_dir, "interpreters", f"{readable}-{zlib.crc32(os.fsencode(executable)):08x}.json")


def _remembered(path: str, question: dict[str, Any]) -> Target | None:
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        is_answer = all(record[key] == value for key, value in question.items())
        target = Target.from_dict(record["target"])
        # Whoever builds an image removes this file and leaves the executable as it was (PEP 668).
        is_managed = os.path.isfile(record["marker"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return target if is_answer and is_managed == (target.externally_managed is not None) else None


def _remember(path: str, record: dict[str, Any]) -> None:
    # A cache that cannot be written is reported by what needs it; here it only costs time.
    with suppress(OSError):
        write_at_once(path, json.dumps(record).encode())


def _described(facts: dict[str, Any], executable: str, status: os.stat_result) -> Target:
    """Put what an interpreter answered into our words."""
    import hashlib

    tags = _linux_last(facts["tags"] if facts["tags"] is not None else _tags_of_old(facts))
    machine = facts["markers"]["platform_machine"]
    identity = [
        facts["implementation"],
        facts["version"],
        tags,
        executable,
        status.st_mtime_ns,
        status.st_size,
        machine,
    ]
    return Target(
        python=executable,
        version=facts["version"],
        implementation=facts["implementation"],
        cache_tag=facts["cache_tag"],
        markers=facts["markers"],
        tags=tags,
        paths=facts["paths"],
        prefix=facts["prefix"],
        base_python=executable,
        base_prefix=facts["base_prefix"],
        is_virtual=False,
        fingerprint=hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        externally_managed=facts["externally_managed"],
        virtual_paths=facts["virtual_paths"],
    )


def _linux_last(tags: Sequence[str]) -> tuple[str, ...]:
    """Put ``linux_*`` behind ``manylinux*`` and ``musllinux*`` of the same ABI.

    The reference ranks a portable wheel higher than one made for some unknown Linux; ``packaging``
    does the opposite since 26.3.
    """
    from itertools import groupby

    ranked: list[str] = []
    for _, group in groupby(tags, key=lambda tag: tag.rpartition("-")[0]):
        # Stable: False sorts first.
        ranked += sorted(group, key=lambda tag: tag.rpartition("-")[2].startswith("linux_"))
    return tuple(ranked)


def _tags_of_old(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return the tags of an interpreter too old for ``packaging``: those of this machine, for its version."""
    from packaging.tags import platform_tags

    from pytest_envsync.platforms import python_tags

    major, minor = map(int, facts["version"].split(".")[:2])
    own = f"cp{major}{minor}-cp{major}{minor}{facts['abi_flags']}-any"
    return python_tags(
        [own], version=(major, minor), platforms=list(platform_tags()), implementation=facts["implementation"]
    )


def _ask(python: str) -> dict[str, Any]:
    """Start *python* and return what it says about itself."""
    import importlib.util
    import subprocess

    packaging = importlib.util.find_spec("packaging")
    found = os.path.dirname(os.path.dirname(packaging.origin)) if packaging and packaging.origin else ""
    # Set by macOS launchers, it would make the child believe that it is this interpreter.
    environ = {name: value for name, value in os.environ.items() if name != "__PYVENV_LAUNCHER__"}
    try:
        answer = subprocess.run(
            [python, "-I", "-S", "-B", "-c", _START, _FACTS, found],
            capture_output=True,
            check=False,
            timeout=_TIMEOUT,
            env=environ,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetError(f"the interpreter `{python}` did not answer within {_TIMEOUT} s") from error
    except OSError as error:
        raise TargetError(f"the interpreter `{python}` cannot be started: {error.strerror or error}") from error
    lines = answer.stdout.decode("utf-8", "replace").splitlines()
    if answer.returncode == 0 and lines:
        try:
            return dict(json.loads(lines[-1]))
        except (ValueError, TypeError):
            pass
    said = (answer.stderr or answer.stdout).decode("utf-8", "replace").strip().splitlines()[-5:]
    # What is no Python may quote the program that it was asked to run.
    complaint = [line for line in said if not any(part in line for part in _START.splitlines())]
    raise TargetError(
        "\n  ".join([f"the interpreter `{python}` could not be asked (status {answer.returncode})", *complaint]),
        hint="it must be a Python, 3.7 or newer",
    )
