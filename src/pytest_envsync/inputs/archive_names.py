"""What the file name of an archive says.

Sources: PEP 427 (wheels), PEP 625 (sdists).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.errors import InputError
from pytest_envsync.patterns import pattern
from pytest_envsync.requirements import normalize_name
from pytest_envsync.versions import canonical_version

ARCHIVE_SUFFIXES = (
    ".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.lz", ".tar.lzma", ".tar.xz", ".tar.zst",
    ".tar", ".tbz", ".tgz", ".tlz", ".txz",
)  # fmt: skip
_SDIST_SUFFIXES = (".tar.gz", ".zip")
_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_WHEEL_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?")
_TAG = pattern(r"[A-Za-z0-9_.]+")


def is_archive(filename: str) -> bool:
    """Whether *filename* has an ending of wheels or source archives, and something in front of it."""
    return filename.endswith(ARCHIVE_SUFFIXES) and filename not in ARCHIVE_SUFFIXES


def name_in_archive(filename: str, *, shown: str) -> str | None:
    """Return the normalised name that *filename*, decoded, tells; None when an sdist's does not.

    Raises InputError (status 1, as for a file that cannot be had) for what is no name of a wheel and for
    formats that PEP 625 does not know; *shown* is what the user wrote.
    """
    if filename.endswith(".whl"):
        return wheel_name_and_version(filename)[0]
    if not filename.endswith(_SDIST_SUFFIXES):
        raise InputError(
            f"Source distribution `{shown}` has a non-PEP 625-compliant filename; "
            "only `.tar.gz` and `.zip` archives are accepted",
            exit_status=1,
        )
    found = sdist_name_and_version(filename)
    return None if found is None else found[0]


def wheel_name_and_version(filename: str) -> tuple[str, str]:
    """Return the normalised name and the version, as written, of a wheel. Raises InputError (status 1)."""
    parts = filename.removesuffix(".whl").split("-")
    problem = None
    if len(parts) < 2:
        problem = "Must have a version"
    elif len(parts) not in {5, 6}:
        problem = "Must have name, version, maybe a build tag, and three tags"
    elif _WHEEL_NAME.fullmatch(parts[0]) is None:
        problem = f"Invalid name `{parts[0]}`"
    elif version_or_none(parts[1]) is None:
        problem = f"Invalid version `{parts[1]}`"
    elif len(parts) == 6 and not parts[2][:1].isdecimal():
        problem = f"Invalid build tag `{parts[2]}`"
    elif not all(_TAG.fullmatch(part) for part in parts[2:]):
        problem = "Invalid characters in a tag"
    if problem is not None:
        raise InputError(f"The wheel filename `{filename}` is invalid: {problem}", exit_status=1)
    return normalize_name(parts[0]), parts[1]


def sdist_name_and_version(filename: str) -> tuple[str, str] | None:
    """Return the normalised name and the version, as written, of an sdist, or None."""
    suffix = next((suffix for suffix in _SDIST_SUFFIXES if filename.endswith(suffix)), "")
    name, _, version = filename[: len(filename) - len(suffix)].rpartition("-")
    if not suffix or _NAME.fullmatch(name) is None or version_or_none(version) is None:
        return None
    return normalize_name(name), version


def version_or_none(text: str) -> str | None:
    """Return the canonical form of a version, or None for what is none."""
    try:
        return canonical_version(text)
    except ValueError:
        # Thousands of digits: Python refuses to make a number of them, and so do we.
        return None
