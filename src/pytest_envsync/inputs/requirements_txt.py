"""Requirements files: statements, options, files that include files.

The grammar is pip's as far as the reference reads it: a requirement with hashes, or an option, on a line
that a backslash continues; ``#`` begins a comment at the start of a line or behind white space.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import PurePath

from pytest_envsync.addresses import is_remote, masked
from pytest_envsync.errors import InputError
from pytest_envsync.hashes import Digest
from pytest_envsync.inputs.collected import Collected
from pytest_envsync.inputs.file_options import read_place, read_selection, unquoted
from pytest_envsync.inputs.paths import base_of, directory_of, is_absolute, path_below
from pytest_envsync.inputs.reading import Reading
from pytest_envsync.inputs.requirement_line import (
    format_requirement,
    merge_digests,
    no_requirement,
    read_hashes,
)
from pytest_envsync.inputs.requirement_line import parse_requirement as parse_line
from pytest_envsync.requirements import IndexSource, Origin, SpecifiedRequirement, normalize_name
from pytest_envsync.values import NamedTuple, replace

__all__ = ["format_requirement", "parse_requirement", "read_requirements_txt"]

_DEEPEST = 30  # files, each in the next; more only where a link makes one file look like ever new ones

# A whole lockfile is mostly this: a plain pin with its digests. One regular expression reads it several
# times as fast as the general way, which comes to the same (a test holds both against each other).
_PIN = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([0-9]+(?:\.[0-9]+)*(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?)"
    r"((?:[ \t]+(?:\\\n[ \t]*)?--hash=(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?=[ \t\n]))*)"
    r"[ \t]*(?:[ \t]#[^\n]*)?\n",
    re.ASCII,
)
_PIN_HASH = re.compile(r"--hash=([a-z0-9]+):([0-9a-f]+)", re.ASCII)
_BLANK = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)+")
_COMMENT = re.compile(r"(?:^|[ \t])#")
_OPTION = re.compile(r"(--?[A-Za-z][A-Za-z-]*)(.*)", re.DOTALL)
_SECOND_OPTION = re.compile(r"\s(?:--[a-z]|-[rcefi]\s)")
_NAMED_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?@")
_HASHES_START = re.compile(r"\s--")

_SHORT = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url", "-f": "--find-links"}
_WITH_VALUE = frozenset(
    {*_SHORT.values(), "--extra-index-url", "--no-binary", "--only-binary", "--trusted-host", "--use-feature"}
)
_FLAGS = frozenset({"--no-index", "--require-hashes", "--pre", "--prefer-binary"})
_IGNORED = {"--pre": True, "--trusted-host": True, "--prefer-binary": False, "--use-feature": False}
"""Options without effect here, and whether the command line has them."""


class _Statement(NamedTuple):
    """A line with its continuations joined and its comment cut off. *column* is that of the first character."""

    text: str
    origin: Origin
    column: int


def parse_requirement(
    text: str,
    *,
    cwd: str,
    environ: Mapping[str, str] | None = None,
    origin: Origin | None = None,
    editable: bool = False,
) -> SpecifiedRequirement:
    """Read one requirement as a line of a requirements file has it, without options.

    *cwd* is the absolute directory that relative paths start at; *environ* fills in ``${NAME}``.
    Raises InputError.
    """

    def read(location: str) -> bytes:
        raise FileNotFoundError(location)

    reading = Reading(read, cwd=cwd, environ=environ or {})
    return parse_line(text, base=cwd, expand=reading.expand, origin=origin, editable=editable)


def read_requirements_txt(location: str, *, shown: str, reading: Reading, as_constraints: bool = False) -> Collected:
    """Read the requirements file at *location*, and those that it includes.

    *shown* is how the user named it. With *as_constraints* everything it asks for becomes a constraint.
    Each file is visited once, so that files may include each other. Raises InputError.
    """
    collected = _File(location, shown, reading, visited=set(), via=None).read()
    if not as_constraints:
        return collected
    for entry in collected.entries:
        if _is_unnamed(entry) or _is_editable(entry):
            raise InputError(
                f"Unnamed requirements are not allowed as constraints (found: `{masked(entry.text)}`)",
                origin=entry.origin,
            )
    collected.constraints, collected.entries = [*collected.entries, *collected.constraints], []
    return collected


def read_requirements_text(text: str, *, location: str, shown: str, reading: Reading) -> Collected:
    """Read *text*, which was found at *location*, as ``read_requirements_txt`` does."""
    return _File(location, shown, reading, visited={(location, False)}, via=None).parse(text)


def _is_unnamed(entry: SpecifiedRequirement) -> bool:
    """Whether the line has no name of its own; that of a wheel's file does not count."""
    return entry.name is None or not (isinstance(entry.source, IndexSource) or _NAMED_ADDRESS.match(entry.text))


def _is_editable(entry: SpecifiedRequirement) -> bool:
    return bool(getattr(entry.source, "editable", False))


class _File:
    """One requirements file while it is read."""

    def __init__(
        self, location: str, shown: str, reading: Reading, *, visited: set[tuple[str, bool]], via: Origin | None
    ) -> None:
        self.location = location
        self.shown = shown
        self.reading = reading
        self.visited = visited
        self.via = via
        self.collected = Collected()

    def read(self) -> Collected:
        """Read and parse the whole file."""
        return self.parse(self.reading.text(self.location, shown=self.shown, via=self.via))

    def parse(self, text: str) -> Collected:
        """Parse *text* statement by statement."""
        if not text.endswith("\n"):
            text += "\n"
        position, line, end = 0, 1, len(text)
        while position < end:
            pin = _PIN.match(text, position)
            if pin is not None:
                self.collected.entries.append(_pinned(pin, Origin(self.shown, line, self.via)))
                stop = pin.end()
            else:
                blank = _BLANK.match(text, position)
                stop = blank.end() if blank is not None else self._statement(text, position, line)
            line += text.count("\n", position, stop)
            position = stop
        return self.collected

    def _statement(self, text: str, position: int, line: int) -> int:
        """Read the statement at *position*; return where the next line begins."""
        pieces: list[str] = []
        while True:
            newline = text.index("\n", position)
            piece = text[position:newline]
            position = newline + 1
            comment = _COMMENT.search(piece)
            if comment is not None:
                pieces.append(piece[: comment.start()])
                break
            if not piece.endswith("\\") or position == len(text):
                pieces.append(piece.removesuffix("\\") if position == len(text) else piece)
                break
            pieces.append(piece[:-1])
        content = " ".join(filter(None, (piece.strip() for piece in pieces)))
        first = pieces[0].lstrip(" \t")[:1]
        if first.isspace():
            raise InputError(
                f"the line begins with {first!r}, which is no blank", origin=Origin(self.shown, line, self.via)
            )
        if content:
            column = len(pieces[0]) - len(pieces[0].lstrip()) + 1
            statement = _Statement(content, Origin(self.shown, line, self.via), column)
            try:
                self._read_statement(statement)
            except InputError as error:
                if error.origin is None:
                    error.origin = statement.origin
                raise
        return position

    def _read_statement(self, statement: _Statement) -> None:
        if statement.text.startswith("-"):
            self._read_option(statement)
        elif re.match(r"[A-Za-z0-9./$\\]", statement.text):
            self._read_requirement(statement.text, statement.origin)
        else:
            raise _unexpected(statement)

    def _read_requirement(self, text: str, origin: Origin, *, editable: bool = False) -> None:
        hashes = _HASHES_START.search(text)
        line = text if hashes is None else text[: hashes.start()]
        digests = () if hashes is None else read_hashes(text[hashes.start() :])
        if not editable and line.endswith((".txt", ".in")):
            self._refuse_file_name(line)
        requirement = parse_line(
            line, base=self.reading.root, expand=self.reading.expand, origin=origin, editable=editable
        )
        if digests:
            requirement = replace(requirement, digests=merge_digests(requirement, digests))
        self.collected.entries.append(requirement)

    def _refuse_file_name(self, line: str) -> None:
        try:
            self.reading.content(self.reading.locate(line, self._directory()), shown=line)
        except InputError:
            # No such file: the line means a project, or fails as any other.
            return
        raise InputError(
            f"Requirement `{line}` looks like a requirements file but was passed as a package name. "
            f"Did you mean `-r {line}`?"
        )

    def _read_option(self, statement: _Statement) -> None:
        match = _OPTION.match(statement.text)
        option = "" if match is None else _SHORT.get(match[1], match[1])
        rest = "" if match is None or (option in _FLAGS and match[2].startswith("#")) else match[2]
        if option in _IGNORED and option in _FLAGS and (not rest or rest[0] in "= \t"):
            # As in the reference, the rest of the line goes with it.
            self._warn_ignored(option)
            return
        if option in _FLAGS and (not rest or rest[0].isspace()):
            self._set_flag(option)
            if rest.strip():
                self._read_statement(statement._replace(text=rest.strip()))
            return
        if option not in _WITH_VALUE:
            raise _misspelt(statement)
        if rest and rest[0] != "=" and not rest[0].isspace():
            raise InputError(f"Expected '=' or whitespace, found '{rest[0]}' after `{match[1] if match else option}`")
        value = rest[1:].strip()
        if not value and option in _IGNORED:
            self._warn_ignored(option)
            return
        if not value:
            raise InputError(f"`{option}` must be followed by an argument")
        self._apply(option, value, statement.origin)

    def _set_flag(self, option: str) -> None:
        if option == "--no-index":
            self.collected.no_index = True
        else:
            self.collected.require_hashes = True

    def _warn_ignored(self, option: str) -> None:
        hint = f" (hint: pass `{option}` on the command line instead)" if _IGNORED[option] else ""
        self.reading.warnings.append(f"Ignoring unsupported option in `{self.shown}`: `{option}`{hint}")

    def _apply(self, option: str, value: str, origin: Origin) -> None:
        if option == "--editable":
            self._read_requirement(value, origin, editable=True)
            return
        if option in _IGNORED:
            self._warn_ignored(option)
            return
        value = value.partition("#")[0].strip()
        if "'" not in value and '"' not in value and _SECOND_OPTION.search(value):
            raise InputError(f"one option a line: `{option} {masked(value)}` holds another one")
        value = unquoted(value)
        if option in {"--no-binary", "--only-binary"}:
            chosen = self.collected.no_binary if option == "--no-binary" else self.collected.only_binary
            chosen.extend(read_selection(value, option))
            return
        value = self.reading.expand(value)
        if not value:
            raise InputError(f"`{option}` must be followed by an argument")
        if option in {"--requirement", "--constraint"}:
            self._include(value, origin, as_constraints=option == "--constraint")
        elif option == "--find-links":
            self.collected.find_links.append(read_place(value, self._directory()))
        elif option == "--extra-index-url":
            self.collected.extra_index_urls.append(read_place(value, self.reading.root))
        elif self.collected.index_url is not None:
            raise InputError("Multiple `--index-url` values provided")
        else:
            self.collected.index_url = read_place(value, self.reading.root)
            self.collected.index_url_origin = origin

    def _directory(self) -> str:
        """Return what the paths of ``-r``, ``-c`` and ``--find-links`` start at."""
        return base_of(self.location, self.reading.cwd)

    def _include(self, name: str, origin: Origin, *, as_constraints: bool) -> None:
        location = self.reading.locate(name, self._directory())
        if (location, as_constraints) in self.visited:
            return
        if origin.depth > _DEEPEST:
            raise InputError(f"`{name}` is included too deeply", hint="do files include each other through a link?")
        self.visited.add((location, as_constraints))
        nested = _File(location, self._shown(name, location), self.reading, visited=self.visited, via=origin).read()
        if as_constraints:
            self._constrain(nested, name)
            return
        if None not in (self.collected.index_url, nested.index_url) and nested.index_url != self.collected.index_url:
            raise InputError("Nested `requirements` file contains conflicting `--index-url`")
        self.collected.absorb(nested)

    def _shown(self, name: str, location: str) -> str:
        """Name an included file as its includer is named: relative to the working directory, or in full."""
        if is_remote(location) or is_absolute(self.shown) or is_absolute(name) or ":" in name:
            return location
        place = directory_of(self.shown)
        # What is left of `..` in a location stands behind a link: without it, the name would be that of another file.
        return os.path.join(place, name) if ".." in PurePath(location).parts else path_below(place, name)  # noqa: PTH118 - text

    def _constrain(self, nested: Collected, name: str) -> None:
        """Take over what a file behind ``-c`` asks for. Its hashes do not count, and its indexes neither."""
        for entry in (*nested.entries, *nested.constraints):
            if _is_unnamed(entry) or _is_editable(entry):
                what = "Editable" if _is_editable(entry) else "Unnamed"
                raise InputError(
                    f"{what} requirements are not allowed as constraints in `{name}` (found: `{masked(entry.text)}`)",
                    origin=entry.origin,
                )
            self.collected.constraints.append(replace(entry, digests=()))
        self.collected.require_hashes = self.collected.require_hashes or nested.require_hashes


def _pinned(pin: re.Match[str], origin: Origin) -> SpecifiedRequirement:
    return SpecifiedRequirement(
        name=normalize_name(pin[1]),
        source=IndexSource(f"=={pin[2]}"),
        text=f"{pin[1]}=={pin[2]}",
        digests=tuple(dict.fromkeys(Digest(*found) for found in _PIN_HASH.findall(pin[3]))) if pin[3] else (),
        origin=origin,
    )


def _unexpected(statement: _Statement) -> InputError:
    reason = f"Unexpected '{statement.text[0]}', expected '-c', '-e', '-r' or the start of a requirement"
    return no_requirement(statement.text, f"{reason} (column {statement.column})")


def _misspelt(statement: _Statement) -> InputError:
    """Return the error for an option that is none, or that has something glued to it."""
    for option in sorted((*_SHORT, *_WITH_VALUE), key=len, reverse=True):
        if statement.text.startswith(option) and option not in _IGNORED:
            glued = statement.text[len(option)]
            return InputError(f"Expected '=' or whitespace, found '{glued}' after `{option}`")
    return _unexpected(statement)
