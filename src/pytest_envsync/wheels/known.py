"""Which wheel an address, another digest or a local file led to before: a small file for each, holding a sha256.

An index that advertises no sha256, a lockfile that lists only a sha512 and a wheel given by its path would all cost a
download, or a digest over the whole file, at every sync.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path


def find_known(directory: str, key: str) -> str | None:
    """Return the sha256 (hex) that was kept for *key*, or None."""
    try:
        text = Path(_place(directory, key)).read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    return text if len(text) == 64 and not text.strip("0123456789abcdef") else None


def keep_known(directory: str, key: str, digest: str) -> None:
    """Keep *digest* for *key*, replacing what was there at once. Raises OSError."""
    place = Path(_place(directory, key))
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f"{place.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        beside.write_text(digest, encoding="ascii")
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


def _place(directory: str, key: str) -> str:
    name = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{directory}/{name[:2]}/{name}"
