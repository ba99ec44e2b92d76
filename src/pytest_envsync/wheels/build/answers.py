"""What build backends said of sources, kept: a small file for each source and setting.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from pytest_envsync.atomic import write_at_once
from pytest_envsync.wheels.build.static import SourceMetadata


def read_answer(place: Path) -> SourceMetadata | None:
    """Return what is kept at *place*, or None."""
    try:
        name, version, requires_dist, extras = json.loads(place.read_bytes())
        return SourceMetadata(name, version, None if requires_dist is None else tuple(requires_dist), tuple(extras))
    except (OSError, ValueError, TypeError):
        return None


def write_answer(place: Path, metadata: SourceMetadata) -> None:
    """Keep *metadata*; a cache that cannot be written costs time, not correctness."""
    with suppress(OSError):
        write_at_once(place, json.dumps(metadata).encode())
