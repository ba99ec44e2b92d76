"""Where the root of the cache is, as text: no more is imported for it than Python has loaded anyway.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_location(cache_dir: str | None, environ: Mapping[str, str], *, cwd: str) -> str:
    """Return the root of the cache, absolute; it need not exist.

    *cache_dir* is the setting; without it the user's cache directory (XDG base directories on
    Linux, ``Library/Caches`` on macOS, ``LOCALAPPDATA`` on Windows) holds it.
    """
    given = cache_dir or environ.get("ENVSYNC_CACHE_DIR")
    if given:
        return os.path.join(cwd, os.path.expanduser(given))  # noqa: PTH111, PTH118 - plain text
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - as above
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")  # noqa: PTH118 - as above
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")  # noqa: PTH118 - as above
    else:
        base = environ.get("XDG_CACHE_HOME") or ""
        if not os.path.isabs(base):  # noqa: PTH117 - the specification ignores relative values
            base = os.path.join(home, ".cache")  # noqa: PTH118 - as above
    return os.path.join(base, "pytest-envsync")  # noqa: PTH118 - as above


def temporary_cache() -> str:
    """Make a root for one run; whoever asked for it removes it."""
    from tempfile import mkdtemp

    return mkdtemp(prefix="envsync-")
