"""Extras that direct sources were asked with, and do not have.

They change nothing, since no dependency is followed; who wrote them is told.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.environment.diagnosis import read_metadata
from pytest_envsync.environment.site_packages import scan
from pytest_envsync.record import parse_metadata
from pytest_envsync.requirements import normalize_name

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.engine import Engine
    from pytest_envsync.memo import Resolution
    from pytest_envsync.requirements import Requirements
    from pytest_envsync.target import Target


def asked_extras(requirements: Requirements, target: Target) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the extras that archives and source trees are asked with on *target*, by name."""
    from pytest_envsync.markers import is_active
    from pytest_envsync.requirements import IndexSource

    found: dict[str, tuple[str, ...]] = {}
    for entry in requirements.entries:
        if entry.name is None or not entry.extras or isinstance(entry.source, IndexSource):
            continue
        if is_active(entry.marker, target.markers):
            found[entry.name] = tuple(dict.fromkeys((*found.get(entry.name, ()), *entry.extras)))
    return tuple(sorted(found.items()))


def unknown_extras(
    resolution: Resolution, *, target: Target, engine: Engine, missing: Collection[str] = ()
) -> list[str]:
    """Return a sentence for each extra that its distribution does not have.

    *missing* are names that are not installed (a dry run): a source tree is asked then, a wheel only if the store or
    this machine has it. Raises BuildError.
    """
    if not resolution.extras:
        return []
    installed = {item.name: item for item in scan(target).distributions}
    candidates = {candidate.name: candidate for candidate in resolution.candidates}
    found: list[str] = []
    for name, extras in resolution.extras:
        if name not in candidates:
            continue
        if name in missing:
            provided = _provided(candidates[name], target=target, engine=engine)
        else:
            metadata = read_metadata(installed[name]) if name in installed else None
            provided = None if metadata is None else metadata.extras
        if provided is not None:
            found += _sentences(name, extras, provided)
    return found


def _sentences(name: str, extras: Collection[str], provided: Collection[str]) -> Iterator[str]:
    known = sorted(map(normalize_name, provided))
    for extra in extras:
        if extra not in known:
            has = f"it has {', '.join(f'`{each}`' for each in known)}" if known else "it has none"
            yield f"`{name}` does not have an extra named `{extra}` ({has})"


def _provided(candidate: Candidate, *, target: Target, engine: Engine) -> tuple[str, ...] | None:
    if candidate.kind != "wheel":
        return engine.builder(target).metadata(candidate).extras
    from pytest_envsync.wheels.lookup import find_stored, local_path

    wheel = find_stored(candidate, engine.store)
    path = local_path(candidate)
    try:
        if wheel is not None:
            text = Path(wheel.tree, wheel.dist_info, "METADATA").read_text(encoding="utf-8", errors="replace")
            return parse_metadata(text).extras
        return _of_archive(path) if path is not None else None
    except (OSError, ValueError):
        return None


def _of_archive(path: str) -> tuple[str, ...] | None:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.count("/") == 1 and name.endswith(".dist-info/METADATA"):
                    return parse_metadata(archive.read(name).decode("utf-8", "replace")).extras
    except zipfile.BadZipFile:
        pass
    return None
