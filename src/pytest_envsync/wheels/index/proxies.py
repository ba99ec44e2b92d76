"""Through which proxy a server is asked.

Pure, but on macOS and Windows, where the system may name one. What is read and how it is matched is the reference's,
seen by running it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pytest_envsync.addresses import Realm, is_valid, masked
from pytest_envsync.errors import UsageError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_OURS = ("ENVSYNC_HTTP_PROXY", "ENVSYNC_HTTPS_PROXY", "ENVSYNC_NO_PROXY")
"""What configuration files say: then the variables of everybody do not count, ``NO_PROXY`` neither."""


def proxy_for(realm: Realm, environ: Mapping[str, str]) -> str | None:
    """Return the address of the proxy to ask *realm* through, or None for none; it may hold a login.

    Of ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` the spelling in capitals comes first, also an
    empty one. In a CGI program none counts: ``HTTP_PROXY`` is what its caller sends as the header ``Proxy``. Raises
    UsageError for an address that cannot be used, where it would have been.
    """
    if any(map(environ.get, _OURS[:2])):
        name, exempt = f"ENVSYNC_{realm.scheme.upper()}_PROXY", _OURS[2]
    elif "REQUEST_METHOD" in environ:
        return None
    else:
        spellings = (f"{realm.scheme.upper()}_PROXY", "ALL_PROXY")
        found = next(filter(environ.get, (_spelling(name, environ) for name in spellings)), None)
        if found is None:
            return _proxy_of_system(realm, environ)
        name, exempt = found, _spelling("NO_PROXY", environ)
    proxy = environ.get(name)
    if not proxy or is_exempt(realm.host, environ.get(exempt, "").split(",")):
        return None
    return _checked(proxy, name)


def is_exempt(host: str, places: Iterable[str]) -> bool:
    """Whether *host*, a name or a bare address, is among the *places* of ``NO_PROXY``.

    A place is a name, which stands for all below it too; an address; a network (``10.0.0.0/8``); or ``*`` for
    everything. It has no port.
    """
    from contextlib import suppress
    from ipaddress import ip_address, ip_network

    address = None
    with suppress(ValueError):
        address = ip_address(host)
    for place in filter(None, map(str.strip, places)):
        if place == "*":
            return True
        if address is None:
            name = place.lower().removeprefix(".")
            if host == name or host.endswith(f".{name}"):
                return True
            continue
        try:
            is_network = re.search(r"/\d+$", place, re.ASCII) is not None
            if address in ip_network(place, strict=False) if is_network else address == ip_address(place):
                return True
        except ValueError:
            continue
    return False


def _spelling(name: str, environ: Mapping[str, str]) -> str:
    return name if name in environ else name.lower()


def _checked(text: str, name: str) -> str:
    proxy = text if "://" in text else f"http://{text}"
    shown = f"`{masked(text)}` of {name}"
    if not is_valid(proxy) or re.search(r"\s", proxy) or not re.match(r"[^/]*//[^/?#]*[^/?#@:]", proxy):
        raise UsageError(f"{shown} is no valid address of a proxy", hint="expected http://HOST:PORT")
    if proxy.partition(":")[0].lower() not in _SCHEMES:
        raise UsageError(
            f"{shown} is a proxy that cannot be used", hint=f"addresses with {', '.join(_SCHEMES)} are understood"
        )
    return proxy


def _proxy_of_system(realm: Realm, environ: Mapping[str, str]) -> str | None:
    """Return the proxy that the settings of macOS or Windows name, if no variable names any."""
    import sys

    if str(sys.platform) not in {"darwin", "win32"} or any(name.lower().endswith("_proxy") for name in environ):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    proxy = proxies.get(realm.scheme) or proxies.get("all")
    return None if not proxy or proxy_bypass(realm.host) else _checked(proxy, "the system")
