"""Read the pages of an index, and listings of files, into rows (PEP 503, 592, 691, 700).

Pure: bytes and a content type come in. A page is kept as text rows, one a file, led by the file's
version in its canonical form: the files of one version are then found by searching bytes, which is
some fifty times less work than taking a page of thousands of files apart.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_envsync.addresses import is_remote
from pytest_envsync.distributions import File
from pytest_envsync.filenames import projects_in, version_in
from pytest_envsync.hashes import DIGEST_LENGTHS, Digest
from pytest_envsync.versions import canonical_version

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
ACCEPT = f"{JSON_TYPE}, {HTML_TYPE};q=0.2, text/html;q=0.1"
"""What is asked of an index, best first."""

_JSON_TYPES = frozenset({JSON_TYPE, "application/vnd.pypi.simple.latest+json", "application/json"})
_HTML_TYPES = frozenset(
    {HTML_TYPE, "application/vnd.pypi.simple.latest+html", "text/html", "application/xhtml+xml"}
)  # fmt: skip
_NOT_YANKED = "-"
_LARGEST = 1 << 53  # bytes; what a JSON number holds exactly


class PageError(ValueError):
    """Bytes that are no index page; the text says why."""


Row = tuple[str, str, str, str, str, str, str]
"""A file as a page states it: file name, address (maybe relative to the page), digests, size, requires-python, yanked,
upload time. All text, empty for what is not stated; plain tuples, because there are thousands."""


class Page:
    """The files that an index has of one project, or that a listing has of any.

    *url* is the address that relative addresses in it start from. *index* is the index it came from;
    empty for a listing. *rows* is the text that ``page_rows`` makes.
    """

    __slots__ = ("index", "rows", "url")

    def __init__(self, rows: bytes, url: str, *, index: str = "") -> None:
        self.rows = rows
        self.url = url
        self.index = index

    def files(self) -> tuple[File, ...]:
        """Return all files, in the order of the page."""
        return tuple(self._file(line) for line in self.rows.split(b"\n") if line)

    def files_of(self, version: str) -> tuple[File, ...]:
        """Return the files of one version, canonical, and of its local versions if it has no local part."""
        found = []
        needle = b"\n" + version.encode()
        ends = b"\t+" if "+" not in version else b"\t"
        at = self.rows.find(needle)
        while at >= 0:
            end = self.rows.find(b"\n", at + 1)
            if self.rows[at + len(needle)] in ends:
                found.append(self._file(self.rows[at + 1 : end]))
            at = self.rows.find(needle, end)
        return tuple(found)

    def _file(self, line: bytes) -> File:
        from urllib.parse import urljoin

        _, filename, url, digests, size, requires_python, yanked, upload_time = line.decode().split("\t")
        return File(
            filename,
            url if is_remote(url) else urljoin(self.url, url),
            tuple(Digest(*text.split(":", 1)) for text in digests.split(" ") if text),
            int(size) if size else None,
            requires_python or None,
            yanked[1:] if yanked != _NOT_YANKED else None,
            upload_time or None,
            self.index,
        )


def group_by_project(files: tuple[File, ...]) -> dict[str, tuple[File, ...]]:
    """Return the files of a listing by normalised project name, each in the listing's order."""
    grouped: dict[str, list[File]] = {}
    for file in files:
        for project in projects_in(file.filename):
            grouped.setdefault(project, []).append(file)
    return {project: tuple(found) for project, found in grouped.items()}


def page_of(files: Iterable[File], project: str) -> Page | None:
    """Return the page of one project, out of the files of a listing; None when it has none of it."""
    rows = [
        (
            file.filename,
            file.url,
            " ".join(map(str, file.digests)),
            str(file.size or ""),
            file.requires_python or "",
            _NOT_YANKED if file.yanked is None else f"+{file.yanked}",
            file.upload_time or "",
        )
        for file in files
        if project in projects_in(file.filename)
    ]
    return Page(page_rows(rows, project, remote=False), "") if rows else None


def parse_page(body: bytes, content_type: str, url: str, *, project: str | None) -> tuple[bytes, str]:
    """Return the rows of a page and the address that its relative addresses start from.

    *url* is where the page was found in the end, *content_type* the header's text (empty: told by
    the first byte). *project* is the normalised name that versions are read for; None for a listing
    of several projects. Rows that name no file or no address are left out; so are local files that a
    remote page points at.

    Raises PageError for another content type, for bytes that are no such document, and for a
    major version of the interface that is not 1 (PEP 629).
    """
    essence, _, parameters = content_type.partition(";")
    essence = essence.strip().lower()
    remote = is_remote(url)
    if essence in _JSON_TYPES or (not essence and body.lstrip()[:1] == b"{"):
        rows: Iterable[Row] = _json_rows(body)
        # Without an escape, JSON holds no sign that could break a row apart.
        is_plain = body.isascii() and b"\\" not in body and b"\x7f" not in body
    elif essence in _HTML_TYPES or not essence:
        rows, base = _html_rows(body, parameters, url)
        url = base if is_remote(base) or not remote else url
        is_plain = False
    else:
        raise PageError(f"expected an index page (JSON or HTML), found the content type `{essence}`")
    return page_rows(rows, project, remote=remote, is_plain=is_plain), url


def page_rows(rows: Iterable[Row], project: str | None, *, remote: bool, is_plain: bool = False) -> bytes:
    r"""Return the text of a page: a line for each file, columns parted by tabs, ``\n`` at both ends.

    *is_plain* says that no value can hold a control character, so that none is looked for.
    """
    lines = ["\n"]
    keys: dict[str, str] = {}
    for row in rows:
        filename, url = row[0], row[1]
        if not filename or not url or "/" in filename or "\\" in filename:
            continue
        if remote and url[:5].lower() == "file:":
            continue
        columns = "\t".join(row)
        if not is_plain and not "".join(row).isprintable():
            if not (filename + url).isprintable():
                continue
            columns = "\t".join(map(_printable, row))
        key = "" if project is None else _version_key(filename, project, keys)
        lines.append(f"{key}\t{columns}\n")
    return "".join(lines).encode()


def _version_key(filename: str, project: str, keys: dict[str, str]) -> str:
    """Return the canonical version in *filename*, or nothing; *keys* remembers it for the wheels of one version."""
    if not filename.endswith(".whl") or filename.count("-") < 2:
        return canonical_version(version_in(filename, project) or "") or ""
    start = filename[: filename.index("-", filename.index("-") + 1)]
    key = keys.get(start)
    if key is None:
        key = canonical_version(version_in(filename, project) or "") or ""
        if key:
            keys[start] = key
    return key


def _printable(text: str) -> str:
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _json_rows(body: bytes) -> Iterator[Row]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PageError(f"not valid JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("files"), list):
        raise PageError("the document has no list of `files`")
    meta = document.get("meta")
    if isinstance(meta, dict):
        _check_interface(meta.get("api-version"))
    return _rows_of_entries(document["files"])


def _rows_of_entries(entries: list[Any]) -> Iterator[Row]:
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        filename, url = entry.get("filename"), entry.get("url")
        if not isinstance(filename, str) or not isinstance(url, str):
            continue
        hashes, size = entry.get("hashes"), entry.get("size")
        requires_python, upload_time = entry.get("requires-python"), entry.get("upload-time")
        yanked = entry.get("yanked")
        yield (
            filename,
            url,
            _digests(hashes) if isinstance(hashes, dict) else "",
            str(size) if type(size) is int and 0 <= size < _LARGEST else "",
            requires_python if isinstance(requires_python, str) else "",
            f"+{yanked if isinstance(yanked, str) else ''}" if yanked else _NOT_YANKED,
            upload_time if isinstance(upload_time, str) else "",
        )


def _digests(hashes: dict[Any, Any]) -> str:
    only = hashes.get("sha256") if len(hashes) == 1 else None
    # Nearly every file of nearly every page has just this one.
    if isinstance(only, str) and len(only) == 64 and not only.strip("0123456789abcdef"):
        return f"sha256:{only}"
    found = []
    for algorithm, value in hashes.items():
        if DIGEST_LENGTHS.get(algorithm) == (len(value) if isinstance(value, str) else -1):
            try:
                found.append(str(Digest.parse(f"{algorithm}:{value}")))
            except ValueError:
                continue
    return " ".join(found)


def _check_interface(version: object) -> None:
    """Refuse an interface of another major version (PEP 629)."""
    if version is not None and str(version).partition(".")[0] != "1":
        raise PageError(f"expected version 1.x of the index interface, found `{str(version)[:20]}`")


def _html_rows(body: bytes, parameters: str, url: str) -> tuple[list[Row], str]:
    from urllib.parse import urljoin

    from pytest_envsync.wheels.index.anchors import read_anchors

    document = read_anchors(body.decode(_encoding(parameters), "replace"))
    _check_interface(document.interface)
    rows = [row for anchor in document.anchors if (row := _row_of_anchor(*anchor)) is not None]
    try:
        return rows, urljoin(url, document.base) if document.base else url
    except ValueError:
        return rows, url


def _row_of_anchor(href: str, requires_python: str, yanked: str | None) -> Row | None:
    from urllib.parse import unquote

    address, _, fragment = href.strip().partition("#")
    filename = unquote(address.partition("?")[0].rpartition("/")[2])
    if not filename:
        return None
    digests = dict(part.split("=", 1) for part in fragment.split("&") if "=" in part)
    return (
        filename,
        address,
        _digests(digests),
        "",
        requires_python,
        _NOT_YANKED if yanked is None else f"+{yanked}",
        "",
    )


def _encoding(parameters: str) -> str:
    import codecs

    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            try:
                return codecs.lookup(value.strip(" \"'")).name
            except LookupError:
                break
    return "utf-8"
