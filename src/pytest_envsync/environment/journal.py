"""The journal of a transaction: what a killed process leaves behind, and how the next one deals with it.

A directory below the environment holds it::

    journal.json   what will be set aside and what will be new, on disk before the first change
    aside/N        what was set aside, by its number in the journal
    adding         everything was set aside; files are being placed
    restoring      an undo removed what was placed; what was set aside is moving back
    committed      everything was placed; what was set aside is being deleted

A marker is an empty file, made in one step. Each step may be the last one: without ``committed`` the old
environment comes back, with it the new one stays. Undoing may itself be killed and done again.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterable
from typing import Any, Literal

from pytest_envsync.errors import InstallError
from pytest_envsync.removal import remove_tree
from pytest_envsync.target import Target
from pytest_envsync.values import NamedTuple

JOURNAL_NAME = ".envsync-transaction"
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # nothing is written to where a link leads

Step = Callable[[str], None]
"""Called with a word before each change on disk; tests end the process there."""


class Recovered(NamedTuple):
    """What was done about a transaction that a killed process left."""

    outcome: Literal["undone", "finished"]
    directory: str


def _no_step(word: str) -> None:
    """Do nothing."""


def journal_directory(target: Target) -> str:
    """Return where the journal of transactions on *target* is kept.

    A virtual environment is one piece; elsewhere site-packages may be all that the user can write.
    """
    return os.path.join(target.prefix if target.is_virtual else target.paths["purelib"], JOURNAL_NAME)


def recover(target: Target, step: Step = _no_step) -> Recovered | None:
    """Finish or undo what a killed process left on *target*; None when there was nothing.

    The caller holds the lock of the environment. Raises InstallError when it cannot be done.
    """
    journal = Journal(journal_directory(target), step=step)
    if not os.path.lexists(journal.directory):
        return None
    if os.path.islink(journal.directory) or not os.path.isdir(journal.directory):
        raise InstallError(
            f"`{journal.directory}` is no directory of ours, as an interrupted sync leaves it",
            hint="remove it, and sync again: what it leads to is left alone",
        )
    try:
        if journal.has("committed"):
            journal.finish()
            return Recovered("finished", journal.directory)
        if not journal.load():
            journal.discard()
            return None
        journal.undo()
    except OSError as error:
        raise InstallError(
            f"an interrupted sync of `{target.prefix}` cannot be undone: {error.strerror or error}"
            f" (`{error.filename or journal.directory}`)",
            hint=f"make it writable and sync again; what was set aside is in `{journal.directory}`",
        ) from error
    return Recovered("undone", journal.directory)


class Journal:
    """One transaction on disk.

    Paths are absolute here; those below the environment are kept relative, so that it may move.
    """

    def __init__(self, directory: str, *, durable: bool = True, step: Step = _no_step) -> None:
        self.directory = directory.replace(os.sep, "/")
        self.base = self.directory.rpartition("/")[0]
        self.durable = durable
        self.step = step
        self.renames: tuple[str, ...] = ()
        self.additions: tuple[str, ...] = ()

    def has(self, marker: str) -> bool:
        """Whether a marker is set."""
        return os.path.lexists(f"{self.directory}/{marker}")

    def mark(self, marker: str) -> None:
        """Set a marker."""
        self.step(f"mark {marker}")
        os.close(os.open(f"{self.directory}/{marker}", os.O_WRONLY | os.O_CREAT | _NO_LINK, 0o666))

    def open(self) -> None:
        """Make the directory; ``write`` begins the transaction. Raises InstallError when one is there already."""
        if os.path.lexists(self.directory):
            raise InstallError(
                f"an interrupted sync left `{self.directory}`",
                hint="sync again: whoever begins finishes or undoes it first",
            )
        self.step("open")
        os.makedirs(f"{self.directory}/aside")

    def write(self, renames: Iterable[str], additions: Iterable[str]) -> None:
        """Put on disk what will be set aside and what will be new."""
        self.renames = tuple(renames)
        self.additions = tuple(additions)
        text = json.dumps(
            {
                "version": 1,
                "renames": [self._kept(path) for path in self.renames],
                "additions": [self._kept(path) for path in self.additions],
            }
        )
        self.step("write")
        new = f"{self.directory}/journal.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | _NO_LINK
        descriptor = os.open(new, flags, 0o666)
        try:
            view = memoryview(text.encode("ascii"))
            while view:
                view = view[os.write(descriptor, view) :]
            if self.durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.step("begin")
        os.replace(new, f"{self.directory}/journal.json")
        if self.durable:
            _sync_directory(self.directory)

    def load(self) -> bool:
        """Read the journal; False when the transaction had not begun. Raises InstallError for a damaged one."""
        try:
            with open(f"{self.directory}/journal.json", "rb") as file:
                values: Any = json.loads(file.read().decode("ascii"))
            self.renames = tuple(map(self._found, values["renames"]))
            self.additions = tuple(map(self._found, values["additions"]))
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError) as error:
            raise InstallError(
                f"the journal `{self.directory}/journal.json` of an interrupted sync is damaged: {error}",
                hint=f"what was set aside is in `{self.directory}/aside`; make a new environment",
            ) from error
        return True

    def _kept(self, path: str) -> str:
        return path.removeprefix(f"{self.base}/") if path.startswith(f"{self.base}/") else path

    def _found(self, path: str) -> str:
        return path if os.path.isabs(path) else f"{self.base}/{path}"

    def set_aside(self) -> None:
        """Move everything away that goes; each in one rename where the file system lets it."""
        for number, path in enumerate(self.renames):
            self.step(f"set aside {path}")
            for place in self._places(number, path):
                try:
                    os.rename(path, place)
                    break
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
            else:
                # The last place is beside it; only a directory of a lower layer (overlayfs) cannot go there at once.
                _move_tree(path, self._places(number, path)[-1], self.step)

    def _places(self, number: int, path: str) -> tuple[str, str]:
        """Return where a path is set aside: in the journal, or beside it where that is another file system."""
        return f"{self.directory}/aside/{number}", f"{path.rpartition('/')[0]}/{JOURNAL_NAME}-{number}"

    def undo(self) -> None:
        """Bring the old environment back; needs a journal that was written or loaded. May be called again."""
        if self.has("adding") and not self.has("restoring"):
            for path in self.additions:
                self.step(f"take back {path}")
                remove_path(path)
                remove_compiled(path)
            self.mark("restoring")
        for number, path in enumerate(self.renames):
            for place in self._places(number, path):
                if os.path.lexists(place):
                    self.step(f"restore {path}")
                    _restore(place, path, self.step)
        self.step("forget")
        os.unlink(f"{self.directory}/journal.json")
        self.discard()

    def finish(self) -> None:
        """Delete what was set aside, after ``committed`` was marked."""
        if self.additions or self.renames or self.load():
            for number, path in enumerate(self.renames):
                for place in self._places(number, path):
                    self.step(f"delete {path}")
                    remove_path(place)
            self.step("forget")
            os.unlink(f"{self.directory}/journal.json")
        self.discard()

    def discard(self) -> None:
        """Remove the directory of a transaction that is over, or had not begun; ``committed`` goes last."""
        for name in sorted(os.listdir(self.directory), key=lambda name: name == "committed"):
            self.step(f"discard {name}")
            remove_path(f"{self.directory}/{name}")
        self.step("close")
        os.rmdir(self.directory)


def remove_path(path: str) -> None:
    """Remove a file, a link, or a directory with all that is in it; nothing there is no error."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            remove_tree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return


def remove_compiled(path: str) -> None:
    """Remove what was compiled from the module at *path*; nothing for what is none."""
    directory, _, name = path.rpartition("/")
    if not name.endswith(".py"):
        return
    cache = f"{directory}/__pycache__"
    try:
        compiled = os.listdir(cache)
    except OSError:
        return
    for entry in compiled:
        if entry.endswith(".pyc") and entry.startswith(f"{name[:-3]}."):
            remove_path(f"{cache}/{entry}")


def _move_tree(source: str, destination: str, step: Step) -> None:
    """Move a directory file by file; *source* is gone at the end. May be called again after a part was moved."""
    if not os.path.lexists(destination):
        mode = stat.S_IMODE(os.stat(source).st_mode)
        os.mkdir(destination, mode)
        if stat.S_IMODE(os.stat(destination).st_mode) != mode:
            os.chmod(destination, mode)
    with os.scandir(source) as listing:
        entries = list(listing)
    for entry in entries:
        place = f"{destination}/{entry.name}"
        if _is_directory(place) != entry.is_dir(follow_symlinks=False):
            remove_path(place)
        if entry.is_dir(follow_symlinks=False):
            _move_tree(entry.path, place, step)
        else:
            step(f"move {entry.path}")
            os.rename(entry.path, place)
    step(f"empty {source}")
    os.rmdir(source)


def _restore(place: str, path: str, step: Step) -> None:
    """Move what was set aside back to *path*, into what is left of it if it went file by file.

    What somebody put there meanwhile makes room: the environment is what it was before.
    """
    if os.path.lexists(path) and not (_is_directory(place) and _is_directory(path)):
        remove_path(path)
    if not os.path.lexists(path):
        try:
            os.rename(place, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            return
    _move_tree(place, path, step)


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _sync_directory(directory: str) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
