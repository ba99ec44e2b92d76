"""What was last synced to a virtual environment of ours outside of the cache, for ``env diff`` and ``env restore``.

No snapshot is taken there, since taking one would cost more than the sync. A note is left in the cache of what was
asked for; what should be is worked out from it when somebody wants to know.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_envsync.atomic import write_at_once
from pytest_envsync.digesting import sha256
from pytest_envsync.memo import candidate_row
from pytest_envsync.patterns import pattern

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.target import Target

SCHEMA = 1
_MADE_AT = pattern(r"^\s*VIRTUAL_ENV=(?:'(?P<quoted>[^'\n]+)'|(?P<plain>[^'\"\s$]+))$", re.MULTILINE)


def is_ours(prefix: str) -> bool:
    """Whether *prefix* is a virtual environment that this tool made. Raises OSError where there is none."""
    with open(f"{prefix}/pyvenv.cfg", encoding="utf-8", errors="replace") as file:
        configuration = file.read()
    return any(line.partition("=")[0].strip() == "envsync" for line in configuration.splitlines())


def former_place(prefix: str) -> str | None:
    """Return where the environment at *prefix* was made if that is elsewhere, by its script ``activate``; else None."""
    for scripts in ("bin", "Scripts"):
        with suppress(OSError):
            with open(os.path.join(prefix, scripts, "activate"), encoding="utf-8", errors="replace") as file:
                found = _MADE_AT.search(file.read())
            if found is None:
                continue
            place = found["quoted"] or found["plain"]
            is_here = os.path.realpath(place) == os.path.realpath(prefix)
            return None if is_here else place
    return None


def note_sync(
    target: Target,
    candidates: Sequence[Candidate],
    digests: Mapping[str, str],
    *,
    cache_dir: str | os.PathLike[str],
    link_mode: str | None,
    installer_metadata: bool,
) -> None:
    """Note that *target* holds *candidates* now, if it is a virtual environment of ours.

    *digests* maps names to the sha256 of their wheels, as far as that is known. A cache that cannot be written
    costs the note and nothing else.
    """
    values = {
        "schema": SCHEMA,
        "path": target.prefix,
        "base": target.base_python,
        "candidates": [candidate_row(candidate) for candidate in candidates],
        "digests": dict(digests),
        "link_mode": link_mode,
        "installer_metadata": installer_metadata,
    }
    try:
        if not target.is_virtual or not is_ours(target.prefix):
            return
        write_at_once(_note(target.prefix, cache_dir), json.dumps(values, separators=(",", ":")).encode())
    except OSError:
        return


def renew_note(
    target: Target,
    candidates: Sequence[Candidate],
    digests: Mapping[str, str],
    *,
    cache_dir: str | os.PathLike[str],
    **made: Any,
) -> None:
    """Do as ``note_sync`` does if other ones are noted: whoever placed *candidates* may have been killed."""
    if _lacks_note(target, candidates, cache_dir):
        note_sync(target, candidates, digests, cache_dir=cache_dir, **made)


def _lacks_note(target: Target, candidates: Sequence[Candidate], cache_dir: str | os.PathLike[str]) -> bool:
    """Whether *target* is a virtual environment of ours of which other distributions are noted, or nothing."""
    try:
        if not target.is_virtual or not is_ours(target.prefix):
            return False
    except OSError:
        return False
    note = read_note(target.prefix, cache_dir) or {"candidates": []}
    noted = {(name, version) for name, version, *_ in note["candidates"]}
    return noted != {(candidate.name, candidate.version) for candidate in candidates}


def read_note(prefix: str, cache_dir: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return what ``note_sync`` wrote for the environment at *prefix*; None when there is nothing to go by."""
    try:
        with open(_note(prefix, cache_dir), "rb") as file:
            values = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and values.get("schema") == SCHEMA else None


def _note(prefix: str, cache_dir: str | os.PathLike[str]) -> str:
    name = sha256(os.fsencode(os.path.realpath(prefix))).hexdigest()[:32]
    return f"{os.fspath(cache_dir)}/synced/{name}.json"
