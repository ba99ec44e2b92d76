"""What people write to name an interpreter, and whether one is what they meant.

Pure: looks at no file. Forms, as the reference has them: ``3``, ``3.12``, ``3.12.1``, ``312``,
``3.13t``, ``3.14rc1``, ``>=3.10,<3.13``, ``cpython``, ``cpython3.12``, ``cpython@3.12``, ``cp312``,
``pypy3.10``, ``python3.12``, ``cpython-3.12-linux-x86_64-gnu``, ``any``, ``default``; anything else is a
path or the name of an executable.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from typing import Literal

from pytest_envsync.errors import UsageError
from pytest_envsync.patterns import pattern
from pytest_envsync.target import Target
from pytest_envsync.values import NamedTuple

_IMPLEMENTATIONS = {
    "python": None,
    "cpython": "cpython",
    "cp": "cpython",
    "pypy": "pypy",
    "pp": "pypy",
    "graalpy": "graalpy",
    "gp": "graalpy",
}
_TITLES = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
_FORM = pattern(
    r"(?P<implementation>cpython|python|cp|pypy|pp|graalpy|gp)?"
    r"(?P<separator>[@-])?v?"
    r"(?P<version>\d+(?:\.\d+){0,2}(?:(?:a|b|rc)\d+)?)?"
    r"(?P<threads>t|\+freethreaded)?"
    r"(?P<platform>-(?P<system>any|linux|macos|windows)(?:-(?P<machine>\w+)(?:-\w+)?)?)?",
    re.IGNORECASE,
)
OLDEST = (3, 7)
"""The oldest Python that an environment may have."""
_SYSTEMS = {"linux": "linux", "macos": "darwin", "windows": "win32"}
_MACHINES = {"aarch64": ("aarch64", "arm64"), "x86_64": ("x86_64", "amd64")}


class PythonRequest(NamedTuple):
    """An interpreter that is asked for.

    *kind* is ``any``, ``version`` (of which *version* may be empty: an implementation alone) or
    ``place`` (a path, or a name to look for on PATH). *version* holds one to three numbers,
    *text* what was written.
    """

    text: str
    kind: Literal["any", "version", "place"] = "any"
    implementation: str | None = None
    version: tuple[int, ...] = ()
    exact: str | None = None
    specifier: str | None = None
    free_threaded: bool = False
    system: str | None = None
    machine: str | None = None

    def __str__(self) -> str:
        """Say what is asked for, as ``Python 3.12``."""
        if self.kind == "place":
            return f"`{self.text}`"
        name = _TITLES.get(self.implementation or "", "Python")
        number = self.specifier or self.exact or ".".join(map(str, self.version))
        return f"{name} {number}{'t' if self.free_threaded else ''}".strip()

    def is_met_by(self, target: Target) -> bool:
        """Whether the interpreter of *target* has the implementation, version and platform that are asked for."""
        if self.implementation is not None and self.implementation != target.implementation:
            return False
        if self.free_threaded and not target.is_free_threaded:
            return False
        if self.system is not None and _SYSTEMS.get(self.system) != target.markers["sys_platform"]:
            return False
        machines = _MACHINES.get(self.machine or "", (self.machine,))
        if self.machine is not None and target.markers["platform_machine"].lower() not in machines:
            return False
        return self._has_version(target)

    def _has_version(self, target: Target) -> bool:
        if self.specifier is not None or self.exact is not None:
            from packaging.specifiers import SpecifierSet

            wanted = SpecifierSet(self.specifier or f"=={self.exact}", prereleases=True)
            return target.version in wanted
        numbers = re.findall(r"\d+", target.version)[: len(self.version)]
        return tuple(map(int, numbers)) == self.version

    def could_be(self, version: str) -> bool:
        """Whether an interpreter whose directory or file name says *version* is worth asking.

        *version* is ``3``, ``3.12`` or longer; unreadable text always is.
        """
        found = re.match(r"(\d+)(?:\.(\d+))?", version)
        if found is None or self.specifier is not None:
            return True
        numbers = tuple(int(number) for number in found.groups() if number is not None)
        shared = min(len(numbers), len(self.version))
        return numbers[:shared] == self.version[:shared]


def parse_request(text: str | None) -> PythonRequest:
    """Read what was written to name an interpreter; None and an empty text ask for any.

    Raises UsageError for a range that cannot be read, and for a version that is too old.
    """
    text = (text or "").strip()
    if text.lower() in {"", "any", "default"}:
        return PythonRequest(text=text)
    if text[0] in "<>=!~":
        return _parse_range(text)
    found = _FORM.fullmatch(text)
    if found is None or text.lower() == "python" or not (found["implementation"] or found["version"]):
        return PythonRequest(text=text, kind="place")
    version = found["version"] or ""
    pre_release = version.strip("0123456789.") != ""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)) if not pre_release else ()
    if len(numbers) == 1 and len(version) > 1:
        # Without a point the first digit is the major version: 312 is 3.12.
        numbers = (int(version[0]), int(version[1:]))
    if numbers and numbers < OLDEST[: len(numbers)]:
        raise UsageError(
            f"`{text}` is not supported: environments are of Python {'.'.join(map(str, OLDEST))} or newer",
            hint="name a newer one, as `3.12`",
        )
    return PythonRequest(
        text=text,
        kind="version",
        implementation=_IMPLEMENTATIONS[(found["implementation"] or "python").lower()],
        version=numbers,
        exact=version if pre_release else None,
        free_threaded=found["threads"] is not None,
        system=_given(found["system"]),
        machine=_given(found["machine"]),
    )


def _given(part: str | None) -> str | None:
    return None if part is None or part.lower() == "any" else part.lower()


def _parse_range(text: str) -> PythonRequest:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise UsageError(
            f"`{text}` is no range of Python versions: {error}", hint="write it like `>=3.10,<3.13`"
        ) from error
    return PythonRequest(text=text, kind="version", specifier=text)
