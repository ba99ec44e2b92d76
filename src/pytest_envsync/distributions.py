"""What exists: files on an index, candidates, wheels in the store, distributions installed.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import Any, Literal

from pytest_envsync.hashes import Digest
from pytest_envsync.requirements import ArchiveSource, Origin, Source
from pytest_envsync.values import NamedTuple, dataclass, field


class File(NamedTuple):
    """One row of an index page (PEP 503, 592, 691, 700, 714).

    *size* is in bytes. *yanked* is the reason, an empty text for none given, None when the
    file is not yanked. *upload_time* is ISO 8601 in UTC. *index* is the page's index; empty
    for find-links.
    """

    filename: str
    url: str
    digests: tuple[Digest, ...] = ()
    size: int | None = None
    requires_python: str | None = None
    yanked: str | None = None
    upload_time: str | None = None
    index_url: str = ""


class Rejection(NamedTuple):
    """A file that was refused: the *rule* it broke, and the *detail* of it."""

    filename: str
    rule: str
    detail: str = ""


Kind = Literal["wheel", "sdist", "tree"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What will be installed under one name.

    *version* is None until a build tells it. *file* is None for source trees.
    *digests* are those that were asked for: any of them may match for a file of an index
    or a lockfile (*match_all* false), all must for a direct address (*match_all* true).
    *requested* says how it was asked for, which decides ``direct_url.json`` and what counts as
    satisfied. *size* is enforced when it comes from a lockfile. *cache_info* is what the
    freshness of a local source is judged by, *build_info* the settings it would be built with now.
    *specifier* is what the version of a source must meet that only its metadata tells; *may_build* is false where
    ``--only-binary`` refuses a build, so that only an earlier one will do. *requires_python* counts in place of what
    the wheel itself says, if it is not None.
    """

    name: str
    version: str | None
    kind: Kind
    requested: Source
    file: File | None = None
    digests: tuple[Digest, ...] = ()
    match_all: bool = False
    size: int | None = None
    origin: Origin | None = None
    cache_info: dict[str, Any] | None = field(default=None, hash=False)
    build_info: dict[str, Any] | None = field(default=None, hash=False)
    specifier: str = ""
    may_build: bool = True
    requires_python: str | None = None

    @property
    def is_direct_wheel(self) -> bool:
        """Whether it is a wheel that was given by its address or path."""
        return self.kind == "wheel" and isinstance(self.requested, ArchiveSource)


class StoredFile(NamedTuple):
    """One file of a wheel in the store.

    *path* is posix and relative to the unpacked tree, *size* in bytes, *mode* the
    permission bits, *mtime_ns* the archive's time (UTC), *sha256* its hex digest.
    """

    path: str
    size: int
    mode: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWheel:
    """A wheel that is unpacked in the store; immutable once there.

    *name* is normalised, *version* as in METADATA. *sha256* is the hex digest of the wheel file (for
    a built wheel too). *tree* is the absolute path of the unpacked files, *dist_info* the
    name of the ``.dist-info`` directory in it. *tags* are those of WHEEL. *size* is that of the
    wheel file in bytes, *digests* those of its digests that are known (sha256 is among them), *url*
    where it came from (without credentials; None if that is not to be remembered), *built* whether
    it was built on this machine. *unchecked* names what was not looked at when it was let in, because somebody asked
    for that: ``zip`` (its layout, and the hashes of RECORD), ``name`` (whether its file name is its own).
    """

    name: str
    version: str
    filename: str
    sha256: str
    tree: str
    dist_info: str
    root_is_purelib: bool
    tags: tuple[str, ...] = ()
    requires_python: str | None = None
    requires_dist: tuple[str, ...] = ()
    size: int = 0
    digests: tuple[Digest, ...] = ()
    url: str | None = None
    built: bool = False
    unchecked: tuple[str, ...] = ()


class PreparedWheel(NamedTuple):
    """A wheel in the store, and the candidate it is for. *fresh*: fetched, unpacked or built now."""

    candidate: Candidate
    wheel: StoredWheel
    fresh: bool


InstalledKind = Literal["dist-info", "egg-info-directory", "egg-info-file", "egg-link"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledDistribution:
    """A distribution that is installed. *path* is its ``.dist-info`` (or egg) entry, absolute.

    *direct_url* is the parsed ``direct_url.json`` (PEP 610), *cache_info* and *build_info* what
    this tool (or uv) noted beside it. *tags* are those of the installed WHEEL; empty when it
    has none. *sha256* is the hex digest of the wheel file, *built_from* the digests that were
    enforced on the sdist it was built from (``sha256:c1b2...``); both only if this tool installed it.
    """

    name: str
    version: str
    path: str
    kind: InstalledKind = "dist-info"
    direct_url: dict[str, Any] | None = None
    cache_info: dict[str, Any] | None = None
    build_info: dict[str, Any] | None = None
    tags: tuple[str, ...] = ()
    sha256: str | None = None
    built_from: tuple[str, ...] = ()

    @property
    def editable(self) -> bool:
        """Whether it points at a source tree instead of holding its files (PEP 660)."""
        if self.kind == "egg-link":
            return True
        directory = (self.direct_url or {}).get("dir_info")
        return isinstance(directory, dict) and bool(directory.get("editable"))
