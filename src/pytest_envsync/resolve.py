"""From files to candidates, and from candidates to wheels in the store.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_envsync.addresses import is_url
from pytest_envsync.build_additions import installed_requirements, stated_python, with_matches
from pytest_envsync.build_constraints import check_build_limit, read_build_constraints
from pytest_envsync.distributions import PreparedWheel
from pytest_envsync.errors import EnvsyncError, InputError, SizeMismatch
from pytest_envsync.hashes import HashPolicy
from pytest_envsync.input_files import read_input_files
from pytest_envsync.memo import Resolution, is_repeatable, local_stats, recall, remember, resolution_key
from pytest_envsync.plan import settings_of
from pytest_envsync.requirements import DirectorySource, normalize_name
from pytest_envsync.sources import build_settings, name_sources, settle_source, settle_sources
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate, InstalledDistribution
    from pytest_envsync.engine import Engine
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.requirements import Requirements
    from pytest_envsync.target import Target


def resolve(
    files: Sequence[str],
    *,
    options: SyncOptions,
    target: Target,
    engine: Engine,
    installed: Sequence[InstalledDistribution] | None = None,
) -> Resolution:
    """Read *files* and settle what they ask for on *target*.

    A remembered resolution parses nothing and asks no index. *installed* are the distributions of
    the environment at hand: one that meets a requirement needs no file and no index. None
    stands for a cached environment, for which each candidate gets its file.

    Raises InputError, SelectionError, FetchError, UsageError.
    """
    check_build_limit(engine.environ)
    places = () if engine.root == engine.cwd else (f"root {engine.root}",)
    key = resolution_key(files, options, target, engine.cwd, switches=(*engine.switches, *places))
    if not (options.refresh or options.refresh_package or options.reinstall or options.reinstall_package):
        trusts = not options.verify_files
        remembered = recall(engine.cache_root, key, engine.environ, trusts_stamps=trusts)
        # Of what stays as it is installed the store need not have the wheel.
        if remembered is not None and (
            installed is not None or all(engine.store.get(sha256) for sha256 in remembered.digests.values())
        ):
            for warning in remembered.warnings:
                engine.reporter.warn(warning)
            return remembered
    requirements = read_input_files(files, options=options, target=target, ground=engine)
    if options.build_constraints:
        # Whether anything is built or not: a mistake in them is one of the input.
        constraints = read_build_constraints(options, target=target, engine=engine)
        requirements = replace(requirements, files=(*requirements.files, *constraints.files))
    for warning in requirements.warnings:
        engine.reporter.warn(warning)
    _check_local_indexes(requirements)
    if is_empty(requirements):
        return Resolution(
            is_empty=True, is_pylock=requirements.is_pylock, inputs=requirements.files, warnings=requirements.warnings
        )
    return _find(requirements, key, options=options, target=target, engine=engine, installed=installed)


def is_empty(requirements: Requirements) -> bool:
    """Whether the inputs ask for nothing at all; markers and groups do not count."""
    return not (requirements.entries or requirements.trees or requirements.has_project or requirements.is_pylock)


def asks_for_nothing(files: Sequence[str], *, options: SyncOptions, engine: Engine) -> Target | None:
    """Return a target to speak of when *files* ask for nothing, and that does not clear an environment; else None.

    What the files are warned of is told.
    """
    if options.allow_empty_requirements:
        return None
    from pytest_envsync.environment.interpreter import base_of_running

    target = base_of_running(engine.cache_root)
    try:
        requirements = read_input_files(files, options=options, target=target, ground=engine)
    except EnvsyncError:
        return None
    if not is_empty(requirements):
        return None
    for warning in requirements.warnings:
        engine.reporter.warn(warning)
    return target


def _check_local_indexes(requirements: Requirements) -> None:
    """Raise InputError for the path of an index that inputs name and that is not there."""
    for place in (requirements.index_url, *requirements.extra_index_urls):
        if place is not None and not is_url(place) and not os.path.exists(place):
            raise InputError(
                f"`{place}` is no index: it is neither an address nor a directory that exists",
                hint="a relative path starts at the working directory, in a session at its root directory",
            )


def _find(
    requirements: Requirements,
    key: str,
    *,
    options: SyncOptions,
    target: Target,
    engine: Engine,
    installed: Sequence[InstalledDistribution] | None,
) -> Resolution:
    from pytest_envsync.asked_extras import asked_extras
    from pytest_envsync.wheels.finder import find_candidates
    from pytest_envsync.wheels.store.known_pins import KnownPins, pin_question

    requirements = name_sources(requirements, target=target, engine=engine)
    late: list[str] = []
    question = resolution_key((), options, target, "", switches=engine.switches)
    pins = KnownPins(engine.store, pin_question(question, requirements, options))
    listings = (*options.find_links, *requirements.find_links)
    listed = local_stats((), listings)
    candidates = find_candidates(
        requirements,
        options=options,
        target=target,
        client=lambda: engine.client,
        pool=lambda: engine.pool,
        installed=None if installed is None else _usable(installed, options=options, target=target),
        reporter=engine.reporter,
        warnings=late,
        known=pins.find,
    )
    _check_trees(candidates, is_locked=requirements.is_pylock, options=options, target=target)
    candidates = with_matches(settle_sources(candidates, options=options, target=target, engine=engine), options)
    stats = local_stats(candidates, listings)
    return Resolution(
        candidates=candidates,
        is_pylock=requirements.is_pylock,
        warnings=requirements.warnings,
        late=tuple(late),
        extras=asked_extras(requirements, target),
        inputs=requirements.files,
        variables=requirements.variables,
        require_hashes=requirements.require_hashes,
        # Of a directory that changed meanwhile nobody knows what was seen.
        repeatable=is_repeatable(requirements, candidates, options) and set(listed) <= set(stats),
        key=key,
        stats=stats,
        digests=pins.digests,
        pin_keys=pins.keys,
    )


def _check_trees(candidates: Sequence[Candidate], *, is_locked: bool, options: SyncOptions, target: Target) -> None:
    """Raise an error for a source that cannot be what it is asked for; what a lockfile says of Pythons is its own.

    What ``dependency-metadata`` states stands in the place of what a directory says.
    """
    # Wheels are looked at where they are chosen, archives of a lockfile where they are read.
    kinds = {"tree"} if is_locked else {"tree", "sdist"}
    trees = [candidate for candidate in candidates if candidate.kind in kinds]
    if not trees:
        return
    from pytest_envsync.wheels.build.stated import check_tree

    python = None if is_locked else target.markers.get("python_full_version", target.version)
    for candidate in trees:
        if options.dependency_metadata and stated_python(candidate, options) is not None:
            continue
        with _lockfile_to_blame_for(candidate, is_locked=is_locked):
            check_tree(candidate, python=python)


@contextmanager
def _lockfile_to_blame_for(candidate: Candidate, *, is_locked: bool) -> Iterator[None]:
    """Let a place that a lockfile names and that is not there be a mistake of the input, as ``_lockfile_to_blame``."""
    try:
        yield
    except InputError as error:
        error.origin = error.origin or candidate.origin
        if is_locked:
            error.exit_status = 2
        raise


def resolve_project(path: str, *, editable: bool, options: SyncOptions, target: Target, engine: Engine) -> Resolution:
    """Settle the project at *path* (absolute) as a lock's line of its own would be, without its dependencies.

    It is what is tested: as a wheel it is fresh only while every file of its tree is as it was.
    Raises InputError for a directory that is not there, BuildError.
    """
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.requirements import Requirements, SpecifiedRequirement

    source = DirectorySource(path, editable=editable)
    line = SpecifiedRequirement(name=None, source=source, text=f"-e {path}" if editable else path)
    (named,) = name_sources(Requirements(entries=(line,)), target=target, engine=engine).entries
    candidate = Candidate(name=named.name or "", version=None, kind="tree", requested=source)
    settled = settle_source(candidate, options=options, target=target, engine=engine)
    if not editable:
        from pytest_envsync.environment.freshness import tree_cache_info

        settled = replace(settled, cache_info=tree_cache_info(path, engine.environ))
    return Resolution(candidates=(settled,))


def _usable(installed: Sequence[InstalledDistribution], *, options: SyncOptions, target: Target) -> dict[str, str]:
    """Return name to version of what may stay if its version is right."""
    tags = frozenset(target.tags)
    seen: dict[str, str] = {}
    twice: set[str] = set()
    for distribution in installed:
        if distribution.name in seen:
            twice.add(distribution.name)
        fits = not distribution.tags or not tags.isdisjoint(distribution.tags)
        built = distribution.build_info
        if fits and (built is None or settings_of(built) == settings_of(build_settings(distribution.name, options))):
            seen[distribution.name] = distribution.version
    return {name: version for name, version in seen.items() if name not in twice}


def prepare(
    resolution: Resolution,
    *,
    options: SyncOptions,
    target: Target,
    engine: Engine,
    names: Collection[str] | None = None,
    refetch: Callable[[Candidate], bool] = lambda _: False,
) -> dict[str, PreparedWheel]:
    """Bring the wheels of *resolution* (or only those of *names*) into the store.

    When the digest of every wheel is known afterwards, the resolution is remembered.
    Raises FetchError, HashMismatch, WheelError, BuildError, StoreError.
    """
    wanted = [c for c in resolution.candidates if names is None or c.name in names]
    ready: dict[str, PreparedWheel] = {}
    missing: list[Candidate] = []
    for candidate in wanted:
        digest = resolution.digests.get(candidate.name)
        wheel = engine.store.get(digest) if digest is not None and not refetch(candidate) else None
        if wheel is None:
            missing.append(candidate)
        else:
            ready[candidate.name] = PreparedWheel(candidate, wheel, fresh=False)
    if missing:
        if options.extra_build_dependencies:
            engine.builder(target).installed = installed_requirements(resolution.candidates)
        shared = [candidate for candidate in missing if _is_shared(candidate, options)]
        others = [candidate for candidate in missing if candidate not in shared]
        ready |= _prepared(others, resolution, options=options, target=target, engine=engine)
        if shared:
            from pytest_envsync.build_environments import stage_builds

            # An environment that is made anew holds nothing yet (names is None); another is there and stays as it is.
            over = None if names is None else target
            stage_builds(engine.builder(target), ready, engine=engine, over=over)
            ready |= _prepared(shared, resolution, options=options, target=target, engine=engine)
        if resolution.pin_keys:
            from pytest_envsync.wheels.store.known_pins import keep_pins

            keep_pins(engine.store, resolution.pin_keys, [ready[candidate.name] for candidate in missing])
    if not resolution.remembered:
        digests = {**resolution.digests, **{name: prepared.wheel.sha256 for name, prepared in ready.items()}}
        remember(engine.cache_root, replace(resolution, digests=digests))
    return dict(sorted(ready.items()))


def _is_shared(candidate: Candidate, options: SyncOptions) -> bool:
    """Whether *candidate* is built without isolation, with what else is about to be installed."""
    if candidate.kind == "wheel":
        return False
    return options.no_build_isolation or candidate.name in set(map(normalize_name, options.no_build_isolation_package))


def _prepared(
    candidates: Sequence[Candidate], resolution: Resolution, *, options: SyncOptions, target: Target, engine: Engine
) -> dict[str, PreparedWheel]:
    from pytest_envsync.wheels.build.settings import build_jobs
    from pytest_envsync.wheels.prepare import prepare_wheels

    # One for all threads: what is called off must be what they work with.
    builder = engine.builder(target) if any(candidate.kind != "wheel" for candidate in candidates) else None
    with _lockfile_to_blame(resolution):
        return prepare_wheels(
            candidates,
            store=engine.store,
            client=lambda: engine.client,
            pool=lambda: engine.pool,
            target=target,
            policy=_policy(resolution, options),
            progress=engine.reporter,
            builder=builder,
            builds=build_jobs(engine.environ),
            call_off=engine.end_builds,
            validate="zip" not in engine.unchecked,
            skip_filename_check="name" in engine.unchecked,
            refresh=options.refresh
            or options.reinstall
            or frozenset(map(normalize_name, (*options.refresh_package, *options.reinstall_package))),
        )


@contextmanager
def _lockfile_to_blame(resolution: Resolution) -> Iterator[None]:
    """Let a file that a lockfile names and that is not there be a mistake of the input, as the reference has it."""
    try:
        yield
    except SizeMismatch:
        raise  # it is there, and what another size means does not depend on whether the store has it already
    except InputError as error:
        # An sdist is only looked at when it is built.
        builds = [candidate.origin for candidate in resolution.candidates if candidate.kind == "sdist"]
        if resolution.is_pylock and error.origin not in builds:
            error.exit_status = 2
        raise


def _policy(resolution: Resolution, options: SyncOptions) -> HashPolicy:
    if options.require_hashes or resolution.require_hashes:
        return HashPolicy.REQUIRE
    return HashPolicy.VERIFY if options.verify_hashes else HashPolicy.NONE
