"""Compare an environment with what it was.

A snapshot holds size, modification time, mode and link target of every file below a prefix;
comparing means ``lstat`` of every file, and a digest only where these differ. Bytecode that
an interpreter can make again, ``__pycache__/*.cpython-XY[.opt-N].pyc``, never counts; nothing
else is exempt. Directories count by their mode, and empty ones by their existence.

Standard library only: this module also runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_envsync.comparison import Walk, parents
from pytest_envsync.patterns import pattern
from pytest_envsync.snapshot import (
    CACHE,
    Snapshot,
    digest_of,
    is_cache,
    is_rewritten,
    load_snapshot,
    open_regular,
    row_of,
    save_snapshot,
    take_snapshot,
)
from pytest_envsync.source_hash import source_hash_of
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.snapshot import Digests

__all__ = [
    "Diff",
    "DistributionChanges",
    "Examination",
    "FileChanges",
    "Snapshot",
    "compare",
    "examine",
    "find_rewritten",
    "load_snapshot",
    "save_snapshot",
    "sweep_rewritten",
    "take_snapshot",
]

_METADATA = pattern(r"(?:^|/)site-packages/(?P<name>[^/]+?)-(?P<version>[^/-]+)(?:-py\d[^/-]*)?\.(?:dist|egg)-info$")

_UNPRINTABLE = pattern(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


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
    """What differs between an environment and its snapshot; falsy when nothing does.

    *bytecode* counts the compiled files that are new or were written anew. They are no difference; whoever hands an
    environment back wants to know that there are some to keep.
    """

    __slots__ = ("bytecode", "distributions", "files")

    def __init__(
        self,
        distributions: DistributionChanges | None = None,
        files: FileChanges | None = None,
        *,
        bytecode: int = 0,
    ) -> None:
        self.distributions = distributions or DistributionChanges({}, {}, {})
        self.files = files or FileChanges((), (), ())
        self.bytecode = bytecode

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
            [(path, "+") for path in self.files.added]
            + [(path, "-") for path in self.files.removed]
            + [(path, "~") for path in self.files.changed]
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
        directory covers what is in it.
        """
        return self._only(_matcher(ignore)) if ignore else self

    def less(self, paths: Collection[str]) -> Diff:
        """Return the diff less the files of *paths*."""
        return self._only(frozenset(paths).__contains__) if paths else self

    def _only(self, is_left_out: Callable[[str], bool]) -> Diff:
        # A distribution is left out when all of its metadata is.
        files = FileChanges(*(tuple(path for path in paths if not is_left_out(path)) for paths in self.files))
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
            bytecode=self.bytecode,
        )


class Examination(NamedTuple):
    """A comparison, with what only a repair asks for.

    *touched* are files whose time differs and whose content does not; *compiled* is bytecode that
    the snapshot does not know, *recompiled* such as is other than it knows. *rewritten* is bytecode of modules that
    pytest rewrote, which was there and is no more. Posix paths relative to the prefix.
    """

    diff: Diff
    touched: tuple[str, ...]
    compiled: tuple[str, ...]
    recompiled: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()


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
    walk = Walk(root, snapshot)
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
    diff = Diff(distributions, files, bytecode=len(walk.compiled) + len(walk.recompiled))
    return Examination(diff, tuple(touched), tuple(walk.compiled), tuple(walk.recompiled))


def sweep_rewritten(
    prefix: str | os.PathLike[str], snapshot: Snapshot, paths: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Remove the bytecode that pytest wrote for modules it rewrites, and return the paths of it.

    Only what ``find_rewritten`` finds; anything else stays, and counts.
    """
    found = find_rewritten(prefix, snapshot, paths)
    for path in found:
        os.unlink(f"{os.fspath(prefix)}/{path}")
    return found


def find_rewritten(
    prefix: str | os.PathLike[str], snapshot: Snapshot, paths: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Return the paths of bytecode that pytest wrote for modules it rewrites, and that *snapshot* does not know.

    Only where the header names the size and time of the source, or (pytest 9.2) the hash that the interpreter
    of the header makes of it, and the source is as in *snapshot*: such a file says nothing that the environment
    did not say before. Layout of the header: PEP 552.
    *paths* are the files to look at, such as ``diff.files.added``; by default all in known directories.
    """
    root = os.fspath(prefix)
    return tuple(
        path
        for path in (_rewritten(root, snapshot) if paths is None else paths)
        if is_rewritten(path) and _fits_its_source(root, path, snapshot)
    )


def _rewritten(root: str, snapshot: Snapshot) -> Iterator[str]:
    for directory in snapshot.directories:
        if is_cache(directory):
            continue
        cache = f"{directory}/{CACHE}" if directory else CACHE
        try:
            names = os.listdir(f"{root}/{cache}")
        except OSError:
            continue
        known = snapshot.bytecode.get(cache, {})
        yield from [f"{cache}/{name}" for name in names if name not in known]


def _fits_its_source(root: str, path: str, snapshot: Snapshot) -> bool:
    cache, _, name = path.rpartition("/")
    directory, source = cache.rpartition("/")[0], name.partition(".cpython-")[0] + ".py"
    row = snapshot.directories.get(directory, {}).get(source)
    if row is None:
        return False
    try:
        if row_of(os.lstat(f"{root}/{directory}/{source}")) != row:
            return False
        with open_regular(f"{root}/{path}") as file:
            header = file.read(16)
        magic, flags, stamp = header[:4], header[4:8], header[8:]
        if flags == b"\3\0\0\0":
            with open_regular(f"{root}/{directory}/{source}") as file:
                return stamp == source_hash_of(magic, file.read())
    except OSError:
        return False
    size, seconds = row[0] & 0xFFFFFFFF, row[1] // 10**9 & 0xFFFFFFFF
    return flags == bytes(4) and stamp == seconds.to_bytes(4, "little") + size.to_bytes(4, "little")


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
    for entry in (path.rstrip("/"), *parents(path)):
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
        return any(matches(part) for part in (path, *parents(path)))

    return ignored


def _printable(path: str) -> str:
    """Return *path* on one line, and without what a terminal would obey."""
    plain = path.encode("utf-8", "backslashreplace").decode()
    return plain if plain.isprintable() else _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], plain)
