"""Make an environment match the files exactly: read, select, plan, prepare, install.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_envsync.cache import make_root
from pytest_envsync.cache_location import cache_location, temporary_cache
from pytest_envsync.changes import Changes
from pytest_envsync.engine import Engine
from pytest_envsync.environment.journal import journal_directory, remove_path
from pytest_envsync.environment.link import check_link_mode
from pytest_envsync.environment.locking import environment_lock
from pytest_envsync.environment.making import find_or_make
from pytest_envsync.environment.site_packages import kept_seeds, scan
from pytest_envsync.errors import EnvsyncError, HashMismatch, StoreError, TargetError
from pytest_envsync.file_stamp import is_same_file
from pytest_envsync.narration import SilentReporter
from pytest_envsync.plan import make_plan, planned_changes
from pytest_envsync.requirements import DirectorySource, normalize_name
from pytest_envsync.resolve import asks_for_nothing, prepare, resolve
from pytest_envsync.sync_outcome import SyncOutcome
from pytest_envsync.true_paths import resolved
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from pytest_envsync.distributions import InstalledDistribution, PreparedWheel
    from pytest_envsync.memo import Resolution
    from pytest_envsync.narration import Reporter
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.plan import Plan
    from pytest_envsync.target import Target


__all__ = ["SyncOutcome", "sync", "sync_environment"]


def sync_environment(
    files: Sequence[str],
    *,
    options: SyncOptions,
    cwd: str,
    environ: Mapping[str, str],
    reporter: Reporter,
    root: str | None = None,
) -> SyncOutcome:
    """Make the environment that *options* name hold what *files* say, nothing more, nothing less.

    *files* are paths relative to *cwd*, addresses, or ``-``; relative paths in them start at *root*, which is *cwd*
    unless it is given. With ``dry_run`` or ``check`` nothing is changed. An error leaves the environment as it was.

    Raises EnvsyncError.
    """
    check_link_mode(options.link_mode, no_cache=options.no_cache)
    if options.cert is not None:
        from pytest_envsync.wheels.index.tls import check_bundle

        check_bundle(options.cert)
    cache_dir = temporary_cache() if options.no_cache else cache_location(options.cache_dir, environ, cwd=cwd)
    make_root(cache_dir)
    with Engine(
        cache_dir=cache_dir,
        options=options,
        cwd=cwd,
        environ=environ,
        reporter=reporter,
        temporary=options.no_cache,
        root=root,
    ) as engine:
        try:
            target, is_new = find_or_make(options, cwd=cwd, environ=environ, cache_dir=cache_dir, reporter=reporter)
        except TargetError:
            # Who asks for nothing needs no environment.
            if (stand_in := asks_for_nothing(files, options=options, engine=engine)) is None:
                raise
            return SyncOutcome(changes=Changes(), target=stand_in, is_empty=True)
        is_dry = options.dry_run or options.check
        with environment_lock(target.prefix, environ=environ, reporter=reporter, is_dry=is_dry):
            if options.venv is not None and not os.path.isfile(f"{target.prefix}/pyvenv.cfg"):
                # Another process had made it, failed, and took it away again.
                target, is_new = find_or_make(options, cwd=cwd, environ=environ, cache_dir=cache_dir)
            try:
                return _Sync(files, options=options, target=target, engine=engine).run()
            except BaseException:
                if is_new:  # what was made for this sync alone goes with it
                    remove_path(target.prefix)
                raise


class _Sync:
    """One sync, step by step."""

    def __init__(self, files: Sequence[str], *, options: SyncOptions, target: Target, engine: Engine) -> None:
        self.files = files
        self.options = options
        self.target = target
        self.engine = engine
        self.reporter = engine.reporter
        self.seconds: dict[str, float] = {}
        self.is_dry = options.dry_run or options.check
        self.fetched: frozenset[str] = frozenset()
        self.held: dict[str, str] = {}

    def run(self) -> SyncOutcome:
        """Take all steps, or those of a dry run."""
        if os.path.isdir(journal_directory(self.target)):
            from pytest_envsync.environment.transaction import settle_interrupted

            settle_interrupted(self.target, is_dry=self.is_dry, reporter=self.reporter)
        installed = scan(self.target)
        for warning in installed.warnings:
            self.reporter.warn(warning)
        began = time.monotonic()
        if not self.options.verify_files and os.path.isdir(f"{self.engine.cache_root}/spoiled"):
            from pytest_envsync.environments.held_damage import held_by

            self.held = held_by(installed.distributions, target=self.target, engine=self.engine)
        # With --verify-files every candidate needs its digest; what is replaced for its damage needs its file.
        trusted = [found for found in installed.distributions if found.name not in self.held]
        resolution = resolve(
            self.files,
            options=self.options,
            target=self.target,
            engine=self.engine,
            installed=None if self.options.verify_files else trusted,
        )
        if resolution.is_empty and not self.options.allow_empty_requirements and not resolution.is_pylock:
            return SyncOutcome(changes=Changes(), target=self.target, is_empty=True)
        plan = self._plan(resolution, installed.distributions)
        unseen = self._unseen(plan, resolution)
        try:
            resolution = self._look_at_direct(plan, resolution)
        except HashMismatch:
            # The reference compares hashes only after it has read what a wheel says.
            self._resolved(resolution, began)
            raise
        self._resolved(resolution, began)
        outcome = SyncOutcome(
            changes=planned_changes(plan),
            target=self.target,
            resolved=None if resolution.is_pylock else len(resolution.candidates),
            checked=len(resolution.candidates),
            uninstalled=plan.departures,
            seconds=self.seconds,
            inputs=resolution.inputs,
            variables=resolution.variables,
            stats=resolution.stats,
            repeatable=resolution.repeatable
            and not resolution.warnings
            and not installed.warnings
            # Cache keys are more than the times of files.
            and not any(isinstance(candidate.requested, DirectorySource) for candidate in resolution.candidates),
            # What is installed already was warned of when it came.
            warnings=() if plan.is_empty else resolution.late,
        )
        if self.is_dry:
            extras = self._unknown_extras(resolution, missing={candidate.name for candidate in plan.candidates})
            return replace(outcome, unseen=unseen, warnings=(*outcome.warnings, *extras))
        return self._finish(self._apply(plan, resolution, outcome), resolution)

    def _plan(self, resolution: Resolution, installed: Sequence[InstalledDistribution]) -> Plan:
        options = self.options
        damaged = self.held
        if options.verify_files:
            from pytest_envsync.environment.verify import verify_installed

            candidates = {candidate.name: candidate for candidate in resolution.candidates}
            damaged = verify_installed(installed, candidates, target=self.target, store=self.engine.store)
        return make_plan(
            resolution.candidates,
            installed,
            target=self.target,
            reinstall=options.reinstall,
            reinstall_packages=frozenset(map(normalize_name, options.reinstall_package)),
            keep_seeds=kept_seeds(self.target),
            damaged=damaged,
            same_file=is_same_file,
        )

    def _resolved(self, resolution: Resolution, began: float) -> None:
        self._phase("resolved", None if resolution.is_pylock else len(resolution.candidates), began)

    def _unseen(self, plan: Plan, resolution: Resolution) -> frozenset[str]:
        """Return the names of what a dry run calls to be downloaded."""
        if not self.is_dry:
            return frozenset()
        from pytest_envsync.wheels.lookup import is_stored

        store, digests = self.engine.store, resolution.digests
        return frozenset(c.name for c in plan.candidates if not is_stored(c, digests.get(c.name), store))

    def _look_at_direct(self, plan: Plan, resolution: Resolution) -> Resolution:
        """Bring into the store what *plan* wants and is given by its place: whether it is good, no index tells.

        So a dry run is no kinder than the run itself.
        """
        names = set() if resolution.is_pylock else {c.name for c in plan.candidates if c.is_direct_wheel}
        wheels = self._prepare(resolution, names - resolution.digests.keys())
        self.fetched = frozenset(name for name, prepared in wheels.items() if prepared.fresh)
        digests = {name: prepared.wheel.sha256 for name, prepared in wheels.items()}
        return replace(resolution, digests={**resolution.digests, **digests}) if digests else resolution

    def _apply(self, plan: Plan, resolution: Resolution, outcome: SyncOutcome) -> SyncOutcome:
        if plan.is_empty:
            from pytest_envsync.synced import renew_note

            self._note(renew_note, resolution, {})
            return outcome
        if not plan.install and not plan.reinstall:
            # Only removals: the store need not exist.
            return self._carry_out(plan, resolution, outcome)
        # Nothing is pruned between its preparation and its place.
        with self.engine.store.hold():
            return self._carry_out(plan, resolution, outcome)

    def _carry_out(self, plan: Plan, resolution: Resolution, outcome: SyncOutcome) -> SyncOutcome:
        # Loaded before anything changes: the environment may be the one that this runs in.
        from pytest_envsync.synced import note_sync

        began = time.monotonic()
        wheels = self._prepare(resolution, {candidate.name for candidate in plan.candidates})
        fresh = sum(prepared.fresh or name in self.fetched for name, prepared in wheels.items())
        if fresh:
            self._phase("prepared", fresh, began)
        changes = self._place(plan, wheels)
        self._note(note_sync, resolution, wheels)
        return replace(
            outcome,
            changes=changes,
            prepared=fresh,
            installed=len(wheels),
            warnings=(*outcome.warnings, *changes.warnings),
        )

    def _prepare(self, resolution: Resolution, names: set[str]) -> dict[str, PreparedWheel]:
        if not names:
            return {}
        if not all(self.engine.store.get(resolution.digests[name]) for name in names & resolution.digests.keys()):
            # Pruned since it was looked up: only the files say where those wheels are to be had.
            resolution = resolve(self.files, options=self.options, target=self.target, engine=self.engine)
        return prepare(resolution, options=self.options, target=self.target, engine=self.engine, names=names)

    def _place(self, plan: Plan, wheels: Mapping[str, PreparedWheel]) -> Changes:
        """Carry out *plan*, with nothing damaged: with hard links an edit in one environment is one in the store.

        Sizes, times and modes are looked at while files are placed, every byte before that with ``--verify-files``.
        """
        if self.options.verify_files:
            from pytest_envsync.environments.store_damage import mend_store

            for prepared in wheels.values():
                tree = prepared.wheel.tree
                places = {file.path: f"{tree}/{file.path}" for file in self.engine.store.files(prepared.wheel)}
                self._tell(mend_store(prepared, places, engine=self.engine))
        try:
            return self._install(plan, wheels)
        except StoreError:
            from pytest_envsync.environments.store_damage import mend_wheels

            mended = mend_wheels(wheels, engine=self.engine)
            if not mended:
                raise
        self._tell(mended)
        return self._install(plan, wheels)

    def _tell(self, mended: Sequence[str]) -> None:
        for file in mended:
            self.reporter.warn(f"a file of the store was damaged, and is mended: {file}")

    def _install(self, plan: Plan, wheels: Mapping[str, PreparedWheel]) -> Changes:
        from pytest_envsync.environment.transaction import apply_plan

        return apply_plan(
            plan,
            wheels,
            target=self.target,
            store=self.engine.store,
            link_mode=self.options.link_mode,
            installer_metadata=not self.engine.environ.get("UV_NO_INSTALLER_METADATA"),
            reporter=self.reporter,
        )

    def _note(self, note: Callable[..., None], resolution: Resolution, wheels: Mapping[str, PreparedWheel]) -> None:
        if self.engine.is_temporary:
            return
        note(
            self.target,
            resolution.candidates,
            {**resolution.digests, **{name: prepared.wheel.sha256 for name, prepared in wheels.items()}},
            cache_dir=self.engine.cache_root,
            link_mode=self.options.link_mode,
            installer_metadata=not self.engine.environ.get("UV_NO_INSTALLER_METADATA"),
        )

    def _finish(self, outcome: SyncOutcome, resolution: Resolution) -> SyncOutcome:
        if self.options.compile_bytecode:
            from pytest_envsync.environment.bytecode import compile_site_packages

            began = time.monotonic()
            compiled = compile_site_packages(self.target, environ=self.engine.environ, jobs=os.cpu_count() or 1)
            self._phase("compiled", compiled, began)
            outcome = replace(outcome, compiled=compiled)
        outcome = replace(outcome, warnings=(*outcome.warnings, *self._unknown_extras(resolution)))
        if self.options.strict:
            from pytest_envsync.environment.diagnosis import diagnose

            names = {candidate.name for candidate in resolution.candidates}
            outcome = replace(outcome, warnings=(*outcome.warnings, *diagnose(self.target, names)))
        return outcome

    def _unknown_extras(self, resolution: Resolution, missing: Collection[str] = ()) -> Collection[str]:
        if not resolution.extras:
            return ()
        from pytest_envsync.asked_extras import unknown_extras

        return unknown_extras(resolution, target=self.target, engine=self.engine, missing=missing)

    def _phase(self, name: Any, count: int | None, began: float) -> None:
        self.seconds[name] = time.monotonic() - began
        if count is not None:
            self.reporter.phase(name, count, self.seconds[name])


def sync(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    python: str | os.PathLike[str],
    **options: Any,
) -> Changes:
    """Make the environment of *python* hold exactly what *files* say, and tell what changed.

    *files* may be a single one. *python* is an interpreter or the directory of a virtual environment; what exists
    under that name is meant before a version or a command of that name. *options* are the long
    options of ``envsync sync`` with underscores (``index_url=...``, ``extras=[...]``); what they do not
    say is taken from variables and configuration files, as the command takes it, but for interpreter, place and
    link mode.

    Raises EnvsyncError; the environment is then as it was.
    """
    from pytest_envsync.settings.merge import session_settings

    given = {name: list(value) if isinstance(value, set | frozenset) else value for name, value in options.items()}
    named = [files] if isinstance(files, str | os.PathLike) else files
    cwd = os.getcwd()
    try:
        settings = session_settings(given={**given, "python": _place(python)}, cwd=cwd, environ=os.environ)
        outcome = sync_environment(
            [os.fspath(name) for name in named],
            options=settings.options,
            cwd=cwd,
            environ=settings.environ,
            reporter=SilentReporter(),
        )
    except EnvsyncError as error:
        if error.hint and hasattr(error, "add_note"):
            error.add_note(f"hint: {error.hint}")
        raise
    return outcome.changes


def _place(python: str | os.PathLike[str]) -> str:
    """Return *python*, absolute when it is a path or the name of something that exists."""
    text = os.fspath(python)
    is_path = not isinstance(python, str) or os.path.lexists(text)
    return resolved(text) if is_path and text else text
