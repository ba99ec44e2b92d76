"""What the names of released files say: project, version, build tag, tags (PEP 427, PEP 625).

Made for pages of thousands of files: text is split, nothing is parsed that need not be.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from pytest_envsync.patterns import pattern
from pytest_envsync.record import expand_tags
from pytest_envsync.requirements import normalize_name
from pytest_envsync.versions import canonical_version

SDIST_SUFFIXES = (".tar.gz", ".zip")
"""What a source distribution may be packed as (PEP 625, and ``.zip`` from before it)."""

_OLD_SUFFIXES = (".tar.bz2", ".tar.xz", ".tgz", ".tbz", ".tar.zst", ".tar.lzma", ".tar.lz", ".txz", ".tlz", ".tar")
_BUILD = pattern(r"([0-9]+)(.*)", re.ASCII)

FileKind = Literal["wheel", "sdist", "other"]


def kind_of(filename: str) -> FileKind:
    """Return what a file is by its name; ``other`` is what nothing installs any more."""
    if filename.endswith(".whl"):
        return "wheel"
    return "sdist" if filename.endswith(SDIST_SUFFIXES) else "other"


def version_in(filename: str, project: str) -> str | None:
    """Return the version that *filename* gives for *project*, as spelled, or None.

    *project* is normalised. None stands for a file of another project, or one whose name holds no
    version (PEP 440), or is neither wheel nor source archive.
    """
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        if len(parts) not in {5, 6} or not _is_spelling(parts[0], project):
            return None
        # Escaped names have `_` where the version has `-` (PEP 427).
        return next((text for text in (parts[1], parts[1].replace("_", "-")) if canonical_version(text)), None)
    for suffix in (*SDIST_SUFFIXES, *_OLD_SUFFIXES):
        if filename.endswith(suffix):
            return _version_in_stem(filename[: -len(suffix)], project)
    return None


def _version_in_stem(stem: str, project: str) -> str | None:
    # Names from before PEP 625 may hold dashes, so every dash may be the one before the version.
    at = stem.find("-")
    while at > 0:
        if canonical_version(stem[at + 1 :]) and _is_spelling(stem[:at], project):
            return stem[at + 1 :]
        at = stem.find("-", at + 1)
    return None


def projects_in(filename: str) -> tuple[str, ...]:
    """Return the normalised names that *filename* may belong to: one for a wheel, none for what is no release."""
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        return (normalize_name(parts[0]),) if len(parts) in {5, 6} else ()
    for suffix in (*SDIST_SUFFIXES, *_OLD_SUFFIXES):
        if filename.endswith(suffix):
            stem = filename[: -len(suffix)]
            dashes = [at for at, letter in enumerate(stem) if letter == "-"]
            return tuple(normalize_name(stem[:at]) for at in dashes if at and canonical_version(stem[at + 1 :]))
    return ()


@lru_cache(maxsize=512)
def _is_spelling(text: str, project: str) -> bool:
    return text == project or normalize_name(text) == project


@lru_cache(maxsize=2048)
def tags_of(tag_text: str) -> tuple[str, ...]:
    """Return the single tags of a compressed set such as ``py2.py3-none-any``; empty for a malformed one."""
    python, _, rest = tag_text.partition("-")
    abi, _, platform = rest.partition("-")
    try:
        return expand_tags(python, abi, platform)
    except ValueError:
        return ()


def tag_text(filename: str) -> str:
    """Return the compressed tags of a wheel's file name."""
    return "-".join(filename[:-4].rsplit("-", 3)[1:])


def build_tag(filename: str) -> tuple[int, str]:
    """Return the build tag of a wheel's file name in its order (PEP 427): number, then text; none is lowest."""
    parts = filename[:-4].split("-")
    match = _BUILD.fullmatch(parts[2]) if len(parts) == 6 else None
    return (int(match[1]), match[2]) if match is not None else (-1, "")
