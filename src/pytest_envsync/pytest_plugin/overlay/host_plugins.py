"""Which of this interpreter's plugins a session names, so that they must be there inside too.

A session names a plugin by ``-p``, ``PYTEST_PLUGINS``, ``required_plugins``, ``envsync_overlay``, or by an
option or ini key that the plugin defines.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_envsync.pytest_plugin.overlay.host_distributions import normalized
from pytest_envsync.values import NamedTuple

if TYPE_CHECKING:
    import pytest


class NamedPlugins(NamedTuple):
    """What a session names: normalised *distributions*, and the *directories* of modules that are in none.

    *present* are all plugins of this interpreter by their names, with the distribution of each.
    """

    distributions: list[str]
    directories: list[str]
    present: dict[str, str]


class _Recorder:
    """Stands in for a parser, and notes which options and ini keys a plugin declares."""

    def __init__(self) -> None:
        self.options: set[str] = set()
        self.keys: set[str] = set()

    def addoption(self, *names: str, **_: Any) -> None:
        self.options.update(names)

    _addoption = addoption

    def addini(self, name: str, *_: Any, **__: Any) -> None:
        self.keys.add(name)

    def getgroup(self, *_: Any, **__: Any) -> _Recorder:
        return self

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def named_plugins(
    config: pytest.Config, args: Sequence[str], *, extra: Sequence[str], modules: Sequence[str]
) -> NamedPlugins:
    """Return what the session of *config* with *args* names.

    *extra* are distributions or plugins by name, *modules* those that were passed as objects. Only
    plugins that this interpreter has are found; the others are the lock's.
    """
    modules = [*modules, *(name.strip() for name in config.known_args_namespace.plugins or ())]
    modules = [name for name in modules if name and not name.startswith("no:")]
    modules += [name.strip() for name in os.environ.get("PYTEST_PLUGINS", "").split(",") if name.strip()]
    required = [re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in config.getini("required_plugins")]
    named = {normalized(name) for name in required if name}
    directories: list[str] = []
    entries = _entry_points() if modules or extra else {}
    for name in extra:
        named.add(entries.get(name, normalized(name)))
    for module in modules:
        owner = entries.get(module) or _owner(module)
        if owner is not None:
            named.add(owner)
        else:
            directory = _directory(module)
            if directory is not None:
                directories.append(directory)
    named.update(_by_declarations(config, args))
    owners = {id(plugin): normalized(_name_of(found)) for plugin, found in config.pluginmanager.list_plugin_distinfo()}
    names = config.pluginmanager.list_name_plugin()
    present = {name: owners[id(plugin)] for name, plugin in names if id(plugin) in owners}
    return NamedPlugins(sorted(named - {"pytest-envsync", "pytest"}), list(dict.fromkeys(directories)), present)


def _name_of(distribution: Any) -> str:
    """Return the name of what pluggy found, without the parser of all its metadata: that takes longer than the rest."""
    for line in (distribution.read_text("METADATA") or "").split("\n"):
        field, colon, value = line.partition(":")
        if not colon:
            break  # the header is over
        if field.lower() == "name":
            return value.strip()
    return str(distribution.project_name)


def _entry_points() -> dict[str, str]:
    """Return the names of pytest's plugins here, to the distribution of each."""
    from importlib.metadata import distributions

    found: dict[str, str] = {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group == "pytest11":
                name = normalized(distribution.metadata["Name"])
                found.setdefault(entry.name, name)
                found.setdefault(entry.value.partition(":")[0], name)
    return found


def _owner(module: str) -> str | None:
    """Return the distribution that a module of site-packages belongs to; None for others."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or "site-packages" not in Path(file).parts:
        return None
    from importlib.metadata import packages_distributions

    owners = packages_distributions().get(module.partition(".")[0], [])
    return normalized(owners[0]) if owners else None


def _directory(module: str) -> str | None:
    """Return the entry of ``sys.path`` that a module was found in."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or "_pytest" in Path(file).parts:
        return None
    path = Path(file)
    depth = module.count(".") + (2 if path.name == "__init__.py" else 1)
    return str(path.parents[depth - 1])


def _by_declarations(config: pytest.Config, args: Sequence[str]) -> set[str]:
    """Return the distributions whose plugins declare an option or an ini key that is given."""
    # A value of its own has no dash; the few that have one are taken for options, which brings
    # a plugin too many at worst.
    given = {token.partition("=")[0] for token in args if token.startswith("-")}
    shorts = {token[:2] for token in given if not token.startswith("--")}
    keys = _ini_keys(config)
    found: set[str] = set()
    for plugin, distribution in config.pluginmanager.list_plugin_distinfo():
        declare = getattr(plugin, "pytest_addoption", None)
        if declare is None or getattr(plugin, "__name__", "").startswith("pytest_envsync."):
            continue
        recorder = _Recorder()
        try:
            accepted = declare.__code__.co_varnames[: declare.__code__.co_argcount]
            # Nothing of this is to reach the plugin manager a second time.
            available = {"parser": recorder, "pluginmanager": _Recorder()}
            declare(**{key: value for key, value in available.items() if key in accepted})
        except Exception:  # noqa: BLE001, S112 - a plugin that cannot stand this is named by other means
            continue
        if recorder.options & (given | shorts) or recorder.keys & keys:
            found.add(normalized(_name_of(distribution)))
    return found - {"pytest-envsync"}


def _ini_keys(config: pytest.Config) -> set[str]:
    # The mapping lost its public name in pytest 9, whose releases warn when it is used.
    values = getattr(config, "_inicfg", None)
    return set(values if values is not None else config.inicfg)
