"""See to it that pytest finds its root by the tests, not by the values of our options.

Before plugins are loaded pytest does not know that ``--envsync`` takes a value: in ``--envsync LOCK`` it takes LOCK for
a path with tests, and looks for the ini file and the root beside it. What came of that is thrown away: pytest starts
once more, with ``--envsync=LOCK``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.config import findpaths

from pytest_envsync.pytest_plugin.command_line import joined
from pytest_envsync.pytest_plugin.inside import way
from pytest_envsync.pytest_plugin.session.silence import silence

if TYPE_CHECKING:
    import argparse

_ADDED = "PYTEST_ADDOPTS"


def start_again(
    config: pytest.Config, parser: pytest.Parser, args: list[str], options: argparse.Namespace, form: way.Form
) -> int | None:
    """Run the session anew where the values of our options led pytest to another root or ini file.

    None: all is as it should be. Else the status of the session, where the process is not replaced. *options* are the
    command line, read with all plugins.
    """
    given = [os.fspath(arg) for arg in config.invocation_params.args]
    words = joined(given)
    added = _joined_text(os.environ.get(_ADDED, ""))
    if words == given and added is None:
        return None
    if added is not None:
        # For the session inside as well, which reads it again.
        os.environ[_ADDED] = added
    if _settled(config, options) == (config.rootpath, config.inipath):
        return None
    plugins = config.invocation_params.plugins
    if way.owns_process(form) and not plugins and sys.orig_argv[len(sys.orig_argv) - len(given) :] == given:
        own = sys.orig_argv[1 : len(sys.orig_argv) - len(given)]
        way.replace_process([sys.executable, *own, *words], os.environ)
    status = pytest.main(words, plugins)
    silence(config, parser, args)
    return int(status)


def _joined_text(text: str) -> str | None:
    """Return the options of a variable with our values in one word each; None when they are already."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None  # pytest will say so
    found = joined(words)
    return shlex.join(found) if found != words else None


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
