"""Whether what a backend built is what was asked for.

Pure.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.direct_url import url_path
from pytest_envsync.errors import BuildError
from pytest_envsync.filenames import version_in
from pytest_envsync.requirements import ArchiveSource
from pytest_envsync.versions import canonical_version

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate, StoredWheel
    from pytest_envsync.wheels.build.source_tree import Workplace


def checked(wheel: StoredWheel, workplace: Workplace) -> StoredWheel:
    """Return the built *wheel* if it is what was asked for. Raises BuildError."""
    candidate = workplace.candidate
    named = _version_of_path(candidate)
    if named is not None and not _is_asked_version(wheel.version, named):
        raise BuildError(
            f"the name of `{workplace.subject}` says version {named}, but what was built of it is {wheel.version}",
            subject=candidate.name,
            hint="give the file the name of the version that it holds",
        )
    if wheel.name != candidate.name:
        detail = f"a wheel of `{wheel.name}`, but `{candidate.name}` was asked for"
    elif candidate.version is not None and not _is_asked_version(wheel.version, candidate.version):
        detail = f"version {wheel.version}, but {candidate.version} was asked for"
    else:
        return wheel
    raise BuildError(f"the backend of `{workplace.subject}` built {detail}", subject=candidate.name)


def _version_of_path(candidate: Candidate) -> str | None:
    """Return the version that the name of a local sdist gives, if it is one of the candidate's name."""
    if not isinstance(candidate.requested, ArchiveSource) or candidate.kind != "sdist":
        return None
    path = url_path(candidate.requested.url)
    return None if path is None else version_in(Path(path).name, candidate.name)


def _is_asked_version(built: str, asked: str) -> bool:
    """Whether a build of *asked* may come out as *built*: a local part may be added to it."""
    return canonical_version(asked) in {canonical_version(built), canonical_version(built.partition("+")[0])}
