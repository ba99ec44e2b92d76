"""Find a candidate for every name that the inputs ask for: which indexes are asked, in which order, all names at once.

What is installed already and meets its demand asks nobody. How files are judged is ``select``'s business.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_envsync.distributions import Candidate, File
from pytest_envsync.errors import SelectionError
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import IndexSource, Requirements, normalize_name
from pytest_envsync.target import Target
from pytest_envsync.versions import canonical_version, meets, pinned_version
from pytest_envsync.wheels.choice.demand import Demand, MissingHashError, merge_requirements
from pytest_envsync.wheels.choice.refusals import explain
from pytest_envsync.wheels.choice.select import SelectionPolicy, Selector, digest_match, is_active, selection_policy
from pytest_envsync.wheels.index.indexes import Index, ambiguous_paths, index_rules
from pytest_envsync.wheels.index.project_files import BEST_MATCH, FIRST_INDEX, ProjectFiles
from pytest_envsync.wheels.index.simple import Page

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from pytest_envsync.narration import Reporter
    from pytest_envsync.wheels.index.client import Client


def find_candidates(
    requirements: Requirements,
    *,
    options: SyncOptions,
    target: Target,
    client: Callable[[], Client],
    pool: Callable[[], Executor],
    installed: Mapping[str, str] | None = None,
    reporter: Reporter | None = None,
    warnings: list[str] | None = None,
    known: Callable[[Demand], Candidate | None] = lambda _: None,
) -> tuple[Candidate, ...]:
    """Return one candidate for each name that is wanted on *target*, sorted by name.

    *client* and *pool* are called when the first page is needed. *installed* maps names to versions of what may stay
    if its version is right; a candidate that it meets has that version and no file. Yanked files that a pin forces are
    told in *warnings*. *known* gives the candidate for what need not be asked for.

    Raises InputError for what contradicts the hash policy, SelectionError for what contradicts itself or fits no
    file, FetchError when a server does not do its part. Of several errors the first by name is raised.
    """
    if reporter is not None:
        for text in ambiguous_paths(options):
            reporter.warn(f"`{text}` is taken for a path, not for the name of an index: write `./{text}`")
    selector = Selector(target, selection_for(requirements, options))
    markers: dict[str | None, bool] = {}

    def holds(marker: str | None) -> bool:
        if marker not in markers:
            markers[marker] = is_active(marker, target)
        return markers[marker]

    places = ProjectFiles(
        requirements, options=options, client=client, sys_platform=target.markers.get("sys_platform", "")
    )  # fmt: skip
    try:
        demands = merge_requirements(requirements, is_active=holds, policy=selector.policy.hashes)
    except MissingHashError as error:
        raise _with_lines_to_paste(error, selector, places, client, pool) from None
    if not requirements.is_pylock:
        places.check_listings()
    found: list[Candidate] = _pinned(requirements, selector)
    wanted: list[Demand] = []
    staying = _staying(installed or {}, options)
    for demand in demands:
        version = staying.get(demand.name or "")
        if demand.is_direct:
            found.append(_direct(demand, selector))
        elif version is not None and meets(demand.specifier, version):
            found.append(_installed(demand, version))
        elif (candidate := known(demand)) is not None:
            found.append(candidate)
        else:
            wanted.append(demand)
    if wanted:
        found += _at_once(sorted(wanted, key=lambda demand: demand.name or ""), selector, places, pool())
    found.sort(key=lambda candidate: candidate.name)
    _warn_of_yanked(found, warnings)
    return tuple(found)


def selection_for(requirements: Requirements, options: SyncOptions) -> SelectionPolicy:
    """Return what selections obey, with the cut-offs of ``--exclude-newer`` as of now. Raises UsageError."""
    rules = {address: rule for address, rule in index_rules(requirements, options).items() if rule.exclude_newer}
    if options.exclude_newer is None and not options.exclude_newer_package and not rules:
        return selection_policy(requirements, options)
    from datetime import datetime, timezone

    from pytest_envsync.wheels.choice.cutoff import parse_cutoff

    now = datetime.now(tz=timezone.utc)
    cutoffs = {}
    for item in options.exclude_newer_package:
        name, _, value = item.partition("=")
        cutoffs[normalize_name(name.strip())] = parse_cutoff(value, now=now)
    cutoff = parse_cutoff(options.exclude_newer, now=now) if options.exclude_newer is not None else None
    of_indexes = {address: parse_cutoff(rule.exclude_newer, now=now) for address, rule in rules.items()}
    return selection_policy(requirements, options, cutoff=cutoff, cutoffs=cutoffs, index_cutoffs=of_indexes)


def _with_lines_to_paste(
    error: MissingHashError,
    selector: Selector,
    places: ProjectFiles,
    client: Callable[[], Client],
    pool: Callable[[], Executor],
) -> MissingHashError:
    from pytest_envsync.wheels.missing_hashes import with_lines_to_paste

    def version_of(demand: Demand) -> str | None:
        return find_candidate(demand, selector, places).version

    return with_lines_to_paste(error, version_of=version_of, places=places, client=client, pool=pool)


def _pinned(requirements: Requirements, selector: Selector) -> list[Candidate]:
    if not requirements.pins:
        return []
    from pytest_envsync.wheels.choice.pins import choose_pin

    return [choose_pin(package, selector) for package in requirements.pins]


def _direct(demand: Demand, selector: Selector) -> Candidate:
    from pytest_envsync.wheels.choice.direct import direct_candidate

    return direct_candidate(demand, selector)


def _staying(installed: Mapping[str, str], options: SyncOptions) -> Mapping[str, str]:
    """Return what may stay: nothing that is to be installed again."""
    if options.reinstall:
        return {}
    again = set(map(normalize_name, options.reinstall_package))
    return {name: version for name, version in installed.items() if name not in again} if again else installed


def _installed(demand: Demand, version: str) -> Candidate:
    return Candidate(
        name=demand.name or "",
        version=version,
        kind="wheel",
        requested=demand.source,
        digests=demand.digests,
        origin=demand.origin,
    )


def _at_once(demands: Sequence[Demand], selector: Selector, places: ProjectFiles, pool: Executor) -> list[Candidate]:
    """Ask for all demands in parallel; what came out is gathered in their order."""
    from concurrent.futures import FIRST_EXCEPTION, wait

    futures = [pool.submit(_outcome, demand, selector, places) for demand in demands]
    done, pending = wait(futures, return_when=FIRST_EXCEPTION)
    for future in pending:
        # A server that is down is down for the other names as well.
        future.cancel()
    outcomes = [future.result() for future in futures if future in done]
    failed = [outcome for outcome in outcomes if isinstance(outcome, SelectionError)]
    if failed:
        raise _with_others(failed)
    return [outcome for outcome in outcomes if isinstance(outcome, Candidate)]


def _outcome(demand: Demand, selector: Selector, places: ProjectFiles) -> Candidate | SelectionError:
    try:
        return find_candidate(demand, selector, places)
    except SelectionError as error:
        return error


def _with_others(errors: Sequence[SelectionError]) -> SelectionError:
    first = errors[0]
    if len(errors) > 1:
        others = ", ".join(f"`{error.subject}`" for error in errors[1:6])
        more = f" and {len(errors) - 6} more" if len(errors) > 6 else ""
        first.hint = "\n".join(filter(None, [first.hint, f"nothing was found for {others}{more} either"]))
    return first


def _warn_of_yanked(found: Sequence[Candidate], warnings: list[str] | None) -> None:
    if warnings is not None:
        warnings += [_yanked_warning(candidate) for candidate in found if _is_yanked(candidate)]


def _is_yanked(candidate: Candidate) -> bool:
    return candidate.file is not None and candidate.file.yanked is not None


def _yanked_warning(candidate: Candidate) -> str:
    reason = candidate.file.yanked if candidate.file is not None else None
    return f"`{candidate.name}=={candidate.version}` is yanked" + (f' (reason: "{reason}")' if reason else "")


def find_candidate(demand: Demand, selector: Selector, places: ProjectFiles) -> Candidate:
    """Return the candidate for *demand*, a project on an index, by the index strategy.

    Raises SelectionError when nothing fits, FetchError when an index does not do its part.
    """
    name = demand.name or ""
    reference = demand.source.index if isinstance(demand.source, IndexSource) else None
    indexes = places.indexes_for(name, reference)
    linked = places.linked(name) if reference is None else ()
    pages: list[tuple[Index, Page]] = []
    contradicted: Candidate | None = None
    for index in indexes:
        page = places.page(index, name)
        if page is None:
            continue
        pages.append((index, page))
        if places.strategy == BEST_MATCH:
            continue
        chosen = selector.choose(demand, (*linked, *_files(page, demand)))
        if chosen is not None and not _is_contradicted(chosen):
            return chosen
        contradicted = contradicted or chosen
        # Asking on could install what somebody else put under that name, unless a hash says what it is.
        if places.strategy == FIRST_INDEX and not demand.digests:
            break
    if contradicted is not None:
        return contradicted
    chosen = None
    if not pages or places.strategy == BEST_MATCH:
        found = [file for _, page in pages for file in _files(page, demand)]
        chosen = selector.choose(demand, [*linked, *found])
    if chosen is None:
        files = [*linked, *(file for _, page in pages for file in page.files())]
        asked_last = pages[-1][0] if pages and pages[-1][0] != indexes[-1] else None
        raise explain(
            demand, files, selector, asked=places.places(indexes), hints=_hints_about(demand, places, asked_last)
        )
    return chosen


def _files(page: Page, demand: Demand) -> tuple[File, ...]:
    """Return the files of *page* that may meet *demand*: those of its version when it pins one."""
    pin = pinned_version(demand.specifier)
    version = canonical_version(pin) if pin is not None else None
    return page.files_of(version) if version is not None else page.files()


def _is_contradicted(candidate: Candidate) -> bool:
    return candidate.file is not None and digest_match(candidate.file.digests, candidate.digests) == 0


def _hints_about(demand: Demand, places: ProjectFiles, stopped_at: Index | None) -> Iterator[str]:
    if places.is_offline:
        yield "the network was disabled, so only what the cache has was looked at (--offline)"
    if places.is_without_indexes:
        yield "--no-index: only find-links locations were looked at"
    if stopped_at is not None and places.strategy == FIRST_INDEX:
        yield (
            f"{stopped_at} knows `{demand.name}`, so the indexes behind it were not asked;"
            " --index-strategy unsafe-best-match asks all, and trusts all"
        )
