"""A private directory for one build, and the source tree that is brought there.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import file_path, file_url, without_credentials
from pytest_envsync.direct_url import direct_url_of, source_text
from pytest_envsync.errors import BuildError, InputError
from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, Source, VcsSource

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.hashes import Digest
    from pytest_envsync.wheels.build.archives import Archives
    from pytest_envsync.wheels.build.git import Repositories
    from pytest_envsync.wheels.store.store import Store


class Workplace:
    """What one source needs while it is looked at or built; a context manager.

    *candidate* is what stands for it, *environ* is asked for the variables among the cache keys of a directory.
    """

    def __init__(
        self,
        candidate: Candidate,
        *,
        store: Store,
        repositories: Repositories,
        archives: Archives,
        environ: Mapping[str, str],
    ) -> None:
        self.candidate = candidate
        self.source: Source = candidate.requested
        self.repositories = repositories
        self.archives = archives
        self.environ = environ
        self.editable = isinstance(self.source, DirectorySource) and self.source.editable
        self._store = store
        self._open = ExitStack()
        self._root: Path | None = None
        self._archive: tuple[Path, str] | None = None
        self._commit: str | None = None
        self._tree: Path | None = None

    def __enter__(self) -> Workplace:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from this
        """Make nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the private directory, if there is one."""
        self._open.close()

    @property
    def subject(self) -> str:
        """The source as messages name it, masked: ``demo==1.0``, ``demo @ file:///x``, ``file:///x``."""
        name, version = self.candidate.name, self.candidate.version
        if isinstance(self.source, IndexSource):
            return f"{name}=={version}" if version else name
        place = source_text(direct_url_of(self.source))
        return f"{name} @ {place}" if name else place

    def root(self) -> Path:
        """Return the private directory, made when it is first wanted."""
        if self._root is None:
            self._root = Path(self._open.enter_context(self._store.scratch()))
        return self._root

    def directory(self, name: str) -> Path:
        """Return a new empty directory in the private one."""
        place = self.root() / name
        place.mkdir()
        return place

    def identity(self) -> list[Any]:
        """Return what the source is, as plain values: equal for equal sources.

        Raises InputError for a directory that is not there, FetchError.
        """
        match self.source:
            case DirectorySource(path=path, subdirectory=subdirectory):
                place = self.tree()
                state = self.candidate.cache_info
                if state is None:
                    from pytest_envsync.environment.freshness import directory_cache_info

                    state = directory_cache_info(str(place), self.environ)
                return ["directory", str(Path(path).resolve()), subdirectory, state]
            case VcsSource(url=url, subdirectory=subdirectory):
                large = ["large files"] if self.repositories.has_large_files(self.source) else []
                # Tokens change from day to day, and what they open does not.
                return ["vcs", without_credentials(url), self.commit(self.source), subdirectory, *large]
            case ArchiveSource(subdirectory=subdirectory):
                return ["archive", self._sha256(), subdirectory]
            case IndexSource():
                return ["archive", self._sha256(), None]

    def _sha256(self) -> str:
        if self._archive is None and (known := self.archives.known(self.candidate)) is not None:
            return known
        return self.archive()[1]

    def commit(self, source: VcsSource) -> str:
        """Return the commit of a git source."""
        if self._commit is None:
            self._commit = self.repositories.resolve(source)
        return self._commit

    def archive(self) -> tuple[Path, str]:
        """Return the archive, fetched and checked, and its sha256."""
        if self._archive is None:
            filename = self.candidate.file.filename if self.candidate.file is not None else "archive.tar.gz"
            # A lockfile may give any text for a name; what it says of directories must lead nowhere.
            place = self.directory("archive") / filename.replace("\\", "/").rpartition("/")[2]
            self._archive = (place, self.archives.fetch(self.candidate, place))
        return self._archive

    def tree(self) -> Path:
        """Return the source tree: the directory itself, or one that was unpacked or checked out here."""
        if self._tree is None:
            self._tree = self._found_tree()
        return self._tree

    def _found_tree(self) -> Path:
        match self.source:
            case DirectorySource():
                return existing_tree(self.source)
            case VcsSource():
                return self.repositories.checkout(self.source, self.commit(self.source), self.root() / "checkout")
            case ArchiveSource(subdirectory=subdirectory):
                return _inside(self._unpacked(), subdirectory, self.subject)
            case IndexSource():
                return self._unpacked()

    def _unpacked(self) -> Path:
        from pytest_envsync.wheels.build.sdist import unpack_sdist

        # Backends ask git for versions and files: a repository that the cache lies in is none of this tree.
        (self.root() / ".git").touch()
        return unpack_sdist(self.archive()[0], self.directory("source"))


def existing_tree(source: DirectorySource) -> Path:
    """Return the directory that *source* names. Raises InputError when it is none."""
    tree = Path(source.path, source.subdirectory or "")
    if tree.is_file():
        raise InputError(f"`{tree}` is neither a directory nor an archive of a kind that is known")
    if not tree.is_dir():
        # What has an extension was meant to be an archive, but is of no known kind.
        raise InputError(f"Distribution not found at: {file_url(str(tree))}", exit_status=2 if tree.suffix else 1)
    return tree


def unnamed_candidate(source: Source, digests: tuple[Digest, ...] = ()) -> Candidate:
    """Return a candidate for a source whose name only its metadata tells; its name is empty until then."""
    from pytest_envsync.distributions import Candidate, File

    if not isinstance(source, ArchiveSource):
        return Candidate(name="", version=None, kind="tree", requested=source)
    path = file_path(source.url) if source.url.startswith("file:") else unquoted_path(source.url)
    file = File(path.rsplit("/", 1)[-1], source.url, digests)
    return Candidate(name="", version=None, kind="sdist", requested=source, file=file, digests=digests, match_all=True)


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
