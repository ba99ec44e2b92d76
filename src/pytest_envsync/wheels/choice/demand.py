"""Bring together all that the inputs ask of one name: lines that repeat it, constraints, overrides, hashes.

Pure. A name comes out once, with one source; whatever contradicts itself is an error that names
the lines, found before anything is fetched.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pytest_envsync.addresses import canonical_address, masked
from pytest_envsync.errors import EnvsyncError, InputError, SelectionError
from pytest_envsync.filenames import projects_in
from pytest_envsync.hashes import INSECURE, Digest, HashPolicy
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    Origin,
    Requirements,
    Source,
    SpecifiedRequirement,
    VcsSource,
    normalize_name,
)
from pytest_envsync.values import dataclass, replace
from pytest_envsync.versions import canonical_version, pinned_version

IsActive = Callable[["str | None"], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """All that is asked of one name.

    *specifier* joins the specifiers of every line and constraint; for a direct source it is what the
    version found there must meet. *digests* are the allowed ones, of which any may match for a
    file of an index; all must for a direct source. *shown* is the requirement for messages, masked.
    """

    name: str | None
    source: Source
    shown: str
    specifier: str = ""
    digests: tuple[Digest, ...] = ()
    origin: Origin | None = None

    @property
    def is_direct(self) -> bool:
        """Whether it is one given archive or source tree instead of a project on an index."""
        return not isinstance(self.source, IndexSource)


def merge_requirements(requirements: Requirements, *, is_active: IsActive, policy: HashPolicy) -> tuple[Demand, ...]:
    """Return what is asked of each name, in the order of first mention.

    Lines and constraints whose marker is false (*is_active*) do not count. Raises SelectionError for
    lines that exclude each other, and InputError for what the hash policy forbids: versions
    that are not pinned or have no hash where hashes are required, hashes that requirement and
    constraint do not share.
    """
    overrides = _by_name(item for item in requirements.overrides if is_active(item.marker))
    overridden = {item.name for item in requirements.overrides}
    # An editable tree in a constraints file says where a project may be, not that it must be there.
    constraints = _by_name(
        item
        for item in requirements.constraints
        if is_active(item.marker) and not (isinstance(item.source, DirectorySource) and item.source.editable)
    )
    excluded = {normalize_name(name) for name in requirements.excludes}
    if policy is HashPolicy.REQUIRE:
        for constraint in (item for group in constraints.values() for item in group):
            _check_pinned(constraint)
    groups: dict[str | Source, list[SpecifiedRequirement]] = {}
    for given in requirements.entries:
        entry = _named(given)
        if not is_active(entry.marker) or entry.name in excluded:
            continue
        replacing = overrides.get(entry.name, []) if entry.name in overridden else [entry]
        for item in replacing:
            # A tree that has no name yet stands for itself.
            groups.setdefault(entry.name or item.source, []).append(item)
    ready = iter([(group, constraints.get(group[0].name, []) if group[0].name else []) for group in groups.values()])
    merged: list[Demand] = []
    try:
        merged.extend(_merged(group, limits, policy) for group, limits in ready)
    except MissingHashError as error:
        others = (_lacking(group, limits, policy) for group, limits in ready)
        error.lacking = (error.requirement, *(item for item in others if item is not None))
        raise
    return tuple(merged)


def _lacking(
    group: Sequence[SpecifiedRequirement], constraints: Sequence[SpecifiedRequirement], policy: HashPolicy
) -> SpecifiedRequirement | None:
    """Return the requirement of *group* that needs a hash and has none; None also where something else is wrong."""
    try:
        _merged(group, constraints, policy)
    except MissingHashError as error:
        return error.requirement
    except EnvsyncError:
        pass
    return None


def _named(item: SpecifiedRequirement) -> SpecifiedRequirement:
    """Return *item*, a wheel's with the name that its file name gives."""
    if item.name is not None or not isinstance(item.source, ArchiveSource):
        return item
    filename = item.source.url.rpartition("/")[2]
    names = projects_in(filename) if filename.endswith(".whl") else ()
    return replace(item, name=names[0]) if names else item


def _by_name(items: Iterable[SpecifiedRequirement]) -> dict[str | None, list[SpecifiedRequirement]]:
    grouped: dict[str | None, list[SpecifiedRequirement]] = {}
    for item in items:
        grouped.setdefault(item.name, []).append(item)
    return grouped


def _merged(
    group: Sequence[SpecifiedRequirement], constraints: Sequence[SpecifiedRequirement], policy: HashPolicy
) -> Demand:
    first = group[0]
    direct = [item for item in (*group, *constraints) if not isinstance(item.source, IndexSource)]
    asked = [item for item in (*group, *constraints) if isinstance(item.source, IndexSource)]
    _check_same_source(direct)
    clauses = dict.fromkeys(item.source.specifier for item in asked if isinstance(item.source, IndexSource))
    specifier = ",".join(clause for clause in clauses if clause)
    _check_pins_agree(asked)
    if policy is HashPolicy.REQUIRE:
        for item in group:
            _check_pinned(item)
    source: Source
    if direct:
        # A source tree that is editable anywhere is editable.
        source = next(
            (d.source for d in direct if isinstance(d.source, DirectorySource) and d.source.editable), None
        ) or (direct[0].source)
        digests = _direct_digests(direct, policy)
    else:
        only = list(
            dict.fromkeys(i.source.index for i in asked if isinstance(i.source, IndexSource) and i.source.index)
        )
        if len(only) > 1:
            raise _conflict(asked, "ask different indexes for")
        source = IndexSource(specifier, only[0] if only else None)
        digests = _index_digests(group, constraints, policy)
    if policy is HashPolicy.REQUIRE:
        digests = _secure(digests, first)
    return Demand(
        name=first.name,
        source=source,
        shown=_shown(first),
        specifier=specifier,
        digests=digests if policy is not HashPolicy.NONE else (),
        origin=first.origin,
    )


def _shown(item: SpecifiedRequirement) -> str:
    if isinstance(item.source, IndexSource) and item.name is not None:
        return f"{item.name}{item.source.specifier}"
    return masked(item.text)


def _same(source: Source) -> object:
    match source:
        case ArchiveSource(url=url, subdirectory=subdirectory):
            return (canonical_address(url), subdirectory)
        case DirectorySource(path=path, subdirectory=subdirectory):
            return (path, subdirectory)
        case VcsSource(url=url, requested_revision=revision, subdirectory=subdirectory, large_files=large_files):
            return (canonical_address(url), revision, subdirectory, large_files)
        case IndexSource():
            return source


def _check_same_source(direct: Sequence[SpecifiedRequirement]) -> None:
    if len({_same(item.source) for item in direct}) > 1:
        raise _conflict(direct, "give different addresses for")


def _check_pins_agree(asked: Sequence[SpecifiedRequirement]) -> None:
    """Refuse two pins that no version meets; a pin without a local part admits any."""
    pins: list[str] = []
    for item in asked:
        text = pinned_version(item.source.specifier) if isinstance(item.source, IndexSource) else None
        pin = canonical_version(text) if text else None
        if pin is None:
            continue
        for other in pins:
            public = "+" not in pin or "+" not in other
            if pin != other and not (public and pin.partition("+")[0] == other.partition("+")[0]):
                raise _conflict(asked, "pin different versions of")
        pins.append(pin)


def _conflict(items: Sequence[SpecifiedRequirement], what: str) -> SelectionError:
    name = items[0].name or masked(items[0].text)
    lines = [
        f"  {_shown(item)}" + (f" ({item.origin})" if item.origin is not None else "")
        for item in dict.fromkeys(items)
    ]  # fmt: skip
    return SelectionError("\n".join([f"the requirements {what} `{name}`:", *lines]), subject=name)


def _check_pinned(item: SpecifiedRequirement) -> None:
    if isinstance(item.source, IndexSource) and not (
        pinned_version(item.source.specifier) is not None and "," not in item.source.specifier
    ):
        raise InputError(
            f"hashes are required, so all versions must be pinned with `==`: found `{_shown(item)}`",
            origin=item.origin,
            hint="pin it to one version, and give its hashes",
        )


def _direct_digests(items: Sequence[SpecifiedRequirement], policy: HashPolicy) -> tuple[Digest, ...]:
    digests = tuple(dict.fromkeys(digest for item in items for digest in item.digests))
    source, item = items[0].source, items[0]
    if policy is HashPolicy.NONE:
        return ()
    if isinstance(source, DirectorySource) and digests:
        raise SelectionError(
            f"hashes are not supported for local directories: `{_shown(item)}`",
            origin=item.origin,
            subject=_shown(item),
        )
    if isinstance(source, VcsSource) and digests:
        raise SelectionError(
            f"hashes are not supported for Git repositories: `{_shown(item)}`",
            origin=item.origin,
            subject=_shown(item),
            hint="a full commit id fixes what is fetched; name the archive of that commit if a hash is required",
        )
    by_algorithm: dict[str, Digest] = {}
    for digest in digests:
        if by_algorithm.setdefault(digest.algorithm, digest) != digest:
            raise InputError(
                f"conflicting hashes for `{_shown(item)}`: {by_algorithm[digest.algorithm]} and {digest}",
                origin=item.origin,
                hint="one archive has one digest of each algorithm; all that are given must match",
            )
    return digests


def _index_digests(
    group: Sequence[SpecifiedRequirement], constraints: Sequence[SpecifiedRequirement], policy: HashPolicy
) -> tuple[Digest, ...]:
    """Join the hashes of repeated lines; those of pinned constraints narrow them, or stand in for none.

    Of lines that pin, the last that has any decides, as in the reference: it takes back what stands above it.
    """
    lists = [item.digests for item in group if item.digests]
    if all(isinstance(item.source, IndexSource) and pinned_version(item.source.specifier) for item in group):
        lists = lists[-1:]
    asked = tuple(dict.fromkeys(digest for digests in lists for digest in digests))
    for constraint in constraints:
        pinned = isinstance(constraint.source, IndexSource) and pinned_version(constraint.source.specifier)
        if not pinned or not constraint.digests:
            continue
        shared = tuple(digest for digest in asked if digest in constraint.digests)
        if asked and not shared and policy is not HashPolicy.NONE:
            raise InputError(
                f"no overlapping hashes: requirement and constraint of `{_shown(group[0])}` have none in common",
                origin=group[0].origin,
                hint=f"the constraint stands at {constraint.origin}" if constraint.origin is not None else None,
            )
        asked = shared or constraint.digests
    return asked


def _secure(digests: tuple[Digest, ...], item: SpecifiedRequirement) -> tuple[Digest, ...]:
    """Return the digests that count where hashes are required. Raises InputError when there is none."""
    secure = tuple(digest for digest in digests if digest.algorithm not in INSECURE)
    if secure:
        return secure
    if digests:
        raise InputError(
            f"hashes are required, and those of `{_shown(item)}` are insecure"
            f" ({', '.join(sorted({digest.algorithm for digest in digests}))})",
            origin=item.origin,
            hint="give a sha256 hash",
        )
    raise MissingHashError(item)


class MissingHashError(InputError):
    """Hashes are required, and *requirement* has none; *lacking* are all of which that is so, it among them."""

    def __init__(self, requirement: SpecifiedRequirement) -> None:
        super().__init__(
            f"hashes are required, and none was given for `{_shown(requirement)}`",
            origin=requirement.origin,
            hint="no repository can have one: name the archive of a commit, with its hash"
            if isinstance(requirement.source, VcsSource)
            else "add `--hash=sha256:...` to the line",
        )
        self.requirement = requirement
        self.lacking: tuple[SpecifiedRequirement, ...] = (requirement,)
