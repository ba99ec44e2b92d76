"""Commands that bring an interpreter of their own, and so import from somewhere else.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_START = 4096  # bytes in which a script says what runs it


def foreign_python(executable: str, places: Sequence[str]) -> str:
    """Return what runs *executable* when that is a Python of its own, and it lies in none of *places*; else empty.

    A script says so in its first line, or in its second one when the path was too long for the first. One that asks
    ``env`` for an interpreter gets the environment's. The shims of pyenv choose by themselves.
    """
    directory = os.path.dirname(executable)  # noqa: PTH120 - plain text
    if directory in places:
        return ""
    try:
        with open(executable, "rb") as file:  # noqa: PTH123 - plain text
            lines = file.read(_START).split(b"\n")
    except OSError:
        return ""
    if not lines[0].startswith(b"#!"):
        return ""
    if b"pyenv" in b"\n".join(lines[1:]) and os.path.basename(directory) == "shims":  # noqa: PTH119 - plain text
        return "pyenv"
    words = lines[0][2:].split()
    if words[:1] == [b"/bin/sh"] and len(lines) > 1 and lines[1].startswith(b"'''exec' "):
        started = lines[1].removeprefix(b"'''exec' ").strip()
        words = started[1:].split(b'"')[:1] if started.startswith(b'"') else started.split()[:1]
    interpreter = os.fsdecode(words[0]) if words else ""
    return interpreter if "python" in os.path.basename(interpreter) else ""  # noqa: PTH119 - plain text
