"""The environments that builds run in: synced by the engine itself, kept by what they hold.

The second build with the same backend installs nothing. An environment that a build has changed is not used
again: it is compared with its snapshot first, and made anew when it differs.

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
from typing import TYPE_CHECKING

from pytest_envsync.build_constraints import read_build_constraints
from pytest_envsync.cache import exclusive, lock_timeout
from pytest_envsync.errors import InputError
from pytest_envsync.hashes import HashPolicy
from pytest_envsync.plan import Plan
from pytest_envsync.requirements import IndexSource, Requirements
from pytest_envsync.values import replace
from pytest_envsync.versions import pinned_version
from pytest_envsync.wheels.build.build import BuildEnvironment, Builder
from pytest_envsync.wheels.build.settings import backend_environ

if TYPE_CHECKING:
    from pytest_envsync.build_requirements import Provider
    from pytest_envsync.distributions import Candidate, File, StoredWheel
    from pytest_envsync.engine import Engine
    from pytest_envsync.hashes import Digest
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.build.static import SourceMetadata
    from pytest_envsync.wheels.index.project_files import ProjectFiles
    from pytest_envsync.wheels.prepare import PreparedWheel

Place = tuple[str, str]


def make_builder(engine: Engine, *, target: Target, options: SyncOptions) -> Builder:
    """Return what builds sdists and source trees for *target*."""
    from pytest_envsync.environment.interpreter import base_of
    from pytest_envsync.wheels.build.archives import Archives
    from pytest_envsync.wheels.build.processes import Processes

    processes = Processes()
    # A build runs on this machine, whatever place or platform the wheels are for.
    environments = IsolatedEnvironments(engine, base=base_of(target, engine.cache_dir), options=options)
    builder = Builder(
        store=engine.store,
        target=target,
        options=options,
        environ=engine.environ,
        cache_dir=engine.cache_dir,
        logs=_log_directory(engine),
        environments=environments,
        archives=Archives(engine.cache_dir, client=lambda: engine.client, options=options, processes=processes),
        processes=processes,
        reporter=engine.reporter,
    )
    environments.builder = environments.builder_of_tools(builder)
    return builder


def stage_builds(builder: Builder, wheels: Mapping[str, PreparedWheel], *, engine: Engine, over: Target | None) -> None:
    """Let builds without isolation see *wheels*, which are about to be installed, in front of what *over* holds."""
    from pytest_envsync.environment.interpreter import base_of

    base = base_of(builder.target, engine.cache_dir)
    builder.shared = IsolatedEnvironments(engine, base=base, options=builder.options).stage(wheels, over=over)


def _log_directory(engine: Engine) -> Path:
    if not engine.is_temporary:
        return engine.cache_dir / "logs"
    from tempfile import gettempdir

    # The cache is gone when somebody wants to read it.
    return Path(gettempdir())


class IsolatedEnvironments:
    """Serves ``BuildEnvironments`` for one engine and one interpreter, *base*. Thread-safe."""

    def __init__(self, engine: Engine, *, base: Target, options: SyncOptions) -> None:
        self.engine = engine
        self.target = base
        self.options = _for_builds(options)
        self.builder: Builder | None = None
        self._lock = threading.RLock()
        self._pages: dict[str, tuple[File, ...]] = {}
        self._constraints: Requirements | None = None
        self._places: ProjectFiles | None = None

    def builder_of_tools(self, builder: Builder) -> Builder:
        """Return what builds the requirements of builds that have no wheel: for *base*, by the settings of builds."""
        tools = copy(builder)
        tools.target = self.target
        tools.options = self.options
        return tools

    def provide(self, requires: Sequence[str], *, chain: tuple[str, ...]) -> BuildEnvironment:
        """Return an environment that holds *requires* with all they depend on. Raises EnvsyncError."""
        # What was found in the store stays there until it is placed.
        with self.engine.store.hold():
            return self._holding(self._wheels(requires, chain))

    def stage(self, wheels: Mapping[str, PreparedWheel], *, over: Target | None) -> BuildEnvironment:
        """Return what the environment *over* is like once *wheels* are installed, for builds without isolation.

        None stands for an environment that is made anew. Whatever fails afterwards has touched nothing.
        """
        if over is not None and not wheels:
            return BuildEnvironment(over.python, backend_environ(self.engine.environ, over.python))
        return self._holding(wheels, over=over)

    def _holding(self, wheels: Mapping[str, PreparedWheel], *, over: Target | None = None) -> BuildEnvironment:
        """Return an environment with *wheels* in it, in front of what *over* holds."""
        paths = [] if over is None else list(dict.fromkeys([over.paths["purelib"], over.paths["platlib"]]))
        question = [self.target.fingerprint, sorted((name, item.wheel.sha256) for name, item in wheels.items()), paths]
        key = hashlib.sha256(json.dumps(question).encode()).hexdigest()[:20]
        home = self.engine.cache_dir / "build-environments" / key
        lock = exclusive(
            self.engine.cache_dir / "locks" / f"build-environment-{key}.lock",
            timeout=lock_timeout(self.engine.environ),
        )
        with lock:
            place = _usable(home) or self._make(home, wheels, paths)
        python = self.target.in_virtual_environment(str(place)).python
        environ = backend_environ(self.engine.environ, python)
        if over is not None:
            own, _, rest = environ["PATH"].partition(os.pathsep)
            environ["PATH"] = os.pathsep.join([own, over.paths["scripts"], rest])
        return BuildEnvironment(python, environ)

    def wheels(self, requires: Sequence[str], *, beside: Mapping[str, str]) -> dict[str, PreparedWheel]:
        """Return the wheels of *requires* and of all they depend on, in the store, but for what is there.

        *beside* maps the names of that to versions. Raises EnvsyncError.
        """
        return self._wheels(requires, (), present=beside)

    def _make(self, home: Path, wheels: Mapping[str, PreparedWheel], paths: Sequence[str]) -> Path:
        from pytest_envsync.environment.transaction import apply_plan
        from pytest_envsync.environment.virtualenvs import create_virtualenv
        from pytest_envsync.environments.store_damage import mend_wheels
        from pytest_envsync.snapshot import save_snapshot, take_snapshot

        numbers = [int(path.stem) for path in home.glob("*") if path.stem.isdecimal()] if home.is_dir() else []
        place = home / str(max(numbers, default=0) + 1)
        home.mkdir(parents=True, exist_ok=True)
        target = create_virtualenv(place, self.target, cache_dir=self.engine.cache_dir)
        with self.engine.store.hold():
            # A build that wrote into its environment wrote into the store, where both are one file and nothing refuses.
            mend_wheels({name: item for name, item in wheels.items() if not item.fresh}, engine=self.engine)
            apply_plan(
                Plan(install=tuple(item.candidate for item in wheels.values())),
                wheels,
                target=target,
                store=self.engine.store,
                durable=False,
            )
        if paths:
            lines = [f"import site; site.addsitedir({path!r})\n" for path in paths]
            Path(target.paths["purelib"], "zzz_envsync_target.pth").write_text("".join(lines), encoding="utf-8")
        # Written last: what has no snapshot was cut short.
        save_snapshot(take_snapshot(place), place.with_suffix(".snapshot"))
        return place

    def _wheels(
        self, requires: Sequence[str], chain: tuple[str, ...], *, present: Mapping[str, str] | None = None
    ) -> dict[str, PreparedWheel]:
        from pytest_envsync.build_requirements import resolve_build_requirements

        if not requires:
            return {}
        ready: dict[Place, PreparedWheel] = {}
        chosen = resolve_build_requirements(requires, self._provider(chain, ready, present or {}))
        # All at once, now that they are settled: what has to be built is built beside each other.
        self._prepare(list(chosen.values()), chain, ready)
        return {name: ready[_place(candidate)] for name, candidate in chosen.items()}

    def _provider(
        self, chain: tuple[str, ...], ready: dict[Place, PreparedWheel], present: Mapping[str, str]
    ) -> Provider:
        from pytest_envsync.build_requirements import Provider
        from pytest_envsync.wheels.finder import selection_for

        constraints = self._build_constraints()
        specifiers: dict[str, str] = {}
        said: dict[str, str] = {}
        hashes: dict[str, tuple[Digest, ...]] = {}
        for item in constraints.constraints:
            if item.name is not None and isinstance(item.source, IndexSource):
                if self.options.require_hashes and pinned_version(item.source.specifier) is None:
                    raise InputError(
                        f"hashes are required for builds, so their constraints must be pinned with `==`:"
                        f" found `{item.name}{item.source.specifier}`",
                        origin=item.origin,
                        hint="pin it to one version, and give its hashes",
                    )
                joined = [specifiers.get(item.name, ""), item.source.specifier]
                specifiers[item.name] = ",".join(filter(None, joined))
                if item.source.specifier:
                    place = f" ({item.origin})" if item.origin is not None else ""
                    words = f"`{item.name}{item.source.specifier}`{place}"
                    said[item.name] = " and ".join(filter(None, [said.get(item.name, ""), words]))
                hashes[item.name] = (*hashes.get(item.name, ()), *item.digests)
        return Provider(
            target=self.target,
            policy=selection_for(constraints, self.options),
            files_of=self._files,
            asked_of=self._asked,
            metadata_of=lambda candidate: self._metadata(candidate, chain, ready),
            constraints=specifiers,
            said=said,
            hashes=hashes,
            require_hashes=self.options.require_hashes,
            present=present,
        )

    def _build_constraints(self) -> Requirements:
        with self._lock:
            if self._constraints is None:
                self._constraints = read_build_constraints(self.options, target=self.target, engine=self.engine)
            return self._constraints

    def _project_files(self) -> ProjectFiles:
        with self._lock:
            if self._places is None:
                from pytest_envsync.wheels.index.project_files import ProjectFiles

                self._places = ProjectFiles(
                    self._build_constraints(), options=self.options, client=lambda: self.engine.client
                )
            return self._places

    def _files(self, name: str) -> tuple[File, ...]:
        with self._lock:
            known = self._pages.get(name)
        if known is None:
            known = self._project_files().all_files(name)
            with self._lock:
                self._pages[name] = known
        return known

    def _asked(self, name: str) -> tuple[str, ...]:
        places = self._project_files()
        return places.places(places.indexes_for(name))

    def _metadata(
        self, candidate: Candidate, chain: tuple[str, ...], ready: dict[Place, PreparedWheel]
    ) -> SourceMetadata | StoredWheel:
        """Return what *candidate* depends on. A source is not built for that where it says so itself."""
        if candidate.kind != "wheel" and self.builder is not None:
            return self.builder.within(chain).metadata(candidate)
        self._prepare([candidate], chain, ready)
        return ready[_place(candidate)].wheel

    def _prepare(
        self, candidates: Sequence[Candidate], chain: tuple[str, ...], ready: dict[Place, PreparedWheel]
    ) -> None:
        """Bring the wheels of *candidates* into the store, and add to *ready* those that it lacks."""
        missing = [candidate for candidate in candidates if _place(candidate) not in ready]
        if not missing:
            return
        from pytest_envsync.wheels.prepare import prepare_wheels

        builder = None if self.builder is None else self.builder.within(chain)
        found = prepare_wheels(
            missing,
            store=self.engine.store,
            client=lambda: self.engine.client,
            pool=lambda: self.engine.pool,
            target=self.target,
            policy=HashPolicy.REQUIRE if self.options.require_hashes else HashPolicy.VERIFY,
            progress=self.engine.reporter,
            builder=builder,
            builds=len(missing),  # those that wait for what they need themselves take no slot
            call_off=None if builder is None else builder.close,
            nested=(lambda: None) if builder is None else builder.processes.check,
        )
        ready.update((_place(candidate), found[candidate.name]) for candidate in missing)


def _place(candidate: Candidate) -> Place:
    """Return what tells *candidate* from others: its name, and where it is."""
    return candidate.name, candidate.file.url if candidate.file is not None else str(candidate.requested)


def _for_builds(options: SyncOptions) -> SyncOptions:
    """Return the settings that count for build requirements: constraints and hashes of their own, the same files.

    What refuses builds holds for them too: an editable is built in spite of it, its tools are not.
    """
    return replace(
        options,
        constraints=options.build_constraints,
        extras=(),
        all_extras=False,
        groups=(),
        require_hashes=options.require_build_hashes,
        no_build_isolation=False,
        no_build_isolation_package=(),
        config_settings=(),
        config_settings_package=(),
        extra_build_dependencies=tuple(text for text in options.extra_build_dependencies if "::" not in text),
        reinstall=False,
        reinstall_package=(),
    )


def _usable(home: Path) -> Path | None:
    """Return the newest environment in *home* that is as it was made."""
    from pytest_envsync.diff import compare
    from pytest_envsync.snapshot import load_snapshot

    for snapshot in sorted(home.glob("*.snapshot"), key=lambda path: int(path.stem), reverse=True):
        place = snapshot.with_suffix("")
        try:
            if place.is_dir() and not compare(place, load_snapshot(snapshot)):
                os.utime(snapshot)
                return place
        except (OSError, ValueError):
            continue
    return None
