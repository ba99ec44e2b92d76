"""Parametrise tests by the environments that their markers name, and keep equal ones together.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from hashlib import sha256

import pytest

from pytest_envsync.errors import EnvsyncError
from pytest_envsync.pytest_plugin import markings
from pytest_envsync.pytest_plugin.fixtures import place_of
from pytest_envsync.pytest_plugin.lookup import surroundings


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Parametrise ``synced_env`` when the markers speak of several environments.

    Markers that are wrong are left to ``refusals``, which names the function.
    """
    said = markings.merged(metafunc.definition.iter_markers("envsync"))
    try:
        given = surroundings(metafunc.config)
        for marker in metafunc.definition.iter_markers("envsync"):
            markings.check(marker, given)
        axis = markings.axis_of(said, given, place_of(metafunc.definition))
    except (markings.MarkingError, EnvsyncError):
        return
    if axis is not None:
        metafunc.parametrize("synced_env", axis.wishes, ids=axis.ids, indirect=True)


def group(items: list[pytest.Item]) -> None:
    """Give the tests that share an environment one xdist group, unless they have one."""
    for item in items:
        if "synced_env" not in getattr(item, "fixturenames", ()) or item.get_closest_marker("xdist_group"):
            continue
        callspec = getattr(item, "callspec", None)
        wish = callspec.params.get("synced_env") if callspec is not None else None
        if not isinstance(wish, markings.Wish):
            said = markings.merged(item.iter_markers("envsync"))
            try:
                wish = markings.wish_of(said, surroundings(item.config), place_of(item))
            except (markings.MarkingError, EnvsyncError):
                continue
        name = sha256(wish.key.encode()).hexdigest()[:10]
        item.add_marker(pytest.mark.xdist_group(name=f"envsync-{name}"))
