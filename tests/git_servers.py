"""Real git servers on loopback: ``git http-backend`` behind TLS, and sshd."""

from __future__ import annotations

import base64
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, final

import pytest

from index_server import QuietServer


class Asked(NamedTuple):
    """One request: its path with the query, and who made it."""

    path: str
    user: str | None


@final
class HttpsGitServer:
    """Serves the repositories below *root* over https; a context manager. ``requests`` is the log."""

    def __init__(self, root: Path, certificate: ssl.SSLContext) -> None:
        self.root = root
        self.requests: list[Asked] = []
        self.credentials: tuple[str, str] | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            do_POST = do_GET  # noqa: N815 - the name that the server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden method
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._server.socket = certificate.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def url(self, name: str, *, user_info: str = "") -> str:
        """The address of a repository, for a requirement."""
        return f"git+https://{user_info}127.0.0.1:{self._server.server_address[1]}/{name}"

    def __enter__(self) -> HttpsGitServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        body = _body(handler)
        scheme, _, token = handler.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(token).decode().partition(":") if scheme == "Basic" else ("", "", "")
        self.requests.append(Asked(handler.path, user or None))
        if self.credentials is not None and (user, password) != self.credentials:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="git"')
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            # Nobody asks who owns a repository of this test.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": handler.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        answer = subprocess.run(["git", "http-backend"], env=environ, input=body, capture_output=True, check=False)
        head, _, content = answer.stdout.partition(b"\r\n\r\n")
        lines = [line.partition(": ") for line in head.decode().split("\r\n")]
        status = next((value.split()[0] for name, _, value in lines if name == "Status"), "200")
        handler.send_response(int(status))
        for name, _, value in lines:
            if name not in {"Status", ""}:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    body = b""
    while size := int(handler.rfile.readline(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


@final
class SshServer:
    """sshd for the user who runs the tests, with a key made now; a context manager. ``command`` is the ssh for git."""

    def __init__(self, root: Path) -> None:
        found = shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))
        if found is None or shutil.which("ssh-keygen") is None:
            pytest.skip("sshd is not installed")
        self._sshd = found
        root.mkdir(mode=0o700)
        self._root = root
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / name], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        host = (root / "host.pub").read_text()
        (root / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host}")
        (root / "authorized_keys").write_text((root / "user.pub").read_text())
        (root / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {root}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {root}/authorized_keys\nPasswordAuthentication no\nStrictModes no\n"
            "PermitRootLogin yes\n"
        )
        (root / "ssh_config").write_text(
            f"IdentityFile {root}/user\nIdentitiesOnly yes\nUserKnownHostsFile {root}/known_hosts\n"
            "StrictHostKeyChecking yes\nBatchMode yes\n"
        )
        self.command = f"ssh -F {root}/ssh_config"
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, repository: Path) -> str:
        """The address of a repository, for a requirement."""
        return f"git+ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"

    def __enter__(self) -> SshServer:
        log = self._root / "log"
        with log.open("wb") as errors:
            command = [self._sshd, "-D", "-e", "-f", str(self._root / "sshd_config")]
            self._process = subprocess.Popen(command, stderr=errors, stdin=subprocess.DEVNULL)
        while True:
            if self._process.poll() is not None:
                pytest.skip(f"sshd does not run here: {log.read_text(errors='replace').strip()}")
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.01)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
