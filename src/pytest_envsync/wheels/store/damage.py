"""Whether a store entry still is what was put there, and how to mend it file by file.

A hard link shares its file with environments, so that root, or whoever lifts the write protection, can change the store
from inside one. The quick look compares size, time and mode of every file; the deep one reads every byte.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal

from pytest_envsync.distributions import StoredFile
from pytest_envsync.values import NamedTuple
from pytest_envsync.wheels.store.bytecode import kept_tags, list_bytecode, save
from pytest_envsync.wheels.store.digests import digest_file

DamageKind = Literal["missing", "changed", "unexpected", "unreadable"]


class Damage(NamedTuple):
    """A file that is not as the manifest has it. *path* is posix and relative to the tree; that of bytecode
    begins with ``bytecode/``, relative to the entry (*is_bytecode*).
    """

    path: str
    kind: DamageKind
    detail: str = ""
    is_bytecode: bool = False

    def __str__(self) -> str:
        """Return one line: the path and what is wrong with it."""
        return f"{self.path}: {self.detail or self.kind}"


def find_damage(
    entry: str, rows: Sequence[StoredFile], *, deep: bool = False, paths: Collection[str] | None = None
) -> tuple[Damage, ...]:
    """Return what differs from *rows* below the tree of *entry*, and in its bytecode, sorted by path.

    *deep* reads every byte. With *paths* only these files of the tree are looked at. A file of which only the time
    differs is no damage when its bytes are right: it is given its time back.
    """
    tree = f"{entry}/tree"
    if paths is not None:
        wanted = [row for row in rows if row.path in paths]
        return tuple(_differences(tree, wanted, _statuses(tree, wanted), deep=deep))
    present = dict(_walk(tree, ""))
    found = list(_differences(tree, rows, present, deep=deep))
    expected = {row.path for row in rows}
    found += [Damage(path, "unexpected", "is not part of the wheel") for path in present if path not in expected]
    for tag in kept_tags(entry):
        _, kept = list_bytecode(entry, tag)
        root = f"{entry}/bytecode/{tag}"
        found += [
            Damage(f"bytecode/{tag}/{path}", kind, detail, is_bytecode=True)
            for path, kind, detail, _ in _differences(root, kept, _statuses(root, kept), deep=deep)
        ]
    return tuple(sorted(found))


def is_sound(place: str, row: StoredFile) -> bool:
    """Whether the file at *place* is as *row* has it, by size, time and mode; see ``find_damage`` for its time.

    *place* ends with the path of the row.
    """
    root = place.removesuffix(f"/{row.path}")
    return not any(_differences(root, [row], _statuses(root, [row]), deep=False))


def _walk(root: str, below: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(f"{root}/{below}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(root, f"{below}{entry.name}/")
                else:
                    yield below + entry.name, entry.stat(follow_symlinks=False)
    except OSError:
        return  # what cannot be listed is missing, as far as the rows go


def _statuses(root: str, rows: Iterable[StoredFile]) -> dict[str, os.stat_result]:
    found = {}
    for row in rows:
        with suppress(OSError):
            found[row.path] = os.lstat(f"{root}/{row.path}")
    return found


def _differences(
    root: str, rows: Iterable[StoredFile], present: Mapping[str, os.stat_result], *, deep: bool
) -> Iterator[Damage]:
    for row in rows:
        status = present.get(row.path)
        if status is None:
            yield Damage(row.path, "missing", "is missing")
            continue
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            yield Damage(row.path, "changed", "is no plain file any more")
        elif status.st_size != row.size:
            yield Damage(row.path, "changed", f"has {status.st_size} bytes instead of {row.size}")
        elif status.st_mtime_ns != row.mtime_ns and not _has_right_bytes(f"{root}/{row.path}", row):
            yield Damage(row.path, "changed", "was written to")
        elif mode != row.mode:
            yield Damage(row.path, "changed", f"has mode {mode:04o} instead of {row.mode:04o}")
        elif deep and status.st_mtime_ns == row.mtime_ns:
            try:
                if digest_file(f"{root}/{row.path}")["sha256"] != row.sha256:
                    yield Damage(row.path, "changed", "has other contents of the same length")
            except OSError as error:
                yield Damage(row.path, "unreadable", f"cannot be read: {error.strerror}")


def _has_right_bytes(place: str, row: StoredFile) -> bool:
    """Whether a file with another time has the bytes of *row*, and give it its time back if it does.

    An archive that a cache was kept in may have cut times to whole seconds.
    """
    try:
        is_right = digest_file(place)["sha256"] == row.sha256
    except OSError:
        return False
    if is_right:
        with suppress(OSError):  # somebody else's file
            os.utime(place, ns=(row.mtime_ns, row.mtime_ns))
    return is_right


def mend(
    entry: str,
    rows: Sequence[StoredFile],
    damages: Iterable[Damage],
    unpack: Callable[[], str],
    *,
    note: Callable[[list[tuple[StoredFile, str]]], None],
) -> None:
    """Mend *damages* of *entry*, each file at once by a rename; the caller holds the lock of entries.

    *unpack* gives a directory that holds the wheel's files anew, on the file system of the store; it is called only
    when something needs more than its old time and mode. What has other bytes is told to *note* (row and place) while
    it is still there. Raises OSError.
    """
    by_path = {row.path: row for row in rows}
    spoiled = list(damages)
    _drop_bytecode(entry, {damage.path for damage in spoiled if damage.is_bytecode})
    anew: list[tuple[StoredFile, str]] = []
    for damage in spoiled:
        place = f"{entry}/tree/{damage.path}"
        row = by_path.get(damage.path)
        if damage.is_bytecode or (row is not None and _restore_attributes(place, row)):
            continue
        if row is None:
            _clear(place)
        else:
            anew.append((row, place))
    if not anew:
        return
    note(anew)
    fresh = unpack()
    for row, place in anew:
        _make_room(f"{entry}/tree", row.path)
        if os.path.isdir(place) and not os.path.islink(place):
            _clear(place)
        os.replace(f"{fresh}/{row.path}", place)


def _drop_bytecode(entry: str, paths: Collection[str]) -> None:
    for tag in kept_tags(entry) if paths else ():
        root = f"{entry}/bytecode/{tag}"
        rows = {row.path: row for row in list_bytecode(entry, tag)[1]}
        sound = {path: row for path, row in rows.items() if f"bytecode/{tag}/{path}" not in paths}
        if len(sound) < len(rows):
            save(root, sound)
            for path in rows.keys() - sound.keys():
                _clear(f"{root}/{path}")


def _restore_attributes(place: str, row: StoredFile) -> bool:
    """Give a file whose bytes are right its time and mode back; False when its bytes are not right."""
    try:
        status = os.lstat(place)
        if not stat.S_ISREG(status.st_mode) or status.st_size != row.size:
            return False
        if digest_file(place)["sha256"] != row.sha256:
            return False
        os.chmod(place, row.mode)
        os.utime(place, ns=(row.mtime_ns, row.mtime_ns))
    except OSError:
        return False
    return True


def _clear(place: str) -> None:
    """Remove what stands at *place*: a file, a link, or a whole directory."""
    from pytest_envsync.removal import remove_tree

    if os.path.isdir(place) and not os.path.islink(place):
        remove_tree(place)
    elif os.path.lexists(place):
        os.unlink(place)


def _make_room(tree: str, path: str) -> None:
    """Make *tree* and the directories above *path* in it; a file that stands in the way of one goes."""
    parts = path.split("/")[:-1]
    for length in range(len(parts) + 1):
        folder = "/".join([tree, *parts[:length]])
        if os.path.isdir(folder) and not os.path.islink(folder):
            continue
        _clear(folder)
        os.mkdir(folder, 0o755)
