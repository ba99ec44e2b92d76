"""Where the paths of options, ini files and markers lead.

Standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os

from pytest_envsync.true_paths import settled


def absolute(path: str, directory: str) -> str:
    """Return *path* relative to *directory*, normalised; addresses stay as they are."""
    if "://" in path:
        return path
    return settled(os.path.join(directory, os.path.expanduser(path)))  # noqa: PTH111, PTH118 - plain text
