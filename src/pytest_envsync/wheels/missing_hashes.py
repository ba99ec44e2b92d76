"""The lines to paste where hashes are required and missing: for each requirement that lacks one, with all its hashes.

As a tool that makes locks would write them: the version that would be taken, and the sha256 of each of its files.
Indexes and local files are believed; what stands at an address is fetched, and its hash is the one of today.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_envsync.addresses import file_path, is_remote, masked
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.filenames import version_in
from pytest_envsync.requirements import ArchiveSource, IndexSource, SpecifiedRequirement
from pytest_envsync.versions import canonical_version
from pytest_envsync.wheels.choice.demand import Demand, MissingHashError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from pytest_envsync.distributions import File
    from pytest_envsync.wheels.index.client import Client
    from pytest_envsync.wheels.index.project_files import ProjectFiles


def with_lines_to_paste(
    error: MissingHashError,
    *,
    version_of: Callable[[Demand], str | None],
    places: ProjectFiles,
    client: Callable[[], Client],
    pool: Callable[[], Executor],
) -> MissingHashError:
    """Return *error* with the lines that would have been right in its hint, as far as they can be told.

    *version_of* gives the version that would be taken.
    """

    def line_of(requirement: SpecifiedRequirement) -> str | None:
        try:
            return _line(requirement, version_of, places, client)
        except (EnvsyncError, OSError):
            return None

    lacking = [requirement for requirement in error.lacking if requirement.name is not None]
    found = [line_of(item) for item in lacking] if len(lacking) < 2 else list(pool().map(line_of, lacking))
    lines = [line for line in found if line is not None]
    if lines:
        error.hint = "\n  ".join(["if that is what you want, write", *lines])
    return error


def _line(
    requirement: SpecifiedRequirement,
    version_of: Callable[[Demand], str | None],
    places: ProjectFiles,
    client: Callable[[], Client],
) -> str | None:
    source, name = requirement.source, requirement.name or ""
    if isinstance(source, ArchiveSource):
        asked = masked(requirement.text)
        digests = _digests_at(source.url, client, is_offline=places.is_offline)
    elif isinstance(source, IndexSource) and not places.is_offline:
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
        version = version_of(Demand(name=name, source=source, shown="", specifier=source.specifier)) or ""
        asked = f"{name}{extras}=={version}{marker}"
        digests = tuple(
            digest for file in _files_of(version, name, places) for digest in _digests(file) if digest[:7] == "sha256:"
        )
    else:
        return None
    return " ".join([asked, *(f"--hash={digest}" for digest in dict.fromkeys(digests))]) if digests else None


def _files_of(version: str, name: str, places: ProjectFiles) -> list[File]:
    wanted = canonical_version(version)
    files = places.all_files(name)
    return [file for file in files if canonical_version(version_in(file.filename, name) or "") == wanted]


def _digests(file: File) -> tuple[str, ...]:
    """Return what is known of *file*; its own digest if it is on this machine and nobody told one."""
    told = tuple(map(str, file.digests))
    return told or (() if is_remote(file.url) else (_local_digest(file.url),))


def _digests_at(url: str, client: Callable[[], Client], *, is_offline: bool) -> tuple[str, ...]:
    if not is_remote(url):
        return (_local_digest(url),)
    if is_offline:
        return ()
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="envsync-") as directory:
        return (f"sha256:{client().download(url, Path(directory, 'archive'))['sha256']}",)


def _local_digest(url: str) -> str:
    from pytest_envsync.wheels.store.digests import digest_file

    return f"sha256:{digest_file(file_path(url))['sha256']}"
