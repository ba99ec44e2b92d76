"""Whether bytes are the ones that were asked for: digests and sizes of a candidate's file.

Pure. A file of an index may have any of the digests that were listed for it (they name the artifacts that are
allowed), an address or a lockfile's file must have all of them. Where none was asked for, those that the index
advertises must be right: a download can be cut or changed on its way.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_envsync.distributions import Candidate
from pytest_envsync.errors import HashMismatch, SizeMismatch
from pytest_envsync.hashes import Digest, HashPolicy


def filename_of(candidate: Candidate) -> str:
    """Return the name of the candidate's file; of a source tree the project's name."""
    return candidate.file.filename if candidate.file is not None else candidate.name


def expected_digests(candidate: Candidate, policy: HashPolicy) -> tuple[tuple[Digest, ...], bool]:
    """Return the digests that the candidate's bytes are held against, and whether all of them must match."""
    if policy is HashPolicy.NONE:
        return (), False
    if candidate.digests:
        return candidate.digests, candidate.match_all
    return (candidate.file.digests, True) if candidate.file is not None else ((), False)


def algorithms_for(candidate: Candidate, policy: HashPolicy) -> tuple[str, ...]:
    """Return the algorithms to digest the candidate's bytes by; sha256, the store's key, is always first."""
    expected, _ = expected_digests(candidate, policy)
    return tuple(dict.fromkeys(["sha256", *(digest.algorithm for digest in expected)]))


def is_proved(candidate: Candidate, actual: Mapping[str, str], policy: HashPolicy) -> bool:
    """Whether bytes whose digests are *actual* (algorithm -> hex digits) may be used for the candidate.

    An algorithm that is not among *actual* proves nothing.
    """
    expected, every = expected_digests(candidate, policy)
    matches = [actual.get(digest.algorithm) == digest.value for digest in expected]
    return not matches or (all(matches) if every else any(matches))


def prove(candidate: Candidate, actual: Mapping[str, str], policy: HashPolicy) -> None:
    """Raise HashMismatch when bytes with the digests *actual* may not be used for the candidate."""
    if is_proved(candidate, actual, policy):
        return
    expected, _ = expected_digests(candidate, policy)
    raise HashMismatch(
        filename_of(candidate),
        expected=expected,
        actual=[Digest(algorithm, value) for algorithm, value in sorted(actual.items())],
        origin=candidate.origin,
    )


def check_size(candidate: Candidate, size: int, *, is_local: bool) -> None:
    """Refuse a file of other than the *size* (bytes) that the lockfile records. Raises SizeMismatch.

    The exit status is the reference's: 2 for a file on this machine, which is looked at while planning, else 1.
    """
    if candidate.size is not None and size != candidate.size:
        raise SizeMismatch(
            f"size mismatch: `{filename_of(candidate)}` has {size} bytes, but the lockfile records {candidate.size}",
            origin=candidate.origin,
            hint="the file changed, or the lockfile is stale; lock again to accept it",
            exit_status=2 if is_local else 1,
        )
