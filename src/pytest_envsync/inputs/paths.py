"""Paths as text: nothing here asks the file system, links are not followed.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from pytest_envsync.addresses import is_remote


def path_below(base: str, path: str) -> str:
    """Return *path* below *base*, or *path* alone when it is absolute, without ``.`` and ``..``.

    A ``..`` that *base* has left stands behind a link, so what is below is put behind it as it is.
    """
    if ".." in PurePath(base).parts and not is_absolute(path):
        return os.path.join(base, os.path.normpath(path))  # noqa: PTH118 - plain text
    return without_detours(os.path.join(base, path))  # noqa: PTH118 - plain text


def without_detours(path: str) -> str:
    """Return *path* without ``.`` and ``..``, by text alone."""
    plain = os.path.normpath(path)
    # POSIX lets two leading slashes mean something of their own; nobody means it here.
    return plain[1:] if plain.startswith("//") and os.name != "nt" else plain


def is_absolute(path: str) -> bool:
    """Whether *path* starts at a root."""
    return PurePath(path).is_absolute()


def directory_of(path: str) -> str:
    """Return what is left of *path* without its last part; empty when there was only one."""
    parent = str(PurePath(path).parent)
    return "" if parent == "." else parent


def base_of(location: str, cwd: str) -> str:
    """Return the directory, or the address of one, that names in the file at *location* start at.

    Standard input has none of its own and takes *cwd*.
    """
    if location == "-":
        return cwd
    if is_remote(location):
        return location.partition("#")[0].partition("?")[0].rpartition("/")[0] + "/"
    return directory_of(location)


def file_name(path: str) -> str:
    """Return the last part of a path or address, without query and fragment of the latter."""
    if "://" in path:
        path = re.split(r"[?#]", path, maxsplit=1)[0]
    return re.split(r"[/\\]", path)[-1]
