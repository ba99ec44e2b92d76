"""How a session gets inside its environment: by replacing the process, or in a child.

The process is replaced only where pytest owns it: on POSIX, where ``pytest`` or ``python -m pytest``
was started, and this is its own session. Elsewhere (``pytest.main()`` in a script, IDE runners,
Windows) a caller waits for the status.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

from pytest_envsync.values import NamedTuple

_VALUED = "cmWX"  # interpreter options that take a value
_SCRIPTS = {"pytest", "py.test"}


class Form(NamedTuple):
    """How an interpreter was started: its *flags*, and what it runs (a *module* or a *script*, else None)."""

    flags: tuple[str, ...]
    module: str | None = None
    script: str | None = None

    @property
    def is_pytest(self) -> bool:
        """Whether that is pytest's own command."""
        return self.module == "pytest" or (self.script is not None and _stem(self.script) in _SCRIPTS)

    @property
    def is_coverage(self) -> bool:
        """Whether that is coverage's own command."""
        runs = self.module or _stem(self.script or "")
        return runs == "coverage" or (self.script is not None and runs.startswith("coverage-"))


def _stem(path: str) -> str:
    name = os.path.basename(path)  # noqa: PTH119 - plain text
    for ending in (".exe", "-script.py", "-script.pyw"):
        name = name.removesuffix(ending)
    return name


def read_form(argv: Sequence[str]) -> Form:
    """Return what *argv*, as in ``sys.orig_argv``, says."""
    flags: list[str] = []
    position = 1
    while position < len(argv):
        token = argv[position]
        position += 1
        if token == "-" or not token.startswith("-"):
            return Form(tuple(flags), script=token)
        if token.startswith("--"):
            flags.append(token)
            if token == "--check-hash-based-pycs" and position < len(argv):
                flags.append(argv[position])
                position += 1
            continue
        valued = next((index for index, letter in enumerate(token[1:], 1) if letter in _VALUED), None)
        if valued is None:
            flags.append(token)
            continue
        value = token[valued + 1 :]
        if not value and position < len(argv):
            value = argv[position]
            position += 1
        if token[valued] in "WX":
            flags += [token[: valued + 1], value]
            continue
        if valued > 1:
            flags.append(token[:valued])
        return Form(tuple(flags), module=value if token[valued] == "m" else None)
    return Form(tuple(flags))


def may_replace() -> bool:
    """Whether a process can be replaced here at all."""
    return os.name == "posix" and threading.current_thread() is threading.main_thread()


def owns_process(form: Form) -> bool:
    """Whether the session that is being configured is what this process was started for."""
    if not form.is_pytest or not may_replace():
        return False
    frames = list(_callers(sys._getframe()))  # noqa: SLF001 - the only way to see who called
    # pytest has `main`, and from 9.2 on `_main` within it and within its own command.
    names = [frame.f_code.co_name for frame in frames if _is(frame, "_pytest.config", {"main", "_main"})]
    entries = [
        index for index, frame in enumerate(frames) if _is(frame, "_pytest.config", {"console_main", "_console_main"})
    ]
    # A session within a session, as pytester makes them, has two.
    if not entries or (names.count("_main") or names.count("main")) > 1:
        return False
    outside = [frame for frame in frames[entries[-1] + 1 :] if frame.f_globals.get("__name__") != "runpy"]
    return all(frame.f_globals.get("__name__") == "__main__" for frame in outside)


def _callers(frame: FrameType | None) -> list[FrameType]:
    """Return *frame* and those that called it, innermost first."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def _is(frame: FrameType, module: str, names: set[str]) -> bool:
    return frame.f_code.co_name in names and frame.f_globals.get("__name__") == module


def is_worker() -> bool:
    """Whether this process serves another one's session (an xdist worker)."""
    return any(
        frame.f_globals.get("__name__") == "__channelexec__"
        for frame in _callers(sys._getframe())  # noqa: SLF001 - as above
    )


def replace_process(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Become *argv*; does not return. Raises OSError when it cannot be run."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execve(argv[0], list(argv), dict(environ))  # noqa: S606 - no shell is wanted
