"""Named tuples of our own do what those of the standard library do."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from pytest_envsync.values import NamedTuple


class Place(NamedTuple):
    """Where something is."""

    home: str
    number: int = 3

    @property
    def text(self) -> str:
        return f"{self.home}/{self.number}"


class Inner(Place):
    """One with more to it."""

    def shown(self) -> str:
        return f"<{super().text}>"


class Standard(typing.NamedTuple):
    home: str
    number: int = 3


class Empty(NamedTuple):
    """No fields at all."""


def test_fields_are_read_by_name_and_by_position() -> None:
    place = Place("a")
    home, number = place
    assert (home, number, place.home, place.number, place[1]) == ("a", 3, "a", 3, 3)
    assert place.text == "a/3"
    assert Place(number=4, home="b") == ("b", 4)
    assert Place.__doc__ == "Where something is."
    assert Empty() == ()


def test_a_value_is_a_tuple_in_all_that_counts() -> None:
    ours, theirs = Place("a", 1), Standard("a", 1)
    assert tuple(ours) == tuple(theirs)
    assert isinstance(ours, tuple)
    assert hash(ours) == hash(theirs)
    assert ours._fields == theirs._fields
    assert ours._asdict() == theirs._asdict()
    assert tuple(ours._replace(number=2)) == tuple(theirs._replace(number=2))
    assert repr(ours).removeprefix("Place") == repr(theirs).removeprefix("Standard")
    assert Place._field_defaults == Standard._field_defaults
    assert tuple(Place._make(["b", 2])) == ("b", 2)


def test_a_value_is_matched_copied_and_pickled() -> None:
    place = Place("a", 1)
    match place:
        case Place(home, number=number):
            assert (home, number) == ("a", 1)
        case _:
            pytest.fail("it did not match")
    for other in (copy.copy(place), copy.deepcopy(place), pickle.loads(pickle.dumps(place))):  # noqa: S301 - our own
        assert other == place
        assert type(other) is Place


def test_a_class_below_it_makes_values_of_its_own() -> None:
    inner = Inner("a")
    assert type(inner) is type(inner._replace(number=4)) is Inner
    assert inner.shown() == "<a/3>"
    assert type(Place("a")) is Place


@pytest.mark.parametrize(
    "wrong",
    [
        Place,
        lambda: Place("a", 1, 2),  # type: ignore[call-arg]  # what is to be refused
        lambda: Place(home="a", other=1),  # type: ignore[call-arg]  # what is to be refused
        lambda: Place("a", home="b"),  # type: ignore[misc]  # what is to be refused
        lambda: Place("a")._replace(other=1),  # type: ignore[call-arg]  # what is to be refused
        lambda: Place._make(["a"]),
    ],
)
def test_what_does_not_fit_is_refused(wrong: typing.Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        wrong()


def test_a_field_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        Place("a").home = "b"  # type: ignore[misc]  # what is to be refused
