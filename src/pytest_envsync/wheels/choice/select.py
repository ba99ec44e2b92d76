"""Choose the file that best meets a demand on a target.

Pure: reads no file, no clock and no environment variable. The best version wins; within it a file whose
advertised digest is an allowed one, then a wheel over a source distribution, then the best tag of
the target (PEP 425), then the highest build tag (PEP 427), then the order in which files were handed in.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_envsync.addresses import canonical_address
from pytest_envsync.distributions import Candidate, File, Rejection
from pytest_envsync.filenames import build_tag, kind_of, tag_text, tags_of, version_in
from pytest_envsync.hashes import Digest, HashPolicy
from pytest_envsync.markers import is_active as marker_holds
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import Requirements, normalize_name
from pytest_envsync.target import Target
from pytest_envsync.values import dataclass, field
from pytest_envsync.versions import (
    canonical_version,
    normal_version,
    ordered_versions,
    pinned_version,
    python_meets,
)
from pytest_envsync.wheels.choice.demand import Demand

ALL = ":all:"
NONE = ":none:"


def is_active(marker: str | None, target: Target) -> bool:
    """Whether *marker* holds on *target*. Raises ValueError for text that is no marker."""
    return marker_holds(marker, target.markers)


def hash_policy(requirements: Requirements, options: SyncOptions) -> HashPolicy:
    """Return what is asked of digests: a file's ``--require-hashes`` beats every setting."""
    if requirements.require_hashes or options.require_hashes:
        return HashPolicy.REQUIRE
    return HashPolicy.VERIFY if options.verify_hashes else HashPolicy.NONE


def named_packages(values: Iterable[str]) -> frozenset[str]:
    """Return the normalised names in the values of ``--no-binary`` or ``--only-binary``.

    Values may hold several, parted by commas. ``:all:`` stands for itself; ``:none:`` forgets what
    came before it.
    """
    names: set[str] = set()
    for value in values:
        for item in value.split(","):
            text = item.strip()
            if text == NONE:
                names.clear()
            elif text:
                names.add(ALL if text == ALL else normalize_name(text))
    return frozenset(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionPolicy:
    """What a choice obeys beside the demand.

    *no_binary* and *no_build* are normalised names, or ``:all:``. *cutoff* is the moment from which on files do
    not exist, as ``parse_cutoff`` gives it; *index_cutoffs* overrides it for single indexes (canonical addresses),
    and *cutoffs* both for single projects.
    """

    hashes: HashPolicy = HashPolicy.VERIFY
    no_binary: frozenset[str] = frozenset()
    no_build: frozenset[str] = frozenset()
    cutoff: str | None = None
    cutoffs: Mapping[str, str | None] = field(default_factory=dict)
    index_cutoffs: Mapping[str, str | None] = field(default_factory=dict)

    def allows_wheels(self, name: str) -> bool:
        """Whether wheels of *name* may be installed; naming it for ``--only-binary`` beats ``--no-binary :all:``."""
        return name not in self.no_binary and (ALL not in self.no_binary or name in self.no_build)

    def allows_builds(self, name: str) -> bool:
        """Whether *name* may be built; naming it for ``--no-binary`` beats ``--only-binary :all:``."""
        return name not in self.no_build and (ALL not in self.no_build or name in self.no_binary)

    def cutoff_of(self, name: str, index_url: str) -> str | None:
        """Return the moment that counts for *name* at an index."""
        general = self.cutoff
        if self.index_cutoffs:
            general = self.index_cutoffs.get(canonical_address(index_url), general)
        return self.cutoffs.get(name, general)


def selection_policy(
    requirements: Requirements,
    options: SyncOptions,
    *,
    cutoff: str | None = None,
    cutoffs: Mapping[str, str | None] | None = None,
    index_cutoffs: Mapping[str, str | None] | None = None,
) -> SelectionPolicy:
    """Return what the inputs and the settings say together; the cut-offs are handed in parsed."""
    no_build = (ALL,) if options.no_build else ()
    return SelectionPolicy(
        hashes=hash_policy(requirements, options),
        no_binary=named_packages((*options.no_binary, *requirements.no_binary)),
        no_build=named_packages((*options.only_binary, *requirements.only_binary, *no_build)),
        cutoff=cutoff,
        cutoffs=cutoffs or {},
        index_cutoffs=index_cutoffs or {},
    )


def select_candidate(demand: Demand, files: Sequence[File], target: Target, policy: SelectionPolicy) -> Candidate:
    """Return the candidate for *demand*, a project on an index, among the *files* of that project.

    *files* come from listings first, then from the indexes in their order: of one version the files of
    an index beat those of the next, whatever their tags. Raises SelectionError, carrying one Rejection for each
    file, when none fits. Rules: PEP 440 (pre-releases only if nothing else fits), PEP 592 (yanked only if pinned).
    """
    candidate = Selector(target, policy).choose(demand, files)
    if candidate is None:
        from pytest_envsync.wheels.choice.refusals import explain

        raise explain(demand, files, Selector(target, policy))
    return candidate


class Selector:
    """Choices on one target under one policy: the tags are ranked once, a file then costs a look-up."""

    def __init__(self, target: Target, policy: SelectionPolicy) -> None:
        self.target = target
        self.policy = policy
        self.python = target.markers.get("python_full_version", target.version)
        self._ranks = {tag: position for position, tag in reversed(list(enumerate(target.tags)))}
        self._positions: dict[str, int | None] = {}

    def choose(self, demand: Demand, files: Iterable[File]) -> Candidate | None:
        """Return what ``select_candidate`` returns, or None when no file fits.

        A yanked file of a find-links page is better than none, as for the reference.
        """
        offered = list(files)
        candidate = self._choose(demand, offered)
        listed = (
            [file for file in offered if file.yanked is not None and not file.index_url] if candidate is None else []
        )
        return self._choose(demand, listed, yanked_too=True) if listed else candidate

    def _choose(self, demand: Demand, files: Iterable[File], *, yanked_too: bool = False) -> Candidate | None:
        by_version: dict[str, list[tuple[str, File]]] = {}
        for file in files:
            text = version_in(file.filename, demand.name or "")
            version = canonical_version(text) if text is not None else None
            if text is not None and version is not None:
                by_version.setdefault(version, []).append((text, file))
        for version in ordered_versions(demand.specifier, {key: found[0][0] for key, found in by_version.items()}):
            fitting = [
                file for _, file in by_version[version] if self.refusal(file, demand, yanked_too=yanked_too) is None
            ]
            if fitting:
                return _candidate(demand, self._best(fitting, demand.digests), by_version[version][0][0])
        return None

    def _best(self, files: list[File], allowed: tuple[Digest, ...]) -> File:
        """Return the best of *files*, which are of one version and all fit."""
        if len(files) == 1:
            return files[0]
        indexes = dict.fromkeys(file.index_url for file in files if file.index_url)
        # Listings compete with the files of the first index.
        places = {"": 0, **{url: -place for place, url in enumerate(indexes)}}

        def rank(file: File) -> tuple[int, int, int, int, tuple[int, str]]:
            match, kind, tag, build = self._rank(file, allowed)
            return (match, places[file.index_url], kind, tag, build)

        # Of equals the first wins; the order is the reference's, so that it does not depend on who lists them.
        return max(sorted(files, key=_order_of_equals), key=rank)

    def refusal(self, file: File, demand: Demand, *, yanked_too: bool = False) -> Rejection | None:
        """Return why a *file* of a wanted version is refused, or None when it fits."""
        name = demand.name or ""
        kind = kind_of(file.filename)
        if kind == "other":
            return Rejection(file.filename, "unsupported format")
        if kind == "wheel":
            if not self.policy.allows_wheels(name):
                return Rejection(file.filename, "refused by --no-binary")
            if self.position(file.filename) is None:
                return Rejection(file.filename, "made for another Python or platform", tag_text(file.filename))
        elif not self.policy.allows_builds(name):
            return Rejection(file.filename, "source distribution, refused by --only-binary")
        if file.requires_python and not python_meets(file.requires_python, self.python, lower_bound_only=True):
            return Rejection(file.filename, f"needs another Python than {self.python}", file.requires_python)
        if (late := _too_new(file, self.policy.cutoff_of(name, file.index_url))) is not None:
            return late
        if file.yanked is not None and not yanked_too and not _is_pinned_to(demand, file):
            return Rejection(file.filename, "yanked", file.yanked)
        return None

    def position(self, filename: str) -> int | None:
        """Return the position of the best of a wheel's tags among the target's (0 is best); None if none is."""
        text = tag_text(filename)
        if text not in self._positions:
            self._positions[text] = min((self._ranks[tag] for tag in tags_of(text) if tag in self._ranks), default=None)
        return self._positions[text]

    def _rank(self, file: File, allowed: tuple[Digest, ...]) -> tuple[int, int, int, tuple[int, str]]:
        if kind_of(file.filename) != "wheel":
            return (digest_match(file.digests, allowed), 0, 0, (-1, ""))
        position = self.position(file.filename) or 0
        return (digest_match(file.digests, allowed), 1, -position, build_tag(file.filename))


def _order_of_equals(file: File) -> tuple[bool, bool, str]:
    """Sort by names; what is listed comes first, and there a plain tag before one that stands for several."""
    if file.index_url:
        return (True, False, file.filename)
    return (False, "." in tag_text(file.filename), file.filename)


def _is_pinned_to(demand: Demand, file: File) -> bool:
    """Whether the demand pins the version of *file* itself, not one that it merely meets (``1.0`` for ``1.0+cpu``)."""
    pin = pinned_version(demand.specifier)
    version = version_in(file.filename, demand.name or "")
    return pin is not None and version is not None and canonical_version(pin) == canonical_version(version)


def _too_new(file: File, cutoff: str | None) -> Rejection | None:
    # Listings state no times, so that a cut-off says nothing about them.
    if cutoff is None or not file.index_url:
        return None
    if file.upload_time is None:
        return Rejection(file.filename, "has no upload time to compare with --exclude-newer")
    if not _is_before(file.upload_time, cutoff):
        return Rejection(file.filename, f"uploaded after {cutoff}Z (--exclude-newer)", file.upload_time)
    return None


def _is_before(upload_time: str, cutoff: str) -> bool:
    from pytest_envsync.errors import UsageError
    from pytest_envsync.wheels.choice.cutoff import comparable

    try:
        return comparable(upload_time) < cutoff
    except UsageError:
        return False


def digest_match(advertised: Sequence[Digest], allowed: Sequence[Digest]) -> int:
    """Return 2 when an advertised digest is allowed, 0 when one contradicts all allowed ones, 1 when nothing tells.

    What an index advertises is a preference, never a proof: the bytes are digested later.
    """
    if not allowed:
        return 1
    if any(digest in allowed for digest in advertised):
        return 2
    algorithms = {digest.algorithm for digest in allowed}
    return 0 if any(digest.algorithm in algorithms for digest in advertised) else 1


def _candidate(demand: Demand, file: File, version: str) -> Candidate:
    return Candidate(
        name=demand.name or "",
        version=normal_version(version) or version,
        kind="wheel" if kind_of(file.filename) == "wheel" else "sdist",
        requested=demand.source,
        file=file,
        digests=demand.digests,
        origin=demand.origin,
    )
