"""What people write to name an interpreter, and whether one is what they meant.

Pure: looks at no file. Forms, as the reference has them: ``3``, ``3.12``, ``3.12.1``, ``312``,
``3.13t``, ``3.14rc1``, ``>=3.10,<3.13``, ``cpython``, ``cpython3.12``, ``cpython@3.12``, ``cp312``,
``pypy3.10``, ``python3.12``, ``cpython>=3.12``, ``3.13+gil``, ``cpython-3.12-linux-x86_64-gnu``, ``any``,
``default``; anything else is a path or the name of an executable.

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
_NUMBER = r"v?(?P<version>\d+(?:\.\d+){0,2}(?:(?:a|b|rc)\d+)?)"
_BUILD = r"(?P<build>t|\+freethreaded|\+gil)?"
_FORM = pattern(
    rf"(?:(?P<implementation>cpython|python|cp|pypy|pp|graalpy|gp)(?:@(?=[v\d]))?)?(?:{_NUMBER})?{_BUILD}",
    re.IGNORECASE,
)
_RANGE = pattern(
    rf"(?:(?P<implementation>cpython|python|cp|pypy|pp|graalpy|gp)(?:@|\s*))?(?P<specifier>[<>=!~].*?){_BUILD}",
    re.IGNORECASE,
)
# The parts of `cpython-3.12-linux-x86_64-gnu`, in their order; any may be missing.
_KEY = {
    "implementation": pattern("cpython|cp|pypy|pp|graalpy|gp", re.IGNORECASE),
    "version": pattern(rf"(?:{_NUMBER}|[<>=!~].*?){_BUILD}", re.IGNORECASE),
    "system": pattern("linux|macos|windows"),
    "machine": pattern(r"x86_64(_v[234])?|aarch64|i686|x86|armv\w+|riscv64|s390x|powerpc64(le)?|loongarch64"),
    "libc": pattern(r"gnu\w*|musl\w*|none"),
}
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
    has_lock: bool = False
    system: str | None = None
    machine: str | None = None
    libc: str | None = None

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
        if (self.free_threaded and not target.is_free_threaded) or (self.has_lock and target.is_free_threaded):
            return False
        if self.system is not None and _SYSTEMS.get(self.system) != target.markers["sys_platform"]:
            return False
        machines = _MACHINES.get(self.machine or "", (self.machine,))
        if self.machine is not None and target.markers["platform_machine"].lower() not in machines:
            return False
        if self.libc is not None and not _has_libc(target, self.libc):
            return False
        return self._has_version(target)

    def is_asked_of(self, target: Target) -> bool:
        """Whether an interpreter that was looked for is meant: one without the global lock only if it is asked for."""
        if self.kind != "version":
            return True
        return self.is_met_by(target) and self.free_threaded == target.is_free_threaded

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


def _has_libc(target: Target, libc: str) -> bool:
    if target.markers["sys_platform"] != "linux":
        return libc == "none"
    is_musl = any(tag.rpartition("-")[2].startswith("musllinux") for tag in target.tags)
    return libc.startswith("musl" if is_musl else "gnu")


def parse_request(text: str | None) -> PythonRequest:
    """Read what was written to name an interpreter; None and an empty text ask for any.

    Raises UsageError for a range that cannot be read, and for a version that is too old.
    """
    text = (text or "").strip()
    if text.lower() in {"", "any", "default"}:
        return PythonRequest(text=text)
    ranged = _RANGE.fullmatch(text)
    if ranged is not None:
        return _parse_range(text, ranged["implementation"], ranged["specifier"], ranged["build"])
    found = _FORM.fullmatch(text)
    if found is not None and text.lower() != "python" and (found["implementation"] or found["version"]):
        return _of_version(text, found["implementation"], found["version"] or "", found["build"])
    return _parse_key(text) or PythonRequest(text=text, kind="place")


def _of_version(text: str, implementation: str | None, version: str, build: str | None) -> PythonRequest:
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
        implementation=_IMPLEMENTATIONS[(implementation or "python").lower()],
        version=numbers,
        exact=version if pre_release else None,
        free_threaded=(build or "").lower() in {"t", "+freethreaded"},
        has_lock=(build or "").lower() == "+gil",
    )


def _parse_key(text: str) -> PythonRequest | None:
    """Read the parts of a name such as ``cpython-3.12-linux-x86_64-gnu``; None when it is none."""
    if "-" not in text:
        return None
    fields = iter(_KEY)
    parts: dict[str, str] = {}
    for part in text.split("-"):
        # Each part is of the first kind that it fits, behind the kind of the one before.
        kind = next((kind for kind in fields if part == "any" or _KEY[kind].fullmatch(part)), None)
        if kind is None:
            return None
        if part != "any":
            parts[kind] = part
    wanted = parse_request(parts.get("version"))
    return wanted._replace(
        text=text,
        kind="version",
        implementation=_IMPLEMENTATIONS[parts.get("implementation", "python").lower()],
        system=parts.get("system"),
        machine=parts.get("machine"),
        libc=parts.get("libc"),
    )


def _parse_range(text: str, implementation: str | None, specifier: str, build: str | None) -> PythonRequest:
    from packaging.specifiers import InvalidSpecifier, Specifier

    try:
        # One by one: nothing beside a comma is no clause.
        for clause in specifier.split(","):
            Specifier(clause)
    except InvalidSpecifier as error:
        raise UsageError(
            f"`{text}` is no range of Python versions: {error}", hint="write it like `>=3.10,<3.13`"
        ) from error
    if re.fullmatch(r"==\s*\d+(\.\d+)?", specifier.strip()):
        # Of two numbers alone it means what `3.12` does.
        specifier = specifier.strip() + ".*"
    wanted = _of_version(text, implementation, "", build)
    return wanted._replace(specifier=specifier)
