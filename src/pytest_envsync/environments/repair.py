"""Bring an environment back to its snapshot.

What came goes; what is gone or changed is taken from where it came from: the store, whose file is digested
before it is used (a hard link may be one damaged inode with it), the virtual environment as it is made, or
the record. What is wrong in the store is mended first, and no other environment keeps the damage.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.atomic import write_at_once
from pytest_envsync.changes import Change, Changes
from pytest_envsync.diff import Diff, Examination
from pytest_envsync.environment.journal import remove_compiled
from pytest_envsync.environments.filling import entry_content
from pytest_envsync.environments.generations import Record, remove_tree
from pytest_envsync.environments.looking import look
from pytest_envsync.environments.origins import Origins
from pytest_envsync.environments.store_damage import mend_store
from pytest_envsync.errors import StoreError
from pytest_envsync.snapshot import CACHE, NO_TIME, Snapshot, is_cache
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine
    from pytest_envsync.environment.install import ExpectedFile
    from pytest_envsync.snapshot import Row

_ROUNDS = 4
"""A closed directory is opened in one round, what was in it is found in the next."""


class Repaired(NamedTuple):
    """What a repair did: *diff* is what differed and does so no more.

    *changes* are the distributions that were put back, in whole or in part, *damage* files of the store that were
    mended on the way.
    """

    diff: Diff
    changes: Changes = Changes()
    damage: tuple[str, ...] = ()


def repair(record: Record, snapshot: Snapshot, seen: Examination, *, engine: Engine) -> Repaired:
    """Undo what *seen* tells; afterwards the environment does not differ from *snapshot*.

    Raises StoreError, FetchError and their like when that cannot be had; the environment is then of no use.
    """
    work = _Repair(record, snapshot, engine)
    first = seen.diff
    try:
        # What is found in the store stays there until it is placed.
        with engine.store.hold():
            for _ in range(_ROUNDS):
                work.undo(seen)
                seen = look(record, snapshot, engine=engine)
                if not seen.diff and not seen.touched:
                    return Repaired(first, _changes(record, first, work.owners), tuple(work.damage))
    except OSError as error:
        reason = f"{error.strerror or error}{f' (`{error.filename}`)' if error.filename else ''}"
        raise StoreError(f"`{record.path}` cannot be repaired: {reason}") from error
    finally:
        work.origins.close()
    again = seen.diff.lines(limit=1) or [f" {seen.touched[0]}"]
    raise StoreError(f"`{record.path}` differs again after every repair:{again[0]}")


def _changes(record: Record, diff: Diff, owners: set[str]) -> Changes:
    """Return what putting back *diff* did to distributions; *owners* are those that lacked a file."""
    added, removed, changed = diff.distributions
    lines = [Change(name, version, "uninstalled") for name, version in added.items()]
    lines += [Change(name, version, "installed") for name, version in removed.items()]
    for name, (before, after) in changed.items():
        lines += [Change(name, after, "uninstalled"), Change(name, before, "installed")]
    packages = record.packages
    whole = removed.keys() | changed.keys()
    lines += [Change(name, packages[name], "reinstalled") for name in owners - whole if name in packages]
    return Changes(tuple(lines))


class _Repair:
    """One repair, step by step."""

    def __init__(self, record: Record, snapshot: Snapshot, engine: Engine) -> None:
        self.record = record
        self.root = record.path
        self.snapshot = snapshot
        self.engine = engine
        self.origins = Origins(record, engine)
        self.damage: list[str] = []
        self.owners: set[str] = set()

    def undo(self, seen: Examination) -> None:
        """Undo one comparison's findings."""
        files = seen.diff.files
        os.makedirs(self.root, exist_ok=True)
        for path in files.changed:
            if path.endswith("/"):
                self._give_owner(self._place(path))
                os.chmod(self._place(path), self._row(path.rstrip("/"))[2])
        self._remove(files.added)
        for path in files.removed:
            if path.endswith("/"):
                self._make_directory(path.rstrip("/"))
        self._put([path for path in (*files.removed, *files.changed) if not path.endswith("/")])
        for path in seen.touched:
            self._give_attributes(path)

    def _place(self, path: str) -> str:
        return f"{self.root}/{path}"

    def _row(self, path: str) -> Row:
        directory, _, name = path.rpartition("/")
        return self.snapshot.directories[directory][name]

    def _remove(self, added: Iterable[str]) -> None:
        known = self.snapshot.directories
        for path in added:
            bare = path.rstrip("/")
            # The uppermost directory that is new goes with all that is in it, uncounted bytecode too.
            parts = bare.split("/")
            above = ["/".join(parts[:length]) for length in range(1, len(parts))]
            place = self._place(next((part for part in above if part not in known and not is_cache(part)), bare))
            if os.path.isdir(place) and not os.path.islink(place):
                remove_tree(place)
            elif os.path.lexists(place):
                os.unlink(place)
            # It would be valid for another source of the same time and size.
            remove_compiled(self._place(bare))

    def _make_directory(self, path: str) -> None:
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            part = "/".join(parts[:length])
            place = self._place(part)
            if not os.path.isdir(place):
                os.mkdir(place)
                row = self.snapshot.directories.get(part.rpartition("/")[0], {}).get(parts[length - 1])
                if row is not None:
                    os.chmod(place, stat.S_IMODE(row[2]))

    def _put(self, paths: list[str]) -> None:
        if not paths:
            return
        self._mend_store(paths)
        for path in paths:
            if directory := path.rpartition("/")[0]:
                self._make_directory(directory)
            remove_compiled(self._place(path))
            expected = self.origins.expected.get(path)
            if expected is None:
                self._put_other(path)
            else:
                self._put_expected(path, expected)

    def _put_expected(self, path: str, expected: ExpectedFile) -> None:
        self.owners.add(expected.owner)
        if expected.source is None:
            self._write(path, expected.content or b"")
            return
        self._put_from_store(path, expected.source, expected.mode, expected.mtime_ns or 0)
        if self._row(path)[1] != NO_TIME:
            self._give_attributes(path)
        if path.endswith(".py") and expected.tree_path is not None:
            self._put_bytecode(path, expected.owner, expected.tree_path)

    def _put_from_store(self, path: str, source: str, mode: int, time: int) -> None:
        from pytest_envsync.environment.link import replace_file

        place = self._place(path)
        if os.path.isdir(place) and not os.path.islink(place):
            remove_tree(place)
        replace_file(source, place, self.origins.link_mode, mode=mode, time=time)

    def _put_bytecode(self, path: str, owner: str, tree_path: str) -> None:
        compiled = self.origins.compiled(owner)
        for suffix in ("", ".opt-1", ".opt-2"):
            tag = self.origins.base.cache_tag + suffix
            file = compiled.get(_bytecode_path(tree_path, tag))
            if file is not None:
                there = _bytecode_path(path, tag)
                os.makedirs(os.path.dirname(self._place(there)), exist_ok=True)
                self._put_from_store(there, file.path, file.mode, file.mtime_ns)

    def _put_other(self, path: str) -> None:
        """Put back what no wheel brings: a path entry, or a part of the virtual environment itself."""
        name = path.rpartition("/")[2]
        lines = dict(self.record.entries)
        place = self._place(path)
        if name in lines and os.path.dirname(place) == self.record.site_packages:
            self._write(path, entry_content(lines[name]))
            return
        source = f"{self.origins.template}/{path}"
        if os.path.islink(source):
            self._clear(place)
            os.symlink(os.readlink(source), place)
        elif os.path.isfile(source):
            self._write(path, Path(source).read_bytes())
        else:
            raise StoreError(f"nobody knows where `{place}` came from")

    def _write(self, path: str, content: bytes) -> None:
        place = self._place(path)
        if os.path.isdir(place) and not os.path.islink(place):
            remove_tree(place)
        write_at_once(place, content)
        self._give_attributes(path)

    def _clear(self, place: str) -> None:
        if os.path.isdir(place) and not os.path.islink(place):
            remove_tree(place)
        elif os.path.lexists(place):
            os.unlink(place)

    def _give_attributes(self, path: str) -> None:
        _, time, mode, _ = self._row(path)
        place = self._place(path)
        self._give_owner(place)
        status = os.lstat(place)
        if status.st_mode != mode:
            os.chmod(place, stat.S_IMODE(mode))
        if status.st_mtime_ns != time:
            os.utime(place, ns=(time, time))

    def _give_owner(self, place: str) -> None:
        """Give an entry back to whom entries belonged; in an environment that was unpacked by another user, to that."""
        owners = self.snapshot.owners
        status, prefix = os.lstat(place), os.stat(self.root)
        now = (prefix.st_uid, prefix.st_gid)
        if not owners or os.name == "nt":
            return
        owner = now if now in owners or prefix.st_uid == os.geteuid() else owners[0]
        if status.st_uid not in {uid for uid, _ in (*owners, owner)} or status.st_gid not in {
            gid for _, gid in (*owners, owner)
        }:
            os.chown(place, *owner, follow_symlinks=False)

    def _mend_store(self, paths: Iterable[str]) -> None:
        """Digest the files of the store that are about to be used, and mend those that are wrong."""
        by_owner: dict[str, dict[str, str]] = {}
        for path in paths:
            expected = self.origins.expected.get(path)
            if expected is not None and expected.source is not None and expected.tree_path is not None:
                by_owner.setdefault(expected.owner, {})[expected.tree_path] = expected.source
        for owner, sources in by_owner.items():
            self.damage += mend_store(self.origins.wheels[owner], sources, engine=self.engine)


def _bytecode_path(path: str, tag: str) -> str:
    directory, slash, name = path.rpartition("/")
    return f"{directory}{slash}{CACHE}/{name[:-3]}.{tag}.pyc"
