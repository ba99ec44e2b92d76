"""Through which proxy servers are asked, on real proxies."""

from __future__ import annotations

import select
import socket
import ssl
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from clients import client, filenames
from factories import make_wheel
from index_server import JSON_TYPE, IndexServer, QuietServer
from pytest_envsync.addresses import realm_of
from pytest_envsync.errors import FetchError, UsageError
from pytest_envsync.wheels.index.proxies import is_exempt, proxy_for


class Tunnel:
    """A proxy for https on a free port of the loopback address; with *login* it asks for one."""

    def __init__(self, login: str = "", *, certificate: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        wanted = f"Basic {b64encode(login.encode()).decode()}" if login else None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                outer.asked.append(self.path)
                if wanted is not None and self.headers.get("Proxy-Authorization") != wanted:
                    self.send_error(407)
                    return
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port))) as server:
                    self.send_response(200)
                    self.end_headers()
                    _carry(self.connection, server)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden method
                pass

        self._server: ThreadingHTTPServer = QuietServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            self._server.socket = certificate.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Tunnel:  # noqa: PYI034 - Self needs Python 3.11
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _carry(one: socket.socket, other: socket.socket) -> None:
    while True:
        # What TLS has read already, no system call tells of.
        held = [one] if isinstance(one, ssl.SSLSocket) and one.pending() else []
        for ready in held or select.select([one, other], [], [])[0]:
            data = ready.recv(2**16)
            if not data:
                return
            (other if ready is one else one).sendall(data)


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "wheels", "demo")


@pytest.fixture
def index(demo: Path) -> Iterator[IndexServer]:
    with IndexServer() as server:
        server.add(demo)
        yield server


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def identity(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def secure(demo: Path, identity: ssl.SSLContext) -> Iterator[IndexServer]:
    with IndexServer(certificate=identity) as server:
        server.add(demo)
        yield server


@pytest.fixture
def roots(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """The variable that lets the authority be trusted."""
    path = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(path))
    return {"SSL_CERT_FILE": str(path)}


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.0/8"), ("127.0.0.1", "127.0.0.1/8"),
        ("127.0.0.1", "0.0.0.0/0"), ("127.0.0.1", "127.0.0.1/32"), ("::1", "::1"), ("::1", "0:0:0:0:0:0:0:1"),
        ("::1", "::/0"), ("::1", "::1/128"), ("a.b.example", "example"), ("a.b.example", ".example"),
        ("a.b.example", "B.Example"), ("a.b.example", "a.b.example"), ("a.b.example", ".a.b.example"),
        ("b.example.", "b.example."), ("127.0.0.1", "*"), ("localhost", "*"),
    ],
)  # fmt: skip
def test_hosts_that_need_no_proxy(host: str, place: str) -> None:
    assert is_exempt(host, [place])
    assert is_exempt(host, ["elsewhere", "", f"  {place} ", "10.0.0.0/40"])


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("127.0.0.1", "10.0.0.0/8"), ("127.0.0.1", "127.0.0.0/255.0.0.0"), ("127.0.0.1", "127.0.0.1:80"),
        ("127.0.0.1", "0.0.1"), ("127.0.0.1", ".0.0.1"), ("127.0.0.1", "127."), ("127.0.0.1", "127.0.0.0/33"),
        ("127.0.0.1", "::/0"), ("127.0.0.1", "http://127.0.0.1"), ("127.0.0.1", "x 127.0.0.1"), ("::1", "[::1]"),
        ("::1", "0.0.0.0/0"), ("localhost", "127.0.0.0/8"), ("localhost", "localhost:80"), ("localhost", "host"),
        ("localhost", "localhost."), ("localhost", "<local>"), ("localhost", "..localhost"), ("a.b.example", "xample"),
        ("a.b.example", "*.example"), ("a.b.example", "a.b"), ("a.b.example", ""), ("b.example.", "b.example"),
    ],
)  # fmt: skip
def test_hosts_that_need_a_proxy(host: str, place: str) -> None:
    assert not is_exempt(host, [place])


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({"HTTP_PROXY": "http://a", "http_proxy": "http://b"}, "http://a"),
        ({"HTTP_PROXY": "", "http_proxy": "http://b"}, None),
        ({"http_proxy": "b:3"}, "http://b:3"),
        ({"ALL_PROXY": "http://a", "all_proxy": "http://b"}, "http://a"),
        ({"ALL_PROXY": "http://a", "HTTP_PROXY": "", "http_proxy": "http://b"}, "http://a"),
        ({"ALL_PROXY": "http://a", "http_proxy": "http://b"}, "http://b"),
        ({"ALL_PROXY": "http://a", "HTTPS_PROXY": "http://b"}, "http://a"),
        ({"HTTPS_PROXY": "http://b"}, None),
        ({"Http_Proxy": "http://b"}, None),
        ({"HTTP_PROXY": "http://a", "REQUEST_METHOD": ""}, None),
        ({"HTTP_PROXY": "http://a", "NO_PROXY": "", "no_proxy": "host"}, "http://a"),
        ({"HTTP_PROXY": "http://a", "no_proxy": "x, host"}, None),
        ({"ENVSYNC_HTTP_PROXY": "a", "HTTP_PROXY": "http://b", "NO_PROXY": "host"}, "http://a"),
        ({"ENVSYNC_HTTP_PROXY": "a", "ENVSYNC_NO_PROXY": "host"}, None),
        ({"ENVSYNC_HTTPS_PROXY": "a", "HTTP_PROXY": "http://b", "ALL_PROXY": "http://b"}, None),
        ({"ENVSYNC_NO_PROXY": "host", "HTTP_PROXY": "http://b"}, "http://b"),
    ],
)
def test_the_variable_that_counts(environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(realm_of("http://host/x"), environ) == proxy


@pytest.mark.parametrize(
    "text", ["::::", "http://", "//host", "foo bar", " http://host ", "http://u:pw@h:99999", "me:pw@h:x"]
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_that_is_no_address_is_named_where_it_would_be_used(variable: str, text: str) -> None:
    environ = {variable: text}
    assert proxy_for(realm_of("http://host/"), environ) is None
    assert proxy_for(realm_of("https://host/"), {**environ, "NO_PROXY": "host"}) is None
    with pytest.raises(UsageError, match=f"of {variable} is no valid address of a proxy") as caught:
        proxy_for(realm_of("https://host/"), environ)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["ftp", "socks4", "socks4a", "socks"])
def test_a_proxy_of_another_kind_is_named(scheme: str) -> None:
    with pytest.raises(UsageError, match=rf"`{scheme}://u:\*\*\*\*@h` of ALL_PROXY .* cannot be used"):
        proxy_for(realm_of("http://host/"), {"ALL_PROXY": f"{scheme}://u:pw@h"})


def test_a_plain_proxy_is_asked_for_whole_addresses(index: IndexServer, demo: Path) -> None:
    # So this index can stand in for one.
    index.raw("/simple/demo/", index.json_page("demo"), JSON_TYPE)
    with client(environ={"HTTP_PROXY": index.base}) as asking:
        assert filenames(asking, "http://index.invalid/simple/") == [demo.name]
    assert index.requests[0].path == "http://index.invalid/simple/demo/"


def test_each_server_is_asked_in_its_own_way(index: IndexServer, demo: Path) -> None:
    index.raw("/simple/demo/", index.json_page("demo"), JSON_TYPE)
    with client(environ={"HTTP_PROXY": index.base, "NO_PROXY": "127.0.0.0/8"}) as asking:
        for url in (index.url, "http://index.invalid/simple/"):
            assert filenames(asking, url) == [demo.name]
    assert [request.path for request in index.requests] == ["/simple/demo/", "http://index.invalid/simple/demo/"]


@pytest.mark.parametrize("login", ["", "user:secret"])
def test_https_goes_through_a_tunnel(secure: IndexServer, demo: Path, roots: dict[str, str], login: str) -> None:
    with Tunnel(login) as tunnel:
        proxy = f"http://{login}@{tunnel.host}" if login else tunnel.host
        with client(environ={"HTTPS_PROXY": proxy, **roots}) as asking:
            assert filenames(asking, secure.url) == [demo.name]
    assert tunnel.asked == [f"127.0.0.1:{secure.port}"]


@pytest.mark.parametrize("login", ["", "user:wrongpw@"])
def test_a_tunnel_that_asks_for_a_login_is_told_once(secure: IndexServer, login: str) -> None:
    with Tunnel("user:secret") as tunnel, client(environ={"HTTPS_PROXY": f"http://{login}{tunnel.host}"}) as asking:
        with pytest.raises(FetchError, match=f"through the proxy `http://.*{tunnel.host}`: 407") as caught:
            asking.page(secure.url, "demo")
        assert "a login" in (caught.value.hint or "")
        assert "wrongpw" not in str(caught.value)
    assert len(tunnel.asked) == 1


def test_the_certificate_of_a_proxy_is_judged_by_its_own_name(
    secure: IndexServer, demo: Path, identity: ssl.SSLContext, roots: dict[str, str]
) -> None:
    with Tunnel(certificate=identity) as tunnel:
        environ = {"HTTPS_PROXY": f"https://{tunnel.host}"}
        with client(environ={**environ, **roots}) as asking:
            assert filenames(asking, secure.url) == [demo.name]
        careless = client(environ=environ, allow_insecure_host=(f"127.0.0.1:{secure.port}",))
        with careless as asking, pytest.raises(FetchError, match="certificate"):
            asking.page(secure.url, "demo")
        with client(environ=environ, allow_insecure_host=("127.0.0.1",)) as asking:
            assert filenames(asking, secure.url) == [demo.name]


def test_a_proxy_that_is_down_is_named_without_its_password(index: IndexServer) -> None:
    environ = {"HTTP_PROXY": "http://user:secret@127.0.0.1:9", "UV_HTTP_RETRIES": "0"}
    with client(environ=environ) as asking, pytest.raises(FetchError) as caught:
        asking.page(index.url, "demo")
    assert "cannot be reached through the proxy `http://user:****@127.0.0.1:9`" in str(caught.value)


def test_a_proxy_that_refuses_is_tried_again(index: IndexServer) -> None:
    environ = {"HTTPS_PROXY": index.base, "UV_HTTP_RETRIES": "1"}
    with client(environ=environ) as asking, pytest.raises(FetchError, match=r"through the proxy .* \(2 tries"):
        asking.page("https://index.invalid/simple/", "demo")


def test_a_socks_proxy_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    asking = client(environ={"ALL_PROXY": "socks5h://127.0.0.1:9"})
    with asking, pytest.raises(UsageError, match="needs the package socksio"):
        asking.page("http://index.invalid/simple/", "demo")
