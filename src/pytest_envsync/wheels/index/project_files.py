"""Where the files of a project are looked for: which indexes, which listings, and what they answer.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pytest_envsync.addresses import file_path, is_remote, masked
from pytest_envsync.distributions import File
from pytest_envsync.errors import FetchError, OfflineError
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import Requirements
from pytest_envsync.wheels.index.indexes import Index, effective_indexes, index_rules, listings, named_index
from pytest_envsync.wheels.index.simple import Page, group_by_project

if TYPE_CHECKING:
    from pytest_envsync.wheels.index.client import Client

FIRST_INDEX = "first-index"
FIRST_MATCH = "unsafe-first-match"
BEST_MATCH = "unsafe-best-match"


class ProjectFiles:
    """The indexes and listings that settings and inputs name together.

    *client* is called when something is asked for the first time. *sys_platform* is the target's, which decides
    the backend of ``--torch-backend auto``. May be used from any thread.
    """

    def __init__(
        self,
        requirements: Requirements,
        *,
        options: SyncOptions,
        client: Callable[[], Client],
        sys_platform: str = "",
    ) -> None:
        self.strategy = options.index_strategy
        self.is_offline = options.offline
        self.is_without_indexes = options.no_index or requirements.no_index
        self.listings = listings(requirements, options)
        self._requirements = requirements
        self._options = options
        self._client = client
        self._sys_platform = sys_platform
        self._lock = threading.Lock()
        self._indexes: tuple[Index, ...] | None = None
        self._linked: dict[str, tuple[File, ...]] | None = None
        self._backends: tuple[str, ...] | None = None

    def check_listings(self) -> None:
        """Raise FetchError for a find-links path that is not there, whether it is needed or not."""
        import os

        for location in self.listings:
            if not is_remote(location) and not os.path.exists(file_path(location)):  # noqa: PTH110 - plain text in
                from pytest_envsync.wheels.index.local import local_listing

                local_listing(location)

    def linked(self, project: str) -> tuple[File, ...]:
        """Return the files that the find-links locations have of *project*. Raises FetchError."""
        with self._lock:
            if self._linked is None:
                self._linked = group_by_project(tuple(file for place in self.listings for file in self._listed(place)))
            return self._linked.get(project, ())

    def _listed(self, location: str) -> tuple[File, ...]:
        """Return what a find-links location lists; nothing when it may not be asked, as for an index's page."""
        try:
            return tuple(self._client().listing(location))
        except OfflineError:
            return ()

    def indexes_for(self, project: str, reference: str | None = None) -> tuple[Index, ...]:
        """Return the indexes to ask for *project*, in order; with a *reference* (name or address) only that one."""
        with self._lock:
            if self._indexes is None:
                self._indexes = effective_indexes(self._requirements, self._options)
            if reference is not None and self.is_without_indexes:
                return ()
            if reference is not None:
                return (named_index(reference, self._indexes, index_rules(self._requirements, self._options)),)
            return self._torch_indexes(project) or self._indexes

    def _torch_indexes(self, project: str) -> tuple[Index, ...]:
        setting = self._options.torch_backend
        if not setting or self.is_without_indexes:
            return ()
        from pytest_envsync.wheels.index.torch import detect_accelerator, torch_backends, torch_indexes

        environ = self._client().environ
        if self._backends is None:
            accelerator = detect_accelerator(environ) if setting == "auto" else None
            self._backends = torch_backends(setting, sys_platform=self._sys_platform, accelerator=accelerator)
        # These indexes answer 403 for what they do not have.
        addresses = torch_indexes(project, self._backends, environ)
        return tuple(Index(address, missing=frozenset({403})) for address in addresses)

    def page(self, index: Index, project: str) -> Page | None:
        """Return an index's page of *project*, or None when it knows none or may not be asked (``--offline``).

        Raises FetchError; refused credentials are an error only where no index behind this one may be asked.
        """
        try:
            return self._client().page(index, project)
        except OfflineError:
            return None
        except FetchError as error:
            if index.rule.flat:
                # It is one page for all projects: without it nobody can say that this one is not there.
                error.exit_status = 1 if error.status == 404 else error.exit_status
                raise
            if error.status in index.missing or (error.status in {401, 403} and self.strategy != FIRST_INDEX):
                return None
            raise

    def all_files(self, project: str) -> tuple[File, ...]:
        """Return every file that may be used for *project*, by the index strategy; empty when nobody knows it."""
        found = list(self.linked(project))
        for index in self.indexes_for(project):
            page = self.page(index, project)
            if page is not None:
                found += page.files()
                if self.strategy == FIRST_INDEX:
                    break
        return tuple(found)

    def places(self, indexes: Sequence[Index]) -> tuple[str, ...]:
        """Return *indexes* and all listings as they may be shown."""
        return (*map(str, indexes), *map(masked, self.listings))
