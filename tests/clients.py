"""A client as tests want it: without pauses, and with ears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from pytest_envsync.wheels.index.client import Client
from pytest_envsync.wheels.index.indexes import Index


class Listener(SilentReporter):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Keep *text*."""
        self.warnings.append(text)


def client(
    cache_dir: Path | None = None,
    environ: dict[str, str] | None = None,
    *,
    reporter: Listener | None = None,
    **options: Any,
) -> Client:
    """A client with *options*, fields of SyncOptions; it does not wait before it tries again."""
    settings = SyncOptions(**options)
    return Client(cache_dir, settings, environ or {}, first_pause=0.0, reporter=reporter)


def filenames(asking: Client, index: Index | str, project: str = "demo") -> list[str] | None:
    """The names of the files on a page, None where there is no page."""
    page = asking.page(index, project)
    return [file.filename for file in page.files()] if page is not None else None
