"""From files to candidates, and from candidates to wheels in the store.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import file_path, is_url
from pytest_envsync.asked_extras import asked_extras
from pytest_envsync.errors import BuildError, EnvsyncError, InputError, SelectionError
from pytest_envsync.hashes import HashPolicy
from pytest_envsync.memo import Resolution, is_repeatable, local_stats, recall, remember, resolution_key
from pytest_envsync.plan import settings_of
from pytest_envsync.requirements import ArchiveSource, DirectorySource, VcsSource, normalize_name
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate, InstalledDistribution
    from pytest_envsync.engine import Engine
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.requirements import ProjectTree, Requirements, SpecifiedRequirement
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.prepare import PreparedWheel


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
    key = resolution_key(files, options, target, engine.cwd, unchecked=engine.unchecked)
    if not (options.refresh or options.refresh_package or options.reinstall or options.reinstall_package):
        remembered = recall(engine.cache_dir, key, engine.environ)
        if remembered is not None and all(engine.store.get(sha256) for sha256 in remembered.digests.values()):
            for warning in remembered.warnings:
                engine.reporter.warn(warning)
            return remembered
    from pytest_envsync.inputs.sources import read_requirements

    requirements = read_requirements(
        files, options=options, target=target, read=engine.read, cwd=engine.cwd, environ=engine.environ
    )
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
    return not (requirements.entries or requirements.trees or requirements.is_pylock)


def asks_for_nothing(files: Sequence[str], *, options: SyncOptions, engine: Engine) -> Target | None:
    """Return a target to speak of when *files* ask for nothing, and that does not clear an environment; else None.

    What the files are warned of is told.
    """
    if options.allow_empty_requirements:
        return None
    from pytest_envsync.environment.interpreter import base_of_running
    from pytest_envsync.inputs.sources import read_requirements

    target = base_of_running(engine.cache_dir)
    try:
        requirements = read_requirements(
            files, options=options, target=target, read=engine.read, cwd=engine.cwd, environ=engine.environ
        )
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
        if place is not None and not is_url(place) and not Path(place).exists():
            raise InputError(
                f"`{place}` is no index: it is neither an address nor a directory that exists",
                hint="a relative path starts at the working directory",
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
    from pytest_envsync.wheels.finder import find_candidates

    requirements = name_sources(requirements, target=target, engine=engine)
    late: list[str] = []
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
    )
    candidates = tuple(
        settle_source(candidate, options=options, target=target, engine=engine) for candidate in candidates
    )
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
    )


def name_sources(requirements: Requirements, *, target: Target, engine: Engine) -> Requirements:
    """Return *requirements* with a name for every source tree, and with what dynamic projects depend on.

    File names and static metadata decide where they can; else the build backend is asked.
    """
    from pytest_envsync.markers import is_active

    if not requirements.trees and all(entry.name is not None for entry in requirements.entries):
        return requirements
    entries: list[SpecifiedRequirement] = []
    for entry in requirements.entries:
        if entry.name is not None or _archive_name(entry) is not None:
            entries.append(replace(entry, name=entry.name or _archive_name(entry)))
        elif is_active(entry.marker, target.markers):
            entries.append(replace(entry, name=engine.builder(target).name_of(entry)))
    for tree in requirements.trees:
        entries += dependencies_of(tree, target=target, engine=engine)
    return replace(requirements, entries=tuple(entries), trees=())


def _archive_name(entry: SpecifiedRequirement) -> str | None:
    """Return the name that an archive's file name gives, if it gives but one."""
    from urllib.parse import unquote, urlsplit

    from pytest_envsync.filenames import projects_in

    if not isinstance(entry.source, ArchiveSource):
        return None
    names = projects_in(unquote(urlsplit(entry.source.url).path.rpartition("/")[2]))
    return names[0] if len(names) == 1 else None


def dependencies_of(tree: ProjectTree, *, target: Target, engine: Engine) -> Iterator[SpecifiedRequirement]:
    """Yield what *tree* depends on, as its build backend says; extras that were asked for count.

    Raises InputError for extras that it does not have, BuildError.
    """
    from packaging.requirements import Requirement

    from pytest_envsync.inputs.requirements_txt import parse_requirement
    from pytest_envsync.wheels.source_tree import unnamed_candidate

    try:
        metadata = engine.builder(target).metadata(unnamed_candidate(DirectorySource(tree.path)))
    except BuildError as error:
        error.exit_status = 2  # an input that cannot be read, as the reference has it
        raise
    provided = {normalize_name(extra): extra for extra in metadata.extras}
    unknown = [extra for extra in tree.extras if extra not in provided]
    if unknown and not tree.all_extras:
        raise InputError(
            f"Requested extra not found: {unknown[0]}",
            origin=tree.origin,
            hint=f"`{metadata.name}` has {', '.join(f'`{extra}`' for extra in sorted(provided)) or 'no extras'}",
        )
    extras = ["", *(provided if tree.all_extras else tree.extras)]
    for text in metadata.requires_dist or ():
        requirement = Requirement(text)
        if requirement.marker is not None:
            if not any(requirement.marker.evaluate({**target.markers, "extra": extra}) for extra in extras):
                continue
            requirement.marker = None
        yield parse_requirement(str(requirement), cwd=engine.cwd, environ=engine.environ, origin=tree.origin)


def settle_source(candidate: Candidate, *, options: SyncOptions, target: Target, engine: Engine) -> Candidate:
    """Return *candidate* with the commit of its git source, the state of its file or directory, and the settings
    of its build, as they are now.

    Raises SelectionError when its version is not the one that was asked for; InputError, FetchError, BuildError.
    """
    candidate = replace(candidate, build_info=_build_info(candidate, options))
    match candidate.requested:
        case VcsSource() as source if source.commit_id is None:
            commit = engine.builder(target).repositories.resolve(source)
            candidate = replace(candidate, requested=replace(source, commit_id=commit))
        case DirectorySource(path=path, subdirectory=subdirectory):
            from pytest_envsync.environment.freshness import directory_cache_info

            state = directory_cache_info(str(Path(path, subdirectory or "")), engine.environ)
            candidate = replace(candidate, cache_info=state)
        case ArchiveSource(url=url) if url.startswith("file:"):
            from pytest_envsync.environment.freshness import archive_cache_info

            with suppress(OSError):  # what reads it says what is wrong with it
                candidate = replace(candidate, cache_info=archive_cache_info(file_path(url)))
    if candidate.specifier and candidate.kind != "wheel":
        candidate = _checked(candidate, target=target, engine=engine)
    return candidate


def _build_info(candidate: Candidate, options: SyncOptions) -> dict[str, Any] | None:
    """Return the settings that *candidate* would be built with, as they are noted; None for a wheel of an index.

    What is installed already and may stay has no file; it may have been built.
    """
    if candidate.kind == "wheel" and candidate.file is not None:
        return None
    return _build_settings(candidate.name, options)


def _build_settings(name: str, options: SyncOptions) -> dict[str, Any] | None:
    if not (options.config_settings or options.config_settings_package):
        return None
    from pytest_envsync.wheels.build_settings import config_settings

    settings = config_settings(options, name)
    return {"config_settings": settings} if settings else None


def _checked(candidate: Candidate, *, target: Target, engine: Engine) -> Candidate:
    from pytest_envsync.versions import meets

    version = engine.builder(target).metadata(candidate).version or ""
    if meets(candidate.specifier, version):
        return replace(candidate, version=version)
    raise SelectionError(
        f"`{candidate.name}` has version {version}, but `{candidate.specifier}` is asked for",
        subject=candidate.name,
        origin=candidate.origin,
    )


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
        if fits and (built is None or settings_of(built) == settings_of(_build_settings(distribution.name, options))):
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
    from pytest_envsync.wheels.prepare import PreparedWheel

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
        shared = [candidate for candidate in missing if _is_shared(candidate, options)]
        others = [candidate for candidate in missing if candidate not in shared]
        ready |= _prepared(others, resolution, options=options, target=target, engine=engine)
        if shared:
            from pytest_envsync.build_environments import stage_builds

            # An environment that is made anew holds nothing yet (names is None); another is there and stays as it is.
            over = None if names is None else target
            stage_builds(engine.builder(target), ready, engine=engine, over=over)
            ready |= _prepared(shared, resolution, options=options, target=target, engine=engine)
        digests = {**resolution.digests, **{name: prepared.wheel.sha256 for name, prepared in ready.items()}}
        remember(engine.cache_dir, replace(resolution, digests=digests))
    return dict(sorted(ready.items()))


def _is_shared(candidate: Candidate, options: SyncOptions) -> bool:
    """Whether *candidate* is built without isolation, with what else is about to be installed."""
    if candidate.kind == "wheel":
        return False
    return options.no_build_isolation or candidate.name in set(map(normalize_name, options.no_build_isolation_package))


def _prepared(
    candidates: Sequence[Candidate], resolution: Resolution, *, options: SyncOptions, target: Target, engine: Engine
) -> dict[str, PreparedWheel]:
    from pytest_envsync.wheels.prepare import prepare_wheels

    return prepare_wheels(
        candidates,
        store=engine.store,
        client=lambda: engine.client,
        pool=lambda: engine.pool,
        target=target,
        policy=_policy(resolution, options),
        progress=engine.reporter,
        builder=lambda candidate: engine.builder(target)(candidate),  # noqa: PLW0108 - made only when something is built
        call_off=engine.end_builds,
        validate="zip" not in engine.unchecked,
        skip_filename_check="name" in engine.unchecked,
        refresh=options.refresh
        or options.reinstall
        or frozenset(map(normalize_name, (*options.refresh_package, *options.reinstall_package))),
    )  # fmt: skip


def _policy(resolution: Resolution, options: SyncOptions) -> HashPolicy:
    if options.require_hashes or resolution.require_hashes:
        return HashPolicy.REQUIRE
    return HashPolicy.VERIFY if options.verify_hashes else HashPolicy.NONE
