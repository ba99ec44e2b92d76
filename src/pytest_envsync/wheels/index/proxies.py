"""Proxies that configuration files name: httpx knows those of the process alone.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pytest_envsync.addresses import is_valid, masked
from pytest_envsync.errors import UsageError

_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_ONE = threading.Lock()


@contextmanager
def visible_proxies(environ: Mapping[str, str]) -> Iterator[None]:
    """Let what is opened meanwhile see the proxies that *environ* names and the process itself does not.

    Raises UsageError for one that is no address: httpx would blame what is asked for through it.
    """
    with _ONE:
        added = [name for name in _NAMES if name in environ and not {name, name.lower()} & os.environ.keys()]
        os.environ.update({name: environ[name] for name in added})
        try:
            _check(os.environ)
            yield
        finally:
            for name in added:
                del os.environ[name]


def _check(environ: Mapping[str, str]) -> None:
    for name in _NAMES[:3]:
        for variable in (name, name.lower()):
            text = environ.get(variable, "")
            if text and not is_valid(text if "://" in text else f"http://{text}"):
                raise UsageError(
                    f"`{masked(text)}` of {variable} is no valid address of a proxy", hint="expected http://HOST:PORT"
                )
