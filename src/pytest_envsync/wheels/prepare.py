"""Bring the wheels of candidates into the store: look, fetch, prove, unpack, build; all the fan-out.

What the store has costs a look. The rest runs on the given pool, in two stages of different width: many requests at
once, but few large files (more only wait for each other), and one unpacking for each core, so that the memory
in use does not grow with the number of wheels. Nothing is installed here, and an environment never sees a failure.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_envsync.distributions import Candidate, PreparedWheel, StoredWheel
from pytest_envsync.errors import BuildError, FetchError, SelectionError
from pytest_envsync.file_stamp import Stamp, stamp_of
from pytest_envsync.hashes import HashPolicy
from pytest_envsync.requirements import ArchiveSource
from pytest_envsync.values import NamedTuple
from pytest_envsync.versions import python_meets
from pytest_envsync.wheels.build.processes import CalledOff
from pytest_envsync.wheels.lookup import address_key, find_stored, local_path, status_key
from pytest_envsync.wheels.proof import expected_digests, filename_of

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from pytest_envsync.narration import Reporter
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.index.client import Client
    from pytest_envsync.wheels.store.store import Store

__all__ = ["PreparedWheel", "prepare_wheels"]

Build = Callable[[Candidate], tuple[StoredWheel, bool]]
"""Builds an sdist or a source tree; tells whether it was built now (``wheels.build.Builder``)."""

_LARGE = 4 * 2**20  # bytes; eight threads on 40 files of 2 MB were slower than one, for the lock of the interpreter
_CORES = max(1, min(os.cpu_count() or 1, 8))
_WIDTH = {"small": 16, "large": 4, "unpack": _CORES}
_MOMENT = 0.05  # seconds that a nested call leaves what it wants done to the threads of the pool
Stage = Literal["small", "large", "build", "unpack"]


def prepare_wheels(
    candidates: Iterable[Candidate],
    *,
    store: Store,
    client: Callable[[], Client],
    pool: Callable[[], Executor],
    target: Target,
    policy: HashPolicy = HashPolicy.VERIFY,
    progress: Reporter | None = None,
    builder: Build | None = None,
    builds: int = _CORES,
    call_off: Callable[[], None] | None = None,
    refresh: bool | Collection[str] = False,
    validate: bool = True,
    skip_filename_check: bool = False,
    nested: Callable[[], None] | None = None,
) -> dict[str, PreparedWheel]:
    """Return the wheel of each candidate, by normalised name and in the order of names.

    *client* and *pool* are asked for only when something is not in the store. *refresh* (all, or names) looks at an
    address again that is known. *builds* of them may run at once. *call_off* ends those that run, which is asked for
    when something failed or was interrupted. *validate* and *skip_filename_check* are those of ``Store.add``.
    With *nested*, which raises when all this is not needed any more, this may run in a thread of the pool itself: all
    of them may wait in this way, and what none of them has begun is then run here.

    Raises the error of the first name, in order, of those that failed before the rest was called off: FetchError,
    HashMismatch, WheelError, BuildError, StoreError, InputError for files on this machine and sizes that are not
    the lockfile's, SelectionError for a wheel that needs another Python.
    """
    wanted = sorted(candidates, key=lambda candidate: candidate.name)
    ready: dict[str, PreparedWheel] = {}
    missing = []
    for candidate in wanted:
        again = refresh if isinstance(refresh, bool) else candidate.name in refresh
        wheel = find_stored(candidate, store, policy=policy, refresh=again)
        if wheel is not None:
            ready[candidate.name] = PreparedWheel(candidate, wheel, fresh=False)
        else:
            missing.append(candidate)
    if missing:
        with store.scratch() as scratch:
            preparation = _Preparation(
                missing,
                store=store,
                client=client,
                policy=policy,
                progress=progress,
                builder=builder,
                builds=builds,
                call_off=call_off,
                refresh=refresh,
                validate=validate,
                skip_filename_check=skip_filename_check,
                nested=nested,
                scratch=Path(scratch),
            )
            ready |= preparation.run(pool())
    for prepared in ready.values():
        _check_python(prepared, target)
    return {candidate.name: ready[candidate.name] for candidate in wanted}


def _check_python(prepared: PreparedWheel, target: Target) -> None:
    """Refuse a wheel that needs another Python; of an index's file only the lower bound counts, as there."""
    wheel, candidate = prepared.wheel, prepared.candidate
    python = target.markers.get("python_full_version", target.version)
    lenient = not isinstance(candidate.requested, ArchiveSource)
    asked = wheel.requires_python if candidate.requires_python is None else candidate.requires_python
    if not asked or python_meets(asked, python, lower_bound_only=lenient):
        return
    raise SelectionError(
        f"`{wheel.filename}` needs Python {asked}, and the target has {python}",
        subject=candidate.name,
        origin=candidate.origin,
        hint="choose another version of it, or another interpreter with --python",
    )


class _Fetched(NamedTuple):
    """An archive that is proved and waits to be unpacked.

    *archive* is the file itself when it lies on this machine, *stamp* what it was when it was proved.
    """

    candidate: Candidate
    archive: Path
    digests: dict[str, str]
    validator: str | None = None
    stamp: Stamp | None = None


Step = Callable[[], PreparedWheel | _Fetched]
if TYPE_CHECKING:
    Outcome = Future[PreparedWheel | _Fetched]


class _Preparation:
    """One call of ``prepare_wheels``: what waits, what runs, what is there."""

    def __init__(
        self,
        candidates: list[Candidate],
        *,
        store: Store,
        client: Callable[[], Client],
        policy: HashPolicy,
        progress: Reporter | None,
        builder: Build | None,
        builds: int,
        call_off: Callable[[], None] | None,
        refresh: bool | Collection[str],
        validate: bool,
        skip_filename_check: bool,
        nested: Callable[[], None] | None,
        scratch: Path,
    ) -> None:
        self._candidates = candidates
        self._store = store
        self._client = client
        self._policy = policy
        self._progress = progress
        self._builder = builder
        self._width = {**_WIDTH, "build": builds}
        self._end_builds = call_off
        self._refresh = refresh
        self._validate = validate
        self._skip_filename_check = skip_filename_check
        self._nested = nested
        self._scratch = scratch
        self._called_off = threading.Event()
        self._waiting: dict[Stage, list[tuple[str, Step]]] = {"unpack": [], "large": [], "small": [], "build": []}

    def run(self, pool: Executor) -> dict[str, PreparedWheel]:
        """Return all wheels by name. Raises the error of the first name that failed."""
        from concurrent.futures import wait

        self._line_up()
        running: dict[Outcome, tuple[str, Stage, Step]] = {}
        ready: dict[str, PreparedWheel] = {}
        errors: dict[str, BaseException] = {}
        try:
            while running or (not errors and any(self._waiting.values())):
                if not errors:
                    for stage, name, step in self._startable([stage for _, stage, _ in running.values()]):
                        running[pool.submit(step)] = name, stage, step
                for future in self._finished(running):
                    name, *_ = running.pop(future)
                    error = future.exception()
                    if error is not None:
                        errors[name] = error
                        self._call_off()
                    elif isinstance(result := future.result(), PreparedWheel):
                        ready[name] = result
                        if self._progress is not None:
                            self._progress.completed(result.wheel.filename)
                    else:
                        self._waiting["unpack"].append((name, self._unpacking(result)))
        except BaseException:
            # An interrupt leaves something running: it must not write into a directory that is being removed.
            self._call_off()
            if running:
                self._client().close()  # a server that says nothing is not waited for
            wait(running)
            raise
        # That of one that was called off says nothing: another one failed, here or where this is nested in.
        for _, error in sorted(errors.items(), key=lambda item: (isinstance(item[1], CalledOff), item[0])):
            raise error
        return ready

    def _finished(self, running: dict[Outcome, tuple[str, Stage, Step]]) -> set[Outcome]:
        """Wait until something of *running* is done, and return what is; nested, do it where nobody has begun it."""
        from concurrent.futures import FIRST_COMPLETED, wait

        moment = None if self._nested is None else _MOMENT
        while not (done := wait(running, moment, FIRST_COMPLETED).done):
            waiting = next((future for future in running if future.cancel()), None)
            if waiting is not None:
                name, stage, step = running.pop(waiting)
                here = _done_here(step)
                running[here] = name, stage, step
                return {here}
            moment = None  # all are begun
        return done

    def _call_off(self) -> None:
        self._called_off.set()
        if self._end_builds is not None:
            self._end_builds()

    def _line_up(self) -> None:
        """Put each candidate where it begins, large files first: the longest way is begun first."""
        from functools import partial

        fetched = []
        for candidate in self._candidates:
            if candidate.kind != "wheel":
                self._waiting["build"].append((candidate.name, partial(self._build, candidate)))
            elif local_path(candidate) is not None:
                self._waiting["unpack"].append((candidate.name, partial(self._take_local, candidate)))
            else:
                fetched.append(candidate)
        if self._progress is not None:
            sizes = list(map(_size_of, fetched))
            self._progress.expect(len(self._candidates), sum(sizes) if all(sizes) else None)
        for candidate in sorted(fetched, key=_size_of, reverse=True):
            stage: Stage = "large" if _size_of(candidate) >= _LARGE else "small"
            self._waiting[stage].append((candidate.name, partial(self._fetch, candidate)))

    def _startable(self, running: list[Stage]) -> Iterator[tuple[Stage, str, Step]]:
        for stage, waiting in self._waiting.items():
            room = self._width[stage] - running.count(stage)
            while waiting and room > 0:
                room -= 1
                yield (stage, *waiting.pop(0))

    def _fetch(self, candidate: Candidate) -> PreparedWheel | _Fetched:
        from pytest_envsync.wheels.fetch import fetch_archive

        validator = self._validator(candidate)
        if validator is not None:
            known = find_stored(candidate, self._store, policy=self._policy, validator=validator)
            if known is not None:
                return PreparedWheel(candidate, known, fresh=False)
        archive = self._scratch / f"{candidate.name}.whl"
        with self._store.writing(filename_of(candidate)):
            digests = fetch_archive(
                candidate, archive, client=self._client, policy=self._policy, on_bytes=self._on_bytes
            )
        return _Fetched(candidate, archive, digests, validator)

    def _validator(self, candidate: Candidate) -> str | None:
        """Return what tells whether the bytes at a direct address are still those that were seen.

        Where digests were asked for they tell better, and no server has to be asked.
        """
        again = self._refresh if isinstance(self._refresh, bool) else candidate.name in self._refresh
        if again or candidate.file is None or not isinstance(candidate.requested, ArchiveSource):
            return None
        if expected_digests(candidate, self._policy)[0]:
            return None
        return self._client().validator(candidate.file.url)

    def _on_bytes(self, count: int) -> None:
        if self._called_off.is_set():
            raise CalledOff
        if self._nested is not None:
            self._nested()
        if self._progress is not None:
            self._progress.received(count)

    def _take_local(self, candidate: Candidate) -> PreparedWheel:
        from pytest_envsync.wheels.fetch import prove_local

        path = local_path(candidate) or ""
        key = status_key(path)  # before the bytes are read: a file that changes meanwhile is read again next time
        stamp = None if key is None else stamp_of(path)
        digests = prove_local(candidate, path, policy=self._policy)
        prepared = self._add(_Fetched(candidate, Path(path), digests, stamp=stamp))
        if key is not None:
            self._store.remember(key, prepared.wheel.sha256)
        return prepared

    def _unpacking(self, fetched: _Fetched) -> Step:
        def unpack() -> PreparedWheel:
            try:
                return self._add(fetched)
            finally:
                fetched.archive.unlink(missing_ok=True)

        return unpack

    def _add(self, fetched: _Fetched) -> PreparedWheel:
        candidate = fetched.candidate
        wheel = self._store.add(
            fetched.archive,
            filename=filename_of(candidate),
            sha256=fetched.digests["sha256"],
            digests=fetched.digests,
            url=candidate.file.url if candidate.file is not None else None,
            validate=self._validate,
            skip_filename_check=self._skip_filename_check,
            stamp=fetched.stamp,
        )
        if local_path(candidate) is None:
            self._remember(fetched, wheel)
        if wheel.name != candidate.name and not self._skip_filename_check:
            raise SelectionError(
                f"`{wheel.filename}` is of `{wheel.name}`, but `{candidate.name}` is asked for",
                subject=candidate.name,
                origin=candidate.origin,
            )
        return PreparedWheel(candidate, wheel, fresh=True)

    def _remember(self, fetched: _Fetched, wheel: StoredWheel) -> None:
        """Keep what leads to the wheel where its sha256 alone does not."""
        candidate = fetched.candidate
        for algorithm, value in fetched.digests.items():
            if algorithm != "sha256":
                self._store.remember(f"{algorithm}:{value}", wheel.sha256)
        advertised = {digest.algorithm for digest in candidate.file.digests} if candidate.file is not None else set()
        key = address_key(candidate, fetched.validator)
        if key is not None and "sha256" not in advertised:
            self._store.remember(key, wheel.sha256)
        if fetched.validator:
            # For --offline, which has to take what was seen last.
            self._store.remember(address_key(candidate, "") or "", wheel.sha256)

    def _build(self, candidate: Candidate) -> PreparedWheel:
        if self._builder is None:
            raise BuildError(
                f"`{candidate.name}` has no wheel that could be used, and nothing is built here",
                subject=candidate.name,
                hint="choose a version that has a wheel for this target",
            )
        try:
            wheel, fresh = self._builder(candidate)
        except FetchError as error:
            error.asked_at(candidate.origin)
            raise
        return PreparedWheel(candidate, wheel, fresh)


def _done_here(step: Step) -> Outcome:
    """Take *step* in this thread, and return its outcome as one of the pool would come."""
    from concurrent.futures import Future

    done: Outcome = Future()
    try:
        done.set_result(step())
    except BaseException as error:  # noqa: BLE001 - a future carries whatever was raised
        done.set_exception(error)
    return done


def _size_of(candidate: Candidate) -> int:
    """Return the bytes that the index or the lockfile promises for the candidate's file; 0 when nobody says."""
    return (candidate.file.size if candidate.file is not None else None) or candidate.size or 0
