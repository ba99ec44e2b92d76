"""A real package index on a free port of the loopback address."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, final
from urllib.parse import unquote, urlsplit

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"


class Request(NamedTuple):
    """A request as it came in; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Row:
    """A file of a project, with what the index says of it."""

    path: Path
    hashes: tuple[str, ...]
    size: bool
    requires_python: str | None = None
    yanked: str | bool | None = None
    upload_time: str | None = None


@dataclass
class Fault:
    """What goes wrong for the next requests below a path."""

    prefix: str
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    drop: int = 0
    truncate: int = 0
    delay: float = 0.0


class QuietServer(ThreadingHTTPServer):
    """A server that does not tell of clients that hung up: tests make them."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of real errors only."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@final
class IndexServer:
    """Serves simple pages and files; a context manager.

    ``format`` is ``json``, ``html`` or ``negotiate`` (by the Accept header). ``cache_control`` goes
    with every page; ``etags`` adds validators and answers 304. ``ranges`` serves parts of files.
    ``requests`` is the log.
    """

    def __init__(self, *, certificate: ssl.SSLContext | None = None) -> None:
        self.format = "negotiate"
        self.cache_control: str | None = "max-age=600, public"
        self.etags = True
        self.ranges = False
        self.requests: list[Request] = []
        self.projects: dict[str, list[Row]] = {}
        self._raw: dict[str, tuple[bytes, str, dict[str, str]]] = {}
        self._redirects: dict[str, str] = {}
        self._faults: list[Fault] = []
        self._credentials: str | None = None
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body are two packets: the second must not wait for the first to be acknowledged.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                outer._answer(self)

            do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate is not None:
            self._server.socket = certificate.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        """The port that the system chose."""
        return int(self._server.server_address[1])

    @property
    def base(self) -> str:
        """The address of the server, without a slash at the end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The address of the simple index."""
        return f"{self.base}/simple/"

    def with_credentials(self, user: str, password: str) -> str:
        """The address of the simple index with credentials in it."""
        return f"{self.scheme}://{user}:{password}@127.0.0.1:{self.port}/simple/"

    def __enter__(self) -> IndexServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; may be called twice."""
        self._server.shutdown()
        self._server.server_close()

    def add(
        self,
        path: Path,
        *,
        project: str | None = None,
        requires_python: str | None = None,
        yanked: str | bool | None = None,
        upload_time: str | None = None,
        hashes: Sequence[str] = ("sha256",),
        size: bool = True,
    ) -> str:
        """Put a file on the index and return its address."""
        name = (project or path.name.split("-")[0]).replace("_", "-").lower()
        self.projects.setdefault(name, []).append(Row(path, tuple(hashes), size, requires_python, yanked, upload_time))
        return f"{self.base}/files/{path.name}"

    def raw(self, path: str, content: bytes, content_type: str, **headers: str) -> str:
        """Serve *content* at *path* and return its address."""
        self._raw[path] = (content, content_type, headers)
        return self.base + path

    def redirect(self, path: str, location: str) -> None:
        """Answer *path* with a redirect."""
        self._redirects[path] = location

    def fail(
        self,
        prefix: str,
        *,
        statuses: Sequence[int] = (),
        headers: dict[str, str] | None = None,
        drop: int = 0,
        truncate: int = 0,
        delay: float = 0.0,
    ) -> None:
        """Spoil the next requests below *prefix*: *statuses* in turn, then *drop* connections,
        then cut *truncate* bodies short; *delay* in seconds is before every answer.
        """
        self._faults.append(Fault(prefix, list(statuses), headers or {}, drop, truncate, delay))

    def require_auth(self, user: str, password: str) -> None:
        """Ask for these credentials from now on."""
        self._credentials = base64.b64encode(f"{user}:{password}".encode()).decode()

    def paths(self, prefix: str = "/") -> list[str]:
        """The paths that were asked for, in order."""
        return [request.path for request in self.requests if request.path.startswith(prefix)]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        with self._lock:
            self.requests.append(
                Request(handler.command, handler.path, {key.lower(): value for key, value in handler.headers.items()})
            )
        truncate = False
        for fault in [fault for fault in self._faults if path.startswith(fault.prefix)]:
            if fault.delay:
                time.sleep(fault.delay)
            with self._lock:
                if fault.statuses:
                    self._send(handler, fault.statuses.pop(0), b"spoiled", "text/plain", fault.headers)
                    return
                if fault.drop:
                    fault.drop -= 1
                    handler.close_connection = True
                    handler.connection.close()
                    return
                if fault.truncate:
                    fault.truncate -= 1
                    truncate = True
        given = handler.headers.get("Authorization", "")
        if self._credentials is not None and given != f"Basic {self._credentials}":
            self._send(handler, 401, b"who are you?", "text/plain", {"WWW-Authenticate": 'Basic realm="tests"'})
            return
        self._route(handler, unquote(path), truncate=truncate)

    def _route(self, handler: BaseHTTPRequestHandler, path: str, *, truncate: bool) -> None:
        if path in self._redirects:
            self._send(handler, 302, b"", "text/plain", {"Location": self._redirects[path]})
        elif path in self._raw:
            content, content_type, headers = self._raw[path]
            self._send(handler, 200, content, content_type, headers, truncate=truncate)
        elif path.startswith("/files/"):
            self._file(handler, path.removeprefix("/files/"), truncate=truncate)
        elif path.startswith("/simple/") and path.strip("/").removeprefix("simple/") in self.projects:
            self._page(handler, path.strip("/").removeprefix("simple/"), truncate=truncate)
        else:
            self._send(handler, 404, b"not here", "text/plain", {})

    def _file(self, handler: BaseHTTPRequestHandler, filename: str, *, truncate: bool) -> None:
        for row in [row for rows in self.projects.values() for row in rows if row.path.name == filename]:
            content, status = row.path.read_bytes(), 200
            headers = {"Cache-Control": "max-age=31536000, immutable"}
            if self.ranges:
                headers |= {"Accept-Ranges": "bytes", "ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"'}
                asked = handler.headers.get("Range", "")
                if asked.startswith("bytes=") and handler.headers.get("If-Range") == headers["ETag"]:
                    start, total = int(asked[6:].rstrip("-")), len(content)
                    headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
                    content, status = content[start:], 206
            self._send(handler, status, content, "application/octet-stream", headers, truncate=truncate)
            return
        self._send(handler, 404, b"not here", "text/plain", {})

    def _page(self, handler: BaseHTTPRequestHandler, project: str, *, truncate: bool) -> None:
        accept = handler.headers.get("Accept", "")
        as_json = self.format == "json" or (self.format == "negotiate" and JSON_TYPE in accept)
        body = self.json_page(project) if as_json else self.html_page(project)
        headers = {"Cache-Control": self.cache_control} if self.cache_control else {}
        if self.etags:
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if handler.headers.get("If-None-Match") == headers["ETag"]:
                self._send(handler, 304, b"", "", headers)
                return
        content_type = JSON_TYPE if as_json else (HTML_TYPE if HTML_TYPE in accept else "text/html")
        self._send(handler, 200, body, content_type, headers, truncate=truncate)

    def json_page(self, project: str) -> bytes:
        """The page as PEP 691 and 700 have it."""
        files = []
        for row in self.projects[project]:
            content = row.path.read_bytes()
            entry: dict[str, Any] = {
                "filename": row.path.name,
                "url": f"../../files/{row.path.name}",
                "hashes": {name: hashlib.new(name, content).hexdigest() for name in row.hashes},
            }
            if row.size:
                entry["size"] = len(content)
            if row.requires_python is not None:
                entry["requires-python"] = row.requires_python
            if row.yanked is not None:
                entry["yanked"] = row.yanked
            if row.upload_time is not None:
                entry["upload-time"] = row.upload_time
            files.append(entry)
        return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files}).encode()

    def html_page(self, project: str) -> bytes:
        """The page as PEP 503 and 592 have it."""
        lines = ["<!DOCTYPE html><html><body>"]
        for row in self.projects[project]:
            content = row.path.read_bytes()
            fragment = "".join(f"#{name}={hashlib.new(name, content).hexdigest()}" for name in row.hashes[:1])
            attributes = ""
            if row.requires_python is not None:
                attributes += f' data-requires-python="{html.escape(row.requires_python)}"'
            if row.yanked is not None and row.yanked is not False:
                attributes += f' data-yanked="{html.escape("" if row.yanked is True else row.yanked)}"'
            lines.append(f'<a href="../../files/{row.path.name}{fragment}"{attributes}>{row.path.name}</a><br>')
        return "\n".join([*lines, "</body></html>"]).encode()

    @staticmethod
    def _send(
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        content_type: str,
        headers: dict[str, str],
        *,
        truncate: bool = False,
    ) -> None:
        handler.send_response(status)
        if content_type:
            handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD" and status != 304:
            handler.wfile.write(body[: len(body) // 2] if truncate else body)
        if truncate:
            handler.close_connection = True
