"""``envsync cache``: look after the wheel store and the index cache.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pytest_envsync.cache import ELSEWHERE, is_tagged
from pytest_envsync.cli.cached import cache_of
from pytest_envsync.cli.terminal import TerminalReporter
from pytest_envsync.errors import StoreError
from pytest_envsync.quantities import parse_age
from pytest_envsync.report import SCHEMA, json_text, plural, size

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_envsync.cli import Call
    from pytest_envsync.environments.held_damage import Holders
    from pytest_envsync.wheels.store import upkeep

GONE_WITH_CLEAN = frozenset(
    {
        "archives",
        "build-environments",
        "git",
        "index",
        "interpreters",
        "logs",
        "memo",
        "metadata",
        "probes",
        "questions",
        "remembered",
        "scratch",
        "sdists",
        "templates",
        "wheels",
    }
)
"""What can be had again. All else stays: environments may be in use, of others it is noted what they should be, and
directories of other names are not ours.
"""

_DAY = 86_400


def directory(call: Call) -> int:
    """Print where the cache is; it need not exist."""
    place = str(cache_of(call))
    call.terminal.give(json_text({"schema": SCHEMA, "path": place}) if call.is_json else place)
    return 0


def size_of_cache(call: Call) -> int:
    """Print the size of each part and of all; a file with several names counts once in each figure."""
    from pytest_envsync.wheels.store.upkeep import measure

    root = cache_of(call)
    parts = {part.name: measure(part) for part in _parts(root)}
    total = measure(root)
    if call.is_json:
        call.terminal.give(json_text({"schema": SCHEMA, "size": total, "parts": parts}))
        return 0
    width = max(map(len, [*parts, "total"])) + 2
    rows = [f"{name:{width}}{size(count)}" for name, count in parts.items()]
    call.terminal.give(*rows, call.terminal.data_style(f"{'total':{width}}{size(total)}", "bold"))
    return 0


def _parts(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir()) if root.is_dir() else []


def verify(call: Call) -> int:
    """Check the store, repair it if asked to, and print what was found; 1 if damage remains.

    With a repair environments that hold the damage are mended too, or named.
    """
    from pytest_envsync.engine import Engine
    from pytest_envsync.environments.held_damage import Holders, find_others, mend_holders
    from pytest_envsync.wheels.store import upkeep

    settings = call.settings
    is_repair = bool(call.own("repair"))
    reporter = TerminalReporter(call.terminal)
    with Engine(
        cache_dir=cache_of(call),
        options=settings.options,
        cwd=settings.cwd,
        environ=settings.environ,
        reporter=reporter,
    ) as engine:

        def fetch(url: str, destination: Path) -> object:
            return engine.client.download(url, destination)

        found = upkeep.verify(engine.store, deep=bool(call.own("deep")), repair=is_repair, fetch=fetch)
        holders = Holders()
        if is_repair:
            wheels = {entry.sha256 for entry in found.damaged if entry.outcome == "repaired"}
            holders = Holders(mend_holders(wheels, engine=engine), find_others(engine=engine))
    reporter.close()
    _say_verified(call, found, holders)
    return 1 if found.has_damage_left else 0


def _say_verified(call: Call, found: upkeep.Verification, holders: Holders) -> None:
    from pytest_envsync.environments.held_damage import damage_sentence

    terminal = call.terminal
    if call.is_json:
        held = {"mended": list(holders.mended), "damaged": list(holders.others)}
        terminal.give(json_text({"schema": SCHEMA, **_verification(found), "environments": held}))
        return
    for entry in found.damaged:
        terminal.give(f"{entry.name}: {entry.outcome}{f' ({entry.error})' if entry.error else ''}")
        terminal.give(*(f"  {damage.kind} {damage.path} {damage.detail}".rstrip() for damage in entry.damages))
    terminal.say(f"Checked {plural(found.checked, 'wheel')}, {len(found.damaged)} damaged")
    if holders.mended:
        terminal.say(f"Mended {plural(len(holders.mended), 'cached environment')} that held the damage")
    terminal.say(*map(damage_sentence, holders.others))


def _verification(found: upkeep.Verification) -> dict[str, object]:
    damaged = [
        {
            "sha256": entry.sha256,
            "name": entry.name,
            "outcome": entry.outcome,
            "error": entry.error,
            "damages": [
                {"path": damage.path, "kind": damage.kind, "detail": damage.detail} for damage in entry.damages
            ],
        }
        for entry in found.damaged
    ]
    return {"checked": found.checked, "damaged": damaged}


def prune(call: Call) -> int:
    """Remove wheels that no environment refers to. Raises StoreError as ``clean`` does."""
    from functools import partial

    from pytest_envsync.environments.notes import UNREFERENCED, clear_notes
    from pytest_envsync.environments.upkeep import referenced_wheels
    from pytest_envsync.wheels.build.upkeep import prune_builds
    from pytest_envsync.wheels.store import upkeep
    from pytest_envsync.wheels.store.store import Store

    age = call.own("older_than")
    days = UNREFERENCED if age is None else parse_age(str(age), "--older-than") / _DAY
    if not _is_ours(cache_of(call)):
        return _say_removed(call, upkeep.Removed(0, 0, 0))
    keep = partial(referenced_wheels, str(cache_of(call) / "environments"))
    store = Store(cache_of(call))
    done = upkeep.prune(store, keep=keep, ci=bool(call.own("ci")), older_than_days=days)
    freed = prune_builds(store, ci=bool(call.own("ci")), older_than_days=days)
    clear_notes(cache_of(call), now=time.time())
    return _say_removed(call, done._replace(size=done.size + freed))


def clean(call: Call) -> int:
    """Remove everything of ours that can be had again; environments stay.

    Raises StoreError for a directory that is not marked as a cache of ours: what it holds may be somebody's only copy.
    """
    from pytest_envsync.removal import discard_tree
    from pytest_envsync.wheels.store import upkeep
    from pytest_envsync.wheels.store.store import Store

    root = cache_of(call)
    if not _is_ours(root):
        return _say_removed(call, upkeep.Removed(0, 0, 0))
    done = upkeep.clean(Store(root))
    others = [entry for entry in _parts(root) if entry.name in GONE_WITH_CLEAN]
    freed = sum(upkeep.measure(entry) for entry in others)
    for entry in others:
        discard_tree(entry)
    return _say_removed(call, done._replace(size=done.size + freed))


def _is_ours(root: Path) -> bool:
    """Whether *root* is a cache of ours; False where there is nothing that could go. Raises StoreError."""
    if is_tagged(root):
        return True
    has_tag = os.path.lexists(root / "CACHEDIR.TAG")
    if not has_tag and not any(entry.name in GONE_WITH_CLEAN for entry in _parts(root)):
        return False
    found = "is that of another tool" if has_tag else "is missing"
    raise StoreError(
        f"`{root}` is not marked as a cache of envsync, so nothing in it was removed: "
        f"its `CACHEDIR.TAG` {found}, expected one that names pytest-envsync",
        hint=f"{ELSEWHERE}; where this is the cache that you mean, remove it by hand",
    )


def _say_removed(call: Call, done: upkeep.Removed) -> int:
    if call.is_json:
        call.terminal.give(json_text({"schema": SCHEMA, "wheels": done.entries, "bytes": done.size}))
    call.terminal.say(f"Removed {plural(done.entries, 'wheel')} ({size(done.size)})")
    return 0
