"""Which wheel an address, another digest or a local file led to before: a small file for each, holding a sha256.

An index that advertises no sha256, a lockfile that lists only a sha512 and a wheel given by its path would all cost a
download, or a digest over the whole file, at every sync.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.atomic import write_at_once
from pytest_envsync.digesting import sha256


def find_known(directory: str, key: str) -> str | None:
    """Return the sha256 (hex) that was kept for *key*, or None."""
    try:
        with open(_place(directory, key), "rb") as file:
            text = file.read().decode("ascii")
    except (OSError, ValueError):
        return None
    return text if len(text) == 64 and not text.strip("0123456789abcdef") else None


def keep_known(directory: str, key: str, digest: str) -> None:
    """Keep *digest* for *key*, replacing what was there at once. Raises OSError."""
    write_at_once(_place(directory, key), digest.encode("ascii"))


def _place(directory: str, key: str) -> str:
    name = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{directory}/{name[:2]}/{name}"
