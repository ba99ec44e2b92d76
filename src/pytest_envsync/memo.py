"""What a set of inputs resolved to the last time, so that a repeated question parses nothing.

A record holds for the bytes of every file that was read, the ``${VARIABLES}`` that were expanded, the
settings that decide a resolution, the interpreter's fingerprint, and the state of local
wheels and find-links directories. Whatever cannot be pinned down by these is not remembered: ranges
without hashes, inputs from addresses or standard input, git references that are no commits, relative
``--exclude-newer``, ``--refresh``. A source tree is as it was when its cache keys say so.

No login is written: addresses stand without theirs, and of the values of variables there are only digests.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pytest_envsync.addresses import masked
from pytest_envsync.atomic import write_at_once
from pytest_envsync.digesting import sha256
from pytest_envsync.direct_url import recorded_url
from pytest_envsync.distributions import Candidate
from pytest_envsync.file_stamp import Stamp, stamp_of
from pytest_envsync.machine import zone
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    InputFile,
    Origin,
    Requirements,
    Source,
    VcsSource,
)
from pytest_envsync.settings.index_tables import read_rules
from pytest_envsync.target import Target
from pytest_envsync.values import asdict, dataclass, field, fields, replace

SCHEMA = 5
_DAY = 86_400
_SOURCES = {cls.__name__: cls for cls in (IndexSource, ArchiveSource, DirectorySource, VcsSource)}
_INDIFFERENT = frozenset({
    # where it goes and how it is done: the target says the first, the second changes no choice
    "python", "venv", "system", "break_system_packages", "target", "prefix", "reinstall", "reinstall_package",
    "link_mode", "compile_bytecode", "verify_files", "strict", "dry_run", "check", "allow_empty_requirements",
    "no_cache", "cache_dir", "cert", "system_certs", "allow_insecure_host", "offline", "keyring_provider",
    "refresh", "refresh_package",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What the inputs ask for on a target, settled.

    *candidates* are sorted by name and all active. *digests* maps a name to the sha256 of
    its wheel as far as that is known: for every name after a memo hit, or when all are prepared.
    *is_empty* says that the inputs asked for nothing at all, which is not the same as having
    no active candidate. *extras* are those that direct sources were asked with, by name.
    *warnings* are about the inputs, *late* ones about what was chosen: they are told behind the changes.
    *repeatable* says that a later run with the same files, variables and
    settings must come to the same. *pin_keys* is what pins are remembered by (``wheels.known_pins``), by name.
    """

    candidates: tuple[Candidate, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)
    is_pylock: bool = False
    is_empty: bool = False
    warnings: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    extras: tuple[tuple[str, tuple[str, ...]], ...] = ()
    inputs: tuple[InputFile, ...] = ()
    variables: tuple[tuple[str, str | None], ...] = ()
    require_hashes: bool = False
    repeatable: bool = False
    remembered: bool = False
    pin_keys: dict[str, str] = field(default_factory=dict)
    key: str = ""
    stats: tuple[tuple[str, Stamp | None], ...] = ()


def resolution_key(
    files: Sequence[str], options: SyncOptions, target: Target, cwd: str, *, switches: Sequence[str] = ()
) -> str:
    """Return the name of the memo record: digest of the question without the bytes of the files.

    *switches* are variables that change what a wheel may be (``Engine.switches``).
    """
    settings = [(item.name, getattr(options, item.name)) for item in fields(options) if item.name not in _INDIFFERENT]
    question = [
        SCHEMA,
        cwd,
        [os.path.join(cwd, name) if "://" not in name else name for name in files],
        settings,
        # A day of --exclude-newer ends when it ends here.
        zone() if options.exclude_newer or options.exclude_newer_package or options.index_rules else (),
        target.fingerprint,
        target.version,
        target.markers,
        sha256(" ".join(target.tags).encode()).hexdigest(),
        list(switches),
    ]
    return sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def stat_of(path: str) -> tuple[str, Stamp | None]:
    """Return path and stamp of a file or directory; None for one that nobody can look at."""
    try:
        return (path, stamp_of(path))
    except OSError:
        return (path, None)


def is_repeatable(requirements: Requirements, candidates: Sequence[Candidate], options: SyncOptions) -> bool:
    """Whether the same inputs must resolve to the same candidates again."""
    if options.refresh or options.refresh_package or options.reinstall or options.reinstall_package:
        return False
    if any(not item.digest for item in requirements.files):
        return False
    if options.torch_backend == "auto" or _is_relative_date(requirements, options):
        return False
    pinned = {package.name for package in requirements.pins if isinstance(package.source, VcsSource)}
    return all(candidate.name in pinned or _is_fixed(candidate) for candidate in candidates)


def _is_relative_date(requirements: Requirements, options: SyncOptions) -> bool:
    rules = read_rules((*requirements.index_rules, *options.index_rules))
    values = [rule.exclude_newer for rule in rules.values()]
    values += [options.exclude_newer or "", *(item.partition("=")[2] for item in options.exclude_newer_package)]
    if not any(values):
        return False
    from pytest_envsync.wheels.choice.cutoff import is_relative

    return any(value and is_relative(value) for value in values)


def _is_fixed(candidate: Candidate) -> bool:
    match candidate.requested:
        case IndexSource(specifier=specifier):
            if candidate.digests:
                return True
            return specifier.startswith("==") and "," not in specifier and not specifier.endswith(".*")
        case ArchiveSource(url=url):
            return url.startswith("file:") or bool(candidate.digests)
        case VcsSource(commit_id=commit_id, requested_revision=revision):
            return commit_id is not None and revision == commit_id
        case DirectorySource():
            # What a record does not say: that a build is refused, what its version has to meet.
            return candidate.cache_info is not None and candidate.may_build and not candidate.specifier


def local_stats(candidates: Sequence[Candidate], find_links: Sequence[str]) -> tuple[tuple[str, Stamp | None], ...]:
    """Return the state of every local file and listing that the resolution rests on."""
    from urllib.parse import unquote, urlsplit

    paths = {place for place in find_links if "://" not in place}
    addresses = [place for place in find_links if place.startswith("file:")]
    for candidate in candidates:
        if candidate.file is not None:
            addresses.append(candidate.file.url)
        elif isinstance(candidate.requested, ArchiveSource):
            addresses.append(candidate.requested.url)
    for address in addresses:
        if address.startswith("file:"):
            paths.add(unquote(urlsplit(address).path))
        elif address.startswith("/"):
            paths.add(address)
    return tuple(stat_of(path) for path in sorted(paths))


def recall(cache_dir: str, key: str, environ: Mapping[str, str], *, trusts_stamps: bool = True) -> Resolution | None:
    """Return the remembered resolution when everything it rests on is as it was, else None.

    Without *trusts_stamps* one that rests on files of which no byte is compared is none.
    """
    try:
        place = _place(cache_dir, key)
        with open(place, "rb") as stream:
            record = json.loads(stream.read())
        if record["schema"] != SCHEMA:
            return None
        for path, digest in record["inputs"]:
            with open(path, "rb") as stream:
                if sha256(stream.read()).hexdigest() != digest:
                    return None
        if any(_value_digest(environ.get(name), key) != digest for name, digest in record["variables"]):
            return None
        stats = tuple((path, None if stamp is None else tuple(stamp)) for path, stamp in record["stats"])
        if (stats and not trusts_stamps) or any(stat_of(path) != (path, stamp) for path, stamp in stats):
            return None
        candidates = tuple(candidate_from(row) for row in record["candidates"])
        if not all(_is_as_it_was(candidate, environ) for candidate in candidates):
            return None
        _note_use(place)
        return Resolution(
            candidates=candidates,
            digests=record["digests"],
            is_pylock=record["is_pylock"],
            is_empty=record["is_empty"],
            warnings=tuple(record["warnings"]),
            late=tuple(record["late"]),
            extras=tuple((name, tuple(extras)) for name, extras in record["extras"]),
            inputs=tuple(InputFile(path, digest) for path, digest in record["inputs"]),
            variables=tuple((name, environ.get(name)) for name, _ in record["variables"]),
            require_hashes=record["require_hashes"],
            stats=stats,
            repeatable=True,
            remembered=True,
            key=key,
        )
    except (OSError, ValueError, KeyError, TypeError):
        # A record that is missing, of another version or damaged is as good as none.
        return None


def _note_use(place: str) -> None:
    """Note by its time that a record is in use, at most once a day; what nobody uses is removed."""
    with suppress(OSError):
        if time.time() - os.stat(place).st_mtime > _DAY:
            os.utime(place)


def _is_as_it_was(candidate: Candidate, environ: Mapping[str, str]) -> bool:
    """Whether the source tree of *candidate*, if it is one, has the cache keys that were noted."""
    match candidate.requested:
        case DirectorySource(path=path, subdirectory=subdirectory):
            from pytest_envsync.environment.freshness import directory_cache_info

            place = os.path.join(path, subdirectory or "")
            return directory_cache_info(place, environ) == candidate.cache_info
        case _:
            return True


def remember(cache_dir: str, resolution: Resolution) -> None:
    """Write the memo record of a repeatable resolution whose digests are complete.

    A cache that cannot be written costs time, not correctness: nothing is raised.
    """
    if not resolution.repeatable or resolution.remembered:
        return
    if any(candidate.name not in resolution.digests for candidate in resolution.candidates):
        return
    record = {
        "schema": SCHEMA,
        "inputs": [[item.path, item.digest] for item in resolution.inputs],
        "variables": [[name, _value_digest(value, resolution.key)] for name, value in resolution.variables],
        "stats": [list(item) for item in resolution.stats],
        "is_pylock": resolution.is_pylock,
        "is_empty": resolution.is_empty,
        "warnings": list(resolution.warnings),
        "late": list(resolution.late),
        "extras": [[name, list(extras)] for name, extras in resolution.extras],
        "require_hashes": resolution.require_hashes,
        "digests": resolution.digests,
        "candidates": [candidate_row(candidate) for candidate in resolution.candidates],
    }
    with suppress(OSError):
        write_at_once(_place(cache_dir, resolution.key), json.dumps(record, separators=(",", ":")).encode())


def _place(cache_dir: str, key: str) -> str:
    return f"{cache_dir}/memo/{key[:2]}/{key}.json"


def _value_digest(value: str | None, key: str) -> str | None:
    """Return what stands for the value of a variable; *key* keeps equal values of two records apart."""
    return None if value is None else sha256(f"{key}:{value}".encode("utf-8", "surrogateescape")).hexdigest()


def candidate_row(candidate: Candidate) -> list[Any]:
    """Return a settled candidate as JSON values: what it is and how it was asked for, not where its file is.

    Addresses stand without their logins.
    """
    origin = None if candidate.origin is None else [masked(candidate.origin.path), candidate.origin.line]
    requested = [type(candidate.requested).__name__, asdict(_without_login(candidate.requested))]
    return [
        candidate.name,
        candidate.version,
        candidate.kind,
        requested,
        origin,
        candidate.cache_info,
        candidate.build_info,
    ]


def _without_login(source: Source) -> Source:
    match source:
        case IndexSource(index=str(index)):
            return replace(source, index=recorded_url(index))
        case ArchiveSource(url=url) | VcsSource(url=url):
            return replace(source, url=recorded_url(url))
        case _:
            return source


def candidate_from(row: list[Any]) -> Candidate:
    """Rebuild a candidate from its row. Raises ValueError, KeyError or TypeError for anything else."""
    name, version, kind, (source, values), origin, cache_info, build_info = row
    requested: Source = _SOURCES[source](**values)
    return Candidate(
        name=name,
        version=version,
        kind=kind,
        requested=requested,
        origin=None if origin is None else Origin(*origin),
        cache_info=cache_info,
        build_info=build_info,
    )
