"""Answer a sync again that found nothing to do, when nothing that it looked at has changed.

The record of a run holds all that the run depended on: the command line and the variables, the bytes of every input
and configuration file (and which were missing), the interpreter, the state of site-packages. The same command
compares all of it again and says the same; anything else is left to the engine. Command lines, variables and
files may hold passwords: of them only digests are kept.

Python itself takes 9 ms to start, and a sync through the engine 40 more: this answers in 4. So nothing is
imported here but what Python has loaded anyway, and modules in C.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import marshal
import os
import sys
from time import perf_counter, time_ns

from pytest_envsync.cache_location import cache_location
from pytest_envsync.file_stamp import stamp_of
from pytest_envsync.machine import system, zone
from pytest_envsync.version import __version__

try:
    from _blake2 import blake2b  # in C; hashlib would load all of OpenSSL
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

FORMAT = 4
_MAGIC = b"envsync-remembered-%d\n" % FORMAT
_CHECK = 20  # bytes of digest before the rows
BEGAN = time_ns()
"""When this process began: it is imported before anything is looked at."""

_TICK = 20_000_000  # ns; the clock of a file system may be so far behind
MOST_RECORDS = 64
LARGEST_RECORD = 8 << 20  # bytes; the inputs of a run that is worth remembering are far smaller

_METADATA = (".dist-info", ".egg-info", ".egg-link")
_JUDGED = ("WHEEL", "direct_url.json")
"""Files of a dist-info that decide whether it counts as what is asked for."""

_HOUR = 3_600 * 10**9  # ns

_PREFIXES = ("ENVSYNC_", "UV_", "PIP_", "XDG_", "CONDA_")
_VARIABLES = (
    "VIRTUAL_ENV", "HOME", "PATH", "MACOSX_DEPLOYMENT_TARGET", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE",
)  # fmt: skip
"""Variables that decide what a sync does or how it says so; those that inputs expand are compared one by one."""


class Evidence:
    """What a run depended on.

    *read*: paths of inputs and configuration, each with the sha256 (hex) of the bytes that counted, None for a file
    that was not there. *files*: others whose bytes count, present or not. *variables*: the names of those that inputs
    expand. *sites*: the directories of site-packages. *stamped*: interpreters, local wheels and listings, of which
    the stamps are compared (``file_stamp``). *absent*: paths that would change the answer by being there.
    """

    __slots__ = ("absent", "files", "read", "sites", "stamped", "variables")

    def __init__(
        self,
        *,
        read: Iterable[tuple[str, str | None]],
        files: Iterable[str],
        variables: Iterable[str],
        sites: Iterable[str],
        stamped: Iterable[str],
        absent: Iterable[str],
    ) -> None:
        self.read = tuple(read)
        self.files = tuple(dict.fromkeys((*(path for path, _ in self.read), *files)))
        self.variables = tuple(variables)
        self.sites = tuple(dict.fromkeys(sites))
        self.stamped = tuple(dict.fromkeys(stamped))
        self.absent = tuple(absent)


class Answer:
    """What was said: *notes* first, then the phases, on standard error; *data* on standard output.

    *resolved* is None for a pylock file. *colour* is the choice of ``--color``.
    """

    __slots__ = ("checked", "colour", "data", "is_dry", "notes", "quiet", "resolved")

    def __init__(
        self,
        *,
        notes: tuple[str, ...],
        resolved: int | None,
        checked: int,
        is_dry: bool,
        data: str,
        quiet: int,
        colour: str,
    ) -> None:
        self.notes = notes
        self.resolved = resolved
        self.checked = checked
        self.is_dry = is_dry
        self.data = data
        self.quiet = quiet
        self.colour = colour


def replay(argv: Sequence[str], environ: Mapping[str, str], *, began: float) -> int | None:
    """Answer *argv* from the record of an earlier run, or return None.

    *began* is when this process began, by ``perf_counter``.
    """
    known = read_record(argv, environ)
    try:
        notes, resolved, checked, is_dry, data, quiet, colour = known or ()
    except ValueError:
        return None  # none, or another version wrote it
    answer = Answer(
        notes=notes, resolved=resolved, checked=checked, is_dry=is_dry, data=data, quiet=quiet, colour=colour
    )
    _say(answer, environ, began)
    return 0


def read_record(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Any, ...] | None:
    """Return what was written for *argv*, when all that it rests on is as it was; else None."""
    try:
        cwd = os.getcwd()  # noqa: PTH109 - plain text
        key = _key(argv, environ, cwd)
        place = f"{_directory(argv, environ, cwd)}/{key.hex()}"
        with open(place, "rb") as stream:  # noqa: PTH123 - plain text
            content = stream.read()
        known, evidence, state, answer = _opened(content)
        if known != key:
            return None
        files, variables, sites, stamped, absent = evidence
        found = _state(files, variables, sites, stamped, environ)
        if found != state or any(os.path.lexists(path) for path in absent):
            return None
        _note_use(place)
        return tuple(answer)
    except (OSError, ValueError, EOFError, TypeError):
        # No record, or one of another version: the engine answers.
        return None


def _sealed(record: tuple[Any, ...]) -> bytes:
    data = marshal.dumps(record)
    return _MAGIC + _digest(data) + data


def _opened(content: bytes) -> Any:
    """Return what ``_sealed`` was given. Raises ValueError for anything else: what is damaged must not be unpacked."""
    start = len(_MAGIC) + _CHECK
    data = content[start:]
    if content[: len(_MAGIC)] != _MAGIC or _digest(data) != content[len(_MAGIC) : start]:
        raise ValueError("the record is damaged, or written by another version")
    return marshal.loads(data)  # noqa: S302 - our own file; its checksum was just compared


def _note_use(place: str) -> None:
    """Note by its time that a record is in use, at most once an hour; what nobody uses is removed first."""
    try:
        if time_ns() - os.stat(place).st_mtime_ns > _HOUR:  # noqa: PTH116 - plain text
            os.utime(place)
    except OSError:
        return  # a cache that cannot be written


def remember(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: str,
    cache_dir: str,
    evidence: Evidence,
    answer: Answer,
) -> None:
    """Write the record of a run that found nothing to do; see ``write_record``."""
    said = (answer.notes, answer.resolved, answer.checked, answer.is_dry, answer.data, answer.quiet, answer.colour)
    write_record(argv, environ, cwd=cwd, cache_dir=cache_dir, evidence=evidence, answer=said)


def write_record(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: str,
    cache_dir: str,
    evidence: Evidence,
    answer: tuple[Any, ...],
) -> None:
    """Write what ``read_record`` is to return for *argv*; *answer* is of what ``marshal`` can write.

    *cwd* is the directory that the process was started in. Does nothing when the cache is not where ``replay`` would
    look for it, when *argv* leads over a link with ``..``, and when something that the run depended on was changed
    while it went on: what it says may be true of what was there before only. A cache that cannot be written costs
    time, not correctness: nothing is raised.
    """
    key = _key(argv, environ, cwd)
    directory = _directory(argv, environ, cwd)
    if os.path.dirname(directory) != _settled(cache_dir) or _is_led_by_links(argv, cwd):  # noqa: PTH120 - plain text
        return
    rows = (evidence.files, evidence.variables, evidence.sites, evidence.stamped, evidence.absent)
    try:
        state = _state(evidence.files, evidence.variables, evidence.sites, evidence.stamped, environ)
        if not _is_what_was_read(evidence, state[0]) or _is_changing(evidence):
            return
        record = _sealed((key, rows, state, answer))
        if len(record) > LARGEST_RECORD:
            return
        from pytest_envsync.atomic import write_at_once

        write_at_once(f"{directory}/{key.hex()}", record)
        _make_room(directory)
    except (OSError, ValueError):
        return


def _key(argv: Sequence[str], environ: Mapping[str, str], cwd: str) -> bytes:
    variables = [(name, value) for name, value in environ.items() if name in _VARIABLES or name.startswith(_PREFIXES)]
    variables.sort()
    return _digest(repr((__version__, sys.version, sys.executable, cwd, tuple(argv), variables, zone(), system())))


def _directory(argv: Sequence[str], environ: Mapping[str, str], cwd: str) -> str:
    given = None
    for index, word in enumerate(argv):
        if word == "--cache-dir" and index + 1 < len(argv):
            given = argv[index + 1]
        elif word.startswith("--cache-dir="):
            given = word[12:]
    return f"{_settled(cache_location(given, environ, cwd=cwd))}/remembered"


def _settled(path: str) -> str:
    """Return *path* without the parts that lead nowhere; only one with ``..`` costs an import."""
    if ".." not in path:
        return os.path.normpath(path)
    from pytest_envsync.true_paths import settled

    return settled(path)


def _is_led_by_links(argv: Sequence[str], cwd: str) -> bool:
    """Whether a path in *argv* has a ``..`` that a link answers: it may answer otherwise by the next run."""
    paths = [os.path.join(cwd, word.partition("=")[2] or word) for word in argv if ".." in word]  # noqa: PTH118 - plain text
    return any(_settled(path) != os.path.normpath(path) for path in paths)


def _digest(text: str | bytes) -> bytes:
    return blake2b(
        text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"), digest_size=20
    ).digest()


def _state(
    files: Iterable[str],
    variables: Iterable[str],
    sites: Iterable[str],
    stamped: Iterable[str],
    environ: Mapping[str, str],
) -> tuple[Any, ...]:
    return (
        tuple(_content(path) for path in files),
        _digest(repr([environ.get(name) for name in variables])),
        tuple(_site_state(path) for path in sites),
        tuple(stamp_of(path) for path in stamped),
    )


def _is_what_was_read(evidence: Evidence, found: tuple[bytes | None, ...]) -> bool:
    """Whether the files that *found* has digests of are those that the run has read."""
    from hashlib import sha256

    state = dict(zip(evidence.files, found, strict=True))
    for path, digest in evidence.read:
        content = None
        if state[path] is not None:
            with open(path, "rb") as stream:  # noqa: PTH123 - plain text
                content = stream.read()
        if (None if content is None else _digest(content)) != state[path]:
            return False
        if (None if content is None else sha256(content).hexdigest()) != digest:
            return False
    return True


def _is_changing(evidence: Evidence) -> bool:
    """Whether something of which no bytes are compared was written to since this process began."""
    places = [*evidence.stamped, *evidence.files[len(dict(evidence.read)) :]]
    for site in evidence.sites:
        if os.path.isdir(site):  # noqa: PTH112 - plain text
            places.append(site)
            places += [f"{site}/{name}" for name in os.listdir(site) if name.endswith(_METADATA)]  # noqa: PTH208 - as above
    changed = (os.stat(place).st_ctime_ns for place in places if os.path.exists(place))  # noqa: PTH110, PTH116 - as above
    return any(time >= BEGAN - _TICK for time in changed)


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - plain text
            return _digest(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _site_state(root: str) -> list[tuple[Any, ...]] | None:
    """Return what a scan of the site-packages *root* looks at: names, and when each was last written to."""
    rows: list[tuple[Any, ...]] = []
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if not entry.name.endswith(_METADATA) and entry.name[0] != "~":
                    continue
                found = entry.stat()
                judged = []
                for name in _JUDGED if entry.name.endswith(".dist-info") else ():
                    try:
                        inner = os.stat(f"{entry.path}/{name}")  # noqa: PTH116 - plain text, many of them
                    except FileNotFoundError:
                        continue
                    judged.append((name, inner.st_mtime_ns, inner.st_size))
                rows.append((entry.name, found.st_mtime_ns, found.st_size, tuple(judged)))
    except FileNotFoundError:
        return None
    rows.sort()
    return rows


def _say(answer: Answer, environ: Mapping[str, str], began: float) -> None:
    from pytest_envsync.report import Style, checked_line, phase_line, wants_colour

    if answer.data and answer.quiet < 2:
        sys.stdout.write(answer.data)
        sys.stdout.flush()
    if answer.quiet:
        return
    style = Style(is_coloured=wants_colour(sys.stderr, environ, answer.colour))
    now = perf_counter()
    lines = [style(note, "dim") for note in answer.notes]
    if answer.resolved is not None:
        lines.append(phase_line("resolved", answer.resolved, now - began, "", style))
    lines.append(checked_line(answer.checked, perf_counter() - now, style))
    if answer.is_dry:
        lines.append("Would make no changes")
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def _make_room(directory: str) -> None:
    """Remove the records that were used least recently, so that there are never many."""
    with os.scandir(directory) as entries:
        found = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries)
    for _, path in found[: max(0, len(found) - MOST_RECORDS)]:
        os.unlink(path)  # noqa: PTH108 - plain text
