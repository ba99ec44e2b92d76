"""The words for what can go wrong.

::

    EnvsyncError
    ├── UsageError            wrong options, or options that exclude each other
    ├── InputError            a file that cannot be read or understood; carries its Origin
    │   └── SizeMismatch      a file of another size than the lockfile records
    ├── SelectionError        no file fits a requirement; carries one Rejection per file
    ├── FetchError            an address that did not answer as it should; credentials masked
    │   └── OfflineError      an address that was not asked, because of ``--offline``
    ├── HashMismatch          bytes other than the expected ones; carries both digests
    ├── WheelError            an archive that is no valid wheel or sdist
    ├── BuildError            a build backend that failed; carries the end of its output
    ├── StoreError            the wheel store or another part of the cache
    │   └── DamagedStoreError files of the store that are not what they were, and cannot be had again
    ├── TargetError           an interpreter or environment that cannot be used
    ├── InstallError          files that cannot be placed or removed
    └── LockTimeout           another process held a lock for too long

Every error carries the objects it speaks of, renders itself with ``str()``, and keeps its
``hint`` (what to do about it) apart. ``exit_status`` is the status a command ends with:
1 when the asked-for set cannot be had, 2 when the question or the machine is wrong.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_envsync.distributions import Rejection
    from pytest_envsync.hashes import Digest
    from pytest_envsync.requirements import Origin


class EnvsyncError(Exception):
    """Base of every error that this package raises on purpose.

    *message* is one sentence without a final period, or several lines of which the first
    is that sentence. *hint* says what to do; *exit_status* overrides that of the class.
    """

    exit_status: int = 2

    def __init__(self, message: str, *, hint: str | None = None, exit_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_status is not None:
            self.exit_status = exit_status

    def __str__(self) -> str:
        """Render the error without its hint."""
        return self.message


class UsageError(EnvsyncError):
    """An option that is unknown, malformed, or excluded by another."""


class InputError(EnvsyncError):
    """A requirements file, lockfile, script or project that cannot be read or understood."""

    def __init__(
        self,
        message: str,
        *,
        origin: Origin | None = None,
        hint: str | None = None,
        exit_status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, exit_status=exit_status)
        self.origin = origin

    def __str__(self) -> str:
        """Render the message with the file and line it speaks of in front."""
        return self.message if self.origin is None else f"{self.origin}: {self.message}"


class SizeMismatch(InputError):  # noqa: N818 - the field's term
    """A file of another size than the lockfile records."""


class SelectionError(EnvsyncError):
    """No file fits a requirement, or two requirements exclude each other.

    *subject* is the requirement as the user wrote it; *rejections* holds one entry for
    each file that was there, with the rule that refused it.
    """

    exit_status = 1

    def __init__(
        self,
        message: str,
        *,
        subject: str = "",
        origin: Origin | None = None,
        rejections: Sequence[Rejection] = (),
        hint: str | None = None,
        exit_status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, exit_status=exit_status)
        self.subject = subject
        self.origin = origin
        self.rejections = tuple(rejections)

    def __str__(self) -> str:
        """Render the message, where the requirement stands, and the refusals by rule."""
        first, newline, rest = self.message.partition("\n")
        head = self.message if self.origin is None else f"{first} ({self.origin}){newline}{rest}"
        by_rule: dict[str, list[Rejection]] = {}
        for rejection in self.rejections:
            by_rule.setdefault(rejection.rule, []).append(rejection)
        lines = [head]
        for rule, refused in by_rule.items():
            lines += _refusals(rule, [_named(item) for item in refused], few=OTHER_VERSION in by_rule)
        return "\n".join(lines)


OTHER_VERSION = "another version"
"""The reason of a file whose release is not asked for. The hint names the releases, so a few files will do there."""
_MOST_SHOWN = 200  # files of one reason, more than a release has
_WIDTH = 110  # columns


def _named(rejection: Rejection) -> str:
    """Return the file and what its name does not tell already."""
    if not rejection.detail or rejection.detail in rejection.filename:
        return rejection.filename
    return f"{rejection.filename} ({rejection.detail})"


def _refusals(rule: str, files: Sequence[str], *, few: bool) -> list[str]:
    """Return the lines that name *files*, which one rule refused: a line, or a paragraph that leaves none out."""
    if few or len(files) <= 3:
        rest = f", and {len(files) - 3} more" if len(files) > 3 else ""
        return [f"  {rule}: {', '.join(files[:3])}{rest}"]
    lines = [f"  {rule} ({len(files)} files):"]
    line = ""
    more = [f"and {len(files) - _MOST_SHOWN} more"] if len(files) > _MOST_SHOWN else []
    for text in (*files[:_MOST_SHOWN], *more):
        if line and len(line) + len(text) > _WIDTH:
            lines.append(f"    {line},")
            line = ""
        line = f"{line}, {text}" if line else text
    return [*lines, f"    {line}"]


class FetchError(EnvsyncError):
    """An address that did not answer as it should.

    *url* must already be masked (``wheels.client.masked``); *status* is the HTTP status,
    or None when there was no answer; *tries* counts the requests that were sent.
    """

    def __init__(
        self,
        message: str,
        *,
        url: str,
        status: int | None = None,
        tries: int = 1,
        hint: str | None = None,
        exit_status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, exit_status=exit_status)
        self.url = url
        self.status = status
        self.tries = tries

    def asked_at(self, origin: Origin | None) -> None:
        """Name the line that asked for the address, in the first line of the message."""
        if origin is not None:
            first, newline, rest = self.message.partition("\n")
            self.message = f"{first} ({origin}){newline}{rest}"


class OfflineError(FetchError):
    """An address that was needed, is not in the cache, and was not asked (``--offline``)."""

    exit_status = 1


class HashMismatch(EnvsyncError):  # noqa: N818 - the field's term; a mismatch is the error
    """Bytes other than the ones that were asked for.

    *expected* are the digests that would have been accepted, *actual* those of the bytes.
    """

    exit_status = 1

    def __init__(
        self,
        filename: str,
        *,
        expected: Sequence[Digest],
        actual: Sequence[Digest],
        origin: Origin | None = None,
        hint: str | None = None,
    ) -> None:
        self.filename = filename
        self.expected = tuple(expected)
        self.actual = tuple(actual)
        self.origin = origin
        place = f" ({origin})" if origin is not None else ""
        lines = [f"hash mismatch for `{filename}`{place}", "  Expected:"]
        lines += [f"    {digest}" for digest in self.expected]
        lines.append("  Computed:")
        lines += [f"    {digest}" for digest in self.actual]
        super().__init__(
            "\n".join(lines),
            hint=hint or "the file changed on the index, or the lockfile is stale; lock again to accept it",
        )


class WheelError(EnvsyncError):
    """An archive that is no valid wheel or sdist. *filename* names it."""

    exit_status = 1

    def __init__(self, filename: str, detail: str, *, hint: str | None = None, exit_status: int | None = None) -> None:
        super().__init__(f"`{filename}` is not valid: {detail}", hint=hint, exit_status=exit_status)
        self.filename = filename
        self.detail = detail


class BuildError(EnvsyncError):
    """A build backend that failed. *output* holds what it printed, *log* the whole of it."""

    exit_status = 1

    def __init__(
        self,
        message: str,
        *,
        subject: str,
        output: str = "",
        log: str | None = None,
        hint: str | None = None,
        exit_status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, exit_status=exit_status)
        self.subject = subject
        self.output = output
        self.log = log


class StoreError(EnvsyncError):
    """The wheel store, or another part of the cache, cannot be read or written."""


class DamagedStoreError(StoreError):
    """Files of the store are not what they were, and cannot be had again."""


class TargetError(EnvsyncError):
    """An interpreter or environment that is missing or cannot be used."""


class InstallError(EnvsyncError):
    """Files that cannot be placed in, or removed from, an environment."""


class LockTimeout(EnvsyncError):  # noqa: N818 - says what happened, as TimeoutError does
    """Another process held a lock for longer than ``UV_LOCK_TIMEOUT`` (300 s by default)."""


class StrangeLockError(EnvsyncError):
    """What stands in the place of a lock file is a link or no file; what it leads to must not be written to."""
