"""Proxies that configuration files name: httpx knows those of the process alone.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_ONE = threading.Lock()


@contextmanager
def visible_proxies(environ: Mapping[str, str]) -> Iterator[None]:
    """Let what is opened meanwhile see the proxies that *environ* names and the process itself does not."""
    with _ONE:
        added = [name for name in _NAMES if name in environ and not {name, name.lower()} & os.environ.keys()]
        os.environ.update({name: environ[name] for name in added})
        try:
            yield
        finally:
            for name in added:
                del os.environ[name]
