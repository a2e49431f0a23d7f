"""Streams of small symbols as bytes: codes and runs, each by the coder that was chosen for it.

A coder is a module with two functions, ``encode(symbols, symbol_bits) -> (table, data)`` and
``decode(table, data, n_symbols, symbol_bits) -> symbols``; `encode_stream` and `decode_stream` call it by name.
"""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_integers, whole_number
from compressor.jit import Arg, kernel

_HOMES = {
    "fixed": "compressor.coding.fixed_width",
    "huffman": "compressor.coding.huffman",
    "ans": "compressor.coding.ans",
}

CODERS = tuple(_HOMES)
"""Names of the coders: a fixed number of bits, canonical Huffman, and asymmetric numeral systems (extra ``ans``)."""

MOST_SYMBOL_BITS = 8
"""A symbol is at most a byte."""

_COUNTERS = 4

Bytes = NDArray[np.uint8]


class EncodedStream(NamedTuple):
    """A stream as it is stored.

    Attributes
    ----------
    coder : str
        One of `CODERS`.
    symbol_bits : int
        Symbols are ``0 .. 2**symbol_bits - 1``; 1 .. 8.
    n_symbols : int
    table : ndarray of uint8
        What the coder needs to decode besides the data (the code table); empty for "fixed".
    data : ndarray of uint8
    """

    coder: str
    symbol_bits: int
    n_symbols: int
    table: Bytes
    data: Bytes


def encode_stream(symbols: NDArray[np.uint8], symbol_bits: int, coder: str) -> EncodedStream:
    """`symbols`, uint8 (n,), as a stream of `coder`.

    Raises
    ------
    ValueError
        When there is no such coder, or a symbol needs more than `symbol_bits`.
    """
    table, data = _coder(coder).encode(check_symbols(symbols, symbol_bits), symbol_bits)
    return EncodedStream(coder, symbol_bits, len(symbols), table, data)


def decode_stream(stream: EncodedStream) -> Bytes:
    """The symbols of a stream; uint8 (n_symbols,).

    Raises
    ------
    ValueError
        When table and data are not what `encode_stream` makes of some symbols.
    """
    coder = _coder(stream.coder)
    symbol_bits = whole_number("symbol_bits", stream.symbol_bits, 1, MOST_SYMBOL_BITS)
    n_symbols = whole_number("n_symbols", stream.n_symbols, 0)
    table, data = _bytes("table", stream.table), _bytes("data", stream.data)
    decoded: Bytes = coder.decode(table, data, n_symbols, symbol_bits)
    return decoded


def check_symbols(symbols: NDArray[np.uint8], symbol_bits: int) -> Bytes:
    """`symbols` as contiguous uint8 (n,), each below ``2**symbol_bits``.

    Raises
    ------
    ValueError
        When one is not, or `symbol_bits` is not 1 .. 8.
    """
    n_symbols = 1 << whole_number("symbol_bits", symbol_bits, 1, MOST_SYMBOL_BITS)
    values = _bytes("symbols", symbols)
    if values.size and values.max() >= n_symbols:
        raise ValueError(f"symbols: {values.max()}, but {symbol_bits} bits end at {n_symbols - 1}")
    return values


def count_symbols(symbols: Bytes, symbol_bits: int) -> NDArray[np.int64]:
    """How often each of the ``2**symbol_bits`` symbols occurs; `symbols` are checked already."""
    counts = np.zeros((_COUNTERS, 1 << symbol_bits), np.int64)
    _count(symbols, counts)
    total: NDArray[np.int64] = counts.sum(axis=0)
    return total


@kernel
def _count(symbols: Arg, counts: Arg) -> None:
    """Neighbours go to counters of their own: equal ones would wait for each other."""
    for i in range(len(symbols)):
        counts[i & (_COUNTERS - 1), symbols[i]] += 1


def check_data_bytes(data: Bytes, n_bits: int) -> None:
    """Raise a ValueError unless `data` is as long as `n_bits` bits, rounded up to bytes."""
    if len(data) != -(-n_bits // 8):
        raise ValueError(f"data: {len(data)} bytes, but {n_bits} bits take {-(-n_bits // 8)}")


def no_table() -> Bytes:
    """The table of a coder that needs none."""
    return np.zeros(0, np.uint8)


def _bytes(name: str, values: NDArray[np.uint8]) -> Bytes:
    array = as_integers(name, values, np.uint8)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape {array.shape}, but it must be (n,)")
    return array


def _coder(name: str) -> Any:
    if name not in _HOMES:
        raise ValueError(f"coder: {name!r}, but it must be one of {', '.join(CODERS)}")
    return import_module(_HOMES[name])
