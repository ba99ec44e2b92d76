"""What stands behind ``synced_env`` and ``synced_env_factory``.

An environment is provided by the host's engine, once for each wish in each process; its lease is
the session's, and it is given back at the end of it. Runs inside session environments: standard
library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_envsync.changes import Changes
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.pytest_plugin import guard, markings
from pytest_envsync.pytest_plugin.arrival import watch
from pytest_envsync.pytest_plugin.engine import Engine, read_changes
from pytest_envsync.pytest_plugin.ledger import ledger_of
from pytest_envsync.pytest_plugin.lookup import surroundings
from pytest_envsync.pytest_plugin.private import failed_tests, is_kept, remove
from pytest_envsync.pytest_plugin.session import accompany
from pytest_envsync.synced_env import SyncedEnv

FIXTURES = ("synced_env", "synced_env_factory")


class EnvironmentFactory:
    """Makes environments for one process of a session; equal wishes share one."""

    def __init__(self, config: pytest.Config, temporary: pytest.TempPathFactory) -> None:
        self._config = config
        self._surroundings = surroundings(config)
        self._engine = Engine(self._surroundings)
        self._made: dict[str, SyncedEnv] = {}
        self._temporary = temporary
        self._private: list[Path] = []
        failed_tests(config)

    def __call__(
        self,
        *files: str | os.PathLike[str],
        python: str | None = None,
        extras: Sequence[str] = (),
        groups: Sequence[str] = (),
        project: str | os.PathLike[str] | None = None,
        private: bool = False,
        **sync_options: Any,
    ) -> SyncedEnv:
        """Return the environment of *files*; relative ones are looked up in the working directory, then in rootdir.

        Without files it is the session's default, as for ``synced_env``. Raises EnvsyncError.
        """
        __tracebackhide__ = True
        given = {"files": files, "extras": extras, "groups": groups, "python": python, "project": project}
        said = {"private": private, **sync_options, **{name: value for name, value in given.items() if value}}
        place = markings.Place((str(Path.cwd()), self._surroundings.rootdir))
        try:
            wish = markings.wish_of(said, self._surroundings, place)
        except markings.MarkingError as error:
            raise EnvsyncError(str(error)) from None
        environment = self.environment(wish)
        if environment.is_private:
            self._private.append(environment.path)
        return environment

    def environment(self, wish: markings.Wish) -> SyncedEnv:
        """Return the environment that *wish* describes; a private one is made each time. Raises EnvsyncError."""
        if wish.private:
            return self._provide(wish, self._temporary.mktemp("synced_env") / "env")
        found = self._made.get(wish.key) or self._own(wish)
        if found is None:
            found = self._provide(wish, None)
        self._made[wish.key] = found
        return found

    def close(self) -> None:
        """Remove the private environments that were made by calls, unless pytest is told to keep them."""
        if not is_kept(self._config, has_failed=bool(failed_tests(self._config).nodes)):
            for path in self._private:
                remove(path.parent)

    def _own(self, wish: markings.Wish) -> SyncedEnv | None:
        """Return the session's own environment when that is what *wish* means."""
        values = guard.current()
        if values is None or wish.files or wish.options or wish.project is not None or wish.python is not None:
            return None
        if self._surroundings.files != list(values["environment"]["files"]):
            return None
        return SyncedEnv(values["environment"], self._engine)

    def _provide(self, wish: markings.Wish, destination: Path | None) -> SyncedEnv:
        given = self._surroundings
        files = list(wish.files or given.files)
        if not files:
            raise EnvsyncError(
                "synced_env needs a lockfile",
                hint="name one in the marker, as in @pytest.mark.envsync('some.lock'), or with --envsync-file",
            )
        request = self._engine.request(files, dict(wish.options))
        hooked = self._config.hook.pytest_envsync_options(config=self._config)
        ini = {**request["ini"], "options": dict(request["ini"]["options"])}
        for options in hooked:
            ini["options"] = {**(options or {}), **ini["options"]}
        project = wish.project if wish.project not in {None, "none"} else None
        if project == "auto":
            project = given.rootdir
        ledger = ledger_of(self._config)
        request.update(
            holder=ledger.holder,
            python=wish.python or (None if wish.files else given.python),
            project=None if project is None else {"path": project, "mode": "path"},
            recreate=False,
            private=None
            if destination is None
            # Only what the test itself says: a hard link that it writes to would change the store.
            else {"destination": str(destination), "link_mode": dict(wish.options).get("link_mode")},
            ini=ini,
        )
        values = self._engine.provision(request)
        if destination is None:
            ledger.note(values)
            accompany(self._config)
            if given.trace:
                watch(self._config, values)
        environment = SyncedEnv(values, self._engine, is_private=destination is not None)
        changes = read_changes(values["changes"]) if values["created"] else Changes()
        self._config.hook.pytest_envsync_synced(config=self._config, env=environment, changes=changes)
        return environment


def factory_of_session(request: pytest.FixtureRequest) -> Generator[EnvironmentFactory, None, None]:
    """Give the factory of this process."""
    factory = EnvironmentFactory(request.config, request.getfixturevalue("tmp_path_factory"))
    yield factory
    factory.close()


def environment_of_test(request: pytest.FixtureRequest) -> Generator[SyncedEnv, None, None]:
    """Give the environment that the markers of the test ask for."""
    __tracebackhide__ = True
    try:
        factory: EnvironmentFactory = request.getfixturevalue("synced_env_factory")
        wish = getattr(request, "param", None)
        if not isinstance(wish, markings.Wish):
            said = markings.merged(request.node.iter_markers("envsync"))
            wish = markings.wish_of(said, surroundings(request.config), place_of(request.node))
        environment = factory.environment(wish)
    except (EnvsyncError, markings.MarkingError) as error:
        hint = getattr(error, "hint", None)
        told = pytest.fail.Exception(f"envsync: {error}" + (f"\nhint: {hint}" if hint else ""), pytrace=False)
        # Without its cause the report says it once.
        raise told from None
    failures = failed_tests(request.config)
    yield environment
    if environment.is_private and not is_kept(request.config, has_failed=request.node.nodeid in failures.nodes):
        remove(environment.path.parent)


def place_of(node: pytest.Item | Any) -> markings.Place:
    """Return where the files of a test are looked up: beside its file, then in rootdir."""
    rootdir = str(node.config.rootpath)
    beside = str(node.path.parent)
    return markings.Place((beside, rootdir) if beside != rootdir else (rootdir,))


def warn_of_unused_files(session: pytest.Session) -> None:
    """Warn when ``--envsync-file`` was given and no selected test uses the fixture."""
    for item in session.items:
        if any(name in FIXTURES for name in getattr(item, "fixturenames", ())):
            return
    import warnings

    files = " ".join(session.config.getoption("envsync_files") or ())
    # Recorded, not raised: a session whose filters make errors of warnings must not break on advice.
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        warnings.warn(
            pytest.PytestWarning(
                f"no test uses `synced_env`, which --envsync-file is for: did you mean --envsync {files}?"
            ),
            stacklevel=1,
        )
    session.config.hook.pytest_warning_recorded.call_historic(
        kwargs={"warning_message": records[0], "when": "config", "nodeid": "", "location": None}
    )
