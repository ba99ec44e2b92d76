"""Build wheels from sdists and source trees: in isolation, once, and keep them.

A built wheel is kept by what it was made of: the source's identity, the config settings, the interpreter, editable or
not. The environment of a build is a sync of its own, which stands on a higher floor; ``BuildEnvironments`` is what
this floor needs of it. What a build needs may have to be built as well: that is done before any lock is held, and
the chain of names tells a circle.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_envsync.cache import exclusive, lock_timeout
from pytest_envsync.direct_url import url_path
from pytest_envsync.errors import BuildError, EnvsyncError
from pytest_envsync.requirements import DirectorySource, SpecifiedRequirement, VcsSource, normalize_name
from pytest_envsync.values import NamedTuple
from pytest_envsync.wheels.build.answers import read_answer, write_answer
from pytest_envsync.wheels.build.backend import Backend, read_build_system
from pytest_envsync.wheels.build.checking import checked
from pytest_envsync.wheels.build.git import Repositories
from pytest_envsync.wheels.build.processes import CalledOff, Processes
from pytest_envsync.wheels.build.settings import (
    backend_environ,
    build_jobs,
    build_settings,
    build_timeout,
    config_settings,
    extra_requirements,
    extra_variables,
    matched,
)
from pytest_envsync.wheels.build.source_tree import Workplace, unnamed_candidate
from pytest_envsync.wheels.build.static import SourceMetadata, read_metadata, static_metadata
from pytest_envsync.wheels.build.turns import Turns

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate, StoredWheel
    from pytest_envsync.narration import Reporter
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.build.archives import Archives
    from pytest_envsync.wheels.store.store import Store

_LOGS_KEPT = 14 * 86400.0  # seconds; the log of a failure is read soon or never


class BuildEnvironment(NamedTuple):
    """An interpreter that can import a backend, and the variables to run it with."""

    python: str
    environ: Mapping[str, str]


class BuildEnvironments(Protocol):
    """Makes the environments that builds run in."""

    def provide(self, requires: Sequence[str], *, chain: tuple[str, ...]) -> BuildEnvironment:
        """Return an environment that holds *requires* (PEP 508 texts) with all they depend on.

        *chain* holds the names being built, outermost first. Raises EnvsyncError.
        """


class Builder:
    """Builds what candidates of the kinds ``sdist`` and ``tree`` stand for, for one target.

    Thread-safe. *logs* is the directory that keeps the output of builds that fail. ``close`` ends what still runs.
    """

    def __init__(
        self,
        *,
        store: Store,
        target: Target,
        options: SyncOptions,
        environ: Mapping[str, str],
        cache_dir: Path,
        logs: Path,
        environments: BuildEnvironments,
        archives: Archives,
        processes: Processes,
        reporter: Reporter,
    ) -> None:
        self.store = store
        self.target = target
        self.options = options
        self.environ = environ
        self.cache_dir = cache_dir
        self.logs = logs
        self.environments = environments
        self.archives = archives
        self.reporter = reporter
        self.chain: tuple[str, ...] = ()
        self.shared: BuildEnvironment | None = None
        """Where builds without isolation run; None: in the target as it is."""
        self.installed: Mapping[str, str] | None = None
        """What the same sync installs, name to requirement; None while that is not settled."""
        self.processes = processes
        self.repositories = Repositories(cache_dir, environ, processes=processes, offline=options.offline)
        self._extra: dict[tuple[str, bool], tuple[str, ...]] = {}
        self._done: set[str] = set()
        self._turns = Turns()
        self._slots = threading.BoundedSemaphore(build_jobs(environ))

    def within(self, chain: tuple[str, ...]) -> Builder:
        """Return the same builder for what the builds of *chain* need."""
        inner = copy(self)
        inner.chain = chain
        return inner

    def close(self) -> None:
        """End every backend and every git that runs; nothing is started any more."""
        self.processes.end()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, so that it builds nothing any more."""
        return self.processes.is_ended

    def __call__(self, candidate: Candidate) -> tuple[StoredWheel, bool]:
        """Return the wheel of *candidate*, and whether it was built now.

        Raises BuildError, FetchError, HashMismatch, WheelError, InputError for a directory that is not there.
        """
        with self._workplace(candidate) as workplace:
            key = f"built:{self._key(workplace)}"
            again = self._is_built_again(workplace, key)
            if not again and (known := self._kept(key)) is not None:
                return checked(known, workplace), key in self._done
            if not candidate.may_build:
                raise BuildError(
                    f"`{workplace.subject}` would have to be built, which --no-build or --only-binary refuses",
                    subject=candidate.name,
                    hint=f"take `{candidate.name}` out of --only-binary, drop --no-build, or name a wheel of it",
                )
            self._check_circle(workplace)
            with self._own_turn(key, workplace):
                # Another thread may have built it while this one waited.
                again = again and key not in self._done
                if not again and (known := self._kept(key)) is not None:
                    return checked(known, workplace), False
                return self._built(workplace, key, again=again)

    def _built(self, workplace: Workplace, key: str, *, again: bool) -> tuple[StoredWheel, bool]:
        self.reporter.building(workplace.subject)
        with self.store.hold(), self._logged(workplace) as log:
            backend = self._backend(workplace, log)
            with self._turn_of(key, f"building {workplace.candidate.name}"):
                # Another process may have built it while this one waited.
                known = None if again else self._kept(key)
                wheel = checked(known or self._build(backend, workplace), workplace)
                self.store.remember(key, wheel.sha256)
                self._done.add(key)
        if known is None:
            self.reporter.built(workplace.subject)
        return wheel, known is None

    def name_of(self, requirement: SpecifiedRequirement) -> str:
        """Return the normalised name of a source that was given without one.

        Static metadata tells it where there is any; else the backend is asked. Raises as a build does.
        """
        candidate = unnamed_candidate(requirement.source, requirement.digests)
        return normalize_name(self.metadata(candidate, name_only=True).name)

    def metadata(self, candidate: Candidate, *, name_only: bool = False) -> SourceMetadata:
        """Return name, version and dependencies of a source, from static metadata or else from its backend.

        What a backend said is kept as a wheel would be. Raises as a build does.
        """
        with self._workplace(candidate) as workplace:
            key = self._key(workplace)
            place = self.cache_dir / "metadata" / key[:2] / f"{key}.json"
            said = read_answer(place)
            if said is not None and (name_only or said.is_complete):
                return said
            is_release = candidate.kind == "sdist"
            found = static_metadata(workplace.tree(), is_release=is_release)
            is_enough = found is not None and (name_only or found.is_complete)
            if found is not None and is_enough:
                if is_release:
                    write_answer(place, found)
                return found
            return self._asked_metadata(workplace, normalize_name(found.name) if found is not None else "", place)

    def _asked_metadata(self, workplace: Workplace, name: str, place: Path) -> SourceMetadata:
        """Have the backend make the metadata, and keep them at *place*; *name* is that of the project, if known."""
        refused = {*self.options.only_binary, *((":all:",) if self.options.no_build else ())}
        if not workplace.editable and (":all:" in refused or name in set(map(normalize_name, refused))):
            raise BuildError(
                f"the metadata of `{workplace.subject}` would have to be built,"
                " which --no-build or --only-binary refuses",
                subject=workplace.subject,
                hint="give a wheel of it, or drop --no-build",
            )
        settings = config_settings(self.options, name)
        self._check_circle(workplace)
        with self._own_turn(place.stem, workplace):
            # Another thread may have asked while this one waited.
            found = read_answer(place)
            if found is not None and found.is_complete:
                return found
            with self.store.hold(), self._logged(workplace) as log:
                backend = self._backend(workplace, log)
                with self._turn_of(place.stem, f"asking {workplace.subject}"):
                    # Another process may have.
                    found = read_answer(place)
                    if found is None or not found.is_complete:
                        found = self._made_metadata(backend, workplace, settings)
                        write_answer(place, found)
                    return found

    def _made_metadata(self, backend: Backend, workplace: Workplace, settings: Mapping[str, Any]) -> SourceMetadata:
        editable = workplace.editable
        dist_info = backend.metadata(workplace.directory("metadata"), editable=editable, settings=settings)
        if dist_info is not None:
            return read_metadata(dist_info, workplace.subject)
        self.reporter.building(workplace.subject)
        wheel = backend.build(workplace.directory("wheel"), editable=editable, settings=settings)
        stored = self.store.add(wheel, filename=wheel.name, built=True)
        self.reporter.built(workplace.subject)
        if settings == config_settings(self.options, workplace.candidate.name):
            # It is what a build of the same source would come to.
            key = f"built:{self._key(workplace)}"
            self.store.remember(key, stored.sha256)
            self._done.add(key)
        return SourceMetadata(stored.name, stored.version, stored.requires_dist)

    def _workplace(self, candidate: Candidate) -> Workplace:
        return Workplace(
            candidate,
            store=self.store,
            repositories=self.repositories,
            archives=self.archives,
            environ=self.environ,
        )

    def _key(self, workplace: Workplace) -> str:
        question = [
            workplace.identity(),
            workplace.editable,
            self.target.fingerprint,
            build_settings(self.options, workplace.candidate.name),
            self._more(workplace.candidate.name),
        ]
        return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()

    def _kept(self, key: str) -> StoredWheel | None:
        sha256 = self.store.find(key)
        wheel = None if sha256 is None else self.store.get(sha256)
        return wheel if wheel is not None and self._fits(wheel) else None

    def _fits(self, wheel: StoredWheel) -> bool:
        return not frozenset(self.target.tags).isdisjoint(wheel.tags)

    def _is_built_again(self, workplace: Workplace, key: str) -> bool:
        """Whether ``--reinstall`` or ``--refresh`` means that it is built though its wheel is kept.

        A commit and a local archive stay what they are, and what a build needs is not what was asked for.
        """
        source, file, given = workplace.source, workplace.candidate.file, self.options
        is_fetched = not isinstance(source, VcsSource) and file is not None and url_path(file.url) is None
        if key in self._done or not (isinstance(source, DirectorySource) or (is_fetched and not self.chain)):
            return False
        named = set(map(normalize_name, (*given.refresh_package, *given.reinstall_package)))
        return given.refresh or given.reinstall or workplace.candidate.name in named

    def _build(self, backend: Backend, workplace: Workplace) -> StoredWheel:
        archive = backend.build(
            workplace.directory("wheel"),
            editable=workplace.editable,
            settings=config_settings(self.options, workplace.candidate.name),
        )
        wheel = self.store.add(archive, filename=archive.name, built=True)
        if not self._fits(wheel):
            raise BuildError(
                f"the backend of `{workplace.subject}` built `{wheel.filename}`, which does not fit the target"
                f" ({self.target.tags[0]})",
                subject=workplace.candidate.name,
                hint="a build makes wheels for this machine only; look for a wheel for the target",
            )
        return wheel

    def _backend(self, workplace: Workplace, log: Path) -> Backend:
        """Return the backend of the tree in an environment that holds all it wants. Nothing is locked meanwhile."""
        self._check_circle(workplace)
        tree, subject = workplace.tree(), workplace.subject
        name = workplace.candidate.name or subject
        system = read_build_system(tree, subject)

        def backend_in(environment: BuildEnvironment) -> Backend:
            return Backend(
                tree,
                system,
                subject=subject,
                python=environment.python,
                environ={**environment.environ, **extra_variables(self.options, workplace.candidate.name)},
                log=log,
                timeout=build_timeout(self.environ),
                processes=self.processes,
                turn=lambda: self._turn_in(workplace),
            )

        if self.is_shared(workplace.candidate.name):
            here = BuildEnvironment(self.target.python, backend_environ(self.environ, self.target.python))
            return backend_in(self.shared or here)
        requires = [*system.requires, *self._more(workplace.candidate.name)]
        backend = backend_in(self._environment(requires, name, subject))
        settings = config_settings(self.options, workplace.candidate.name)
        more = backend.requires(editable=workplace.editable, settings=settings)
        new = [item for item in more if item not in system.requires]
        return backend_in(self._environment([*requires, *new], name, subject)) if new else backend

    def _check_circle(self, workplace: Workplace) -> None:
        """Raise BuildError when a build of it is what this build is for."""
        name = workplace.candidate.name or workplace.subject
        if name in self.chain:
            circle = " -> ".join([*self.chain[self.chain.index(name) :], name])
            raise BuildError(
                f"building `{name}` needs `{name}` itself: {circle}",
                subject=name,
                hint="a wheel of one of them breaks the circle: drop --no-binary for it, or give one with --find-links",
            )

    def _more(self, name: str) -> list[str]:
        """Return what the settings let a build of *name* need beside what it says."""
        texts = extra_requirements(self.options, name)
        return [text for text in texts if text[0] != ":"] if self.installed is None else matched(texts, self.installed)

    def _environment(self, requires: Sequence[str], name: str, subject: str) -> BuildEnvironment:
        try:
            return self.environments.provide(requires, chain=(*self.chain, name))
        except EnvsyncError as error:
            error.message += f"\n  needed to build `{subject}`"
            raise

    def is_shared(self, name: str) -> bool:
        """Whether *name* is built without isolation."""
        shared = {normalize_name(item) for item in self.options.no_build_isolation_package}
        return self.options.no_build_isolation or name in shared

    def _own_turn(self, key: str, workplace: Workplace) -> AbstractContextManager[None]:
        """Wait until no other thread of this process is at *key*."""
        name = workplace.candidate.name or workplace.subject
        return self._turns.turn(key, name, chain=self.chain, check=self.processes.check)

    def _turn_of(self, key: str, doing: str) -> AbstractContextManager[object]:
        return self._locked(f"build-{hashlib.sha256(key.encode()).hexdigest()[:24]}", doing)

    @contextmanager
    def _turn_in(self, workplace: Workplace) -> Iterator[None]:
        """Wait for one of the slots; of a directory also until no other backend works in it."""
        if not isinstance(workplace.source, DirectorySource):
            with self._slots:
                yield
            return
        path = str(workplace.tree().resolve())
        lock = f"tree-{hashlib.sha256(path.encode()).hexdigest()[:24]}"
        with self._locked(lock, f"building in {path}"), self._slots:
            yield

    def _locked(self, name: str, doing: str) -> AbstractContextManager[object]:
        def waiting(holder: str, seconds: float) -> None:
            self.processes.check()
            if round(seconds) % 10 == 1 and holder != str(os.getpid()):  # of another thread there is more to see
                self.reporter.note(f"waiting for process {holder or '?'} {doing} ({seconds:.0f} s)")

        # A build may take longer than other holders of locks.
        timeout = max(lock_timeout(self.environ), build_timeout(self.environ))
        return exclusive(self.cache_dir / "locks" / f"{name}.lock", timeout=timeout, waiting=waiting)

    @contextmanager
    def _logged(self, workplace: Workplace) -> Iterator[Path]:
        """Give the file that takes the output of a build; it stays when the build fails."""
        import time

        with suppress(OSError):
            for old in self.logs.glob("*.log"):
                if time.time() - old.stat().st_mtime > _LOGS_KEPT:
                    old.unlink()
        name = workplace.candidate.name or "unnamed"
        log = self.logs / f"build-{name}-{os.getpid()}-{threading.get_ident() % 1_000_000}-{os.urandom(2).hex()}.log"
        try:
            yield log
        except CalledOff:
            log.unlink(missing_ok=True)  # it tells of nothing that went wrong
            raise
        log.unlink(missing_ok=True)
