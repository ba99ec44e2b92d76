"""Which distributions of this interpreter an overlay takes, and which files each of them has.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.errors import EnvsyncError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from packaging.requirements import Requirement

    from pytest_envsync.target import Target


def normalized(name: str) -> str:
    """Return the normalised form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class NotHereError(EnvsyncError):
    """Something that an overlay needs is not among this interpreter's distributions, or serves only it."""


def is_startup_code(path: Path) -> bool:
    """Whether a ``.pth`` file does nothing but run code, as coverage's does to measure subprocesses.

    A path entry is not for an overlay: what it leads to is of no version, and part of no key.
    """
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return all(line.startswith(("import ", "import\t", "#")) for line in lines)


class Held:
    """A distribution of this interpreter that an overlay takes."""

    __slots__ = ("distribution", "fingerprint", "name", "version")

    def __init__(self, distribution: Distribution) -> None:
        self.distribution = distribution
        self.name = normalized(distribution.metadata["Name"])
        self.version = distribution.version
        record = distribution.read_text("RECORD") or distribution.read_text("installed-files.txt") or ""
        self.fingerprint = sha256(record.encode()).hexdigest()

    @property
    def is_pure(self) -> bool:
        """Whether its files fit any interpreter."""
        return "Root-Is-Purelib: true" in (self.distribution.read_text("WHEEL") or "")

    def files(self, cache_tag: str) -> Iterator[tuple[str, Path]]:
        """Yield its files below site-packages, with bytecode of the interpreter of *cache_tag* only."""
        for file in self.distribution.files or ():
            path = file.as_posix()
            if path.startswith("../") or os.path.isabs(path):  # noqa: PTH117 - text
                continue
            if path.endswith((".pyc", ".pyo")) and not path.endswith(f".{cache_tag}.pyc"):
                continue
            source = Path(str(self.distribution.locate_file(file)))
            if source.is_file() and (not path.endswith(".pth") or is_startup_code(source)):
                yield path, source


def choose(wanted: Sequence[str], *, locked: Mapping[str, str], target: Target) -> list[Held]:
    """Return what an overlay takes for *wanted*: those that the lock lacks, with what they require and it lacks.

    Sorted by name. Raises EnvsyncError when a locked version does not fit, or when something is
    not installed here or is of another interpreter.
    """
    from packaging.requirements import Requirement

    taken: dict[str, Held] = {}
    pending = [(Requirement(name), None) for name in dict.fromkeys(map(normalized, wanted))]
    asked: list[tuple[Requirement, Held | None]] = [*pending]
    while asked:
        requirement, by = asked.pop()
        name = normalized(requirement.name)
        if name in locked:
            _check_locked(name, locked[name], requirement, by)
        elif name != "pytest-envsync" and name not in taken:
            taken[name] = held = _hold(name, by, target)
            asked += [(required, held) for required in _requirements(held, requirement.extras, target)]
    return [taken[name] for name in sorted(taken)]


def _hold(name: str, by: Held | None, target: Target) -> Held:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        held = Held(distribution(name))
    except PackageNotFoundError:
        needed = f", which {by.name} {by.version} needs," if by else ""
        raise NotHereError(
            f"`{name}`{needed} is neither in the lock nor installed beside pytest-envsync",
            hint=f"add {name} to the lock",
            exit_status=1,
        ) from None
    if held.distribution.files is None or not any(True for _ in held.files("")):
        raise EnvsyncError(
            f"{held.name} {held.version} cannot be brought along: its files are not listed (an editable install?)",
            hint=f"add {held.name} to the lock",
            exit_status=1,
        )
    if target.cache_tag != sys.implementation.cache_tag:
        _check_foreign(held, target)
    return held


def _check_foreign(held: Held, target: Target) -> None:
    """Raise EnvsyncError when the files of *held* do not serve the other interpreter of *target*."""
    from packaging.specifiers import SpecifierSet

    needs = held.distribution.metadata["Requires-Python"] or ""
    if not held.is_pure:
        reason = "has files for this interpreter only"
    elif not SpecifierSet(needs).contains(target.version, prereleases=True):
        reason = f"needs Python {needs}"
    else:
        return
    raise NotHereError(
        f"{held.name} {held.version} cannot be brought to Python {target.version}: it {reason}",
        hint=f"add {held.name} to the lock",
        exit_status=1,
    )


def _requirements(held: Held, extras: set[str], target: Target) -> list[Requirement]:
    from packaging.requirements import Requirement

    found = []
    for text in held.distribution.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        environments = [{**target.markers, "extra": extra} for extra in (extras or {""})]
        if marker is None or any(marker.evaluate(environment) for environment in environments):
            found.append(requirement)
    return found


def _check_locked(name: str, version: str, requirement: Requirement, by: Held | None) -> None:
    # Of one whose version nobody knows the probe says whether it fits.
    if not version or requirement.specifier.contains(version, prereleases=True):
        return
    asking = f"{by.name} {by.version}" if by else "the session"
    if by is not None and by.name == "pytest":
        raise EnvsyncError(
            f"{name}=={version} of the lock cannot host {asking} of the overlay, which needs {requirement}",
            hint=f"add a pytest to the lock that fits {name} {version}, or run with --no-envsync",
            exit_status=1,
        )
    raise EnvsyncError(
        f"{name}=={version} of the lock does not fit {asking} of the overlay, which needs {requirement}",
        hint=f"add {by.name if by else name} to the lock, in a version that fits",
        exit_status=1,
    )
