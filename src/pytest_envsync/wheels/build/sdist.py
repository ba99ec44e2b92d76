"""Unpack an sdist safely.

Rules: PEP 625 and the sdist specification (one top-level directory), PEP 706 (no member, and no link,
may reach outside of it; no devices). Sizes are bounded before anything is written.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import os
import posixpath
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytest_envsync.errors import StoreError, WheelError

if TYPE_CHECKING:
    import tarfile
    from gzip import GzipFile

MAX_SIZE = 2 * 1024**3
"""Bytes that an sdist may unpack to. The largest of the public index unpack to about a tenth of it."""
MAX_MEMBERS = 200_000
_CHUNK = 1 << 20
# No number: of a reader. EINVAL: an offset in front of the file. The others: a member where one of another kind is.
_DAMAGE = frozenset({None, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY})
_LONGEST_READ = 8 << 20


def unpack_sdist(archive: Path, destination: Path) -> Path:
    """Unpack *archive* (``.tar.gz`` or ``.zip``) into *destination*, which exists and is empty.

    Returns the source tree: the single top-level directory, or *destination* where a project lies right in it.
    Raises WheelError for whatever a well-made sdist does not hold; what was written so far lies below *destination*
    only.
    """
    import tarfile
    import zlib

    name = archive.name
    try:
        if name.endswith(".zip"):
            _unpack_zip(archive, destination)
        elif name.endswith((".tar.gz", ".tgz")):
            _unpack_tar(archive, destination)
        else:
            raise WheelError(name, "an sdist is a `.tar.gz` or `.zip` file (PEP 625)", exit_status=2)
    except (EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error, tarfile.TarError) as error:
        raise WheelError(name, f"the archive is damaged: {error}") from error
    except OSError as error:
        if error.errno in _DAMAGE or error.__class__.__name__ == "BadGzipFile":
            raise WheelError(name, f"the archive is damaged: {error}") from error
        raise StoreError(f"`{name}` could not be unpacked: {error.strerror or error}") from error
    entries = sorted(destination.iterdir())
    if any((destination / name).is_file() for name in ("pyproject.toml", "setup.py")):
        return destination  # packed without the directory: the reference and pip take it so
    if len(entries) != 1 or not entries[0].is_dir():
        raise WheelError(name, f"expected one top-level directory, found {len(entries)} entries")
    return entries[0]


def _checked_path(filename: str, member: str) -> str:
    """Return the normalised relative path of a member, or raise WheelError."""
    if "\0" in member or "\\" in member:
        raise WheelError(filename, f"the member `{member!r}` has a character that no path should have")
    path = posixpath.normpath(member)
    if member.startswith("/") or path == ".." or path.startswith("../") or (len(member) > 1 and member[1] == ":"):
        raise WheelError(filename, f"the member `{member}` would land outside of the source tree")
    return path


class _Budget:
    """Count what is unpacked, and refuse more than a sdist may hold."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.size = 0
        self.members = 0

    def member(self, size: int) -> None:
        """Take one member of *size* bytes into account."""
        self.members += 1
        self.size += size
        if self.size > MAX_SIZE or self.members > MAX_MEMBERS:
            raise WheelError(
                self.filename,
                f"it would unpack to more than {MAX_SIZE // 1024**2} MiB or {MAX_MEMBERS} files",
                hint="an archive of this kind is most likely an attack; nothing of it was kept",
            )


class _Ground:
    """The directory that members are written below. Nothing is written through a link, wherever it points."""

    def __init__(self, filename: str, root: Path) -> None:
        self.filename = filename
        self.root = root
        self.links: list[str] = []
        self._directories: set[str] = set()

    def place(self, path: str) -> Path:
        """Return the place of *path*, a checked one; the directories above it are made."""
        parts = path.split("/")
        for number in range(1, len(parts)):
            parent = "/".join(parts[:number])
            if parent in self._directories:
                continue
            directory = self.root / parent
            # A directory that is there stays one: a link never takes its place.
            directory.mkdir(exist_ok=True)
            if directory.is_symlink():
                raise WheelError(self.filename, f"the member `{path}` lies behind the link `{parent}`")
            self._directories.add(parent)
        return self.root / path

    def check_links(self) -> None:
        """Refuse links that lead out, now that all they lead through is there."""
        root = os.path.realpath(self.root)
        for path in self.links:
            aim = os.path.realpath(self.root / path)
            if not aim.startswith(f"{root}{os.sep}"):
                raise WheelError(self.filename, f"the link `{path}` points outside of the source tree, at `{aim}`")


def _unpack_tar(archive: Path, destination: Path) -> None:
    import gzip
    import tarfile

    with gzip.open(archive) as stream:
        # Nothing is written to it.
        bounded: Any = _Bounded(stream)
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            _take_members(tar, archive.name, destination)


def _take_members(tar: tarfile.TarFile, filename: str, destination: Path) -> None:
    import tarfile

    budget, ground = _Budget(filename), _Ground(filename, destination)
    for member in tar:
        path = _checked_path(filename, member.name)
        if member.size < 0:
            raise ValueError(f"`{path}` has a negative size")
        budget.member(member.size if member.isreg() else 0)
        place = ground.place(path)
        if member.isdir():
            place.mkdir(exist_ok=True)
        elif member.issym() or member.islnk():
            _link(member, path, ground)
        elif member.isreg():
            source = tar.extractfile(member)
            if source is None:
                raise WheelError(filename, f"the member `{path}` has no content")
            _write(source, place, member.size, executable=bool(member.mode & 0o111))
        elif member.type not in {tarfile.XGLTYPE, tarfile.XHDTYPE}:
            raise WheelError(filename, f"the member `{path}` is a device or another special file")
    ground.check_links()


class _Bounded:
    """A stream that gives little at a time: a header may say that it is as long as the memory of the machine."""

    def __init__(self, stream: GzipFile) -> None:
        self.seek = stream.seek
        self.tell = stream.tell
        self.close = stream.close
        self._read = stream.read

    def read(self, size: int = -1, /) -> bytes:
        """Return the next *size* bytes. Raises ValueError when that is more than any header has."""
        if size < 0 or size > _LONGEST_READ:
            raise ValueError(f"it has a header of {size} bytes")
        return self._read(size)


def _link(member: tarfile.TarInfo, path: str, ground: _Ground) -> None:
    root = path.split("/", maxsplit=1)[0]
    base = posixpath.dirname(path) if member.issym() else ""
    aim = posixpath.normpath(posixpath.join(base, member.linkname))
    is_inside = not member.linkname.startswith("/") and (aim == root or aim.startswith(f"{root}/"))
    if not is_inside or _leaves(ground.root, ground.root / aim):
        raise WheelError(
            ground.filename, f"the link `{path}` points outside of the source tree, at `{member.linkname}`"
        )
    place = ground.place(path)
    place.unlink(missing_ok=True)
    # A hard link to a link is one: from another place it may lead elsewhere.
    ground.links.append(path)
    if member.issym():
        place.symlink_to(member.linkname)
    else:
        os.link(ground.root / aim, place, follow_symlinks=False)


def _leaves(destination: Path, place: Path) -> bool:
    """Whether *place*, with the links that are there already, is outside of *destination*."""
    return not place.resolve().is_relative_to(destination.resolve())


def _unpack_zip(archive: Path, destination: Path) -> None:
    import zipfile

    budget, ground = _Budget(archive.name), _Ground(archive.name, destination)
    try:
        # RuntimeError and NotImplementedError: an encrypted member, a version or a compression that nobody uses.
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                path = _checked_path(archive.name, member.orig_filename)
                mode = member.external_attr >> 16
                if mode & 0o170000 == 0o120000:
                    raise WheelError(archive.name, f"the member `{path}` is a symbolic link")
                budget.member(member.file_size)
                place = ground.place(path)
                if member.is_dir():
                    place.mkdir(exist_ok=True)
                    continue
                with opened.open(member) as source:
                    _write(source, place, member.file_size, executable=bool(mode & 0o111))
    except zipfile.BadZipFile as error:
        raise WheelError(archive.name, f"the archive is damaged: {error}") from error


def _write(source: IO[bytes], place: Path, size: int, *, executable: bool) -> None:
    if place.is_symlink():
        place.unlink()
    left = size
    with place.open("wb") as target:
        while left > 0:
            chunk = source.read(min(left, _CHUNK))
            if not chunk:
                raise EOFError(f"`{place.name}` ends after {size - left} of {size} bytes")
            target.write(chunk)
            left -= len(chunk)
    place.chmod(0o755 if executable else 0o644)
