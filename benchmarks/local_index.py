"""Serve a directory of wheels as a package index on a free port of the loopback address.

Pages and files carry the caching headers that the public index sends: ten minutes for
pages, for ever for files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


def pages_of(directory: Path) -> dict[str, bytes]:
    """Return the JSON page of every project whose wheels are in *directory*."""
    projects: dict[str, list[dict[str, object]]] = {}
    for path in sorted(directory.glob("*.whl")):
        name = path.name.split("-")[0].replace("_", "-").replace(".", "-").lower()
        projects.setdefault(name, []).append(
            {
                "filename": path.name,
                "url": f"../../files/{path.name}",
                "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
                "size": path.stat().st_size,
            }
        )
    return {
        name: json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode()
        for name, files in projects.items()
    }


@contextmanager
def serve(directory: Path) -> Iterator[str]:
    """Serve *directory* while the context lasts; gives the address of the simple index."""
    pages = pages_of(directory)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Small answers must not wait for the acknowledgement of the head.
        disable_nagle_algorithm = True
        wbufsize = 65536

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith("/files/") and (directory / path[7:]).is_file():
                self.send_file(directory / path[7:])
            elif (name := path.removeprefix("/simple/").strip("/")) in pages:
                body = pages[name]
                tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
                known = self.headers.get("If-None-Match") == tag
                self.head(304 if known else 200, 0 if known else len(body), JSON_TYPE, "max-age=600, public", tag)
                if not known:
                    self.wfile.write(body)
            else:
                self.head(404, 0, "text/plain", "no-store", "")

        def send_file(self, path: Path) -> None:
            self.head(200, path.stat().st_size, "application/octet-stream", "max-age=365000000, immutable, public", "")
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, self.wfile, 1 << 20)

        def head(self, status: int, length: int, content_type: str, cache_control: str, tag: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(length))
            self.send_header("Cache-Control", cache_control)
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden method
            pass

    # A process of its own: a server in this interpreter would share its lock with nobody, but its
    # processor time would be counted with the measured commands.
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    child = os.fork()
    if child == 0:
        try:
            server.serve_forever(poll_interval=0.05)
        finally:
            os._exit(0)
    threading.Event().wait(0.1)
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
    finally:
        os.kill(child, 15)
        os.waitpid(child, 0)
        server.server_close()
