"""Settings from files: ``[tool.envsync]``, and uv's as the reference reads them.

The project's ``pyproject.toml`` and ``uv.toml`` are looked for in a directory and its parents; the user's
and the machine's ``uv.toml`` follow. ``[tool.uv.pip]`` beats ``[tool.uv]``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_envsync.errors import UsageError
from pytest_envsync.option_table import BY_NAME, OPTIONS
from pytest_envsync.option_values import from_python
from pytest_envsync.variables import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UV_NAMES = {
    "native-tls": "system_certs",
    "config-settings": "config_settings",
    "no-binary-package": "no_binary",
    "no-build-package": "only_binary",
}
"""Keys of uv's files that are spelled otherwise than the option."""

_UV_PIP_ONLY = frozenset({
    "python", "system", "break-system-packages", "target", "prefix", "only-binary", "strict", "extra", "all-extras",
    "group", "allow-empty-requirements", "python-version", "python-platform", "require-hashes", "verify-hashes",
})  # fmt: skip
_UV_TOP_ONLY = frozenset({
    "system-certs", "native-tls", "offline", "no-cache", "allow-insecure-host", "no-binary-package", "no-build-package",
    "require-build-hashes",
})  # fmt: skip
_UV_BOTH = frozenset({
    "index-url", "extra-index-url", "no-index", "find-links", "index-strategy", "keyring-provider", "resolution",
    "prerelease", "config-settings", "config-settings-package", "no-build-isolation", "no-build-isolation-package",
    "exclude-newer", "exclude-newer-package", "link-mode", "compile-bytecode", "no-sources", "no-sources-package",
    "reinstall", "reinstall-package", "no-build", "no-binary", "torch-backend",
})  # fmt: skip

_UV_VARIABLES = {
    "concurrent-downloads": "UV_CONCURRENT_DOWNLOADS",
    "concurrent-builds": "UV_CONCURRENT_BUILDS",
    "concurrent-installs": "UV_CONCURRENT_INSTALLS",
    "http-proxy": "HTTP_PROXY",
    "https-proxy": "HTTPS_PROXY",
    "no-proxy": "NO_PROXY",
}
"""Keys of uv's files that stand for an environment variable."""

_OWN_TABLES = frozenset({"environments"})
"""Keys of ``[tool.envsync]`` that are no options."""


class Configuration(NamedTuple):
    """What the configuration files say.

    *own*: of ``[tool.envsync]``. *uv*: the layers of uv's files, strongest first. *variables*: those that
    keys of these files stand for. *environments*: the table ``[tool.envsync.environments]`` and
    *base* the directory of its file. *looked_at*: every path that was opened or found missing.
    """

    own: Layer | None = None
    uv: tuple[Layer, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    environments: tuple[tuple[str, Any], ...] = ()
    base: str = ""
    warnings: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()


class _Reader:
    """Read TOML files; note what was looked at and what was wrong."""

    def __init__(self) -> None:
        self.looked_at: list[str] = []
        self.warnings: list[str] = []
        self._bytes: dict[str, bytes | None] = {}
        self._tables: dict[str, dict[str, Any] | None] = {}

    def read(self, path: str, *, must_exist: bool = False, word: bytes = b"") -> dict[str, Any] | None:
        """Return the tables of *path*; None without the file, or without *word* in it.

        With *word* the file is one of several tools', and one that is no TOML is only warned of.
        """
        data = self._read_bytes(path, must_exist=must_exist)
        if data is None or word not in data:
            return None
        if path not in self._tables:
            self._tables[path] = self._parse(path, data, is_shared=bool(word))
        return self._tables[path]

    def _read_bytes(self, path: str, *, must_exist: bool) -> bytes | None:
        if path in self._bytes:
            return self._bytes[path]
        self.looked_at.append(path)
        data = None
        try:
            with open(path, "rb") as stream:  # noqa: PTH123 - plain text
                data = stream.read()
        except OSError as error:
            if must_exist or not isinstance(error, FileNotFoundError | NotADirectoryError):
                raise UsageError(f"`{path}` cannot be read: {error.strerror or error}") from error
        self._bytes[path] = data
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


def read_configuration(start: str, environ: Mapping[str, str], *, config_file: str | None = None) -> Configuration:
    """Read the configuration for a run in the directory *start*.

    With *config_file* that ``uv.toml`` is the only file read. Raises UsageError for a file that
    cannot be read, and for a key of ``[tool.envsync]`` or ``uv.toml`` with a value it cannot have.
    """
    reader = _Reader()
    own: Layer | None = None
    environments: tuple[tuple[str, Any], ...] = ()
    base = ""
    tables: list[tuple[str, str, dict[str, Any]]] = []
    if config_file is not None:
        tables.append((config_file, config_file, reader.read(config_file, must_exist=True) or {}))
    else:
        own_table = _own_table(start, reader)
        if own_table is not None:
            path, table = own_table
            own, base = _own_layer(path, table), os.path.dirname(path)  # noqa: PTH120 - plain text
            environments = tuple(table.get("environments", {}).items())
        tables += _uv_tables(start, environ, reader)
    variables = {
        variable: str(table[key])
        for _, _, table in reversed(tables)
        for key, variable in _UV_VARIABLES.items()
        if key in table
    }
    layers = [_uv_layer(path, place, table, reader, pip=True) for path, place, table in tables]
    layers += [_uv_layer(path, place, table, reader, pip=False) for path, place, table in tables]
    return Configuration(
        own=own,
        uv=tuple(layers),
        variables=tuple(variables.items()),
        environments=environments,
        base=base,
        warnings=tuple(reader.warnings),
        looked_at=tuple(reader.looked_at),
    )


def _parents(start: str) -> Iterator[str]:
    """Yield *start* and its parents."""
    place = os.path.abspath(start)  # noqa: PTH100 - plain text; links are not followed
    while True:
        yield place
        parent = os.path.dirname(place)  # noqa: PTH120 - plain text
        if parent == place:
            return
        place = parent


def _own_table(start: str, reader: _Reader) -> tuple[str, dict[str, Any]] | None:
    """Return the nearest ``pyproject.toml`` with a ``[tool.envsync]``, and that table."""
    for directory in _parents(start):
        path = os.path.join(directory, "pyproject.toml")  # noqa: PTH118 - plain text
        tables = reader.read(path, word=b"envsync")
        table = _tool(tables, "envsync")
        if table is not None:
            return path, table
    return None


def _tool(tables: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    tool = (tables or {}).get("tool")
    table = tool.get(name) if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def _own_layer(path: str, table: Mapping[str, Any]) -> Layer:
    origin = f"{path} [tool.envsync]"
    spellings = {
        flag.removeprefix("--"): (option, True)
        for option in OPTIONS
        if option.key
        for flag in (option.key, *option.flags, *option.aliases)
    }
    spellings |= {
        flag.removeprefix("--"): (option, False) for option in OPTIONS if option.key for flag in option.inverse
    }
    layer = Layer({}, {}, os.path.dirname(path))  # noqa: PTH120 - plain text
    for key, value in table.items():
        if key in _OWN_TABLES:
            if not isinstance(value, dict):
                raise UsageError(f"{origin}: `{key}` must be a table")
            continue
        if key not in spellings:
            raise UsageError(f"{origin}: unknown key `{key}`", hint=_nearest(key, [*spellings, *_OWN_TABLES]))
        option, meaning = spellings[key]
        place = f"{origin}: `{key}`"
        if option.name == "index" and isinstance(value, list):
            _take_indexes(layer, value, origin, place)
            continue
        taken = from_python(option, value, place)
        layer.values[option.name] = taken is meaning if isinstance(taken, bool) else taken
        layer.origins[option.name] = origin
    return layer


def _nearest(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1)
    return f"did you mean `{near[0]}`?" if near else "the keys are the long options of `envsync sync --help`"


def _uv_tables(start: str, environ: Mapping[str, str], reader: _Reader) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (path, name of the place, table) of the project, the user and the machine."""
    found = []
    for directory in _parents(start):
        path = os.path.join(directory, "uv.toml")  # noqa: PTH118 - plain text
        tables = reader.read(path)
        if tables is not None:
            found.append((path, path, tables))
            _warn_hidden(directory, reader)
            break
        path = os.path.join(directory, "pyproject.toml")  # noqa: PTH118 - plain text
        table = _tool(reader.read(path, word=b"uv"), "uv")
        if table is not None:
            found.append((path, f"{path} [tool.uv]", table))
            break
    for path in _shared_files(environ):
        tables = reader.read(path)
        if tables is not None:
            found.append((path, path, tables))
    return found


def _warn_hidden(directory: str, reader: _Reader) -> None:
    """Name the keys of ``[tool.uv]`` that do not count because a ``uv.toml`` stands beside them."""
    path = os.path.join(directory, "pyproject.toml")  # noqa: PTH118 - plain text
    table = _tool(reader.read(path, word=b"uv"), "uv") or {}
    hidden = sorted((_UV_BOTH | _UV_TOP_ONLY | {"index", "pip"}).intersection(table))
    if hidden:
        reader.warnings.append(f"`{path}`: {', '.join(hidden)} in [tool.uv] do not count beside a `uv.toml`")


def _shared_files(environ: Mapping[str, str]) -> list[str]:
    """Return where the user's and the machine's ``uv.toml`` may be."""
    join = os.path.join  # plain text
    if sys.platform == "win32":
        places = [environ.get("APPDATA"), join(environ.get("SYSTEMDRIVE", "C:"), os.sep, "ProgramData")]
        return [join(place, "uv", "uv.toml") for place in places if place]
    home = environ.get("HOME")
    user = environ.get("XDG_CONFIG_HOME") or (join(home, ".config") if home else None)
    machine = [place for place in environ.get("XDG_CONFIG_DIRS", "").split(":") if place] or ["/etc/xdg"]
    candidates = [join(place, "uv", "uv.toml") for place in machine]
    system = next((path for path in candidates if os.path.isfile(path)), "/etc/uv/uv.toml")  # noqa: PTH113 - plain text
    return [*([join(user, "uv", "uv.toml")] if user else []), system]


def _uv_layer(path: str, place: str, table: Mapping[str, Any], reader: _Reader, *, pip: bool) -> Layer:
    origin = f"{place}.pip" if pip and not place.endswith("]") else f"{place[:-1]}.pip]" if pip else place
    layer = Layer({}, {}, os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH120 - plain text
    inner = table.get("pip", {}) if pip else table
    if not isinstance(inner, dict):
        return layer
    allowed = _UV_BOTH | (_UV_PIP_ONLY if pip else _UV_TOP_ONLY) | {"index"}
    for key in filter(allowed.__contains__, inner):
        mistake = _take_uv_key(layer, key, inner[key], origin)
        if mistake is None:
            continue
        if not path.endswith("pyproject.toml"):
            raise mistake
        # As the reference: a mistake in a table that belongs to another tool is no reason to stop.
        reader.warnings.append(f"{mistake} (ignored)")
    return layer


def _take_uv_key(layer: Layer, key: str, value: Any, origin: str) -> UsageError | None:
    try:
        if key == "index" and isinstance(value, list):
            _take_indexes(layer, value, origin, f"{origin}: `{key}`")
        else:
            _take_uv(layer, key, value, origin)
    except UsageError as error:
        return error
    return None


def _take_uv(layer: Layer, key: str, value: Any, origin: str) -> None:
    name = _UV_NAMES.get(key) or _BY_KEY[key]
    option = BY_NAME[name]
    if option.is_list and isinstance(value, bool):
        # no-binary = true at the top of uv's settings means every project.
        value = [":all:"] if value else []
    taken = from_python(option, value, f"{origin}: `{key}`")
    before = layer.values.get(name)
    layer.values[name] = (*before, *taken) if isinstance(before, tuple) and isinstance(taken, tuple) else taken
    layer.origins[name] = origin


_BY_KEY = {option.key: option.name for option in OPTIONS if option.key}


def _take_indexes(layer: Layer, rows: list[Any], origin: str, place: str) -> None:
    """Take the rows of an ``index`` array: texts, or tables as in ``[[tool.uv.index]]``.

    An explicit index serves only projects that a source tree pins to it; no input of a sync does.
    """
    indexes: list[str] = []
    pages: list[str] = []
    for row in rows:
        if isinstance(row, str):
            indexes.append(row)
            continue
        if not isinstance(row, dict) or not isinstance(row.get("url"), str):
            raise UsageError(f"{place}: expected an address, or a table with a `url`")
        text = f"{row['name']}={row['url']}" if isinstance(row.get("name"), str) else row["url"]
        if row.get("format") == "flat":
            pages.append(row["url"])
        elif row.get("default") and "default_index" not in layer.values:
            layer.values["default_index"] = text
            layer.origins["default_index"] = origin
        elif not row.get("explicit"):
            indexes.append(text)
    for name, items in (("index", indexes), ("find_links", pages)):
        if items:
            before = layer.values.get(name)
            layer.values[name] = (*(before if isinstance(before, tuple) else ()), *items)
            layer.origins[name] = origin
