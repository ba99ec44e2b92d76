"""Settings from files: ``[tool.envsync]``, and uv's as the reference reads them.

The project's ``pyproject.toml`` and ``uv.toml`` are looked for in a directory and its parents; the user's
and the machine's ``uv.toml`` follow. ``[tool.uv.pip]`` beats ``[tool.uv]``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_envsync.errors import UsageError
from pytest_envsync.options.table import OPTIONS
from pytest_envsync.options.values import from_python
from pytest_envsync.settings.configured_indexes import take_indexes
from pytest_envsync.settings.toml_files import TomlFiles
from pytest_envsync.settings.uv_files import UvConfiguration, parents
from pytest_envsync.settings.variables import Layer
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN_TABLES = frozenset({"environments"})
"""Keys of ``[tool.envsync]`` that are no options."""
_OF_TREES = frozenset({"cache-keys"})
"""Keys of ``[tool.envsync]`` that speak of the project as a source, and are read where it is built."""


class Configuration(NamedTuple):
    """What the configuration files say.

    *own*: of ``[tool.envsync]``. *uv*: the layers of uv's files, strongest first. *variables*: those that
    keys of these files stand for. *environments*: the table ``[tool.envsync.environments]`` and
    *base* the directory of its file. *looked_at*: every path that was opened or found missing, with its bytes or None.
    """

    own: Layer | None = None
    uv: tuple[Layer, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    environments: tuple[tuple[str, Any], ...] = ()
    base: str = ""
    warnings: tuple[str, ...] = ()
    looked_at: Mapping[str, bytes | None] = MappingProxyType({})


def read_configuration(start: str, environ: Mapping[str, str], *, config_file: str | None = None) -> Configuration:
    """Read the configuration for a run in the directory *start*.

    With *config_file* that ``uv.toml`` is the only file read. Raises UsageError for a file that
    cannot be read, and for a key of ``[tool.envsync]`` or ``uv.toml`` with a value it cannot have.
    """
    files = TomlFiles()
    own: Layer | None = None
    environments: tuple[tuple[str, Any], ...] = ()
    base = ""
    if config_file is not None:
        uv = UvConfiguration.of_file(config_file, files)
    else:
        own_table = _own_table(start, files)
        if own_table is not None:
            path, table = own_table
            own, base = _own_layer(path, table), os.path.dirname(path)  # noqa: PTH120 - plain text
            environments = tuple(table.get("environments", {}).items())
        uv = UvConfiguration.found(start, environ, files)
    return Configuration(
        own=own,
        uv=uv.layers,
        variables=tuple(uv.variables.items()),
        environments=environments,
        base=base,
        warnings=tuple(files.warnings),
        looked_at=files.looked_at,
    )


def _own_table(start: str, files: TomlFiles) -> tuple[str, dict[str, Any]] | None:
    """Return the nearest ``pyproject.toml`` with a ``[tool.envsync]``, and that table."""
    for directory in parents(start):
        path = os.path.join(directory, "pyproject.toml")  # noqa: PTH118 - plain text
        table = files.tool(path, "envsync")
        if table is not None:
            return path, table
    return None


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
        if key in _OF_TREES:
            continue
        if key not in spellings:
            known = [*spellings, *_OWN_TABLES, *_OF_TREES]
            raise UsageError(f"{origin}: unknown key `{key}`", hint=_nearest(key, known))
        option, meaning = spellings[key]
        place = f"{origin}: `{key}`"
        if option.name == "index" and isinstance(value, list):
            take_indexes(layer, value, origin, place)
            continue
        taken = from_python(option, value, place)
        layer.values[option.name] = taken is meaning if isinstance(taken, bool) else taken
        layer.origins[option.name] = origin
    return layer


def _nearest(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1)
    return f"did you mean `{near[0]}`?" if near else "the keys are the long options of `envsync sync --help`"
