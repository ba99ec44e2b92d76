"""Credentials reach the server they are for and no other place; certificates and proxies are the user's choice."""

from __future__ import annotations

import os
import ssl
import stat
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from clients import Listener, client, filenames
from factories import make_wheel, sha256
from index_server import IndexServer
from pytest_envsync.errors import FetchError, UsageError
from pytest_envsync.settings.index_tables import IndexRule
from pytest_envsync.wheels.index.credentials import Credentials, Login
from pytest_envsync.wheels.index.indexes import Index
from pytest_envsync.wheels.index.tls import check_variables, trusting_context


@pytest.fixture
def demo(index: IndexServer, wheels: Path) -> Path:
    """A wheel that the index has."""
    wheel = make_wheel(wheels)
    index.add(wheel, requires_python=">=3.8")
    return wheel


@pytest.fixture
def guarded(index: IndexServer, demo: Path) -> IndexServer:
    """An index that asks who one is."""
    index.require_auth("user", "se:cret@")
    return index


ENCODED = "user:se%3Acret%40"


def test_a_login_in_the_address_counts_for_the_files_too(guarded: IndexServer, demo: Path, tmp_path: Path) -> None:
    with client() as asking:
        page = asking.page(guarded.with_credentials(*ENCODED.split(":")), "demo")
        assert page is not None
        (file,) = page.files()
        assert "cret" not in repr((file, page, asking))
        asking.download(file.url, tmp_path / "got")
    assert sha256(tmp_path / "got") == sha256(demo)


@pytest.mark.parametrize("prefix", ["UV", "ENVSYNC"])
def test_a_login_in_variables_counts_for_a_named_index(guarded: IndexServer, demo: Path, prefix: str) -> None:
    environ = {f"{prefix}_INDEX_MY_OWN_USERNAME": "user", f"{prefix}_INDEX_MY_OWN_PASSWORD": "se:cret@"}
    with client(environ=environ) as asking:
        assert filenames(asking, f"my-own={guarded.url}") == [demo.name]


@pytest.mark.parametrize("place", ["NETRC", "HOME"])
@pytest.mark.parametrize("entry", ["machine 127.0.0.1", "default"])
def test_netrc_is_read(guarded: IndexServer, demo: Path, tmp_path: Path, place: str, entry: str) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine example.org login other password wrong\n{entry} login user password se:cret@\n")
    netrc.chmod(0o600)
    environ = {place: str(netrc if place == "NETRC" else tmp_path)}
    with client(environ=environ) as asking:
        assert filenames(asking, guarded.url) == [demo.name]
    unasked = "authorization" in guarded.requests[0].headers
    assert unasked is entry.startswith("machine")


def test_netrc_completes_a_user_name(guarded: IndexServer, demo: Path, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password se:cret@\n")
    with client(environ={"HOME": str(tmp_path)}) as asking:
        assert filenames(asking, guarded.url.replace("//", "//user@")) == [demo.name]


def test_a_netrc_that_cannot_be_read_is_told_without_its_text(guarded: IndexServer, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password se:cret@ nonsense\n")
    listener = Listener()
    with client(environ={"HOME": str(tmp_path)}, reporter=listener) as asking, pytest.raises(FetchError):
        asking.page(guarded.url, "demo")
    (warning,) = listener.warnings
    assert "cannot be parsed" in warning
    assert "cret" not in warning


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``keyring`` command that knows one password, by host; gives the log of what it was asked."""
    command = tmp_path / "bin" / "keyring"
    command.parent.mkdir()
    log = tmp_path / "keyring.log"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "if sys.argv[2].startswith('http'): sys.exit(1)\nprint('se:cret@')\n"
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    return log


@pytest.mark.skipif(sys.platform == "win32", reason="the command is a script with a first line")
def test_the_keyring_is_asked_by_address_then_host_and_once(guarded: IndexServer, demo: Path, keyring: Path) -> None:
    url = guarded.url.replace("//", "//user@")
    with client(environ=dict(os.environ), keyring_provider="subprocess") as asking:
        assert filenames(asking, url) == [demo.name]
        asking.page(url, "other")
    assert keyring.read_text().splitlines() == [f"get {guarded.url} user", f"get 127.0.0.1:{guarded.port} user"]


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_the_keyring_may_know_the_user_too(guarded: IndexServer, demo: Path, keyring: Path) -> None:
    command = keyring.with_name("bin") / "keyring"
    command.write_text(command.read_text().replace("'se:cret@'", "'user', 'se:cret@', sep='\\r\\n'"))
    always = Index(guarded.url, rule=IndexRule(authenticate="always"))
    with client(environ=dict(os.environ), keyring_provider="subprocess") as asking:
        assert filenames(asking, always) == [demo.name]
    host = f"127.0.0.1:{guarded.port}"
    assert keyring.read_text().splitlines() == [f"get {place} --mode creds" for place in (guarded.url, host)]


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_the_keyring_is_left_alone_unless_wanted(guarded: IndexServer, keyring: Path) -> None:
    with client(environ=dict(os.environ)) as asking, pytest.raises(FetchError):
        asking.page(guarded.url.replace("//", "//user@"), "demo")
    assert not keyring.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the command is a script with a first line")
def test_a_keyring_that_fails_is_asked_three_ways(guarded: IndexServer, keyring: Path) -> None:
    with (keyring.with_name("bin") / "keyring").open("r+") as command:
        failing = command.read().replace("print(", "sys.exit(")
        command.seek(0)
        command.write(failing)
    url = guarded.url.replace("//", "//nobody@")
    with client(environ=dict(os.environ), keyring_provider="subprocess") as asking, pytest.raises(FetchError):
        asking.page(url, "demo")
    host = f"127.0.0.1:{guarded.port}"
    assert keyring.read_text().splitlines() == [f"get {place} nobody" for place in (guarded.url, host, guarded.base)]


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_all_who_want_a_login_at_once_ask_the_keyring_once(guarded: IndexServer, keyring: Path) -> None:
    known = Credentials(dict(os.environ), keyring=True)
    everybody = threading.Barrier(8)

    def learn(_: int) -> Login | None:
        everybody.wait(300)
        known.learn(guarded.url.replace("//", "//user@"))
        return known.login_for(guarded.url)

    with ThreadPoolExecutor(8) as pool:
        logins = set(pool.map(learn, range(8)))
    assert logins == {Login("user", "se:cret@")}
    assert keyring.read_text().splitlines() == [f"get {guarded.url} user", f"get 127.0.0.1:{guarded.port} user"]


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_a_keyring_that_does_not_answer_is_not_asked_again(
    guarded: IndexServer, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = keyring.with_name("bin") / "keyring"
    command.write_text(f"#!/bin/sh\necho $2 >> {keyring}\nexec sleep 600\n")
    monkeypatch.setattr("pytest_envsync.wheels.index.credentials._KEYRING_SECONDS", 3.0)
    known = Credentials(dict(os.environ), keyring=True)
    for place in (guarded.url, "http://other.test/simple"):
        known.learn(place.replace("//", "//user@"))
        assert known.login_for(place) == Login("user", "")
    assert len(keyring.read_text().splitlines()) <= 1


@pytest.mark.skipif(sys.platform == "win32", reason="the command is a script with a first line")
def test_the_keyring_is_not_asked_for_an_index_that_wants_no_login(guarded: IndexServer, keyring: Path) -> None:
    index = Index(guarded.url.replace("//", "//user@"), rule=IndexRule(authenticate="never"))
    with client(environ=dict(os.environ), keyring_provider="subprocess") as asking, pytest.raises(FetchError):
        asking.page(index, "demo")
    assert not keyring.exists()


def test_a_missing_keyring_command_is_told(guarded: IndexServer, tmp_path: Path) -> None:
    listener = Listener()
    environ = {"PATH": str(tmp_path)}
    with client(environ=environ, reporter=listener, keyring_provider="subprocess") as asking, pytest.raises(FetchError):
        asking.page(guarded.url.replace("//", "//user@"), "demo")
    assert [warning.partition(":")[0] for warning in listener.warnings] == ["the `keyring` command is not used"]


def test_a_refusal_says_where_credentials_may_stand(guarded: IndexServer) -> None:
    for url in (guarded.url, guarded.with_credentials("user", "wrong")):
        with client() as asking, pytest.raises(FetchError, match="401 Unauthorized") as caught:
            asking.page(url, "demo")
        assert "UV_INDEX_NAME_PASSWORD" in (caught.value.hint or "")
        assert (caught.value.exit_status, caught.value.status) == (1, 401)
        assert "wrong" not in str(caught.value)
    assert len(guarded.requests) == 2  # a refusal is no passing fault


def test_a_login_goes_to_no_other_server(guarded: IndexServer, wheels: Path, tmp_path: Path) -> None:
    with IndexServer() as other:
        wheel = make_wheel(wheels, "moved")
        target = other.add(wheel)
        guarded.redirect("/files/moved.whl", target)
        with client() as asking:
            asking.page(guarded.with_credentials(*ENCODED.split(":")), "demo")
            asking.download(f"{guarded.base}/files/moved.whl", tmp_path / "got")
        assert "authorization" in guarded.requests[-1].headers
        assert "authorization" not in other.requests[-1].headers
    assert sha256(tmp_path / "got") == sha256(wheel)


def test_credentials_show_nothing_of_themselves() -> None:
    credentials = Credentials({})
    credentials.learn("https://user:secret@example.org/")
    login = credentials.login_for("https://example.org/x")
    assert login == Login("user", "secret")
    assert "secret" not in f"{credentials!r}{login!r}"


def test_two_indexes_of_one_server_keep_their_logins(index: IndexServer, wheels: Path) -> None:
    page = b'<a href="demo-1.0-py3-none-any.whl">x</a>'
    index.raw("/one/simple/demo/", page, "text/html")
    index.raw("/two/simple/demo/", page, "text/html")
    with client() as asking:
        asking.page(f"{index.scheme}://a:1@127.0.0.1:{index.port}/one/simple/", "demo")
        asking.page(f"{index.scheme}://b:2@127.0.0.1:{index.port}/two/simple/", "demo")
        asking.read(f"{index.base}/one/simple/demo/")
    sent = [request.headers["authorization"] for request in index.requests]
    assert sent[0] == sent[2] != sent[1]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, demo: Path) -> Iterator[IndexServer]:
    """An index over TLS that has the demo wheel."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with IndexServer(certificate=context) as server:
        server.add(demo)
        yield server


@pytest.fixture
def roots(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def test_a_certificate_that_is_not_trusted_is_told_at_once(secure: IndexServer) -> None:
    with client() as asking, pytest.raises(FetchError, match="is not trusted") as caught:
        asking.page(secure.url, "demo")
    assert "--cert" in (caught.value.hint or "")


def test_roots_come_from_the_setting_or_from_variables(secure: IndexServer, demo: Path, roots: Path) -> None:
    with client(cert=str(roots)) as asking:
        assert filenames(asking, secure.url) == [demo.name]
    with client(environ={"SSL_CERT_FILE": str(roots)}) as asking:
        assert filenames(asking, secure.url) == [demo.name]


def test_a_host_may_be_trusted_without_a_certificate(secure: IndexServer, demo: Path) -> None:
    for host in ("127.0.0.1", f"127.0.0.1:{secure.port}", secure.base, "*"):
        with client(allow_insecure_host=("example.org", host)) as asking:
            assert filenames(asking, secure.url) == [demo.name]


def test_certificates_that_cannot_be_read_are_told(secure: IndexServer, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in (empty, tmp_path / "nothing.pem"):
        with client(cert=str(path)) as asking, pytest.raises(UsageError, match="cannot be read"):
            asking.page(secure.url, "demo")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\n")
    listener = Listener()
    with (
        client(environ={"SSL_CLIENT_CERT": str(broken)}, reporter=listener) as asking,
        pytest.raises(FetchError, match="is not trusted"),
    ):
        asking.page(secure.url, "demo")
    assert f"`SSL_CLIENT_CERT` is ignored: `{broken}` is no certificate" in listener.warnings[0]


def test_a_server_may_ask_who_we_are(authority: trustme.CA, demo: Path, roots: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    own = tmp_path / "own.pem"
    authority.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(str(own))
    named = {"SSL_CLIENT_CERT": str(own)}
    with IndexServer(certificate=context) as index:
        index.add(demo)
        for environ, options in (
            ({**named, "SSL_CERT_FILE": str(roots)}, {}),
            (named, {"cert": str(roots)}),
            (named, {"allow_insecure_host": ("127.0.0.1",)}),
        ):
            with client(environ=environ, **options) as asking:
                assert filenames(asking, index.url) == [demo.name]
        with client(environ={"UV_HTTP_RETRIES": "0"}, cert=str(roots)) as asking, pytest.raises(FetchError):
            asking.page(index.url, "demo")


def test_a_directory_of_roots_may_have_any_names(secure: IndexServer, demo: Path, roots: Path) -> None:
    (roots.parent / "more.crt").write_text("no certificate")
    with client(environ={"SSL_CERT_DIR": str(roots.parent)}) as asking:
        assert filenames(asking, secure.url) == [demo.name]


def test_who_names_roots_wants_no_others(secure: IndexServer, demo: Path, roots: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for environ in ({"SSL_CERT_FILE": str(tmp_path / "no")}, {"SSL_CERT_DIR": str(tmp_path / "no")}):
        assert not trusting(environ).get_ca_certs()
    assert trusting({}).get_ca_certs()
    # One of several is enough.
    with client(environ={"SSL_CERT_FILE": str(roots), "SSL_CERT_DIR": f"{tmp_path / 'no'}:"}) as asking:
        assert filenames(asking, secure.url) == [demo.name]


def trusting(environ: dict[str, str]) -> ssl.SSLContext:
    return trusting_context(cert=None, system_certs=False, environ=environ, reporter=Listener())


def test_roots_that_cannot_be_used_are_told_before_anybody_is_asked(roots: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    listener = Listener()
    check_variables({"SSL_CERT_FILE": str(roots), "SSL_CERT_DIR": str(tmp_path)}, listener)
    assert listener.warnings == []
    check_variables({"SSL_CERT_FILE": str(tmp_path / "empty"), "SSL_CLIENT_CERT": str(tmp_path / "no")}, listener)
    check_variables({"SSL_CERT_FILE": str(tmp_path / "no"), "SSL_CERT_DIR": str(roots)}, listener)
    alone = {"SSL_CERT_FILE": str(tmp_path / "no"), "SSL_CLIENT_CERT": str(roots)}
    check_variables(alone, listener, cert=str(roots))
    check_variables({"SSL_CLIENT_CERT": str(tmp_path)}, listener, cert=str(roots))
    assert [warning.partition(":")[0] for warning in listener.warnings] == [
        f"`SSL_CERT_FILE` names `{tmp_path / 'empty'}`, where no certificates are",
        "`SSL_CLIENT_CERT` is ignored",
        f"`SSL_CERT_FILE` names `{tmp_path / 'no'}`, which is not there",
        f"`SSL_CERT_DIR` names `{roots}`, where no certificates are",
        "`SSL_CLIENT_CERT` is ignored",
        "`SSL_CLIENT_CERT` is ignored",
    ]


def test_the_system_may_verify(secure: IndexServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("truststore")
    with client(system_certs=True) as asking, pytest.raises(FetchError, match="is not trusted"):
        asking.page(secure.url, "demo")
    monkeypatch.setitem(sys.modules, "truststore", None)
    with client(system_certs=True) as asking, pytest.raises(UsageError, match="needs the package truststore") as caught:
        asking.page(secure.url, "demo")
    assert "native-tls" in (caught.value.hint or "")
