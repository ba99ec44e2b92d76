"""What is particular about a session in one environment of a matrix: keywords, pasted ids, last failures.

Registered in the processes that run tests. Runs inside session environments: standard library,
pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Container, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_envsync.pytest_plugin.guard import VARIABLE
from pytest_envsync.pytest_plugin.matrix.identities import (
    function_part,
    identity_of,
    like,
    with_identity,
    without_identity,
)
from pytest_envsync.pytest_plugin.matrix.turn_note import others_failed_path

NAME = "envsync-selection"


class Selection:
    """Selects what belongs to the environment *identity*; *others* are all of the matrix."""

    def __init__(self, config: pytest.Config, identity: str, others: Sequence[str]) -> None:
        self._identity = identity
        self._others = others
        self._pasted: set[tuple[Path, str]] = set()
        self._deselected: tuple[str, ...] = ()
        self._plain: list[str] = []
        self._has_failed_elsewhere = False
        self._all_failures: dict[Any, Any] = {}
        self._own_failures: dict[Any, Any] = {}
        self._is_given_back = False
        self._step_elsewhere: dict[str, Any] = {}
        self._take_arguments(config)
        self._take_last_failures(config)
        self._take_last_step(config)

    @property
    def knew_failures(self) -> bool:
        """Whether pytest's cache named failures when the session began, or had done so before its matrix."""
        return bool(self._all_failures) or self._has_failed_elsewhere

    def _take_arguments(self, config: pytest.Config) -> None:
        """Replace pasted ids by the functions they are of; which of their items are meant is decided later."""
        taken = []
        for arg in config.args:
            if "::" in arg and identity_of(arg, self._others) is not None:
                path, _, rest = arg.partition("::")
                self._pasted.add(((config.invocation_params.dir / path).resolve(), rest))
                taken.append(function_part(arg))
            else:
                self._plain.append(arg)
                taken.append(arg)
        config.args[:] = list(dict.fromkeys(taken))
        self._deselected = tuple(
            prefix for prefix in config.getoption("deselect") or () if identity_of(prefix, self._others) is not None
        )

    def _take_last_failures(self, config: pytest.Config) -> None:
        """Keep the failures of this environment only, under the ids that they have here."""
        plugin = config.pluginmanager.get_plugin("lfplugin")
        failures = getattr(plugin, "lastfailed", None)
        if plugin is None or not failures:
            # Sessions before this one may have settled what there was.
            self._has_failed_elsewhere = others_failed_path(os.environ[VARIABLE]).exists()
            return
        found = {}
        for key, value in failures.items():
            identity = identity_of(str(key), self._others)
            if identity is None:
                found[key] = value
            elif identity == self._identity:
                found[like(key, without_identity(str(key), identity) or "")] = value
        self._has_failed_elsewhere = not found
        self._all_failures, self._own_failures = dict(failures), dict(found)
        plugin.lastfailed = found
        if hasattr(plugin, "_last_failed_paths"):
            # Which files are looked into: those of ids without an environment.
            plugin._last_failed_paths = plugin.get_last_failed_paths()  # noqa: SLF001 - as it does itself, before

    def give_last_failures_back(self, config: pytest.Config) -> None:
        """Let the plugin go on with the failures of all environments: it saves what it has at the end."""
        plugin = config.pluginmanager.get_plugin("lfplugin")
        found = getattr(plugin, "lastfailed", None)
        if plugin is None or found is None or self._is_given_back:
            return
        self._is_given_back = True
        table = dict(self._all_failures)
        for key in self._own_failures.keys() - found.keys():
            for known in (with_identity(str(key), self._identity), str(key)):
                table.pop(like(key, known), None)
        for key in found.keys() - self._own_failures.keys():
            # A module that could not be collected is told of with its environment already.
            is_named = identity_of(str(key), self._others) is not None
            table[key if is_named else like(key, with_identity(str(key), self._identity))] = True
        plugin.lastfailed = table

    def settle_last_failures(self, config: pytest.Config, ran: Container[str], *, is_last: bool) -> None:
        """Forget, at the end of the last environment, failures of sessions in one that *ran* here."""
        if is_last:
            forget_plain_failures(config, [ran], self._others)

    def _take_last_step(self, config: pytest.Config) -> None:
        """Let ``--stepwise`` go on from a test of this environment, under the id that it has here."""
        holder, name = _last_step(config)
        last = getattr(holder, name, None)
        identity = identity_of(str(last), self._others) if last is not None else None
        if identity is None:
            return
        if identity == self._identity:
            setattr(holder, name, like(last, without_identity(str(last), identity) or ""))
        else:
            self._step_elsewhere = {name: last, "last_test_count": getattr(holder, "last_test_count", None)}
            setattr(holder, name, None)

    def give_last_step_back(self, config: pytest.Config) -> None:
        """Let the step of another environment be saved again, if there is none here."""
        holder, name = _last_step(config)
        if self._step_elsewhere and getattr(holder, name, None) is None:
            for attribute, value in self._step_elsewhere.items():
                if hasattr(holder, attribute):
                    setattr(holder, attribute, value)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Let ``-k`` find the environment."""
        item.extra_keyword_matches.update({self._identity, *self._identity.split("-")})

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, Any, None]:
        """Drop what a pasted id does not mean, and everything when only other environments had failures."""
        kept = [item for item in items if self._is_meant(item)]
        if config.getoption("lf", default=False) and (self._has_failed_elsewhere or self._none_failed(kept)):
            kept = []
        if len(kept) < len(items):
            config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
            items[:] = kept
        yield

    def _none_failed(self, items: Iterable[pytest.Item]) -> bool:
        """Whether all failures are of others: those of environments that are not in this session look like any."""
        if not any(identity_of(str(key), self._others) is not None for key in self._all_failures):
            return False
        known = tuple(map(str, self._own_failures))
        return not any(item.nodeid == key or item.nodeid.startswith(f"{key}::") for item in items for key in known)

    def _is_meant(self, item: pytest.Item) -> bool:
        if self._deselected and with_identity(item.nodeid, self._identity).startswith(self._deselected):
            return False
        if not self._pasted:
            return True
        path = item.path.resolve()
        own, here = (nodeid.partition("::")[2] for nodeid in (item.nodeid, with_identity(item.nodeid, self._identity)))
        if not self._pasted.isdisjoint({(path, own), (path, here)}):
            return True
        functions = {(place, function_part(f"::{rest}")) for place, rest in self._pasted}
        return (path, function_part(f"::{own}")) not in functions or any(_covers(arg, item) for arg in self._plain)


def forget_plain_failures(config: pytest.Config, ran: Sequence[Container[str]], identities: Iterable[str]) -> None:
    """Forget failures of sessions in one environment whose tests *ran* in each of several: those count from now on."""
    plugin = config.pluginmanager.get_plugin("lfplugin")
    failures = getattr(plugin, "lastfailed", None)
    if plugin is None or not failures or not ran:
        return
    known = list(identities)
    for key in list(failures):
        if identity_of(str(key), known) is None and all(str(key) in tests for tests in ran):
            del failures[key]


def _last_step(config: pytest.Config) -> tuple[Any, str]:
    """Return what keeps the last step of ``--stepwise``, and the name that it has there."""
    plugin = config.pluginmanager.get_plugin("stepwiseplugin")
    holder = getattr(plugin, "cached_info", plugin)
    return holder, "last_failed" if hasattr(holder, "last_failed") else "lastfailed"


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
