"""Judge what is given directly: an archive by address or path, a source tree, a git repository.

Pure: the name of an archive is looked at, never its contents.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked
from pytest_envsync.distributions import Candidate, File
from pytest_envsync.errors import InputError, SelectionError
from pytest_envsync.filenames import kind_of, projects_in
from pytest_envsync.record import parse_wheel_filename
from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, VcsSource, normalize_name
from pytest_envsync.versions import canonical_version, meets, normal_version
from pytest_envsync.wheels.choice.demand import Demand
from pytest_envsync.wheels.choice.refusals import describe_target

if TYPE_CHECKING:
    from pytest_envsync.wheels.choice.select import Selector


def direct_candidate(demand: Demand, selector: Selector) -> Candidate:
    """Return the candidate for a *demand* whose source is no index.

    A wheel's name, version and tags are told by its file name. An archive of sources keeps its version
    open until it is built. Raises InputError for a wheel that does not fit the target, for a file that
    is neither wheel nor source distribution, and for a wheel where ``--no-binary`` wants none;
    SelectionError when the name or version there is another than the one asked for, or when no name is known.
    """
    match demand.source:
        case ArchiveSource(url=url):
            return _archive_candidate(demand, url, selector)
        case DirectorySource() | VcsSource():
            name = _known_name(demand, demand.name)
            return Candidate(
                name=name,
                version=None,
                kind="tree",
                requested=demand.source,
                digests=demand.digests,
                match_all=True,
                origin=demand.origin,
                specifier=demand.specifier,
                # Of an editable tree there is no wheel that could be had instead.
                may_build=getattr(demand.source, "editable", False) or selector.policy.allows_builds(name),
            )
        case IndexSource():
            raise TypeError("a project on an index is selected, not taken as it is")


def _archive_candidate(demand: Demand, url: str, selector: Selector) -> Candidate:
    from urllib.parse import unquote, urlsplit

    filename = unquote(urlsplit(url).path.rpartition("/")[2])
    kind = kind_of(filename)
    version: str | None = None
    name = demand.name
    if kind == "wheel":
        name, version = _check_wheel(demand, filename, selector)
    elif kind == "sdist":
        name = name or next(iter(projects_in(filename)), None)
    else:
        raise InputError(
            f"`{masked(demand.shown)}` is neither a wheel nor a source distribution (.tar.gz, .zip)",
            origin=demand.origin,
        )
    known = _known_name(demand, name)
    return Candidate(
        name=known,
        version=version,
        kind=kind,
        requested=demand.source,
        file=File(filename, url, demand.digests),
        digests=demand.digests,
        match_all=True,
        origin=demand.origin,
        specifier="" if version is not None else demand.specifier,
        may_build=kind == "wheel" or selector.policy.allows_builds(known),
    )


def _known_name(demand: Demand, name: str | None) -> str:
    if name is None:
        raise SelectionError(
            f"the name of `{demand.shown}` is known only to its build backend",
            subject=demand.shown,
            origin=demand.origin,
            hint="write it as `NAME @ ADDRESS`",
        )
    return name


def _check_wheel(demand: Demand, filename: str, selector: Selector) -> tuple[str, str]:
    try:
        parts = parse_wheel_filename(filename)
    except ValueError as error:
        raise InputError(str(error), origin=demand.origin) from error
    name = normalize_name(parts.name)
    version = normal_version(parts.version)
    if version is None or canonical_version(version) is None:
        raise InputError(f"`{filename}` is no wheel name: `{parts.version}` is no version", origin=demand.origin)
    if demand.name is not None and name != demand.name:
        raise SelectionError(
            f"the wheel `{filename}` is of `{name}`, but `{demand.name}` is asked for",
            subject=demand.shown,
            origin=demand.origin,
        )
    if demand.specifier and not meets(demand.specifier, version):
        raise SelectionError(
            f"the wheel `{filename}` has version {version}, but `{demand.specifier}` is asked for",
            subject=demand.shown,
            origin=demand.origin,
        )
    if not selector.policy.allows_wheels(name):
        raise InputError(
            f"`{demand.shown}` is a wheel, which conflicts with --no-binary",
            origin=demand.origin,
            hint=f"take `{name}` out of --no-binary, or name its source distribution",
        )
    if selector.position(filename) is None:
        raise InputError(
            f"the wheel `{filename}` is incompatible with the target, {describe_target(selector.target)}",
            origin=demand.origin,
            hint=f"the wheel is made for {', '.join(parts.tags[:4])}; the best tag of the target is"
            f" {selector.target.tags[0] if selector.target.tags else 'unknown'}",
        )
    return name, version
