"""Cached environments: one for each content, compared with its snapshot before and after every use.

``Environments`` is the one door; the files behind it are ``provision`` (find or make), ``forward`` (make out of a
former one), ``handing_back``, ``repair``, ``copies`` (private ones), ``places`` (by key or path) and ``upkeep``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.cache import cache_fault, make_root
from pytest_envsync.engine import Engine
from pytest_envsync.environments.request import (
    CachedEnvironment,
    EnvironmentListing,
    EnvironmentRequest,
    HandedBack,
    ProjectRequest,
    Pruned,
)
from pytest_envsync.errors import StoreError
from pytest_envsync.narration import Reporter, SilentReporter
from pytest_envsync.options import SyncOptions

if TYPE_CHECKING:
    from pytest_envsync.diff import Diff
    from pytest_envsync.environments.provision import Basis, Completion
    from pytest_envsync.environments.repair import Repaired

__all__ = [
    "CachedEnvironment",
    "EnvironmentListing",
    "EnvironmentRequest",
    "Environments",
    "HandedBack",
    "ProjectRequest",
    "Pruned",
]


class Environments:
    """The cached environments below *cache_dir*. Safe to use from several threads and processes.

    Relative paths of requirements start at *root*, which is *cwd* unless it is given.
    *options* are for what no request brings its own for: how a wheel is fetched again when the store is damaged.
    """

    def __init__(
        self,
        cache_dir: Path,
        *,
        cwd: str,
        environ: Mapping[str, str],
        reporter: Reporter | None = None,
        options: SyncOptions | None = None,
        root: str | None = None,
    ) -> None:
        self.cache_dir = cache_dir.absolute()
        self.cwd = cwd
        self.root = root
        self.environ = environ
        self.reporter = reporter or SilentReporter()
        self.options = options or SyncOptions()
        self.basis: Basis | None = None
        """What the last answer of ``provide`` rests on."""

    @property
    def directory(self) -> str:
        """Where they are."""
        return str(self.cache_dir / "environments")

    @contextmanager
    def _engine(self, options: SyncOptions | None = None) -> Iterator[Engine]:
        engine = Engine(
            cache_dir=self.cache_dir,
            options=options or self.options,
            cwd=self.cwd,
            root=self.root,
            environ=self.environ,
            reporter=self.reporter,
        )
        try:
            with engine:
                yield engine
        except OSError as error:
            place = str(error.filename2 or error.filename or self.cache_dir)
            if place.startswith(str(self.cache_dir)):
                raise cache_fault(error, "an environment", self.cache_dir) from error
            raise StoreError(f"`{place}` cannot be used: {error.strerror or error}") from error

    def provide(
        self, request: EnvironmentRequest, *, holder_pid: int, complete: Completion | None = None
    ) -> CachedEnvironment:
        """Return the environment of *request*: compared with its snapshot, repaired if it had to be, and leased.

        One that does not exist is made, under the lock of its key: whoever waits for it tells the reporter. The lease
        belongs to the process *holder_pid*; 0 for none. *complete* is called once with names and
        versions, before the key is settled, and returns the request that counts.

        Raises EnvsyncError.
        """
        from pytest_envsync.environments.provision import Provision

        make_root(self.cache_dir)
        with self._engine(request.options) as engine:
            provision = Provision(request, engine=engine, holder_pid=holder_pid)
            environment = provision.run(complete)
            self.basis = provision.basis
            return environment

    def path(self, request: EnvironmentRequest, *, complete: Completion | None = None) -> str | None:
        """Return the path of the environment that *request* would get, None while there is none. Makes nothing."""
        from pytest_envsync.environments.generations import current
        from pytest_envsync.environments.provision import Provision

        make_root(self.cache_dir)
        with self._engine(request.options) as engine:
            generation = current(Provision(request, engine=engine, holder_pid=0).find(complete))
        return None if generation is None else generation.prefix

    def give_back(self, lease: str, *, ignore: Sequence[str] = ()) -> HandedBack:
        """Compare the environment of *lease* with its snapshot, undo what differs, and release the lease.

        What the session compiled is taken into the store. While others use the environment, or when they did, it is
        left to them and taken away with the last one. *ignore* are globs for what is undone but not told.

        Raises StoreError for a lease that does not exist.
        """
        from pytest_envsync.environments.handing_back import give_back

        with self._engine() as engine:
            return give_back(lease, engine=engine, ignore=ignore)

    def private_copy(
        self, environment: CachedEnvironment | str, destination: Path, *, link_mode: str | None = None
    ) -> CachedEnvironment:
        """Make an environment of the same content at *destination*, which its user may change.

        *environment* is one that was provided, or its path. The files are cloned, else copied, unless *link_mode* says
        otherwise. Raises EnvsyncError.
        """
        from pytest_envsync.environments.copies import private_copy, record_beside
        from pytest_envsync.environments.generations import load_record

        path = environment if isinstance(environment, str) else environment.path
        with self._engine() as engine:
            record = load_record(record_beside(os.path.normpath(path)))
            return private_copy(record, destination, link_mode=link_mode, engine=engine)

    def list(self) -> tuple[EnvironmentListing, ...]:
        """Return what is cached, the most recently used first."""
        from pytest_envsync.environments.upkeep import list_environments

        return list_environments(self.directory)

    def find(self, key: str, *, moved_too: bool = False) -> EnvironmentListing:
        """Return the environment whose key begins with *key*.

        Raises UsageError for none or several, and unless *moved_too* StoreError for one that was made in another cache.
        """
        from pytest_envsync.environments.upkeep import find_environment

        return find_environment(self.directory, key, moved_too=moved_too)

    def diff(self, place: str, *, verify_files: bool = False) -> Diff:
        """Return how an environment differs from what it should be; *place* is a path or the start of a key.

        *verify_files* reads every file. Raises UsageError, TargetError, StoreError.
        """
        from pytest_envsync.environments.places import diff_place

        with self._engine() as engine:
            return diff_place(place, verify_files=verify_files, engine=engine)

    def restore(self, place: str, *, verify_files: bool = False) -> Repaired:
        """Bring an environment back to what it should be and return what was done; *place* as for ``diff``."""
        from pytest_envsync.environments.places import restore_place

        with self._engine() as engine:
            return restore_place(place, verify_files=verify_files, engine=engine)

    def remove(self, key: str) -> str:
        """Remove the environment whose key begins with *key*, and return the key.

        Raises UsageError for none or several, StoreError while it is in use.
        """
        from pytest_envsync.environments.upkeep import remove_environment

        with self._engine() as engine:
            return remove_environment(self.directory, key, engine=engine)

    def prune(self, *, older_than: float = 14 * 86_400, max_size: int | None = None) -> Pruned:
        """Remove environments unused for *older_than* seconds, then the least recently used above *max_size* bytes."""
        from pytest_envsync.environments.upkeep import prune_environments

        with self._engine() as engine:
            return prune_environments(engine, older_than=older_than, max_size=max_size)

    def auto_prune(self) -> Pruned | None:
        """Remove what was long unused, at most once a day; None when there was nothing to do. For after the report."""
        from pytest_envsync.environments.upkeep import auto_prune

        with self._engine() as engine:
            return auto_prune(engine)
