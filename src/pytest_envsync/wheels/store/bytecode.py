"""Bytecode that the engine made of the sources in the store, kept beside them.

The engine compiles every file itself, apart from any session, and only offers what it made (``environments.bytecode``).
A ``.pyc`` file is taken in when its header fits the source as the store has it: that interpreter's magic number, and no
flags with the source's time and size, or, for what pytest makes of modules it rewrites (``environments.rewriting``),
the hash of the source (PEP 552). The header says nothing of the code behind it: for that whoever offers it answers.
What is taken is 0444 and has a row with its digest in a manifest of its own, one for each cache tag.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pytest_envsync.atomic import write_at_once
from pytest_envsync.distributions import StoredFile
from pytest_envsync.patterns import pattern
from pytest_envsync.snapshot import open_regular
from pytest_envsync.source_hash import source_hash_of
from pytest_envsync.wheels.store.manifest import columns_of, packed, read_rows

if TYPE_CHECKING:
    from pathlib import Path

_NAME = pattern(
    r"(?P<folder>(?:.*/)?)__pycache__/(?P<stem>[^/]+)\.(?P<tag>cpython-[0-9]+t?)(?:\.opt-[0-9a-zA-Z]+)?\.pyc\Z",
    re.DOTALL,
)
_TAG = pattern(r"cpython-[0-9]+t?(?:-pytest-[^/]+\.[0-9a-f]{16})?\Z")
_DISTRUSTED = pattern(r"cpython-[0-9]+t?-pytest-[^/]+\.[0-9a-f]{12}\Z")
_REWRITTEN = pattern(
    r"(?P<folder>(?:.*/)?)__pycache__/(?P<stem>[^/]+)\.(?P<tag>cpython-[0-9]+t?-pytest-[^/]+)\.pyc\Z", re.DOTALL
)
_HEADER = 16
_BY_HASH = b"\3\0\0\0"


def list_bytecode(entry: str, cache_tag: str) -> tuple[str | None, tuple[StoredFile, ...]]:
    """Return the directory of the entry's bytecode for *cache_tag*, and its files; None and nothing without any.

    A manifest that is damaged counts as none: bytecode can always be made again.
    """
    if not _TAG.match(cache_tag):
        return None, ()
    root = f"{entry}/bytecode/{cache_tag}"
    try:
        rows = read_rows(f"{root}.manifest")
    except (OSError, ValueError):
        return None, ()
    return (root, rows) if rows else (None, ())


def kept_tags(entry: str) -> tuple[str, ...]:
    """Return the cache tags that the entry has bytecode for."""
    try:
        names = os.listdir(f"{entry}/bytecode")
    except FileNotFoundError:
        return ()
    return tuple(sorted(name for name in names if _TAG.match(name)))


def is_bytecode(path: str) -> bool:
    """Whether *path* (posix) is bytecode that the standard import system may have written."""
    return _NAME.match(path) is not None


def adopt(
    entry: str, sources: Mapping[str, StoredFile], cache_tag: str, found: Mapping[str, Path | str], *, magic: bytes
) -> int:
    """Take the files *found* (path relative to the tree -> where it lies) that fit their sources; return how many.

    They are files that the engine made, just now, where nobody else writes. The caller holds the lock of entries. A
    file is linked in where that is possible, and becomes 0444; it is copied otherwise. What does not fit, or is there
    already, is passed over. Raises OSError when the store cannot be written.
    """
    if not _TAG.match(cache_tag) or len(magic) != 4:
        return 0
    root = f"{entry}/bytecode/{cache_tag}"
    rows = {row.path: row for row in list_bytecode(entry, cache_tag)[1]}
    taken = 0
    for path, place in sorted(found.items()):
        if path in rows:
            continue
        source = _source_of(path, cache_tag, sources)
        if source is None or not _is_unchanged(f"{entry}/tree/{source.path}", source):
            continue
        if is_of_pytest(cache_tag):
            with open(f"{entry}/tree/{source.path}", "rb") as file:
                content = file.read()
            row = _take(path, place, root, partial(_is_rewritten_from, source=content, magic=magic))
        else:
            row = _take(path, place, root, partial(_is_compiled_from, source=source, magic=magic))
        if row is not None:
            rows[path] = row
            taken += 1
    if taken:
        save(root, rows)
    return taken


def save(root: str, rows: Mapping[str, StoredFile]) -> None:
    """Replace the manifest of the bytecode below *root* at once. Raises OSError."""
    write_at_once(f"{root}.manifest", packed(columns_of([rows[path] for path in sorted(rows)])))


def distrusted(entry: str) -> tuple[str, ...]:
    """Return the directories of bytecode of pytest's that an earlier version took in, and that nobody reads any more.

    That version let a pytest make it that had been changed in the overlay.
    """
    try:
        names = os.listdir(f"{entry}/bytecode")
    except OSError:
        return ()
    return tuple(f"{entry}/bytecode/{name}" for name in sorted(names) if _DISTRUSTED.match(name))


def is_of_pytest(tag: str) -> bool:
    """Whether *tag* is of bytecode that pytest makes of modules it rewrites: interpreter, version, digest."""
    return "-pytest-" in tag


def _source_of(path: str, cache_tag: str, sources: Mapping[str, StoredFile]) -> StoredFile | None:
    is_rewritten = is_of_pytest(cache_tag)
    match = (_REWRITTEN if is_rewritten else _NAME).match(path)
    if match is None or match["tag"] != (cache_tag.rpartition(".")[0] if is_rewritten else cache_tag):
        return None
    return sources.get(f"{match['folder']}{match['stem']}.py")


def _is_unchanged(place: str, row: StoredFile) -> bool:
    try:
        status = os.lstat(place)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (row.size, row.mtime_ns)


def _take(path: str, place: Path | str, root: str, fits: Callable[[bytes], bool]) -> StoredFile | None:
    """Take one file in and return its row; None when there is none, or one that does not fit."""
    from hashlib import sha256

    try:
        with open_regular(os.fspath(place)) as file:
            contents = file.read()
            status = os.fstat(file.fileno())
    except OSError:
        return None
    if not fits(contents):
        return None
    target = f"{root}/{path}"
    if not _link(place, target):
        write_at_once(target, contents, time_ns=status.st_mtime_ns, mode=0o444)
    return StoredFile(path, status.st_size, 0o444, status.st_mtime_ns, sha256(contents).hexdigest())


def _is_compiled_from(contents: bytes, source: StoredFile, magic: bytes) -> bool:
    seconds = source.mtime_ns // 1_000_000_000 & 0xFFFFFFFF
    expected = magic + bytes(4) + seconds.to_bytes(4, "little") + (source.size & 0xFFFFFFFF).to_bytes(4, "little")
    return contents[:_HEADER] == expected


def _is_rewritten_from(contents: bytes, source: bytes, magic: bytes) -> bool:
    return contents[:_HEADER] == magic + _BY_HASH + source_hash_of(magic, source)


def _link(place: Path | str, target: str) -> bool:
    """Link *place*, a file that the engine made, as *target*; False when it has to be copied."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with suppress(FileNotFoundError):
        # Left by a process that was killed before it wrote the manifest, or dropped from a damaged one.
        os.unlink(target)
    try:
        os.link(place, target)
    except (OSError, NotImplementedError):
        return False
    os.chmod(target, 0o444)
    return True
