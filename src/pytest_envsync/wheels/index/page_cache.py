"""Keep the pages of indexes: one file a page, led by a small record of how long it counts.

The rows of a page are kept, not its bytes, so that a later run parses nothing. A file is written whole
beside its place and renamed: processes never see a part of one. Its time of modification is
when the server made the answer; a page that proved unchanged is only touched.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from pytest_envsync.atomic import write_at_once
from pytest_envsync.values import NamedTuple

_SCHEMA = 1
_SKEW = 300.0  # seconds that clocks of file systems and machines may differ


class KeptPage(NamedTuple):
    """A page as it was answered: 200, or 404 where the server says that this holds for a while too.

    *born* is when the server made it, in seconds since the epoch; *lifetime* the seconds it counts
    from then on. *etag* and *last_modified* are what it can be asked for again with; empty if there is none. *url* is
    what relative addresses start from.
    """

    status: int
    url: str
    rows: bytes
    born: float
    lifetime: float = 0.0
    etag: str = ""
    last_modified: str = ""

    def is_fresh(self, now: float) -> bool:
        """Whether it may be used without asking. A page from the future may not."""
        return -_SKEW < now - self.born < self.lifetime


class PageCache:
    """The pages below a directory; None keeps nothing. Nothing that goes wrong here is an error."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def _path(self, key: str) -> Path | None:
        if self._root is None:
            return None
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self._root / digest[:2] / f"{digest[2:]}.page"

    def get(self, key: str) -> KeptPage | None:
        """Return the page kept under *key*, fresh or not; None for none, and for a file that is damaged."""
        path = self._path(key)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                born = os.fstat(file.fileno()).st_mtime
                record = json.loads(file.readline())
                rows = file.read()
            if record["schema"] != _SCHEMA or record["size"] != len(rows) or record["key"] != key:
                return None
            return KeptPage(
                int(record["status"]),
                str(record["url"]),
                rows,
                born,
                float(record["lifetime"]),
                str(record["etag"]),
                str(record["last_modified"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, page: KeptPage) -> bool:
        """Keep *page* under *key*, and return whether it is kept."""
        path = self._path(key)
        if path is None:
            return False
        record = {
            "schema": _SCHEMA,
            "key": key,
            "status": page.status,
            "url": page.url,
            "lifetime": page.lifetime,
            "etag": page.etag,
            "last_modified": page.last_modified,
            "size": len(page.rows),
        }
        try:
            write_at_once(path, json.dumps(record).encode() + b"\n" + page.rows, time_ns=int(page.born * 1e9))
        except (OSError, OverflowError):
            return False
        return True

    def renew(self, key: str, page: KeptPage, *, born: float, lifetime: float) -> None:
        """Note that *page*, kept under *key*, was found unchanged at *born* and counts for *lifetime*."""
        path = self._path(key)
        if path is None:
            return
        if lifetime != page.lifetime:
            self.put(key, page._replace(born=born, lifetime=lifetime))
            return
        try:
            os.utime(path, (born, born))
        except (OSError, OverflowError):
            return

    def drop(self, key: str) -> None:
        """Forget what is kept under *key*."""
        path = self._path(key)
        if path is not None:
            self._remove(path)

    @staticmethod
    def _remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return
