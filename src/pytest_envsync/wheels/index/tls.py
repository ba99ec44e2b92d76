"""Whose certificates are trusted.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.addresses import Realm
from pytest_envsync.errors import UsageError
from pytest_envsync.narration import Reporter
from pytest_envsync.options import SyncOptions

if TYPE_CHECKING:
    import ssl


def is_insecure(realm: Realm, hosts: Collection[str]) -> bool:
    """Whether *hosts* (names, with a port, with a scheme, or ``*``) let *realm* go unverified."""
    places = {realm.host, f"{realm.host}:{realm.port}", f"https://{realm.host}", f"https://{realm.host}:{realm.port}"}
    return any(host == "*" or host.rstrip("/").lower() in places for host in hosts)


def trust_in(realm: Realm, hosts: Collection[str]) -> str:
    """Return what a connection to *realm* verifies: ``plain`` and ``careless`` nothing, ``trusting`` who it is."""
    if realm.scheme != "https":
        return "plain"
    return "careless" if is_insecure(realm, hosts) else "trusting"


def context_for(trust: str, options: SyncOptions, environ: Mapping[str, str], reporter: Reporter) -> ssl.SSLContext:
    """Return the context for what ``trust_in`` says. Raises UsageError as ``trusting_context`` does."""
    if trust == "plain":  # loading roots takes longer than a request over plain HTTP, which needs none
        return careless_context()
    if trust == "careless":
        context = careless_context()
        _identify(context, environ, reporter)
        return context
    return trusting_context(cert=options.cert, system_certs=options.system_certs, environ=environ, reporter=reporter)


def trusting_context(
    *, cert: str | None, system_certs: bool, environ: Mapping[str, str], reporter: Reporter
) -> ssl.SSLContext:
    """Return a context that verifies servers.

    Roots come from the bundle *cert*, else from ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` alone, else (*system_certs*)
    from the system's own verifier, else from the bundle that comes along with httpx. ``SSL_CLIENT_CERT`` is
    a PEM file with our certificate and key; one that cannot be used is warned of. Raises UsageError for a *cert* that
    cannot be read.
    """
    import ssl

    try:
        if cert is not None:
            context = ssl.create_default_context(cafile=cert)
        elif (roots := _named_roots(environ)) is not None:
            context = _context_of(roots)
        else:
            context = _system_context() if system_certs else _bundled_context()
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificates in `{cert}` cannot be read: {error.strerror or error}",
            hint="--cert takes a file of certificates in PEM form",
        ) from error
    _identify(context, environ, reporter)
    return context


def _identify(context: ssl.SSLContext, environ: Mapping[str, str], reporter: Reporter) -> None:
    """Let *context* show the certificate of ``SSL_CLIENT_CERT`` to servers that ask for one."""
    import ssl

    client = environ.get("SSL_CLIENT_CERT")
    if client and _lack_of(client) is None:
        try:
            context.load_cert_chain(client)
        except (OSError, ssl.SSLError) as error:
            reporter.warn(f"`SSL_CLIENT_CERT` is ignored: `{client}` is no certificate with its key: {error}")


def _lack_of(client: str) -> str | None:
    """Return why *client* is no file with a certificate and its key, as far as its text tells; None if it may be."""
    try:
        with open(client, "rb") as file:  # noqa: PTH123 - as below
            content = file.read()
    except FileNotFoundError:
        return f"there is no `{client}`"
    except OSError as error:
        return f"`{client}` cannot be read: {error.strerror or error}"
    is_whole = b"-----BEGIN CERTIFICATE-----" in content and b"PRIVATE KEY-----" in content
    return None if is_whole else f"`{client}` is no certificate with its key"


def check_variables(environ: Mapping[str, str], reporter: Reporter, *, cert: str | None = None) -> None:
    """Warn of what ``SSL_CERT_FILE``, ``SSL_CERT_DIR`` and ``SSL_CLIENT_CERT`` name and cannot be used.

    Who names roots wants no others: then none are trusted. Beside a *cert* these roots do not count.
    """
    if cert is None:
        _check_roots(environ, reporter)
    client = environ.get("SSL_CLIENT_CERT")
    if client and (lack := _lack_of(client)) is not None:
        reporter.warn(f"`SSL_CLIENT_CERT` is ignored: {lack}")


def _check_roots(environ: Mapping[str, str], reporter: Reporter) -> None:
    kept = set(_named_roots(environ) or ())
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        for path in _places(environ, name):
            if path not in kept:
                lost = "which is not there" if not os.path.exists(path) else "where no certificates are"  # noqa: PTH110 - as below
                reporter.warn(f"`{name}` names `{path}`, {lost}: no default certificates are trusted")


def check_bundle(cert: str) -> None:
    """Refuse a bundle of ``--cert`` that cannot be read or holds none, also where no server is asked. UsageError."""
    try:
        with open(cert, "rb") as file:  # noqa: PTH123 - a sync that asks no server does without pathlib
            content = file.read()
        if b"-----BEGIN " not in content:
            raise UsageError(
                f"there are no certificates in `{cert}`", hint="--cert takes a file of certificates in PEM form"
            )
    except OSError as error:
        raise UsageError(
            f"the certificates in `{cert}` cannot be read: {error.strerror or error}",
            hint="--cert takes a file of certificates in PEM form",
        ) from error


def careless_context() -> ssl.SSLContext:
    """Return a context that verifies nothing (``--allow-insecure-host``)."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _named_roots(environ: Mapping[str, str]) -> list[str] | None:
    """Return the files and directories that the variables name and that can be used; None if they name none."""
    files, directories = _places(environ, "SSL_CERT_FILE"), _places(environ, "SSL_CERT_DIR")
    if not files and not directories:
        return None
    return [*filter(_has_certificates, files), *filter(os.path.isdir, directories)]


def _places(environ: Mapping[str, str], name: str) -> list[str]:
    text = environ.get(name, "")
    return [path for path in (text.split(os.pathsep) if name == "SSL_CERT_DIR" else [text]) if path]


def _has_certificates(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            return b"-----BEGIN " in file.read()
    except OSError:
        return False


def _context_of(roots: Collection[str]) -> ssl.SSLContext:
    import ssl
    from contextlib import suppress

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # A directory holds certificates under any names, not only under the hashes that OpenSSL looks for.
    files = [
        place
        for path in roots
        for place in ([path] if os.path.isfile(path) else sorted(Path(path).glob("*")))  # noqa: PTH113 - as above
    ]
    for path in files:
        # What is no certificate after all is no root.
        with suppress(OSError, ssl.SSLError):
            context.load_verify_locations(cafile=path)
    return context


def _system_context() -> ssl.SSLContext:
    import ssl

    try:
        import truststore
    except ImportError as error:
        raise UsageError(
            "--system-certs needs the package truststore, which is not installed",
            hint="pip install 'pytest-envsync[native-tls]'",
        ) from error
    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return context


def _bundled_context() -> ssl.SSLContext:
    import ssl

    import certifi

    return ssl.create_default_context(cafile=certifi.where())
