"""Who uses an environment: one small file for each use, named after the process that holds it.

A process id alone says little, it is used again; together with the time its process began it
names one process. A lease whose process is gone counts for nothing and is removed by whoever looks. A command that
was started with it holds it too (``share_lease``).

Standard library only: sessions release their leases themselves, from inside.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
import time

from pytest_envsync.atomic import write_at_once
from pytest_envsync.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = 86_400.0  # seconds
USED = "used"
"""The file beside the generations whose time says when one of them was last used."""

PRUNED = "pruned"
"""The file beside the environments whose time says when they were last pruned."""


class Lease(NamedTuple):
    """One use. *path* is absolute; *started* is an opaque text, see ``process_start``."""

    path: str
    generation: int
    pid: int
    started: str


def process_start(pid: int) -> str | None:
    """Return a text that only the process that now has *pid* has; None when there is none.

    A process that ended and was not yet waited for is none.
    """
    if sys.platform == "win32":
        return _start_on_windows(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in parentheses may hold spaces and parentheses: what follows the last one is fixed.
            state, *fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if os.path.exists("/proc/self/stat") else _start_by_ps(pid)
    return None if state in (b"Z", b"X") else fields[18].decode()


def _start_by_ps(pid: int) -> str | None:
    import subprocess

    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else "".join(filter(str.isalnum, started))


def _start_on_windows(pid: int) -> str | None:
    import ctypes

    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]  # exists there only
    handle = kernel.OpenProcess(0x1000, False, pid)
    if not handle:
        return None
    times = [ctypes.c_ulonglong() for _ in range(4)]
    status = ctypes.c_ulong()
    try:
        kernel.GetProcessTimes(handle, *map(ctypes.byref, times))
        kernel.GetExitCodeProcess(handle, ctypes.byref(status))
    finally:
        kernel.CloseHandle(handle)
    return str(times[0].value) if status.value == 259 else None  # STILL_ACTIVE


def surroundings() -> tuple[str, str]:
    """Return where process ids mean what they mean here (host and namespace), and the boot of that host."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:  # as text it would load a codec
            boot = file.read().decode("ascii").strip()
    except OSError:
        namespace = boot = ""
    host = os.environ.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename
    return f"{host} {namespace}", boot


def take_lease(directory: str, generation: int, pid: int) -> Lease:
    """Write and return a lease of *generation* for the process *pid*.

    *directory* is that of the leases. Raises ProcessLookupError when there is no such process.
    """
    started = process_start(pid)
    if started is None:
        raise ProcessLookupError(f"there is no process {pid} to hold a lease")
    path = os.path.join(directory, f"{generation}-{pid}-{started}-{os.urandom(4).hex()}")
    # At once: whoever lists the environments looks without their locks, and drops a lease that says nothing.
    write_at_once(path, "\n".join(surroundings()).encode())
    return Lease(path, generation, pid, started)


def share_lease(path: str, pid: int) -> None:
    """Let the process *pid* hold the lease at *path* too: it counts as long as one of them lives.

    A command outlives the process that waits for it when that is killed. Where it cannot be noted nothing is done.
    """
    try:
        started = process_start(pid)
        if started is None:
            return
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
        try:
            os.write(descriptor, f"\n{pid} {started}".encode())
        finally:
            os.close(descriptor)
    except OSError:
        return


def read_lease(path: str) -> Lease:
    """Return the lease of that path, by its name. Raises ValueError for another name."""
    generation, pid, started, _ = os.path.basename(path).split("-")
    return Lease(path, int(generation), int(pid), started)


def key_of(path: str) -> str:
    """Return the key of the environment that the lease of that path is on."""
    return os.path.basename(os.path.dirname(os.path.dirname(path)))


def held_leases(directory: str) -> tuple[Lease, ...]:
    """Return the leases in *directory* whose process lives; remove the others. Behind a link there are none."""
    if os.path.islink(directory):
        return ()
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return ()
    if not names:
        return ()
    here = surroundings()
    held = []
    for name in names:
        try:
            lease = read_lease(os.path.join(directory, name))
        except ValueError:
            continue
        if _is_held(lease, here):
            held.append(lease)
        else:
            drop(lease.path)
    return tuple(held)


def _is_held(lease: Lease, here: tuple[str, str]) -> bool:
    try:
        with open(lease.path, encoding="utf-8") as file:
            place, boot, *others = file.read().split("\n")
        if place != here[0]:
            # Another host or container: its processes cannot be seen. It is believed for a day.
            return time.time() - os.stat(lease.path).st_mtime < DAY
    except (FileNotFoundError, ValueError):
        return False  # what was cut short is left by a machine that went down, and all its processes with it
    if boot != here[1]:
        return False
    holders = [(str(lease.pid), lease.started), *(tuple(other.split()) for other in others)]
    return any(len(holder) == 2 and process_start(int(holder[0])) == holder[1] for holder in holders)


def count_sessions(leases: Iterable[Lease]) -> int:
    """Return how many processes hold *leases*: one that asked twice is one."""
    return len({(lease.pid, lease.started) for lease in leases})


def drop(path: str) -> None:
    """Remove a lease; one that is gone already is as good."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def is_prune_due(environments: str, *, now: float | None = None) -> bool:
    """Whether the environments in that directory were not pruned for a day."""
    try:
        pruned = os.stat(os.path.join(environments, PRUNED)).st_mtime
    except FileNotFoundError:
        return True
    return (time.time() if now is None else now) - pruned >= DAY


def release(path: str, *, auto_prune: bool = True) -> bool:
    """Release a lease whose environment was compared and found unchanged.

    False: nothing was done, and the engine has something to do (``give_back``), because the generation is
    retired, the lease is not there, or (*auto_prune*) unused environments are to be removed.
    """
    try:
        lease = read_lease(path)
    except ValueError:
        return False
    key = os.path.dirname(os.path.dirname(path))
    if not os.path.exists(path) or os.path.exists(os.path.join(key, f"{lease.generation}.retired")):
        return False
    if auto_prune and is_prune_due(os.path.dirname(key)):
        return False
    try:
        os.utime(os.path.join(key, USED))
    except OSError:
        return False
    drop(path)
    return True
