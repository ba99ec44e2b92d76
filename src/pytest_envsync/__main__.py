"""``python -m pytest_envsync``, and what the scripts ``envsync`` and ``pytest-envsync`` call.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import gc
import os
import sys
from time import perf_counter


def main() -> int:
    """Run the command of this process and return its exit status."""
    began = perf_counter()
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        from pytest_envsync.closed_streams import replace_closed_streams

        replace_closed_streams()
    argv = sys.argv[1:]
    if argv[:1] == ["sync"]:
        from pytest_envsync.remembered import replay

        status = replay(argv, os.environ, began=began)
        if status is not None:
            return status
    if argv[:1] == ["run"]:
        from pytest_envsync.rerun import replay as run_again

        ended = run_again(argv, os.environ)
        if ended is not None:
            if ended.lease is not None:
                from pytest_envsync.cli.run import give_back_later

                give_back_later(argv, ended.lease, start=ended.cwd)
            return ended.status
    # What a sync loads and reads stays to its end: looking through it now and then took 3 of 50 ms.
    gc.set_threshold(50_000, 20, 50)
    from pytest_envsync.cli import main as run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
