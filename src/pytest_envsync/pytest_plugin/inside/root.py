"""Whether pytest found its root by the lock instead of the tests.

Before plugins are loaded pytest does not know that ``--envsync`` takes a value: in ``--envsync LOCK`` it takes LOCK for
a path with tests, and looks for the ini file and the root beside it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import inspect
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _pytest.config import findpaths

from pytest_envsync.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import pytest


def check_root(config: pytest.Config, options: argparse.Namespace, args: Sequence[str]) -> None:
    """Refuse a root or an ini file that only a lock's place led to. *options* are *args*, read with all plugins.

    Raises UsageError that shows the spelling which leaves no doubt.
    """
    parted = [value for option, value in pairwise(args) if option == "--envsync"]
    outside = [value for value in parted if Path(config.invocation_params.dir, value).exists()]
    if not outside:
        return
    root, ini = _settled(config, options)
    if root == config.rootpath and ini == config.inipath:
        return
    found = config.inipath or config.rootpath
    raise UsageError(
        f"pytest takes `{outside[0]}` for a path with tests, and its settings from `{found}`",
        hint=f"write `--envsync={outside[0]}`, in one word",
    )


def _settled(config: pytest.Config, options: argparse.Namespace) -> tuple[Path, Path | None]:
    """Return the root and the ini file that the paths with tests lead to."""
    given: dict[str, Any] = {
        "inifile": options.inifilename,
        "args": list(options.file_or_dir),
        "rootdir_cmd_arg": options.rootdir or None,
        "invocation_dir": config.invocation_params.dir,
        "override_ini": options.override_ini,
    }
    # Its parameters differ between the versions of pytest.
    wanted = inspect.signature(findpaths.determine_setup).parameters
    root, ini, *_ = findpaths.determine_setup(**{name: value for name, value in given.items() if name in wanted})
    return root, ini
