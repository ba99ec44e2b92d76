"""Where it goes: an interpreter, its markers, its tags and its paths.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from typing import Any

from pytest_envsync.values import asdict, dataclass, field, replace

_TITLES = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}


def implementation_title(implementation: str) -> str:
    """Return an implementation as people name it, ``CPython`` for ``cpython``."""
    return _TITLES.get(implementation, implementation.capitalize())


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
    *virtual_paths*: the keys of *paths*, relative to the root of any virtual environment of this interpreter.

    *version* is always the interpreter's own: ``--python-version`` and ``--python-platform`` change
    *markers* and *tags* only.
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
    virtual_paths: dict[str, str] = field(default_factory=dict)

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

    @property
    def title(self) -> str:
        """The interpreter as people name it, ``CPython 3.11.7``."""
        return f"{implementation_title(self.implementation)} {self.version}"

    @property
    def is_free_threaded(self) -> bool:
        """Whether the interpreter has no global lock (PEP 703), as its own ABI tag says."""
        abi = self.tags[0].split("-")[1] if self.tags else ""
        return self.implementation == "cpython" and "t" in abi.lstrip("cp0123456789")

    def in_virtual_environment(self, prefix: str, *, python: str | None = None) -> Target:
        """Return the same interpreter in the virtual environment at *prefix*, which need not exist.

        *python* is the executable there, when it is not the first of its names.
        """
        place = self.in_prefix(prefix)
        name = "python.exe" if os.name == "nt" else "python"
        return replace(place, python=python or place.paths["scripts"] + os.sep + name, is_virtual=True)

    def in_prefix(self, prefix: str) -> Target:
        """Return the interpreter installing below *prefix* as if that were a virtual environment (``--prefix``)."""
        return self._elsewhere(prefix, {key: prefix + os.sep + path for key, path in self.virtual_paths.items()})

    def in_directory(self, directory: str) -> Target:
        """Return the interpreter with all modules at the top level of *directory* (``--target``)."""
        return self._elsewhere(
            directory,
            {
                "purelib": directory,
                "platlib": directory,
                "scripts": f"{directory}{os.sep}bin",
                "data": directory,
                "headers": f"{directory}{os.sep}include",
            },
        )

    def _elsewhere(self, prefix: str, paths: dict[str, str]) -> Target:
        paths = {key: os.path.normpath(path) for key, path in paths.items()}
        return replace(self, prefix=prefix, paths=paths, is_virtual=False, externally_managed=None)
