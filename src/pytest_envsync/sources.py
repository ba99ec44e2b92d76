"""What stands behind sources: their names and versions, the commit of a branch, the state of a directory, now.

Files tell it where they can; else a server or a build backend is asked, all at once.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import file_path
from pytest_envsync.build_additions import stated_python
from pytest_envsync.errors import BuildError, FetchError, InputError, SelectionError
from pytest_envsync.requirements import ArchiveSource, DirectorySource, VcsSource, normalize_name
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.engine import Engine
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.requirements import Origin, ProjectTree, Requirements, SpecifiedRequirement
    from pytest_envsync.target import Target


def name_sources(requirements: Requirements, *, target: Target, engine: Engine) -> Requirements:
    """Return *requirements* with a name for every source tree, and with what dynamic projects depend on.

    File names and static metadata decide where they can; else the build backend is asked.
    """
    from pytest_envsync.markers import is_active

    if not requirements.trees and all(entry.name is not None for entry in requirements.entries):
        return requirements
    named = [
        replace(entry, name=entry.name or _archive_name(entry))
        for entry in requirements.entries
        if entry.name is not None or _archive_name(entry) is not None or is_active(entry.marker, target.markers)
    ]
    unknown = [entry for entry in named if entry.name is None]
    if unknown:
        builder = engine.builder(target)

        def name_of(entry: SpecifiedRequirement) -> str:
            with _blaming(entry.origin):
                return builder.name_of(entry)

        names = iter(_at_once(name_of, unknown, engine=engine))
        named = [replace(entry, name=entry.name or next(names)) for entry in named]
    entries: list[SpecifiedRequirement] = list(named)
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
    from pytest_envsync.wheels.build.source_tree import unnamed_candidate

    try:
        metadata = engine.builder(target).metadata(unnamed_candidate(DirectorySource(tree.path)))
    except (BuildError, SelectionError) as error:
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


@contextmanager
def _blaming(origin: Origin | None) -> Iterator[None]:
    try:
        yield
    except FetchError as error:
        error.asked_at(origin)
        raise


def settle_source(candidate: Candidate, *, options: SyncOptions, target: Target, engine: Engine) -> Candidate:
    """Return *candidate* with the commit of its git source, the state of its file or directory, and the settings
    of its build, as they are now.

    Raises SelectionError when its version is not the one that was asked for; InputError, FetchError, BuildError.
    """
    stated = stated_python(candidate, options) if options.dependency_metadata else None
    candidate = replace(candidate, build_info=_build_info(candidate, options), requires_python=stated)
    match candidate.requested:
        case VcsSource() as source:
            with _blaming(candidate.origin):
                commit = source.commit_id or engine.builder(target).repositories.resolve(source)
            large_files = engine.is_set("GIT_LFS") if source.large_files is None else source.large_files
            candidate = replace(candidate, requested=replace(source, commit_id=commit, large_files=large_files))
        case DirectorySource(path=path, subdirectory=subdirectory):
            from pytest_envsync.environment.freshness import directory_cache_info

            state = directory_cache_info(f"{path}/{subdirectory}" if subdirectory else path, engine.environ)
            candidate = replace(candidate, cache_info=state)
        case ArchiveSource(url=url) if url.startswith("file:"):
            from pytest_envsync.environment.freshness import archive_cache_info

            with suppress(OSError):  # what reads it says what is wrong with it
                candidate = replace(candidate, cache_info=archive_cache_info(file_path(url)))
    if candidate.specifier and candidate.kind != "wheel":
        candidate = _checked(candidate, target=target, engine=engine)
    return candidate


def settle_sources(
    candidates: Sequence[Candidate], *, options: SyncOptions, target: Target, engine: Engine
) -> tuple[Candidate, ...]:
    """Return *candidates* with what ``settle_source`` finds; those at once for which a server or a backend is asked."""

    def settle(candidate: Candidate) -> Candidate:
        return settle_source(candidate, options=options, target=target, engine=engine)

    slow = [candidate for candidate in candidates if _asks_somebody(candidate)]
    if slow:
        engine.builder(target)  # one for all threads
    asked = iter(_at_once(settle, slow, engine=engine))
    return tuple(next(asked) if _asks_somebody(candidate) else settle(candidate) for candidate in candidates)


def _asks_somebody(candidate: Candidate) -> bool:
    source = candidate.requested
    is_open = isinstance(source, VcsSource) and source.commit_id is None
    return is_open or bool(candidate.specifier and candidate.kind != "wheel")


def _at_once(act: Callable[[Any], Any], items: Sequence[Any], *, engine: Engine) -> list[Any]:
    """Return what *act* gives for each of *items*, on the threads of the pool. Raises the error of the first.

    One that failed ends the others; those have no error of their own.
    """
    if len(items) < 2:
        return [act(item) for item in items]
    from concurrent.futures import FIRST_EXCEPTION, wait

    from pytest_envsync.wheels.build.processes import CalledOff

    futures = [engine.pool.submit(act, item) for item in items]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        if not all(future.done() and future.exception() is None for future in futures):
            for future in futures:
                future.cancel()
            engine.end_builds()
            wait(futures)
    errors = [error for future in futures if not future.cancelled() and (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, CalledOff)):
        raise error
    return [future.result() for future in futures]


def _build_info(candidate: Candidate, options: SyncOptions) -> dict[str, Any] | None:
    """Return the settings that *candidate* would be built with, as they are noted; None for a wheel of an index.

    What is installed already and may stay has no file; it may have been built.
    """
    if candidate.kind == "wheel" and candidate.file is not None:
        return None
    return build_settings(candidate.name, options)


def build_settings(name: str, options: SyncOptions) -> dict[str, Any] | None:
    """Return the settings of a build of *name* as they are noted with what is installed; None without any."""
    given = (options.config_settings, options.config_settings_package)
    if not any((*given, options.extra_build_dependencies, options.extra_build_variables)):
        return None
    from pytest_envsync.wheels.build import settings as of_build

    return of_build.build_settings(options, name) or None


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
