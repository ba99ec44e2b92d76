"""Where it goes: an interpreter, its markers, its tags and its paths.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The interpreter and the place that distributions are installed for.

    Plain values, so that one travels as JSON. Paths are absolute strings.

    *python*: the executable that scripts name in their first line.
    *version*: ``3.11.7``. *implementation*: ``cpython``.
    *markers*: the eleven PEP 508 variables. *tags*: wheel tags (PEP 425), best first.
    *paths*: ``purelib platlib scripts data headers`` (PEP 427's keys) of the place to install to.
    *prefix*: the environment's root (the lock file and the journal live below it).
    *base_python*, *base_prefix*: the interpreter behind a virtual environment.
    *is_virtual*: a virtual environment (PEP 405).
    *externally_managed*: the text of PEP 668's marker file, or None.
    *fingerprint*: digest of what makes two interpreters exchangeable for a cached environment.
    """

    python: str
    version: str
    implementation: str
    cache_tag: str
    markers: dict[str, str]
    tags: tuple[str, ...]
    paths: dict[str, str]
    prefix: str
    base_python: str
    base_prefix: str
    is_virtual: bool
    fingerprint: str
    externally_managed: str | None = None

    @property
    def minor(self) -> str:
        """The version without its micro part, ``3.11``."""
        return ".".join(self.version.split(".")[:2])

    def as_dict(self) -> dict[str, Any]:
        """Return the target as JSON values; ``from_dict`` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Target:
        """Rebuild a target from what ``as_dict`` gave. Raises TypeError or KeyError for other values."""
        return cls(**{**values, "tags": tuple(values["tags"])})

    def at(self, *, python: str, prefix: str, paths: dict[str, str], is_virtual: bool) -> Target:
        """Return the same interpreter with another place to install to."""
        return replace(self, python=python, prefix=prefix, paths=paths, is_virtual=is_virtual)
