"""Read what is installed in the place that a target names.

Names and versions come from the names of directories, so that a scan costs little; METADATA and RECORD
are not read. INSTALLER is not consulted: what other tools installed counts alike. What an environment
inherits from its base is not looked at.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from pytest_envsync.addresses import file_url
from pytest_envsync.distributions import InstalledDistribution, InstalledKind
from pytest_envsync.errors import InstallError
from pytest_envsync.patterns import pattern
from pytest_envsync.plan import seed_packages
from pytest_envsync.record import expand_tags, parse_direct_url, parse_headers
from pytest_envsync.requirements import normalize_name
from pytest_envsync.target import Target
from pytest_envsync.values import NamedTuple
from pytest_envsync.versions import canonical_version

NOTE = "envsync.json"
"""What this tool notes in a dist-info: ``sha256``, ``built_from``, ``cache_info``, ``build_info``."""

_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z", re.ASCII)
_PLAIN_VERSION = pattern(r"[0-9]+(?:\.[0-9]+)*\Z", re.ASCII)
_PLAIN_NOTE = re.compile(rb'\{"sha256":"([0-9a-f]{64})"\}\n?\Z')


class Installed(NamedTuple):
    """What a scan found, *distributions* sorted by name; *warnings* are sentences."""

    distributions: tuple[InstalledDistribution, ...]
    warnings: tuple[str, ...]


def scan(target: Target) -> Installed:
    """Return the distributions that are installed in the site-packages of *target*.

    A directory whose name begins with ``~`` (what an interrupted pip leaves) is a warning. Raises InstallError
    for a distribution whose name, version or ``direct_url.json`` cannot be understood.
    """
    found: list[InstalledDistribution] = []
    warnings: list[str] = []
    for root in site_directories(target):
        descriptor = _open_directory(root)
        try:
            for entry, kind in _metadata_entries(root):
                path = os.path.join(root, entry)
                try:
                    distribution = _read_distribution(entry, kind, path, descriptor)
                except (ValueError, OSError) as error:
                    if entry.startswith("~"):
                        warnings.append(f"Ignoring dangling temporary directory: `{path}`")
                        continue
                    raise InstallError(
                        f"Failed to read metadata from `{path}`: {error}",
                        hint="remove it by hand, or reinstall the distribution with the tool that installed it",
                    ) from error
                if distribution is not None:
                    found.append(distribution)
        finally:
            if descriptor is not None:
                os.close(descriptor)
    found.sort(key=lambda distribution: (distribution.name, distribution.version, distribution.path))
    return Installed(tuple(found), tuple(warnings))


def site_directories(target: Target) -> tuple[str, ...]:
    """Return purelib and platlib as far as they exist, once if they are one directory."""
    roots: dict[tuple[int, int], str] = {}
    for scheme in ("purelib", "platlib"):
        try:
            status = os.stat(target.paths[scheme])
        except OSError:
            continue
        roots.setdefault((status.st_dev, status.st_ino), target.paths[scheme])
    return tuple(roots.values())


def kept_seeds(target: Target) -> frozenset[str]:
    """Return the names that a sync of *target* leaves although nobody asked for them."""
    text = None
    if target.is_virtual:
        try:
            with open(os.path.join(target.prefix, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            text = None
    return seed_packages(target.version, text)


def _open_directory(root: str) -> int | None:
    """Open *root*, so that paths below it are looked up from there; None where that is not offered."""
    if os.open in os.supports_dir_fd:
        return os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    return None


def _metadata_entries(root: str) -> Iterator[tuple[str, InstalledKind]]:
    entries: list[tuple[str, InstalledKind]] = []
    with os.scandir(root) as listing:
        for entry in listing:
            name = entry.name
            if name.endswith(".dist-info"):
                # A link has its files elsewhere, outside perhaps; the reference does not see it either.
                if entry.is_dir(follow_symlinks=False):
                    entries.append((name, "dist-info"))
            elif name.endswith(".egg-info"):
                entries.append((name, "egg-info-directory" if entry.is_dir() else "egg-info-file"))
            elif name.endswith(".egg-link") and entry.is_file():
                entries.append((name, "egg-link"))
    entries.sort()
    return iter(entries)


def _read_distribution(
    entry: str, kind: InstalledKind, path: str, descriptor: int | None
) -> InstalledDistribution | None:
    stem = entry.rpartition(".")[0]
    if kind == "dist-info":
        return _read_dist_info(stem, entry, path, descriptor)
    if kind == "egg-link":
        return _read_egg_link(stem, path)
    name, _, rest = stem.partition("-")
    version = rest.partition("-py")[0]
    if not version:
        place = os.path.join(path, "PKG-INFO") if kind == "egg-info-directory" else path
        if not os.path.exists(place):
            # A directory that says nothing of a distribution is none, as for the reference.
            return None
        version = _header_version(place)
    return InstalledDistribution(name=_checked_name(name), version=_checked_version(version), path=path, kind=kind)


def _read_dist_info(stem: str, entry: str, path: str, descriptor: int | None) -> InstalledDistribution | None:
    name, separator, version = stem.partition("-")
    if not separator:
        return None
    normalized, version = _checked_name(name), _checked_version(version)

    def read(filename: str) -> bytes | None:
        return _read_file(path, f"{entry}/{filename}", filename, descriptor)

    direct_url = read("direct_url.json")
    wheel = read("WHEEL")
    note = _read_note(read)
    return InstalledDistribution(
        name=normalized,
        version=version,
        path=path,
        direct_url=None if direct_url is None else parse_direct_url(direct_url.decode("utf-8")),
        tags=() if wheel is None else _tags(wheel),
        **note,
    )


def _read_note(read: Callable[[str], bytes | None]) -> dict[str, Any]:
    """Return what this tool, or the reference, noted about the installation."""
    text = read(NOTE)
    if text is None:
        note = {
            key: read(filename) for key, filename in (("cache_info", "uv_cache.json"), ("build_info", "uv_build.json"))
        }
        return {key: _object(text) for key, text in note.items() if text is not None}
    plain = _PLAIN_NOTE.match(text)
    if plain is not None:
        return {"sha256": plain[1].decode("ascii")}
    values = _object(text) or {}
    built_from = values.get("built_from")
    sha256 = values.get("sha256")
    return {
        "sha256": sha256 if isinstance(sha256, str) else None,
        "built_from": tuple(map(str, built_from)) if isinstance(built_from, list) else (),
        "cache_info": _mapping(values.get("cache_info")),
        "build_info": _mapping(values.get("build_info")),
    }


def _object(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object in *text*; None for anything else, as if nothing had been noted."""
    import json

    try:
        return _mapping(json.loads(text))
    except ValueError:
        return None


def _mapping(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _tags(wheel: bytes) -> tuple[str, ...]:
    """Return the tags of a WHEEL; one that is malformed has none (it is the installed file, not a wheel's)."""
    if b"Wheel-Version:" not in wheel:
        return ()
    tags: list[str] = []
    for line in wheel.decode("utf-8", "replace").split("\n"):
        if line[:4].lower() != "tag:":
            continue
        tag = line[4:].strip()
        if tag.count("-") != 2:
            return ()
        if "." in tag:
            try:
                tags += expand_tags(*tag.split("-"))
            except ValueError:
                return ()
        else:
            tags.append(tag)
    return tuple(tags)


def _read_egg_link(stem: str, path: str) -> InstalledDistribution | None:
    """Return what ``setup.py develop`` left: a file that names the source tree."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.strip() for line in file]
    source = next((line for line in lines if line), None)
    if source is None:
        return None
    source = os.path.join(os.path.dirname(path), source)  # a relative one has nothing to do with where we run
    for name in dict.fromkeys((stem, stem.replace("-", "_"))):
        place = os.path.join(source, f"{name}.egg-info", "PKG-INFO")
        if os.path.isfile(place):
            return InstalledDistribution(
                name=_checked_name(stem),
                version=_checked_version(_header_version(place)),
                path=path,
                kind="egg-link",
                direct_url={"url": file_url(source), "dir_info": {"editable": True}},
            )
    return None


def _header_version(place: str) -> str:
    with open(place, encoding="utf-8", errors="replace") as file:
        return parse_headers(file.read()).get("version", [""])[0]


def _checked_name(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"`{name}` is no project name")
    return normalize_name(name)


def _checked_version(version: str) -> str:
    if _PLAIN_VERSION.match(version) or canonical_version(version) is not None:
        return version
    raise ValueError(f"`{version}` is no version")


def _read_file(directory: str, below: str, filename: str, descriptor: int | None) -> bytes | None:
    """Return the bytes of a small file; None when it is not there.

    Three system calls and no objects: an environment has hundreds of these files.
    """
    try:
        if descriptor is None:
            file = os.open(os.path.join(directory, filename), os.O_RDONLY | getattr(os, "O_BINARY", 0))
        else:
            file = os.open(below, os.O_RDONLY, dir_fd=descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        content = os.read(file, 65536)
        while len(content) >= 65536:
            more = os.read(file, 1 << 20)
            if not more:
                break
            content += more
        return content
    finally:
        os.close(file)
