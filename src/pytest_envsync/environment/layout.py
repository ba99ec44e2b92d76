"""Where each file of a wheel goes, and what is written beside them.

Pure: the contents of the few files that decide (RECORD, ``entry_points.txt``, data scripts) are asked of a
function that is handed in. Sources: PEP 427 (``.data`` directories), PEP 376 and 627 (RECORD, INSTALLER),
PEP 610 (``direct_url.json``).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from pytest_envsync.digesting import sha256
from pytest_envsync.direct_url import direct_url_of
from pytest_envsync.distributions import Candidate, StoredFile, StoredWheel
from pytest_envsync.environment.journal import JOURNAL_NAME
from pytest_envsync.environment.scripts import (
    check_script_name,
    command_interpreter,
    fill_placeholder,
    generate_commands,
    is_placeholder,
    same_command,
)
from pytest_envsync.environment.site_packages import NOTE
from pytest_envsync.errors import InstallError, WheelError
from pytest_envsync.record import (
    RecordEntry,
    format_direct_url,
    format_record,
    parse_entry_points,
    parse_record,
    record_hash,
)
from pytest_envsync.target import Target
from pytest_envsync.values import NamedTuple

INSTALLER = b"envsync"
_OWN_FILES = frozenset({"pyvenv.cfg", ".lock", JOURNAL_NAME})
SCHEMES = ("purelib", "platlib", "headers", "scripts", "data")

Read = Callable[[str], bytes]
"""Path in the unpacked tree to content."""


class Placed(NamedTuple):
    """A file that is placed from the store: *source* is its absolute path there."""

    source: str
    file: StoredFile
    owner: str


class Written(NamedTuple):
    """A file that is written: *mode* before the umask."""

    content: bytes
    mode: int
    owner: str


Item = Placed | Written
Tree = dict[str, dict[str, Item]]
"""Absolute directory to file name to what stands there."""


class Provenance(NamedTuple):
    """What is noted about an installation: plain JSON values, so that it can be kept and noted again."""

    direct_url: dict[str, Any] | None = None
    cache_info: dict[str, Any] | None = None
    build_info: dict[str, Any] | None = None
    built_from: tuple[str, ...] = ()


NO_PROVENANCE = Provenance()


class Parcel(NamedTuple):
    """One wheel with all that its layout needs.

    *bytecode_root* and *bytecode* are the compiled files that the store has for the interpreter,
    under the paths of the tree.
    """

    wheel: StoredWheel
    files: tuple[StoredFile, ...]
    provenance: Provenance = NO_PROVENANCE
    bytecode_root: str | None = None
    bytecode: tuple[StoredFile, ...] = ()


class Layout(NamedTuple):
    """The files of one distribution in their places; *warnings* are sentences."""

    tree: Tree
    warnings: tuple[str, ...]


def provenance_of(candidate: Candidate) -> Provenance:
    """Return what is noted about an installation of *candidate*.

    Of a build the digests that were enforced on its sdist are noted too, since those of the wheel prove nothing.
    """
    return Provenance(
        direct_url_of(candidate.requested),
        candidate.cache_info,
        (candidate.build_info or {}) if candidate.kind != "wheel" else None,
        tuple(map(str, candidate.digests)) if candidate.kind == "sdist" else (),
    )


def roots_of(target: Target) -> dict[str, str]:
    """Return the directories of the schemes, with ``/`` and without symbolic links: equal places are equal text."""
    return {scheme: plain_path(target.paths[scheme]) for scheme in SCHEMES}


def plain_path(path: str) -> str:
    """Return *path* with symbolic links resolved and ``/`` between its parts."""
    return os.path.realpath(path).replace(os.sep, "/")


def lay_out(
    parcel: Parcel, target: Target, roots: Mapping[str, str], read: Read, *, installer_metadata: bool = True
) -> Layout:
    """Return the files of *parcel* in their places on *target*; *roots* is ``roots_of(target)``.

    With *installer_metadata* false none of INSTALLER, REQUESTED, ``direct_url.json`` and this tool's note is
    written. Raises WheelError for a wheel that cannot be laid out and InstallError for scripts whose names
    are reserved.
    """
    return _Layouter(parcel, target, roots, read).run(installer_metadata=installer_metadata)


class _Layouter:
    """The layout of one wheel while it is made."""

    def __init__(self, parcel: Parcel, target: Target, roots: Mapping[str, str], read: Read) -> None:
        self.parcel = parcel
        self.wheel = parcel.wheel
        self.target = target
        self.roots = roots
        self.read = read
        self.site = roots["purelib" if self.wheel.root_is_purelib else "platlib"]
        self.dist_info = f"{self.site}/{self.wheel.dist_info}"
        self.data = self.wheel.dist_info.removesuffix(".dist-info") + ".data/"
        self.tree: Tree = {}
        self.rows: dict[str, RecordEntry] = {}
        self.moved: dict[str, str | None] = {}
        self.relative: dict[str, str] = {}
        self.warnings: list[str] = []

    def run(self, *, installer_metadata: bool) -> Layout:
        commands = self._commands()
        self._place(self.parcel.files, self.wheel.tree, commands)
        if self.parcel.bytecode_root is not None:
            self._place(self.parcel.bytecode, self.parcel.bytecode_root, commands)
        for name, content in sorted(commands.items()):
            self._write(self.roots["scripts"], name, content, 0o777)
        if installer_metadata:
            for name, content in self._metadata().items():
                self._write(self.dist_info, name, content)
        self.tree.setdefault(self.dist_info, {})["RECORD"] = Written(self._record(), 0o666, self.wheel.name)
        return Layout(self.tree, tuple(self.warnings))

    def _commands(self) -> dict[str, bytes]:
        path = f"{self.wheel.dist_info}/entry_points.txt"
        if not any(file.path == path for file in self.parcel.files):
            return {}
        try:
            points = parse_entry_points(self.read(path).decode("utf-8"))
        except ValueError as error:
            raise WheelError(self.wheel.filename, str(error), exit_status=2) from error
        commands = generate_commands(
            points,
            python=command_interpreter(self.target),
            minor=self.target.minor,
            machine=self.target.markers.get("platform_machine", ""),
        )
        for name in commands:
            self._check_script(name)
        return commands

    def _check_script(self, name: str) -> None:
        warning = check_script_name(name, self.wheel.name)
        if warning is not None:
            self.warnings.append(warning)

    def _check_place(self, directory: str, name: str) -> None:
        """Refuse what is no script by its scheme, and would replace the interpreter or the environment's own files."""
        if os.path.normcase(directory) == os.path.normcase(self.roots["scripts"]):
            self._check_script(name)
        if self.target.is_virtual and name.lower() in _OWN_FILES and directory == plain_path(self.target.prefix):
            raise InstallError(
                f"`{self.wheel.name}` brings a file `{name}`, which is the virtual environment's own",
                hint=f"the wheel cannot be installed as it is; tell the authors of `{self.wheel.name}`",
            )

    def _place(self, files: tuple[StoredFile, ...], root: str, commands: Mapping[str, bytes]) -> None:
        owner = self.wheel.name
        data = self.data
        buckets: dict[str, dict[str, Item]] = {}
        for file in files:
            path = file.path
            directory, _, name = path.rpartition("/")
            if path.startswith(data):
                self._place_data(Placed(f"{root}/{path}", file, owner), commands)
                continue
            bucket = buckets.get(directory)
            if bucket is None:
                place = f"{self.site}/{directory}" if directory else self.site
                bucket = buckets[directory] = self.tree.setdefault(place, {})
            bucket[name] = Placed(f"{root}/{path}", file, owner)

    def _place_data(self, item: Placed, commands: Mapping[str, bytes]) -> None:
        path = item.file.path
        key, _, rest = path[len(self.data) :].partition("/")
        if key not in SCHEMES or not rest:
            raise WheelError(
                self.wheel.filename,
                f"`{path}` is in no known place (expected below {', '.join(SCHEMES)})",
                exit_status=2,
            )
        if key == "scripts":
            self.moved[path] = self._place_script(item, rest, commands)
            return
        root = f"{self.roots[key]}/{self.wheel.name}" if key == "headers" else self.roots[key]
        directory, _, name = rest.rpartition("/")
        place = f"{root}/{directory}" if directory else root
        self._check_place(place, name)
        self.tree.setdefault(place, {})[name] = item
        self.moved[path] = self._relative(place) + name

    def _place_script(self, item: Placed, name: str, commands: Mapping[str, bytes]) -> str | None:
        """Place a data script; return its path in RECORD, None when an entry point takes its place."""
        if "/" in name:
            raise WheelError(self.wheel.filename, f"the script `{item.file.path}` is in a directory", exit_status=2)
        if same_command(name) in {same_command(command) for command in commands}:
            return None
        self._check_script(name)
        content = self.read(item.file.path)
        if is_placeholder(content[:16]):
            self._write(self.roots["scripts"], name, fill_placeholder(content, command_interpreter(self.target)), 0o777)
            return None
        if item.file.mode & 0o111:
            self.tree.setdefault(self.roots["scripts"], {})[name] = item
        else:
            # The store's inode stays as it is, so a script that is to be run needs one of its own.
            self.tree.setdefault(self.roots["scripts"], {})[name] = Written(content, 0o777, self.wheel.name)
        return self._relative(self.roots["scripts"]) + name

    def _write(self, directory: str, name: str, content: bytes, mode: int = 0o666) -> None:
        self.tree.setdefault(directory, {})[name] = Written(content, mode, self.wheel.name)
        path = self._relative(directory) + name
        self.rows[path] = RecordEntry(path, record_hash(sha256(content).hexdigest()), len(content))

    def _relative(self, directory: str) -> str:
        """Return how RECORD names *directory*, with a slash at the end; empty for site-packages itself."""
        known = self.relative.get(directory)
        if known is None:
            path = os.path.relpath(directory, self.site).replace(os.sep, "/")
            known = self.relative[directory] = "" if path == "." else f"{path}/"
        return known

    def _metadata(self) -> dict[str, bytes]:
        provenance = self.parcel.provenance
        texts = {"INSTALLER": INSTALLER, "REQUESTED": b"", NOTE: format_note(self.wheel.sha256, provenance)}
        if provenance.direct_url is not None:
            texts["direct_url.json"] = format_direct_url(provenance.direct_url).encode("utf-8")
        return texts

    def _record(self) -> bytes:
        """Return RECORD: the wheel's own rows at their new places, those of what was written, all by path."""
        own = f"{self.wheel.dist_info}/RECORD"
        text = self.read(own).decode("utf-8", "surrogateescape")
        rows = self._quoted_rows(text) if '"' in text or "\r" in text else self._plain_rows(text)
        rows |= {path: format_record([entry]) for path, entry in self.rows.items()}
        rows[own] = format_record([RecordEntry(own)])
        return "".join([rows[path] for path in sorted(rows)]).encode("utf-8", "surrogateescape")

    def _plain_rows(self, text: str) -> dict[str, str]:
        """Return path to line where no field is quoted: almost always, and thousands in a large environment."""
        rows = {}
        for line in text.split("\n"):
            path, _, rest = line.partition(",")
            place = self.moved.get(path, path)
            if place and "," not in place:
                rows[place] = f"{place},{rest}\n"
            elif place:
                rows[place] = f'"{place}",{rest}\n'
        return rows

    def _quoted_rows(self, text: str) -> dict[str, str]:
        rows = {}
        for entry in parse_record(text):
            path = self.moved.get(entry.path, entry.path)
            if path is not None:
                rows[path] = format_record([entry._replace(path=path)])
        return rows


def format_note(artifact: str, provenance: Provenance) -> bytes:
    """Return the content of this tool's note: *artifact* is the sha256 (hex) of the wheel file."""
    if not (provenance.cache_info or provenance.build_info is not None or provenance.built_from):
        return b'{"sha256":"' + artifact.encode("ascii") + b'"}'
    import json

    values: dict[str, Any] = {"sha256": artifact}
    if provenance.built_from:
        values["built_from"] = list(provenance.built_from)
    if provenance.cache_info is not None:
        values["cache_info"] = provenance.cache_info
    if provenance.build_info is not None:
        values["build_info"] = provenance.build_info
    return json.dumps(values, separators=(",", ":"), sort_keys=True).encode("utf-8")
