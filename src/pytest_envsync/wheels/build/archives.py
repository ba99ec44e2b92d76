"""Where the archives of sdists come from, and what is known of them without having them.

What leads from a file or an address to the digest of the bytes that were there is remembered, so that the wheel that
was built of them is found again. What was fetched is kept by its digest: another interpreter, or other settings, build
it once more.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.atomic import name_beside
from pytest_envsync.hashes import HashPolicy
from pytest_envsync.requirements import ArchiveSource, normalize_name
from pytest_envsync.wheels.fetch import fetch_archive
from pytest_envsync.wheels.lookup import address_key, find_digest, local_path, status_key
from pytest_envsync.wheels.proof import check_size, expected_digests
from pytest_envsync.wheels.store.digests import digest_file
from pytest_envsync.wheels.store.known import find_known, keep_known

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.wheels.build.processes import Processes
    from pytest_envsync.wheels.index.client import Client


class Archives:
    """Brings sdists, proved. *cache_dir* holds what is remembered of them, and what was fetched. Thread-safe."""

    def __init__(
        self, cache_dir: Path, *, client: Callable[[], Client], options: SyncOptions, processes: Processes
    ) -> None:
        self.root = cache_dir / "sdists"
        self.kept = cache_dir / "archives"
        self.client = client
        self.options = options
        self.processes = processes
        self._validators: dict[str, str | None] = {}
        self.policy = HashPolicy.VERIFY if options.verify_hashes or options.require_hashes else HashPolicy.NONE

    def known(self, candidate: Candidate) -> str | None:
        """Return the sha256 of the candidate's archive if that is known, and proved, without having it."""
        return find_digest(
            candidate,
            self._find,
            policy=self.policy,
            refresh=self._is_asked_again(candidate.name),
            validator=self._validator(candidate),
        )

    def fetch(self, candidate: Candidate, destination: Path) -> str:
        """Bring the candidate's archive to *destination* and return its sha256.

        Raises FetchError, HashMismatch, InputError for a file that cannot be read or has another size.
        """
        path = local_path(candidate)
        if path is None and (known := self.known(candidate)) is not None and self._take_kept(known, destination):
            check_size(candidate, destination.stat().st_size, is_local=False)
            return known
        # Before the bytes are read: a file that changes meanwhile is read again next time.
        key = status_key(path) if path is not None else address_key(candidate, self._validator(candidate))
        digests = fetch_archive(
            candidate,
            destination,
            client=self.client,
            policy=self.policy,
            on_bytes=lambda _: self.processes.check(),
        )
        for algorithm, value in digests.items():
            if algorithm != "sha256":
                self._keep(f"{algorithm}:{value}", digests["sha256"])
        # What an address had last is what there is --offline.
        seen = address_key(candidate, "") if path is None else None
        for found in filter(None, (key, seen)):
            self._keep(found, digests["sha256"])
        if path is None:
            self._keep_archive(digests["sha256"], destination)
        return digests["sha256"]

    def _take_kept(self, sha256: str, destination: Path) -> bool:
        """Place the archive that was fetched before at *destination*; whether it is there, and what it was."""
        from shutil import copyfile

        place = self._place(sha256)
        try:
            copyfile(place, destination)
            os.utime(place)  # what was not used for long is removed
            if digest_file(str(destination))["sha256"] == sha256:
                return True
        except OSError:
            return False
        place.unlink(missing_ok=True)
        return False

    def _keep_archive(self, sha256: str, archive: Path) -> None:
        from shutil import copyfile

        place = self._place(sha256)
        beside = Path(name_beside(str(place)))
        with suppress(OSError):  # it can be fetched again
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                copyfile(archive, beside)
                beside.replace(place)
            finally:
                beside.unlink(missing_ok=True)

    def _place(self, sha256: str) -> Path:
        return self.kept / sha256[:2] / sha256

    def _validator(self, candidate: Candidate) -> str | None:
        """Return what tells whether the bytes at a direct address are still those that were seen."""
        if not isinstance(candidate.requested, ArchiveSource) or local_path(candidate) is not None:
            return None
        if expected_digests(candidate, self.policy)[0] or self._is_asked_again(candidate.name):
            return None
        url = candidate.requested.url
        if url not in self._validators:
            self._validators[url] = self.client().validator(url)
        return self._validators[url]

    def _is_asked_again(self, name: str) -> bool:
        return self.options.refresh or name in set(map(normalize_name, self.options.refresh_package))

    def _find(self, key: str) -> str | None:
        return find_known(str(self.root), key)

    def _keep(self, key: str, sha256: str) -> None:
        keep_known(str(self.root), key, sha256)
