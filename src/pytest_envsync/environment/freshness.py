"""What the freshness of a local source is judged by: noted when it is installed, compared at the next sync.

For an archive its time; for a source tree its *cache keys*: by default the project files and the ``src``
directory, so that an edit of a module rebuilds nothing and an edit of ``pyproject.toml`` does. ``cache-keys`` in
``[tool.envsync]`` or ``[tool.uv]`` replaces them. The note has the reference's form, so that what it
installed is fresh here too.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pytest_envsync.environment.cache_keys import matching_files, read_cache_keys

_NO_SOURCES = frozenset({"__pycache__", "node_modules"})
_OUTPUTS = frozenset({"build", "dist"})


def archive_cache_info(path: str) -> dict[str, Any]:
    """Return the note about an archive of this machine. Raises OSError when it cannot be read."""
    return _note(_changed_ns(os.stat(path)))


def directory_cache_info(path: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the note about a source tree; *environ* is asked for ``{ env = ... }`` keys (``os.environ``).

    What is not there counts as absent, so that its appearance is a change. Raises InputError for keys that mean
    nothing.
    """
    newest: int | None = None
    counted: set[str] = set()
    variables: dict[str, str | None] = {}
    directories: dict[str, Any] = {}
    for key in read_cache_keys(path):
        match key.kind:
            case "file":
                found = map(_file_change, matching_files(path, key.value))
                newest = max(filter(None, (newest, *found)), default=None)
            case "dir":
                directories[key.value] = _directory_mark(os.path.join(path, key.value))
            case "env":
                variables[key.value] = (os.environ if environ is None else environ).get(key.value)
            case "git":
                counted |= key.git
    commit = _commit(path) if "commit" in counted else None
    tags = _tags(path) if "tags" in counted else None
    return _note(
        newest,
        commit=commit,
        tags=tags,
        env=dict(sorted(variables.items())),
        directories=dict(sorted(directories.items())),
    )


def tree_cache_info(path: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the note about a source tree of which every file counts, besides its cache keys.

    For a project that is installed as a wheel to be tested: an edit of any module has to be seen. What builds and
    test runs leave there does not count: hidden files at the top, caches, environments, ``build``, ``dist``.
    """
    from hashlib import sha256

    state = sha256()
    for name, status in _source_files(path):
        state.update(f"{name}\0{status.st_size}\0{_changed_ns(status)}\n".encode("utf-8", "surrogateescape"))
    return {**directory_cache_info(path, environ), "tree": state.hexdigest()}


def _source_files(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files below *path* that may be sources, by relative name, in a fixed order."""
    pending = [""]
    while pending:
        parent = pending.pop()
        try:
            with os.scandir(os.path.join(path, parent)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            continue
        names = {entry.name for entry in entries}
        if parent and ("CACHEDIR.TAG" in names or "pyvenv.cfg" in names):
            continue
        for entry in entries:
            if not parent and (entry.name.startswith(".") or entry.name in _OUTPUTS):
                continue
            name = os.path.join(parent, entry.name)
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _NO_SOURCES and not entry.name.endswith(".egg-info"):
                    pending.append(name)
            elif not entry.name.endswith(".pyc"):
                with suppress(OSError):  # it vanished, or its link leads nowhere
                    yield name, entry.stat()


def _note(
    newest: int | None,
    *,
    commit: str | None = None,
    tags: Mapping[str, str] | None = None,
    env: Mapping[str, str | None] | None = None,
    directories: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    timestamp = None if newest is None else _time(newest)
    return {
        "timestamp": timestamp,
        "commit": commit,
        "tags": tags,
        "env": dict(sorted((env or {}).items())),
        "directories": dict(sorted((directories or {}).items())),
    }


def _time(nanoseconds: int) -> dict[str, int]:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return {"secs_since_epoch": seconds, "nanos_since_epoch": rest}


def _changed_ns(status: os.stat_result) -> int:
    """Return when a file changed: its inode's time, which nobody sets back; Windows has the content's only."""
    return status.st_mtime_ns if sys.platform == "win32" else status.st_ctime_ns


def _file_change(path: str) -> int | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return None if os.path.isdir(path) else _changed_ns(status)


def _directory_mark(path: str) -> Any:
    """Return what tells a directory from another one of its name: its birth, else its inode."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    birth = getattr(status, "st_birthtime_ns", None)
    return status.st_ino if birth is None else _time(birth)


def _git_directories(path: str) -> tuple[str, str] | None:
    """Return the directory of HEAD and that of the references; they differ in a worktree."""
    directory = os.path.abspath(path)
    while not os.path.exists(place := os.path.join(directory, ".git")):
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent
    if os.path.isdir(place):
        return place, place
    pointer = _line(place) or ""
    head = os.path.join(directory, pointer.removeprefix("gitdir:").strip())
    common = _line(os.path.join(head, "commondir"))
    return head, os.path.normpath(os.path.join(head, common)) if common else head


def _commit(path: str) -> str | None:
    places = _git_directories(path)
    if places is None:
        return None
    head = _line(os.path.join(places[0], "HEAD")) or ""
    if not head.startswith("ref:"):
        return head or None
    name = head.removeprefix("ref:").strip()
    return _line(os.path.join(places[1], name)) or _packed(places[1]).get(name)


def _tags(path: str) -> dict[str, str] | None:
    places = _git_directories(path)
    if places is None:
        return None
    found = {
        name.removeprefix("refs/tags/"): value
        for name, value in _packed(places[1]).items()
        if name.startswith("refs/tags/")
    }
    root = os.path.join(places[1], "refs", "tags")
    for directory, _, names in os.walk(root):
        for name in names:
            place = os.path.join(directory, name)
            if line := _line(place):
                found[os.path.relpath(place, root).replace(os.sep, "/")] = line
    return dict(sorted(found.items()))


def _packed(directory: str) -> dict[str, str]:
    try:
        with open(os.path.join(directory, "packed-refs"), encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.split() for line in file if line[:1] not in "#^\n"]
    except OSError:
        return {}
    return {row[1]: row[0] for row in rows if len(row) == 2}


def _line(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().strip() or None
    except OSError:
        return None
