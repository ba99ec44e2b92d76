"""Indexes and listings that are files of this machine.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from pathlib import Path

from pytest_envsync.addresses import file_path, file_url, masked
from pytest_envsync.distributions import File
from pytest_envsync.errors import FetchError
from pytest_envsync.filenames import kind_of, projects_in
from pytest_envsync.wheels.index.simple import Page, PageError, parse_page


def local_page(index_url: str, project: str) -> Page | None:
    """Return the page of *project* below a local index (PEP 503: ``PROJECT/index.html``), or None if it has none.

    Raises FetchError for a page that cannot be read.
    """
    root = file_path(index_url)
    path = Path(root, project, "index.html")
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FetchError(f"`{path}` cannot be read: {error.strerror or error}", url=masked(index_url)) from error
    # Relative links start from the directory, as a server would have it.
    url = f"{file_url(str(path.parent.absolute()))}/"
    return Page(*_parsed(body, url, project=project), index=index_url)


def local_listing(url: str) -> tuple[File, ...]:
    """Return the released files of a directory (not below it), those that an HTML file links, or the one file given.

    In the order of their names for a directory. Raises FetchError when there is no such place.
    """
    if url[:5].lower() != "file:":
        raise FetchError(
            f"the find-links location `{masked(url)}` cannot be asked: only http, https and file addresses are",
            url=masked(url),
        )
    path = file_path(url)
    try:
        if os.path.isdir(path):  # noqa: PTH112 - plain text in, plain text out
            with os.scandir(path) as entries:
                names = sorted(entry.name for entry in entries if kind_of(entry.name) != "other" and entry.is_file())
            return tuple(File(name, file_url(os.path.join(path, name))) for name in names if projects_in(name))  # noqa: PTH118 - as above
        if kind_of(path) != "other" and os.path.isfile(path):  # noqa: PTH113 - as above
            return (File(os.path.basename(path), url),)  # noqa: PTH119 - as above
        body = Path(path).read_bytes()
    except OSError as error:
        raise FetchError(
            f"the find-links location `{masked(path)}` cannot be read: {error.strerror or error}",
            url=url,
            hint="it is a directory of wheels and source distributions, or an HTML file with links to them",
        ) from error
    return Page(*_parsed(body, url, project=None)).files()


def _parsed(body: bytes, url: str, *, project: str | None) -> tuple[bytes, str]:
    try:
        return parse_page(body, "text/html", url, project=project)
    except PageError as error:
        raise FetchError(f"`{file_path(url)}` is no index page: {error}", url=url) from error
