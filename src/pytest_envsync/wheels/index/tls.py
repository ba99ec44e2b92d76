"""Whose certificates are trusted.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from pytest_envsync.addresses import Realm
from pytest_envsync.errors import UsageError
from pytest_envsync.narration import Reporter

if TYPE_CHECKING:
    import ssl


def is_insecure(realm: Realm, hosts: Collection[str]) -> bool:
    """Whether *hosts* (names, with a port, with a scheme, or ``*``) let *realm* go unverified."""
    places = {realm.host, f"{realm.host}:{realm.port}", f"https://{realm.host}", f"https://{realm.host}:{realm.port}"}
    return any(host == "*" or host.rstrip("/").lower() in places for host in hosts)


def trusting_context(
    *, cert: str | None, system_certs: bool, environ: Mapping[str, str], reporter: Reporter
) -> ssl.SSLContext:
    """Return a context that verifies servers.

    Roots come from the bundle *cert*, else from ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else (*system_certs*) from
    the system's own verifier, else from the bundle that comes along with httpx. ``SSL_CLIENT_CERT`` is
    a PEM file with our certificate and key. Raises UsageError for what cannot be read.
    """
    import ssl

    file = cert or _existing(environ, "SSL_CERT_FILE", reporter)
    directory = None if cert else _existing(environ, "SSL_CERT_DIR", reporter)
    try:
        if file is None and directory is None:
            context = _system_context() if system_certs else _bundled_context()
        else:
            context = ssl.create_default_context(cafile=file, capath=directory)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificates in `{file or directory}` cannot be read: {error.strerror or error}",
            hint="--cert takes a file of certificates in PEM form",
        ) from error
    client = environ.get("SSL_CLIENT_CERT")
    if client:
        try:
            context.load_cert_chain(client)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"the client certificate `{client}` cannot be read: {error.strerror or error}",
                hint="SSL_CLIENT_CERT names a PEM file with certificate and key",
            ) from error
    return context


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


def _existing(environ: Mapping[str, str], name: str, reporter: Reporter) -> str | None:
    path = environ.get(name)
    if path and not os.path.exists(path):  # noqa: PTH110 - as above
        reporter.warn(f"{name} is ignored: there is no `{path}`")
        return None
    return path or None


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
