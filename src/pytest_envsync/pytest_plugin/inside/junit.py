"""One junit file of sessions that ran one after another and wrote the same file.

Only in the host interpreter.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class JunitFile:
    """What ``--junitxml PATH`` asks for; *path* None: it was not given."""

    def __init__(self, path: str | None, directory: str | os.PathLike[str]) -> None:
        self._path = Path(directory, os.path.expanduser(os.path.expandvars(path))) if path else None  # noqa: PTH111 - as pytest does
        self._suites: list[Element] = []
        self._before = self._written()

    def _written(self) -> int | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        # What was written into a pipe or a terminal is gone.
        return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else None

    def take(self) -> None:
        """Keep what a session wrote, if it did."""
        found = self._written()
        if self._path is None or found in {None, self._before}:
            return
        from xml.etree import ElementTree as ET

        self._before = found
        with suppress(ET.ParseError):  # a session that was killed while it wrote
            self._suites += ET.parse(self._path).getroot().iter("testsuite")  # noqa: S314 - pytest wrote it a moment ago

    def write(self) -> None:
        """Write the suites of all sessions into the file. Raises OSError."""
        if self._path is None or not self._suites:
            return
        from xml.etree import ElementTree as ET

        root = ET.Element("testsuites", {"name": "pytest tests"})
        root.extend(self._suites)
        ET.ElementTree(root).write(self._path, encoding="utf-8", xml_declaration=True)
