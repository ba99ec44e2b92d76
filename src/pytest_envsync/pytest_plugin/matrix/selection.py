"""What is particular about a session in one environment of a matrix: keywords, pasted ids, last failures.

Registered in the processes that run tests. Runs inside session environments: standard library,
pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from pytest_envsync.pytest_plugin.matrix.identities import function_part, identity_in, with_identity, without_identity

NAME = "envsync-selection"


class Selection:
    """Selects what belongs to the environment *identity*; *others* are all of the matrix."""

    def __init__(self, config: pytest.Config, identity: str, others: Sequence[str]) -> None:
        self._identity = identity
        self._others = others
        self._pasted: set[str] = set()
        self._plain: list[str] = []
        self._has_failed_elsewhere = False
        self._all_failures: dict[Any, Any] = {}
        self._own_failures: dict[Any, Any] = {}
        self._take_arguments(config)
        self._take_last_failures(config)
        self._take_last_step(config)

    def _take_arguments(self, config: pytest.Config) -> None:
        """Replace pasted ids by the functions they are of; which of their items are meant is decided later."""
        taken = []
        for arg in config.args:
            if "::" in arg and identity_in(arg, self._others):
                self._pasted.add(arg)
                taken.append(function_part(arg))
            else:
                self._plain.append(arg)
                taken.append(arg)
        config.args[:] = list(dict.fromkeys(taken))

    def _take_last_failures(self, config: pytest.Config) -> None:
        """Keep the failures of this environment only, under the ids that they have here."""
        plugin = config.pluginmanager.get_plugin("lfplugin")
        failures = getattr(plugin, "lastfailed", None)
        if plugin is None or not failures:
            return
        found = {}
        for key, value in failures.items():
            own = without_identity(str(key), self._identity)
            if own is None and identity_in(str(key), self._others):
                continue
            found[_like(key, own if own is not None else str(key))] = value
        self._has_failed_elsewhere = not found
        self._all_failures, self._own_failures = dict(failures), dict(found)
        plugin.lastfailed = found

    def give_last_failures_back(self, config: pytest.Config) -> None:
        """Let the plugin go on with the failures of all environments: it saves what it has at the end."""
        plugin = config.pluginmanager.get_plugin("lfplugin")
        found = getattr(plugin, "lastfailed", None)
        if plugin is None or found is None:
            return
        table = dict(self._all_failures)
        for key in self._own_failures.keys() - found.keys():
            for known in (with_identity(str(key), self._identity), str(key)):
                table.pop(_like(key, known), None)
        for key in found.keys() - self._own_failures.keys():
            table[_like(key, with_identity(str(key), self._identity))] = True
        plugin.lastfailed = table

    def _take_last_step(self, config: pytest.Config) -> None:
        """Let ``--stepwise`` go on from a test of this environment, under the id that it has here."""
        plugin = config.pluginmanager.get_plugin("stepwiseplugin")
        holder = getattr(plugin, "cached_info", plugin)
        name = "last_failed" if hasattr(holder, "last_failed") else "lastfailed"
        last = getattr(holder, name, None)
        if last is None or not identity_in(str(last), self._others):
            return
        own = without_identity(str(last), self._identity)
        setattr(holder, name, _like(last, own) if own is not None else None)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Let ``-k`` find the environment."""
        item.extra_keyword_matches.update({self._identity, *self._identity.split("-")})

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, Any, None]:
        """Drop what a pasted id does not mean, and everything when only other environments had failures."""
        kept = [item for item in items if self._is_meant(item)]
        if self._has_failed_elsewhere and config.getoption("lf", default=False):
            kept = []
        if len(kept) < len(items):
            config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
            items[:] = kept
        yield

    def _is_meant(self, item: pytest.Item) -> bool:
        if not self._pasted:
            return True
        nodeid = item.nodeid
        if nodeid in self._pasted or with_identity(nodeid, self._identity) in self._pasted:
            return True
        functions = {function_part(arg) for arg in self._pasted}
        return function_part(nodeid) not in functions or any(_covers(arg, item) for arg in self._plain)


def _like(key: Any, text: str) -> Any:
    """Return *text* as an id of the kind of *key*: newer releases of pytest have a class for them."""
    return getattr(type(key), "parse", str)(text)


def _covers(arg: str, item: pytest.Item) -> bool:
    """Whether the argument *arg*, a path or an id, selects *item*."""
    path, *names = arg.split("::")
    place = (item.config.invocation_params.dir / path).resolve()
    file = item.path.resolve()
    if not names:
        return file == place or place in file.parents
    rest = item.nodeid.partition("::")[2]
    wanted = "::".join(names)
    return file == place and (rest == wanted or rest.startswith((f"{wanted}::", f"{wanted}[")))
