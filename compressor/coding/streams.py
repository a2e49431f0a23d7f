"""Streams of small symbols as bytes: codes and runs, each by the coder that was chosen for it.

A coder is a pair of functions, ``encode(symbols, symbol_bits) -> (table, data)`` and
``decode(table, data, n_symbols, symbol_bits) -> symbols``. Files and settings name it by a key of `CODERS`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.checks import whole_number
from compressor.coding import fixed_width, huffman
from compressor.coding.symbols import MOST_SYMBOL_BITS, Bytes, check_bytes, check_symbols

_ENCODE = {"fixed": fixed_width.encode, "huffman": huffman.encode}
_DECODE = {"fixed": fixed_width.decode, "huffman": huffman.decode}

CODERS = tuple(_ENCODE)
"""Names of the coders: a fixed number of bits, and canonical Huffman."""


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
        If `coder` is unknown, or a symbol needs more than `symbol_bits`.
    """
    _check_coder(coder)
    table, data = _ENCODE[coder](check_symbols(symbols, symbol_bits), symbol_bits)
    return EncodedStream(coder, symbol_bits, len(symbols), table, data)


def decode_stream(stream: EncodedStream) -> Bytes:
    """The symbols of a stream; uint8 (n_symbols,).

    Raises
    ------
    ValueError
        If table and data are not what `encode_stream` makes of some symbols.
    """
    _check_coder(stream.coder)
    symbol_bits = whole_number("symbol_bits", stream.symbol_bits, 1, MOST_SYMBOL_BITS)
    n_symbols = whole_number("n_symbols", stream.n_symbols, 0)
    table, data = check_bytes("table", stream.table), check_bytes("data", stream.data)
    return _DECODE[stream.coder](table, data, n_symbols, symbol_bits)


def _check_coder(name: str) -> None:
    if name not in CODERS:
        raise ValueError(f"coder: {name!r}, but it must be one of {', '.join(CODERS)}")
