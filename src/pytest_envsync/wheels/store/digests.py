"""Digest the bytes of files, by every algorithm that is understood (``hashes.DIGEST_LENGTHS``).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import partial
from typing import Any

_PIECE = 2**18
_MAKERS: dict[str, Any] = {
    "md5": partial(hashlib.md5, usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "blake2b": partial(hashlib.blake2b, digest_size=32),  # what indexes call blake2b has 32 bytes, not 64
}


def new_digest(algorithm: str) -> Any:
    """Return a running digest with ``update`` and ``hexdigest``, as ``hashlib`` has them. KeyError if unknown."""
    return _MAKERS[algorithm]()


def digest_file(path: str, algorithms: Collection[str] = ("sha256",)) -> dict[str, str]:
    """Return the hex digests of a file, read once in pieces. Raises OSError."""
    running = {algorithm: new_digest(algorithm) for algorithm in algorithms}
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            for digest in running.values():
                digest.update(piece)
    return {algorithm: digest.hexdigest() for algorithm, digest in running.items()}
