"""The wheel store: each wheel unpacked once, in a directory named by the sha256 of its file.

::

    CACHE/wheels/<first two digits>/<sha256>/wheel       who it is (wheels.manifest)
                                            /manifest    path, size, mode, time, digest of every file
                                            /tree/       the files: 0444 or 0555, directories 0755
                                            /bytecode/   <cache tag>/..., <cache tag>.manifest
    CACHE/wheels/.new/                                   what is being made; each process its own directory
    CACHE/wheels/known/                                  addresses, other digests and local files -> sha256

An entry appears by one rename: a reader sees all of it or nothing, two processes that add the same wheel both end
with the first one's. Nothing is synced to the disk: after a power failure files may be short, which the comparison
before each use finds.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pytest_envsync.addresses import file_path, masked
from pytest_envsync.cache import cache_fault, exclusive, make_cache, shared
from pytest_envsync.distributions import StoredFile, StoredWheel
from pytest_envsync.errors import LockTimeout, StoreError
from pytest_envsync.file_stamp import Stamp, stamp_of
from pytest_envsync.wheels.store.known import find_known, keep_known
from pytest_envsync.wheels.store.manifest import (
    read_rows,
    read_values,
    wheel_from,
    wheel_values,
    write_rows,
    write_values,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_envsync.wheels.store.damage import Damage
    from pytest_envsync.wheels.store.entry import Unpacked

Fetch = Callable[["str", "Path"], object]
_DAY = 86_400
_LOCK_SECONDS = 300.0
_KEPT_ARCHIVE = "archive.whl"
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EACCES if sys.platform == "win32" else errno.EEXIST}


class Store:
    """The wheel store below a cache directory; makes nothing until something is added.

    What was let in without a check (``StoredWheel.unchecked``) is there only for those who leave out the same:
    *unchecked*. Safe to use from several threads and processes. StoreError when the cache cannot be read or written.
    """

    def __init__(self, root: str | os.PathLike[str], *, unchecked: Collection[str] = ()) -> None:
        self.root = os.fspath(root)
        self.unchecked = frozenset(unchecked)
        self.wheels = f"{self.root}/wheels"
        self._exact_modes: bool | None = None

    # looking

    def entry(self, sha256: str) -> str:
        """Return the directory of the wheel with this digest, whether it is there or not."""
        return f"{self.wheels}/{sha256[:2]}/{sha256}"

    def get(self, sha256: str) -> StoredWheel | None:
        """Return the wheel whose file has this digest; None when it is not there, or its entry is damaged."""
        wheel = self.read(sha256)
        if wheel is not None and not self.unchecked.issuperset(wheel.unchecked):
            return None
        if wheel is not None:
            _touch(f"{self.entry(sha256)}/wheel")
        return wheel

    def read(self, sha256: str) -> StoredWheel | None:
        """Do as ``get`` does, without counting it as a use."""
        if len(sha256) != 64 or not sha256.isalnum():
            return None
        entry = self.entry(sha256)
        try:
            return wheel_from(read_values(f"{entry}/wheel"), f"{entry}/tree")
        except (OSError, ValueError):
            return None

    def entries(self) -> Iterator[str]:
        """Yield the sha256 of every entry, sound or not."""
        for shelf in _listed(self.wheels):
            if len(shelf) == 2:
                yield from (name for name in _listed(f"{self.wheels}/{shelf}") if len(name) == 64)

    def files(self, wheel: StoredWheel) -> tuple[StoredFile, ...]:
        """Return the files of *wheel*, sorted by path; RECORD among them is complete (``wheels.identity``)."""
        try:
            return read_rows(f"{self.entry(wheel.sha256)}/manifest")
        except (OSError, ValueError) as error:
            raise StoreError(
                f"the store's entry of `{wheel.filename}` is damaged: {error}",
                hint="run `envsync cache verify --repair`",
            ) from error

    def bytecode(self, wheel: StoredWheel, cache_tag: str) -> tuple[str | None, tuple[StoredFile, ...]]:
        """Return the directory of the bytecode kept for *cache_tag* and its files, whose paths are relative to it and,
        in the same way, to the tree; None and nothing where none is kept.
        """
        from pytest_envsync.wheels.store.bytecode import list_bytecode

        return list_bytecode(self.entry(wheel.sha256), cache_tag)

    def check(
        self, wheel: StoredWheel, *, deep: bool = False, paths: Collection[str] | None = None
    ) -> tuple[Damage, ...]:
        """Return what is damaged in the entry: by size, time and mode, or with *deep* by every byte.

        With *paths* only these files of the tree are looked at: what a repair does with a source before it uses it.
        """
        from pytest_envsync.wheels.store.damage import find_damage

        return find_damage(self.entry(wheel.sha256), self.files(wheel), deep=deep, paths=paths)

    # what is known of files that are not in front of us

    def find(self, key: str) -> str | None:
        """Return the sha256 that was remembered for *key*: an address, another digest, a local file's status."""
        return find_known(f"{self.wheels}/known", key)

    def remember(self, key: str, sha256: str) -> None:
        """Remember *sha256* for *key*, once its bytes were seen."""
        with self.writing("what is known of a file"):
            make_cache(self.root)
            keep_known(f"{self.wheels}/known", key, sha256)

    # adding

    def add(
        self,
        archive: Path,
        *,
        filename: str,
        sha256: str | None = None,
        digests: Mapping[str, str] | None = None,
        url: str | None = None,
        built: bool = False,
        validate: bool = True,
        skip_filename_check: bool = False,
        stamp: Stamp | None = None,
    ) -> StoredWheel:
        """Unpack the wheel file *archive*, whose name is *filename*, and return its entry.

        *sha256* and *digests* (algorithm -> hex digits) are those of its bytes, as the caller computed them; without
        *sha256* they are computed here. The archive is not kept, unless it was *built*: no build makes the same bytes
        again for certain. *url* says where to get another one, if that has no secrets in it. Without *validate* the
        zip's layout and the hashes of RECORD are not looked at. *stamp*: see ``unpack_wheel``.
        Raises WheelError for what is no valid wheel of that name, StoreError when it cannot be written.
        """
        # Reading what is there must not pay for what unpacks.
        import shutil

        from pytest_envsync.wheels.store.digests import digest_file
        from pytest_envsync.wheels.store.entry import describe
        from pytest_envsync.wheels.store.identity import check_filename

        with self.writing(filename):
            known = {"sha256": sha256} if sha256 else digest_file(os.fspath(archive))
            known |= digests or {}
            present = self.get(known["sha256"])
            if present is not None:
                if present.filename != filename and not skip_filename_check:
                    check_filename(present.name, present.version, filename)
                return present
            with self.scratch() as scratch:
                entry, tree = f"{scratch}/entry", f"{scratch}/entry/tree"
                os.mkdir(entry)
                identity, rows = self._unpack(
                    archive, tree, filename, validate=validate, skip_filename_check=skip_filename_check, stamp=stamp
                )
                wheel = describe(
                    identity,
                    filename=filename,
                    tree=f"{self.entry(known['sha256'])}/tree",
                    digests=known,
                    size=os.stat(archive).st_size,
                    url=url,
                    built=built,
                    unchecked=(*(() if validate else ("zip",)), *(("name",) if skip_filename_check else ())),
                )
                write_rows(f"{entry}/manifest", rows)
                write_values(f"{entry}/wheel", wheel_values(wheel))
                if built:
                    shutil.copyfile(archive, f"{entry}/{_KEPT_ARCHIVE}")
                return self._publish(entry, scratch, wheel)

    def _unpack(
        self, archive: Path, tree: str, filename: str, *, validate: bool, skip_filename_check: bool, stamp: Stamp | None
    ) -> Unpacked:
        from pytest_envsync.wheels.store.entry import unpack_wheel

        os.mkdir(tree, 0o755)
        if self._exact_modes is None:
            # The umask cannot be asked for without changing it for all threads; a new directory shows it.
            self._exact_modes = stat.S_IMODE(os.stat(tree).st_mode) != 0o755
        if self._exact_modes:
            os.chmod(tree, 0o755)  # noqa: S103 - the store's directories
        return unpack_wheel(
            archive,
            tree,
            filename,
            exact_modes=self._exact_modes,
            validate=validate,
            skip_filename_check=skip_filename_check,
            stamp=stamp,
        )

    def _publish(self, entry: str, scratch: str, wheel: StoredWheel) -> StoredWheel:
        place = self.entry(wheel.sha256)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        for _ in range(3):
            try:
                os.rename(entry, place)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
            else:
                return wheel
            winner = self.get(wheel.sha256)
            if winner is not None:
                return winner
            # What lies there is damaged beyond reading: it makes room for the new one.
            os.rename(place, f"{scratch}/{os.urandom(4).hex()}")
        raise StoreError(f"the store's entry `{place}` cannot be replaced")

    # bytecode and repairs

    def adopt_bytecode(
        self, wheel: StoredWheel, cache_tag: str, found: Mapping[str, Path | str], *, magic: bytes
    ) -> int:
        """Take the bytecode files *found* that fit their sources into the entry; return how many were taken.

        Keys are paths relative to the tree, values where the files lie; they are linked in and become 0444 where that
        is possible. *magic* is ``importlib.util.MAGIC_NUMBER`` of the interpreter that has this *cache_tag*.
        """
        from pytest_envsync.wheels.store.bytecode import adopt

        sources = {row.path: row for row in self.files(wheel)}
        try:
            with self.writing("bytecode"), self._entries_lock():
                return adopt(self.entry(wheel.sha256), sources, cache_tag, found, magic=magic)
        except LockTimeout:
            return 0  # it is only an offer: the next session makes it again

    def repair(
        self,
        wheel: StoredWheel,
        damages: Iterable[Damage],
        *,
        archive: Path | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        """Mend *damages* (of ``check``), each file at once by a rename; what environments hold is noted.

        What needs the wheel's bytes takes them from *archive*, else from the place it was added from, else by *fetch*
        (address, destination). Raises StoreError when they cannot be had or are other bytes by now.
        """
        from pytest_envsync.wheels.store.damage import mend
        from pytest_envsync.wheels.store.digests import digest_file
        from pytest_envsync.wheels.store.spoiled import note_spoiled

        rows = self.files(wheel)
        with self.writing(wheel.filename), self._entries_lock(), self.scratch() as scratch:

            def unpack_again() -> str:
                fetched = archive or self._fetch(wheel, scratch, fetch)
                stamp = stamp_of(os.fspath(fetched))
                actual = digest_file(os.fspath(fetched))["sha256"]
                if actual != wheel.sha256:
                    raise _other_bytes(wheel, actual)
                # The bytes are those that were accepted before: they are not judged a second time.
                place = f"{scratch}/tree"
                self._unpack(fetched, place, wheel.filename, validate=False, skip_filename_check=True, stamp=stamp)
                return place

            note = partial(note_spoiled, self.root, wheel.sha256)
            mend(self.entry(wheel.sha256), rows, damages, unpack_again, note=note)

    def _fetch(self, wheel: StoredWheel, scratch: str, fetch: Fetch | None) -> Path:
        from pathlib import Path

        kept = Path(self.entry(wheel.sha256), _KEPT_ARCHIVE)
        if kept.is_file():
            return kept
        if wheel.url is not None and wheel.url.startswith("file:"):
            local = Path(file_path(wheel.url))
            if local.is_file():
                return local
        if wheel.url is None or fetch is None:
            raise StoreError(
                f"the store's files of `{wheel.filename}` are damaged and cannot be had again:"
                f" {'no address of it is known' if wheel.url is None else 'nothing is fetched here'}",
                hint="run `envsync cache verify --repair`, then sync again",
            )
        destination = Path(scratch, "archive")
        fetch(wheel.url, destination)
        return destination

    def remove(self, sha256: str) -> None:
        """Remove an entry, by a rename first: no reader sees half of it."""
        with self.writing("the store"), self.scratch() as scratch:
            try:
                os.rename(self.entry(sha256), f"{scratch}/removed")
            except FileNotFoundError:
                return

    # meeting others

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep entries from being pruned while they are used; any number of holders may be at it.

        Raises LockTimeout when that takes longer than five minutes. A cache that is read-only is not held.
        """
        with shared(self.use_lock, timeout=_LOCK_SECONDS):
            yield

    @property
    def use_lock(self) -> str:
        """The lock file that users share and pruning holds alone."""
        return f"{self.root}/locks/store.lock"

    @contextmanager
    def _entries_lock(self) -> Iterator[None]:
        with exclusive(f"{self.root}/locks/store-entries.lock", timeout=_LOCK_SECONDS):
            yield

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Make a private directory on the store's file system and yield its path; it goes at the end."""
        from pytest_envsync.removal import discard_tree

        make_cache(self.root)
        scratch = f"{self.wheels}/.new/{os.getpid()}-{os.urandom(6).hex()}"
        try:
            os.makedirs(scratch)
        except OSError as error:
            raise cache_fault(error, "what is being made", self.root) from error
        try:
            yield scratch
        finally:
            discard_tree(scratch)

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Turn an OSError into a StoreError that says that *what* could not be kept, and why."""
        try:
            yield
        except OSError as error:
            raise cache_fault(error, what, self.root) from error


def _other_bytes(wheel: StoredWheel, actual: str) -> StoreError:
    place = masked(wheel.url or "the given file")
    return StoreError(
        f"the store's files of `{wheel.filename}` are damaged, and `{place}` has other bytes by now\n"
        f"  Expected:\n    sha256:{wheel.sha256}\n  Computed:\n    sha256:{actual}",
        hint="lock again, or drop the entry with `envsync cache verify --repair`",
    )


def _touch(place: str) -> None:
    """Note that an entry was used, by the time of its first file, at most once a day."""
    try:
        now = time.time()
        if now - os.stat(place).st_mtime > _DAY:
            os.utime(place)
    except OSError:
        return  # a cache that may only be read is used all the same


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
