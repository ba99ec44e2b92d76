"""What the files of a run ask for, read with what the run has: its place, its variables, its way to read.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from pytest_envsync.true_paths import settled

if TYPE_CHECKING:
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.requirements import Requirements
    from pytest_envsync.target import Target


class Ground(Protocol):
    """Where files are read: the engine of a run, or whoever stands in for it.

    Paths that are named start at *cwd*, those of requirements at *root*; None: at *cwd* too.
    """

    @property
    def cwd(self) -> str:
        """The working directory, absolute."""

    @property
    def root(self) -> str | None:
        """Where the relative paths of requirements start."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables that ``${NAME}`` stands for."""

    def read(self, location: str, /) -> bytes:
        """Return the bytes of an absolute path, an address or ``-``."""


def read_input_files(files: Sequence[str], *, options: SyncOptions, target: Target, ground: Ground) -> Requirements:
    """Return what *files*, and the constraints, groups and extras of *options*, ask for on *target*.

    Raises InputError, and what *ground* raises while it reads.
    """
    from pytest_envsync.inputs.sources import read_requirements

    return read_requirements(
        files,
        options=options,
        target=target,
        read=ground.read,
        cwd=ground.cwd,
        environ=ground.environ,
        root=ground.root,
        settle=settled,
    )
