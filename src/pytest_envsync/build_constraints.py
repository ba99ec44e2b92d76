"""What ``--build-constraints`` says: read when the inputs are, and kept for the builds.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envsync.input_files import read_input_files
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_envsync.engine import Engine
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.requirements import Requirements
    from pytest_envsync.target import Target


def read_build_constraints(options: SyncOptions, *, target: Target, engine: Engine) -> Requirements:
    """Read the files of ``--build-constraints`` as constraints. Raises InputError for what is not there or no line."""
    alone = replace(options, constraints=options.build_constraints, extras=(), all_extras=False, groups=())
    return read_input_files([], options=alone, target=target, ground=engine)


def check_build_limit(environ: Mapping[str, str]) -> None:
    """Raise UsageError for a time limit of builds that is none, whether anything is built or not."""
    if environ.get("ENVSYNC_BUILD_TIMEOUT"):
        from pytest_envsync.wheels.build.settings import build_timeout

        build_timeout(environ)
