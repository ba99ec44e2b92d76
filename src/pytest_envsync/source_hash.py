"""The hash of a module's source in the header of its bytecode (PEP 552), as the interpreter that wrote it makes it.

Its key is the magic number of that interpreter, and its kind SipHash: with two rounds for each word up to
CPython 3.10, with one from 3.11 on.

Standard library only: this module also runs inside session environments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys

_MASK = 0xFFFFFFFFFFFFFFFF
_FIRST_WITH_ONE_ROUND = 3450  # magic numbers of 3.11 begin here


def source_hash_of(magic: bytes, source: bytes) -> bytes:
    """Return the hash of *source* that the interpreter with the *magic* number writes: 8 bytes."""
    from importlib.util import MAGIC_NUMBER, source_hash

    if magic == MAGIC_NUMBER:
        return source_hash(source)
    rounds = 1 if int.from_bytes(magic[:2], "little") >= _FIRST_WITH_ONE_ROUND else 2
    key = int.from_bytes(magic, "little")
    if rounds == (1 if sys.version_info >= (3, 11) else 2):
        import _imp

        own: bytes = _imp.source_hash(key, source)
        return own
    return _siphash(key, source, rounds).to_bytes(8, "little")


def _siphash(key: int, data: bytes, rounds: int) -> int:
    """Return SipHash-*rounds*-(*rounds* + 2) of *data*; the second half of the key is zero."""
    state = [key ^ 0x736F6D6570736575, 0x646F72616E646F6D, key ^ 0x6C7967656E657261, 0x7465646279746573]
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        state[3] ^= word
        for _ in range(rounds):
            _round(state)
        state[0] ^= word
    state[2] ^= 0xFF
    for _ in range(rounds + 2):
        _round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(state: list[int]) -> None:
    a, b, c, d = state
    a = (a + b) & _MASK
    c = (c + d) & _MASK
    b = _turned(b, 13) ^ a
    d = _turned(d, 16) ^ c
    a = _turned(a, 32)
    c = (c + b) & _MASK
    a = (a + d) & _MASK
    b = _turned(b, 17) ^ c
    d = _turned(d, 21) ^ a
    state[:] = a, b, _turned(c, 32), d


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _MASK
