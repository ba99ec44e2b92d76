"""What is asked for: values that the inputs become.

The words are those of PEP 508, PEP 610 and the pylock specification.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.hashes import Digest
from pytest_envsync.patterns import pattern
from pytest_envsync.values import dataclass, field

_SEPARATORS = pattern(r"[-_.]+")


def normalize_name(name: str) -> str:
    """Return *name* in its normalised form (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something was asked for: *path* (or URL, or ``<option>``), *line* from 1, and
    the origin of the line that included that file.
    """

    path: str
    line: int | None = None
    via: Origin | None = None

    @property
    def depth(self) -> int:
        """How many files include this one, one behind the other."""
        return 0 if self.via is None else self.via.depth + 1

    def __str__(self) -> str:
        """Return ``path:line``, with the including lines behind it."""
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return place if self.via is None else f"{place} (included from {self.via})"


@dataclass(frozen=True, slots=True)
class IndexSource:
    """A project on an index. *specifier* is a PEP 440 specifier set as text, maybe empty;
    *index* is the one to ask, as ``--index`` takes it, or None for all of them.
    """

    specifier: str = ""
    index: str | None = None


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """One archive, a wheel or an sdist. *url* is absolute (``https:`` or ``file:``) and has no
    fragment; *path* is set when the user gave a path rather than an address. *fragment* is what stood behind the
    ``#``, to be shown: what it means is in other fields.
    """

    url: str
    subdirectory: str | None = None
    path: str | None = None
    fragment: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """A source tree on this machine. *path* is absolute.

    *is_said*: a table named it, which could have said that it is editable: then ``direct_url.json`` says that it is
    not.
    """

    path: str
    editable: bool = False
    subdirectory: str | None = None
    is_said: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class VcsSource:
    """A source tree in a version control system (*vcs* is ``git``). *commit_id* is set
    when the lockfile, or the requested revision, fixes it. *large_files* are those that Git LFS
    keeps; None: as the settings say.
    """

    vcs: str
    url: str
    requested_revision: str | None = None
    subdirectory: str | None = None
    commit_id: str | None = None
    large_files: bool | None = None


Source = IndexSource | ArchiveSource | DirectorySource | VcsSource


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecifiedRequirement:
    """One requirement as one line states it.

    *name* is normalised; None while only a build can tell it (a source tree given by path).
    *text* is the line as the user wrote it, credentials included: never print it unmasked.
    *marker* is PEP 508 text, not yet evaluated.
    """

    name: str | None
    source: Source
    text: str
    extras: tuple[str, ...] = ()
    marker: str | None = None
    digests: tuple[Digest, ...] = ()
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectTree:
    """A source tree whose dependencies are asked for, not the tree itself, and which only its
    build backend can tell (dynamic metadata, ``setup.py``, ``setup.cfg``).

    *path* is the absolute path of the directory, *text* the input as the user named it.
    *extras* are those asked for, normalised; whoever asks the backend refuses unknown ones.
    """

    path: str
    text: str
    extras: tuple[str, ...] = ()
    all_extras: bool = False
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that was read: what a later run compares to know that nothing changed.

    *digest* is the sha256 (hex) of its bytes; empty for an address or standard input,
    which are never remembered.
    """

    path: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """All that the inputs say together, in the order of the lines.

    *pins* holds the packages of a pylock file that are active for the target, already
    chosen. *require_hashes* is what the files said, not the command line.
    *variables* are the ``${NAME}`` that were expanded, with their values (None: undefined).
    *trees* are projects whose dependencies must be asked from a build backend; *has_project* says that there was a
    project among the inputs, which asks for something even if for no dependency. *index* are
    further indexes, as ``--index`` takes them (``ADDRESS`` or ``NAME=ADDRESS``), and *index_rules* what holds for
    some of them (``index_tables``). Addresses of indexes and find-links may be absolute paths.
    """

    entries: tuple[SpecifiedRequirement, ...] = ()
    constraints: tuple[SpecifiedRequirement, ...] = ()
    overrides: tuple[SpecifiedRequirement, ...] = ()
    excludes: tuple[str, ...] = ()
    pins: tuple[LockedPackage, ...] = ()
    is_pylock: bool = False
    trees: tuple[ProjectTree, ...] = ()
    has_project: bool = False
    index: tuple[str, ...] = ()
    index_rules: tuple[str, ...] = ()
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    require_hashes: bool = False
    warnings: tuple[str, ...] = ()
    files: tuple[InputFile, ...] = ()
    variables: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """A wheel or sdist that a lockfile lists. *location* is an absolute path or a URL;
    *size* is in bytes.
    """

    filename: str
    location: str
    digests: tuple[Digest, ...] = ()
    size: int | None = None
    upload_time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A package of a pylock file that is active for the target (PEP 751).

    Exactly one of *wheels*/*sdist* or *source* is given. *index* is only a note.
    """

    name: str
    version: str | None
    wheels: tuple[LockedFile, ...] = ()
    sdist: LockedFile | None = None
    source: ArchiveSource | DirectorySource | VcsSource | None = None
    digests: tuple[Digest, ...] = ()
    size: int | None = None
    index: str | None = None
    requires_python: str | None = None
    origin: Origin | None = field(default=None, compare=False)
