"""Text to values and back: the small files of a wheel and of an installed distribution.

RECORD (PEP 376, 427), WHEEL (PEP 427), the headers of METADATA that matter here (core metadata),
``entry_points.txt`` (entry points specification), ``direct_url.json`` (PEP 610) and the name of a wheel
file (PEP 425, 427). Pure: reads no file. Whatever is malformed is a ValueError that says what it is.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from pytest_envsync.patterns import pattern
from pytest_envsync.values import NamedTuple

_URLSAFE = bytes.maketrans(b"+/", b"-_")
_NEEDS_QUOTES = pattern(r'[,"\r\n]')
_PROJECT = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?\Z", re.ASCII)
_VERSION = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._+!]*[A-Za-z0-9])?\Z", re.ASCII)
_BUILD = pattern(r"[0-9][A-Za-z0-9._]*\Z", re.ASCII)
_TAG_SET = pattern(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*\Z", re.ASCII)
_OBJECT = pattern(r"(?P<module>[^:\[\]]+):(?P<attribute>[^:\[\]]+)(?:\[[^\[\]]*\])?\Z")
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*:.", re.ASCII)
_FORMAT = pattern(r"(0|[1-9][0-9]{0,4})\.([0-9]{0,5})(?![0-9])", re.ASCII)  # what follows is nobody's business
_MOST_TAGS = 10_000  # a file name is no place for more; real wheels have some thirty
SCRIPT_SECTIONS = ("console_scripts", "gui_scripts")


class RecordEntry(NamedTuple):
    """One row of RECORD: *path* as written, *hash* as written (``sha256=...`` or empty), *size* in bytes."""

    path: str
    hash: str = ""
    size: int | None = None


def parse_record(text: str) -> tuple[RecordEntry, ...]:
    """Return the rows of RECORD in their order; rows without any text are no rows.

    Raises ValueError, naming the row (from 1), for other than three fields or a size that is no number.
    """
    entries = []
    for number, fields in enumerate(_rows(text), 1):
        if not fields:
            continue
        if len(fields) != 3:
            raise ValueError(f"RECORD row {number}: expected path, hash and size, found {len(fields)} fields")
        path, digest, size = fields
        if not path:
            raise ValueError(f"RECORD row {number}: the path is missing")
        if size and not (size.isascii() and size.isdigit()):
            raise ValueError(f"RECORD row {number}: the size `{size[:40]}` is no number")
        entries.append(RecordEntry(path, digest, int(size) if size else None))
    return tuple(entries)


def _rows(text: str) -> Iterable[list[str]]:
    if '"' not in text and "\r" not in text.replace("\r\n", ""):
        # Most files have no quotes; then splitting is what the csv module does, three times as fast.
        return (line.rstrip("\r").split(",") if line and line != "\r" else [] for line in text.split("\n"))
    import csv
    from io import StringIO

    try:
        return list(csv.reader(StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(f"RECORD is no comma-separated table: {error}") from None


def format_record(entries: Iterable[RecordEntry]) -> str:
    """Return the text of RECORD with *entries* in the given order; ``parse_record`` reads them back."""
    lines = []
    for path, digest, size in entries:
        row = (_quoted(path), _quoted(digest), "" if size is None else str(size))
        lines.append(f"{','.join(row)}\n")
    return "".join(lines)


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if _NEEDS_QUOTES.search(field) else field


def record_hash(hexdigest: str, algorithm: str = "sha256") -> str:
    """Return a hex digest as RECORD spells it: ``sha256=`` and URL-safe base64 without padding."""
    text = b2a_base64(bytes.fromhex(hexdigest), newline=False).translate(_URLSAFE).rstrip(b"=")
    return f"{algorithm}={text.decode('ascii')}"


def parse_headers(text: str) -> dict[str, list[str]]:
    """Return the headers of METADATA or WHEEL: lower-case name to values, in the order of the lines.

    Folded lines are joined with one space. Reading stops at the first empty line, and at a line
    that is no header, as the standard library's email parser does.
    """
    headers: dict[str, list[str]] = {}
    values: list[str] | None = None
    for raw in text.removeprefix("\ufeff").split("\n"):
        line = raw.rstrip("\r")
        if not line:
            break
        if line[0] in " \t":
            if values is not None:
                values[-1] = f"{values[-1]} {line.strip()}"
            continue
        name, separator, value = line.partition(":")
        if not separator:
            break
        values = headers.setdefault(name.strip().lower(), [])
        values.append(value.strip())
    return headers


class Metadata(NamedTuple):
    """What METADATA says, as far as it is needed here; *name*, *version* and *extras* as written."""

    name: str
    version: str
    requires_python: str | None
    requires_dist: tuple[str, ...]
    extras: tuple[str, ...] = ()


def parse_metadata(text: str) -> Metadata:
    """Return the needed headers of METADATA. Raises ValueError when name or version is missing."""
    headers = parse_headers(text)
    for needed in ("name", "version"):
        if not headers.get(needed, [""])[0]:
            raise ValueError(f"METADATA has no {needed.capitalize()}")
    requires_python = headers.get("requires-python", [""])[0]
    return Metadata(
        headers["name"][0],
        headers["version"][0],
        requires_python or None,
        tuple(headers.get("requires-dist", ())),
        tuple(headers.get("provides-extra", ())),
    )


class WheelHeader(NamedTuple):
    """What WHEEL says. *tags* are single tags, compressed sets expanded, in the order of the file."""

    version: tuple[int, int]
    root_is_purelib: bool
    tags: tuple[str, ...]
    build: str = ""


def parse_wheel(text: str) -> WheelHeader:
    """Return what WHEEL says; of a header that is there twice the first counts.

    Raises ValueError when ``Wheel-Version`` is missing or malformed, or a tag is malformed.
    """
    headers = parse_headers(text)
    version = headers.get("wheel-version", [""])[0]
    numbers = _FORMAT.match(version)
    if numbers is None:
        raise ValueError(f"WHEEL has no valid Wheel-Version (expected `1.0`, found `{version[:40]}`)")
    tags: dict[str, None] = {}
    for tag in headers.get("tag", ()):
        parts = tag.split("-")
        if len(parts) != 3:
            raise ValueError(f"WHEEL has a malformed Tag: `{tag[:80]}`")
        tags.update(dict.fromkeys(expand_tags(*parts)))
    return WheelHeader(
        (int(numbers[1]), int(numbers[2] or 0)),
        headers.get("root-is-purelib", [""])[0].lower() == "true",
        tuple(tags),
        headers.get("build", [""])[0],
    )


def expand_tags(python: str, abi: str, platform: str) -> tuple[str, ...]:
    """Return the single tags of a compressed tag set (PEP 425), each once.

    Raises ValueError for a malformed set and for one of more than 10,000 tags.
    """
    parts = []
    count = 1
    for part in (python, abi, platform):
        if not _TAG_SET.match(part):
            raise ValueError(f"malformed tag `{python}-{abi}-{platform}`"[:200])
        names = tuple(dict.fromkeys(part.lower().split(".")))
        count *= len(names)
        parts.append(names)
    if count > _MOST_TAGS:
        raise ValueError(f"{count} tags in one name")
    return tuple("-".join(combination) for combination in product(*parts))


class WheelFilename(NamedTuple):
    """The parts of a wheel's file name: *name* and *version* as spelled, *tags* expanded."""

    name: str
    version: str
    build: str
    tags: tuple[str, ...]


def parse_wheel_filename(filename: str) -> WheelFilename:
    """Return the parts of a wheel's file name.

    The version is checked for its characters only, not against PEP 440. Raises ValueError.
    """
    if not filename.endswith(".whl"):
        raise ValueError(f"`{filename}` is no wheel: the name does not end in .whl")
    parts = filename[:-4].split("-")
    if len(parts) not in {5, 6}:
        raise ValueError(
            f"`{filename}` is no wheel name: expected NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl,"
            f" found {len(parts)} parts"
        )
    build = parts[2] if len(parts) == 6 else ""
    for part, wanted, meaning in ((parts[0], _PROJECT, "project name"), (parts[1], _VERSION, "version")):
        if not wanted.match(part):
            raise ValueError(f"`{filename}` is no wheel name: `{part}` is no {meaning}")
    if build and not _BUILD.match(build):
        raise ValueError(f"`{filename}` is no wheel name: the build tag `{build}` does not begin with a digit")
    if len(parts) == 6 and not build:
        raise ValueError(f"`{filename}` is no wheel name: the build tag is empty")
    try:
        tags = expand_tags(*parts[-3:])
    except ValueError as error:
        raise ValueError(f"`{filename}` is no wheel name: {error}") from None
    return WheelFilename(parts[0], parts[1], build, tags)


class EntryPoint(NamedTuple):
    """A script to generate: ``from MODULE import ...``, calling *attribute* (may be dotted)."""

    name: str
    module: str
    attribute: str


def parse_entry_points(text: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the scripts that ``entry_points.txt`` asks for, by section; of other sections only the form counts.

    Names are case-sensitive, ``=`` is the only delimiter, and extras in brackets are dropped. A name may hold path
    separators: whoever writes the script has to look at them. Raises ValueError for a line before the first
    section, for a section or a name in it that is there twice, for a line that is no assignment and for a value
    that is not ``module:attribute``, each part an identifier.
    """
    found: dict[str, dict[str, EntryPoint | None]] = {}
    section: str | None = None
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = line[1:-1]
            if section in found:
                raise ValueError(f"entry_points.txt line {number}: the section `{section[:80]}` is there twice")
            found[section] = {}
            continue
        if section is None:
            raise ValueError(f"entry_points.txt line {number}: expected the header of a section, found `{line[:80]}`")
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator or not name:
            raise ValueError(f"entry_points.txt line {number}: expected NAME = MODULE:OBJECT, found `{line[:80]}`")
        if name in found[section]:
            raise ValueError(f"entry_points.txt line {number}: `{name[:80]}` is there twice")
        found[section][name] = _entry_point(name, value, number) if section in SCRIPT_SECTIONS else None
    scripts = {section: tuple(filter(None, found.get(section, {}).values())) for section in SCRIPT_SECTIONS}
    return {section: points for section, points in scripts.items() if points}


def _entry_point(name: str, value: str, number: int) -> EntryPoint:
    match = _OBJECT.match(value)
    if match is not None:
        module, attribute = match["module"].strip(), match["attribute"].strip()
        if all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
            return EntryPoint(name, module, attribute)
    raise ValueError(f"entry_points.txt line {number}: expected MODULE:OBJECT for `{name[:80]}`, found `{value[:80]}`")


def format_direct_url(values: Mapping[str, Any]) -> str:
    """Return the text of ``direct_url.json``, compact, keys in the given order."""
    import json

    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def _is_sound(kind: str, info: Mapping[str, Any]) -> bool:
    """Whether what is known of *info* has the types of PEP 610, and the version control its names."""
    if kind == "dir_info":
        return isinstance(info.get("editable"), bool | None)
    if kind == "vcs_info":
        texts = (info.get("commit_id"), info.get("requested_revision"))
        return info.get("vcs") in ("git", "hg", "bzr", "svn") and all(isinstance(text, str | None) for text in texts)
    hashes = info.get("hashes")
    is_table = isinstance(hashes, dict) and all(isinstance(value, str) for value in hashes.values())
    return isinstance(info.get("hash"), str | None) and (hashes is None or is_table)


def parse_direct_url(text: str) -> dict[str, Any] | None:
    """Return the values of ``direct_url.json``; None when its URL is none, so that it says nothing.

    Raises ValueError for text that is no JSON, or not of the shape of PEP 610.
    """
    import json

    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("direct_url.json is nested too deeply") from None
    if not isinstance(values, dict) or not isinstance(values.get("url"), str):
        raise ValueError("direct_url.json has no url")  # noqa: TRY004 - the text is wrong, not a type in our code
    kinds = [key for key in ("archive_info", "vcs_info", "dir_info") if isinstance(values.get(key), dict)]
    if not kinds:
        raise ValueError("direct_url.json has none of archive_info, vcs_info and dir_info")
    if not isinstance(values.get("subdirectory"), str | None) or not any(_is_sound(key, values[key]) for key in kinds):
        raise ValueError(f"direct_url.json says of {' and '.join(kinds)} what has no meaning there")
    return values if _SCHEME.match(values["url"]) else None
