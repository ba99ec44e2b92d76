"""What of the machine decides what a set of inputs means, besides files, variables and the interpreter.

Whatever is remembered of an answer is kept under it. Standard library only, and little of it: this is imported where
milliseconds count.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time

from pytest_envsync.file_stamp import stamp_of


def zone() -> tuple[object, ...]:
    """Return what says when a day ends here: ``--exclude-newer`` counts in days of this machine."""
    return (os.environ.get("TZ"), time.timezone, time.altzone, *time.tzname, stamp_of("/etc/localtime"))


def system() -> tuple[str, ...]:
    """Return what markers (PEP 508) and tags say of the system: kernel, machine and C library.

    ``setarch``, emulators and containers change it while the interpreter stays the same.
    """
    if not hasattr(os, "uname"):
        return ()
    names = os.uname()
    try:
        library = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        library = ""
    return (names.sysname, names.release, names.version, names.machine, library)
