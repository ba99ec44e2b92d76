"""The file that makes a directory a virtual environment (PEP 405).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os


def read_pyvenv_cfg(prefix: str) -> dict[str, str] | None:
    """Return the settings of ``pyvenv.cfg`` in *prefix*, keys in lower case; None when there is no such file."""
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    settings = {}
    for line in lines:
        key, separator, value = line.partition("=")
        if separator:
            settings[key.strip().lower()] = value.strip()
    return settings


def prefix_of(python: str) -> str | None:
    """Return the virtual environment that the executable *python* belongs to; symlinks are not followed.

    The file stands beside the executable or one level above it, as the interpreter looks for it.
    """
    directory = os.path.dirname(python)
    for prefix in (directory, os.path.dirname(directory)):
        if os.path.isfile(os.path.join(prefix, "pyvenv.cfg")):
            return prefix
    return None


def pythons_in(prefix: str) -> list[str]:
    """Return the paths where the interpreter of the environment *prefix* may be."""
    names = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")
    return [os.path.join(prefix, *name.split("/")) for name in names]


def base_executable(python: str, prefix: str) -> str | None:
    """Return the executable, symlinks resolved, that the virtual environment *prefix* with *python* was made from.

    A link says it itself; where the executable is a copy, the settings do. None when what they
    name is not there.
    """
    real = os.path.realpath(python)
    inside = os.path.realpath(prefix) + os.sep
    if os.path.isfile(real) and not real.startswith(inside):
        return real
    settings = read_pyvenv_cfg(prefix) or {}
    home = settings.get("home", "")
    version = ".".join((settings.get("version_info") or settings.get("version") or "").split(".")[:2])
    suffix = ".exe" if os.name == "nt" else ""
    names = (os.path.basename(python), f"python{version}{suffix}", f"python3{suffix}", f"python{suffix}")
    # The first key is virtualenv's, the second the standard library's since 3.11.
    candidates = [settings.get("base-executable"), settings.get("executable")]
    candidates += [os.path.join(home, name) for name in names if home]
    for candidate in candidates:
        if candidate and os.path.isfile(candidate):
            resolved = os.path.realpath(candidate)
            if not resolved.startswith(inside):
                return resolved
    return None
