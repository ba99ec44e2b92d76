"""Which kind of input a file is: its name tells, and its content only where the name has no ending.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import Literal

from pytest_envsync.errors import InputError
from pytest_envsync.inputs.advice import foreign_lock_advice
from pytest_envsync.inputs.paths import file_name
from pytest_envsync.patterns import pattern
from pytest_envsync.requirements import Origin

_PYLOCK = pattern(r"pylock(?:\.[^.]+)?\.toml")

Kind = Literal["requirements", "pylock", "project", "tree", "script", "unknown"]


def kind_of(name: str) -> Kind:
    """Return what the input *name* (a path, an address or ``-``) is; "unknown" when only its content tells.

    Raises InputError for what is never read.
    """
    filename = "" if name == "-" else file_name(name)
    advice = foreign_lock_advice(name)
    if advice is not None:
        raise InputError(f"`{filename}` is not supported", origin=Origin(name), hint=advice)
    if filename in {"environment.yml", "environment.yaml"}:
        raise InputError("Conda environment files (i.e., `environment.yml`) are not supported", origin=Origin(name))
    if filename == "pyproject.toml":
        return "project"
    if filename in {"setup.py", "setup.cfg"}:
        return "tree"
    if is_pylock_name(filename):
        return "pylock"
    _, dot, ending = filename.rpartition(".")
    if ending.lower() == "toml" and dot:
        raise InputError(
            f"`{filename}` is not a valid PEP 751 filename: expected `pylock.toml` or `pylock.<name>.toml`, "
            "where `<name>` is non-empty and contains no dots",
            origin=Origin(name),
        )
    if dot and ending.lower() in {"py", "pyw"}:
        return "script"
    return "requirements" if dot and filename != f".{ending}" else "unknown"


def is_pylock_name(filename: str) -> bool:
    """Whether *filename* is one that PEP 751 gives to lockfiles."""
    return _PYLOCK.fullmatch(filename) is not None
