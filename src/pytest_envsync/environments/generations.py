"""Where the environments of one key are, and what is known of each.

``environments/<key>/`` holds for each generation *n* the environment ``<n>/``, its snapshot
``<n>.snapshot`` and its record ``<n>.json``; the record is written last and at once, so what has none is not
there yet. ``<n>.retired`` says that a generation takes no new lease. All changes happen under the key's lock.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_envsync import removal
from pytest_envsync.atomic import write_at_once
from pytest_envsync.environments.standing_links import is_behind_link, link_error, remove_link, standing_link
from pytest_envsync.errors import StoreError
from pytest_envsync.leases import USED, Lease, held_leases
from pytest_envsync.values import NamedTuple, asdict, dataclass

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What an environment is, as it was made. Paths are absolute texts.

    *candidates* are rows (``memo.candidate_row``), *digests* maps their names to the sha256 of their wheels.
    *base* is the interpreter behind the environment, *question* names what was asked (``question_key``).
    *created* is ISO 8601 in UTC. *missing* maps what the set lacks to a distribution that needs it.
    """

    key: str
    path: str
    base: str
    python: str
    bin: str
    site_packages: str
    version: str
    implementation: str
    created: str
    candidates: list[list[Any]]
    digests: dict[str, str]
    files: list[str]
    entries: list[list[str]]
    link_mode: str | None = None
    compile_bytecode: bool = False
    installer_metadata: bool = True
    missing: dict[str, str]
    question: str = ""
    schema: int = SCHEMA

    @property
    def packages(self) -> dict[str, str]:
        """Normalised name to version, in name order."""
        return {name: version or "" for name, version, *_ in self.candidates}


def key_lock_file(cache_dir: Path, key: str) -> Path:
    """Return the lock file under which the environments of *key* change."""
    return cache_dir / "locks" / f"{key}.lock"


class Generation(NamedTuple):
    """One environment of a key. *home* is the directory of the key."""

    home: str
    number: int

    @property
    def key(self) -> str:
        """The key whose content it has."""
        return os.path.basename(self.home)

    @property
    def prefix(self) -> str:
        """The environment itself."""
        return os.path.join(self.home, str(self.number))

    @property
    def record(self) -> str:
        """The file that says what it is."""
        return self.prefix + ".json"

    @property
    def snapshot(self) -> str:
        """The file it is compared with."""
        return self.prefix + ".snapshot"

    @property
    def retired(self) -> str:
        """The file that is there when it takes no new lease; it holds the number of its users then."""
        return self.prefix + ".retired"

    @property
    def leases(self) -> str:
        """The directory of the leases on all generations of the key."""
        return os.path.join(self.home, "leases")

    def holders(self) -> tuple[Lease, ...]:
        """Return the leases on this generation whose process lives."""
        return tuple(lease for lease in held_leases(self.leases) if lease.generation == self.number)


def generations(home: str) -> tuple[Generation, ...]:
    """Return the generations in *home* that are complete, oldest first; none behind a link in its place."""
    if os.path.islink(home):
        return ()
    try:
        names = os.listdir(home)
    except FileNotFoundError:
        return ()
    numbers = sorted(int(stem) for name in names if name.endswith(".json") and (stem := name[:-5]).isdecimal())
    return tuple(Generation(home, number) for number in numbers)


def current(home: str) -> Generation | None:
    """Return the newest generation that takes leases."""
    for generation in reversed(generations(home)):
        if not os.path.exists(generation.retired):
            return generation
    return None


def following(home: str) -> Generation:
    """Return the next generation, which does not exist yet; remains of one that was cut short are skipped."""
    numbers = [0]
    if os.path.isdir(home):
        numbers += [int(stem) for name in os.listdir(home) if (stem := name.partition(".")[0]).isdecimal()]
    return Generation(home, max(numbers) + 1)


def read_record(generation: Generation) -> Record:
    """Return the record of a generation.

    Raises StoreError when it is missing, of another version, or was moved, and when a link stands in the place of the
    environment: what is done to it would be done to what that leads to.
    """
    if link := standing_link(generation.prefix):
        raise link_error(link)
    record = load_record(generation.record)
    if record.path != generation.prefix:
        raise moved(generation.prefix, record)
    return record


def moved(prefix: str, record: Record) -> StoreError:
    """Return what is to be said of an environment at *prefix* that was made elsewhere, and may still be there."""
    return StoreError(
        f"`{prefix}` was made at `{record.path}`: the cache was moved, or is a copy",
        hint="the next session that needs the environment makes it anew; `envsync env remove` removes it",
    )


def load_record(path: str) -> Record:
    """Return the record in that file. Raises StoreError when it is missing or of another version."""
    try:
        record = Record(**json.loads(Path(path).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the record of an environment cannot be read: `{path}` ({error})") from error
    if record.schema != SCHEMA:
        raise StoreError(f"the record `{path}` is of another version of this tool")
    return record


def save_record(record: Record, path: str) -> None:
    """Write *record* to *path*, at once or not at all."""
    write_at_once(path, json.dumps(asdict(record), separators=(",", ":")).encode())


def publish(generation: Generation, record: Record) -> None:
    """Make a finished generation known: from here on it is there."""
    save_record(record, generation.record)
    Path(generation.home, USED).touch()


def touch_used(home: str) -> None:
    """Note that an environment of the key was used now."""
    Path(home, USED).touch()


def retire(generation: Generation, users: int) -> None:
    """Let a generation take no new lease; *users* is how many sessions use it, at least."""
    write_at_once(generation.retired, str(max(users, retired_users(generation))).encode("ascii"))


def retired_users(generation: Generation) -> int:
    """Return how many sessions used a generation when it was retired; 0 when it is not."""
    try:
        return int(Path(generation.retired).read_text(encoding="ascii") or 1)
    except FileNotFoundError:
        return 0
    except ValueError:
        return 1


def remove_generation(generation: Generation) -> None:
    """Remove a generation and all that is kept about it; the record goes first."""
    for path in (generation.record, generation.snapshot):
        Path(path).unlink(missing_ok=True)
    if os.path.islink(generation.prefix) or os.path.isfile(generation.prefix):
        remove_link(generation.prefix)
    else:
        remove_tree(generation.prefix)
    Path(generation.retired).unlink(missing_ok=True)


def clear_remains(home: str) -> None:
    """Remove what generations that were cut short, or retired and left by all, have left behind."""
    complete = {generation.number: generation for generation in generations(home)}
    held = {lease.generation for lease in held_leases(os.path.join(home, "leases"))}
    for number, generation in complete.items():
        if number not in held and os.path.exists(generation.retired):
            remove_generation(generation)
    for name in os.listdir(home) if os.path.isdir(home) else ():
        stem = name.partition(".")[0]
        if stem.isdecimal() and int(stem) not in complete and int(stem) not in held:
            remove_generation(Generation(home, int(stem)))


def is_empty(home: str) -> bool:
    """Whether nothing of any generation is in *home*, nor of one that is being made."""
    try:
        return not any(name.partition(".")[0].isdecimal() for name in os.listdir(home))
    except FileNotFoundError:
        return True


def remove_if_empty(home: str) -> bool:
    """Remove the directory of a key that holds no generation any more; return whether it was one."""
    if not is_empty(home) or held_leases(os.path.join(home, "leases")):
        return False
    remove_tree(home)
    return True


def remove_tree(path: str) -> None:
    """Remove a directory tree, however a test left it; one that is gone is as good.

    Raises StoreError when it cannot be removed.
    """
    try:
        removal.remove_tree(path)
    except OSError as error:
        raise StoreError(f"`{path}` cannot be removed: {error.strerror or error}") from error


def homes(environments: str) -> Iterator[str]:
    """Yield the directory of each key, in the order of the keys; a link in its place is none."""
    if is_behind_link(environments):
        return
    try:
        names = sorted(os.listdir(environments))
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(environments, name)
        if os.path.isdir(path) and not os.path.islink(path):
            yield path
