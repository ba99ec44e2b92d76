"""``python -m pytest_envsync``, and what the scripts ``envsync`` and ``pytest-envsync`` call.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command of this process and return its exit status."""
    from pytest_envsync.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
