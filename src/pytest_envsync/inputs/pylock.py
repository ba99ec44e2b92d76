"""pylock files (PEP 751): TOML to packages.

Read by hand rather than by ``packaging.pylock``, for three reasons: the reference accepts what that refuses
(empty hash tables, names that are not normalised), importing it costs more than a whole run that has
nothing to do, and its errors know no line. A test holds both against each other.

Which packages are active is decided in ``pylock_selection``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re

from pytest_envsync.addresses import file_path, file_url, is_url, masked, whole_address
from pytest_envsync.errors import InputError
from pytest_envsync.hashes import DIGEST_LENGTHS, Digest
from pytest_envsync.inputs.archive_names import (
    is_archive,
    sdist_name_and_version,
    version_or_none,
    wheel_name_and_version,
)
from pytest_envsync.inputs.marker_grammar import check_marker
from pytest_envsync.inputs.paths import path_below
from pytest_envsync.inputs.references import GIT_SCHEMES, check_subdirectory
from pytest_envsync.inputs.requirement_line import read_specifier
from pytest_envsync.inputs.toml_table import Table, header_lines, parse_toml
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    LockedFile,
    LockedPackage,
    Origin,
    VcsSource,
    normalize_name,
)
from pytest_envsync.values import NamedTuple, dataclass

WHAT = "`pylock.toml` file"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SOURCES = ("wheels", "sdist", "directory", "vcs", "archive")


class PackageEntry(NamedTuple):
    """One ``[[packages]]`` table: the package, when it is active, and whether a hash table said nothing.

    *mistake* is what is wrong with it, which only counts when it is active.
    """

    package: LockedPackage
    marker: str | None
    lacks_digests: bool
    mistake: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pylock:
    """A pylock file. Markers are text; names of extras and groups are normalised."""

    origin: Origin
    environments: tuple[str, ...] | None = None
    requires_python: str | None = None
    extras: tuple[str, ...] = ()
    dependency_groups: tuple[str, ...] = ()
    default_groups: tuple[str, ...] = ()
    packages: tuple[PackageEntry, ...] = ()


def read_pylock(text: str, *, shown: str, base: str) -> Pylock:
    """Read a pylock file. *base* is the absolute directory that its relative paths start at.

    Raises InputError.
    """
    origin = Origin(shown)
    root = Table(parse_toml(text, shown=shown, what=WHAT), origin=origin, what=WHAT)
    version = root.required_text("lock-version")
    if version_or_none(version) is None:
        raise root.error(f"invalid version `{version}`", "lock-version")
    if re.fullmatch(r"\s*v?0*1(?:[.\s].*)?", version) is None:
        raise root.error(f"unsupported lock version (`{version}`, but only major version 1 is supported)")
    root.required_text("created-by")
    tables = root.tables("packages")
    if tables is None:
        raise root.error("missing field `packages`")
    lines = header_lines(text, "packages")
    packages = []
    for index, table in enumerate(tables):
        table.origin = Origin(shown, lines[index] if index < len(lines) else None)
        packages.append(_read_package(table, base))
    return Pylock(
        origin=origin,
        environments=None
        if (texts := root.texts("environments")) is None
        else tuple(_checked_marker(root, text, "environments") for text in texts),
        requires_python=_requires_python(root),
        extras=_names(root, "extras"),
        dependency_groups=_names(root, "dependency-groups"),
        default_groups=_names(root, "default-groups"),
        packages=tuple(packages),
    )


def _names(table: Table, key: str) -> tuple[str, ...]:
    return tuple(_name(table, text, key) for text in table.texts(key) or ())


def _name(table: Table, text: str, key: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise table.error(f"Not a valid package or extra name: `{text}`", key)
    return normalize_name(text)


def _checked_marker(table: Table, text: str, key: str) -> str:
    try:
        return check_marker(text, in_lockfile=True)
    except InputError as error:
        raise table.error(error.message, key) from error


def _requires_python(table: Table) -> str | None:
    text = table.text("requires-python")
    if text is None:
        return None
    try:
        return read_specifier(text)
    except InputError as error:
        raise table.error(error.message, "requires-python") from error


def _read_package(table: Table, base: str) -> PackageEntry:
    name = _name(table, table.required_text("name"), "name")
    version = table.text("version")
    if version is not None and version_or_none(version) is None:
        raise table.error(f"invalid version `{version}`", "version")
    marker = table.text("marker")
    marker = None if marker is None else _checked_marker(table, marker, "marker")
    # Neither counts here; what they are has to be right all the same.
    tuple(table.tables("dependencies") or ())
    index = table.text("index")
    if index is not None and not is_url(index):
        raise table.error(f"`{index}` is no address", "index")
    wheels = [_read_file(wheel, base, name) for wheel in table.tables("wheels") or ()]
    sdist_table = table.table("sdist")
    sdist = None if sdist_table is None else _read_file(sdist_table, base, name)
    archive = table.table("archive")
    digests = () if archive is None else _digests(archive)
    package = LockedPackage(
        name=name,
        version=version,
        wheels=tuple(wheels),
        sdist=sdist,
        source=_read_source(table, archive, base),
        digests=digests,
        size=None if archive is None else archive.count("size"),
        index=index,
        requires_python=_requires_python(table),
        origin=table.origin,
    )
    if archive is not None:
        lacking = not digests
    else:
        lacking = any(not file.digests for file in (*wheels, *([] if sdist is None else [sdist])))
    return PackageEntry(package, marker, lacking, _mistake(table, name))


def _mistake(table: Table, name: str) -> str | None:
    """Say what is wrong with a package that comes from nowhere, or from an index (wheels, sdist) and another place."""
    given = [key for key in _SOURCES if table.values.get(key) is not None]
    if not given:
        return f"Package `{name}` must include one of: " + ", ".join(f"`{key}`" for key in _SOURCES)
    others = [key for key in given if key not in {"wheels", "sdist"}]
    if len(others) > 1 or (others and len(given) > len(others)):
        first, second = given[0], given[-1]
        return f"Package `{name}` includes both `packages.{first}` and `packages.{second}`"
    return None


def _read_file(table: Table, base: str, package: str) -> LockedFile:
    location, written = _location(table, base, package)
    filename = table.text("name") or _last_part(written)
    return LockedFile(
        filename=filename,
        location=location,
        digests=_digests(table),
        size=table.count("size"),
        upload_time=table.time("upload-time"),
    )


def _location(table: Table, base: str, package: str) -> tuple[str, str]:
    """Return the absolute path or the address of an artifact, and how it is written; the path is preferred."""
    path, url = table.text("path"), table.text("url")
    if path:
        return path_below(base, path), path
    if not url:
        raise InputError(f"`{table.key}` entry for `{package}` must have a `path` or `url`", origin=table.origin)
    if not is_url(url):
        raise table.error(f"relative URL without a base: `{url}`", "url")
    return url, url


def _last_part(written: str) -> str:
    if not is_url(written):
        return re.split(r"[/\\]", written)[-1]
    from urllib.parse import unquote

    return unquote(re.split(r"[?#]", written, maxsplit=1)[0].rpartition("/")[2])


def _digests(table: Table) -> tuple[Digest, ...]:
    """Return the digests of algorithms that are supported; there may be none."""
    hashes = table.table("hashes")
    if hashes is None:
        raise table.error("missing field `hashes`")
    found = []
    for algorithm in hashes.values:
        value = hashes.required_text(algorithm)
        if algorithm in DIGEST_LENGTHS:
            try:
                found.append(Digest.parse(f"{algorithm}:{value}"))
            except ValueError as error:
                raise hashes.error(str(error), algorithm) from error
    return tuple(found)


def _read_source(table: Table, archive: Table | None, base: str) -> ArchiveSource | DirectorySource | VcsSource | None:
    if archive is not None:
        return _read_archive(archive, base)
    directory = table.table("directory")
    if directory is not None:
        place = path_below(base, directory.required_text("path"))
        below = _subdirectory(directory)
        editable = directory.flag("editable")
        root = place if below is None else path_below(place, below)
        return DirectorySource(root, bool(editable), is_said=editable is not None)
    vcs = table.table("vcs")
    return None if vcs is None else _read_vcs(vcs, base)


def _read_archive(table: Table, base: str) -> ArchiveSource:
    location, written = _location(table, base, "archive")
    table.time("upload-time")
    if not is_archive(_last_part(written)):
        raise table.error(f"expected `{written}` to end in the extension of a wheel or source archive")
    # A wheel is what it is, wherever it was built from.
    below = _subdirectory(table) if not _last_part(written).endswith(".whl") else None
    if is_url(location):
        path = file_path(location) if location[:5].lower() == "file:" else None
        return ArchiveSource(whole_address(location).partition("#")[0] if path is None else file_url(path), below)
    return ArchiveSource(file_url(location), below, location)


def _read_vcs(table: Table, base: str) -> VcsSource:
    kind = table.required_text("type")
    if kind != "git":
        raise table.error(f"`{kind}` is not supported, only `git` is", "type")
    commit_id = table.required_text("commit-id").lower()
    if _COMMIT.fullmatch(commit_id) is None:
        raise table.error("a commit must be exactly 40 hex characters", "commit-id")
    # An address is preferred here: what stands behind a path is only what somebody had checked out.
    path, url = table.text("path"), table.text("url")
    if url:
        if not is_url(url):
            raise table.error(f"relative URL without a base: `{url}`", "url")
        url = whole_address(url)
        if not url.startswith(tuple(f"{scheme}:" for scheme in GIT_SCHEMES)):
            raise table.error(f"`{masked(url)}` is no address that git is asked at: use https, ssh or file", "url")
    elif path:
        url = file_url(path_below(base, path))
    else:
        raise table.error("missing `path` or `url`")
    revision = table.text("requested-revision")
    return VcsSource("git", url, revision, _subdirectory(table), commit_id)


def _subdirectory(table: Table) -> str | None:
    path = table.text("subdirectory")
    if not path or path == ".":
        return None
    try:
        return check_subdirectory(path, table.key)
    except InputError as error:
        raise table.error(error.message, "subdirectory") from error


def check_filenames(package: LockedPackage) -> LockedPackage:
    """Return *package* with its version, which the names of its files must agree with.

    Raises InputError.
    """
    version = package.version
    known = None if version is None else version_or_none(version)
    for wheel in package.wheels:
        try:
            name, written = wheel_name_and_version(wheel.filename)
        except InputError as error:
            raise InputError(error.message, origin=package.origin) from error
        found = version_or_none(written)
        if name != package.name:
            raise InputError(
                f"Wheel filename `{wheel.filename}` does not match package name `{package.name}`", origin=package.origin
            )
        if known is not None and found is not None and found not in {known, known.partition("+")[0]}:
            raise InputError(
                f"Wheel filename `{wheel.filename}` does not match package version `{version}`", origin=package.origin
            )
        version, known = version or written, known or found
    if package.sdist is not None:
        parts = sdist_name_and_version(package.sdist.filename)
        # One of another name is no mistake as long as nobody takes it.
        if parts is not None and parts[0] == package.name:
            version = version or parts[1]
    return package if version == package.version else _with_version(package, version)


def _with_version(package: LockedPackage, version: str | None) -> LockedPackage:
    from pytest_envsync.values import replace

    return replace(package, version=version)
