"""Everything that touches pytest-xdist: one session over several environments, and the workers of any session.

The controller runs inside the first environment that can host it. Each environment has workers
of its own interpreter and a scheduler of its own; ids are rewritten here, in the controller, so that a
worker knows nothing of the others.

Runs inside session environments: standard library, pytest, pluggy and xdist.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_envsync.pytest_plugin.matrix import in_turn, remote, table
from pytest_envsync.pytest_plugin.matrix.apart import Apart
from pytest_envsync.pytest_plugin.matrix.foreign_warnings import with_readable
from pytest_envsync.pytest_plugin.matrix.identities import name_with_identity, with_identity
from pytest_envsync.pytest_plugin.matrix.in_turn import InTurn
from pytest_envsync.pytest_plugin.matrix.scheduling import Environment, PerEnvironment, cause_of
from pytest_envsync.pytest_plugin.matrix.selection import forget_plain_failures
from pytest_envsync.pytest_plugin.naming import GROUP
from pytest_envsync.pytest_plugin.session.cells import IDENTITY, ORIGINAL, Cell
from pytest_envsync.pytest_plugin.session.companion import accompany
from pytest_envsync.pytest_plugin.session.ledger import ledger_of

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter
    from xdist.dsession import DSession
    from xdist.workermanage import WorkerController

WORKERS = "envsync-workers"
WORKER = "envsync-worker"
CONTROLLER = "envsync-controller"
_RESTARTS = 4  # for each worker, as xdist has it with -n


class Workers:
    """In the controller of any session: tells each worker whose leases it takes, and sees to the end."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Hand the ledger to a worker."""
        node.workerinput["envsync"] = ledger_of(node.config).for_worker()
        accompany(node.config)


class WorkersInTurn:
    """In the controller of a session that has its turn in a matrix: names the environment in what workers report."""

    def __init__(self, turn: InTurn) -> None:
        self._turn = turn

    @pytest.hookimpl(hookwrapper=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> Generator[None, Any, None]:
        """Write the environment into the id of a test, and of a module that cannot be collected."""
        data.pop(IDENTITY, None)
        outcome = yield
        report = outcome.get_result()
        if isinstance(report, pytest.TestReport):
            self._turn.name(report)
        elif isinstance(report, pytest.CollectReport):
            self._turn.name_collected(report)

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_handlecrashitem(self, report: pytest.TestReport) -> None:
        """Write the environment into the id of a test whose worker crashed."""
        self._turn.name(report)


def configure(config: pytest.Config) -> None:
    """Register what a controller of xdist needs."""
    config.pluginmanager.register(Workers(), WORKERS)
    turn = config.pluginmanager.get_plugin(in_turn.NAME)
    if isinstance(turn, InTurn):
        config.pluginmanager.register(WorkersInTurn(turn), f"{WORKERS}-in-turn")


class Worker:
    """In a worker of a matrix: puts the environment into reports, for the controller to write into ids."""

    def __init__(self, config: pytest.Config, identity: str) -> None:
        self._identity = identity
        if hasattr(config, "failures_db"):
            setattr(config, "failures_db", Apart(config.failures_db, identity))  # noqa: B010 - no attribute of pytest's

    @pytest.hookimpl(hookwrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, Any, None]:
        """Add the environment to what is sent."""
        outcome = yield
        data = outcome.get_result()
        if data is not None:
            data[IDENTITY] = self._identity


def send_groups(session: pytest.Session) -> None:
    """In a worker: see to it that the ids it sends have the groups of ours in them.

    xdist writes a group into ``item._nodeid``, which pytest 9.2 no longer reads, and then groups nothing.
    """
    ids = [_with_group(item) for item in session.items]
    if ids == [item.nodeid for item in session.items] or not any(f"@{GROUP}" in nodeid for nodeid in ids):
        return
    for plugin in session.config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "WorkerInteractor":
            plugin.sendevent = _Sender(plugin.sendevent, ids)


def _with_group(item: pytest.Item) -> str:
    marks = item.iter_markers("xdist_group")
    names = {str(mark.args[0] if mark.args else mark.kwargs.get("name", "default")) for mark in marks}
    ending = f"@{'_'.join(sorted(names))}" if names else ""
    return item.nodeid if item.nodeid.endswith(ending) else item.nodeid + ending


class _Sender:
    """Sends the events of a worker, with *ids* as what it collected."""

    def __init__(self, send: Callable[..., None], ids: list[str]) -> None:
        self._send = send
        self._ids = ids

    def __call__(self, name: str, **values: Any) -> None:
        if name == "collectionfinish":
            values["ids"] = self._ids
        self._send(name, **values)


def cells_of(plan: Mapping[str, Any]) -> list[Cell]:
    """Return the environments of a matrix, those that could not be had among them."""
    return [Cell(cell["identity"], cell["values"], description=cell, error=cell["error"]) for cell in plan["cells"]]


def prepare(config: pytest.Config, plan: Mapping[str, Any], cells: Sequence[Cell]) -> None:
    """Turn the session of *config* into the controller of a matrix: before xdist looks at its options."""
    usable = [cell for cell in cells if cell.is_usable]
    asked = _asked_workers(config)
    total = max(asked or 0, len(usable))
    counts = {id(cell): total // len(usable) + (index < total % len(usable)) for index, cell in enumerate(usable)}
    option = config.option
    option.numprocesses = None
    option.dist = "load" if option.dist == "no" else option.dist
    option.tx = [
        _spec(cell, index, plan["flags"])
        for index, cell in enumerate(cells)
        if cell.is_usable
        for _ in range(counts[id(cell)])
    ]
    if option.maxworkerrestart is None:
        option.maxworkerrestart = str(_RESTARTS * total)
    slots = len(usable) if asked is not None and asked >= len(usable) else asked or 1
    config.pluginmanager.register(Controller(config, cells, slots=slots, command=plan["command"]), CONTROLLER)


def _asked_workers(config: pytest.Config) -> int | None:
    """Return how many workers ``-n`` asks for; None without it."""
    asked = config.option.numprocesses
    if asked in ("auto", "logical"):
        asked = config.hook.pytest_xdist_auto_num_workers(config=config)
    most = config.option.maxprocesses
    if asked and most:
        asked = min(asked, most)
    return int(asked) if asked else None


def _spec(cell: Cell, index: int, flags: Sequence[str]) -> str:
    """Return what execnet starts a worker by; ``envsync`` says of which environment it is."""
    command = shlex.join([cell.description["python"], *flags])
    return f"popen//python={command}//envsync={index}"


class Controller:
    """Runs one session over several environments; *slots* of them at the same time."""

    def __init__(self, config: pytest.Config, cells: Sequence[Cell], *, slots: int, command: Sequence[str]) -> None:
        self.config = config
        self._command = command
        self._slots = slots
        self._session: pytest.Session | None = None
        self.environments = [Environment(cell) for cell in cells]
        for environment in [one for one in self.environments if one.cell.is_usable][:slots]:
            environment.may_start = True

    def environment_of(self, node: WorkerController) -> Environment:
        """Return the environment that a worker is of."""
        return self.environments[int(node.gateway.spec.envsync)]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_sessionstart(self, session: pytest.Session) -> Generator[None, None, None]:
        """Take the places in xdist's session where no hook tells of which worker an event is."""
        self._session = session
        yield
        dsession: DSession = self.config.pluginmanager.getplugin("dsession")
        start_failed = dsession.worker_errordown

        def logged(hook: Any) -> Any:
            def call(node: WorkerController, nodeid: str, location: tuple[str, int | None, str]) -> None:
                identity = self.environment_of(node).cell.identity
                path, line, domain = location
                hook(
                    nodeid=with_identity(nodeid, identity), location=(path, line, name_with_identity(domain, identity))
                )

            return call

        def errordown(node: WorkerController, error: object | None) -> None:
            if self.environment_of(node).collected is not None or dsession.shuttingdown:
                start_failed(node, error)
            else:
                self._give_up(dsession, node, error)

        hooks = self.config.hook
        replaced: dict[str, Any] = {
            "worker_logstart": logged(hooks.pytest_runtest_logstart),
            "worker_logfinish": logged(hooks.pytest_runtest_logfinish),
            "worker_errordown": errordown,
        }
        for name, function in replaced.items():
            setattr(dsession, name, function)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_getremotemodule(self) -> Any:
        """Send our module, which becomes xdist's in the right interpreter."""
        return remote

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker where it is."""
        import xdist.remote

        environment = self.environment_of(node)
        environment.nodes.add(node)
        node.process_from_remote = with_readable(node.process_from_remote)
        description = environment.cell.description
        node.workerinput["envsync_cell"] = {
            "environ": description["environ"],
            "front": description["front"],
            "behind": description["behind"],
            "waits": not environment.may_start,
            # pytest-cov erases what is there when a worker starts: what others measured, if that is late.
            "arguments": ["--cov-append"] if self.config.pluginmanager.hasplugin("_cov") else [],
            "source": inspect.getsource(xdist.remote),
            "file": xdist.remote.__file__,
        }

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Give each environment the scheduler that ``--dist`` asks for."""
        dsession: DSession = config.pluginmanager.getplugin("dsession")
        for environment in self.environments:
            if environment.cell.is_usable:
                environment.scheduler = dsession.pytest_xdist_make_scheduler(config, log)
                environment.scheduler.numnodes = len(environment.nodes)
        return PerEnvironment(self, log)

    def collected(self, node: WorkerController, count: int) -> None:
        """Take note of how many tests there are in an environment: the session counts all of them."""
        self.environment_of(node).collected = count
        if self._session is not None:
            known = [one.collected for one in self.environments if one.collected is not None]
            # Those that have not come to collect yet are taken to have as many: else progress would go back.
            unknown = sum(one.collected is None and not one.is_given_up for one in self.environments)
            self._session.testscollected = sum(known) + unknown * max(known)

    def begin(self) -> None:
        """Have xdist tell no more of workers that come up: other environments run tests by then."""
        reporter = self.config.pluginmanager.getplugin("terminaldistreporter")
        if reporter is None:
            return
        for name in ("setstatus", "ensure_show_status"):
            setattr(reporter, name, lambda *_, **__: None)
        # Which interpreter a worker has, told under -v: in a line of its own.
        reporter.rewrite = lambda line, **_: (reporter.tr.ensure_newline(), reporter.tr.write_line(line))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController, error: object | None) -> None:
        """Let the next environment begin when this one is through."""
        environment = self.environment_of(node)
        environment.nodes.discard(node)
        if error is None:
            output = getattr(node, "workeroutput", {})
            environment.lacks_what_is_named |= output.get("exitstatus") == pytest.ExitCode.USAGE_ERROR
            if not environment.nodes:
                self._start_next()

    def _start_next(self) -> None:
        dsession: DSession = self.config.pluginmanager.getplugin("dsession")
        if dsession.shuttingdown:
            return  # those that wait were told
        running = [one for one in self.environments if one.may_start and one.nodes]
        waiting = [one for one in self.environments if not one.may_start and one.nodes]
        for environment in waiting[: max(self._slots - len(running), 0)]:
            environment.may_start = True
            for node in environment.nodes:
                node.sendcommand("envsync-start")

    def _give_up(self, dsession: DSession, node: WorkerController, error: object | None) -> None:
        """Go on without a worker that never came to collect; without any, its environment is an error."""
        environment = self.environment_of(node)
        cause = cause_of(error)
        environment.failures.append(cause)
        shown = error if self.config.option.verbose > 0 or cause == str(error).strip() else f"{cause} (-v shows where)"
        self.config.hook.pytest_testnodedown(node=node, error=shown)
        environment.scheduler.numnodes -= 1
        if node in environment.scheduler.nodes:
            environment.scheduler.remove_node(node)
        if environment.is_given_up:
            environment.cell.error = f"no worker could start in it: {environment.failures[0]}"
        elif environment.scheduler.collection_is_completed:
            environment.scheduler.schedule()
        dsession._active_nodes.discard(node)  # noqa: SLF001 - xdist has no other way to go on without a worker
        self._start_next()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> Generator[None, Any, None]:
        """Write the environment into the id of what a worker reports."""
        identity = data.pop(IDENTITY, None)
        if identity is None:
            yield
            return
        original = data["nodeid"]
        data["nodeid"] = with_identity(original, identity)
        if data.get("location"):
            path, line, domain = data["location"]
            data["location"] = (path, line, name_with_identity(domain, identity))
        if isinstance(data.get("user_properties"), list):
            data["user_properties"] = [*data["user_properties"], *self._properties(identity)]
        if data.get("$report_type") == "CollectReport" and isinstance(data.get("longrepr"), str):
            # xdist shows equal errors once, and these are of two environments.
            data["longrepr"] = f"in the environment {identity}:\n{data['longrepr']}"
        outcome = yield
        report = outcome.get_result()
        if report is not None:
            setattr(report, IDENTITY, identity)
            setattr(report, ORIGINAL, original)

    def _properties(self, identity: str) -> list[tuple[str, str]]:
        values = next(one.cell.values for one in self.environments if one.cell.identity == identity)
        return in_turn.properties(values) if values is not None else []

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Say in which environment a worker crashed."""
        node: WorkerController = report.node
        identity = self.environment_of(node).cell.identity
        report.nodeid = with_identity(crashitem, identity)
        path, line, domain = report.location
        report.location = (path, line, name_with_identity(domain, identity))
        report.user_properties = [*report.user_properties, *self._properties(identity)]
        setattr(report, IDENTITY, identity)
        setattr(report, ORIGINAL, crashitem)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Forget failures of sessions in one environment that ran in each of these, before pytest saves them."""
        if session.exitstatus == pytest.ExitCode.INTERRUPTED and session.shouldfail:
            # xdist interrupts a session that has had its most failures; pytest says that tests failed.
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._names_nothing:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        cells = [one.cell for one in self.environments if one.cell.is_usable]
        forget_plain_failures(self.config, [cell.results for cell in cells], [cell.identity for cell in cells])

    @property
    def _names_nothing(self) -> bool:
        """Whether the command line names tests that no environment has: a worker alone keeps that to itself."""
        return all(one.lacks_what_is_named for one in self.environments if one.cell.is_usable)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show where the environments differ, and how to run the failures again."""
        cells = [one.cell for one in self.environments]
        if self.config.getoption("no_summary", default=False):
            # What could not be had is no summary of tests.
            cells = [cell for cell in cells if cell.values is None or cell.error]
        lines = table.render(cells, width=terminalreporter._tw.fullwidth)  # noqa: SLF001 - as plugins do
        again = table.rerun(
            cells,
            self._command,
            has_cache=self.config.pluginmanager.hasplugin("cacheprovider"),
            selecting=self.config.option.file_or_dir or (),
        )
        if lines or again:
            terminalreporter.section("environments")
        for line in [*lines, *again]:
            terminalreporter.write_line(line)
        if self._names_nothing:
            terminalreporter.write_line(f"ERROR: not found in any environment: {' '.join(self.config.args)}", red=True)
