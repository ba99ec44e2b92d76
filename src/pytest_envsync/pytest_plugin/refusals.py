"""Test functions whose ``envsync`` marker is wrong: each is an error of its own at collection.

Runs inside session environments: standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import NoReturn

import pytest

from pytest_envsync.errors import EnvsyncError
from pytest_envsync.pytest_plugin import markings
from pytest_envsync.pytest_plugin.fixtures import place_of
from pytest_envsync.pytest_plugin.lookup import surroundings


class RefusedFunction(pytest.Collector):
    """Stands where a test function stood, and says what is wrong with its marker."""

    reason: str

    def collect(self) -> NoReturn:
        """Fail with the reason."""
        raise self.CollectError(self.reason)


def checked(nodes: list[pytest.Item | pytest.Collector]) -> list[pytest.Item | pytest.Collector]:
    """Return *nodes*, what one test function became, or the error in their place."""
    for node in nodes:
        if not isinstance(node, pytest.Function):
            continue
        reason = _reason(node)
        if reason is not None:
            path, line, _ = node.reportinfo()
            parent = node.parent
            assert parent is not None  # noqa: S101 - for the type checker: only the session has none
            name = getattr(node, "originalname", None) or node.name
            refused = RefusedFunction.from_parent(parent, name=name)
            refused.reason = f"{path}:{(line or 0) + 1}: {reason}"
            return [refused]
    return nodes


def _reason(item: pytest.Function) -> str | None:
    own = [marker for marker in item.own_markers if marker.name == "envsync"]
    of_function = [marker for marker in getattr(item.obj, "pytestmark", ()) if marker.name == "envsync"]
    uses = any(name in item.fixturenames for name in ("synced_env",))
    if (own or of_function) and not uses and "synced_env_factory" not in item.fixturenames:
        return (
            f"`{item.name}` is marked with envsync and does not request the fixture `synced_env`; "
            "the marker never moves a test (`pytest --envsync LOCK` does)"
        )
    if not uses:
        return None
    try:
        given = surroundings(item.config)
        for marker in item.iter_markers("envsync"):
            markings.check(marker, given)
        markings.axis_of(markings.merged(item.iter_markers("envsync")), given, place_of(item))
    except markings.MarkingError as error:
        return f"envsync: {error}"
    except EnvsyncError as error:
        return f"envsync: {error}" + (f" ({error.hint})" if error.hint else "")
    return None
