"""Whose turn it is among the builds of one process."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from pytest_envsync.wheels.build.processes import CalledOff
from pytest_envsync.wheels.build.turns import Turns


def nothing() -> None:
    """Nobody calls anything off."""


class Waiting(threading.Thread):
    """Takes a turn in a thread of its own; ``began`` is set once it has it."""

    def __init__(self, turns: Turns, key: str, name: str, *chain: str) -> None:
        super().__init__(daemon=True)
        self.turns, self.key, self.wanted, self.chain = turns, key, name, chain
        self.began, self.may_end = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with self.turns.turn(self.key, self.wanted, chain=self.chain, check=nothing):
            self.began.set()
            self.may_end.wait(30)


def test_one_key_is_one_turn_and_another_key_waits_for_nobody() -> None:
    turns = Turns()
    with turns.turn("a", "tool", chain=("one",), check=nothing):
        second = Waiting(turns, "a", "tool", "two")
        other = Waiting(turns, "b", "other", "two")
        assert other.began.wait(30)
        assert not second.began.is_set()
    assert second.began.wait(30)
    for thread in (second, other):
        thread.may_end.set()
        thread.join(30)


def test_nobody_waits_for_what_waits_for_himself() -> None:
    turns = Turns()
    with ExitStack() as stack:
        # one needs two, which needs three.
        stack.enter_context(turns.turn("1", "one", chain=(), check=nothing))
        stack.enter_context(turns.turn("2", "two", chain=("one",), check=nothing))
        waiting = Waiting(turns, "3", "three", "one", "two")
        assert waiting.began.wait(30)
        # What three needs in turn is the one that waits for it.
        back = Waiting(turns, "1", "one", "one", "two", "three")
        assert back.began.wait(30)
        for thread in (back, waiting):
            thread.may_end.set()
            thread.join(30)


def test_who_waits_is_told_that_it_is_over() -> None:
    turns = Turns()

    def over() -> None:
        raise CalledOff

    with turns.turn("a", "tool", chain=(), check=nothing):
        with pytest.raises(CalledOff), turns.turn("a", "tool", chain=("two",), check=over):
            pass
        later = Waiting(turns, "a", "tool", "three")
    assert later.began.wait(30)
    later.may_end.set()
    later.join(30)
