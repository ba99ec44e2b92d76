"""What goes when an installed distribution goes.

RECORD decides. Without one, what else is known decides (the wheel in the store, ``top_level.txt``,
``installed-files.txt``), and where nothing is known, that is an error: nothing is reported as
removed that is still there. Nothing is removed here; ``environment.transaction`` does that.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from pytest_envsync.direct_url import url_path
from pytest_envsync.distributions import InstalledDistribution
from pytest_envsync.environment.layout import plain_path
from pytest_envsync.errors import InstallError
from pytest_envsync.record import RecordEntry, parse_record
from pytest_envsync.values import dataclass, field

StoredPaths = Callable[[InstalledDistribution], "tuple[str, ...] | None"]
"""The absolute paths of a distribution as the store's wheel lays it out; None when the store does not have it."""


@dataclass(slots=True)
class Departure:
    """What goes with some distributions; paths are absolute and plain.

    *files* need not all exist. *directories* go with whatever is in them. *rewritten* maps files that stay to
    their new contents. *warnings* are sentences.
    """

    files: set[str] = field(default_factory=set)
    directories: set[str] = field(default_factory=set)
    rewritten: dict[str, bytes] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def find_departure(
    distributions: Iterable[InstalledDistribution], *, roots: Mapping[str, str], stored: StoredPaths
) -> Departure:
    """Return what goes with *distributions*; *roots* are the plain directories of the target's schemes.

    Raises InstallError for a distribution of which nobody knows what belongs to it.
    """
    departure = Departure()
    for distribution in distributions:
        if distribution.kind == "dist-info":
            _add_dist_info(distribution, departure, roots, stored)
        elif distribution.kind == "egg-info-directory":
            _add_egg_info(distribution, departure, roots)
        elif distribution.kind == "egg-link":
            _add_egg_link(distribution, departure)
        else:
            raise InstallError(
                f"`{distribution.name}` {distribution.version} was installed by distutils, which noted none of"
                f" its files (`{distribution.path}`)",
                hint="remove it with the tool that installed it, or by hand",
            )
    return departure


def record_paths(text: str, site: str) -> Iterator[tuple[RecordEntry, str]]:
    """Yield each row of a RECORD with its absolute plain path; *site* is where the dist-info stands.

    Rows that leave *site* have the symbolic links of their directory resolved (``lib64``), others not: below
    site-packages a link to a directory is the distribution's own.
    Raises ValueError for a malformed table.
    """
    resolved: dict[str, str] = {}
    for entry in parse_record(text):
        path = entry.path.lstrip("/")
        if os.sep == "\\":
            path = path.replace("\\", "/")
        place = f"{site}/{path}"
        if "./" in path or "//" in path or path.endswith((".", "/")):
            place = os.path.normpath(place).replace(os.sep, "/")
            if not place.startswith(f"{site}/"):
                directory, _, name = place.rpartition("/")
                if directory not in resolved:
                    resolved[directory] = plain_path(directory or "/")
                place = f"{resolved[directory]}/{name}"
        yield entry, place


def standing_directories(roots: Mapping[str, str]) -> frozenset[str]:
    """Return the directories that no distribution owns: those of the schemes and all above them.

    Below site-packages (``--target``) they are as any other: what is left empty goes. So does the place of headers in
    a virtual environment, ``include/site``, which only an installation makes.
    """
    sites = tuple(f"{roots[scheme]}/" for scheme in ("purelib", "platlib") if scheme in roots)
    standing = set()
    for scheme, root in roots.items():
        if root.startswith(sites):
            continue
        path = root
        above, _, _ = root.rpartition("/")
        if scheme == "headers" and above.endswith("/include/site"):
            path = above.removesuffix("/site")
        while path not in standing:
            standing.add(path)
            path = path.rpartition("/")[0] or "/"
    return frozenset(standing)


def read_record(distribution: InstalledDistribution) -> str | None:
    """Return the RECORD of an installed distribution, None when it has none. Raises InstallError."""
    try:
        with open(f"{distribution.path}/RECORD", encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InstallError(f"`{distribution.path}/RECORD` cannot be read: {error.strerror or error}") from error


def _add_dist_info(
    distribution: InstalledDistribution, departure: Departure, roots: Mapping[str, str], stored: StoredPaths
) -> None:
    dist_info = plain_path(distribution.path)
    site = dist_info.rpartition("/")[0]
    departure.directories.add(dist_info)
    text = read_record(distribution)
    if text is None:
        paths = stored(distribution)
        if paths is not None:
            departure.files.update(paths)
        elif not _add_top_level(distribution, dist_info, site, departure):
            raise _unknown(distribution, "RECORD")
        return
    allowed = tuple(f"{root}/" for root in dict.fromkeys(roots.values()))
    kept = standing_directories(roots)
    outside = []
    try:
        for entry, path in record_paths(text, site):
            if not path.startswith(allowed) or path in kept:
                outside.append(entry.path)
            elif not entry.hash and os.path.isdir(path) and not os.path.islink(path):
                departure.directories.add(path)
            else:
                departure.files.add(path)
    except ValueError as error:
        raise InstallError(
            f"the RECORD of `{distribution.name}` {distribution.version} cannot be understood: {error}",
            hint=f"remove `{distribution.path}` and the files of the distribution by hand",
        ) from error
    if outside:
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        departure.warnings.append(
            f"`{distribution.name}` lists `{outside[0]}`{more} in its RECORD, which escapes the Python environment"
            " and is left alone"
        )


def _add_egg_info(distribution: InstalledDistribution, departure: Departure, roots: Mapping[str, str]) -> None:
    egg_info = plain_path(distribution.path)
    site = egg_info.rpartition("/")[0]
    departure.directories.add(egg_info)
    lines = _lines(f"{egg_info}/installed-files.txt")
    if lines is not None:
        allowed = tuple(f"{root}/" for root in dict.fromkeys(roots.values()))
        places = (os.path.normpath(f"{egg_info}/{line}").replace(os.sep, "/") for line in lines)
        departure.files.update(place for place in places if place.startswith(allowed))
        return
    if not _add_top_level(distribution, egg_info, site, departure):
        raise _unknown(distribution, "top_level.txt")


def _add_top_level(distribution: InstalledDistribution, metadata: str, site: str, departure: Departure) -> bool:
    """Add the import packages and modules that ``top_level.txt`` names; False when there is no such file."""
    lines = _lines(f"{metadata}/top_level.txt")
    if lines is None:
        return False
    shared = set(_lines(f"{metadata}/namespace_packages.txt") or ())
    for name in lines:
        if name in shared:
            continue
        if not name.isidentifier():
            departure.warnings.append(f"`{distribution.name}` names `{name}` in its top_level.txt, which is no module")
            continue
        if os.path.isdir(f"{site}/{name}") and not os.path.islink(f"{site}/{name}"):
            departure.directories.add(f"{site}/{name}")
        else:
            departure.files.update(f"{site}/{name}{suffix}" for suffix in ("", ".py", ".pyc", ".pyo"))
    return True


def _add_egg_link(distribution: InstalledDistribution, departure: Departure) -> None:
    """Add the link that ``setup.py develop`` made, and its line in ``easy-install.pth``; the source tree stays."""
    link = plain_path(os.path.dirname(distribution.path)) + "/" + os.path.basename(distribution.path)
    departure.files.add(link)
    source = url_path(str((distribution.direct_url or {}).get("url", "")))
    pth = f"{link.rpartition('/')[0]}/easy-install.pth"
    if pth in departure.rewritten:
        content = departure.rewritten[pth]
    else:
        try:
            with open(pth, "rb") as file:
                content = file.read()
        except OSError:
            return
    kept = [line for line in content.splitlines(keepends=True) if os.fsdecode(line.strip()) != source]
    if b"".join(kept) != content:
        departure.rewritten[pth] = b"".join(kept)


def _lines(path: str) -> list[str] | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return [line.strip() for line in file if line.strip()]
    except OSError:
        return None


def _unknown(distribution: InstalledDistribution, missing: str) -> InstallError:
    return InstallError(
        f"`{distribution.name}` {distribution.version} cannot be removed: `{distribution.path}` has no {missing},"
        " so nobody knows which files belong to it",
        hint="remove its files and this directory by hand, or install it again with the tool that installed it",
    )
