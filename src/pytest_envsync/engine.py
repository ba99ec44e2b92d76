"""What one run holds open: the store, the index client, the pool of threads, the reader of inputs.

Everything is made when it is first asked for, so that a run with nothing to do opens nothing.
The pool is the only parallelism inside a process.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock  # threading itself is a millisecond that a run with nothing to do saves
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_envsync.cache import make_cache
from pytest_envsync.errors import UsageError

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path
    from types import TracebackType

    from pytest_envsync.narration import Reporter
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.build.build import Builder
    from pytest_envsync.wheels.index.client import Client
    from pytest_envsync.wheels.store.store import Store

DEFAULT_WORKERS = 16
"""Threads of the pool: 16 fetched 40 wheels over a 30 ms line fastest (8: 1.4 times, 40: 1.1 times as long)."""


class Engine:
    """The resources of one run; a context manager.

    *cache_dir* is the root of the cache, made (and tested for writing) at the first use of the store.
    Relative paths of requirements start at *root*, which is *cwd* unless it is given.
    With *temporary* the cache is removed at the end (``--no-cache``).
    """

    def __init__(
        self,
        *,
        cache_dir: str | os.PathLike[str],
        options: SyncOptions,
        cwd: str,
        environ: Mapping[str, str],
        reporter: Reporter,
        temporary: bool = False,
        root: str | None = None,
    ) -> None:
        self.cache_root = os.fspath(cache_dir)
        self.options = options
        self.cwd = cwd
        self.root = root or cwd
        self.environ = environ
        self.reporter = reporter
        if any(map(environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT"))):
            from pytest_envsync.wheels.index.tls import check_variables

            check_variables(environ, reporter, cert=options.cert)
        self.is_temporary = temporary
        self._lock = allocate_lock()
        self._standard_input: bytes | None = None
        self._store: Store | None = None
        self._client: Client | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._builder: Builder | None = None

    @property
    def cache_dir(self) -> Path:
        """The root of the cache; *cache_root* is the same as text."""
        from pathlib import Path

        return Path(self.cache_root)

    @property
    def store(self) -> Store:
        """The wheel store. Raises StoreError when the cache cannot be written."""
        if self._store is None:
            from pytest_envsync.wheels.store.store import Store

            make_cache(self.cache_root)
            self._store = Store(self.cache_root, unchecked=self.unchecked)
        return self._store

    @property
    def client(self) -> Client:
        """The index client. Threads of the pool may ask for it at the same time: all get the same."""
        with self._lock:
            if self._client is None:
                from pytest_envsync.wheels.index.client import Client

                make_cache(self.cache_dir)
                self._client = Client(self.cache_dir, self.options, self.environ, reporter=self.reporter)
            return self._client

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads that fetch, digest, unpack and compile."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            workers = _count(self.environ, "CONCURRENT_DOWNLOADS", DEFAULT_WORKERS)
            self._pool = ThreadPoolExecutor(max_workers=min(workers, 64), thread_name_prefix="envsync")
        return self._pool

    def is_set(self, name: str) -> bool:
        """Whether the flag ``ENVSYNC_NAME``, or else ``UV_NAME``, is on. Raises UsageError for what is no yes or no."""
        from pytest_envsync.options.values import read_switch

        return read_switch(self.environ, name)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What is not looked at in wheels, by the user's will: see ``StoredWheel.unchecked``. Raises UsageError."""
        flags = {"zip": "INSECURE_NO_ZIP_VALIDATION", "name": "SKIP_WHEEL_FILENAME_CHECK"}
        return tuple(check for check, flag in flags.items() if self.is_set(flag))

    @property
    def switches(self) -> tuple[str, ...]:
        """The variables, besides settings, by which another wheel may come out of the same files."""
        return (*self.unchecked, *(("large files",) if self.is_set("GIT_LFS") else ()))

    def builder(self, target: Target) -> Builder:
        """Return what builds sdists and source trees for *target*."""
        if self._builder is None or self._builder.target is not target or self._builder.is_closed:
            from pytest_envsync.build_environments import make_builder

            self._builder = make_builder(self, target=target, options=self.options)
        return self._builder

    def end_builds(self) -> None:
        """End the builds that run: what they were for has failed, or was interrupted."""
        if self._builder is not None:
            self._builder.close()

    def read(self, location: str) -> bytes:
        """Read a requirements file: an absolute path, an address, or ``-`` for standard input."""
        if location == "-":
            if self._standard_input is None:
                self._standard_input = sys.stdin.buffer.read()
            return self._standard_input
        if "://" in location:
            return self.client.read(location)
        with open(location, "rb") as file:
            return file.read()

    def close(self) -> None:
        """End the threads and connections; what is under way is abandoned."""
        self.end_builds()
        if self._client is not None:
            self._client.close()  # first: threads may wait for a server
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self.is_temporary:
            from pytest_envsync.removal import discard_tree

            discard_tree(self.cache_root)

    def __enter__(self) -> Engine:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from this
        """Open nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened."""
        self.close()


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    for variable in (f"ENVSYNC_{name}", f"UV_{name}"):
        text = environ.get(variable)
        if text:
            if not text.isdecimal() or int(text) < 1:
                raise UsageError(f"{variable} must be a whole number from 1, found `{text}`")
            return int(text)
    return default
