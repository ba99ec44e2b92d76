"""Start a session whose pytest lives in the lock alone: ``envsync run --pytest``.

pytest imports the plugins that ``-p``, ``PYTEST_PLUGINS`` and ``addopts`` name before any hook of ours, so a plugin
that only the lock has would end the session here. The host's pytest is run all the same, because it knows
where rootdir and the ini file are; it takes an empty module for a plugin that it does not find.

Only in the host interpreter.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from pytest_envsync.pytest_plugin.command_line import joined

_ANSWERED_HERE = {"-h", "--help", "-V", "-VV", "--version"}
"""Options that pytest answers before it comes to us."""

_inner: list[str] | None = None


def inner_command_line() -> list[str] | None:
    """Return the command line for inside, when the session was started here; None elsewhere."""
    return _inner


def run_pytest(words: Sequence[str], arguments: Sequence[str]) -> int:
    """Run the session that ``pytest WORDS ARGUMENTS`` would be, but for plugins that only the lock has.

    *words* are options of this plugin, *arguments* are pytest's. Returns the status where the process is not replaced.
    """
    global _inner  # noqa: PLW0603 - handed past pytest, which has no place for it
    # In one word each: else pytest takes their values for paths with tests.
    words, arguments = joined(words), joined(arguments)
    _inner = [*(word for word in words if word.startswith("--envsync-")), *arguments]
    return main([*words, *(argument for argument in arguments if argument not in _ANSWERED_HERE)])


def main(words: Sequence[str]) -> int:
    """Run the host's pytest, which is to move elsewhere, and take an empty module for a plugin that is not here."""
    sys.meta_path.append(_MissingPlugins())
    return int(pytest.main(["-o", "required_plugins=", *words]))


class _MissingPlugins:
    """Finds an empty module for a plugin that pytest asks for and that is not here."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002 - importlib's signature
        """Return a spec when pytest itself wants a plugin of that name."""
        return ModuleSpec(name, self, is_package=True) if _is_wanted_as_plugin(name) else None  # type: ignore[arg-type]  # as above

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG002 - importlib's signature
        """Leave it to importlib."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""


def _is_wanted_as_plugin(name: str) -> bool:
    frame = sys._getframe()  # noqa: SLF001 - the only way to see who asks
    while frame is not None:
        if frame.f_code.co_name == "import_plugin" and frame.f_globals.get("__name__") == "_pytest.config":
            wanted = str(frame.f_locals.get("importspec", ""))
            return wanted == name or wanted.startswith(f"{name}.")
        if frame.f_back is None:
            break
        frame = frame.f_back
    return False
