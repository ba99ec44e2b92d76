"""Import the modules of this package as Python does.

pytest takes them for modules whose assertions are to be rewritten, because they were installed with a plugin: for each
it reads the source, computes its hash, and keeps bytecode of its own. None of ours wants that.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_BELOW = "pytest_envsync."


class _Plain:
    """Finds modules of this package before pytest does."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of a module of ours; None leaves a name to the next finder."""
        return PathFinder.find_spec(name, path, target) if name.startswith(_BELOW) else None


def import_plainly() -> None:
    """Have the modules of this package imported as Python does, from now on in this process."""
    if _Plain not in sys.meta_path:
        sys.meta_path.insert(0, _Plain)
