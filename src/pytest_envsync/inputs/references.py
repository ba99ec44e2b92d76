"""Direct references: addresses and paths that stand in the place of an index.

Pure. Sources: PEP 508 (URLs), PEP 440 (direct references), PEP 610 (the words), and what the reference
accepts beyond them: paths, repositories without a name.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from pytest_envsync.addresses import file_path, file_url, masked, whole_address
from pytest_envsync.errors import InputError
from pytest_envsync.hashes import DIGEST_LENGTHS, Digest
from pytest_envsync.inputs.archive_names import ARCHIVE_SUFFIXES, is_archive, name_in_archive
from pytest_envsync.inputs.paths import is_absolute, path_below
from pytest_envsync.patterns import pattern
from pytest_envsync.requirements import ArchiveSource, DirectorySource, VcsSource
from pytest_envsync.values import NamedTuple

_SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.-]+):")
_FRAGMENT = pattern(r"[a-z0-9_-]+=[^&=]*(?:&[a-z0-9_-]+=[^&=]*)*")
_COMMIT = pattern(r"[0-9a-fA-F]{40}")
_SCP_LIKE = pattern(r"(?:git\+)?[A-Za-z0-9._-]+@(?!file:)[A-Za-z0-9.-]{2,}:(?!/)")
_ARCHIVE_WITHIN = pattern("(?:" + "|".join(re.escape(suffix) for suffix in ARCHIVE_SUFFIXES) + r")[#;\s]")
_OTHER_VCS = {"hg": "Mercurial", "bzr": "Bazaar", "svn": "Subversion"}
GIT_SCHEMES = ("https", "http", "ssh", "file")
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"


class Reference(NamedTuple):
    """What a direct reference says. *name* is what the file name tells, None for trees."""

    name: str | None
    source: ArchiveSource | DirectorySource | VcsSource
    digests: tuple[Digest, ...] = ()


def read_reference(text: str, *, base: str | None, is_named: bool = True, editable: bool = False) -> Reference:
    """Read an address or path, after its variables were expanded.

    *base* is the directory that a relative path starts at; None refuses relative paths. With
    *is_named* false there was no ``name @`` in front: a fragment behind a bare path is then part of it.

    Raises InputError.
    """
    if not text.strip():
        raise InputError("Expected URL or path, found nothing")
    match = _SCHEME.match(text)
    scheme = "" if match is None else match[1].lower()
    place = text.partition("#")[0].partition("?")[0].rstrip("/").lower()
    # What has a name and ends in `.git` is a repository, also at a path.
    is_repository = is_named and not editable
    if scheme in {"http", "https", "file"} and place.endswith(".git") and text.startswith("//", len(scheme) + 1):
        if scheme == "file" and not is_named:
            raise InputError(no_archive(text), hint="write git+file:///PATH for a repository")
        return _in_repository(text, text)
    if scheme in {"http", "https"}:
        return _at_address(text)
    if scheme == "file":
        path, fragments = _file_address(text)
        return _at_path(
            path, fragments, text=text, base=base, editable=editable, is_address=True, is_repository=is_repository
        )
    prefix, plus, _ = scheme.partition("+")
    if plus and prefix == "git":
        return _in_repository(text[4:], text)
    if plus and prefix in _OTHER_VCS:
        raise InputError(
            f"Unsupported URL prefix `{prefix}` in URL `{masked(text)}` ({_OTHER_VCS[prefix]} is not supported)"
        )
    if match is not None and text.startswith("//", match.end()):
        raise InputError(
            f"Unsupported URL scheme `{scheme}` in `{masked(text)}`",
            hint="use https, http, file or git+https",
            exit_status=1,
        )
    refuse_scp_address(text)
    path, fragments = _split_path(text, is_named=is_named)
    return _at_path(
        path, fragments, text=text, base=base, editable=editable, is_address=False, is_repository=is_repository
    )


def refuse_scp_address(text: str) -> None:
    """Raise InputError for ``USER@HOST:PATH``, which git itself takes, but which is no address."""
    if _SCP_LIKE.match(text):
        raise InputError(
            f"`{masked(text)}` is no address of a repository",
            hint="write git+ssh://USER@HOST/PATH instead",
            exit_status=1,
        )


def _at_address(text: str) -> Reference:
    from urllib.parse import quote, unquote, urlsplit, urlunsplit

    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"`{masked(text)}` is not a valid URL: {error}") from error
    if not host:
        raise InputError(f"`{masked(text)}` is not a valid URL: empty host")
    if re.search(r"[\s<>\"`{}|\\^]", parts.netloc):
        raise InputError(f"`{masked(text)}` is not a valid URL: invalid host name")
    filename = unquote(parts.path.rpartition("/")[2])
    if not is_archive(filename):
        raise InputError(
            f"Expected direct URL (`{masked(text)}`) to end in a supported file extension: "
            + ", ".join(f"`{suffix}`" for suffix in ARCHIVE_SUFFIXES)
        )
    path = quote(parts.path, safe=_URL_CHARACTERS)
    url = urlunsplit((parts.scheme, parts.netloc, path, quote(parts.query, safe=_URL_CHARACTERS), ""))
    fragments = _fragments(parts.fragment)
    name = name_in_archive(filename, shown=url)
    subdirectory = _subdirectory(fragments, text)
    source = ArchiveSource(url, subdirectory, fragment="" if subdirectory else parts.fragment)
    return Reference(name, source, _digests(fragments))


def _file_address(text: str) -> tuple[str, list[tuple[str, str]]]:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        path = file_path(text)
    except ValueError as error:
        raise InputError(f"`{text}` is not a valid URL: {error}") from error
    if parts.netloc.lower() not in {"", "localhost"}:
        raise InputError(f"`{masked(text)}` names a host: a file URL must look like file:///PATH")
    if "\0" in path:
        raise InputError(f"`{text}` is not a valid URL: it contains NUL")
    if not path and parts.netloc:
        raise InputError(f"`{text}` is not a valid URL: empty path")
    return path or ".", _fragments(parts.fragment)


def _split_path(text: str, *, is_named: bool) -> tuple[str, list[tuple[str, str]]]:
    path, separator, fragment = text.rpartition("#")
    if not separator or not path or _FRAGMENT.fullmatch(fragment) is None:
        return text, []
    if not is_named and is_archive(path):
        # What a bare path says is the name of a file, so the reference looks for a file with that end.
        raise InputError(no_archive(text), hint="write `NAME @ PATH#...`, or give the hash with --hash")
    return path, _fragments(fragment)


def read_path(path: str, *, base: str, subdirectory: str | None) -> Reference:
    """Return what is at *path* below *base*, of which no character means anything but itself.

    Only an archive has a *subdirectory*. Raises InputError.
    """
    within = [("subdirectory", subdirectory)] if subdirectory and is_archive(path) else []
    return _at_path(path, within, text=path, base=base, editable=False, is_address=False)


def _at_path(
    path: str,
    fragments: list[tuple[str, str]],
    *,
    text: str,
    base: str | None,
    editable: bool,
    is_address: bool,
    is_repository: bool = False,
) -> Reference:
    if base is None and not is_absolute(path):
        raise InputError(f"relative path without a working directory: {text}")
    absolute = path_below(base or "", path)
    if is_repository and path.rstrip("/").lower().endswith(".git"):
        return _in_repository(file_url(absolute), text)
    filename = PurePath(absolute).name
    subdirectory = _subdirectory(fragments, text)
    if path.endswith(("/", os.sep)) or not is_archive(filename):
        if not is_address and _ARCHIVE_WITHIN.search(text):
            raise InputError(no_archive(text))
        return Reference(None, DirectorySource(absolute, editable, subdirectory), _digests(fragments))
    name = name_in_archive(filename, shown=text)
    shown = text.partition("#")[2] if is_address and not subdirectory else ""
    source = ArchiveSource(file_url(absolute), subdirectory, None if is_address else absolute, shown)
    return Reference(name, source, _digests(fragments))


def _in_repository(text: str, shown: str) -> Reference:
    """Read what follows ``git+``: an address, ``@REVISION``, ``#subdirectory=PATH&lfs=true``."""
    from urllib.parse import quote, unquote, urlsplit, urlunsplit

    text = whole_address(text)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"`{masked(shown)}` is not a valid URL: {error}") from error
    if parts.scheme not in GIT_SCHEMES:
        raise InputError(
            f"Unsupported Git URL scheme `{parts.scheme}:` in `{masked(text)}` "
            "(expected one of `https:`, `ssh:`, or `file:`)"
        )
    if host and not parts.path and parts.scheme != "ssh":
        parts = parts._replace(path="/")
    if not host and parts.scheme == "ssh":
        raise InputError(f"Not a valid URL: `{masked(text)}`", hint="write git+ssh://HOST/PATH", exit_status=1)
    if (not host and parts.scheme != "file") or not parts.path.startswith("/") or re.search(r"[\s\"]", parts.netloc):
        raise InputError(f"Not a valid URL: `{masked(text)}`")
    path, at, revision = parts.path.partition("@")
    if "@" in revision:
        raise InputError(
            f"Ambiguous Git URL `{masked(text)}`: the path contains multiple `@` characters",
            hint="percent-encode an `@` of the revision as %40",
        )
    path = quote(path, safe=_URL_CHARACTERS)
    url = urlunsplit((parts.scheme, parts.netloc, path, quote(parts.query, safe=_URL_CHARACTERS), ""))
    revision = unquote(revision)
    if revision.startswith("-") or "\0" in revision:
        raise InputError(f"`{revision}` is no Git revision")
    fragments = _fragments(parts.fragment)
    source = VcsSource(
        "git",
        url,
        requested_revision=revision if at and revision else None,
        subdirectory=_subdirectory(fragments, shown),
        commit_id=revision.lower() if _COMMIT.fullmatch(revision) else None,
        # The reference prints this, and reads past it.
        large_files=("lfs", "true") in fragments or None,
    )
    return Reference(None, source, _digests(fragments))


def _fragments(fragment: str) -> list[tuple[str, str]]:
    from urllib.parse import unquote

    pairs = [part.partition("=") for part in fragment.split("&") if part]
    return [(key, unquote(value)) for key, _, value in pairs]


def _subdirectory(fragments: list[tuple[str, str]], text: str) -> str | None:
    found = next((value for key, value in fragments if key == "subdirectory"), None)
    return None if not found else check_subdirectory(found, text)


def check_subdirectory(path: str, subject: str) -> str:
    """Return *path* without needless parts, ``.`` for the tree itself. Raises InputError where it leaves the tree."""
    parts = [part for part in re.split(r"[/\\]", path) if part not in {"", "."}]
    if not path or path.startswith(("/", "\\")) or ".." in parts or "\0" in path:
        raise InputError(f"`subdirectory={path}` of `{masked(subject)}` must be a path inside of it")
    return "/".join(parts) or "."


def _digests(fragments: list[tuple[str, str]]) -> tuple[Digest, ...]:
    """Return the digests among *fragments*; algorithms that are not known say nothing."""
    found: dict[str, Digest] = {}
    for key, value in fragments:
        if key in DIGEST_LENGTHS:
            digest = read_digest(f"{key}:{value}")
            if found.setdefault(key, digest) != digest:
                raise InputError(f"Conflicting archive URL hashes: `{found[key]}` conflicts with `{digest}`")
    return tuple(found.values())


def read_digest(text: str) -> Digest:
    """Return the digest ``ALGORITHM:HEX``. Raises InputError."""
    try:
        return Digest.parse(text)
    except ValueError as error:
        raise InputError(str(error)) from error


def no_archive(text: str) -> str:
    """Return what to say of a path that ends otherwise than an archive does."""
    suffixes = ", ".join(f"`{suffix}`" for suffix in ARCHIVE_SUFFIXES)
    return f"Expected path (`{text}`) to end in a supported file extension: {suffixes}"
