"""Ids of tests in a matrix: the name of the environment stands in them as a last parameter.

Pure; standard library only: this module runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pytest_envsync.patterns import pattern

# xdist puts the group of ``--dist loadgroup`` behind an id.
_ID = pattern(r"(?P<path>.*?)(?P<rest>::.*?)?(?P<group>@[^\]\[:/]*)?", re.DOTALL)


def with_identity(nodeid: str, identity: str) -> str:
    """Return ``test_x[low]`` or ``test_x[1-low]`` for *nodeid* in the environment *identity*."""
    body, group = _split(nodeid)
    if "::" in body and body.endswith("]"):
        return f"{body[:-1]}-{identity}]{group}"
    return f"{body}[{identity}]{group}"


def name_with_identity(name: str, identity: str) -> str:
    """Return what ``with_identity`` gives, for the *name* of a test alone: the last part of a report's location."""
    return with_identity(f"::{name}", identity).removeprefix("::")


def without_identity(nodeid: str, identity: str) -> str | None:
    """Return the id that *nodeid* has in its own environment; None when it is of another one."""
    body, group = _split(nodeid)
    if body.endswith(f"[{identity}]"):
        return body[: -len(identity) - 2] + group
    if body.endswith(f"-{identity}]") and "::" in body:
        return f"{body[: -len(identity) - 2]}]{group}"
    return None


def identity_of(nodeid: str, identities: Iterable[str]) -> str | None:
    """Return which of *identities* was put into *nodeid*: of ``low`` and ``very-low`` the longer; None for none."""
    found = [identity for identity in identities if without_identity(nodeid, identity) is not None]
    return max(found, key=len, default=None)


def function_part(nodeid: str) -> str:
    """Return *nodeid* without its parameters."""
    path, separator, rest = nodeid.partition("::")
    return path + separator + rest.partition("[")[0]


def like(nodeid: Any, text: str) -> Any:
    """Return *text* as an id of the kind of *nodeid*: newer releases of pytest have a class for them."""
    return getattr(type(nodeid), "parse", str)(text)


def _split(nodeid: str) -> tuple[str, str]:
    match = _ID.fullmatch(nodeid)
    if match is None or match["rest"] is None or match["group"] is None:
        return nodeid, ""
    return match["path"] + match["rest"], match["group"]
