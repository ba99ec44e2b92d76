"""Which distributions a build needs: ``build-system.requires`` with all they depend on.

resolvelib does the search; the versions come from the same indexes, find-links, cut-offs and constraints as those
of a sync, the dependencies from the distributions' own metadata.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import RequirementInformation, ResolutionTooDeep

from pytest_envsync.addresses import masked
from pytest_envsync.direct_url import direct_url_of, source_text
from pytest_envsync.distributions import Candidate, File
from pytest_envsync.errors import BuildError, InputError, SelectionError
from pytest_envsync.hashes import Digest
from pytest_envsync.requirements import IndexSource, Source, normalize_name
from pytest_envsync.values import NamedTuple
from pytest_envsync.wheels.choice.demand import Demand
from pytest_envsync.wheels.choice.direct import direct_candidate
from pytest_envsync.wheels.choice.refusals import explain
from pytest_envsync.wheels.choice.select import SelectionPolicy, Selector

if TYPE_CHECKING:
    from resolvelib.structs import Matches

    from pytest_envsync.target import Target

_LONGEST = 1000  # characters of a requirement that an error repeats
MAX_ROUNDS = 2000
"""Rounds of the search; the build requirements of the largest projects take some dozens."""


class Asked(NamedTuple):
    """A requirement of a build, or of a distribution that a build needs.

    *extras* are normalised. *source* is set when an address is given instead of a *specifier*.
    """

    name: str
    extras: frozenset[str]
    specifier: str
    source: Source | None = None

    def __str__(self) -> str:
        """Return the requirement as PEP 508 has it."""
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        if self.source is not None:
            return f"{self.name}{extras} @ {source_text(direct_url_of(self.source))}"
        return f"{self.name}{extras}{self.specifier}"


class Metadata(Protocol):
    """What a distribution says of itself: a wheel of the store, or a source."""

    @property
    def version(self) -> str | None:
        """Its version; None stands for one that nobody could tell."""

    @property
    def requires_dist(self) -> tuple[str, ...] | None:
        """What it depends on, PEP 508 texts."""


class Offer(NamedTuple):
    """A file that may be taken, under a name with extras."""

    name: str
    extras: frozenset[str]
    version: str
    candidate: Candidate

    def __str__(self) -> str:
        """Return name and version."""
        return f"{self.name} {self.version}"


def parse_asked(text: str, markers: Mapping[str, str], extras: Iterable[str] = ("",)) -> Asked | None:
    """Parse a PEP 508 text; None when its marker is false for every one of *extras*.

    Raises InputError for text that is none.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        said = (
            f"`{masked(text)}` is no requirement: {error}"
            if len(text) < _LONGEST
            else f"`{text[:40]}...` is no requirement"
        )
        raise InputError(said, hint="see `build-system.requires`", exit_status=1) from error
    if requirement.marker is not None and not any(
        requirement.marker.evaluate({**markers, "extra": extra}) for extra in extras
    ):
        return None
    source: Source | None = None
    if requirement.url is not None:
        from pytest_envsync.inputs.requirement_line import parse_requirement

        source = parse_requirement(f"{requirement.name} @ {requirement.url}", base=None).source
    return Asked(
        normalize_name(requirement.name),
        frozenset(map(normalize_name, requirement.extras)),
        str(requirement.specifier),
        source,
    )


class Provider(AbstractProvider[Asked, Offer, tuple[str, frozenset[str]]]):
    """Answers resolvelib's questions.

    *files_of* gives the files of a project, *asked_of* the places that were asked for them, as they may be shown;
    *metadata_of* tells what a candidate depends on, and does no more for that than it has to. *constraints* map a name
    to a specifier, *said* to what says so and where; *hashes* the allowed digests of a name, which each must have
    when *require_hashes* is set. *present* maps names to the versions that are there and stay, with all they need.
    """

    def __init__(
        self,
        *,
        target: Target,
        policy: SelectionPolicy,
        files_of: Callable[[str], Sequence[File]],
        asked_of: Callable[[str], Sequence[str]],
        metadata_of: Callable[[Candidate], Metadata],
        constraints: Mapping[str, str],
        said: Mapping[str, str],
        hashes: Mapping[str, tuple[Digest, ...]],
        require_hashes: bool = False,
        present: Mapping[str, str] | None = None,
    ) -> None:
        self.markers = target.markers
        self.selector = Selector(target, policy)
        self.files_of = files_of
        self.asked_of = asked_of
        self.metadata_of = metadata_of
        self.constraints = constraints
        self.said = said
        self.hashes = hashes
        self.require_hashes = require_hashes
        self.present = present or {}

    def identify(self, requirement_or_candidate: Asked | Offer) -> tuple[str, frozenset[str]]:
        """Tell names with other extras apart: they pull in other dependencies."""
        return (requirement_or_candidate.name, requirement_or_candidate.extras)

    def get_preference(
        self,
        identifier: tuple[str, frozenset[str]],
        resolutions: Mapping[tuple[str, frozenset[str]], Offer],  # noqa: ARG002 - resolvelib calls by keyword
        candidates: Mapping[tuple[str, frozenset[str]], Iterator[Offer]],  # noqa: ARG002 - as above
        information: Mapping[tuple[str, frozenset[str]], Iterator[RequirementInformation[Asked, Offer]]],
        backtrack_causes: Sequence[RequirementInformation[Asked, Offer]],  # noqa: ARG002 - as above
    ) -> Any:
        """Settle pinned names first, then by name, so that the same question has the same answer."""
        pinned = any("==" in item.requirement.specifier for item in information[identifier])
        return (not pinned, identifier[0])

    def find_matches(
        self,
        identifier: tuple[str, frozenset[str]],
        requirements: Mapping[tuple[str, frozenset[str]], Iterator[Asked]],
        incompatibilities: Mapping[tuple[str, frozenset[str]], Iterator[Offer]],
    ) -> Matches[Offer]:
        """Return what may be taken, best version first; each is looked for when it is wanted."""
        name, extras = identifier
        asked = list(requirements[identifier])
        if name in self.present:
            return [] if list(incompatibilities[identifier]) else self._there(name, extras, asked)
        sources = {item.source for item in asked if item.source is not None}
        if sources:
            return self._direct(
                name, extras, asked, sources, {offer.version for offer in incompatibilities[identifier]}
            )
        if self.require_hashes and not self.hashes.get(name):
            raise BuildError(
                f"no trusted hash was provided for `{name}`, which a build needs",
                subject=name,
                hint="pin it with its hash in a file that --build-constraints names",
            )
        clauses = [item.specifier for item in asked if item.specifier]
        clauses += [f"!={item.version}" for item in incompatibilities[identifier]]
        if self.constraints.get(name):
            clauses.append(self.constraints[name])

        def matches() -> Iterator[Offer]:
            seen = list(clauses)
            while True:
                demand = Demand(
                    name=name,
                    source=IndexSource(",".join(seen)),
                    shown=name,
                    specifier=",".join(seen),
                    digests=self.hashes.get(name, ()),
                )
                candidate = self.selector.choose(demand, self.files_of(name))
                if candidate is None or candidate.version is None:
                    return
                yield Offer(name, extras, candidate.version, candidate)
                seen.append(f"!={candidate.version}")

        return matches

    def _there(self, name: str, extras: frozenset[str], asked: Iterable[Asked]) -> list[Offer]:
        """Return what is there, if that is what is *asked* for; of a version that nobody knows it is."""
        version = self.present[name]
        offer = Offer(
            name, extras, version, Candidate(name=name, version=version, kind="wheel", requested=IndexSource())
        )
        fits = all(not version or self.is_satisfied_by(item, offer) for item in asked if item.source is None)
        return [offer] if fits else []

    def excludes(self, name: str, asked: Iterable[Asked]) -> bool:
        """Whether nothing of *name* is left only because of its constraint: without it *asked* could be met."""
        if not self.constraints.get(name):
            return False
        wanted = ",".join(item.specifier for item in asked if item.name == name and item.specifier)
        every = ",".join(filter(None, [wanted, self.constraints[name]]))
        free, bound = (
            self.selector.choose(
                Demand(name=name, source=IndexSource(text), shown=name, specifier=text), self.files_of(name)
            )
            for text in (wanted, every)
        )
        return free is not None and bound is None

    def _direct(
        self, name: str, extras: frozenset[str], asked: Sequence[Asked], sources: set[Source], refused: set[str]
    ) -> list[Offer]:
        """Return what an address holds; nothing when two are given for one name."""
        if len(sources) > 1:
            return []
        shown = next(str(item) for item in asked if item.source is not None)
        demand = Demand(name=name, source=sources.pop(), shown=shown, digests=self.hashes.get(name, ()))
        candidate = direct_candidate(demand, self.selector)
        offer = Offer(name, extras, self.metadata_of(candidate).version or "", candidate)
        is_met = all(self.is_satisfied_by(item, offer) for item in asked)
        return [offer] if is_met and offer.version not in refused else []

    def is_satisfied_by(self, requirement: Asked, candidate: Offer) -> bool:
        """Whether *candidate* is what *requirement* asks for: its version, or what lies at its address."""
        if requirement.source is not None:
            return candidate.candidate.requested == requirement.source
        return SpecifierSet(requirement.specifier).contains(candidate.version, prereleases=True)

    def get_dependencies(self, candidate: Offer) -> Iterable[Asked]:
        """Return what *candidate* needs under the extras it was asked with."""
        if candidate.name in self.present:
            return
        if candidate.extras:
            yield Asked(candidate.name, frozenset(), f"=={candidate.version}")
        for text in self.metadata_of(candidate.candidate).requires_dist or ():
            asked = parse_asked(text, self.markers, candidate.extras or ("",))
            if asked is not None:
                yield asked


def resolve_build_requirements(requires: Sequence[str], provider: Provider) -> dict[str, Candidate]:
    """Return one candidate for each name that a build with *requires* needs and that is not there, sorted by name.

    Raises BuildError with the requirements that exclude each other, SelectionError when nothing offers a name.
    """
    asked = [item for text in requires if (item := parse_asked(text, provider.markers)) is not None]
    if not asked:
        return {}
    resolver: Resolver[Asked, Offer, tuple[str, frozenset[str]]] = Resolver(provider, BaseReporter())
    try:
        result = resolver.resolve(asked, max_rounds=MAX_ROUNDS)
    except ResolutionImpossible as error:
        raise _impossible(error, provider) from error
    except ResolutionTooDeep as error:
        raise BuildError(
            f"the build requirements {', '.join(requires)} were not settled in {MAX_ROUNDS} rounds",
            subject=", ".join(requires),
            hint="narrow them with --build-constraints",
        ) from error
    # A name with other extras comes twice.
    chosen = {offer.name: offer.candidate for offer in result.mapping.values() if offer.name not in provider.present}
    return {name: chosen[name] for name in sorted(chosen)}


def _impossible(error: ResolutionImpossible[Asked, Offer], provider: Provider) -> SelectionError | BuildError:
    """Return the error for requirements of which one can be met by nothing, or some exclude each other."""
    lines = []
    for cause in error.causes:
        parent = "the build asks for it" if cause.parent is None else f"{cause.parent} needs it"
        lines.append(f"  {cause.requirement}: {parent}")
    reasons = "\n".join(dict.fromkeys(lines))
    asked = {cause.requirement for cause in error.causes}
    names = sorted({item.name for item in asked})
    for item in sorted(asked, key=str):
        if item.name in provider.present:
            return BuildError(
                f"`{item.name}=={provider.present[item.name]}` is there, and `{item}` is asked for\n{reasons}",
                subject=item.name,
            )
        files = provider.files_of(item.name) if item.source is None else ()
        if item.source is None and provider.excludes(item.name, asked):
            return BuildError(
                f"the build constraint {provider.said[item.name]} leaves no version of `{item}`\n{reasons}",
                subject=item.name,
                hint="change it in the file that --build-constraints names",
            )
        if item.source is None and (not files or len(asked) == 1):
            demand = Demand(name=item.name, source=IndexSource(), shown=str(item), specifier=item.specifier)
            refusal = explain(demand, files, provider.selector, asked=provider.asked_of(item.name))
            return SelectionError(
                f"{refusal.message}\n{reasons}",
                subject=item.name,
                rejections=refusal.rejections,
                hint=refusal.hint or "check the name, or give an index that has it",
            )
    return BuildError(
        f"the build requirements cannot be met together:\n{reasons}",
        subject=", ".join(names),
        hint="--build-constraints may exclude a version that does not fit",
    )
