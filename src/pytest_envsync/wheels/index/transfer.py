"""Bring one file to its place: written, counted and digested piece by piece, and resumed where a server allows it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pytest_envsync.cache import ELSEWHERE
from pytest_envsync.errors import FetchError, StoreError
from pytest_envsync.wheels.index.retries import TransientError
from pytest_envsync.wheels.store.digests import new_digest

_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)", re.ASCII)
_PIECE = 2**18


class Transfer:
    """A file on its way to *destination*, over as many answers as it takes.

    *size* is the number of bytes that it must have, None if that is not known. *on_bytes* is told each
    piece's length; when a server makes us start over, it is told what was lost, as a negative
    number. *shown* is the masked address.
    """

    def __init__(
        self,
        destination: Path,
        *,
        shown: str,
        algorithms: Collection[str],
        size: int | None,
        on_bytes: Callable[[int], None] | None,
    ) -> None:
        self._destination = destination
        self._shown = shown
        self._algorithms = ("sha256", *(name for name in algorithms if name != "sha256"))
        self._size = size
        self._on_bytes = on_bytes
        self._running: dict[str, Any] = {}
        self._received = 0
        self._validator = ""

    def request_headers(self) -> dict[str, str]:
        """Return the headers to ask with: for the rest, if a part is there and can be added to."""
        # What is digested is the file as it is, so no encoding may be put around it.
        headers = {"Accept-Encoding": "identity"}
        if self._received and self._validator:
            headers |= {"Range": f"bytes={self._received}-", "If-Range": self._validator}
        return headers

    def check_continued(self, status: int) -> None:
        """Ask for all of it again where the server has no rest to give: all came but the end, or it is shorter now.

        Raises TransientError then.
        """
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self._received:
            self._start_over()
            raise TransientError("broke off, and has no rest", status=status, wait=0.0)

    def receive(self, status: int, headers: Mapping[str, str], pieces: Iterable[bytes]) -> None:
        """Write the body of an answer with *status* 200 or 206; *headers* have lower-case names.

        Raises FetchError when the size is not the one expected, StoreError when the file cannot be written.
        """
        continued = status == 206 and self._continues(headers.get("content-range", ""))
        if not continued:
            self._start_over()
        length = headers.get("content-length", "")
        if self._size is not None and length.isdecimal() and self._received + int(length) != self._size:
            raise self._wrong_size(self._received + int(length))
        etag = headers.get("etag", "")
        strong = etag if etag.startswith('"') else headers.get("last-modified", "")
        self._validator = strong if headers.get("accept-ranges", "").lower() == "bytes" or continued else ""
        source = iter(pieces)
        try:
            with self._destination.open("ab" if continued else "wb", buffering=0) as file:
                while piece := self._next(source):
                    self._write(file, piece)
        except OSError as error:
            raise StoreError(
                f"`{self._destination}` cannot be written: {error.strerror or error}",
                hint=f"free some space, or {ELSEWHERE}",
            ) from error
        if self._size is not None and self._received != self._size:
            raise self._wrong_size(self._received)

    @staticmethod
    def _next(pieces: Any) -> bytes:
        for piece in pieces:
            if piece:
                return bytes(piece)
        return b""

    def _write(self, file: Any, piece: bytes) -> None:
        if self._size is not None and self._received + len(piece) > self._size:
            raise self._wrong_size(self._received + len(piece))
        view = memoryview(piece)
        while view:
            view = view[file.write(view) :]
        for digest in self._running.values():
            digest.update(piece)
        self._received += len(piece)
        if self._on_bytes is not None:
            self._on_bytes(len(piece))

    def _continues(self, content_range: str) -> bool:
        match = _RANGE.fullmatch(content_range.strip())
        return match is not None and int(match[1]) == self._received

    def _start_over(self) -> None:
        if self._received and self._on_bytes is not None:
            self._on_bytes(-self._received)
        self._received = 0
        self._running = {name: new_digest(name) for name in self._algorithms}

    def _wrong_size(self, found: int) -> FetchError:
        return FetchError(
            f"size mismatch for `{self._shown}`: expected {self._size} bytes, found {found}",
            url=self._shown,
            status=200,
            hint="the file changed, or the lockfile is stale; lock again to accept it",
            exit_status=1,
        )

    def copy(self, path: Path) -> None:
        """Take the file from *path* instead of from a server. Raises FetchError when it cannot be read."""
        try:
            with path.open("rb") as file:
                self.receive(200, {}, iter(lambda: file.read(_PIECE), b""))
        except OSError as error:
            raise FetchError(
                f"`{path}` cannot be read: {error.strerror or error}", url=self._shown, exit_status=1
            ) from error

    def digests(self) -> dict[str, str]:
        """Return the hex digests of what was written, by algorithm; sha256 is always among them."""
        return {name: digest.hexdigest() for name, digest in self._running.items()}
