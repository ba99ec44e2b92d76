"""Compare an environment with what it was.

A snapshot holds size, modification time, mode and link target of every file below a prefix;
comparing means ``lstat`` of every file, and a digest only where these differ. Bytecode that
an interpreter can make again, ``__pycache__/*.cpython-XY[.opt-N].pyc`` and the form that
pytest writes for rewritten modules, never counts; nothing else is exempt. Directories count
by their mode, and empty ones by their existence.

Standard library only: this module also runs inside session environments. It reads an
environment and never changes one.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_envsync.snapshot import (
    BYTECODE,
    CACHE,
    NO_TIME,
    Digests,
    Row,
    Snapshot,
    digest_of,
    is_cache,
    load_digests,
    load_snapshot,
    save_snapshot,
    take_snapshot,
)

__all__ = [
    "Diff",
    "DistributionChanges",
    "Examination",
    "FileChanges",
    "Snapshot",
    "compare",
    "examine",
    "load_digests",
    "load_snapshot",
    "save_snapshot",
    "take_snapshot",
]

_METADATA = re.compile(r"(?:^|/)site-packages/(?P<name>[^/]+?)-(?P<version>[^/-]+)(?:-py\d[^/-]*)?\.(?:dist|egg)-info$")


class DistributionChanges(NamedTuple):
    """Distributions by normalised name: *added* and *removed* to version, *changed* to (before, after)."""

    added: dict[str, str]
    removed: dict[str, str]
    changed: dict[str, tuple[str, str]]


class FileChanges(NamedTuple):
    """Sorted posix paths relative to the environment; a directory ends in a slash."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class Diff:
    """What differs between an environment and its snapshot; falsy when nothing does."""

    __slots__ = ("distributions", "files")

    def __init__(
        self,
        distributions: DistributionChanges | None = None,
        files: FileChanges | None = None,
    ) -> None:
        self.distributions = distributions or DistributionChanges({}, {}, {})
        self.files = files or FileChanges((), (), ())

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return any(self.files) or any(self.distributions)

    def __eq__(self, other: object) -> bool:
        """Compare every part."""
        return isinstance(other, Diff) and (self.distributions, self.files) == (other.distributions, other.files)

    def __hash__(self) -> int:
        """Agree with ``__eq__``."""
        return hash(self.files)

    def __repr__(self) -> str:
        """Show both parts."""
        return f"Diff(distributions={self.distributions!r}, files={self.files!r})"

    def __str__(self) -> str:
        """Return a line for each distribution and then each file, with ``+``, ``-`` or ``~`` in front."""
        return "\n".join(self.lines())

    def lines(self, limit: int | None = None) -> list[str]:
        """Return the lines of ``str()``; of the files at most *limit*, then how many more there are."""
        added, removed, changed = self.distributions
        lines = sorted(
            [f" + {name}=={version}" for name, version in added.items()]
            + [f" - {name}=={version}" for name, version in removed.items()]
            + [f" ~ {name}=={before} -> {after}" for name, (before, after) in changed.items()],
            key=lambda line: line[3:],
        )
        files = sorted(
            [(path, sign) for sign, paths in zip("+-~", self.files, strict=True) for path in paths],
        )
        shown = files if limit is None else files[:limit]
        lines += [f" {sign} {_printable(path)}" for path, sign in shown]
        if len(shown) < len(files):
            lines.append(f"   ... and {len(files) - len(shown)} more files")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the diff as JSON values; ``from_dict`` reads it back."""
        return {
            "distributions": {
                "added": dict(self.distributions.added),
                "removed": dict(self.distributions.removed),
                "changed": {name: list(versions) for name, versions in self.distributions.changed.items()},
            },
            "files": {kind: list(paths) for kind, paths in self.files._asdict().items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Diff:
        """Rebuild a diff from what ``as_dict`` gave. Raises KeyError or TypeError for other values."""
        distributions, files = values["distributions"], values["files"]
        return cls(
            DistributionChanges(
                dict(distributions["added"]),
                dict(distributions["removed"]),
                {name: (before, after) for name, (before, after) in distributions["changed"].items()},
            ),
            FileChanges(tuple(files["added"]), tuple(files["removed"]), tuple(files["changed"])),
        )

    def without(self, ignore: Sequence[str]) -> Diff:
        """Return the diff less the files that a glob of *ignore* matches.

        Globs are relative to the environment, ``*`` also matches slashes, and one that matches a
        directory covers what is in it. A distribution is left out when all its metadata is.
        """
        if not ignore:
            return self
        ignored = _matcher(ignore)
        files = FileChanges(*(tuple(path for path in paths if not ignored(path)) for paths in self.files))
        kept = {entry for paths in files for path in paths if (entry := _metadata_entry(path))}
        names = {name for name, _ in map(_name_and_version, kept)}
        added, removed, changed = self.distributions
        return Diff(
            DistributionChanges(
                {name: version for name, version in added.items() if name in names},
                {name: version for name, version in removed.items() if name in names},
                {name: versions for name, versions in changed.items() if name in names},
            ),
            files,
        )


class Examination(NamedTuple):
    """A comparison, with what only a repair asks for.

    *touched* are files whose time differs and whose content does not; *compiled* is bytecode that
    the snapshot does not know. Posix paths relative to the prefix.
    """

    diff: Diff
    touched: tuple[str, ...]
    compiled: tuple[str, ...]


def compare(
    prefix: str | os.PathLike[str],
    snapshot: Snapshot,
    *,
    ignore: Sequence[str] = (),
    digests: Callable[[], Digests] | None = None,
    verify_files: bool = False,
) -> Diff:
    """Return how *prefix* differs from *snapshot*.

    *digests* is asked only when a file's time differs and its size does not; without it such a
    file counts as changed. *verify_files* reads every file that has a digest. For *ignore* see ``Diff.without``.
    """
    return examine(prefix, snapshot, digests=digests, verify_files=verify_files).diff.without(ignore)


def examine(
    prefix: str | os.PathLike[str],
    snapshot: Snapshot,
    *,
    digests: Callable[[], Digests] | None = None,
    verify_files: bool = False,
) -> Examination:
    """Compare as ``compare`` does, and also tell what is touched and what was compiled."""
    root = os.fspath(prefix)
    walk = _Walk(root, snapshot)
    walk.run()
    changed = walk.changed
    touched: list[str] = []
    if digests is not None and (walk.retimed or verify_files):
        known = digests()
        for path in walk.retimed:
            (touched if _has_digest(root, path, known) else changed).append(path)
        if verify_files:
            skipped = {*walk.retimed, *changed, *walk.removed}
            changed += [path for path in _unlike(root, known) if path not in skipped]
    else:
        changed += walk.retimed
    files = FileChanges(tuple(sorted(walk.added)), tuple(sorted(walk.removed)), tuple(sorted(changed)))
    distributions = _distribution_changes(walk.gone, walk.new) if walk.gone or walk.new else None
    return Examination(Diff(distributions, files), tuple(touched), tuple(walk.compiled))


class _Walk:
    """One pass over a prefix, beside the rows of its snapshot. Results are in unsorted lists."""

    def __init__(self, root: str, snapshot: Snapshot) -> None:
        self.root = root
        self.snapshot = snapshot
        self.added: list[str] = []
        self.removed: list[str] = []
        self.changed: list[str] = []
        self.retimed: list[str] = []  # the time differs, size and mode do not
        self.compiled: list[str] = []
        self.new: list[str] = []  # directories, and metadata of distributions that is a file
        self.gone: list[str] = []
        self.seen: set[str] = set()
        self.pending = [""]

    def run(self) -> None:
        known = self.snapshot.directories
        try:
            prefix_mode = os.stat(self.root).st_mode
        except FileNotFoundError:
            prefix_mode = None
        if prefix_mode is not None and prefix_mode != known[""]["."][2]:
            self.changed.append("./")
        while self.pending:
            directory = self.pending.pop()
            self.seen.add(directory)
            try:
                scan = os.scandir(f"{self.root}/{directory}")
                with scan:
                    self._compare(directory, known.get(directory, {}), scan)
            except (FileNotFoundError, NotADirectoryError):
                self.seen.discard(directory)
            except PermissionError:
                # Its mode is told as changed; what is in it cannot be told before that is mended.
                self.seen.update(name for name in known if name.startswith(directory + "/"))
        self._tell_missing_directories()
        self._tell_empty_directories()

    def _compare(self, directory: str, rows: dict[str, Row], scan: Iterator[os.DirEntry[str]]) -> None:
        below = directory + "/" if directory else ""
        left = dict(rows)
        left.pop(".", None)
        compiled = self.snapshot.bytecode.get(directory, frozenset()) if is_cache(directory) else None
        for entry in scan:
            name = entry.name
            if compiled is not None and (name in compiled or BYTECODE.search(name)):
                if name not in compiled:
                    self.compiled.append(below + name)
                continue
            row = left.pop(name, None)
            if is_directory := entry.is_dir(follow_symlinks=False):
                self.pending.append(below + name)
                if name == CACHE and row is None:
                    continue
            if row is None:
                (self.new if is_directory else self.added).append(below + name)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                left[name] = row
                continue
            # Not a tuple of all three: building 11,000 of them takes a tenth of the whole comparison.
            if status.st_mode == row[2]:
                if status.st_mtime_ns == row[1] and status.st_size == row[0]:
                    continue
                if row[1] == NO_TIME and not row[3]:
                    continue
            self._tell(below + name, row, status)
        self.removed += [below + name for name, row in left.items() if not stat.S_ISDIR(row[2])]

    def _tell(self, path: str, row: Row, status: os.stat_result) -> None:
        was, now = stat.S_ISDIR(row[2]), stat.S_ISDIR(status.st_mode)
        if was and now:
            self.changed.append(path + "/")
        elif was:
            self.added.append(path)
        elif now:
            self.removed.append(path)
            self.new.append(path)
        elif status.st_mode != row[2]:
            self.changed.append(path)
        elif row[3]:
            if os.readlink(f"{self.root}/{path}") != row[3]:
                self.changed.append(path)
        else:
            (self.retimed if status.st_size == row[0] else self.changed).append(path)

    def _tell_missing_directories(self) -> None:
        for directory, rows in self.snapshot.directories.items():
            if directory in self.seen:
                continue
            self.gone.append(directory)
            below = directory + "/" if directory else ""
            self.removed += [below + name for name, row in rows.items() if not stat.S_ISDIR(row[2])]
            if not rows and not is_cache(directory):
                self.removed.append(directory + "/")

    def _tell_empty_directories(self) -> None:
        if not self.new:
            return
        occupied: set[str] = set()
        for path in self.added:
            occupied.update(_parents(path))
        for directory in sorted(self.new, key=len, reverse=True):
            if directory not in occupied:
                self.added.append(directory + "/")
                occupied.update(_parents(directory))


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _has_digest(root: str, path: str, digests: Digests) -> bool:
    directory, _, name = path.rpartition("/")
    expected = digests.get(directory, {}).get(name)
    return expected is not None and digest_of(f"{root}/{path}") == expected


def _unlike(root: str, digests: Digests) -> Iterator[str]:
    """Yield the files that are there and do not have their digest."""
    for directory, names in digests.items():
        for name, expected in names.items():
            path = f"{directory}/{name}" if directory else name
            try:
                if digest_of(f"{root}/{path}") != expected:
                    yield path
            except FileNotFoundError:
                continue
            except OSError:
                yield path


def _metadata_entry(path: str) -> str | None:
    """Return the part of *path* that is a distribution's metadata directory (or egg-info file)."""
    for entry in (path.rstrip("/"), *_parents(path)):
        if _METADATA.search(entry):
            return entry
    return None


def _name_and_version(entry: str) -> tuple[str, str]:
    match = _METADATA.search(entry)
    if match is None:
        return "", ""
    return re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"]


def _distribution_changes(gone: Iterable[str], new: Iterable[str]) -> DistributionChanges:
    before = dict(_name_and_version(entry) for entry in gone if _METADATA.search(entry))
    after = dict(_name_and_version(entry) for entry in new if _METADATA.search(entry))
    return DistributionChanges(
        {name: after[name] for name in sorted(after.keys() - before.keys())},
        {name: before[name] for name in sorted(before.keys() - after.keys())},
        {name: (before[name], after[name]) for name in sorted(before.keys() & after.keys())},
    )


def _matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    from fnmatch import translate

    matches = re.compile("|".join(translate(glob.rstrip("/")) for glob in globs)).match

    def ignored(path: str) -> bool:
        path = path.rstrip("/")
        return any(matches(part) for part in (path, *_parents(path)))

    return ignored


def _printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()
