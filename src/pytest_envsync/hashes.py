"""Digests, and what is asked of them.

Sources: PEP 503 and 691 (digests of files), pip's hash-checking mode.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from enum import Enum

from pytest_envsync.values import NamedTuple

DIGEST_LENGTHS = {"md5": 32, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 64}
"""The algorithms that are understood, with the length of their digests in hex digits."""

INSECURE = frozenset({"md5"})
"""Algorithms that do not count where hashes are required."""


class Digest(NamedTuple):
    """A digest: *algorithm* as ``hashlib`` names it, *value* in lower-case hex digits."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        """Return the digest as requirements files spell it, ``sha256:c1b2...``."""
        return f"{self.algorithm}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Parse ``ALGORITHM:HEX``.

        Algorithm names are case-sensitive, digits are not. Raises ValueError, saying
        what is wrong, for an unknown algorithm, a wrong length or other characters.
        """
        algorithm, separator, value = text.partition(":")
        if not separator:
            msg = f"expected ALGORITHM:DIGEST, found `{text}`"
            raise ValueError(msg)
        length = DIGEST_LENGTHS.get(algorithm)
        if length is None:
            msg = f"unsupported hash algorithm `{algorithm}` (expected one of: {', '.join(sorted(DIGEST_LENGTHS))})"
            raise ValueError(msg)
        value = value.lower()
        if len(value) != length:
            msg = f"invalid hash digest length: {algorithm} takes {length} hex digits, found {len(value)}"
            raise ValueError(msg)
        if value.strip("0123456789abcdef"):
            msg = f"invalid {algorithm} digest: only hex digits are allowed"
            raise ValueError(msg)
        return cls(algorithm, value)


class HashPolicy(Enum):
    """What is asked of digests.

    NONE: they are not looked at. VERIFY: those given are enforced. REQUIRE: each
    requirement must be pinned and have one.
    """

    NONE = "none"
    VERIFY = "verify"
    REQUIRE = "require"
