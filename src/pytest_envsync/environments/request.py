"""What is asked of the cached environments, and what they answer; plain values that travel as JSON.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pytest_envsync.changes import Change, Changes
from pytest_envsync.diff import Diff
from pytest_envsync.options import SyncOptions
from pytest_envsync.values import NamedTuple, asdict, dataclass, field, fields, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRequest:
    """The project under test. *path* is absolute.

    *mode* ``editable`` and ``wheel``: it is built and installed as a lock's line would be, without its dependencies;
    the lock wins if it has the name. ``path``: a path entry for its ``src`` directory, or for itself when it has
    none, and nothing is built.
    """

    path: str
    mode: Literal["path", "editable", "wheel"] = "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRequest:
    """One environment that is asked for.

    *files* are absolute paths or addresses, *python* a version, a path, or None for the base of the running
    interpreter. *overlay* is an absolute directory that goes behind site-packages, *overlay_digest*
    says what it holds. *recreate* builds a new generation even if there is one.
    """

    files: tuple[str, ...]
    options: SyncOptions = field(default_factory=SyncOptions)
    python: str | None = None
    overlay: str | None = None
    overlay_digest: str = ""
    project: ProjectRequest | None = None
    recreate: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the request as JSON values; ``from_dict`` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EnvironmentRequest:
        """Rebuild a request. Raises TypeError for names that are not known."""
        given: Mapping[str, Any] = values.get("options", {})
        options: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
        project = values.get("project")
        return cls(
            **{
                **values,
                "files": tuple(values["files"]),
                "options": SyncOptions(**options),
                "project": None if project is None else ProjectRequest(**project),
            }
        )

    def with_overlay(self, overlay: tuple[str, str] | None) -> EnvironmentRequest:
        """Return the request with another overlay: directory and digest, or none."""
        directory, digest = overlay or (None, "")
        return replace(self, overlay=directory, overlay_digest=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedEnvironment:
    """An environment that is ready for use. Paths are absolute texts.

    *created*: made (or brought forward) for this answer. *packages* maps normalised names to versions and does
    not count the overlay. *changes* is what was done to get here, *repaired* what differed from the snapshot
    and was mended, without the files of distributions that it names. *missing* and *warnings* are sentences.
    *lease* is None when nobody holds it. *snapshot* is the file to compare with. *seconds* is how long the answer took.
    """

    key: str
    generation: int
    path: str
    python: str
    bin: str
    site_packages: str
    version: str
    implementation: str
    files: tuple[str, ...]
    created: bool
    packages: dict[str, str]
    snapshot: str
    changes: Changes = field(default_factory=Changes)
    repaired: Diff | None = None
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    lease: str | None = None

    @property
    def distributions(self) -> int:
        """How many distributions it holds."""
        return len(self.packages)

    def as_dict(self) -> dict[str, Any]:
        """Return the environment as JSON values; ``from_dict`` reads it back."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            **values,
            "files": list(self.files),
            "missing": list(self.missing),
            "warnings": list(self.warnings),
            "changes": self.changes.as_list(),
            "repaired": None if self.repaired is None else self.repaired.as_dict(),
            "distributions": self.distributions,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CachedEnvironment:
        """Rebuild an environment from what ``as_dict`` gave."""
        names = {item.name for item in fields(cls)}
        known = {name: value for name, value in values.items() if name in names}
        repaired = values["repaired"]
        return cls(
            **{
                **known,
                "files": tuple(values["files"]),
                "missing": tuple(values["missing"]),
                "warnings": tuple(values["warnings"]),
                "changes": Changes(tuple(Change(**line) for line in values["changes"])),
                "repaired": None if repaired is None else Diff.from_dict(repaired),
            }
        )


class HandedBack(NamedTuple):
    """What an environment was like when it was given back.

    *shared* is how many sessions used it at that time, this one included: above 1, *diff* is what all of them
    did. *undone*: the environment is as it was again (or is gone, with the last of them). *error* says
    why it is not, and the next use mends it. *damage* names files of the store that were mended,
    *others* are sentences about environments outside of the cache that hold that damage still.
    """

    diff: Diff
    shared: int = 1
    undone: bool = True
    error: str | None = None
    damage: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        lists = {"damage": list(self.damage), "others": list(self.others)}
        return {**self._asdict(), "diff": self.diff.as_dict(), **lists}


class EnvironmentListing(NamedTuple):
    """One line of a list. *created* and *last_used* are ISO 8601 in UTC, *size* is in bytes, each file counted once.

    *python* is the path of the interpreter, *release* what it is, such as ``CPython 3.12.1``. *leases* counts the
    processes that use it now.
    """

    key: str
    path: str
    python: str
    created: str
    last_used: str
    size: int
    leases: int
    release: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values; *release* is for people."""
        return {name: value for name, value in self._asdict().items() if name != "release"}


class Pruned(NamedTuple):
    """What was removed: environments, wheels of the store, and the bytes that gave back."""

    environments: int = 0
    wheels: int = 0
    bytes: int = 0
