"""What fixtures and the end of a session need to know: where the engine is, and what goes without saying.

Plain values, which travel in the guard file. Runs inside session environments: standard library only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_envsync.values import NamedTuple


class Surroundings(NamedTuple):
    """Plain values, so that they travel as JSON.

    *host* is the interpreter that has the engine, *host_environ* the variables it was started with (None: not set).
    *python_name* is what an id calls the interpreter that counts where a marker names none (``py3.12``).
    *files* are the lockfiles of ``synced_env`` when a marker names none, *python*, *extras* and *groups* what goes
    with them. *line* and *ini* are what the command line and the ini file say to the engine.
    *declared* are the declared environments; *option_shapes* what a marker may give to the engine:
    kind and values by name.
    """

    host: str
    python_name: str
    host_environ: dict[str, str | None]
    cache_dir: str
    rootdir: str
    directory: str
    files: list[str]
    python: str | None
    extras: list[str]
    groups: list[str]
    line: dict[str, Any]
    ini: dict[str, Any]
    declared: dict[str, dict[str, Any]]
    option_shapes: dict[str, list[str]]
    drift: str
    drift_ignore: list[str]
    trace: bool
    report: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the values as JSON."""
        return self._asdict()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Surroundings:
        """Rebuild what ``as_dict`` gave."""
        return cls(**values)
