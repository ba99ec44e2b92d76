"""Settings from pip's configuration: where nothing else says where files come from.

``pip.conf`` of the machine, the user, the environment and ``PIP_CONFIG_FILE``, then the variables
``PIP_INDEX_URL``, ``PIP_EXTRA_INDEX_URL``, ``PIP_FIND_LINKS``, ``PIP_CERT`` and so on: later ones win.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pytest_envsync.options.table import BY_NAME
from pytest_envsync.options.values import read_boolean
from pytest_envsync.settings.variables import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = {
    "index-url": "index_url",
    "extra-index-url": "extra_index_urls",
    "find-links": "find_links",
    "no-index": "no_index",
    "cert": "cert",
    "trusted-host": "allow_insecure_host",
}


def read_pip_configuration(environ: Mapping[str, str], *, cwd: str) -> tuple[Layer, dict[str, bytes | None]]:
    """Return what pip's configuration says, and the files that were looked at with their bytes (None: there is none).

    A file that cannot be read or parsed counts as absent: it is pip's to complain.
    """
    layer = Layer({}, {}, cwd)
    looked_at = {path: _read_file(path) for path in _files(environ)}
    for path, content in looked_at.items():
        for key, text in _keys(content or b"").items():
            _take(layer, key, text, path)
    for key in _KEYS:
        variable = f"PIP_{key.upper().replace('-', '_')}"
        if environ.get(variable):
            _take(layer, key, environ[variable], variable)
    if environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR"):
        # pip comes last, and these are everybody's.
        layer.values.pop("cert", None)
        layer.origins.pop("cert", None)
    return layer, looked_at


def _files(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return where pip keeps its configuration, weakest first."""
    join = os.path.join  # plain text
    home = environ.get("HOME", "")
    last = environ.get("PIP_CONFIG_FILE")
    if last == os.devnull:
        return ()
    prefix = environ.get("VIRTUAL_ENV") or sys.prefix
    if sys.platform == "win32":
        found = [join(environ.get("PROGRAMDATA", ""), "pip", "pip.ini"), join(home, "pip", "pip.ini")]
        found += [join(environ.get("APPDATA", ""), "pip", "pip.ini"), join(prefix, "pip.ini")]
    else:
        machine = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        found = [join(place, "pip", "pip.conf") for place in reversed(machine.split(":")) if place]
        found.append("/etc/pip.conf")
        if home:
            user = environ.get("XDG_CONFIG_HOME") or join(home, ".config")
            found += [join(home, ".pip", "pip.conf"), join(user, "pip", "pip.conf")]
        found.append(join(prefix, "pip.conf"))
    return (*found, *([last] if last else []))


def _read_file(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - plain text
            return stream.read()
    except OSError:
        return None


def _keys(content: bytes) -> dict[str, str]:
    """Return the keys of ``[global]``, overridden by those of ``[install]``."""
    if not content:
        return {}
    from configparser import Error, RawConfigParser

    parser = RawConfigParser()
    try:
        parser.read_string(content.decode("utf-8").replace("\r\n", "\n"))
    except (Error, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    return found


def _take(layer: Layer, key: str, text: str, origin: str) -> None:
    name = _KEYS.get(key)
    if name is None:
        return
    option = BY_NAME[name]
    if option.is_list:
        layer.values[name] = tuple(text.split())
    elif option.kind == "flag":
        layer.values[name] = read_boolean(text, f"{origin}: `{key}`")
    else:
        layer.values[name] = text.strip()
    layer.origins[name] = origin
