"""Streams of small symbols as bytes: codes and runs, each by the coder that was chosen for it.

A coder is a module with two functions, ``encode(symbols, symbol_bits) -> (table, data)`` and
``decode(table, data, n_symbols, symbol_bits) -> symbols``; `encode_stream` and `decode_stream` call it by name.
"""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HOMES = {"fixed": "compressor.fixed_width", "huffman": "compressor.huffman", "ans": "compressor.ans"}

CODERS = tuple(_HOMES)
"""Names of the coders: a fixed number of bits, canonical Huffman, and asymmetric numeral systems (extra ``ans``)."""

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
    table, data = _coder(coder).encode(symbols, symbol_bits)
    return EncodedStream(coder, symbol_bits, len(symbols), table, data)


def decode_stream(stream: EncodedStream) -> Bytes:
    """The symbols of a stream; uint8 (n_symbols,).

    Raises
    ------
    ValueError
        When table and data are not what `encode_stream` makes of some symbols.
    """
    decoded: Bytes = _coder(stream.coder).decode(stream.table, stream.data, stream.n_symbols, stream.symbol_bits)
    return decoded


def _coder(name: str) -> Any:
    if name not in _HOMES:
        raise ValueError(f"coder: {name!r}, but it must be one of {', '.join(CODERS)}")
    return import_module(_HOMES[name])
