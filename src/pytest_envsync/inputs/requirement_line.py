"""One requirement: text to value, and back.

Pure. Sources: PEP 508, PEP 440, and the forms that the reference reads beyond them (addresses and paths
without a name, relative paths). ``packaging`` is imported only for specifiers and markers of unusual form.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pytest_envsync.addresses import file_url, is_url, masked
from pytest_envsync.errors import InputError
from pytest_envsync.inputs.archive_names import is_archive, version_or_none
from pytest_envsync.inputs.marker_grammar import check_marker
from pytest_envsync.inputs.references import Reference, read_digest, read_reference, refuse_scp_address
from pytest_envsync.patterns import pattern
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    Origin,
    Source,
    SpecifiedRequirement,
    VcsSource,
    normalize_name,
)

if TYPE_CHECKING:
    from pytest_envsync.hashes import Digest

_NAMED = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(.*)", re.DOTALL | re.ASCII)
_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_EXTRAS_BEHIND = pattern(r"\[([A-Za-z0-9._,\s-]*)\]$", re.ASCII)
_MARKER_START = pattern(r"\s+;|;(?=\s)")
_SCHEME_IN_FRONT = pattern(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_VERSION = r"[0-9]+(?:\.[0-9]+)*(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?(?:\.dev[0-9]+)?"
_CLAUSE = pattern(
    rf"(===?|!=)\s*({_VERSION}(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?)|(==|!=)\s*([0-9]+(?:\.[0-9]+)*\.\*)"
    rf"|(<=?|>=?)\s*({_VERSION})|(~=)\s*([0-9]+(?:\.[0-9]+)+)",
    re.ASCII,
)
_LONGEST_SHOWN = 100
_HASH = pattern(r"--hash(?:=|\s+)(\S+)")


def parse_requirement(
    text: str,
    *,
    base: str | None,
    expand: Callable[[str], str] = str,
    origin: Origin | None = None,
    editable: bool = False,
) -> SpecifiedRequirement:
    """Read one requirement, without options, comment and line break.

    *base* is the absolute directory that relative paths start at; None refuses them, and references
    without a name too (what PEP 508 proper allows). *expand* replaces variables in addresses and paths.
    *editable* reads what follows ``-e``.

    Raises InputError, with *origin*.
    """
    stripped = text.strip()
    try:
        if editable:
            return _parse_editable(stripped, base=base, expand=expand, origin=origin)
        return _parse(stripped, base=base, expand=expand, origin=origin)
    except InputError as error:
        if error.origin is None:
            error.origin = origin
        raise


def no_requirement(text: str, reason: str) -> InputError:
    """Return the error for a line that is no requirement: what stands there, what was expected, what could."""
    shown = masked(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")
    return InputError(
        f"`{shown}` is no requirement: {reason}",
        hint="a line is `NAME`, `NAME==1.0`, `NAME @ ADDRESS`, an address, or a path that begins with `./`",
    )


def _parse(text: str, *, base: str | None, expand: Callable[[str], str], origin: Origin | None) -> SpecifiedRequirement:
    match = _NAMED.match(text)
    if match is None:
        if base is None or text[:1] not in {".", "/", "$", "\\"}:
            found = f"`{text[0]}`" if text else "nothing"
            raise no_requirement(text, f"Expected package name starting with an alphanumeric character, found {found}")
        if text.startswith("$") and expand(text) == text and not _is_reference(text):
            raise no_requirement(text, "Expected package name starting with an alphanumeric character, found `$`")
        if text.startswith("$") and not _is_reference(expand(text)):
            raise no_requirement(expand(text), "a variable can stand for an address or a path only")
        return _unnamed(text, base=base, expand=expand, origin=origin)
    written, rest = match[1], match[2]
    if base is not None and _is_unnamed(text, written, rest):
        return _unnamed(text, base=base, expand=expand, origin=origin)
    if _NAME.fullmatch(written) is None:
        raise no_requirement(text, f"Package name must end with an alphanumeric character, not `{written[-1]}`")
    extras: tuple[str, ...] = ()
    if rest.startswith("["):
        inner, bracket, rest = rest[1:].partition("]")
        if not bracket:
            raise no_requirement(text, "Missing closing bracket (expected ']')")
        extras, rest = read_extras(inner), rest.lstrip()
    name = normalize_name(written)
    if rest.startswith("@"):
        refuse_scp_address(text)
        return _direct(rest[1:], name=name, extras=extras, text=text, base=base, expand=expand, origin=origin)
    specifier, marker = _specifier_and_marker(rest, text)
    source = IndexSource(read_specifier(specifier))
    return SpecifiedRequirement(name=name, source=source, text=text, extras=extras, marker=marker, origin=origin)


def _is_unnamed(text: str, written: str, rest: str) -> bool:
    """Whether what begins like a name is an address or a path instead."""
    behind = rest.partition("]")[2].lstrip() if rest.startswith("[") else rest
    if not behind or behind.startswith(";"):
        return is_archive(written)
    return not behind.startswith(("@", "(", "<", "=", ">", "~", "!")) and _is_reference(text.split(maxsplit=1)[0])


def _is_reference(token: str) -> bool:
    return "/" in token or "\\" in token or _SCHEME_IN_FRONT.match(token) is not None or is_archive(token)


def _specifier_and_marker(rest: str, text: str) -> tuple[str, str | None]:
    closed = rest.find(")") + 1 if rest.startswith("(") else 0
    if closed and rest[closed:].lstrip().startswith("#"):
        # A comment needs no space in front of it here.
        rest = rest[:closed]
    specifier, semicolon, marker = rest.partition(";")
    specifier = specifier.strip()
    if specifier.startswith("("):
        if not specifier.endswith(")"):
            raise no_requirement(text, "Missing closing parenthesis (expected ')')")
        specifier = specifier[1:-1].strip()
        if specifier and not specifier.startswith(("<", "=", ">", "~", "!")):
            raise no_requirement(text, f"Expected one of `<`, `=`, `>`, `~`, `!`, found `{specifier[0]}`")
    elif specifier and not specifier.startswith(("<", "=", ">", "~", "!")):
        raise no_requirement(text, f"Expected one of `@`, `(`, `<`, `=`, `>`, `~`, `!`, `;`, found `{specifier[0]}`")
    return specifier, check_marker(marker) if semicolon else None


def _direct(
    rest: str,
    *,
    name: str,
    extras: tuple[str, ...],
    text: str,
    base: str | None,
    expand: Callable[[str], str],
    origin: Origin | None,
    editable: bool = False,
) -> SpecifiedRequirement:
    place, marker = _split_marker(rest)
    if not place:
        raise InputError("Expected URL")
    reference = read_reference(expand(place), base=base, editable=editable)
    return _referring(reference, name=name, extras=extras, text=text, marker=marker, origin=origin)


def _unnamed(
    text: str, *, base: str, expand: Callable[[str], str], origin: Origin | None, editable: bool = False
) -> SpecifiedRequirement:
    place, marker = _split_marker(text)
    extras: tuple[str, ...] = ()
    behind = _EXTRAS_BEHIND.search(place)
    # A path may hold a blank, an address may not.
    if behind is not None and behind.start() > 0 and (is_url(place) or not place[behind.start() - 1].isspace()):
        extras, place = read_extras(behind[1]), place[: behind.start()].rstrip()
    reference = read_reference(expand(place), base=base, is_named=False, editable=editable)
    return _referring(reference, name=reference.name, extras=extras, text=text, marker=marker, origin=origin)


def _referring(
    reference: Reference,
    *,
    name: str | None,
    extras: tuple[str, ...],
    text: str,
    marker: str | None,
    origin: Origin | None,
) -> SpecifiedRequirement:
    return SpecifiedRequirement(
        name=name,
        source=reference.source,
        text=text,
        extras=extras,
        marker=marker,
        digests=reference.digests,
        origin=origin,
    )


def _split_marker(text: str) -> tuple[str, str | None]:
    """Split an address from its marker: the semicolon needs white space on one side."""
    match = _MARKER_START.search(text)
    if match is None:
        return text.strip(), None
    return text[: match.start()].strip(), check_marker(text[match.end() :])


def _parse_editable(
    text: str, *, base: str | None, expand: Callable[[str], str], origin: Origin | None
) -> SpecifiedRequirement:
    if base is None or not text:
        raise InputError("`-e` must be followed by a directory")
    match = _NAMED.match(text)
    rest = "" if match is None else match[2]
    behind = rest.partition("]")[2].lstrip() if rest.startswith("[") else rest
    if match is not None and behind.startswith("@") and _NAME.fullmatch(match[1]):
        extras = read_extras(rest[1:].partition("]")[0]) if rest.startswith("[") else ()
        requirement = _direct(
            behind[1:],
            name=normalize_name(match[1]),
            extras=extras,
            text=text,
            base=base,
            expand=expand,
            origin=origin,
            editable=True,
        )
    elif match is not None and behind.startswith(("(", "<", "=", ">", "~", "!")):
        raise _not_editable(text, "Registry requirements")
    else:
        requirement = _unnamed(text, base=base, expand=expand, origin=origin, editable=True)
    match requirement.source:
        case ArchiveSource(url=url):
            raise _not_editable(text, "Local archives" if url.startswith("file:") else "Direct URLs")
        case VcsSource():
            raise _not_editable(text, "Git sources")
        case DirectorySource() | IndexSource():
            return requirement


def _not_editable(text: str, what: str) -> InputError:
    return InputError(
        f"Unsupported editable requirement: `{masked(text)}`: {what} cannot be editable",
        hint="Editable requirements must refer to a local directory",
    )


def read_extras(text: str) -> tuple[str, ...]:
    """Return the normalised names between the brackets, each once. Raises InputError."""
    if not text.strip():
        return ()
    found: dict[str, None] = {}
    for part in text.split(","):
        name = part.strip()
        if _NAME.fullmatch(name) is None:
            shown = f"`{name}`" if name else "`]`"
            raise InputError(f"Expected an alphanumeric character starting the extra name, found {shown}")
        found[normalize_name(name)] = None
    return tuple(found)


def read_specifier(text: str) -> str:
    """Return a PEP 440 specifier set in one spelling: no white space, the clauses in their order.

    Raises InputError.
    """
    clauses = []
    parts = text.split(",")
    for part in parts:
        clause = part.strip()
        if not clause and len(parts) > 2 and part is not parts[-1]:
            raise InputError(f"`{text}` is not a valid version specifier: two commas have nothing between them")
        if clause:
            match = _CLAUSE.fullmatch(clause)
            clauses.append("".join(filter(None, match.groups())) if match else _unusual_clause(clause))
    return ",".join(clauses)


def _unusual_clause(clause: str) -> str:
    from packaging.specifiers import InvalidSpecifier, Specifier

    try:
        found = Specifier(clause)
    except (InvalidSpecifier, ValueError) as error:
        operator = re.match(r"[<=>~!]*", clause)
        if operator is not None and operator[0] not in {"~=", "==", "!=", "<=", ">=", "<", ">", "==="}:
            raise InputError(
                f'no such comparison operator "{operator[0]}" in `{clause}`, must be one of ~= == != <= >= < > ==='
            ) from error
        raise InputError(f"`{clause}` is not a valid version specifier") from error
    if found.operator == "===" and version_or_none(found.version) is None:
        raise InputError(f"`{clause}` asks for something that is no version, which no project can have")
    return f"{found.operator}{found.version}"


def read_hashes(text: str) -> tuple[Digest, ...]:
    """Read what stands behind a requirement: ``--hash=ALGORITHM:HEX``, any number of times.

    Raises InputError.
    """
    digests: dict[Digest, None] = {}
    rest = text.strip()
    while rest:
        match = _HASH.match(rest)
        if match is None:
            found = rest.split(maxsplit=1)[0]
            if re.fullmatch(r"--hash=?", found):
                raise InputError("`--hash` must be followed by an argument")
            raise InputError(f"Expected `--hash`, found `{masked(found)}`")
        digests[read_digest(match[1])] = None
        rest = rest[match.end() :].lstrip()
    return tuple(digests)


def merge_digests(requirement: SpecifiedRequirement, digests: tuple[Digest, ...]) -> tuple[Digest, ...]:
    """Return the digests of an address's fragment together with those of ``--hash``.

    All of them must match for an address, so two of one algorithm exclude each other.
    Raises InputError.
    """
    if not requirement.digests:
        return digests
    of_address: Mapping[str, Digest] = {digest.algorithm: digest for digest in requirement.digests}
    for digest in digests:
        known = of_address.get(digest.algorithm)
        if known is not None and known != digest:
            raise InputError(
                f"Conflicting archive URL hashes for `{masked(requirement.text)}`: `{digest}` conflicts with `{known}`"
            )
    return tuple(dict.fromkeys((*requirement.digests, *digests)))


def format_requirement(requirement: SpecifiedRequirement) -> str:
    """Return the line of a requirements file that reads as *requirement* again.

    Credentials included. An index that only this requirement uses cannot be said in a line.
    """
    extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
    place = _place(requirement.source)
    if requirement.name is None:
        line = f"{place}{extras}"
    elif isinstance(requirement.source, IndexSource):
        line = f"{requirement.name}{extras}{place}"
    else:
        line = f"{requirement.name}{extras} @ {place}"
    editable = "-e " if isinstance(requirement.source, DirectorySource) and requirement.source.editable else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    hashes = "".join(f" --hash={digest}" for digest in requirement.digests)
    return f"{editable}{line}{marker}{hashes}"


def _place(source: Source) -> str:
    from urllib.parse import quote

    behind = ""
    if not isinstance(source, IndexSource) and source.subdirectory is not None:
        behind = f"#subdirectory={quote(source.subdirectory)}"
    match source:
        case IndexSource():
            return source.specifier
        case ArchiveSource():
            return f"{source.path or source.url}{behind}"
        case DirectorySource():
            # The slash keeps a directory whose name ends like an archive a directory.
            return f"{file_url(source.path).rstrip('/')}/{behind}"
        case VcsSource():
            revision = quote(source.requested_revision or source.commit_id or "", safe="/")
            if source.large_files:
                behind += f"{'&' if behind else '#'}lfs=true"
            return f"{source.vcs}+{source.url}{f'@{revision}' if revision else ''}{behind}"
