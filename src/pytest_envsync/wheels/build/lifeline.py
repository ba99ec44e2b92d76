"""A process beside another one that ends it when this one is gone, whatever ended this one.

``kill -9``, or the out-of-memory killer, leaves no time for anything; a backend and its compilers would work on.
A shell waits at a pipe of which this process holds the only other end. When the system closes that, the shell kills
what it was told to. It lives in a session of its own, so that what ends a process group does not end it first.
Nothing has to be done in the new process between fork and exec, which threads would make unsafe, and
descendants are ended too, which a signal on the death of the parent (``PR_SET_PDEATHSIG``) does not reach.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_envsync.wheels.build.descendants import VARIABLE

if TYPE_CHECKING:
    import subprocess

# The first line names whom to kill; a second one says that nobody is to be killed any more. What left the group of the
# victim is found by the variable that it has; the shell has another one.
_SCRIPT = f"""\
end() {{
    kill -s KILL -- "$victim"
    [ -n "$MARKER" ] || return
    for place in /proc/[0-9]*; do
        grep -qs "{VARIABLE}=$MARKER" "$place/environ" && kill -s KILL "${{place#/proc/}}"
    done
}}
read -r victim && {{ read -r over || end; }}
"""


class Lifeline:
    """Kills the process that it is attached to when this process ends before ``let_go``. Not on Windows.

    With a *marker* also what has it (``descendants``).
    """

    def __init__(self, marker: str = "") -> None:
        """Start the shell, which waits for a name."""
        self._guard: subprocess.Popen[bytes] | None = None
        self._is_attached = False
        if os.name != "posix":
            return
        import subprocess

        with suppress(OSError):  # without a shell everything else works
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                cwd="/",
                env={"PATH": os.defpath, "MARKER": marker},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def attach(self, pid: int, *, with_descendants: bool) -> None:
        """Name the process, or with *with_descendants* the group that it leads."""
        self._say(f"{-pid if with_descendants else pid}")
        self._is_attached = True

    def let_go(self) -> None:
        """Kill nobody any more; called while the number of the process can be nobody else's."""
        if self._is_attached:
            self._say("over")
        if self._guard is not None:
            if self._guard.stdin is not None:
                with suppress(OSError):
                    self._guard.stdin.close()
            self._guard.wait()
            self._guard = None

    def _say(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(OSError):  # somebody ended the shell
                self._guard.stdin.write(f"{line}\n".encode())
                self._guard.stdin.flush()
