"""A private directory for one build, and the source tree that is brought there.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import file_path, masked
from pytest_envsync.errors import BuildError, InputError
from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, Source, VcsSource

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.wheels.git import Repositories

Fetch = Callable[["Candidate", Path], str]
"""Brings the archive of a candidate to a path, checks its digests, and returns its sha256."""


class Workplace:
    """What one source needs while it is looked at or built; a context manager."""

    def __init__(
        self,
        name: str,
        source: Source,
        candidate: Candidate | None = None,
        *,
        cache_dir: Path,
        repositories: Repositories,
        fetch: Fetch,
    ) -> None:
        self.cache_dir = cache_dir
        self.repositories = repositories
        self.fetch = fetch
        self.name = name
        self.source = source
        self.candidate = candidate
        self.editable = isinstance(source, DirectorySource) and source.editable
        self._root: Path | None = None
        self._archive: tuple[Path, str] | None = None
        self._commit: str | None = None

    def __enter__(self) -> Workplace:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from this
        """Make nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the private directory, if there is one."""
        if self._root is not None:
            from shutil import rmtree

            rmtree(self._root, ignore_errors=True)

    @property
    def subject(self) -> str:
        """The source as messages name it, masked."""
        match self.source:
            case ArchiveSource(url=url) | VcsSource(url=url):
                return masked(url)
            case DirectorySource(path=path):
                return path
            case IndexSource():
                file = self.candidate.file if self.candidate is not None else None
                return self.name if file is None else file.filename

    def root(self) -> Path:
        """Return the private directory, made when it is first wanted."""
        if self._root is None:
            from tempfile import mkdtemp

            parent = self.cache_dir / "builds"
            parent.mkdir(parents=True, exist_ok=True)
            self._root = Path(mkdtemp(dir=parent))
        return self._root

    def directory(self, name: str) -> Path:
        """Return a new empty directory in the private one."""
        place = self.root() / name
        place.mkdir()
        return place

    def identity(self) -> list[Any]:
        """Return what the source is, as plain values: equal for equal sources."""
        match self.source:
            case DirectorySource(path=path, subdirectory=subdirectory):
                from pytest_envsync.environment.freshness import directory_cache_info

                tree = Path(path, subdirectory or "")
                return ["directory", str(tree.resolve()), directory_cache_info(str(tree))]
            case VcsSource(url=url, subdirectory=subdirectory):
                return ["vcs", url, self.commit(self.source), subdirectory]
            case ArchiveSource(subdirectory=subdirectory):
                return ["archive", self.archive()[1], subdirectory]
            case IndexSource():
                return ["archive", self.archive()[1], None]

    def commit(self, source: VcsSource) -> str:
        """Return the commit of a git source."""
        if self._commit is None:
            self._commit = self.repositories.resolve(source)
        return self._commit

    def archive(self) -> tuple[Path, str]:
        """Return the archive, fetched and checked, and its sha256."""
        if self._archive is None:
            candidate = self.candidate or unnamed_candidate(self.source)
            filename = candidate.file.filename if candidate.file is not None else "archive.tar.gz"
            place = self.directory("archive") / filename
            self._archive = (place, self.fetch(candidate, place))
        return self._archive

    def tree(self) -> Path:
        """Return the source tree: the directory itself, or one that was unpacked or checked out here."""
        match self.source:
            case DirectorySource(path=path, subdirectory=subdirectory):
                tree = Path(path, subdirectory or "")
                if not tree.is_dir():
                    raise InputError(f"Distribution not found at: {tree}", exit_status=1)
                return tree
            case VcsSource():
                return self.repositories.checkout(self.source, self.commit(self.source), self.root() / "checkout")
            case ArchiveSource(subdirectory=subdirectory):
                return _inside(self._unpacked(), subdirectory, self.subject)
            case IndexSource():
                return self._unpacked()

    def _unpacked(self) -> Path:
        from pytest_envsync.wheels.sdist import unpack_sdist

        return unpack_sdist(self.archive()[0], self.directory("source"))


def unnamed_candidate(source: Source) -> Candidate:
    """Return a candidate for an archive whose name only its metadata tells; it is empty until then."""
    from pytest_envsync.distributions import Candidate, File

    url = source.url if isinstance(source, ArchiveSource) else ""
    path = file_path(url) if url.startswith("file:") else unquoted_path(url)
    return Candidate(name="", version=None, kind="sdist", requested=source, file=File(path.rsplit("/", 1)[-1], url))


def unquoted_path(url: str) -> str:
    """Return the path of an address, with its escapes undone."""
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url).path)


def _inside(tree: Path, subdirectory: str | None, subject: str) -> Path:
    place = (tree / (subdirectory or "")).resolve()
    if not place.is_dir() or not place.is_relative_to(tree.resolve()):
        raise BuildError(
            f"there is no directory `{subdirectory}` in `{subject}`",
            subject=subject,
            hint="check the part behind `#subdirectory=`",
        )
    return place
