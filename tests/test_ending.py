"""Signals that end the command: what was begun is undone first."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_envsync.cli.ending import Ended, raising_signals
from pytest_envsync.environment.transaction import apply_plan
from sites import Site, contents, tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers that were set before are set afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_midst_of_a_change_undoes_it(tmp_path: Path, number: signal.Signals) -> None:
    site = Site(tmp_path)
    old, new = site.wheel("demo", "1.0"), site.wheel("demo", "2.0", files={"demo.py": "V = 2", "more/new.py": ""})
    site.sync(old)
    before = contents(tree(site.root))
    sent: list[str] = []

    def step(word: str) -> None:
        if word.endswith("new.py"):
            sent.append(word)
            send(number)
        elif sent:
            send(number)  # once more, while it is undone

    with pytest.raises(Ended) as raised, raising_signals():
        apply_plan(site.plan(new), {"demo": new}, target=site.target, store=site.store, step=step)
    assert (raised.value.exit_status, str(raised.value)) == (128 + number, f"ended by {number.name}")
    assert len(sent) == 1
    assert contents(tree(site.root)) == before


def test_handlers_of_others_and_ignored_signals_stay_theirs() -> None:
    received: list[int] = []

    def theirs(number: int, _: Any) -> None:
        received.append(number)

    signal.signal(signal.SIGTERM, theirs)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    with raising_signals():
        send(signal.SIGTERM)
        send(signal.SIGHUP)
    assert received == [signal.SIGTERM]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == (theirs, signal.SIG_IGN)


def test_afterwards_and_in_other_threads_nothing_is_changed() -> None:
    with raising_signals():
        assert callable(signal.getsignal(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    seen: list[object] = []

    def elsewhere() -> None:
        with raising_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
