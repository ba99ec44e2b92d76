"""Addresses as text: what may be shown of one, which two are the same, what is a file.

Standard library only, and that lazily.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re

from pytest_envsync.patterns import pattern
from pytest_envsync.values import NamedTuple

_USER_INFO = pattern(r"(?<!/)//([^/?#\s]*)@")
# A password with an unescaped slash ends the authority too early; what is no port is a secret.
_LOOSE_USER_INFO = pattern(r"(?<!/)//([^/?#\s:@]+):(?!\d+(?:[/?#\s]|$))[^\s@]*[/?#][^\s@]*@")
# A login in front of a host without a scheme: a place somebody forgot `https://` of, shown as it is or as a path.
_BARE_USER_INFO = pattern(
    r"(?<![\w.+%~@:-])(?<!//)([\w.+%~-]+(?:@[\w.-]+)?):(?!//)[^\s@/\\`'\"]+@(?=[\w\[])",
)
_SECRET_QUERY = pattern(
    r"([?&](?:x-(?:amz|goog)-(?:signature|credential|security-token)|signature|sig|token|access_token|api_?key|password)=)"
    # The backtick that closes a quoted address is none of it.
    r"[^&#\s]*?(?=[&#\s]|`(?:[\s.,:;)]|$)|$)",
    re.IGNORECASE,
)
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PORTS = {"http": 80, "https": 443}


def masked(text: str) -> str:
    """Return *text*, an address or a line that holds some, without its secrets.

    A password becomes ``****``, a user name that stands alone too (it may be a token); ``git``
    stays. Values of query keys that sign or authorise are masked as well.
    """
    if "@" in text:
        text = _LOOSE_USER_INFO.sub(r"//\1:****@", text)
        text = _USER_INFO.sub(_mask_user, text)
        text = _BARE_USER_INFO.sub(r"\1:****@", text)
    return _SECRET_QUERY.sub(r"\1****", text) if "=" in text else text


def _mask_user(match: re.Match[str]) -> str:
    # A user name may be an address of its own, with an @ that is not escaped.
    user, colon, _ = match.group(1).partition(":")
    if colon:
        return f"//{user}:****@"
    return "//git@" if user == "git" else "//****@"


class Realm(NamedTuple):
    """Who is spoken to: credentials for one realm are never sent to another (RFC 9110)."""

    scheme: str
    host: str
    port: int | None


def realm_of(url: str) -> Realm:
    """Return the realm of *url*. Raises ValueError for an address that has no valid port."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return Realm(scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(scheme))


def is_valid(url: str) -> bool:
    """Whether the host and port of *url*, an address, can be told (RFC 3986)."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        _, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return True


def is_url(text: str) -> bool:
    """Whether *text* begins with a scheme. The letter of a drive is none."""
    match = _SCHEME.match(text)
    return match is not None and match.end() > 2


def whole_address(url: str) -> str:
    """Return *url* spelled as the URL standard (WHATWG) reads it, as far as scheme, host and slashes go.

    A ``file:`` address without slashes starts at the root, and ``localhost`` in one says nothing; ``https:host/path``
    lacks only its slashes. Schemes are in lower case (RFC 3986, 3.1). Other addresses stay as they are.
    """
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme in _PORTS:
        rest = "//" + rest.lstrip("/")
    elif scheme == "file":
        host, slash, path = rest[2:].partition("/") if rest.startswith("//") else ("", "/", rest.lstrip("/"))
        end = min((at for at in map(path.find, "?#") if at >= 0), default=len(path))
        plain = os.path.normpath(f"/{path[:end]}").lstrip("/") + ("/" if path[:end].endswith("/") else "")
        host = "" if host.lower() == "localhost" else host
        rest = f"//{host}/{plain.removesuffix('/') if plain == '/' else plain}{path[end:]}" if slash else f"//{host}/"
    return f"{scheme}{colon}{rest}"


def is_remote(text: str) -> bool:
    """Whether *text* is an address that a request is sent to."""
    return text[:8].lower().startswith(("http://", "https://"))


def file_path(url: str) -> str:
    """Return the path that a ``file:`` address speaks of."""
    import os
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(url).path)
    # file:///C:/x has its drive behind a slash that is no part of the path.
    if os.name == "nt" and re.match(r"/[A-Za-z]:", path):
        path = path[1:]
    return path


def file_url(path: str) -> str:
    """Return the ``file:`` address of *path*, which must be absolute, spelled as the URL standard spells it.

    The standard library escapes more: ``+`` of a local version too, and then addresses do not compare.
    """
    from pathlib import PurePath
    from urllib.parse import quote

    place = PurePath(path)
    if os.name == "nt":
        return place.as_uri()
    if not place.is_absolute():
        raise ValueError(f"`{path}` is no absolute path")
    return "file://" + quote(bytes(place), safe="/!$&'()*+,;=:@[]^|~")


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """Return *url* without its user-info, and the decoded user name and password (None: not given)."""
    if "@" not in url:
        return url, None, None
    from urllib.parse import unquote, urlsplit, urlunsplit

    parts = urlsplit(url)
    user_info, separator, host = parts.netloc.rpartition("@")
    if not separator:
        return url, None, None
    user, colon, password = user_info.partition(":")
    return urlunsplit(parts._replace(netloc=host)), unquote(user) or None, unquote(password) if colon else None


def without_credentials(url: str) -> str:
    """Return *url* without its user-info; one that is no valid address with its secrets masked."""
    try:
        return split_credentials(url)[0]
    except ValueError:
        return masked(url)


def canonical_address(url: str) -> str:
    """Return the form in which two spellings of one place are equal, for comparison only.

    Without user-info, fragment, one slash at the end and ``.git``; path segments decoded; the
    host in lower case. What is no valid address is equal to itself alone.
    """
    from urllib.parse import unquote, urlsplit, urlunsplit

    if not is_valid(url):
        return url
    parts = urlsplit(without_credentials(url))
    path = parts.path.removesuffix("/").removesuffix(".git")
    path = "/".join(unquote(segment).replace("/", "%2F") for segment in path.split("/"))
    if parts.hostname == "github.com":
        path = path.lower()
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), path, parts.query, ""))
