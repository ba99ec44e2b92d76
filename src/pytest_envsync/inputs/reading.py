"""Read inputs, and keep what a later run must compare to know that nothing changed.

Pure but for the read function that it is handed.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Mapping

from pytest_envsync.addresses import file_path, is_remote, masked, whole_address
from pytest_envsync.digesting import sha256
from pytest_envsync.errors import InputError
from pytest_envsync.inputs.advice import lock_advice
from pytest_envsync.inputs.paths import is_absolute, without_detours
from pytest_envsync.patterns import pattern
from pytest_envsync.requirements import InputFile, Origin

Reader = Callable[[str], bytes]
"""Gives the bytes of an absolute path, an ``http(s)`` address or ``-``. May raise OSError or any EnvsyncError."""

Settle = Callable[[str], str]
"""Takes out of an absolute path the ``.`` and ``..`` that lead nowhere (``true_paths.settled``)."""

_VARIABLE = pattern(r"\$\{([A-Z0-9_]+)\}")
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Reading:
    """What one question to the inputs reads: files, variables of the environment, warnings.

    *cwd* is absolute; what options name starts there. Relative paths of requirements start at *root*, which
    is the same place unless it is given. Without *settle* paths are text, and no directory is a link.
    """

    def __init__(
        self,
        read: Reader,
        *,
        cwd: str,
        environ: Mapping[str, str],
        root: str | None = None,
        settle: Settle = without_detours,
    ) -> None:
        self.cwd = cwd
        self._settle = settle
        self.root = root or cwd
        self.warnings: list[str] = []
        self._read = read
        self._environ = environ
        self._contents: dict[str, bytes] = {}
        self._variables: dict[str, str | None] = {}

    @property
    def files(self) -> tuple[InputFile, ...]:
        """Everything that was read, in that order."""
        return tuple(
            InputFile(location, "" if location == "-" or is_remote(location) else sha256(content).hexdigest())
            for location, content in self._contents.items()
        )

    @property
    def variables(self) -> tuple[tuple[str, str | None], ...]:
        """The variables that were looked up, with their values, by name."""
        return tuple(sorted(self._variables.items()))

    def content(self, location: str, *, shown: str, via: Origin | None = None) -> bytes:
        """Return the bytes at *location*; each is read once, standard input too.

        *shown* is how the user named it, *via* the line that included it. Raises InputError.
        """
        found = self._contents.get(location)
        if found is None:
            try:
                found = self._read(location)
            except (OSError, ValueError) as error:
                raise _unreadable(error, shown, via) from error
            self._contents[location] = found
        return found

    def text(self, location: str, *, shown: str, via: Origin | None = None) -> str:
        r"""Return the text at *location*, each line ended by ``\n``.

        UTF-8, or what a byte order mark announces. Raises InputError for anything else.
        """
        return decode(self.content(location, shown=shown, via=via), shown, via)

    def expand(self, text: str) -> str:
        """Replace each ``${NAME}`` that is defined; ``${PROJECT_ROOT}`` is *root*.

        A variable that is not defined stays as it is, and there is no escape.
        """
        if "${" not in text:
            return text
        return _VARIABLE.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        name = match[1]
        value = self._variables[name] = self._environ.get(name)
        if value is None and name == "PROJECT_ROOT":
            return self.root
        return match[0] if value is None else value

    def locate(self, name: str, base: str) -> str:
        """Return the absolute path or address of *name*, which is relative to *base*, a directory or address.

        A ``file:`` address is absolute, with or without slashes. Raises InputError for an address that is none.
        """
        if is_remote(name) or name == "-":
            return name
        try:
            if name[:5].lower() == "file:":
                name = _path_of(name)
            if is_remote(base) and not is_absolute(name):
                from urllib.parse import urljoin

                return urljoin(base, name)
        except ValueError as error:
            raise InputError(f"`{masked(name)}` is not a valid address: {error}") from error
        return self._settle(os.path.join(base, name))  # noqa: PTH118 - plain text


def _path_of(address: str) -> str:
    from urllib.parse import urlsplit

    whole = whole_address(address)
    if host := urlsplit(whole).netloc:
        raise InputError(f"invalid file URL: `{masked(address)}` names the host `{masked(host)}`")
    return file_path(whole)


def decode(content: bytes, shown: str, via: Origin | None = None) -> str:
    r"""Return *content* as text whose lines end in ``\n``. Raises InputError where it is none."""
    encoding = "utf-8"
    for mark, announced in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            content, encoding = content[len(mark) :], announced
            break
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1 if encoding == "utf-8" else None
        raise InputError(
            f"failed to decode: not valid {encoding.upper()} at byte {error.start}",
            origin=Origin(shown, line, via),
            hint="save the file as UTF-8",
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError("not a text file: it contains NUL characters", origin=Origin(shown, line, via))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _unreadable(error: OSError | ValueError, shown: str, via: Origin | None) -> InputError:
    hint = None
    if isinstance(error, FileNotFoundError):
        message = f"File not found: `{shown}`"
    elif isinstance(error, IsADirectoryError):
        message = f"failed to read from file `{shown}`: is a directory"
        hint = lock_advice(shown, is_directory=True)
    else:
        message = f"failed to read from file `{shown}`: {getattr(error, 'strerror', None) or error}"
    if via is not None:
        message = f"Error parsing included file: {message}"
    return InputError(message, origin=via, hint=hint)
