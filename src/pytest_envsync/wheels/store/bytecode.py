"""Bytecode that environments compiled, kept beside the sources in the store.

A ``.pyc`` file is taken in when its header fits the source as the store has it: that interpreter's magic number,
no flags (PEP 552: judged by time and size), the source's time and size; and when its code says that it was compiled
from that source, where it lies beside the file. Hash-based files are left alone, but for those that pytest makes of
modules it rewrites (``environments.rewriting``), which it judges by the hash of the source and takes from anywhere.
What is taken is 0444 and has a row in a manifest of its own, one for each cache tag.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_envsync.atomic import write_at_once
from pytest_envsync.distributions import StoredFile
from pytest_envsync.patterns import pattern
from pytest_envsync.wheels.store.manifest import read_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

_NAME = pattern(
    r"(?P<folder>(?:.*/)?)__pycache__/(?P<stem>[^/]+)\.(?P<tag>cpython-[0-9]+t?)(?:\.opt-[0-9a-zA-Z]+)?\.pyc\Z",
    re.DOTALL,
)
_TAG = re.compile(r"cpython-[0-9]+t?(?:-pytest-[^/]+\.[0-9a-f]{12})?\Z")
_REWRITTEN = pattern(
    r"(?P<folder>(?:.*/)?)__pycache__/(?P<stem>[^/]+)\.(?P<tag>cpython-[0-9]+t?-pytest-[^/]+)\.pyc\Z", re.DOTALL
)
_HEADER = 16
_BY_HASH = b"\3\0\0\0"
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_READ |= getattr(os, "O_NONBLOCK", 0)  # a FIFO is not waited for


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

    The caller holds the lock of entries. A file is linked in where that is possible, and becomes 0444; it is copied
    otherwise. What does not fit, or is there already, is passed over. Raises OSError when the store cannot be written.
    """
    if not _TAG.match(cache_tag) or len(magic) != 4:
        return 0
    root = f"{entry}/bytecode/{cache_tag}"
    rows = {row.path: row for row in list_bytecode(entry, cache_tag)[1]}
    taken = 0
    made: set[str] = set()
    for path, place in sorted(found.items()):
        if path in rows:
            continue
        source = _source_of(path, cache_tag, sources)
        if source is None or not _is_unchanged(f"{entry}/tree/{source.path}", source):
            continue
        row = _take(path, place, root, source, magic=magic, made=made, is_rewritten=is_of_pytest(cache_tag))
        if row is not None:
            rows[path] = row
            taken += 1
    if taken:
        save(root, rows)
    return taken


def save(root: str, rows: Mapping[str, StoredFile]) -> None:
    """Replace the manifest of the bytecode below *root* at once. Raises OSError."""
    beside = f"{root}.{os.getpid()}.new"
    try:
        write_rows(beside, [rows[path] for path in sorted(rows)])
        os.replace(beside, f"{root}.manifest")
    except BaseException:
        if os.path.lexists(beside):
            os.unlink(beside)
        raise


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


def _take(
    path: str,
    place: Path | str,
    root: str,
    source: StoredFile,
    *,
    magic: bytes,
    made: set[str],
    is_rewritten: bool,
) -> StoredFile | None:
    """Take one file in and return its row; None when it does not fit. *made* are the directories that are there."""
    from hashlib import sha256

    try:
        descriptor = os.open(place, _READ)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            contents = file.read()
        if len(contents) != status.st_size:
            return None
        if is_rewritten:
            if contents[:8] != magic + _BY_HASH:
                return None
        elif not _fits(contents[:_HEADER], source, magic) or not _names_its_source(
            contents[_HEADER:], os.fspath(place), os.path.basename(source.path)
        ):
            return None
        target = f"{root}/{path}"
        folder = os.path.dirname(target)
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        if not _link(place, target, status):
            write_at_once(target, contents, time_ns=status.st_mtime_ns, mode=0o444)
    finally:
        os.close(descriptor)
    return StoredFile(path, status.st_size, 0o444, status.st_mtime_ns, sha256(contents).hexdigest())


def _fits(header: bytes, source: StoredFile, magic: bytes) -> bool:
    seconds = source.mtime_ns // 1_000_000_000 & 0xFFFFFFFF
    expected = magic + bytes(4) + seconds.to_bytes(4, "little") + (source.size & 0xFFFFFFFF).to_bytes(4, "little")
    return header == expected


def _names_its_source(code: bytes, place: str, name: str) -> bool:
    """Whether *code* (marshalled) holds the path of the source *name* that belongs to *place*, as compiling writes it.

    It keeps out a file that was compiled from anything else; one that was made to look right it does not. It is read
    as bytes, not loaded: the code may be of another interpreter, and ``marshal`` is not made for what somebody spoiled.
    """
    folder = os.path.dirname(os.path.dirname(place))
    paths = {f"{folder}/{name}", f"{os.path.realpath(folder)}/{name}"}
    return any(_marshalled(path) in code for path in paths)


def _marshalled(path: str) -> bytes:
    """Return *path* as ``marshal`` writes a text: its length, and its bytes."""
    content = path.encode("utf-8", "surrogatepass")
    if path.isascii() and len(content) < 256:
        return bytes([len(content)]) + content
    return len(content).to_bytes(4, "little") + content


def _link(place: Path | str, target: str, status: os.stat_result) -> bool:
    """Link *place*, whose open file has *status*, as *target*; False when it has to be copied."""
    try:
        os.link(place, target, follow_symlinks=False)
    except FileExistsError:
        # Left by a process that was killed before it wrote the manifest, or dropped from a damaged one.
        os.unlink(target)
        return _link(place, target, status)
    except (OSError, NotImplementedError):
        return False
    linked = os.lstat(target)
    # The path may lead to another file by now than the one that was read.
    if (linked.st_dev, linked.st_ino, linked.st_mtime_ns) == (status.st_dev, status.st_ino, status.st_mtime_ns):
        with suppress(OSError):
            os.chmod(target, 0o444)
            return True
    os.unlink(target)
    return False
