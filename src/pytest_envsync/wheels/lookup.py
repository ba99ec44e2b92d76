"""Find the wheel of a candidate in the store, without reading or fetching a file of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from pytest_envsync.addresses import file_path
from pytest_envsync.distributions import Candidate, StoredWheel
from pytest_envsync.errors import WheelError
from pytest_envsync.file_stamp import stamp_of
from pytest_envsync.hashes import HashPolicy
from pytest_envsync.requirements import ArchiveSource, normalize_name
from pytest_envsync.wheels.proof import check_size, expected_digests, is_proved
from pytest_envsync.wheels.store.store import Store


def local_path(candidate: Candidate) -> str | None:
    """Return the path of the candidate's file when it lies on this machine."""
    if candidate.file is None or not candidate.file.url.startswith("file:"):
        return None
    return file_path(candidate.file.url)


def find_stored(
    candidate: Candidate,
    store: Store,
    *,
    policy: HashPolicy = HashPolicy.VERIFY,
    refresh: bool = False,
    validator: str | None = None,
) -> StoredWheel | None:
    """Return the candidate's wheel if the store has it and its digests are proved; None when it has to be prepared.

    A file on this machine is known by its status, so that a changed one is read again. An address of an index is
    trusted once it was seen, one that was given directly only together with a *validator* (``Client.validator``, or
    empty for what was seen last); with *refresh* none is. Raises SizeMismatch when the lockfile records another size.
    """
    if candidate.kind != "wheel" or candidate.file is None:
        return None
    path = local_path(candidate)
    address = None if refresh else address_key(candidate, validator)
    for sha256 in _possible(candidate, store.find, path, policy, address):
        wheel = store.get(sha256)
        if wheel is None or not _is_named(wheel, candidate.file.filename):
            continue
        actual = {digest.algorithm: digest.value for digest in wheel.digests}
        for digest in expected_digests(candidate, policy)[0]:
            # An algorithm that nobody had asked for when the wheel was added, and somebody has since.
            if digest.algorithm not in actual and store.find(str(digest)) == sha256:
                actual[digest.algorithm] = digest.value
        if is_proved(candidate, actual, policy):
            check_size(candidate, wheel.size, is_local=path is not None)
            return wheel
    return None


def is_stored(candidate: Candidate, digest: str | None, store: Store) -> bool:
    """Whether the candidate's wheel is in the store as far as it is known; *digest* is its sha256, where that is."""
    # A resolution that was remembered knows its wheels by digest, and no longer where they came from.
    if digest is not None:
        return store.get(digest) is not None
    # What was seen last at an address may still be there: only the sync itself asks.
    return find_stored(candidate, store, validator="") is not None


def find_digest(
    candidate: Candidate,
    find: Callable[[str], str | None],
    *,
    policy: HashPolicy = HashPolicy.VERIFY,
    refresh: bool = False,
    validator: str | None = None,
) -> str | None:
    """Return the sha256 of the candidate's file, an sdist, if it is known and its digests are proved.

    *find* gives what is remembered for a key. *refresh* and *validator* are those of ``find_stored``.
    """
    address = None if refresh else address_key(candidate, validator)
    for sha256 in _possible(candidate, find, local_path(candidate), policy, address):
        actual = {"sha256": sha256}
        for digest in expected_digests(candidate, policy)[0]:
            if digest.algorithm != "sha256" and find(str(digest)) == sha256:
                actual[digest.algorithm] = digest.value
        if is_proved(candidate, actual, policy):
            return sha256
    return None


def _possible(
    candidate: Candidate,
    find: Callable[[str], str | None],
    path: str | None,
    policy: HashPolicy,
    address: str | None,
) -> Iterator[str]:
    file = candidate.file
    if file is None:
        return
    if path is not None:
        key = status_key(path)
        found = find(key) if key is not None else None
        if found is not None:
            yield found
        return
    advertised = [digest for digest in file.digests if digest.algorithm == "sha256"]
    for digest in advertised or candidate.digests:
        if digest.algorithm == "sha256":
            yield digest.value
    if advertised:
        return
    for digest in expected_digests(candidate, policy)[0]:
        if digest.algorithm != "sha256" and (found := find(str(digest))) is not None:
            yield found
    if address is not None and (found := find(address)) is not None:
        yield found


def address_key(candidate: Candidate, validator: str | None = None) -> str | None:
    """Return what the store remembers the address of the candidate's file by; None when that would prove nothing.

    A file of an index does not change under its name and size. What is given directly may.
    """
    if candidate.file is None:
        return None
    if not isinstance(candidate.requested, ArchiveSource):
        return f"index:{candidate.file.url}\n{candidate.file.size or ''}"
    return None if validator is None else f"direct:{candidate.file.url}\n{validator}"


def status_key(path: str) -> str | None:
    """Return what the store remembers a file on this machine by; None when there is none."""
    try:
        stamp = stamp_of(path)
    except OSError:
        return None
    return None if stamp is None else f"file:{os.path.abspath(path)}\n{' '.join(map(str, stamp))}"


def _is_named(wheel: StoredWheel, filename: str) -> bool:
    """Whether the entry may serve under *filename*: bytes may lie on an index under a name that is not theirs."""
    if wheel.filename == filename:
        return True
    from pytest_envsync.wheels.store.identity import check_filename

    try:
        check_filename(normalize_name(wheel.name), wheel.version, filename)
    except WheelError:
        return False
    return True
