"""An environment that stands ready: compared and leased without the engine, when nothing asks for it.

What the engine found out about a use is kept (``remembered``); when all of that is as it was, the same environment is
the answer again. It is compared as the engine does it, before it is handed out, under the lock of its key, and after
its use. Whatever is not as it was made is left to the engine: nothing is repaired here.

Standard library only, and little of it: the command in the environment waits for it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os

from pytest_envsync.comparison import Walk
from pytest_envsync.leases import release, take_lease
from pytest_envsync.lock_file import is_there, open_lock, try_lock
from pytest_envsync.snapshot import Snapshot, load_snapshot
from pytest_envsync.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Standing(NamedTuple):
    """What is known of an environment that was handed out and needed nothing. Paths are absolute.

    *home* is the directory of the key, *number* the generation, *lock* the file under which it changes, *spoiled* the
    directory of notes on damage in the store. *question* is a file that holds the key. *overlay* is the directory of
    the overlay, or empty, with the parts of its snapshot.
    """

    home: str
    number: int
    lock: str
    spoiled: str
    question: str
    overlay: str
    overlay_parts: tuple[Any, ...]

    @property
    def prefix(self) -> str:
        """The environment itself."""
        return f"{self.home}/{self.number}"


def take(standing: Standing, pid: int) -> str | None:
    """Compare the environment and lease it to the process *pid*; return the lease, None when the engine is needed."""
    try:
        descriptor = open_lock(standing.lock, make=False)
    except OSError:
        return None
    try:
        try_lock(descriptor)
        if not is_there(descriptor, standing.lock):
            return None  # whoever held it has removed it: the next one locks another file
        _note_use(standing.lock)
        if not _is_as_it_was(standing) or not _is_unchanged(standing) or not _has_its_overlay(standing):
            return None
        os.utime(standing.question)
        os.utime(f"{standing.home}/used")
        if standing.overlay:
            os.utime(standing.overlay)
        return take_lease(f"{standing.home}/leases", standing.number, pid).path
    except (ImportError, OSError, ValueError):
        return None
    finally:
        os.close(descriptor)


def _note_use(lock: str) -> None:
    """Note by its time that a lock file is in use: what nobody takes for long is removed."""
    try:
        os.utime(lock)
    except OSError:
        return  # it is somebody else's


def give_back(standing: Standing, lease: str, *, auto_prune: bool) -> bool:
    """Release *lease* when the environment is unchanged; False: nothing was done, and the engine has to do it."""
    try:
        return _is_unchanged(standing) and release(lease, auto_prune=auto_prune)
    except (OSError, ValueError):
        return False


def _is_as_it_was(standing: Standing) -> bool:
    number = str(standing.number)
    known = {number, f"{number}.json", f"{number}.snapshot", "leases", "used"}
    names = os.listdir(standing.home)  # noqa: PTH208 - plain text
    if not known.issuperset(names) or f"{number}.json" not in names or _has_entries(standing.spoiled):
        return False
    with open(standing.question, "rb") as file:  # noqa: PTH123 - plain text
        return file.read().decode("ascii") == os.path.basename(standing.home)  # noqa: PTH119 - plain text


def _is_unchanged(standing: Standing) -> bool:
    return _is_like(standing.prefix, load_snapshot(f"{standing.prefix}.snapshot"))


def _has_its_overlay(standing: Standing) -> bool:
    return not standing.overlay or _is_like(standing.overlay, Snapshot(*standing.overlay_parts))


def _is_like(place: str, snapshot: Snapshot) -> bool:
    walk = Walk(place, snapshot)
    walk.run()
    return not (walk.added or walk.removed or walk.changed or walk.retimed or walk.compiled or walk.recompiled)


def _has_entries(directory: str) -> bool:
    try:
        return bool(os.listdir(directory))  # noqa: PTH208 - plain text
    except FileNotFoundError:
        return False
