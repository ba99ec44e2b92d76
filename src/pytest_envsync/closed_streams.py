"""Standard streams that the caller has closed (``>&-``), as some services and schedulers start their commands.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys


def replace_closed_streams() -> None:
    """Lead each of the standard streams that is closed to nowhere, here and in commands that are started.

    Left closed, its descriptor would be that of the next file that is opened: what a build prints would be written
    into a journal. POSIX lets a system do the same for privileged programs (``exec``).
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
        os.set_inheritable(descriptor, True)
        mode = "w" if descriptor else "r"
        setattr(sys, name, open(descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115 - open to the end of the process
