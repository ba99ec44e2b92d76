"""How the source of a distribution is recorded, shown, and told to be the same (PEP 610).

Pure: whether two paths are one file is asked of a function that is handed in.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, Source, VcsSource

SameFile = Callable[[str, str], bool]


def direct_url_of(source: Source) -> dict[str, Any] | None:
    """Return the values of ``direct_url.json`` for *source*; None for a project on an index.

    Hashes are not recorded, credentials are dropped. Keys are in the order in which they are written.
    """
    if isinstance(source, IndexSource):
        return None
    values: dict[str, Any]
    if isinstance(source, ArchiveSource):
        values = {"url": without_credentials(source.url), "archive_info": {}}
    elif isinstance(source, DirectorySource):
        values = {"url": path_url(source.path), "dir_info": {"editable": True} if source.editable else {}}
    else:
        vcs_info = {"vcs": source.vcs, "commit_id": source.commit_id, "requested_revision": source.requested_revision}
        values = {
            "url": without_credentials(source.url),
            "vcs_info": {key: value for key, value in vcs_info.items() if value is not None},
        }
    if source.subdirectory:
        values["subdirectory"] = source.subdirectory
    return values


def source_text(direct_url: Mapping[str, Any] | None) -> str:
    """Return what a report puts behind ``from``; empty for a distribution of an index."""
    if direct_url is None:
        return ""
    url = without_credentials(str(direct_url.get("url", "")))
    vcs_info = direct_url.get("vcs_info")
    if isinstance(vcs_info, dict):
        commit = vcs_info.get("commit_id")
        url = f"{vcs_info.get('vcs', 'git')}+{url}{f'@{commit}' if commit else ''}"
    subdirectory = direct_url.get("subdirectory")
    return f"{url}#subdirectory={subdirectory}" if subdirectory else url


def path_url(path: str) -> str:
    """Return the ``file:`` URL of an absolute path."""
    from urllib.parse import quote

    slashes = path.replace("\\", "/") if path[1:2] == ":" else path
    return "file://" + ("" if slashes.startswith("/") else "/") + quote(slashes)


def url_path(url: str) -> str | None:
    """Return the path of a ``file:`` URL, None for another address."""
    if url[:5].lower() != "file:":
        return None
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(url).path)
    return path[1:] if path[2:3] == ":" else path


def without_credentials(url: str) -> str:
    """Return *url* without user and password; the user ``git`` stays, it is no secret (PEP 610)."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not separator or not at or user == "git":
        return url
    return f"{scheme}://{host}{slash}{path}"


def canonical_url(url: str) -> str:
    """Return *url* in the form in which two are compared.

    Without user, password, fragment, one trailing slash and a trailing ``.git``; path segments decoded;
    on ``github.com`` the path in lower case, as that host does not tell cases apart.
    """
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    path = parts.path.removesuffix("/").removesuffix(".git")
    path = "/".join(unquote(segment) for segment in path.split("/"))
    if host == "github.com":
        path = path.lower()
    return f"{parts.scheme.lower()}://{host}{path}" + (f"?{parts.query}" if parts.query else "")


def source_difference(source: Source, direct_url: Mapping[str, Any] | None, same_file: SameFile) -> str | None:
    """Return how an installed distribution's recorded origin differs from *source*; None when it does not.

    Whatever is installed serves a requirement on an index; of hashes nothing is compared, and of a
    repository the commit counts, not the name it was asked for by.
    """
    if isinstance(source, IndexSource):
        return None
    if direct_url is None:
        return "it came from an index"
    if (direct_url.get("subdirectory") or None) != (source.subdirectory or None):
        return "it came from another subdirectory"
    url = str(direct_url.get("url", ""))
    if isinstance(source, ArchiveSource):
        return _archive_difference(source, url, direct_url, same_file)
    if isinstance(source, DirectorySource):
        return _directory_difference(source, url, direct_url, same_file)
    return _vcs_difference(source, url, direct_url)


def _archive_difference(
    source: ArchiveSource, url: str, direct_url: Mapping[str, Any], same_file: SameFile
) -> str | None:
    if not isinstance(direct_url.get("archive_info"), dict):
        return "it came from no archive"
    wanted, found = source.path or url_path(source.url), url_path(url)
    if wanted is not None:
        return None if found is not None and _is_same(wanted, found, same_file) else "it came from another file"
    return None if canonical_url(source.url) == canonical_url(url) else "it came from another address"


def _directory_difference(
    source: DirectorySource, url: str, direct_url: Mapping[str, Any], same_file: SameFile
) -> str | None:
    info = direct_url.get("dir_info")
    if not isinstance(info, dict):
        return "it came from no directory"
    if bool(info.get("editable")) != source.editable:
        return "it is not editable" if source.editable else "it is editable"
    found = url_path(url)
    return None if found is not None and _is_same(source.path, found, same_file) else "it came from another directory"


def _vcs_difference(source: VcsSource, url: str, direct_url: Mapping[str, Any]) -> str | None:
    info = direct_url.get("vcs_info")
    if not isinstance(info, dict) or info.get("vcs") != source.vcs:
        return "it came from no repository"
    if canonical_url(source.url) != canonical_url(url):
        return "it came from another repository"
    if source.commit_id is None or info.get("commit_id") != source.commit_id:
        return "it was made from another commit"
    return None


def _is_same(wanted: str, found: str, same_file: SameFile) -> bool:
    return wanted == found or same_file(wanted, found)
