"""Choose the artifact of a package that a lockfile fixes (PEP 751).

Pure: the lockfile says all, no index is asked.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_envsync.addresses import file_url, is_url, masked
from pytest_envsync.distributions import Candidate, File, Rejection
from pytest_envsync.errors import InputError, SelectionError
from pytest_envsync.filenames import build_tag, kind_of, projects_in, tag_text, version_in
from pytest_envsync.hashes import INSECURE, Digest, HashPolicy
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    LockedFile,
    LockedPackage,
    VcsSource,
)
from pytest_envsync.versions import canonical_version, python_meets
from pytest_envsync.wheels.choice.demand import Demand
from pytest_envsync.wheels.choice.direct import direct_candidate
from pytest_envsync.wheels.choice.refusals import hint_about_tags

if TYPE_CHECKING:
    from pytest_envsync.wheels.choice.select import Selector


def choose_pin(package: LockedPackage, selector: Selector) -> Candidate:
    """Return the candidate for a locked package: the best wheel, else the sdist, else its one source.

    All digests of the chosen artifact that are understood must match. Raises InputError when the package is
    not made for the target, when none of its artifacts may be used, and when the hash policy
    wants a hash where the lockfile has none.
    """
    if package.requires_python and not python_meets(package.requires_python, selector.python):
        raise InputError(
            f"`{package.name}` needs Python {package.requires_python}, and the target has {selector.python}",
            origin=package.origin,
            hint="lock again for this Python, or choose another interpreter with --python",
        )
    if package.source is not None:
        return _sourced(package, package.source, selector)
    rejections: list[Rejection] = []
    wheel = _best_wheel(package, selector, rejections)
    chosen = wheel or _usable_sdist(package, selector, rejections)
    if chosen is None:
        raise _no_artifact(package, selector, rejections)
    version = _checked_version(package, chosen)
    digests = _digests(package, chosen.digests, chosen.filename, selector.policy.hashes)
    url = chosen.location if is_url(chosen.location) else file_url(chosen.location)
    return Candidate(
        name=package.name,
        version=version,
        kind="wheel" if wheel is not None else "sdist",
        requested=IndexSource(f"=={package.version}" if package.version else ""),
        file=File(chosen.filename, url, chosen.digests, chosen.size, package.requires_python),
        digests=digests,
        match_all=True,
        size=chosen.size,
        origin=package.origin,
    )


def _best_wheel(package: LockedPackage, selector: Selector, rejections: list[Rejection]) -> LockedFile | None:
    best: tuple[tuple[int, tuple[int, str]], LockedFile] | None = None
    allowed = selector.policy.allows_wheels(package.name)
    for file in package.wheels:
        position = selector.position(file.filename) if kind_of(file.filename) == "wheel" else None
        if not allowed:
            rejections.append(Rejection(file.filename, "refused by --no-binary"))
        elif position is None:
            rejections.append(Rejection(file.filename, "made for another Python or platform", tag_text(file.filename)))
        else:
            rank = (-position, build_tag(file.filename))
            if best is None or rank > best[0]:
                best = (rank, file)
    return best[1] if best is not None else None


def _usable_sdist(package: LockedPackage, selector: Selector, rejections: list[Rejection]) -> LockedFile | None:
    if package.sdist is None:
        return None
    if selector.policy.allows_builds(package.name):
        names = projects_in(package.sdist.filename)
        if names and package.name not in names:
            raise InputError(
                f"Source distribution filename `{package.sdist.filename}` does not match package name `{package.name}`",
                origin=package.origin,
            )
        return package.sdist
    rejections.append(Rejection(package.sdist.filename, "source distribution, refused by --only-binary"))
    return None


def _no_artifact(package: LockedPackage, selector: Selector, rejections: Sequence[Rejection]) -> InputError:
    shown = f"{package.name}=={package.version}" if package.version else package.name
    lines = [f"no artifact of `{shown}` in the lockfile can be used"]
    lines += [f"  {item.filename}: {item.rule}" + (f" ({item.detail})" if item.detail else "") for item in rejections]
    policy = selector.policy
    if not policy.allows_wheels(package.name) and not policy.allows_builds(package.name):
        hint = f"`{package.name}` is listed for both --no-binary and --only-binary"
    elif package.wheels and policy.allows_wheels(package.name):
        hint = hint_about_tags([file.filename for file in package.wheels], selector.target)
    else:
        hint = "lock again with the artifacts that these settings allow"
    return InputError("\n".join(lines), origin=package.origin, hint=hint)


def _checked_version(package: LockedPackage, file: LockedFile) -> str | None:
    """Return the version as the file spells it, where lockfile and file differ in zeros alone.

    Refuses a file whose name speaks of another project or version than the lockfile does.
    """
    if kind_of(file.filename) != "wheel" or package.version is None:
        return package.version
    text = version_in(file.filename, package.name)
    found = canonical_version(text) if text is not None else None
    wanted = canonical_version(package.version)
    if found is None or (found != wanted and found.partition("+")[0] != wanted):
        raise InputError(
            f"`{file.filename}` is listed for `{package.name}=={package.version}`, which its name does not say",
            origin=package.origin,
        )
    return text if found == wanted else package.version


def _digests(
    package: LockedPackage, digests: Sequence[Digest], filename: str, policy: HashPolicy
) -> tuple[Digest, ...]:
    if policy is HashPolicy.NONE:
        return ()
    secure = tuple(digest for digest in digests if digest.algorithm not in INSECURE)
    if policy is HashPolicy.REQUIRE and not secure:
        raise InputError(
            f"hashes are required, and the lockfile has none for `{masked(filename)}`",
            origin=package.origin,
            hint="lock again with a tool that writes sha256 hashes",
        )
    return secure if policy is HashPolicy.REQUIRE else tuple(digests)


def _sourced(
    package: LockedPackage, source: ArchiveSource | DirectorySource | VcsSource, selector: Selector
) -> Candidate:
    from pytest_envsync.values import replace

    if not isinstance(source, ArchiveSource):
        if not selector.policy.allows_builds(package.name) and not getattr(source, "editable", False):
            raise InputError(
                f"`{package.name}` must be built from its source tree, which --only-binary refuses",
                origin=package.origin,
                hint=f"take `{package.name}` out of --only-binary, or drop --no-build",
            )
        if selector.policy.hashes is HashPolicy.REQUIRE:
            raise InputError(
                f"hashes are required, and the source tree of `{package.name}` cannot have one", origin=package.origin
            )
        digests: tuple[Digest, ...] = ()
    else:
        digests = _digests(package, package.digests, source.url, selector.policy.hashes)
    shown = f"{package.name}=={package.version}" if package.version else package.name
    demand = Demand(
        name=package.name,
        source=source,
        shown=shown,
        # The version of a source tree is a note: the tree may have changed since.
        specifier=f"=={package.version}" if package.version and isinstance(source, ArchiveSource) else "",
        digests=digests,
        origin=package.origin,
    )
    try:
        candidate = direct_candidate(demand, selector)
    except SelectionError as error:
        error.exit_status = 2  # the lockfile contradicts itself
        raise
    if isinstance(source, ArchiveSource):
        return replace(candidate, size=package.size, version=candidate.version or package.version, specifier="")
    return candidate
