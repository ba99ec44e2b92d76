"""The commands of a distribution: which names are allowed, and what stands in their files.

Sources: PEP 427 (``#!python`` of data scripts), the entry points specification, and the rules of the
reference for first lines, reserved names and pip's own commands.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pytest_envsync.environment.pyvenv_cfg import read_pyvenv_cfg
from pytest_envsync.errors import InstallError
from pytest_envsync.patterns import pattern
from pytest_envsync.record import EntryPoint
from pytest_envsync.target import Target

_RESERVED = pattern(r"(?:python|pythonw|python3|graalpy|pypy|pypy2|pypy3|pythonw?3\.[0-9]+t?)\Z", re.ASCII)
_PIP_FOR = pattern(r"pip3\.(?:1?[0-9]?[0-9]|2[0-4][0-9]|25[0-5])\Z", re.ASCII)
_LONGEST_FIRST_LINE = 127  # bytes the oldest kernels still read, the newline not counted


def check_script_name(name: str, project: str) -> str | None:
    """Return a warning about a script's *name*, or None.

    Raises InstallError for a name that would replace an interpreter of the environment, and for one
    that is no plain file name.
    """
    if not name or name in {".", ".."} or "/" in name or "\\" in name or "\0" in name:
        raise InstallError(f"`{project}` brings a script named `{name}`, which is no file name")
    stem = name.lower()
    for suffix in (".exe", ".py"):
        stem = stem.removesuffix(suffix)
    if _RESERVED.match(stem):
        raise InstallError(
            f"`{project}` brings a script named `{name}`, a name that is reserved for the interpreter",
            hint=f"the wheel cannot be installed as it is; tell the authors of `{project}`",
        )
    if stem.partition(".")[0] in {"activate", "activate_this"}:
        return f"`{project}` brings a script named `{name}`, which replaces the environment's own"
    return None


def first_line(python: str) -> bytes:
    """Return the line (or lines) that lets a file be run by the interpreter *python*.

    A path that is too long for the kernel, or has a space in it, goes through the shell, in text that
    Python takes for a string. A bare name is that of an interpreter beside the file, wherever both are moved to.
    """
    path = os.fsencode(python)
    if not os.path.dirname(python):
        place = b'"$(dirname -- "$(realpath -- "$0")")"'
        return b"#!/bin/sh\n'''exec' " + place + b"/'" + path + b"' \"$0\" \"$@\"\n' '''\n"
    if len(path) + 2 <= _LONGEST_FIRST_LINE and b" " not in path:
        return b"#!" + path + b"\n"
    quoted = path.replace(b"'", b"'\"'\"'")
    return b"#!/bin/sh\n'''exec' '" + quoted + b"' \"$0\" \"$@\"\n' '''\n"


def command_interpreter(target: Target) -> str:
    """Return the interpreter that commands at *target* name: by its name alone in an environment that may be moved."""
    settings = read_pyvenv_cfg(target.prefix) if target.is_virtual and os.name != "nt" else None
    if (settings or {}).get("relocatable", "").lower() == "true":
        return os.path.basename(target.python)
    return target.python


def wrapper(point: EntryPoint, python: str) -> bytes:
    """Return the text of the command that an entry point asks for."""
    attribute = point.attribute.partition(".")[0]
    body = (
        f"# -*- coding: utf-8 -*-\n"
        f"import sys\n"
        f"\n"
        f"from {point.module} import {attribute}\n"
        f"\n"
        f'if __name__ == "__main__":\n'
        f'    for ending in ("-script.pyw", ".exe"):\n'
        f"        if sys.argv[0].endswith(ending):\n"
        f"            sys.argv[0] = sys.argv[0][: -len(ending)]\n"
        f"            break\n"
        f"    sys.exit({point.attribute}())\n"
    )
    return first_line(python) + body.encode("utf-8")


def generate_commands(
    points: Mapping[str, tuple[EntryPoint, ...]], *, python: str, minor: str, machine: str
) -> dict[str, bytes]:
    """Return file name to content for the entry points of one distribution.

    *points* is what ``parse_entry_points`` gives, *minor* the interpreter's version (``3.11``), *machine* its
    processor: on Windows it chooses among the launchers of the ``installer`` library.
    """
    commands: dict[str, bytes] = {}
    for section, entries in points.items():
        for point in entries if section == "gui_scripts" else _own_names(entries, minor):
            if os.name == "nt":
                name, content = _launcher(point, section, python, machine)
            else:
                name, content = point.name, wrapper(point, python)
            commands[name] = content
    return commands


def _own_names(entries: tuple[EntryPoint, ...], minor: str) -> list[EntryPoint]:
    """Return the console commands; of pip's versioned ones the one that fits the interpreter.

    A wheel names the version of the interpreter that built it. As in the reference the name of the command
    decides, not that of the project.
    """
    named = [point for point in entries if not _PIP_FOR.match(point.name)]
    return named + [point._replace(name=f"pip{minor}") for point in named if point.name == "pip3"]


def _launcher(point: EntryPoint, section: str, python: str, machine: str) -> tuple[str, bytes]:
    from typing import Literal

    from installer.scripts import Script

    kinds: dict[str, Literal["win-amd64", "win-arm64", "win-arm", "win-ia32"]]
    kinds = {"amd64": "win-amd64", "x86_64": "win-amd64", "arm64": "win-arm64", "arm": "win-arm"}
    script = Script(point.name, point.module, point.attribute, "gui" if section == "gui_scripts" else "console")
    return script.generate(python, kinds.get(machine.lower(), "win-ia32"))


def is_placeholder(start: bytes) -> bool:
    """Whether a data script that begins with *start* asks for the interpreter's path (PEP 427)."""
    return start.startswith(b"#!python")


def fill_placeholder(content: bytes, python: str) -> bytes:
    """Return a data script with its first line replaced by that of the interpreter."""
    _, newline, rest = content.partition(b"\n")
    return first_line(python) + rest if newline else first_line(python)


def same_command(filename: str) -> str:
    """Return the name under which a data script and an entry point are one command."""
    for suffix in (".exe", "-script.py", ".pya"):
        if filename.lower().endswith(suffix):
            return filename[: -len(suffix)]
    return filename
