"""Variables of uv that have no option here, and are refused all the same when they are malformed, as uv does it.

A typing error in one is a mistake of whoever set it, and a script that stops there stops here too. Some say something
to a sync and are read where that counts; the others say nothing to one.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envsync.errors import UsageError
from pytest_envsync.options.values import is_name, read_boolean

if TYPE_CHECKING:
    from collections.abc import Mapping

_SWITCHES = (
    "DEV", "FROZEN", "HIDE_BUILD_OUTPUT", "INIT_BARE", "ISOLATED", "LOCKED", "LOG_CONTEXT", "MALWARE_CHECK",
    "MANAGED_PYTHON", "NO_DEV", "NO_EDITABLE", "NO_ENV_FILE", "NO_INSTALL_LOCAL", "NO_INSTALL_PROJECT",
    "NO_INSTALL_WORKSPACE", "NO_MANAGED_PYTHON", "NO_SYNC", "NO_SYSTEM_CONFIG", "ONLY_INSTALL_LOCAL",
    "ONLY_INSTALL_PROJECT", "ONLY_INSTALL_WORKSPACE", "PREVIEW", "PYTHON_INSTALL_BIN", "PYTHON_INSTALL_REGISTRY",
    "PYTHON_NO_REGISTRY", "SHOW_RESOLUTION", "VENV_CLEAR", "VENV_RELOCATABLE", "VENV_SEED",
)  # fmt: skip
"""An empty one is refused too."""
_PREFERENCES = frozenset({"only-managed", "managed", "system", "only-system"})
_COUNTS = ("CONCURRENT_DOWNLOADS", "CONCURRENT_BUILDS", "CONCURRENT_INSTALLS")
_SECONDS = (
    "UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT", "UV_HTTP_CONNECT_TIMEOUT", "UV_UPLOAD_HTTP_TIMEOUT",
)  # fmt: skip


def check_variables(environ: Mapping[str, str]) -> None:
    """Raise UsageError for a variable of *environ* whose value is none it can have."""
    _check_numbers(environ)
    if any(map(environ.get, ("ENVSYNC_AMD_GPU_ARCHITECTURE", "UV_AMD_GPU_ARCHITECTURE"))):
        from pytest_envsync.wheels.index.torch import check_architectures

        check_architectures(environ)
    for variable in ("UV_NO_BUILD_PACKAGE", "UV_NO_BINARY_PACKAGE"):
        names = environ.get(variable, "")
        if not all(map(is_name, names.split())):
            raise UsageError(f"{variable} must be names of projects with blanks between them, found `{names}`")
    for name in _SWITCHES:
        text = environ.get(f"UV_{name}")
        if text is not None:
            read_boolean(text, f"UV_{name}")
    text = environ.get("UV_PYTHON_PREFERENCE")
    if text is not None and text not in _PREFERENCES:
        raise UsageError(
            f"invalid value `{text}` for `UV_PYTHON_PREFERENCE`",
            hint=f"possible values: {', '.join(sorted(_PREFERENCES))}",
        )


def _check_numbers(environ: Mapping[str, str]) -> None:
    for name in _COUNTS:
        for variable in (f"ENVSYNC_{name}", f"UV_{name}"):
            text = environ.get(variable)
            if text and not (text.isascii() and text.isdecimal() and int(text)):
                raise UsageError(f"{variable} must be a whole number from 1, found `{text}`")
    for variable in _SECONDS:
        text = environ.get(variable)
        if text and not (text.isascii() and text.removeprefix("+").isdecimal() and len(text) < 20):
            raise UsageError(f"{variable} must be a whole number of seconds, found `{text}`")
    for variable in ("ENVSYNC_CUDA_DRIVER_VERSION", "UV_CUDA_DRIVER_VERSION"):
        text = environ.get(variable)
        if text and not text[0].isdecimal():
            raise UsageError(f"{variable} must be the version of a driver, found `{text}`")
