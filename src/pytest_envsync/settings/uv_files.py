"""Settings from uv's files: ``uv.toml`` and ``[tool.uv]`` of ``pyproject.toml``, as the reference reads them.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from pytest_envsync.addresses import is_url
from pytest_envsync.errors import UsageError
from pytest_envsync.options.table import BY_NAME, OPTIONS
from pytest_envsync.options.values import from_python, read_switch
from pytest_envsync.settings.build_tables import read_build_table
from pytest_envsync.settings.configured_indexes import take_indexes
from pytest_envsync.settings.variables import Layer
from pytest_envsync.true_paths import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_envsync.options.option import Option
    from pytest_envsync.settings.toml_files import TomlFiles

_NAMES = {
    "native-tls": "system_certs",
    "config-settings": "config_settings",
    "no-binary-package": "no_binary",
    "no-build-package": "only_binary",
}
"""Keys that are spelled otherwise than the option."""

_PIP_ONLY = frozenset({
    "python", "system", "break-system-packages", "target", "prefix", "only-binary", "strict", "extra", "all-extras",
    "group", "allow-empty-requirements", "python-version", "python-platform", "require-hashes", "verify-hashes",
})  # fmt: skip
_TOP_ONLY = frozenset({
    "system-certs", "native-tls", "offline", "no-cache", "allow-insecure-host", "no-binary-package", "no-build-package",
    "index",
})  # fmt: skip
_BOTH = frozenset({
    "index-url", "extra-index-url", "no-index", "find-links", "index-strategy", "keyring-provider", "resolution",
    "prerelease", "config-settings", "config-settings-package", "no-build-isolation", "no-build-isolation-package",
    "exclude-newer", "exclude-newer-package", "link-mode", "compile-bytecode", "no-sources", "no-sources-package",
    "reinstall", "reinstall-package", "no-build", "no-binary", "torch-backend", "require-build-hashes",
    "extra-build-dependencies", "extra-build-variables", "dependency-metadata",
})  # fmt: skip

_WITHOUT_EFFECT = frozenset({
    "required-version", "cache-dir", "preview", "preview-features", "python-preference", "python-downloads",
    "concurrent-downloads", "concurrent-builds", "concurrent-installs", "http-proxy", "https-proxy", "no-proxy",
    "prerelease-package", "fork-strategy", "upgrade", "upgrade-package", "python-install-mirror",
    "pypy-install-mirror", "graalpy-install-mirror", "pyodide-install-mirror", "python-downloads-json-url",
    "publish-url", "trusted-publishing", "check-url", "add-bounds", "audit", "pip", "cache-keys",
    "override-dependencies", "exclude-dependencies", "constraint-dependencies", "build-constraint-dependencies",
})  # fmt: skip
"""Keys of the top that say nothing about what a sync installs, or are read elsewhere."""
_PIP_WITHOUT_EFFECT = frozenset({
    "no-extra", "no-deps", "fork-strategy", "output-file", "no-strip-extras", "no-strip-markers", "no-annotate",
    "no-header", "custom-compile-command", "generate-hashes", "universal", "no-emit-package", "emit-index-url",
    "emit-find-links", "emit-build-options", "emit-marker-expression", "emit-index-annotation", "annotation-style",
    "upgrade", "upgrade-package",
})  # fmt: skip
_PROJECT_ONLY = frozenset({
    "workspace", "sources", "managed", "package", "default-groups", "dependency-groups", "dev-dependencies",
    "build-backend", "conflicts", "environments", "required-environments", "minimum-libc-version",
})  # fmt: skip
"""Keys that only ``pyproject.toml`` may have."""

_VARIABLES = {
    "concurrent-downloads": "UV_CONCURRENT_DOWNLOADS",
    "concurrent-builds": "UV_CONCURRENT_BUILDS",
    "concurrent-installs": "UV_CONCURRENT_INSTALLS",
    "http-proxy": "ENVSYNC_HTTP_PROXY",
    "https-proxy": "ENVSYNC_HTTPS_PROXY",
    "no-proxy": "ENVSYNC_NO_PROXY",
}
"""Keys that stand for an environment variable."""

_BUILD_TABLES = frozenset({"extra-build-dependencies", "extra-build-variables", "dependency-metadata"})
_BY_KEY = {option.key: option.name for option in OPTIONS if option.key}


def parents(start: str) -> Iterator[str]:
    """Yield *start*, absolute, and its parents."""
    place = resolved(start)
    while True:
        yield place
        parent = os.path.dirname(place)  # noqa: PTH120 - plain text
        if parent == place:
            return
        place = parent


class UvConfiguration:
    """What uv's files say for a run in one directory.

    *layers*, strongest first: what is said for ``uv pip`` of all files, then what is said for all of uv.
    *variables* are those that keys stand for.
    """

    def __init__(self, tables: list[tuple[str, str, dict[str, Any]]], files: TomlFiles) -> None:
        self._files = files
        for path, _, table in tables:
            self._check_keys(path, table)
        self.variables = {
            variable: text
            for path, place, table in reversed(tables)
            for key, variable in _VARIABLES.items()
            if (text := self._variable(path, place, key, table.get(key))) is not None
        }
        self.layers = tuple(
            self._layer(path, place, table, pip=pip) for pip in (True, False) for path, place, table in tables
        )

    @classmethod
    def found(cls, start: str, environ: Mapping[str, str], files: TomlFiles) -> UvConfiguration:
        """Return what the nearest file of the directory *start* or its parents says, the user's and the machine's.

        Raises UsageError for a ``uv.toml`` that says what it cannot.
        """
        return cls(_tables(start, environ, files), files)

    @classmethod
    def of_file(cls, path: str, files: TomlFiles) -> UvConfiguration:
        """Return what the one ``uv.toml`` at *path* says. Raises UsageError."""
        return cls([(path, path, files.read(path, must_exist=True) or {})], files)

    def _check_keys(self, path: str, table: Mapping[str, Any]) -> None:
        """Refuse keys of a ``uv.toml`` that uv does not have; name those of a ``pyproject.toml``."""
        is_shared = path.endswith("pyproject.toml")
        address = table.get("publish-url")
        if address is not None and not is_shared and not (isinstance(address, str) and is_url(address)):
            raise UsageError(f"{path}: `publish-url` must be an address, found {address!r}")
        allowed = _BOTH | _TOP_ONLY | _WITHOUT_EFFECT | (_PROJECT_ONLY if is_shared else frozenset())
        inner = table.get("pip", {})
        allowed_inner = _BOTH | _PIP_ONLY | _PIP_WITHOUT_EFFECT
        unknown = [(key, key, allowed) for key in table if key not in allowed]
        if isinstance(inner, dict):
            unknown += [(key, f"pip.{key}", allowed_inner) for key in inner if key not in allowed_inner]
        elif not is_shared:
            raise UsageError(f"{path}: `pip` must be a table")
        for key, shown, known in unknown:
            if is_shared:
                self._files.warnings.append(f"{path} [tool.uv]: unknown key `{shown}` (ignored)")
            elif key in _PROJECT_ONLY:
                raise UsageError(f"{path}: `{shown}` belongs into `[tool.uv]` of a `pyproject.toml`")
            else:
                raise UsageError(f"{path}: unknown key `{shown}`", hint=_advice(key, known))

    def _variable(self, path: str, place: str, key: str, value: object) -> str | None:
        """Return the value of the variable that *key* stands for; None if the file does not say it, or wrongly."""
        if value is None:
            return None
        if key == "no-proxy":
            is_right = isinstance(value, list) and all(isinstance(one, str) for one in value)
        elif key.endswith("-proxy"):
            is_right = isinstance(value, str) and value != ""
        else:
            is_right = type(value) is int and value > 0
        if is_right:
            return ",".join(value) if isinstance(value, list) else str(value)
        expected = {"no-proxy": "a list of hosts", "http-proxy": "an address", "https-proxy": "an address"}
        mistake = f"{place}: `{key}` must be {expected.get(key, 'a number above 0')}"
        if not path.endswith("pyproject.toml"):
            raise UsageError(mistake)
        self._files.warnings.append(f"{mistake} (ignored)")
        return None

    def _layer(self, path: str, place: str, table: Mapping[str, Any], *, pip: bool) -> Layer:
        origin = f"{place}.pip" if pip and not place.endswith("]") else f"{place[:-1]}.pip]" if pip else place
        layer = Layer({}, {}, os.path.dirname(resolved(path)))  # noqa: PTH120 - plain text
        inner = table.get("pip", {}) if pip else table
        allowed = _BOTH | (_PIP_ONLY if pip else _TOP_ONLY)
        for key in filter(allowed.__contains__, inner if isinstance(inner, dict) else ()):
            mistake = _mistake(layer, key, inner[key], origin)
            if mistake is not None and not path.endswith("pyproject.toml"):
                raise mistake
            if mistake is not None:
                # A mistake in a table that belongs to another tool is no reason to stop.
                self._files.warnings.append(f"{mistake} (ignored)")
        return layer


def _mistake(layer: Layer, key: str, value: Any, origin: str) -> UsageError | None:
    """Take a key into *layer*, or return what is wrong with it."""
    try:
        _take(layer, key, value, origin)
    except UsageError as error:
        return error
    return None


def _advice(key: str, known: frozenset[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, sorted(known), n=1)
    return f"did you mean `{near[0]}`?" if near else "if a newer uv has it, pass --no-config and give the settings here"


def _take(layer: Layer, key: str, value: Any, origin: str) -> None:
    place = f"{origin}: `{key}`"
    if key == "index":
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise UsageError(f"{place}: expected a list of tables, `[[index]]`")
        take_indexes(layer, value, origin, place)
        return
    if key in _BUILD_TABLES:
        try:
            items = read_build_table(key, value)
        except ValueError as error:
            raise UsageError(f"{place}: {error}") from error
        name = key.replace("-", "_")
        kept = layer.values.get(name)
        layer.values[name] = (*(kept if isinstance(kept, tuple) else ()), *items)
        layer.origins[name] = origin
        return
    option = BY_NAME[_NAMES.get(key) or _BY_KEY[key]]
    if option.is_list and isinstance(value, bool):
        # no-binary = true at the top of uv's settings means every project.
        value = [":all:"] if value else []
    _check_texts(option, value, place)
    taken = from_python(option, value, place)
    before = layer.values.get(option.name)
    layer.values[option.name] = (*before, *taken) if isinstance(before, tuple) and isinstance(taken, tuple) else taken
    layer.origins[option.name] = origin


def _check_texts(option: Option, value: Any, place: str) -> None:
    """Refuse numbers and dates of TOML where uv wants texts, and what is no date for ``exclude-newer``. UsageError."""
    if option.is_list and isinstance(value, str):
        raise UsageError(f"{place}: expected a list of texts, found {value!r}")
    texts = value if isinstance(value, list) else [value]
    if option.name == "exclude_newer_package" and isinstance(value, dict):
        texts = list(value.values())
    for text in texts:
        if not isinstance(text, str | bool | dict):
            raise UsageError(f"{place}: expected a text, found {text}")
    if option.name in {"exclude_newer", "exclude_newer_package"}:
        from datetime import datetime, timezone

        from pytest_envsync.wheels.choice.cutoff import parse_cutoff

        for text in texts:
            if isinstance(text, str) and "=" not in text:
                try:
                    parse_cutoff(text, now=datetime.now(timezone.utc))
                except UsageError as error:
                    raise UsageError(f"{place}: {error}", hint=error.hint) from error


def _tables(start: str, environ: Mapping[str, str], files: TomlFiles) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (path, name of the place, table) of the project, the user and the machine."""
    found = []
    for directory in parents(start):
        path = os.path.join(directory, "uv.toml")  # noqa: PTH118 - plain text
        tables = files.read(path)
        if tables is not None:
            found.append((path, path, tables))
            _warn_hidden(directory, files)
            break
        path = os.path.join(directory, "pyproject.toml")  # noqa: PTH118 - plain text
        table = files.tool(path, "uv")
        if table is not None:
            found.append((path, f"{path} [tool.uv]", table))
            break
    for path in _shared_files(environ):
        tables = files.read(path)
        if tables is not None:
            found.append((path, path, tables))
    return found


def _warn_hidden(directory: str, files: TomlFiles) -> None:
    """Name the keys of ``[tool.uv]`` that do not count because a ``uv.toml`` stands beside them."""
    path = os.path.join(directory, "pyproject.toml")  # noqa: PTH118 - plain text
    hidden = sorted((_BOTH | _TOP_ONLY | {"pip"}).intersection(files.tool(path, "uv") or {}))
    if hidden:
        files.warnings.append(f"`{path}`: {', '.join(hidden)} in [tool.uv] do not count beside a `uv.toml`")


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
    return [
        *([join(user, "uv", "uv.toml")] if user else []),
        *([] if read_switch(environ, "NO_SYSTEM_CONFIG") else [system]),
    ]
