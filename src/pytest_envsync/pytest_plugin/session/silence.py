"""What becomes of a pytest whose session ran in another process.

Runs inside session environments too: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def silence(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """See to it that the rest of this pytest does nothing: no conftests, no options, no plugins at work."""
    del args[:]
    config.known_args_namespace = parser.parse_known_args([], namespace=copy.copy(config.option))
    config.known_args_namespace.noconftest = True
    config.known_args_namespace.confcutdir = str(config.rootpath)
