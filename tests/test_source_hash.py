"""The hash in the header of bytecode, as each interpreter writes it."""

from __future__ import annotations

from importlib.util import MAGIC_NUMBER, source_hash

import pytest

from pytest_envsync.source_hash import source_hash_of

KNOWN = {
    168627567: {
        0: "8cc0cd2525e7fd27",
        1: "844f8d016fe2e3c3",
        7: "e65cc719c84032d0",
        8: "65a65b7ede06ca93",
        9: "07db47d8a28695d8",
        15: "0233f89852290068",
        16: "b14410adc71e90b9",
    },
    168627623: {
        0: "738d9cd5d5e87f73",
        1: "c2b4883120da9471",
        7: "6fa406ca232871a5",
        8: "d622d4b41e334ff7",
        9: "96f3e1962aec554f",
        15: "69145e71f86cf3bc",
        16: "8dd83ffab6254908",
    },
}
SOURCE = b"abc" * 50 + b"x"


@pytest.mark.parametrize(
    ("number", "expected"),
    # Printed by CPython 3.10.13, 3.11.7, 3.12.1 and 3.13.0.
    [
        (168627567, "5c2adf3eee8e1bb6"),
        (168627623, "a26696e4ef93ee93"),
        (168627659, "8dd1a7b6506fdd89"),
        (168627699, "4217c60a6fcf2c53"),
    ],
)
def test_each_interpreter_has_its_own(number: int, expected: str) -> None:
    assert source_hash_of(number.to_bytes(4, "little"), SOURCE).hex() == expected


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 15, 16, 1000])
def test_this_one_as_it_says_itself(length: int) -> None:
    assert source_hash_of(MAGIC_NUMBER, b"x" * length) == source_hash(b"x" * length)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 15, 16])
def test_rows_of_any_length(length: int) -> None:
    """Those of the other kind are worked out here: known from CPython 3.10 and 3.11, one of which runs this."""
    for number, rows in KNOWN.items():
        assert source_hash_of(number.to_bytes(4, "little"), b"x" * length).hex() == rows[length]
