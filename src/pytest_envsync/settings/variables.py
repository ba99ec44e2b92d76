"""Settings from environment variables: ``ENVSYNC_X``, and ``UV_X`` where the reference reads it.

Pure: is handed the variables.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envsync.options.table import BY_NAME, OPTIONS
from pytest_envsync.options.values import read_variable
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_envsync.options.option import Option, Value

_OLDER = {"NATIVE_TLS": "system_certs"}
"""Variables that the reference still reads under an older name."""


class Layer(NamedTuple):
    """Settings from one place.

    *values*: by the name of the option. *origins*: how to name the place of each, as in
    ``UV_INDEX_URL`` or ``pyproject.toml [tool.envsync]``. *base*: the directory that relative paths
    and addresses are relative to.
    """

    values: dict[str, Value]
    origins: dict[str, str]
    base: str


def read_variables(environ: Mapping[str, str], prefix: str, *, cwd: str, session: bool = False) -> Layer:
    """Return what the variables that begin with *prefix* (``ENVSYNC_`` or ``UV_``) say.

    With *session* the reference's variables for interpreter, place and link mode are not looked at.
    Raises UsageError for a value that the option cannot have.
    """
    layer = Layer({}, {}, cwd)
    is_uv = prefix == "UV_"
    for option in OPTIONS:
        if option.variable and (not is_uv or (option.uv and (option.session or not session))):
            _take(layer, option, prefix + option.variable, environ)
    if is_uv:
        for name, option_name in _OLDER.items():
            if option_name not in layer.values:
                _take(layer, BY_NAME[option_name], prefix + name, environ)
    return layer


def _take(layer: Layer, option: Option, name: str, environ: Mapping[str, str]) -> None:
    text = environ.get(name)
    if text is None:
        return
    value = read_variable(option, text, name)
    if value is not None:
        layer.values[option.name] = value
        layer.origins[option.name] = name
