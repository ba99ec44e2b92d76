"""Sent to the interpreter of an environment by execnet: becomes the worker that xdist's own module is.

xdist's module gives a worker the controller's ``sys.path``, so that it would test the controller's
distributions. This one keeps that of its interpreter, waits until its environment's turn, and
then runs xdist's module, whose source it is handed.

It runs as text: it imports nothing of this package.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import Any


class Replayed:
    """A channel whose first message is received again."""

    def __init__(self, channel: Any, first: Any) -> None:
        self._channel = channel
        self._first = [first]

    def receive(self, *args: Any) -> Any:
        """Return the kept message, then what comes."""
        return self._first.pop() if self._first else self._channel.receive(*args)

    def __getattr__(self, name: str) -> Any:
        """Be the channel in everything else."""
        return getattr(self._channel, name)


def may_start(channel: Any) -> bool:
    """Wait for the word; False when the session ends before it comes."""
    while True:
        name, _ = channel.receive()
        if name == "envsync-start":
            return True
        if name == "shutdown":
            output = {"exitstatus": 0, "shouldfail": False, "shouldstop": False}
            channel.send(("workerfinished", {"workeroutput": output}))
            return False


if __name__ == "__channelexec__":
    import os
    import sys

    outer = globals()["channel"]
    workerinput, args, option_dict, _ = outer.receive()
    cell = workerinput.pop("envsync_cell")
    for name, value in cell["environ"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    sys.path[:] = [*cell["front"], *(entry for entry in sys.path if entry), *cell["behind"]]
    if not cell["waits"] or may_start(outer):
        path = list(sys.path)
        globals()["channel"] = Replayed(outer, (workerinput, [*cell["arguments"], *args], option_dict, path))
        exec(compile(cell["source"], cell["file"], "exec"), globals())  # noqa: S102 - xdist's own module, as it does
