"""Carry out a plan: all of it, or nothing.

Everything that can be known to fail is asked first. Then what goes is set aside, what comes is placed, and
only then is what was set aside deleted. An error or an interruption undoes at once; what a killed process left
is undone or finished by ``journal.recover``, which the next run calls before it looks at the environment.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import errno
import gc
import os
import time
from collections.abc import Iterator, Mapping

from pytest_envsync.changes import Changes
from pytest_envsync.distributions import StoredWheel
from pytest_envsync.environment.changeset import ChangeSet, find_changes
from pytest_envsync.environment.install import Prepared, WheelFiles
from pytest_envsync.environment.journal import Journal, Recovered, Step, journal_directory, recover
from pytest_envsync.environment.layout import Placed, Written
from pytest_envsync.environment.link import choose_link_mode
from pytest_envsync.environment.placement import check_there, place_tree
from pytest_envsync.errors import InstallError
from pytest_envsync.narration import Reporter, SilentReporter
from pytest_envsync.plan import Plan, is_same_version, planned_changes
from pytest_envsync.record import parse_wheel_filename
from pytest_envsync.target import Target

__all__ = ["Recovered", "apply_plan", "recover"]

_BLOCK = 4096  # bytes: what a file or directory takes at least, on most file systems
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def _no_step(word: str) -> None:
    """Do nothing."""


def apply_plan(
    plan: Plan,
    wheels: Mapping[str, Prepared],
    *,
    target: Target,
    store: WheelFiles,
    link_mode: str | None = None,
    bytecode: bool = True,
    installer_metadata: bool = True,
    durable: bool = True,
    reporter: Reporter | None = None,
    step: Step = _no_step,
) -> Changes:
    """Make the environment of *target* what *plan* says, and return what changed.

    *wheels* has a prepared wheel for each of ``plan.candidates``, by normalised name; more do no harm. The caller
    holds the lock of the environment and has called ``recover``. *bytecode*: what the store has compiled for
    the interpreter is placed too. *durable*: the journal survives a loss of power, not only a killed process.
    *step* is called before each change on disk; tests end the process there.

    Raises InstallError, WheelError or StoreError (also for files of the store that are not what was put there);
    the environment then is what it was.
    """
    if plan.is_empty:
        return Changes()
    wanted = {candidate.name: wheels[candidate.name] for candidate in plan.candidates}
    # The file name of a wheel that was found says its version; METADATA may lack the local part.
    versions = {name: item.wheel.version for name, item in wanted.items() if item.candidate.kind != "wheel"}
    journal = Journal(journal_directory(target), durable=durable, step=step)
    began = time.perf_counter()
    collecting = gc.isenabled()
    gc.disable()  # tens of thousands of rows that all live to the end: looking through them took 7 of 45 ms
    try:
        _check_names(wanted)
        os.makedirs(journal.base, exist_ok=True)
        changes = find_changes(
            plan, wanted, target=target, store=store, bytecode=bytecode, installer_metadata=installer_metadata
        )
        _check_writable(changes, journal)
        mode, warning = _begin(journal, changes, link_mode)
    except OSError as error:
        raise _failure(error) from error
    finally:
        if collecting:
            gc.enable()
    seconds_set_aside, seconds_placed, complaint = _carry_out(journal, changes, mode, step)
    reporter = reporter or SilentReporter()
    going = len(plan.remove) + sum(len(item.installed) for item in plan.reinstall)
    if going:
        reporter.phase("uninstalled", going, seconds_set_aside)
    if wanted:
        reporter.phase("installed", len(wanted), time.perf_counter() - began - seconds_set_aside)
    reporter.debug(f"placed files by {mode} in {seconds_placed:.3f} s")
    warnings = [*changes.warnings, *filter(None, (warning, complaint))]
    return planned_changes(plan, versions, warnings)


def _check_names(wanted: Mapping[str, Prepared]) -> None:
    """Refuse a wheel that is not what was asked for: the last look before it is installed."""
    for name, prepared in wanted.items():
        candidate, wheel = prepared.candidate, prepared.wheel
        if wheel.name != name:
            raise InstallError(f"`{wheel.filename}` holds `{wheel.name}`, where `{name}` was asked for", exit_status=1)
        version = candidate.version
        # The same bytes may be in the store by another name, one that has no local part.
        asked = (
            () if version is None else (version, *([version.partition("+")[0]] if candidate.kind == "wheel" else ()))
        )
        if asked and not any(is_same_version(item, said) for item in asked for said in _versions(wheel)):
            raise InstallError(
                f"`{wheel.filename}` holds `{name}` {wheel.version}, where {candidate.version} was asked for"
            )


def _versions(wheel: StoredWheel) -> Iterator[str]:
    """Yield the versions that a wheel may be asked for by."""
    yield wheel.version
    if wheel.built:
        # A build may add a local part to the version.
        yield wheel.version.partition("+")[0]
    else:
        # METADATA may lack the local part, or say what it likes when that is allowed.
        yield parse_wheel_filename(wheel.filename).version


def _check_writable(changes: ChangeSet, journal: Journal) -> None:
    """Refuse directories that the user may not change. Raises InstallError naming the first."""
    directories = {journal.base}
    directories.update(path.rpartition("/")[0] for path in (*changes.renames, *changes.additions))
    # Giving a directory another parent changes the directory itself.
    directories.update(path for path in changes.renames if os.path.isdir(path) and not os.path.islink(path))
    for directory in sorted(directories):
        if not os.access(directory, os.W_OK | os.X_OK):
            raise InstallError(
                f"`{directory}` cannot be written",
                hint="sync as the user who owns the environment, or into one of your own (--venv, --target)",
            )


def _begin(journal: Journal, changes: ChangeSet, link_mode: str | None) -> tuple[str, str | None]:
    """Open the journal and return the link mode that works here, with a warning if it is second choice."""
    journal.open()
    try:
        source = next(
            (item.source for items in changes.tree.values() for item in items.values() if isinstance(item, Placed)),
            None,
        )
        mode, warning = (link_mode or "copy", None)
        if source is not None:
            check_there(source)
            mode, warning = choose_link_mode(link_mode, source, journal.directory)
        _check_space(changes, mode, journal.base)
        journal.write(changes.renames, changes.additions)
    except BaseException:
        journal.discard()
        raise
    return mode, warning


def _check_space(changes: ChangeSet, mode: str, directory: str) -> None:
    """Refuse to begin what the file system has no room for. Raises InstallError."""
    if not hasattr(os, "statvfs"):
        return
    needed = _BLOCK * len(changes.directories)
    for items in changes.tree.values():
        for item in items.values():
            if isinstance(item, Written):
                needed += _on_disk(len(item.content))
            elif mode == "copy":
                needed += _on_disk(item.file.size)
    status = os.statvfs(directory)
    free = status.f_frsize * (status.f_bfree if getattr(os, "geteuid", lambda: 1)() == 0 else status.f_bavail)
    if needed > free:
        raise InstallError(
            f"not enough space in `{directory}`: {needed / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free",
            hint="free some, or place the cache and the environment on one file system, so that files are linked",
        )


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _carry_out(journal: Journal, changes: ChangeSet, mode: str, step: Step) -> tuple[float, float, str | None]:
    """Change the environment; return the seconds of both halves and what is left to complain about."""
    began = time.perf_counter()
    try:
        journal.set_aside()
        halfway = time.perf_counter()
        journal.mark("adding")
        _place(changes, mode, step)
        placed = time.perf_counter()
        journal.mark("committed")
    except BaseException as error:
        if not journal.has("committed"):
            _undo(journal, error)
            if isinstance(error, OSError):
                raise _failure(error) from error
        raise
    complaint = None
    try:
        journal.finish()
    except OSError as error:
        complaint = (
            f"`{error.filename or journal.directory}` cannot be deleted: {error.strerror or error};"
            " the next sync tries again"
        )
    return halfway - began + time.perf_counter() - placed, placed - halfway, complaint


def _undo(journal: Journal, cause: BaseException) -> None:
    try:
        journal.undo()
    except OSError as error:
        raise InstallError(
            f"the sync failed ({cause}), and undoing it failed too: {error.strerror or error}"
            f" (`{error.filename or journal.directory}`)",
            hint=f"the next sync tries again; what was set aside is in `{journal.directory}`",
        ) from cause


def _place(changes: ChangeSet, mode: str, step: Step) -> None:
    for directory in changes.directories:
        step(directory)
        os.mkdir(directory)
    place_tree(changes.tree, mode, step)


def _failure(error: OSError) -> InstallError:
    """Return the error of ours that says what the operating system refused."""
    path = error.filename2 or error.filename or ""
    reason = error.strerror or str(error)
    hint = None
    if error.errno in _REFUSED:
        hint = "sync as the user who owns the environment"
    elif error.errno in _FULL:
        hint = "nothing was changed; free some space and sync again"
    return InstallError(f"`{path}` cannot be changed: {reason}" if path else reason, hint=hint)


def settle_interrupted(target: Target, *, is_dry: bool, reporter: Reporter) -> None:
    """Finish or undo a sync of *target* that was cut short. Raises InstallError in a dry run, which may do neither.

    What was committed is the new set, and a dry run judges it: only what was set aside is still there.
    """
    if is_dry and Journal(journal_directory(target)).has("committed"):
        return
    if is_dry:
        raise InstallError(
            f"a sync of `{target.prefix}` was cut short, and what is there is neither the old nor the new set",
            hint="sync it once without --dry-run or --check; that finishes or undoes what was begun",
            exit_status=1,
        )
    recovered = recover(target)
    if recovered is not None:
        reporter.warn(f"a sync that was cut short was {recovered.outcome} first")
