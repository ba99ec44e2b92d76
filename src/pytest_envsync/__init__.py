"""pytest sessions in environments that hold exactly what a lockfile says.

Importing the package imports nothing else: its names are found on first use (PEP 562).

PYTEST_DONT_REWRITE
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from pytest_envsync.changes import Changes as Changes
    from pytest_envsync.diff import Diff as Diff
    from pytest_envsync.errors import EnvsyncError as EnvsyncError
    from pytest_envsync.sync import sync as sync
    from pytest_envsync.synced_env import SyncedEnv as SyncedEnv
    from pytest_envsync.version import __version__ as __version__
else:
    ModuleType = type(sys)

__all__ = ["Changes", "Diff", "EnvsyncError", "SyncedEnv", "__version__", "sync"]

_PLACES = {
    "Changes": "changes",
    "Diff": "diff",
    "EnvsyncError": "errors",
    "SyncedEnv": "synced_env",
    "__version__": "version",
    "sync": "sync",
}


class _Package(ModuleType):
    """A package whose name ``sync`` is the function, also after the module ``sync`` was imported."""

    def __setattr__(self, name: str, value: object) -> None:
        # The import system binds each submodule in its package, over a function of that name.
        if name != "sync" or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


if not TYPE_CHECKING:
    # Hidden from type checkers, which then know that a name is none.

    def __getattr__(name: str) -> object:
        """Import the module that holds the public *name*, and return it."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*globals(), *__all__])
