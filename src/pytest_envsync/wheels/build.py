"""Build wheels from sdists and source trees: in isolation, once, and keep them.

A built wheel is kept by what it was made of: the source's identity, the config settings, the
interpreter, editable or not. The environment of a build is a sync of its own, which stands on a higher
floor; ``BuildEnvironments`` is what this floor needs of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytest_envsync.addresses import masked
from pytest_envsync.cache import exclusive, lock_timeout
from pytest_envsync.errors import BuildError
from pytest_envsync.requirements import DirectorySource, Source, SpecifiedRequirement, normalize_name
from pytest_envsync.versions import canonical_version
from pytest_envsync.wheels.backend import Backend, Processes, config_settings, read_build_system
from pytest_envsync.wheels.git import Repositories
from pytest_envsync.wheels.source_tree import Fetch, Workplace
from pytest_envsync.wheels.static import StaticMetadata, static_metadata

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate, StoredWheel
    from pytest_envsync.narration import Reporter
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.store import Store

DEFAULT_TIMEOUT = 3600.0
"""Seconds that one hook may take: an hour is enough for the slowest extension modules that are built in CI."""


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
    """Builds what candidates of the kinds ``sdist`` and ``tree`` stand for.

    Thread-safe; at most *jobs* builds run at once. Call ``close`` to end what still runs.
    """

    def __init__(
        self,
        *,
        store: Store,
        target: Target,
        options: SyncOptions,
        environ: Mapping[str, str],
        cache_dir: Path,
        environments: BuildEnvironments,
        fetch: Fetch,
        reporter: Reporter,
    ) -> None:
        self.store = store
        self.target = target
        self.options = options
        self.environ = environ
        self.cache_dir = cache_dir
        self.environments = environments
        self.fetch = fetch
        self.reporter = reporter
        self.chain: tuple[str, ...] = ()
        self.repositories = Repositories(cache_dir, environ, offline=options.offline)
        self.processes = Processes()
        self.slots = threading.BoundedSemaphore(build_jobs(environ))

    def within(self, chain: tuple[str, ...]) -> Builder:
        """Return the same builder for what the builds of *chain* need."""
        inner = copy(self)
        inner.chain = chain
        return inner

    def close(self) -> None:
        """End every backend that runs."""
        self.processes.end()

    def __call__(self, candidate: Candidate) -> tuple[StoredWheel, bool]:
        """Return the wheel of *candidate*, and whether it was built now.

        Raises BuildError, FetchError, HashMismatch, WheelError.
        """
        with self._workplace(candidate.name, candidate.requested, candidate) as workplace:
            key = self._key(candidate.name, candidate, workplace.identity())
            lock = exclusive(
                self.cache_dir / "locks" / f"build-{key[:24]}.lock",
                timeout=lock_timeout(self.environ),
                waiting=lambda holder, waited: self.reporter.note(
                    f"waiting for process {holder} building {candidate.name} ({waited:.0f} s)"
                ),
            )
            with lock:
                known = None if self._is_refreshed(candidate.name) else self._kept(key)
                if known is not None:
                    return known, False
                wheel = self._build(candidate, workplace)
                self.store.remember(key, wheel.sha256)
                return wheel, True

    def kept(self, candidate: Candidate) -> StoredWheel | None:
        """Return the wheel of *candidate* if it was built before; nothing is built or fetched for it."""
        if candidate.kind != "tree" or not isinstance(candidate.requested, DirectorySource):
            return None
        with self._workplace(candidate.name, candidate.requested, candidate) as workplace:
            return self._kept(self._key(candidate.name, candidate, workplace.identity()))

    def identify(self, requirement: SpecifiedRequirement) -> tuple[str, str | None]:
        """Return normalised name and version of a source tree or sdist that was given without a name.

        Static metadata decides where it can; else the backend is asked. Raises as a build does.
        """
        metadata = self.metadata(requirement.text, requirement.source)
        return normalize_name(metadata.name), metadata.version

    def metadata(self, subject: str, source: Source) -> StaticMetadata:
        """Return name, version and dependencies of a source, from static metadata or else from its backend."""
        with self._workplace(masked(subject), source) as workplace:
            tree = workplace.tree()
            found = static_metadata(tree)
            if found is not None and found.requires_dist is not None:
                return found
            settings = config_settings(self.options, normalize_name(found.name) if found is not None else "")
            backend, editable = self._backend(workplace, tree), workplace.editable
            dist_info = backend.metadata(workplace.directory("metadata"), editable=editable, settings=settings)
            if dist_info is None:
                wheel = backend.build(workplace.directory("wheel"), editable=editable, settings=settings)
                stored = self.store.add(wheel, filename=wheel.name, built=True)
                return StaticMetadata(stored.name, stored.version, stored.requires_dist)
            return StaticMetadata.from_dist_info(dist_info, masked(subject))

    def _workplace(self, name: str, source: Source, candidate: Candidate | None = None) -> Workplace:
        return Workplace(
            name, source, candidate, cache_dir=self.cache_dir, repositories=self.repositories, fetch=self.fetch
        )

    def _key(self, name: str, candidate: Candidate, identity: Sequence[Any]) -> str:
        question = [
            list(identity),
            self.target.fingerprint,
            config_settings(self.options, name),
            self.options.build_constraints if not self.options.no_build_isolation else None,
            bool(isinstance(candidate.requested, DirectorySource) and candidate.requested.editable),
        ]
        return "built:" + hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).hexdigest()

    def _kept(self, key: str) -> StoredWheel | None:
        sha256 = self.store.find(key)
        wheel = None if sha256 is None else self.store.get(sha256)
        if wheel is None or frozenset(self.target.tags).isdisjoint(wheel.tags):
            return None
        return wheel

    def _is_refreshed(self, name: str) -> bool:
        return self.options.refresh or name in {normalize_name(item) for item in self.options.refresh_package}

    def _build(self, candidate: Candidate, workplace: Workplace) -> StoredWheel:
        subject = f"{candidate.name} @ {workplace.subject}" if workplace.subject != candidate.name else candidate.name
        tree = workplace.tree()
        self.reporter.building(subject)
        wheel = self._backend(workplace, tree).build(
            workplace.directory("wheel"),
            editable=workplace.editable,
            settings=config_settings(self.options, candidate.name),
        )
        stored = self.store.add(wheel, filename=wheel.name, built=True)
        if stored.name != candidate.name:
            raise BuildError(
                f"the backend of `{masked(candidate.name)}` built a wheel of another project, `{stored.name}`",
                subject=candidate.name,
            )
        wanted, got = canonical_version(candidate.version or stored.version), canonical_version(stored.version)
        if wanted != got:
            raise BuildError(
                f"the backend built `{stored.name}` {stored.version}, but {candidate.version} was asked for",
                subject=candidate.name,
            )
        self.reporter.built(subject)
        return stored

    def _backend(self, workplace: Workplace, tree: Path) -> Backend:
        """Return the backend of *tree* in an environment that holds all it wants."""
        name = workplace.name
        if name in self.chain:
            raise BuildError(
                f"building `{name}` needs `{name}` itself: {' -> '.join([*self.chain, name])}",
                subject=name,
                hint="a wheel of one of them on an index breaks the circle; --only-binary asks for it",
            )
        system = read_build_system(tree, workplace.subject)
        log = (
            self.cache_dir / "logs" / f"build-{name.replace('/', '_')[-60:]}-{os.getpid()}-{threading.get_ident()}.log"
        )
        log.unlink(missing_ok=True)

        def backend_in(environment: BuildEnvironment) -> Backend:
            return Backend(
                tree,
                system,
                subject=workplace.subject,
                python=environment.python,
                environ=environment.environ,
                log=log,
                timeout=build_timeout(self.environ),
                processes=self.processes,
                slots=self.slots,
            )

        if self._shares_environment(name):
            return backend_in(BuildEnvironment(self.target.python, backend_environ(self.environ, self.target.python)))
        chain = (*self.chain, name)
        backend = backend_in(self.environments.provide(system.requires, chain=chain))
        more = backend.requires(editable=workplace.editable, settings=config_settings(self.options, name))
        new = [item for item in more if item not in system.requires]
        if not new:
            return backend
        return backend_in(self.environments.provide([*system.requires, *new], chain=chain))

    def _shares_environment(self, name: str) -> bool:
        shared = {normalize_name(item) for item in self.options.no_build_isolation_package}
        return self.options.no_build_isolation or name in shared


def build_jobs(environ: Mapping[str, str]) -> int:
    """Return how many builds may run at once (``UV_CONCURRENT_BUILDS``; one for each core)."""
    text = environ.get("ENVSYNC_CONCURRENT_BUILDS") or environ.get("UV_CONCURRENT_BUILDS") or ""
    return int(text) if text.isdecimal() and int(text) > 0 else os.cpu_count() or 1


def build_timeout(environ: Mapping[str, str]) -> float:
    """Return the time limit of one hook in seconds (``ENVSYNC_BUILD_TIMEOUT``)."""
    try:
        return float(environ.get("ENVSYNC_BUILD_TIMEOUT") or DEFAULT_TIMEOUT)
    except ValueError:
        return DEFAULT_TIMEOUT


def backend_environ(environ: Mapping[str, str], python: str) -> dict[str, str]:
    """Return the variables for a backend that runs in *python*: its ``bin`` first on PATH, no other environment's."""
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "ENVSYNC_SESSION"}
    kept = {name: value for name, value in environ.items() if name not in dropped}
    place = Path(python).parent
    return {
        **kept,
        "PATH": os.pathsep.join(filter(None, [str(place), environ.get("PATH", "")])),
        "VIRTUAL_ENV": str(place.parent),
        "PYTHONNOUSERSITE": "1",
        "PYTHONIOENCODING": "utf-8",
    }
