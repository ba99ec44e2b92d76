"""What the wheels of a plan bring to an environment, all together.

Of two wheels that bring the same file the later name wins, always; contents that differ are named.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Protocol

from pytest_envsync.digesting import sha256
from pytest_envsync.distributions import Candidate, StoredFile, StoredWheel
from pytest_envsync.environment.disk import is_compiled_from
from pytest_envsync.environment.layout import (
    NO_PROVENANCE,
    Item,
    Layout,
    Parcel,
    Placed,
    Provenance,
    Read,
    Tree,
    lay_out,
    plain_path,
    provenance_of,
    roots_of,
)
from pytest_envsync.errors import InstallError, StoreError
from pytest_envsync.target import Target
from pytest_envsync.values import NamedTuple


class Prepared(Protocol):
    """A candidate with its wheel in the store, as preparation gives it."""

    @property
    def candidate(self) -> Candidate:
        """What was asked for."""

    @property
    def wheel(self) -> StoredWheel:
        """What will be installed."""


class WheelFiles(Protocol):
    """The part of the store that installing needs."""

    def get(self, sha256: str) -> StoredWheel | None:
        """Return the wheel of that digest (hex), None when it is not there."""

    def files(self, wheel: StoredWheel) -> tuple[StoredFile, ...]:
        """Return the files of *wheel*, sorted by path."""

    def bytecode(self, wheel: StoredWheel, cache_tag: str) -> tuple[str | None, tuple[StoredFile, ...]]:
        """Return the root of what is compiled for an interpreter, and the files below it."""


class ExpectedFile(NamedTuple):
    """One file of an installation, as it should be.

    *path* is posix and relative to the target's prefix. A file that is placed has *source*, its absolute path in the
    store, and *tree_path*, its path in the wheel *owner*; one that is written has *content*. *mode* is the store's, or
    before the umask; *mtime_ns* None for a file that is written.
    """

    path: str
    source: str | None
    content: bytes | None
    sha256: str
    size: int
    mode: int
    mtime_ns: int | None
    owner: str
    tree_path: str | None


class Overlap(NamedTuple):
    """A file that *loser* and *winner* both bring, with different contents."""

    loser: str
    winner: str
    path: str


class Arrival(NamedTuple):
    """What several wheels bring: *tree*, where they contradict each other, and other warnings."""

    tree: Tree
    overlaps: tuple[Overlap, ...]
    warnings: tuple[str, ...]


def bring_in(
    wheels: Mapping[str, Prepared],
    *,
    target: Target,
    store: WheelFiles,
    bytecode: bool = True,
    installer_metadata: bool = True,
) -> Arrival:
    """Return what *wheels* (by normalised name) bring to *target*."""
    roots = roots_of(target)
    layouts = []
    for name in sorted(wheels):
        prepared = wheels[name]
        parcel = parcel_of(
            prepared.wheel, store, provenance_of(prepared.candidate), cache_tag=target.cache_tag if bytecode else None
        )
        read = reading(prepared.wheel, parcel.files)
        layouts.append(lay_out(parcel, target, roots, read, installer_metadata=installer_metadata))
    return merge(layouts)


def parcel_of(
    wheel: StoredWheel, store: WheelFiles, provenance: Provenance = NO_PROVENANCE, *, cache_tag: str | None = None
) -> Parcel:
    """Return *wheel* with its files, and with its compiled files for *cache_tag* if one is given."""
    root, compiled = (None, ()) if cache_tag is None else store.bytecode(wheel, cache_tag)
    return Parcel(wheel, store.files(wheel), provenance, root, compiled)


def reading(wheel: StoredWheel, rows: Sequence[StoredFile] = ()) -> Read:
    """Return the function that reads files of *wheel* in the store; it raises StoreError.

    Of *rows*, the wheel's files in the order of their paths, it refuses those that are damaged.
    """

    def read(path: str) -> bytes:
        place = f"{wheel.tree}/{path}"
        try:
            with open(place, "rb") as file:
                status = os.fstat(file.fileno())
                content = file.read()
        except OSError as error:
            raise StoreError(
                f"`{path}` of `{wheel.filename}` cannot be read in the store: {error.strerror or error}",
                hint="`envsync cache verify --repair` mends the store",
            ) from error
        number = bisect_left(rows, path, key=itemgetter(0))
        if number < len(rows) and rows[number].path == path and not looks_stored(status, rows[number]):
            check_stored(place, rows[number])
        return content

    return read


def looks_stored(status: os.stat_result, row: StoredFile) -> bool:
    """Whether a file with *status* is as it was put into the store, by size, time and mode."""
    return (
        status.st_mtime_ns == row.mtime_ns
        and status.st_size == row.size
        and status.st_mode == stat.S_IFREG | row.mode
    )  # fmt: skip


def check_stored(place: str, row: StoredFile) -> None:
    """Raise StoreError for a file that does not look stored, but for its time alone when its bytes are right."""
    from pytest_envsync.wheels.store.damage import is_sound

    if not is_sound(place, row):
        raise StoreError(
            f"`{place}` is not what was put into the store", hint="`envsync cache verify --repair` mends the store"
        )


def merge(layouts: Iterable[Layout]) -> Arrival:
    """Return all files of *layouts*, which are in name order: the later one wins."""
    tree: Tree = {}
    overlaps: list[Overlap] = []
    warnings: list[str] = []
    for layout in layouts:
        warnings += layout.warnings
        for directory, items in layout.tree.items():
            present = tree.get(directory)
            if present is None:
                tree[directory] = items
                continue
            if not directory.endswith("/__pycache__"):
                for name in items.keys() & present.keys():
                    overlaps += _contradiction(tree, directory, name, items[name])
            present.update(items)
    _check_shapes(tree)
    return Arrival(tree, tuple(sorted(overlaps)), tuple(warnings))


def _contradiction(tree: Tree, directory: str, name: str, winner: Item) -> tuple[Overlap, ...]:
    loser = tree[directory][name]
    if content_digest(loser) == content_digest(winner):
        return ()
    drop_compiled(tree, directory, name)
    return (Overlap(loser.owner, winner.owner, f"{directory}/{name}"),)


def drop_compiled(tree: Tree, directory: str, name: str) -> None:
    """Forget what is compiled from the module *name*: beside another source of one size and time it would count."""
    cache = tree.get(f"{directory}/__pycache__", {})
    for compiled in [compiled for compiled in cache if is_compiled_from(compiled, {name})]:
        del cache[compiled]


def content_digest(item: Item) -> str:
    """Return the sha256 (hex) of what will stand there."""
    return item.file.sha256 if isinstance(item, Placed) else sha256(item.content).hexdigest()


def _check_shapes(tree: Tree) -> None:
    """Refuse a path that one wheel wants as a file and another as a directory. Raises InstallError."""
    for directory in tree:
        parent, _, name = directory.rpartition("/")
        while parent:
            items = tree.get(parent)
            if items is not None:
                if name in items:
                    other = next(iter(tree[directory].values())).owner
                    raise InstallError(
                        f"`{items[name].owner}` brings a file `{parent}/{name}` where `{other}` needs a directory",
                        hint="the two cannot be installed together",
                    )
                break
            parent, _, name = parent.rpartition("/")


def overlap_warnings(overlaps: Iterable[Overlap], prefix: str) -> list[str]:
    """Return a sentence for each two distributions that contradict each other."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for overlap in overlaps:
        pairs.setdefault((overlap.loser, overlap.winner), []).append(overlap.path.removeprefix(f"{prefix}/"))
    sentences = []
    for (loser, winner), paths in sorted(pairs.items()):
        shown = ", ".join(f"`{path}`" for path in sorted(paths)[:3])
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        sentences.append(f"`{loser}` and `{winner}` both bring {shown}{more}; those of `{winner}` count")
    return sentences


def expected_files(
    wheels: Mapping[str, Prepared], *, target: Target, store: WheelFiles, installer_metadata: bool = True
) -> dict[str, ExpectedFile]:
    """Return what an environment with exactly these wheels holds, by path relative to its prefix, without bytecode.

    A file outside of the prefix has a path that begins with ``..``.
    """
    prefix = plain_path(target.prefix)
    arrival = bring_in(wheels, target=target, store=store, bytecode=False, installer_metadata=installer_metadata)
    expected: dict[str, ExpectedFile] = {}
    for directory, items in arrival.tree.items():
        relative = os.path.relpath(directory, prefix).replace(os.sep, "/")
        start = "" if relative == "." else f"{relative}/"
        for name, item in items.items():
            expected[start + name] = _expected(start + name, item)
    return dict(sorted(expected.items()))


def _expected(path: str, item: Item) -> ExpectedFile:
    if isinstance(item, Placed):
        file = item.file
        return ExpectedFile(
            path, item.source, None, file.sha256, file.size, file.mode, file.mtime_ns, item.owner, file.path
        )
    digest = sha256(item.content).hexdigest()
    return ExpectedFile(path, None, item.content, digest, len(item.content), item.mode, None, item.owner, None)
