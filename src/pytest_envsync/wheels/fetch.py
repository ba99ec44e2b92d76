"""Bring the file of a candidate to a path, and prove that it is the one that was asked for.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.addresses import masked
from pytest_envsync.distributions import Candidate
from pytest_envsync.errors import InputError
from pytest_envsync.hashes import HashPolicy
from pytest_envsync.requirements import IndexSource
from pytest_envsync.wheels.lookup import local_path
from pytest_envsync.wheels.proof import algorithms_for, check_size, filename_of, prove
from pytest_envsync.wheels.store.digests import digest_file

if TYPE_CHECKING:
    from pytest_envsync.wheels.index.client import Client


def fetch_archive(
    candidate: Candidate,
    destination: Path,
    *,
    client: Callable[[], Client],
    policy: HashPolicy,
    on_bytes: Callable[[int], None] | None = None,
) -> dict[str, str]:
    """Download the candidate's file, a wheel or an sdist, to *destination* and return its hex digests by algorithm.

    The bytes are digested while they are written. A file on this machine is copied. *on_bytes* is told of bytes as they
    arrive. Raises FetchError, HashMismatch with the digests of what came, and InputError for another size than the
    lockfile's.
    """
    if candidate.file is None:
        raise InputError(f"`{candidate.name}` is no file that could be fetched", origin=candidate.origin)
    path = local_path(candidate)
    if path is not None:
        digests = prove_local(candidate, path, policy=policy)
        from shutil import copyfile

        copyfile(path, destination)
        # What is used is the copy: the file may have been replaced meanwhile.
        copied = digest_file(os.fspath(destination), tuple(digests))
        prove(candidate, copied, policy)
        return copied
    digests = client().download(
        candidate.file.url,
        destination,
        algorithms=algorithms_for(candidate, policy),
        size=candidate.size,  # the lockfile's: what an index says of sizes is only good for progress
        on_bytes=on_bytes,
    )
    check_size(candidate, destination.stat().st_size, is_local=False)
    prove(candidate, digests, policy)
    return digests


def prove_local(candidate: Candidate, path: str, *, policy: HashPolicy) -> dict[str, str]:
    """Digest the candidate's file where it lies, at *path*; return its hex digests by algorithm.

    Raises InputError when it cannot be read or has another size than the lockfile's, HashMismatch for other bytes.
    """
    try:
        check_size(candidate, os.stat(path).st_size, is_local=True)
        digests = digest_file(path, algorithms_for(candidate, policy))
    except FileNotFoundError as error:
        # A wheel that a listing or a lockfile names is one that was said to be there.
        is_listed = candidate.kind == "wheel" and isinstance(candidate.requested, IndexSource)
        raise InputError(
            f"distribution not found: `{masked(path)}` does not exist",
            origin=candidate.origin,
            exit_status=2 if is_listed else 1,
        ) from error
    except OSError as error:
        raise InputError(
            f"`{filename_of(candidate)}` cannot be read: {error.strerror or error} (`{path}`)", origin=candidate.origin
        ) from error
    prove(candidate, digests, policy)
    return digests
