"""What passes is tried again, what does not is told: with the number of tries, without a secret."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import trustme

from clients import client, filenames
from factories import make_wheel, sha256
from index_server import IndexServer
from pytest_envsync.errors import EnvsyncError, FetchError, UsageError
from pytest_envsync.wheels.index.indexes import Index


@pytest.fixture
def demo(index: IndexServer, wheels: Path) -> Path:
    """A wheel that the index has."""
    wheel = make_wheel(wheels)
    index.add(wheel, requires_python=">=3.8")
    return wheel


def test_passing_faults_are_tried_again(index: IndexServer, demo: Path, tmp_path: Path) -> None:
    index.fail("/simple/", statuses=[500, 429], drop=1)
    index.fail("/files/", statuses=[503], drop=1, truncate=1)
    seen: list[int] = []
    with client() as asking:
        assert filenames(asking, index.url) == [demo.name]
        digests = asking.download(f"{index.base}/files/{demo.name}", tmp_path / "got", on_bytes=seen.append)
    assert digests == {"sha256": sha256(demo)}
    assert (tmp_path / "got").read_bytes() == demo.read_bytes()
    assert sum(seen) == demo.stat().st_size
    assert min(seen) < 0
    assert (len(index.paths("/simple/")), len(index.paths("/files/"))) == (4, 4)


def test_a_broken_download_goes_on_where_a_server_allows_it(index: IndexServer, demo: Path, tmp_path: Path) -> None:
    index.ranges = True
    index.fail("/files/", truncate=2)
    seen: list[int] = []
    with client() as asking:
        digests = asking.download(f"{index.base}/files/{demo.name}", tmp_path / "got", on_bytes=seen.append)
    assert digests == {"sha256": sha256(demo)}
    assert min(seen) > 0
    assert ["range" in request.headers for request in index.requests] == [False, True, True]


def test_a_file_that_changed_between_two_parts_is_fetched_whole(
    index: IndexServer, wheels: Path, tmp_path: Path
) -> None:
    wheel = make_wheel(wheels)
    index.add(wheel)
    index.ranges = True
    index.fail("/files/", truncate=1)

    def change(count: int) -> None:
        make_wheel(wheels, files={"demo.py": "changed = 'a different and longer text'"})

    with client() as asking:
        digests = asking.download(f"{index.base}/files/{wheel.name}", tmp_path / "got", on_bytes=change)
    assert digests == {"sha256": sha256(wheel)} == {"sha256": sha256(tmp_path / "got")}


class WithoutEnd(BaseHTTPRequestHandler):
    """Sends all bytes of a file and not the end of its body, then says that there is no rest of it."""

    protocol_version = "HTTP/1.1"
    content = b"x" * 5000
    asked: ClassVar[list[str | None]] = []

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Range"))
        if len(self.asked) == 1:
            self.send_response(200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"one"')
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"1388\r\n" + self.content + b"\r\n")
            self.close_connection = True
            return
        is_part = self.headers.get("Range") is not None
        content = b"" if is_part else self.content
        self.send_response(416 if is_part else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def test_a_download_that_lacked_its_end_alone_is_begun_anew(tmp_path: Path) -> None:
    WithoutEnd.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), WithoutEnd) as server, client() as asking:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        digests = asking.download(f"http://127.0.0.1:{server.server_port}/demo.whl", tmp_path / "got")
        server.shutdown()
    assert digests == {"sha256": hashlib.sha256(WithoutEnd.content).hexdigest()}
    assert (tmp_path / "got").read_bytes() == WithoutEnd.content
    assert WithoutEnd.asked == [None, "bytes=5000-", None]


def test_an_index_that_stays_away_is_told_with_the_number_of_tries(index: IndexServer) -> None:
    index.fail("/simple/", statuses=[503] * 9)
    with client(environ={"UV_HTTP_RETRIES": "2"}) as asking, pytest.raises(FetchError) as caught:
        asking.page(index.with_credentials("user", "secret"), "demo")
    error = caught.value
    assert (error.status, error.tries, error.exit_status) == (503, 3, 2)
    assert "answered 503 Service Unavailable (3 tries in" in str(error)
    assert "secret" not in f"{error}{error.url}{error.hint}"
    assert len(index.requests) == 3


def test_a_status_without_a_name_is_told_by_its_number(index: IndexServer) -> None:
    index.fail("/simple/", statuses=[299])
    with client() as asking, pytest.raises(FetchError, match="answered 299"):
        asking.page(index.url, "demo")


def test_a_server_that_is_down_is_not_tried_for_every_project() -> None:
    # Nobody listens at a port that is held, and nobody else can have it meanwhile.
    with socket.socket() as holder, client(environ={"ENVSYNC_HTTP_RETRIES": "1"}) as asking:
        holder.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{holder.getsockname()[1]}/simple/"
        for project, tries in (("demo", 2), ("other", 1)):
            with pytest.raises(FetchError, match=r"cannot be reached: .*refused \(2 tries in") as caught:
                asking.page(url, project)
            assert f"/simple/{project}/" in str(caught.value)
            assert "secret" not in str(caught.value)
            assert caught.value.tries == tries


def test_the_pause_that_a_server_asks_for_is_kept(
    index: IndexServer, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.fail("/simple/", statuses=[429], headers={"Retry-After": "7"})
    waited: list[float] = []
    with client() as asking:
        monkeypatch.setattr(asking._retries._ended, "wait", waited.append)
        assert filenames(asking, index.url) == [demo.name]
    assert waited == [7]


def test_a_server_that_asks_for_a_long_pause_is_not_waited_for(index: IndexServer) -> None:
    index.fail("/simple/", statuses=[503] * 4, headers={"Retry-After": "86400"})
    with client() as asking, pytest.raises(FetchError, match="1 try"):
        asking.page(index.url, "demo")


def test_a_server_that_says_nothing_is_given_up(index: IndexServer, demo: Path) -> None:
    index.fail("/simple/", delay=60)  # nobody waits for it, also on a machine that is slow
    environ = {"UV_HTTP_TIMEOUT": "1", "UV_HTTP_RETRIES": "0"}
    with client(environ=environ) as asking, pytest.raises(FetchError, match="sent nothing for too long"):
        asking.page(index.url, "demo")


def test_closing_ends_a_pause(index: IndexServer) -> None:
    index.fail("/simple/", statuses=[503] * 9, headers={"Retry-After": "50"})
    asking = client()
    errors: list[EnvsyncError] = []

    def ask() -> None:
        try:
            asking.page(index.url, "demo")
        except EnvsyncError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not index.requests:
        time.sleep(0.01)
    asking.close()
    thread.join(timeout=300)
    assert not thread.is_alive()
    assert len(errors) == 1


@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
def test_closing_ends_the_wait_for_a_server_that_says_nothing(tmp_path: Path, *, is_secure: bool) -> None:
    authority = trustme.CA()
    roots = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with IndexServer(certificate=context if is_secure else None) as index:
        index.fail("/", delay=600)
        asking = client(environ={"SSL_CERT_FILE": str(roots), "UV_HTTP_TIMEOUT": "600"})
        errors: list[EnvsyncError] = []

        def ask() -> None:
            try:
                asking.page(index.url, "demo")
            except EnvsyncError as error:
                errors.append(error)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        while not index.requests:
            assert thread.is_alive()
            time.sleep(0.01)
        asking.close()
        thread.join(timeout=120)
        assert not thread.is_alive()
        assert (len(errors), len(index.requests)) == (1, 1)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@exa mple.org/simple/",
        "https://user:secret@example.org:port/simple/",
        "https:///simple/",
        "https://user:secret@[::1/simple/",
        "https://user:secret@exa\x7fmple.org/simple/",
        f"https://user:secret@{'x' * 70}.org/simple/",
        "ftp://user:secret@example.org/simple/",
    ],
)
def test_addresses_that_cannot_be_are_told_without_their_secrets(url: str) -> None:
    with client() as asking, pytest.raises(FetchError) as caught:
        asking.page(Index(url), "demo")
    assert "secret" not in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize("name", ["UV_HTTP_RETRIES", "ENVSYNC_HTTP_TIMEOUT", "UV_HTTP_CONNECT_TIMEOUT"])
def test_settings_that_are_no_numbers_are_told(index: IndexServer, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} must be a whole number"):
        client(environ={name: "many"}).page(index.url, "demo")
    with pytest.raises(UsageError, match=f"{name} must be a whole number"):
        client(environ={name: str(2**64)}).page(index.url, "demo")


@pytest.mark.parametrize("name", ["UV_HTTP_TIMEOUT", "UV_HTTP_CONNECT_TIMEOUT"])
@pytest.mark.parametrize("value", ["+30", "2147483648", "300000000000"])
def test_a_time_limit_may_be_longer_than_the_system_can_wait(index: IndexServer, name: str, value: str) -> None:
    with client(environ={name: value, "UV_HTTP_RETRIES": "0"}) as asking:
        asking.page(index.url, "demo")
    assert len(index.requests) == 1


def test_no_time_for_a_connection_stands_for_the_usual(index: IndexServer) -> None:
    with client(environ={"UV_HTTP_CONNECT_TIMEOUT": "0", "UV_HTTP_RETRIES": "0"}) as asking:
        asking.page(index.url, "demo")
    assert len(index.requests) == 1
