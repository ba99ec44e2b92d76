"""Find the surroundings of a session: in the guard file inside an environment, else by reading them here.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import pytest

from pytest_envsync.pytest_plugin import guard
from pytest_envsync.pytest_plugin.surroundings import Surroundings

_KEY = pytest.StashKey[Surroundings]()


def surroundings(config: pytest.Config) -> Surroundings:
    """Return the surroundings of the session of *config*; read once. Raises EnvsyncError."""
    found = config.stash.get(_KEY, None)
    if found is None:
        values = guard.current()
        if values is not None:
            found = Surroundings.from_dict(values["surroundings"])
        else:
            # Only where no session environment is: the engine is here.
            from pytest_envsync.pytest_plugin.inside.host import surroundings_here

            found = surroundings_here(config)
        config.stash[_KEY] = found
    return found
