"""The platforms that files can be chosen for without being on them (``--python-platform``).

Each name stands for a set of platform tags and for six of the PEP 508 variables. Tags follow
PEP 425, 600 and 656 and the platform lists of ``packaging``; names, versions and machines are
those of the reference, seen by running it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_envsync.errors import UsageError
from pytest_envsync.values import NamedTuple


class Platform(NamedTuple):
    """A foreign platform.

    *family* names the rule for its tags; *machine* is ``platform_machine``; *release* is the
    newest C library, system or interface version that may be required: two numbers, the second
    zero where there is only one.
    """

    family: str
    machine: str
    release: tuple[int, int] = (0, 0)


_MINORS = (17, 28, *range(31, 41))  # of glibc 2, those that the reference names

_NAMED = {
    "windows": Platform("windows", "AMD64"),
    "linux": Platform("manylinux", "x86_64", (2, 28)),
    "macos": Platform("macos", "arm64", (13, 0)),
    "x86_64-pc-windows-msvc": Platform("windows", "AMD64"),
    "aarch64-pc-windows-msvc": Platform("windows", "ARM64"),
    "i686-pc-windows-msvc": Platform("windows", "x86"),
    "x86_64-unknown-linux-gnu": Platform("manylinux", "x86_64", (2, 28)),
    "aarch64-apple-darwin": Platform("macos", "arm64", (13, 0)),
    "x86_64-apple-darwin": Platform("macos", "x86_64", (13, 0)),
    "aarch64-unknown-linux-gnu": Platform("manylinux", "aarch64", (2, 28)),
    "aarch64-unknown-linux-musl": Platform("musllinux", "aarch64", (1, 2)),
    "x86_64-unknown-linux-musl": Platform("musllinux", "x86_64", (1, 2)),
    "riscv64-unknown-linux": Platform("manylinux", "riscv64", (2, 39)),
}


def _manylinux(machine: str, minors: Iterable[int]) -> dict[str, Platform]:
    named = {f"{machine}-manylinux_2_{minor}": Platform("manylinux", machine, (2, minor)) for minor in minors}
    if f"{machine}-manylinux_2_17" in named:
        named = {f"{machine}-manylinux2014": Platform("manylinux", machine, (2, 17)), **named}
    return named


_LISTED = {
    **_NAMED,
    **_manylinux("x86_64", _MINORS),
    **_manylinux("aarch64", _MINORS),
    "aarch64-linux-android": Platform("android", "aarch64", (24, 0)),
    "x86_64-linux-android": Platform("android", "x86_64", (24, 0)),
    "wasm32-pyodide2024": Platform("pyodide", "wasm32", (2024, 0)),
    "wasm32-pyodide2025": Platform("pyodide", "wasm32", (2025, 0)),
    "arm64-apple-ios": Platform("ios", "arm64", (13, 0)),
    "arm64-apple-ios-simulator": Platform("ios-simulator", "arm64", (13, 0)),
    "x86_64-apple-ios-simulator": Platform("ios-simulator", "x86_64", (13, 0)),
}
UNLISTED: dict[str, Platform] = {
    "s390x-unknown-linux-gnu": Platform("manylinux", "s390x", (2, 28)),
    "powerpc64le-unknown-linux-gnu": Platform("manylinux", "ppc64le", (2, 28)),
    "loongarch64-unknown-linux-gnu": Platform("manylinux", "loongarch64", (2, 36)),
    **_manylinux("s390x", _MINORS),
    **_manylinux("ppc64le", _MINORS),
    **_manylinux("loongarch64", range(36, 41)),
}

PLATFORMS: tuple[str, ...] = tuple(_LISTED)
"""The names that the help lists, in its order; a few more are understood."""

_SYSTEMS = {
    "windows": ("nt", "win32", "Windows"),
    "manylinux": ("posix", "linux", "Linux"),
    "musllinux": ("posix", "linux", "Linux"),
    "macos": ("posix", "darwin", "Darwin"),
    "android": ("posix", "android", "Android"),
    "pyodide": ("posix", "emscripten", "Emscripten"),
    "ios": ("posix", "ios", "iOS"),
    "ios-simulator": ("posix", "ios", "iOS"),
}
_EMSCRIPTEN = {2024: "3.1.58", 2025: "4.0.9"}  # the compiler of each interface version, which is its "kernel release"
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5, "riscv64": 31, "loongarch64": 36}  # 2.x; 17 elsewhere
_LEGACY_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_VARIABLES = {
    "macos": "MACOSX_DEPLOYMENT_TARGET",
    "ios": "IPHONEOS_DEPLOYMENT_TARGET",
    "ios-simulator": "IPHONEOS_DEPLOYMENT_TARGET",
    "android": "ANDROID_API_LEVEL",
}


def find_platform(name: str, environ: Mapping[str, str]) -> Platform:
    """Return the platform called *name*, with the version that a variable of *environ* sets for it.

    ``MACOSX_DEPLOYMENT_TARGET``, ``IPHONEOS_DEPLOYMENT_TARGET`` and ``ANDROID_API_LEVEL`` count;
    a value that is no version does not. Raises UsageError, with the list, for an unknown name.
    """
    platform = _LISTED.get(name) or UNLISTED.get(name)
    if platform is None:
        raise UsageError(
            f"invalid value '{name}' for '--python-platform'", hint=f"possible values: {', '.join(PLATFORMS)}"
        )
    text = environ.get(_VARIABLES.get(platform.family, ""), "")
    numbers = text.split(".")[:2]
    if not all(number.isdecimal() for number in numbers):
        return platform
    return platform._replace(release=(int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0))


def platform_markers(platform: Platform) -> dict[str, str]:
    """Return the PEP 508 variables that depend on the platform; nobody knows its kernel's version."""
    os_name, sys_platform, system = _SYSTEMS[platform.family]
    is_pyodide = platform.family == "pyodide"
    return {
        "os_name": os_name,
        "sys_platform": sys_platform,
        "platform_system": system,
        "platform_machine": platform.machine,
        "platform_release": _EMSCRIPTEN[platform.release[0]] if is_pyodide else "",
        "platform_version": "#1" if is_pyodide else "",
    }


def platform_tags(platform: Platform) -> tuple[str, ...]:
    """Return the platform tags that fit, best first."""
    from packaging import tags

    family, machine, release = platform
    if family == "manylinux":
        return tuple(_manylinux_tags(machine, release[1]))
    if family == "musllinux":
        return (*(f"musllinux_1_{minor}_{machine}" for minor in range(release[1], -1, -1)), f"linux_{machine}")
    if family == "windows":
        return ({"AMD64": "win_amd64", "ARM64": "win_arm64", "x86": "win32"}[machine],)
    if family == "macos":
        return tuple(_mac_tags(machine, release))
    if family == "android":
        return tuple(tags.android_platforms(release[0], {"aarch64": "arm64_v8a"}.get(machine, machine)))
    if family == "pyodide":
        return (f"pyemscripten_{release[0]}_0_wasm32", f"pyodide_{release[0]}_0_wasm32")
    device = "iphonesimulator" if family == "ios-simulator" else "iphoneos"
    return tuple(tags.ios_platforms(release, f"{machine}_{device}"))


def _manylinux_tags(machine: str, newest: int) -> Iterable[str]:
    for minor in range(newest, _OLDEST_GLIBC.get(machine, 17) - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY_NAMES:
            yield f"{_LEGACY_NAMES[minor]}_{machine}"
    yield f"linux_{machine}"


def _mac_tags(machine: str, release: tuple[int, int]) -> Iterable[str]:
    from packaging.tags import mac_platforms

    if machine == "arm64" and release < (11, 0):
        # There is no such Mac. What the reference leaves are the wheels for both processors, without a lower bound.
        yield from (tag for tag in mac_platforms((11, 0), machine) if tag.startswith("macosx_10_"))
        return
    for tag in mac_platforms(release, machine):
        yield tag
        if tag.endswith("_fat3"):
            # The same by a name that no tool writes any more: of three processors, two had 32 bits.
            yield tag + "2"


def own_platform_tags(target_tags: Sequence[str]) -> tuple[str, ...]:
    """Return the platform tags behind the *target_tags* of an interpreter, best first."""
    if not target_tags:
        return ()
    best = target_tags[0].rpartition("-")[0] + "-"
    return tuple(tag[len(best) :] for tag in target_tags if tag.startswith(best))


def python_tags(
    target_tags: Sequence[str], *, version: tuple[int, int], platforms: Sequence[str], implementation: str
) -> tuple[str, ...]:
    """Return the wheel tags of another Python *version* of the same kind, on *platforms*, best first.

    *target_tags* are those of the interpreter at hand: they tell whether it is free-threaded, and
    the ABI of an implementation other than CPython.
    """
    from packaging import tags

    # Without any, the functions of `packaging` take those of the machine that runs this.
    platforms = platforms or ["nowhere"]
    short = f"{version[0]}{version[1]}"
    interpreter, abi = (target_tags[0].split("-") if target_tags else ["py3", "none"])[:2]
    if implementation == "cpython":
        # PEP 3149's "m": builds with and without pymalloc differed until 3.7.
        flags = abi.lstrip("cp0123456789").replace("m", "") + ("m" if version <= (3, 7) else "")
        # Debug builds load ordinary extension modules too.
        abis = dict.fromkeys((f"cp{short}{flags}", f"cp{short}{flags.replace('d', '')}"))
        found = [*tags.cpython_tags(version, abis, platforms)]
        found += tags.compatible_tags(version, f"cp{short}", platforms)
    else:
        own = interpreter.lstrip("abcdefghijklmnopqrstuvwxyz")
        name = interpreter.removesuffix(own)
        found = [*tags.generic_tags(name + short, [abi.replace(own, short, 1)], platforms)]
        found += tags.compatible_tags(version, f"{name}{version[0]}", platforms)
    return tuple(dict.fromkeys(map(str, found)))
