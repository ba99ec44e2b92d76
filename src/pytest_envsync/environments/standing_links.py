"""Links that stand in the place of a cached environment, or of a directory that it is in.

A test can put one there, and what it leads to is somebody's: nothing is removed or written behind it. The link itself
is ours to remove, and the environment is made anew. The cache as a whole may be behind a link of the user's.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os

from pytest_envsync.environments.key import LENGTH
from pytest_envsync.errors import StoreError
from pytest_envsync.leases import PRUNED

_DIGITS = frozenset("0123456789abcdef")


def standing_link(prefix: str) -> str | None:
    """Return the link in the place of the cached environment at *prefix* or of the directory of its key, if any."""
    return next((place for place in (os.path.dirname(prefix), prefix) if os.path.islink(place)), None)


def link_error(link: str, *, is_cached: bool = True) -> StoreError:
    """Return what is to be said of an environment, a cached or a private one, with *link* in its place."""
    try:
        target = os.readlink(link)
    except OSError:
        target = "?"
    told = f"`{link}` was replaced by a link to `{target}`: nothing there is touched"
    if not is_cached:
        return StoreError(told, hint="this environment cannot be restored any more: remove the link, and make another")
    return StoreError(
        f"{told}, and the environment is made anew",
        hint="the next session that needs it does that; `envsync env remove` removes it",
    )


def is_behind_link(environments: str) -> bool:
    """Whether that directory of all keys is a link to something else than environments.

    A user may keep them on another disk; what is there then are keys and our own small files, or nothing yet.
    """
    if not os.path.islink(environments):
        return False
    try:
        names = os.listdir(environments)
    except OSError:
        return True
    return not all(name == PRUNED or (len(name) == LENGTH and _DIGITS.issuperset(name)) for name in names)


def remove_links(home: str) -> tuple[str, ...]:
    """Remove the links in the place of the directory of a key, of that above it and of its leases; tell of each.

    What they lead to stays as it is. Raises StoreError for one that cannot be removed.
    """
    above = os.path.dirname(home)
    places = [above] if is_behind_link(above) else []
    told = []
    for place in (*places, home, os.path.join(home, "leases")):
        if os.path.islink(place):
            told.append(str(link_error(place)))
            remove_link(place)
    return tuple(told)


def remove_link(place: str) -> None:
    """Remove the link, or the file, at *place*; one that somebody else removed is as good. Raises StoreError."""
    try:
        os.unlink(place)
    except FileNotFoundError:
        return
    except OSError as error:
        if os.path.islink(place) or not os.path.isdir(place):
            raise StoreError(f"`{place}` cannot be removed: {error.strerror or error}") from error
