"""Answer a request: the environment of its content, compared, repaired, leased; made when there is none.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked
from pytest_envsync.atomic import write_at_once
from pytest_envsync.cache import exclusive, lock_timeout, now_and_then
from pytest_envsync.changes import Changes
from pytest_envsync.diff import Diff, load_snapshot, save_snapshot
from pytest_envsync.environments.filling import describe, wants_installer_metadata
from pytest_envsync.environments.generations import (
    Generation,
    Record,
    clear_remains,
    current,
    following,
    key_lock_file,
    publish,
    read_record,
    remove_generation,
    remove_tree,
    retire,
    touch_used,
)
from pytest_envsync.environments.key import environment_key, question_key
from pytest_envsync.environments.looking import look
from pytest_envsync.environments.request import CachedEnvironment, EnvironmentRequest
from pytest_envsync.environments.standing_links import remove_links
from pytest_envsync.errors import DamagedStoreError, EnvsyncError, InputError, StoreError
from pytest_envsync.leases import count_sessions, take_lease
from pytest_envsync.memo import remember
from pytest_envsync.resolve import prepare, resolve, resolve_project
from pytest_envsync.values import NamedTuple, replace

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.engine import Engine
    from pytest_envsync.memo import Resolution
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.prepare import PreparedWheel

Completion = Callable[[EnvironmentRequest, Mapping[str, str], "Target"], EnvironmentRequest]
"""Fills in what depends on the names in the lock (overlay, project): is handed names with versions, and the base."""


def base_target(python: str | None, engine: Engine) -> Target:
    """Return the base interpreter that a request means. Raises TargetError when there is none."""
    from pytest_envsync.environment.interpreter import base_of, find_interpreter

    found = find_interpreter(python, cache_dir=engine.cache_dir, environ=engine.environ, cwd=engine.cwd)
    return base_of(found, engine.cache_dir) if found.is_virtual else found


@contextmanager
def key_lock(home: str, engine: Engine, doing: str = "building") -> Iterator[None]:
    """Hold the lock of a key; who waits for longer than a second tells so."""
    key = os.path.basename(home)

    def waiting(holder: str, seconds: float) -> None:
        engine.reporter.note(f"waiting for process {holder or '?'} {doing} {key[:6]} ({seconds:.0f} s)")

    path, timeout = key_lock_file(engine.cache_dir, key), lock_timeout(engine.environ)
    told = now_and_then(waiting, after=1.0)
    with exclusive(path, timeout=timeout, waiting=told, unlocked=engine.reporter.warn):
        yield


class Basis(NamedTuple):
    """What an answer rests on. *home* is the directory of its key, *question_file* holds that key.

    *request* is complete: with the overlay and the project.
    """

    home: str
    question_file: str
    base: Target
    resolution: Resolution
    request: EnvironmentRequest


class Provision:
    """One request on its way to an environment."""

    def __init__(self, request: EnvironmentRequest, *, engine: Engine, holder_pid: int) -> None:
        self.request = request
        self.engine = engine
        self.holder_pid = holder_pid
        self.base = base_target(request.python, engine)
        self.question = ""
        self.began = time.monotonic()
        self._wheels: dict[str, PreparedWheel] | None = None
        self._project: Resolution | None = None
        self._project_wheels: dict[str, PreparedWheel] = {}
        self._notes: tuple[str, ...] = ()

    def find(self, complete: Completion | None) -> str:
        """Settle what is asked for and return the directory of its key. Raises EnvsyncError."""
        options = self.request.options
        self.resolution: Resolution = resolve(self.request.files, options=options, target=self.base, engine=self.engine)
        if not self.resolution.candidates and not options.allow_empty_requirements:
            _refuse_empty(self.resolution, self.request.files, engine=self.engine)
        digests = self._digests()
        packages = {candidate.name: self._version(candidate, digests) for candidate in self.resolution.candidates}
        if complete is not None:
            self.request = complete(self.request, packages, self.base)
        self.question = question_key(self.request, cwd=self.engine.cwd, base_prefix=self.base.base_prefix)
        digests |= self._add_project(packages)
        self.key = environment_key(
            self.candidates,
            digests,
            fingerprint=self.base.fingerprint,
            request=self.request,
            installer_metadata=wants_installer_metadata(self.engine.environ),
            unchecked=self.engine.unchecked,
        )
        self.home = str(self.engine.cache_dir / "environments" / self.key)
        return self.home

    def _version(self, candidate: Candidate, digests: Mapping[str, str]) -> str:
        """Return the version of *candidate*; of a source its wheel tells it, and nothing else has to."""
        if candidate.version is not None:
            return candidate.version
        wheel = self.engine.store.get(digests[candidate.name])
        return "" if wheel is None else wheel.version

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What the lock asks for, and the project under test if that is to be installed, by name."""
        project = () if self._project is None else self._project.candidates
        return tuple(sorted((*self.resolution.candidates, *project), key=lambda candidate: candidate.name))

    def _add_project(self, packages: Mapping[str, str]) -> dict[str, str]:
        """Settle and build the project that is to be installed; return the sha256 of its wheel by its name."""
        wanted = self.request.project
        if wanted is None or wanted.mode == "path":
            return {}
        options = self.request.options
        found = resolve_project(
            wanted.path, editable=wanted.mode == "editable", options=options, target=self.base, engine=self.engine
        )
        (candidate,) = found.candidates
        if candidate.name in packages:
            # Only its build could tell the name, so that nobody saw it coming.
            self._notes = (f"{candidate.name} is taken from the lock, not from the working tree",)
            return {}
        self._project = found
        self._project_wheels = prepare(found, options=options, target=self.base, engine=self.engine)
        return {name: item.wheel.sha256 for name, item in self._project_wheels.items()}

    def run(self, complete: Completion | None = None) -> CachedEnvironment:
        """Return the environment, ready and leased. Raises EnvsyncError."""
        asked = self.request
        # What was found in the store stays there until it is placed.
        with self.engine.store.hold():
            try:
                return self._run(complete)
            except DamagedStoreError as error:
                # The store has that wheel no more, so that the inputs are asked where to have it.
                self.engine.reporter.warn(f"it is prepared again: {error}")
                self.request, self._wheels = asked, None
                return self._run(complete)

    def _run(self, complete: Completion | None) -> CachedEnvironment:
        home = self.find(complete)
        with key_lock(home, self.engine):
            self._notes += remove_links(home)
            clear_remains(home)
            answer = self._reuse()
            if answer is None:
                answer = self._make()
            elif self._wheels is None:
                # Preparing would have done it.
                remember(self.engine.cache_root, replace(self.resolution, digests=self._digests()))
            if self.holder_pid:
                answer = self._lease(answer)
            touch_used(home)
            self._remember_question()
        return answer

    def _digests(self) -> dict[str, str]:
        """Return the sha256 of every wheel; what no index told, or what nobody will check, is fetched now."""
        digests = dict(self.resolution.digests)
        options = self.request.options
        is_checked = options.verify_hashes or options.require_hashes
        for candidate in self.resolution.candidates if is_checked else ():
            if candidate.kind == "wheel" and candidate.file is not None:
                known = next((digest for digest in candidate.file.digests if digest.algorithm == "sha256"), None)
                # What the lock does not allow, or has other digests of, is for whoever prepares it to judge.
                if known is not None and (not candidate.digests or known in candidate.digests):
                    digests.setdefault(candidate.name, known.value)
        if any(candidate.name not in digests for candidate in self.resolution.candidates):
            return {name: prepared.wheel.sha256 for name, prepared in self._prepared().items()}
        return digests

    def _prepared(self) -> dict[str, PreparedWheel]:
        if self._wheels is None:
            began = time.monotonic()
            self._wheels = prepare(self.resolution, options=self.request.options, target=self.base, engine=self.engine)
            fresh = sum(prepared.fresh for prepared in self._wheels.values())
            if fresh:
                self.engine.reporter.phase("prepared", fresh, time.monotonic() - began)
        return self._wheels

    def _reuse(self) -> CachedEnvironment | None:
        """Return the current generation, repaired if it must be; None when a new one is needed."""
        generation = current(self.home)
        if generation is None:
            return None
        holders = generation.holders()
        if self.request.recreate:
            _give_up(generation, count_sessions(holders))
            return None
        try:
            record, snapshot = read_record(generation), load_snapshot(generation.snapshot)
            seen = look(record, snapshot, engine=self.engine)
        except (StoreError, OSError, ValueError) as error:
            # Nobody can say what it should be, or it is not there but a link to what is somebody else's.
            if os.path.islink(generation.prefix):
                self._notes = (*self._notes, str(error))
            _give_up(generation, count_sessions(holders))
            return None
        if seen.compiled or seen.recompiled:
            from pytest_envsync.environments.bytecode import settle_bytecode

            snapshot = settle_bytecode(record, snapshot, seen, engine=self.engine)
            save_snapshot(snapshot, generation.snapshot)
        if not seen.diff and not seen.touched:
            return self._answer(generation, record)
        if seen.diff and holders:
            # Others are at work in it: it is left to them.
            retire(generation, count_sessions(holders))
            return None
        # As a rule there is nothing to repair, and nothing to make.
        from pytest_envsync.environments.repair import repair
        from pytest_envsync.environments.telling import without_named

        told = without_named(seen.diff, record, engine=self.engine)
        try:
            repaired = repair(record, snapshot, seen, engine=self.engine)
        except DamagedStoreError:
            _give_up(generation, count_sessions(holders))
            raise
        except EnvsyncError as error:
            self.engine.reporter.debug(f"{generation.prefix} is made anew: {error}")
            _give_up(generation, count_sessions(holders))
            return None
        return self._answer(generation, record, repaired=told or None, warnings=mended(repaired.damage, self.engine))

    def _make(self) -> CachedEnvironment:
        from pytest_envsync.environments.making import make

        wheels = {**self._prepared(), **self._project_wheels}
        generation = following(self.home)
        record = describe(
            self.request,
            key=self.key,
            path=generation.prefix,
            base=self.base,
            candidates=self.candidates,
            wheels=wheels,
            engine=self.engine,
            question=self.question,
        )
        former = None if self.request.recreate else self._former_key()
        try:
            made = make(
                record, wheels, former=former if former != self.key else None, base=self.base, engine=self.engine
            )
            save_snapshot(made.snapshot, generation.snapshot)
            publish(generation, record)
        except BaseException:
            with suppress(EnvsyncError):
                remove_tree(generation.prefix)
            raise
        warnings = (*made.changes.warnings, *mended(made.damage, self.engine))
        return self._answer(generation, record, created=True, changes=made.changes, warnings=warnings)

    @property
    def basis(self) -> Basis:
        """What the answer rests on, once there is one."""
        return Basis(self.home, str(self._question_file()), self.base, self.resolution, self.request)

    def _question_file(self) -> Path:
        return self.engine.cache_dir / "questions" / self.question

    def _former_key(self) -> str | None:
        try:
            return self._question_file().read_bytes().decode("ascii")
        except (OSError, UnicodeDecodeError):
            return None

    def _remember_question(self) -> None:
        path = self._question_file()
        if self._former_key() != self.key:
            write_at_once(path, self.key.encode("ascii"))
        else:
            os.utime(path)

    def _answer(
        self,
        generation: Generation,
        record: Record,
        *,
        created: bool = False,
        changes: Changes | None = None,
        repaired: Diff | None = None,
        warnings: tuple[str, ...] = (),
    ) -> CachedEnvironment:
        shown = os.path.basename(self.request.files[0]) if len(self.request.files) == 1 else "the set"
        return CachedEnvironment(
            key=self.key,
            generation=generation.number,
            path=record.path,
            python=record.python,
            bin=record.bin,
            site_packages=record.site_packages,
            version=record.version,
            implementation=record.implementation,
            files=self.request.files,
            created=created,
            packages=record.packages,
            snapshot=generation.snapshot,
            changes=changes or Changes(),
            repaired=repaired,
            missing=tuple(
                f"{shown} lacks {name}, needed by {needed_by}: not a complete lock?"
                for name, needed_by in record.missing.items()
            ),
            warnings=(*self._notes, *warnings),
            seconds=time.monotonic() - self.began,
        )

    def _lease(self, answer: CachedEnvironment) -> CachedEnvironment:
        try:
            lease = take_lease(os.path.join(self.home, "leases"), answer.generation, self.holder_pid)
        except ProcessLookupError as error:
            raise StoreError(str(error)) from error
        return replace(answer, lease=lease.path)


def mended(damage: tuple[str, ...], engine: Engine) -> tuple[str, ...]:
    """Return the warnings for files of the store that were mended, and for environments that hold the damage still."""
    if not damage:
        return ()
    from pytest_envsync.environments.held_damage import others_told

    more = f", and {len(damage) - 3} more" if len(damage) > 3 else ""
    told = f"files of the wheel store were damaged and have been mended: {', '.join(damage[:3])}{more}"
    return (told, *others_told(engine=engine))


def _refuse_empty(resolution: Resolution, files: tuple[str, ...], *, engine: Engine) -> None:
    """Raise InputError when *files* list nothing: a truncated lock would pass for an environment without anything.

    Requirements that their markers leave out, and a project without dependencies, are something.
    """
    is_nothing = resolution.is_empty
    if resolution.is_pylock:
        import tomli

        is_nothing = not any(tomli.loads(engine.read(name).decode()).get("packages") for name in files)
    if is_nothing:
        shown = masked(", ".join(files))
        raise InputError(
            f"{shown}: nothing is required there, so the environment would be empty",
            hint="if that is meant, say so: --allow-empty-requirements (in a session: "
            "--envsync-option=--allow-empty-requirements)",
        )


def _give_up(generation: Generation, users: int) -> None:
    """Let a generation be used no more: at once, or when the last of its users is gone."""
    if users:
        retire(generation, users)
    else:
        remove_generation(generation)
