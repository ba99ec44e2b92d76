"""One scheduler that is several: each environment of a matrix has its own of xdist's.

Runs inside session environments: standard library, pytest and pluggy only. Workers (``WorkerController``) and
schedulers (``Scheduling``) are xdist's; nothing of it is imported here.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pytest_envsync.pytest_plugin.matrix.apart import ConfigApart
from pytest_envsync.pytest_plugin.session.cells import Cell

if TYPE_CHECKING:
    import pytest


class Environment:
    """An environment of a running matrix: its workers and their scheduler."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.nodes: set[Any] = set()
        self.collected: int | None = None
        self.may_start = False
        self.scheduler: Any = None
        self.failures: list[str] = []
        self.lacks_what_is_named = False

    @property
    def is_given_up(self) -> bool:
        """Whether none of its workers could start."""
        return not self.cell.is_usable or (self.scheduler is not None and self.scheduler.numnodes == 0)


_TRACEBACK = "Traceback (most recent call last):\n"
_CONFTEST = "_pytest.config.ConftestImportFailure: "


def cause_of(error: object | None) -> str:
    """Return in one line what ended a worker; *error* is what it left, as a rule a traceback.

    The line that names the error is the first one behind the frames: what it says may go on in others.
    """
    lines = [line for line in str(error).rpartition(_TRACEBACK)[2].splitlines() if line.strip()]
    if error is None or not lines:
        return "it ended without a word"
    named = next((line for line in lines if not line[0].isspace()), lines[-1].strip())
    said = named.removeprefix(_CONFTEST)
    # pytest says behind all of it which file that was.
    _, found, place = lines[-1].rpartition(" (from ")
    if said == named or not found:
        return named
    return f"`{place.removesuffix(')')}` cannot be loaded: {said.removesuffix(f'{found}{place}')}"


class Matrix(Protocol):
    """What a scheduler asks of the controller."""

    config: pytest.Config
    environments: list[Environment]

    def environment_of(self, node: Any) -> Environment:
        """Return the environment that a worker is of."""

    def collected(self, node: Any, count: int) -> None:
        """Take note of how many tests a worker collected."""

    def begin(self) -> None:
        """Take note that the first tests run."""


class PerEnvironment:
    """A scheduler of xdist that is several: one for each environment."""

    def __init__(self, controller: Matrix, log: Any) -> None:
        self._controller = controller
        self._crashed: Environment | None = None
        self._has_begun = False
        self.log = log

    @property
    def config(self) -> Any:
        """The configuration, as it is for the environment whose worker crashed last."""
        identity = self._crashed.cell.identity if self._crashed is not None else ""
        return ConfigApart(self._controller.config, identity)

    @property
    def _active(self) -> list[Environment]:
        return [one for one in self._controller.environments if not one.is_given_up]

    def _of(self, node: Any) -> Any:
        return self._controller.environment_of(node).scheduler

    @property
    def nodes(self) -> list[Any]:
        """Every worker that may be told to shut down, those that wait for their turn too."""
        scheduled = [node for one in self._active for node in one.scheduler.nodes]
        waiting = [node for one in self._active if not one.may_start for node in one.nodes]
        return [*scheduled, *waiting]

    @property
    def collection_is_completed(self) -> bool:
        """Whether an environment is ready to run tests."""
        return any(one.scheduler.collection_is_completed for one in self._active)

    @property
    def has_pending(self) -> bool:
        """Whether tests were sent before: xdist asks it to tell once that it begins."""
        return self._has_begun

    @property
    def tests_finished(self) -> bool:
        """Whether all is done everywhere. Workers of an environment that is through are let go."""
        is_finished = True
        for one in self._active:
            if not one.scheduler.collection_is_completed or not one.scheduler.tests_finished:
                is_finished = False
                continue
            for node in one.scheduler.nodes:
                if not node.shutting_down:
                    node.shutdown()
        return is_finished

    def add_node(self, node: Any) -> None:
        """Take a worker that is ready."""
        self._of(node).add_node(node)

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """Take what a worker collected; environments may differ in it."""
        self._of(node).add_node_collection(node, collection)
        self._controller.collected(node, len(collection))

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Pass on that a test is done."""
        self._of(node).mark_test_complete(node, item_index, duration)

    def mark_test_pending(self, item: str) -> None:
        """Pass on that a test is to run again, in the environment whose worker crashed last."""
        if self._crashed is not None:
            self._crashed.scheduler.mark_test_pending(item)

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        """Pass on what was stolen from a worker."""
        self._of(node).remove_pending_tests_from_node(node, indices)

    def remove_node(self, node: Any) -> str | None:
        """Forget a worker; return the id of the test that it ran when it crashed."""
        scheduler = self._of(node)
        if node not in scheduler.nodes:
            return None
        crashed: str | None = scheduler.remove_node(node)
        if crashed is not None:
            self._crashed = self._controller.environment_of(node)
        return crashed

    def schedule(self) -> None:
        """Send tests to the workers of every environment that is ready."""
        if not self._has_begun:
            self._has_begun = True
            self._controller.begin()
        for one in self._active:
            if one.scheduler.collection_is_completed:
                one.scheduler.schedule()
