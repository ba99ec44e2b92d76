"""What to do: wanted distributions compared with installed ones.

Pure: what is installed, how fresh local sources are and whether two paths are one file is handed in.
The judgement is the reference's: versions, recorded sources and tags decide, contents do not; who asks for
contents hands in what was found damaged.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import eq

from pytest_envsync.changes import Change, Changes
from pytest_envsync.direct_url import SameFile, asked_text, source_difference, source_text, url_path
from pytest_envsync.distributions import Candidate, InstalledDistribution
from pytest_envsync.requirements import ArchiveSource, DirectorySource, Source
from pytest_envsync.target import Target
from pytest_envsync.values import NamedTuple, dataclass
from pytest_envsync.versions import canonical_version


class Reinstall(NamedTuple):
    """An installed distribution that is replaced (usually one; more when a name was there twice)."""

    installed: tuple[InstalledDistribution, ...]
    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sync will do, each part sorted by name."""

    install: tuple[Candidate, ...] = ()
    reinstall: tuple[Reinstall, ...] = ()
    remove: tuple[InstalledDistribution, ...] = ()
    keep: tuple[InstalledDistribution, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.install or self.reinstall or self.remove)

    @property
    def departures(self) -> int:
        """How many installed distributions go, or are replaced."""
        return len(self.remove) + sum(len(item.installed) for item in self.reinstall)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What has to be in the store before the plan can be carried out, sorted by name."""
        wanted = [*self.install, *(item.candidate for item in self.reinstall)]
        return tuple(sorted(wanted, key=lambda candidate: candidate.name))


def make_plan(
    candidates: Iterable[Candidate],
    installed: Iterable[InstalledDistribution],
    *,
    target: Target,
    reinstall: bool = False,
    reinstall_packages: Collection[str] = (),
    keep_seeds: Collection[str] = (),
    damaged: Mapping[str, str] | None = None,
    same_file: SameFile = eq,
) -> Plan:
    """Compare what is wanted with what is installed.

    *candidates* hold each name once. *reinstall_packages*, *keep_seeds* (what may stay although nobody asked
    for it) and the keys of *damaged* (name to reason) are normalised names. A name that is installed more
    than once is always replaced as a whole.
    """
    by_name: dict[str, list[InstalledDistribution]] = {}
    for distribution in installed:
        by_name.setdefault(distribution.name, []).append(distribution)
    tags = frozenset(target.tags)
    install: list[Candidate] = []
    again: list[Reinstall] = []
    keep: list[InstalledDistribution] = []
    for candidate in sorted(candidates, key=lambda wanted: wanted.name):
        present = by_name.pop(candidate.name, [])
        if not present:
            install.append(candidate)
            continue
        reason: str | None
        if len(present) > 1:
            reason = "installed more than once"
        elif reinstall or candidate.name in reinstall_packages:
            reason = "asked for"
        else:
            reason = unsatisfied(candidate, present[0], tags=tags, same_file=same_file)
            reason = reason or (damaged or {}).get(candidate.name)
        if reason is None:
            keep.append(present[0])
        else:
            again.append(Reinstall(tuple(present), candidate, reason))
    remove: list[InstalledDistribution] = []
    for name, present in by_name.items():
        (keep if name in keep_seeds else remove).extend(present)
    return Plan(
        install=tuple(install),
        reinstall=tuple(again),
        remove=tuple(sorted(remove, key=_place)),
        keep=tuple(sorted(keep, key=_place)),
    )


def _place(distribution: InstalledDistribution) -> tuple[str, str, str]:
    return distribution.name, distribution.version, distribution.path


def unsatisfied(
    candidate: Candidate, installed: InstalledDistribution, *, tags: frozenset[str], same_file: SameFile = eq
) -> str | None:
    """Return why *installed* does not do for *candidate*; None when it does.

    *tags* are those of the target. The order of the questions is the reference's: settings of the
    build, source and its freshness, tags, version. ``Requires-Python``, hashes and contents of what is
    installed are not looked at again.
    """
    if installed.build_info is not None and settings_of(installed.build_info) != settings_of(candidate.build_info):
        return "built with other settings"
    difference = source_difference(candidate.requested, installed.direct_url, same_file)
    if difference is not None:
        return difference
    if _is_local(candidate.requested) and not _is_fresh(candidate, installed):
        return "the source changed"
    if installed.tags and not tags.intersection(installed.tags):
        return f"{installed.tags[0]} does not fit the interpreter"
    if candidate.version is not None and not is_same_version(candidate.version, installed.version):
        return f"{installed.version} is not {candidate.version}"
    return None


def settings_of(build_info: Mapping[str, object] | None) -> dict[str, object]:
    """Return what a note says, without what it says by an empty value."""
    return {key: value for key, value in (build_info or {}).items() if value}


def _is_local(source: Source) -> bool:
    if isinstance(source, ArchiveSource):
        return source.path is not None or url_path(source.url) is not None
    return isinstance(source, DirectorySource)


def _is_fresh(candidate: Candidate, installed: InstalledDistribution) -> bool:
    """Whether the note of the installation says what the source says now; without a note it does not."""
    if installed.cache_info is None or candidate.cache_info is None:
        return False
    before, now = dict(installed.cache_info), dict(candidate.cache_info)
    marks = before.pop("directories", None), now.pop("directories", None)
    return _is_same_marks(*marks) and settings_of(before) == settings_of(now)


def _is_same_marks(before: object, now: object) -> bool:
    """Whether the marks of the directories are equal.

    A mark is an inode, or a time of birth where the reference could ask for it; None where there is no
    directory. Of two kinds nothing can be said, and that is no change.
    """
    if not isinstance(before, dict) or not isinstance(now, dict):
        return not before and not now
    return before.keys() == now.keys() and all(_is_same_mark(mark, now[name]) for name, mark in before.items())


def _is_same_mark(before: object, now: object) -> bool:
    if before is None or now is None or isinstance(before, int) is isinstance(now, int):
        return before == now
    return True


def is_same_version(one: str, other: str) -> bool:
    """Return whether two PEP 440 versions are equal; text that is no version equals itself only."""
    return one == other or (canonical_version(one) is not None and canonical_version(one) == canonical_version(other))


def seed_packages(python_version: str, pyvenv_cfg: str | None) -> frozenset[str]:
    """Return the names that stay although nobody asked for them.

    *python_version* is ``3.11.7``, *pyvenv_cfg* the text of the environment's ``pyvenv.cfg``, None where there
    is none. Environments that were made empty (by this tool, or by the reference without ``--seed``) have
    no seeds: what is in them by those names was installed later, and goes.
    """
    settings = {}
    for line in (pyvenv_cfg or "").splitlines():
        key, separator, value = line.partition("=")
        if separator:
            settings[key.strip().lower()] = value.strip()
    if "envsync" in settings or ("uv" in settings and settings.get("seed", "").lower() != "true"):
        return frozenset()
    major, minor = (int(part) for part in python_version.split(".")[:2])
    return frozenset({"pip", "uv"} if (major, minor) >= (3, 12) else {"pip", "setuptools", "wheel", "uv"})


def planned_changes(plan: Plan, versions: Mapping[str, str] | None = None, warnings: Iterable[str] = ()) -> Changes:
    """Return what carrying out *plan* changes, as a report says it.

    *versions* gives versions by name for candidates whose version only the built wheel tells; without it the
    version is empty and the source says what it is. A distribution that is replaced by itself (same
    version from the same source, editable or not) is reinstalled; else one goes and one comes.
    """
    lines = [_removal(distribution) for distribution in plan.remove]
    lines += [_addition(candidate, versions or {}) for candidate in plan.install]
    for installed, candidate, _ in plan.reinstall:
        addition = _addition(candidate, versions or {})
        replaced = [_removal(distribution) for distribution in installed]
        others = [change for change in replaced if not _is_same(change, addition)]
        if len(others) < len(replaced):
            lines += [*others, addition._replace(action="reinstalled")]
        else:
            lines += [*replaced, addition]
    # Of two that say the same of themselves (a dist-info beside an egg-info) one line is enough.
    return Changes(tuple(dict.fromkeys(lines)), tuple(warnings))


def _is_same(one: Change, other: Change) -> bool:
    return one.source == other.source and is_same_version(one.version, other.version)


def _removal(distribution: InstalledDistribution) -> Change:
    # The source of an egg-link is a guess from its contents: nobody noted an address.
    source = "" if distribution.kind == "egg-link" else source_text(distribution.direct_url)
    return Change(distribution.name, distribution.version, "uninstalled", source)


def _addition(candidate: Candidate, versions: Mapping[str, str]) -> Change:
    source = asked_text(candidate.requested)
    version = versions.get(candidate.name) or candidate.version or ""
    return Change(candidate.name, version, "installed", source)
