"""The pytest plugin, declared: options, ini keys, the marker, the fixtures, and where each hook leads.

Nothing of this package is imported at module level: whoever has the plugin installed and
does not use it pays for these declarations only. The same file serves inside session
environments, where the engine does not exist.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_envsync.pytest_plugin.fixtures.factory import EnvironmentFactory
    from pytest_envsync.synced_env import SyncedEnv

MARKER = (
    "envsync(*files, extras=(), all_extras=False, groups=(), python=None, project=None, private=False, matrix=None, "
    "**sync_options): the environment that `synced_env` gives this test"
)

# The status of a session that ran in a child process.
CHILD_STATUS = pytest.StashKey[int]()

# What is wrong with the marker of a test.
REFUSAL = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the group ``envsync`` and their ini twins."""
    group = parser.getgroup("envsync", "exact, cached environments")
    add = group.addoption
    add("--envsync", dest="envsync_locks", action="append", metavar="[NAME=]LOCK",
        help="Run this session inside the exact environment of LOCK; repeat it for a matrix")  # fmt: skip
    add("--no-envsync", dest="envsync_off", action="store_true",
        help="Run here, in this interpreter; markers and fixtures keep working")  # fmt: skip
    add("--envsync-python", dest="envsync_python", action="append", metavar="REQ",
        help="Interpreter of the environment (`3.12`, a path); several multiply the matrix")  # fmt: skip
    add("--envsync-project", dest="envsync_project", action="append", metavar="auto|none|PATH",
        help="The project under test (auto: rootdir, if it is a project and the lock lacks it)")  # fmt: skip
    add("--envsync-extra", dest="envsync_extra", action="append", metavar="EXTRA",
        help="Extra of the lock to include")  # fmt: skip
    add("--envsync-all-extras", dest="envsync_all_extras", action="store_true", help="Include all extras of the lock")
    add("--envsync-group", dest="envsync_group", action="append", metavar="[PATH:]GROUP",
        help="Dependency group to include")  # fmt: skip
    add("--envsync-option", dest="envsync_options", action="append", metavar="OPT",
        help="Any option of `envsync sync`, e.g. --envsync-option=--require-hashes")  # fmt: skip
    add("--envsync-file", dest="envsync_files", action="append", metavar="FILE",
        help="Default environment of the `synced_env` fixture; several files together")  # fmt: skip
    add("--envsync-recreate", dest="envsync_recreate", action="store_true", help="Build the environments anew")
    add("--envsync-drift", dest="envsync_drift", choices=["ignore", "warn", "fail"], default=None,
        help="What a session that changed its environment means (default: warn)")  # fmt: skip
    add("--envsync-drift-trace", dest="envsync_drift_trace", action="store_true",
        help="Compare after each test and name the one that changed the environment")  # fmt: skip
    add("--envsync-no-overlay", dest="envsync_no_overlay", action="store_true",
        help="Bring no pytest from here: the lock must hold it")  # fmt: skip
    add("--envsync-report", dest="envsync_report", metavar="FILE", help="Write a JSON report, whatever the exit status")
    add("--envsync-cache-dir", dest="envsync_cache_dir", metavar="DIR", help="Where environments and wheels are kept")
    add("--envsync-offline", dest="envsync_offline", action="store_true", help="Use no network")

    ini = parser.addini
    ini("envsync", "Lockfiles of the environments that sessions run in", type="args", default=[])
    ini("envsync_python", "Interpreters of the environments", type="args", default=[])
    ini("envsync_project", "The project under test: auto, none or a path", type="args", default=[])
    ini("envsync_editable", "Install the project under test as an editable", type="bool", default=True)
    ini("envsync_extra", "Extras of the locks to include", type="args", default=[])
    ini("envsync_all_extras", "Include all extras of the locks", type="bool", default=False)
    ini("envsync_group", "Dependency groups to include", type="args", default=[])
    ini("envsync_options", "Options of `envsync sync` for the environments", type="args", default=[])
    ini("envsync_files", "Default environment of the `synced_env` fixture", type="args", default=[])
    ini("envsync_drift", "What changed environments mean: ignore, warn or fail", default=None)
    ini("envsync_drift_ignore", "Globs below the environment that are no drift", type="args", default=[])
    ini("envsync_overlay", "Plugins to bring from here if the lock lacks them", type="args", default=[])
    ini("envsync_cache_dir", "Where environments and wheels are kept", default=None)
    ini("envsync_offline", "Use no network", type="bool", default=False)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that this plugin calls."""
    from pytest_envsync.pytest_plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


# A wrapper runs before capture begins and before initial conftests are imported; a plain
# implementation would lose all output. The old style also works with pluggy below 1.2.
@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, Any, None]:
    """Move the session into its environment, if it has one and is not there yet."""
    known = early_config.known_args_namespace
    status = None
    if not known.help and not getattr(known, "version", 0):
        if is_inside():
            from pytest_envsync.pytest_plugin.session import arrival

            status = arrival.arrive(early_config, parser, args)
        elif not known.envsync_off and (
            known.envsync_locks
            or early_config.getini("envsync")
            # Their values may have led pytest to another ini file than the one that asks for an environment.
            or any(str(arg).startswith("--envsync-") for arg in args)
        ):
            status = _enter_swiftly(early_config, parser, args)
    if status is not None:
        early_config.stash[CHILD_STATUS] = status
    outcome = yield
    if outcome.excinfo is not None and is_inside():
        from pytest_envsync.pytest_plugin.session import arrival

        arrival.after_failure(early_config, outcome.excinfo[1])


def _enter_swiftly(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> int | None:
    import gc

    # What is loaded here stays until the process is replaced, as all of pytest does: looking through it now and then
    # took a third of the time.
    thresholds = gc.get_threshold()
    if thresholds[0]:
        gc.set_threshold(50_000, 20, 50)
    try:
        return _enter(config, parser, args)
    finally:
        gc.set_threshold(*thresholds)


def _enter(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> int | None:
    try:
        from pytest_envsync.pytest_plugin.inside.plain_imports import import_plainly

        import_plainly()
        from pytest_envsync.pytest_plugin.inside.entering import enter
    except ModuleNotFoundError as error:
        if error.name != "pytest_envsync.pytest_plugin.inside":
            raise
        # The surface without the engine: an environment of ours that `envsync run` runs a command in.
        from pytest_envsync.pytest_plugin.command_line import has_envsync

        if not has_envsync(config.invocation_params.args):
            return None
        raise pytest.UsageError(
            "envsync: this is an environment without the engine\n"
            "hint: leave --envsync away, or start pytest where pytest-envsync is installed"
        ) from None
    return enter(config, parser, args)


def is_inside() -> bool:
    """Whether this process runs in the environment of a session of ours."""
    if not os.environ.get("ENVSYNC_SESSION"):
        return False
    from pytest_envsync.pytest_plugin import guard

    return guard.current() is not None


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Return the status of a session that already ran in a child process; prepare the controller of a matrix."""
    status = config.stash.get(CHILD_STATUS, None)
    if status is None and is_inside():
        from pytest_envsync.pytest_plugin.session import arrival

        arrival.before_configuring(config)
    return status


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and, in a session of ours, what accompanies it."""
    config.addinivalue_line("markers", MARKER)
    if is_inside():
        from pytest_envsync.pytest_plugin.session import arrival

        arrival.configure(config)
    elif config.option.envsync_report and not hasattr(config, "workerinput"):
        from pytest_envsync.pytest_plugin.session import companion

        companion.accompany(config)
    if getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput"):
        from pytest_envsync.pytest_plugin.matrix import xdist

        xdist.configure(config)


# After pytest's own: the environment stands last in an id.
@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise tests whose marker names several environments."""
    if "synced_env" in metafunc.fixturenames and metafunc.definition.get_closest_marker("envsync") is not None:
        from pytest_envsync.pytest_plugin.fixtures import axes

        axes.parametrize(metafunc)


# First xdist is told the groups, which it looks at in its own implementation; at last only what is selected counts.
@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, Any, None]:
    """Keep tests that share an environment together under ``--dist loadgroup``; find the markers that are wrong."""
    if getattr(config.option, "loadgroup", False):
        from pytest_envsync.pytest_plugin.fixtures import axes

        axes.group(items)
    yield
    if any(item.get_closest_marker("envsync") is not None for item in items):
        from pytest_envsync.pytest_plugin.fixtures import refusals

        for item, reason in refusals.refused(config, items):
            item.stash[REFUSAL] = reason


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose marker is wrong, before anything is set up for it."""
    reason = item.stash.get(REFUSAL, None)
    if reason is not None:
        pytest.fail(reason, pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Warn of ``--envsync-file`` when no selected test uses the fixture that it is for."""
    if getattr(session.config.option, "loadgroup", False):
        from pytest_envsync.pytest_plugin.matrix import xdist

        xdist.send_groups(session)
    if session.config.getoption("envsync_files", None):
        from pytest_envsync.pytest_plugin.fixtures import factory

        factory.warn_of_unused_files(session)


@pytest.fixture
def synced_env(request: pytest.FixtureRequest) -> Generator[SyncedEnv, None, None]:
    """Give the environment that the `envsync` markers of the test ask for: shared, cached, not to be changed."""
    from pytest_envsync.pytest_plugin.fixtures import factory

    yield from factory.environment_of_test(request)


@pytest.fixture(scope="session")
def synced_env_factory(request: pytest.FixtureRequest) -> Generator[EnvironmentFactory, None, None]:
    """Make environments: `synced_env_factory("some.lock", python="3.12")` gives a SyncedEnv."""
    from pytest_envsync.pytest_plugin.fixtures import factory

    yield from factory.factory_of_session(request)
