"""Scripts that state their requirements in comments (PEP 723).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_envsync.errors import InputError
from pytest_envsync.inputs.collected import Collected
from pytest_envsync.inputs.file_options import read_place, read_selection
from pytest_envsync.inputs.paths import base_of
from pytest_envsync.inputs.pinned_sources import PinnedSources, configured_names, read_indexes
from pytest_envsync.inputs.reading import Reading
from pytest_envsync.inputs.requirement_line import parse_requirement, read_specifier
from pytest_envsync.inputs.toml_table import Table, line_of, parse_toml
from pytest_envsync.requirements import Origin, SpecifiedRequirement, normalize_name
from pytest_envsync.versions import python_meets

if TYPE_CHECKING:
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.target import Target

WHAT = "script metadata block"
_START = re.compile(r"# /// script")


def metadata_block(text: str, shown: str) -> tuple[str, int] | None:
    """Return the TOML of the script's metadata and the line (from 1) it begins on; None when there is none.

    Raises InputError when there are several, and for one that never ends.
    """
    if "# /// script" not in text:
        return None
    blocks = _blocks(text, shown)
    if not blocks:
        opened = next((number for number, line in enumerate(text.split("\n"), 1) if _START.fullmatch(line)), None)
        if opened is None:
            return None
        raise InputError(
            "the `# /// script` block is never closed: a line that is exactly `# ///` is missing",
            origin=Origin(shown, opened),
        )
    if len(blocks) > 1:
        raise InputError("the script has several `# /// script` blocks", origin=Origin(shown, blocks[1][1] - 1))
    return blocks[0]


def _blocks(text: str, shown: str) -> list[tuple[str, int]]:
    """Find the blocks line by line: a block runs to the last ``# ///`` of its comment."""
    found: list[tuple[str, int]] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        if _START.fullmatch(lines[at]) is None:
            at += 1
            continue
        start = end = at
        while end + 1 < len(lines) and (lines[end + 1] == "#" or lines[end + 1].startswith("# ")):
            end += 1
        while end > start and lines[end] != "# ///":
            end -= 1
        if end == start:
            raise InputError("the `# /// script` block is never closed", origin=Origin(shown, start + 1))
        found.append(("".join(f"{line[2:]}\n" for line in lines[start + 1 : end]), start + 2))
        at = end + 1
    return found


def read_script(
    text: str, *, location: str, shown: str, reading: Reading, options: SyncOptions, target: Target
) -> Collected | None:
    """Read what the script *text* asks for; None when it has no metadata.

    Its ``requires-python`` must be met by the target. Paths in ``[tool.uv]`` start at the working directory, those
    of its sources beside the script. Raises InputError.
    """
    block = metadata_block(text, shown)
    if block is None:
        return None
    content, first = block
    try:
        values = parse_toml(content, shown=shown, what=WHAT)
    except InputError as error:
        if error.origin is not None and error.origin.line is not None:
            error.origin = Origin(shown, error.origin.line + first - 1)
        raise
    root = Table(values, origin=Origin(shown, first - 1), what=WHAT)
    _check_python(root, target)
    base = base_of(location, reading.cwd)
    return _Script(root, block, shown=shown, base=base, reading=reading, options=options, target=target).read()


def _check_python(root: Table, target: Target) -> None:
    text = root.text("requires-python")
    if text is None:
        return
    try:
        specifier = read_specifier(text)
    except InputError as error:
        raise root.error(error.message, "requires-python") from error
    python = target.markers["python_full_version"]
    if not python_meets(specifier, python):
        raise InputError(f"The script requires Python {text}, but the target is Python {python}", origin=root.origin)


class _Script:
    """The metadata of one script while it is read."""

    def __init__(
        self,
        root: Table,
        block: tuple[str, int],
        *,
        shown: str,
        base: str,
        reading: Reading,
        options: SyncOptions,
        target: Target,
    ) -> None:
        self._root = root
        self._content, self._first = block
        self._shown = shown
        self._reading = reading
        tool = root.table("tool")
        self._uv = None if tool is None else tool.table("uv")
        self._indexes = read_indexes(self._uv, reading.root)
        self._sources = PinnedSources(
            self._uv,
            base=base,
            markers=target.markers,
            indexes={**configured_names(options), **self._indexes.named},
            without=(":all:",) if options.no_sources else options.no_sources_package,
        )

    def read(self) -> Collected:
        collected = Collected(entries=self._requirements(self._root, "dependencies"))
        uv = self._uv
        if uv is None:
            return collected
        collected.constraints = self._requirements(uv, "constraint-dependencies")
        collected.overrides = self._requirements(uv, "override-dependencies")
        collected.excludes = [normalize_name(name) for name in uv.texts("exclude-dependencies") or ()]
        root = self._reading.root
        collected.index, collected.index_rules = list(self._indexes.ordinary), list(self._indexes.rules)
        collected.extra_index_urls = [read_place(text, root) for text in uv.texts("extra-index-url") or ()]
        collected.find_links = [read_place(text, root) for text in uv.texts("find-links") or ()]
        url = uv.text("index-url")
        collected.index_url = self._indexes.default if url is None else read_place(url, root)
        collected.index_url_origin = None if collected.index_url is None else self._root.origin
        collected.no_index = bool(uv.flag("no-index"))
        collected.no_binary = _selection(uv, "no-binary")
        collected.only_binary = _selection(uv, "no-build")
        return collected

    def _requirements(self, table: Table, key: str) -> list[SpecifiedRequirement]:
        found = []
        for text in table.texts(key) or ():
            line = line_of(self._content, text)
            origin = Origin(self._shown, None if line is None else line + self._first - 1)
            requirement = parse_requirement(text, base=None, expand=self._reading.expand, origin=origin)
            found.append(self._sources.apply(requirement))
        return found


def _selection(uv: Table, key: str) -> list[str]:
    chosen = [":all:"] if uv.flag(key) else []
    for name in uv.texts(f"{key}-package") or ():
        chosen += read_selection(name, f"{key}-package")
    return chosen
