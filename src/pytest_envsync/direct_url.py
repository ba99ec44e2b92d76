"""How the source of a distribution is recorded, shown, and told to be the same (PEP 610).

Pure: whether two paths are one file is asked of a function that is handed in.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_envsync.addresses import canonical_address, file_path, file_url, masked, without_credentials
from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, Source, VcsSource

SameFile = Callable[[str, str], bool]


def direct_url_of(source: Source) -> dict[str, Any] | None:
    """Return the values of ``direct_url.json`` for *source*; None for a project on an index.

    Hashes are not recorded, credentials are dropped; a file's address keeps its fragment, as the reference has it.
    Keys are in the order in which they are written.
    """
    if isinstance(source, IndexSource):
        return None
    values: dict[str, Any]
    if isinstance(source, ArchiveSource):
        fragment = f"#{source.fragment}" if source.fragment and source.url[:5] == "file:" else ""
        values = {"url": recorded_url(source.url) + fragment, "archive_info": {}}
    elif isinstance(source, DirectorySource):
        info = {"editable": source.editable} if source.editable or source.is_said else {}
        values = {"url": file_url(source.path), "dir_info": info}
    else:
        vcs_info = {"vcs": source.vcs, "commit_id": source.commit_id, "requested_revision": source.requested_revision}
        values = {
            "url": recorded_url(source.url),
            "vcs_info": {key: value for key, value in vcs_info.items() if value is not None},
        }
        if source.large_files:
            values["vcs_info"]["git_lfs"] = True
    if source.subdirectory:
        values["subdirectory"] = source.subdirectory
    return values


def source_text(direct_url: Mapping[str, Any] | None) -> str:
    """Return what a report puts behind ``from``; empty for a distribution of an index."""
    if direct_url is None:
        return ""
    url = masked(str(direct_url.get("url", "")))
    vcs_info = direct_url.get("vcs_info")
    if isinstance(vcs_info, dict):
        commit = vcs_info.get("commit_id")
        url = f"{vcs_info.get('vcs', 'git')}+{url}{f'@{commit}' if commit else ''}"
    subdirectory = direct_url.get("subdirectory")
    fragments = [f"subdirectory={subdirectory}"] if subdirectory else []
    if isinstance(vcs_info, dict) and vcs_info.get("git_lfs"):
        fragments.append("lfs=true")
    return "#".join([url, *filter(None, ["&".join(fragments)])])


def asked_text(source: Source) -> str:
    """Return what a report puts behind ``from`` when *source* is installed: the address as it was written."""
    text = source_text(direct_url_of(source))
    fragment = source.fragment if isinstance(source, ArchiveSource) else ""
    return f"{text}#{masked(fragment)}" if fragment and "#" not in text else text


def url_path(url: str) -> str | None:
    """Return the path of a ``file:`` URL, None for another address."""
    return file_path(url) if url[:5].lower() == "file:" else None


def recorded_url(url: str) -> str:
    """Return *url* without user and password; the user ``git`` stays, it is no secret (PEP 610)."""
    return url if "//git@" in url else without_credentials(url)


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
    return None if canonical_address(source.url) == canonical_address(url) else "it came from another address"


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
    if canonical_address(source.url) != canonical_address(url):
        return "it came from another repository"
    if source.commit_id is None or info.get("commit_id") != source.commit_id:
        return "it was made from another commit"
    if bool(info.get("git_lfs")) != bool(source.large_files):
        return "it has no files of Git LFS" if source.large_files else "it has files of Git LFS"
    return None


def _is_same(wanted: str, found: str, same_file: SameFile) -> bool:
    return wanted == found or same_file(wanted, found)
