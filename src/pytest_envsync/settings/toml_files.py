"""TOML files of configuration: each is read once, and every look is noted.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import Any

from pytest_envsync.errors import UsageError


class TomlFiles:
    """The files of one run: what was looked at (path to its bytes, None for a file that is not there), and what was
    wrong that is no reason to stop.
    """

    def __init__(self) -> None:
        self.looked_at: dict[str, bytes | None] = {}
        self.warnings: list[str] = []
        self._tables: dict[str, dict[str, Any] | None] = {}

    def read(self, path: str, *, must_exist: bool = False, word: bytes = b"") -> dict[str, Any] | None:
        """Return the tables of *path*; None without the file, or without *word* in it.

        With *word* the file is one of several tools', and one that is no TOML is only warned of. Raises UsageError.
        """
        data = self._read_bytes(path, must_exist=must_exist)
        if data is None or word not in data:
            return None
        if path not in self._tables:
            self._tables[path] = self._parse(path, data, is_shared=bool(word))
        return self._tables[path]

    def tool(self, path: str, name: str) -> dict[str, Any] | None:
        """Return the table ``[tool.NAME]`` of the ``pyproject.toml`` at *path*, if there is one."""
        tool = (self.read(path, word=name.encode()) or {}).get("tool")
        table = tool.get(name) if isinstance(tool, dict) else None
        return table if isinstance(table, dict) else None

    def _read_bytes(self, path: str, *, must_exist: bool) -> bytes | None:
        if path in self.looked_at:
            return self.looked_at[path]
        self.looked_at[path] = data = None
        try:
            with open(path, "rb") as stream:  # noqa: PTH123 - plain text
                data = stream.read()
        except OSError as error:
            if must_exist or not isinstance(error, FileNotFoundError | NotADirectoryError):
                raise UsageError(f"`{path}` cannot be read: {error.strerror or error}") from error
        self.looked_at[path] = data
        return data

    def _parse(self, path: str, data: bytes, *, is_shared: bool) -> dict[str, Any] | None:
        import tomli

        try:
            return tomli.loads(data.decode("utf-8-sig"))
        except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
            if is_shared:
                self.warnings.append(f"`{path}` is not valid TOML and is ignored: {error}")
                return None
            raise UsageError(f"`{path}` is not valid TOML: {error}") from error
