"""Ask servers: pages of indexes, listings, files. The only module that imports httpx, at the first request.

What httpx raises, and what a server answers, becomes an error of ours here and nowhere else.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.addresses import file_path, is_remote, masked, realm_of
from pytest_envsync.distributions import File
from pytest_envsync.errors import FetchError, UsageError
from pytest_envsync.filenames import kind_of
from pytest_envsync.narration import Reporter, SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.wheels.index.credentials import Credentials
from pytest_envsync.wheels.index.freshness import retry_after
from pytest_envsync.wheels.index.indexes import Index, configured_indexes, parse_index
from pytest_envsync.wheels.index.page_cache import PageCache
from pytest_envsync.wheels.index.pages import ABSENT, PROXY_LOGIN, Body, Pages, offline_error, refused, status_text
from pytest_envsync.wheels.index.patience import seconds, whole_number
from pytest_envsync.wheels.index.proxies import proxy_for
from pytest_envsync.wheels.index.retries import Retries, TransientError
from pytest_envsync.wheels.index.simple import Page, page_of
from pytest_envsync.wheels.index.wires import Wires

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

__all__ = ["Client", "masked"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 20
_CONNECTING = 10  # seconds
_FIRST_PAUSE = 0.25  # seconds; doubled for each further try
_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")


class Client:
    """All traffic of one run; a context manager. Nothing is imported or opened before the first request.

    Pages are kept below *cache_dir* (None: not at all) as their own headers allow. *environ* gives logins,
    time limits (``UV_HTTP_TIMEOUT``, ``UV_HTTP_CONNECT_TIMEOUT``, in seconds) and ``UV_HTTP_RETRIES``, each with its
    ``ENVSYNC_`` twin, and proxies. *first_pause* is the pause before the second try, in seconds. May be used from any
    thread.
    """

    def __init__(
        self,
        cache_dir: Path | None,
        options: SyncOptions,
        environ: Mapping[str, str],
        *,
        reporter: Reporter | None = None,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self.environ = environ
        self._options = options
        self._reporter = reporter or SilentReporter()
        cache = PageCache(cache_dir / "index" if cache_dir is not None else None)
        self._pages = Pages(cache, options, self._get)
        keyring = options.keyring_provider == "subprocess"
        self._credentials = Credentials(environ, keyring=keyring, reporter=self._reporter)
        self._retries = Retries(
            whole_number(environ, "HTTP_RETRIES", 3), first_pause=first_pause, reporter=self._reporter
        )
        self._wires = Wires()
        self._lock = threading.Lock()
        self._connections: dict[tuple[str, str | None], httpx.Client] = {}
        self._is_learned = False

    def __repr__(self) -> str:
        """Show no setting: there may be credentials among them."""
        return "Client()"

    def __enter__(self) -> Client:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from this
        """Open nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened."""
        self.close()

    def close(self) -> None:
        """Close all connections, also those at which other threads wait, and end their pauses and further tries."""
        self._retries.end()
        self._wires.cut()
        with self._lock:
            connections, self._connections = list(self._connections.values()), {}
        for connection in connections:
            connection.close()

    def page(self, index: Index | str, project: str) -> Page | None:
        """Return the page of *project*, a normalised name, or None when *index* does not know it.

        A page that counts, by the server's own words, is taken from the cache; an older one is asked for again
        with what it can be recognised by. With ``--offline`` every kept page counts.

        Raises FetchError when the index does not answer, refuses, or answers with something that is no page;
        OfflineError when it may not be asked.
        """
        index = parse_index(index) if isinstance(index, str) else index
        if index.rule.flat:
            return page_of(self.listing(index), project)
        if not is_remote(index.url):
            return self._local_page(index, project)
        bare = self._known(index)
        kept = self._pages.page(f"{bare.rstrip('/')}/{project}/", project, absent=ABSENT | index.missing)
        return Page(kept.rows, kept.url, index=bare) if kept.status == 200 else None

    def _local_page(self, index: Index, project: str) -> Page | None:
        from pytest_envsync.wheels.index.local import local_page

        if not index.url[:5].lower() == "file:":
            raise FetchError(
                f"the index `{masked(index.url)}` cannot be asked: only http, https and file addresses are",
                url=masked(index.url),
                exit_status=1,
            )
        return local_page(index.url, project)

    def listing(self, place: Index | str) -> tuple[File, ...]:
        """Return the files of a find-links location, or of an index that is one page: a directory, a page, one file.

        Raises FetchError, also for a location that is not there; OfflineError when it may not be asked.
        """
        url = place if isinstance(place, str) else place.url
        if not is_remote(url):
            from pytest_envsync.wheels.index.local import local_listing

            return local_listing(url)
        bare = self._bare(url) if isinstance(place, str) else self._known(place)
        filename = bare.partition("?")[0].rpartition("/")[2]
        if kind_of(filename) != "other":
            from urllib.parse import unquote

            return (File(unquote(filename), bare),)
        kept = self._pages.page(bare, None, absent=frozenset())
        return Page(kept.rows, kept.url).files()

    def read(self, url: str) -> bytes:
        """Return what is at *url*: a requirements file, a lockfile, a script. Raises FetchError."""
        if not is_remote(url):
            try:
                return Path(file_path(url)).read_bytes()
            except OSError as error:
                raise FetchError(f"`{file_path(url)}` cannot be read: {error.strerror or error}", url=url) from error
        bare = self._bare(url)
        if self._options.offline:
            raise offline_error(bare, exit_status=2)
        body = self._get(bare, {"Accept": "*/*"}, exit_status=2)
        if body.status != 200:
            raise refused(body.status, body.url, exit_status=2)
        return body.content

    def download(
        self,
        url: str,
        destination: Path,
        *,
        algorithms: Collection[str] = ("sha256",),
        size: int | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> dict[str, str]:
        """Write what is at *url* to *destination*, and return its hex digests, computed on the way.

        *size* is the number of bytes that it must have, if that is known. *on_bytes* is told the length of each piece,
        and a negative number when a server makes us start over. What stands at *destination* after an error is
        worthless. Raises FetchError, OfflineError; StoreError when the file cannot be written.
        """
        from pytest_envsync.wheels.index.transfer import Transfer

        transfer = Transfer(destination, shown=masked(url), algorithms=algorithms, size=size, on_bytes=on_bytes)
        if url[:5].lower() == "file:":
            transfer.copy(Path(file_path(url)))
            return transfer.digests()
        bare = self._bare(url)
        if self._options.offline:
            raise offline_error(bare, exit_status=1)
        self._learn_logins()

        def attempt() -> None:
            with self._exchange(bare, transfer.request_headers()) as (response, final):
                if response.status_code not in {200, 206}:
                    transfer.check_continued(response.status_code)
                    # Of what is not there the input speaks wrongly; all else is the server's fault.
                    raise refused(response.status_code, final, exit_status=1 if response.status_code == 404 else 2)
                transfer.receive(response.status_code, dict(response.headers), response.iter_raw())

        self._retries.persist(bare, attempt, exit_status=2)
        return transfer.digests()

    def validator(self, url: str) -> str | None:
        """Return what changes when the bytes at *url* do: their ETag, else their date and length.

        Empty with ``--offline``; None when the server tells nothing that helps. Raises FetchError when it is down.
        """
        if self._options.offline:
            return ""
        bare = self._bare(url)

        def attempt() -> str | None:
            # One byte instead of HEAD, which signed addresses and some servers refuse.
            with self._exchange(bare, {"Accept-Encoding": "identity", "Range": "bytes=0-0"}) as (response, _):
                if response.status_code not in {200, 206}:
                    return None
                told = response.headers
                length = told.get("content-range", "").rpartition("/")[2] or told.get("content-length", "")
                dated = f"{told['last-modified']} {length}" if "last-modified" in told and length.isdecimal() else None
                return told.get("etag") or dated

        return self._retries.persist(bare, attempt, exit_status=2)

    # Requests.

    def _bare(self, url: str, name: str = "", *, asks: bool = True) -> str:
        """Return *url* without its credentials, which are remembered for its realm."""
        try:
            bare = self._credentials.learn(url, name, asks=asks)
            if realm_of(bare).host:
                return bare
        except ValueError:
            pass
        raise _unusable(url)

    def _known(self, index: Index) -> str:
        """Return the address of *index* without its credentials; these and what it says of logins are remembered."""
        bare = self._bare(index.url, index.name, asks=index.rule.authenticate != "never")
        self._credentials.note_rule(bare, index.rule.authenticate)
        return bare

    def _learn_logins(self) -> None:
        """Learn the logins of all indexes that the settings name: what is fetched again asks for no page first."""
        with self._lock:
            settled, self._is_learned = self._is_learned, True
        for index in () if settled else configured_indexes(self._options):
            if is_remote(index.url):
                self._known(index)

    def _get(self, url: str, headers: Mapping[str, str], *, exit_status: int) -> Body:
        def attempt() -> Body:
            requested = time.time()
            with self._exchange(url, headers) as (response, final):
                content = response.read()
                return Body(response.status_code, dict(response.headers), content, final, requested, time.time())

        return self._retries.persist(url, attempt, exit_status=exit_status)

    @contextmanager
    def _exchange(self, url: str, headers: Mapping[str, str]) -> Iterator[tuple[httpx.Response, str]]:
        """Send one request and follow where it leads; gives the answer, whose body is not read yet, and its address.

        Raises TransientError for what may go better the next time, FetchError for what will not.
        """
        with self._translated(url):
            response, final = self._follow(url, headers)
            try:
                status = response.status_code
                self._reporter.debug(f"GET {masked(final)} {status_text(status)}", level=2)
                if status in {408, 425, 429} or status >= 500:
                    wait = retry_after(response.headers.get("retry-after"), now=time.time())
                    raise TransientError(f"answered {status_text(status)}", status=status, wait=wait)
                yield response, final
            finally:
                response.close()

    def _follow(self, url: str, headers: Mapping[str, str]) -> tuple[httpx.Response, str]:
        from urllib.parse import urljoin

        bare = url
        fallback = None
        for _ in range(_MOST_REDIRECTS):
            login = self._credentials.login_for(bare) or fallback
            connection = self._connection(bare)
            sent = {**headers, **({"Authorization": login.header()} if login is not None else {})}
            request = connection.build_request("GET", bare, headers=sent, extensions=self._wires.extensions)
            response = connection.send(request, stream=True)
            location = response.headers.get("location")
            if response.status_code in _REDIRECTS and location:
                response.close()
                # Each hop is a request of its own: credentials are looked up for its realm, never carried along.
                target = urljoin(bare, location)
                if not is_remote(target):
                    raise FetchError(
                        f"`{masked(url)}` leads to `{masked(target)}`, which is not followed", url=masked(url)
                    )
                bare, fallback = self._bare(target), None
                continue
            if response.status_code in {401, 403} and login is None:
                fallback = self._credentials.login_after_refusal(bare)
                if fallback is not None:
                    response.close()
                    continue
            return response, bare
        raise FetchError(f"`{masked(url)}` leads on more than {_MOST_REDIRECTS} times", url=masked(url))

    @contextmanager
    def _translated(self, url: str) -> Iterator[None]:
        """Turn what httpx raises into an error of ours."""
        import httpx

        try:
            yield
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError):
            raise _unusable(url) from None
        except httpx.TimeoutException as error:
            unreached = isinstance(error, httpx.ConnectTimeout)
            what = "did not accept a connection" if unreached else "sent nothing for too long"
            raise TransientError(what, unreached=unreached) from error
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise FetchError(
                    f"the certificate of `{masked(url)}` is not trusted: {error}",
                    url=masked(url),
                    hint="give its authority with --cert or --system-certs, or trust it with --allow-insecure-host",
                ) from error
            reason = _ERROR_NUMBER.sub("", str(error))
            raise TransientError(f"cannot be reached{self._way(url)}: {reason}", unreached=True) from error
        except httpx.ProxyError as error:
            reason = f"cannot be reached{self._way(url)}: {error}"
            if str(error).startswith("407"):
                raise FetchError(f"`{masked(url)}` {reason}", url=masked(url), hint=PROXY_LOGIN) from error
            raise TransientError(reason, unreached=True) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            # httpx looks at where an answer leads to before anyone follows it.
            if "location header" in str(error):
                raise FetchError(f"`{masked(url)}` leads to no valid address", url=masked(url)) from None
            raise TransientError("broke off its answer") from error

    def _way(self, url: str) -> str:
        proxy = proxy_for(realm_of(url), self.environ)
        return "" if proxy is None else f" through the proxy `{masked(proxy)}`"

    # Connections.

    def _connection(self, url: str) -> httpx.Client:
        """Return the connection pool for *url*: one each for plain, verified and unverified traffic, and each proxy."""
        from pytest_envsync.wheels.index.tls import trust_in

        realm = realm_of(url)
        way = trust_in(realm, self._options.allow_insecure_host), proxy_for(realm, self.environ)
        with self._lock:
            if self._retries.is_over:
                raise FetchError(f"`{masked(url)}` was not asked: the run is over", url=masked(url))
            if way not in self._connections:
                self._connections[way] = self._open(*way)
            return self._connections[way]

    def _open(self, trust: str, proxy: str | None) -> httpx.Client:
        import httpx

        from pytest_envsync.version import __version__
        from pytest_envsync.wheels.index.tls import context_for, trust_in

        patience = seconds(self.environ, "HTTP_TIMEOUT", 30, "UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT")
        connecting = seconds(self.environ, "HTTP_CONNECT_TIMEOUT", _CONNECTING) or _CONNECTING
        timeout = httpx.Timeout(patience, connect=connecting, pool=None)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        headers = {"User-Agent": f"pytest-envsync/{__version__}"}
        about = self._options, self.environ, self._reporter
        through = None
        if proxy is not None:
            # Its own certificate is judged by its own name.
            judged = trust_in(realm_of(proxy), self._options.allow_insecure_host)
            own = context_for(judged, *about) if judged != "plain" else None
            # The names of servers are a SOCKS proxy's affair, however it is spelled.
            through = httpx.Proxy(proxy.replace("socks5h:", "socks5:", 1), ssl_context=own)
        verify = context_for(trust, *about)
        try:
            return httpx.Client(
                verify=verify, proxy=through, trust_env=False, headers=headers, timeout=timeout, limits=limits
            )
        except ImportError as error:
            raise UsageError(
                "a SOCKS proxy needs the package socksio, which is not installed",
                hint="pip install 'pytest-envsync[socks]'",
            ) from error


def _unusable(url: str) -> FetchError:
    # What a parser says of an address may quote a password, so it is not repeated.
    return FetchError(f"`{masked(url)}` is no valid address", url=masked(url))
