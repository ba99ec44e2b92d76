"""Say why no file fits: which files were there, why each was refused, and what can be done.

Pure; reached only when a selection has failed, so it may take its time.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_envsync.distributions import File, Rejection
from pytest_envsync.errors import OTHER_VERSION, SelectionError
from pytest_envsync.filenames import kind_of, tag_text, tags_of, version_in
from pytest_envsync.target import Target
from pytest_envsync.versions import canonical_version, normal_version, ordered_versions
from pytest_envsync.wheels.choice.demand import Demand

if TYPE_CHECKING:
    from pytest_envsync.wheels.choice.select import Selector

_CPYTHON = re.compile(r"cp(\d)(\d+)", re.ASCII)
_MOST_VERSIONS = 30


def describe_target(target: Target) -> str:
    """Return the target in the words of an error, ``CPython 3.11.7 on linux x86_64``."""
    markers = target.markers
    implementation = markers.get("platform_python_implementation", target.implementation)
    version = markers.get("python_full_version", target.version)
    machine = f"{markers.get('sys_platform', '')} {markers.get('platform_machine', '')}".strip()
    return f"{implementation} {version}" + (f" on {machine}" if machine else "")


def explain(
    demand: Demand, files: Sequence[File], selector: Selector, *, asked: Sequence[str] = (), hints: Iterable[str] = ()
) -> SelectionError:
    """Return the error that says why none of *files* meets *demand*.

    *asked* are the places that were asked, masked; *hints* are sentences about them that come
    behind those about the files.
    """
    name = demand.name or demand.shown
    if not files:
        places = "".join(f"\n  asked: {place}" for place in asked) or "\n  no index and no find-links location is given"
        return _error(demand, f"`{name}` was not found{_for(demand)}{places}", (), hints)
    spellings: dict[str, str] = {}
    version_of: dict[str, str] = {}
    for file in files:
        text = version_in(file.filename, name)
        version = canonical_version(text) if text is not None else None
        if text is not None and version is not None:
            spellings.setdefault(version, text)
            version_of[file.filename] = version
    wanted = ordered_versions(demand.specifier, spellings)
    meeting = [file for file in files if version_of.get(file.filename) in wanted]
    rejections = [item for file in meeting if (item := selector.refusal(file, demand)) is not None]
    if meeting:
        head = f"no file of `{demand.shown}` fits {describe_target(selector.target)}"
        return _error(demand, head, rejections, [*_hints_about(demand, meeting, rejections, selector), *hints])
    newest_first = _newest_first(spellings)
    order = {version: position for position, version in enumerate(newest_first)}
    ranked = sorted(files, key=lambda file: order.get(version_of.get(file.filename, ""), len(order)))
    rejections = [
        Rejection(file.filename, OTHER_VERSION if file.filename in version_of else "unsupported format")
        for file in ranked
    ]
    shown = ", ".join(normal_version(spellings[version]) or version for version in newest_first[:_MOST_VERSIONS])
    more = f" and {len(newest_first) - _MOST_VERSIONS} older" if len(newest_first) > _MOST_VERSIONS else ""
    found = [f"there is `{name}` {shown}{more}"] if newest_first else []
    return _error(demand, f"no version of `{name}` meets `{demand.specifier}`", rejections, [*found, *hints])


def _for(demand: Demand) -> str:
    return f", wanted as `{demand.shown}`" if demand.shown != demand.name else ""


def _error(demand: Demand, message: str, rejections: Sequence[Rejection], hints: Iterable[str]) -> SelectionError:
    return SelectionError(
        message,
        subject=demand.shown,
        origin=demand.origin,
        rejections=rejections,
        hint="\n".join(dict.fromkeys(hints)) or None,
    )


def _newest_first(spellings: dict[str, str]) -> list[str]:
    from packaging.version import Version

    return sorted(spellings, key=Version, reverse=True)


def _hints_about(
    demand: Demand, files: Sequence[File], rejections: Sequence[Rejection], selector: Selector
) -> list[str]:
    name = demand.name or ""
    rules = {item.rule for item in rejections}
    kinds = {kind_of(file.filename) for file in files}
    hints = []
    if "made for another Python or platform" in rules:
        hints.append(hint_about_tags([file.filename for file in files], selector.target))
    if not selector.policy.allows_builds(name) and not selector.policy.allows_wheels(name):
        hints.append(f"`{name}` is listed for both --no-binary and --only-binary, so nothing of it may be used")
    elif "source distribution, refused by --only-binary" in rules:
        hints.append(f"take `{name}` out of --only-binary (or drop --no-build) to have its source distribution built")
    elif "refused by --no-binary" in rules and "sdist" not in kinds:
        hints.append(f"there is no source distribution; take `{name}` out of --no-binary to use its wheels")
    elif "sdist" not in kinds and "wheel" in kinds:
        hints.append("there is no source distribution to build one from")
    if any("--exclude-newer" in rule for rule in rules):
        hints.append(f"move --exclude-newer, or except the project: --exclude-newer-package {name}=false")
    if "yanked" in rules:
        hints.append("a yanked file is used only where its version is pinned with `==`")
    return hints


def hint_about_tags(filenames: Sequence[str], target: Target) -> str:
    """Name the interpreters, or for the right interpreter the platforms, that the wheels are made for."""
    pythons: dict[str, None] = {}
    platforms: dict[str, None] = {}
    ours = {tag.rpartition("-")[0] for tag in target.tags}
    for filename in filenames:
        for tag in tags_of(tag_text(filename)) if kind_of(filename) == "wheel" else ():
            python_and_abi, _, platform = tag.rpartition("-")
            pythons[python_and_abi] = None
            if python_and_abi in ours:
                platforms[platform] = None
    if platforms:
        return f"its wheels for this Python are made for {_listed(sorted(platforms))}"
    nearest = sorted(pythons, key=lambda tag: _distance(tag, target))
    made_for = f"its wheels are made for {_listed(nearest)} (nearest first)"
    return f"{made_for}; choose a version that has wheels for {_own(target)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _own(target: Target) -> str:
    return target.tags[0].rpartition("-")[0] if target.tags else target.version


def _distance(tag: str, target: Target) -> tuple[int, int, str]:
    match = _CPYTHON.match(tag)
    numbers = target.markers.get("python_version", target.minor).split(".")
    if match is None or len(numbers) < 2 or not numbers[1].isdecimal():
        return (1, 0, tag)
    minor = int(match[2])
    # cp3130 would be nonsense; abi3 wheels of an older minor fit, so only newer ones are refused.
    return (0, abs(minor - int(numbers[1])), tag)
