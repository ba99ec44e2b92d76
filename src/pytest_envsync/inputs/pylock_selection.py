"""Which packages of a pylock file are installed on a target: the rules of PEP 751, "Installation".

Differs from the reference on purpose: extras and groups that the file does not know are errors.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pytest_envsync.errors import InputError
from pytest_envsync.hashes import INSECURE, Digest
from pytest_envsync.inputs.pylock import PackageEntry, Pylock, check_filenames
from pytest_envsync.markers import is_active
from pytest_envsync.requirements import ArchiveSource, LockedPackage, normalize_name
from pytest_envsync.target import Target
from pytest_envsync.versions import python_meets

_SETS = re.compile(r"\b(?:extras|dependency_groups)\b")


def active_packages(
    lock: Pylock,
    target: Target,
    *,
    extras: Sequence[str] = (),
    all_extras: bool = False,
    groups: Sequence[str] = (),
    require_hashes: bool = False,
) -> tuple[LockedPackage, ...]:
    """Return the packages of *lock* that *target* needs with these extras and groups, in their order.

    Any group that is asked for replaces the default ones. The lock's own ``requires-python`` is held against the
    interpreter, that of a package against the Python version of the target's markers.

    Raises InputError.
    """
    if lock.requires_python is not None and not python_meets(lock.requires_python, target.version):
        raise InputError(
            f"The requested interpreter resolved to Python {target.version}, which is incompatible with the "
            f"lockfile's Python requirement: `{lock.requires_python}`",
            origin=lock.origin,
        )
    sets = {
        "extras": _chosen(lock, "extra", extras, lock.extras),
        "dependency_groups": _chosen(lock, "group", groups, (*lock.dependency_groups, *lock.default_groups)),
    }
    if all_extras:
        sets["extras"] = frozenset(lock.extras)
    if not groups:
        sets["dependency_groups"] = frozenset(lock.default_groups)
    markers: dict[str, bool] = {}
    if lock.environments is not None and not any(
        _holds(marker, target, sets, markers, lock) for marker in lock.environments
    ):
        raise InputError("The target environment is not supported by the lockfile", origin=lock.origin)
    chosen: dict[str, LockedPackage] = {}
    for entry in lock.packages:
        package = entry.package
        if entry.marker is not None and not _holds(entry.marker, target, sets, markers, lock):
            continue
        if entry.mistake is not None:
            raise InputError(entry.mistake, origin=package.origin)
        python = target.markers["python_full_version"]
        if package.requires_python is not None and not python_meets(package.requires_python, python):
            raise InputError(
                f"Package `{package.name}` requires Python {package.requires_python}, "
                f"but the target Python version is {python}",
                origin=package.origin,
            )
        if package.name in chosen:
            raise InputError(f"Multiple active package entries found for `{package.name}`", origin=package.origin)
        if require_hashes:
            _check_digests(entry)
        chosen[package.name] = check_filenames(package)
    return tuple(chosen.values())


def lacks_digests(lock: Pylock, packages: Sequence[LockedPackage]) -> bool:
    """Whether a hash table of one of the active *packages* says nothing that is understood."""
    names = {(package.name, package.origin) for package in packages}
    return any(entry.lacks_digests and (entry.package.name, entry.package.origin) in names for entry in lock.packages)


def _chosen(lock: Pylock, what: str, asked: Sequence[str], known: Sequence[str]) -> frozenset[str]:
    names = {normalize_name(name): name for name in asked}
    for normalized, name in names.items():
        if ":" in name:
            raise InputError(f"a group of a lockfile is named without a path: `{name}`", origin=lock.origin)
        if normalized not in known:
            found = ", ".join(f"`{item}`" for item in sorted(set(known))) or "none"
            raise InputError(f"Requested {what} not found: {name} (the lockfile has: {found})", origin=lock.origin)
    return frozenset(names)


def _holds(
    marker: str, target: Target, sets: Mapping[str, frozenset[str]], known: dict[str, bool], lock: Pylock
) -> bool:
    found = known.get(marker)
    if found is None:
        try:
            found = _evaluate(marker, target, sets) if _SETS.search(marker) else is_active(marker, target.markers)
        except ValueError as error:
            raise InputError(f"the marker `{marker}` cannot be evaluated: {error}", origin=lock.origin) from error
        known[marker] = found
    return found


def _evaluate(marker: str, target: Target, sets: Mapping[str, frozenset[str]]) -> bool:
    from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(marker).evaluate({**target.markers, **sets}, context="lock_file")
    except (UndefinedComparison, UndefinedEnvironmentName, KeyError) as error:
        raise ValueError(str(error)) from error


def _check_digests(entry: PackageEntry) -> None:
    """Refuse what ``--require-hashes`` cannot hold to account."""
    package = entry.package
    digests: list[tuple[Digest, ...]] = [file.digests for file in package.wheels]
    if package.sdist is not None:
        digests.append(package.sdist.digests)
    if isinstance(package.source, ArchiveSource):
        digests.append(package.digests)
    elif package.source is not None:
        digests.append(())
    if not all(digests):
        raise InputError(
            "In `--require-hashes` mode, all requirements must have a hash, "
            f"but none were provided for: {package.name}",
            origin=package.origin,
        )
    if any(all(digest.algorithm in INSECURE for digest in of_file) for of_file in digests):
        raise InputError(
            "`md5` hashes are insecure and cannot be used with `--require-hashes` "
            f"but no other hashes are available for: {package.name}",
            origin=package.origin,
        )
