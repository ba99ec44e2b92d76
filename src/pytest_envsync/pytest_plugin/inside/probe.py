"""Whether pytest can run in an environment: tried once, before a session is sent there.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.errors import EnvsyncError
from pytest_envsync.patterns import pattern

if TYPE_CHECKING:
    from pytest_envsync.pytest_plugin.inside.provision import Provided

TIME_LIMIT = 60
"""Seconds; an interpreter that takes longer to import pytest is of no use."""

_IMPORTS = ("pytest", "_pytest.config", "pytest_envsync.pytest_plugin.hooks")
_NEEDED = {"pluggy", "iniconfig", "packaging", "exceptiongroup", "tomli", "typing-extensions", "pygments"}
_NO_XDIST = pattern(r"No module named '(execnet|xdist)'")


def check_hosting(provided: Provided, *, as_worker: bool = False) -> None:
    """Raise EnvsyncError when pytest cannot be imported in *provided*.

    A lone session is tried only where lock and overlay are mixed, or the lock is not complete: elsewhere the
    session itself tells as much. *as_worker*: also what a worker of xdist needs, and always.
    """
    brought = provided.overlay.distributions
    is_mixed = bool(brought) and not _NEEDED.isdisjoint(provided.environment.packages)
    if not (as_worker or is_mixed or provided.environment.missing):
        return
    key = f"{provided.environment.key}-{provided.overlay.digest}{'-worker' if as_worker else ''}"
    stamp = provided.cache_dir / "probes" / key
    if stamp.exists():
        return
    modules = [*_IMPORTS, *(("execnet", "xdist") if as_worker else ())]
    problem = _problem(provided, f"import {', '.join(modules)}")
    if problem is not None:
        held = ", ".join(
            f"{name} {version}" for name, version in provided.environment.packages.items() if _matters(name)
        )
        if as_worker and _NO_XDIST.search(problem):
            raise EnvsyncError(
                f"{', '.join(provided.environment.files)} holds no pytest-xdist, and none is brought: {problem}",
                hint="add pytest-xdist to the lock, or have the environments take turns with -p no:xdist",
                exit_status=1,
            )
        raise EnvsyncError(
            f"{', '.join(provided.environment.files)} cannot host pytest {provided.overlay.pytest}: {problem}"
            + (f" (the lock holds {held})" if held else ""),
            hint="lock pytest together with the rest, in versions that fit each other, or run with --no-envsync",
            exit_status=1,
        )
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()


def _matters(name: str) -> bool:
    return name in _NEEDED or name == "pytest"


def _problem(provided: Provided, code: str) -> str | None:
    """Run *code* in the environment; return what was wrong with it."""
    environ = {name: value for name, value in provided.environ.items() if name != "ENVSYNC_SESSION"}
    try:
        result = subprocess.run(
            [provided.environment.python, "-c", code],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env=environ,
            timeout=TIME_LIMIT,
            cwd=Path(provided.environment.path),
        )
    except subprocess.TimeoutExpired:
        return f"it was not imported within {TIME_LIMIT} s"
    except OSError as error:
        return str(error)
    if result.returncode == 0:
        return None
    lines = result.stderr.strip().splitlines()
    return lines[-1] if lines else f"the interpreter ended with status {result.returncode}"
