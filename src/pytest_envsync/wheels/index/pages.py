"""Get the pages of indexes and listings: from the cache as far as their own words allow, else by asking.

How a request is made is handed in.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from pytest_envsync.addresses import masked, without_credentials
from pytest_envsync.errors import FetchError, OfflineError
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import normalize_name
from pytest_envsync.values import NamedTuple
from pytest_envsync.wheels.index.freshness import freshness_of
from pytest_envsync.wheels.index.page_cache import KeptPage, PageCache
from pytest_envsync.wheels.index.simple import ACCEPT, PageError, parse_page

ABSENT = frozenset({404})
"""The statuses by which an index says that it does not know a project (410 is a fault of the index)."""
PROXY_LOGIN = "the proxy asks for a login; it may stand in its address, http://USER:PASSWORD@HOST:PORT"


class Body(NamedTuple):
    """An answer that was read to its end.

    *headers* have lower-case names; *url* is where it came from in the end, bare; the times are in
    seconds since the epoch.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    requested: float
    received: float


class Get(Protocol):
    """Ask for an address, as often as it takes. Raises FetchError."""

    def __call__(self, url: str, headers: Mapping[str, str], *, exit_status: int) -> Body:
        """Return the answer, whatever its status, unless that is one to try again for."""


class Pages:
    """The pages of one run; each is asked for once at most."""

    def __init__(self, cache: PageCache, options: SyncOptions, get: Get) -> None:
        self._cache = cache
        self._get = get
        self._offline = options.offline
        self._refreshes_all = options.refresh or options.reinstall
        self._refreshed = frozenset(map(normalize_name, (*options.refresh_package, *options.reinstall_package)))
        # Pages are large, so only those that may not be kept on disk stay in memory.
        self._unkept: dict[str, KeptPage] = {}
        self._current: set[str] = set()
        self._parsing = threading.Lock()

    def page(self, url: str, project: str | None, *, absent: frozenset[int] = ABSENT) -> KeptPage:
        """Return the page at a bare *url*: of *project*, or (None) a listing of several.

        Its status is 200 or, for one of *absent*, 404. Raises FetchError and OfflineError.
        """
        # A listing has no versions to look for, so that it is never taken for the page of a project.
        key = url if project is not None else f"{url} (listing)"
        if key in self._unkept:
            return self._unkept[key]
        kept = self._cache.get(key)
        if kept is not None and (key in self._current or self._counts(kept, project)):
            return kept
        page = self._asked(url, key, project, kept, absent)
        self._current.add(key)
        return page

    def _counts(self, kept: KeptPage, project: str | None) -> bool:
        """Whether a kept page may be used without asking."""
        if self._offline:
            return True
        return not self._refreshes_all and project not in self._refreshed and kept.is_fresh(time.time())

    def _asked(
        self, url: str, key: str, project: str | None, kept: KeptPage | None, absent: frozenset[int]
    ) -> KeptPage:
        """Ask for a page, again if one is kept already."""
        headers = {"Accept": ACCEPT}
        if self._refreshes_all or project in self._refreshed:
            headers["Cache-Control"] = "no-cache"
        if kept is not None and kept.status == 200:
            headers |= {"If-None-Match": kept.etag} if kept.etag else {}
            headers |= {"If-Modified-Since": kept.last_modified} if kept.last_modified else {}
        if self._offline:
            raise offline_error(url, exit_status=2 if project is None else 1)
        body = self._get(url, headers, exit_status=2)
        freshness = freshness_of(body.status, body.headers, requested=body.requested, received=body.received)
        born = body.received - freshness.age
        if body.status == HTTPStatus.NOT_MODIFIED and kept is not None:
            says = "cache-control" in body.headers or "expires" in body.headers
            self._cache.renew(key, kept, born=born, lifetime=freshness.lifetime if says else kept.lifetime)
            return kept
        # A listing is a page of links, whatever the server calls it.
        if body.status == HTTPStatus.OK or (
            project is None and HTTPStatus.OK < body.status < HTTPStatus.MOVED_PERMANENTLY
        ):
            # One at a time: threads gain nothing here, and a parsed page takes several times its size.
            with self._parsing:
                page = _parsed(body, project, born=born, lifetime=freshness.lifetime)
        elif body.status in absent:
            page = KeptPage(404, url, b"\n", born, freshness.lifetime)
        else:
            is_faulty = body.status >= 400 and body.status not in {401, 403}
            raise refused(body.status, body.url, exit_status=1 if project and not is_faulty else 2)
        if not (freshness.storable and self._cache.put(key, page)):
            self._cache.drop(key)
            self._unkept[key] = page
        return page


def _parsed(body: Body, project: str | None, *, born: float, lifetime: float) -> KeptPage:
    try:
        told = body.headers.get("content-type", "")
        if project is None and "html" not in told.lower():
            told = "text/html"
        rows, base = parse_page(body.content, told, body.url, project=project)
    except PageError as error:
        raise FetchError(
            f"`{masked(body.url)}` is no index page: {error}",
            url=masked(body.url),
            status=body.status,
            exit_status=1 if project else 2,
            hint="the address of an index usually ends in /simple/",
        ) from error
    etag, last_modified = body.headers.get("etag", ""), body.headers.get("last-modified", "")
    return KeptPage(200, without_credentials(base).partition("?")[0], rows, born, lifetime, etag, last_modified)


def status_text(status: int) -> str:
    """Return a status with its name, ``404 Not Found``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def offline_error(url: str, *, exit_status: int) -> OfflineError:
    """Return the error for an address that is needed and may not be asked."""
    shown = masked(url)
    return OfflineError(
        f"`{shown}` is not in the cache, and was not asked because the network was disabled",
        url=shown,
        tries=0,
        hint="run once without --offline",
        exit_status=exit_status,
    )


def refused(status: int, url: str, *, exit_status: int) -> FetchError:
    """Return the error for an answer that is of no use."""
    hint = None
    if status in {401, 403}:
        hint = (
            "its credentials are missing or wrong; they may stand in the address, in netrc or, for"
            " `--index NAME=ADDRESS`, in UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD"
        )
    elif status == 407:
        hint = PROXY_LOGIN
    elif status in {404, 410}:
        hint = "it is not there (any more); check the address, or lock again"
    shown = masked(url)
    return FetchError(
        f"`{shown}` answered {status_text(status)}", url=shown, status=status, hint=hint, exit_status=exit_status
    )
