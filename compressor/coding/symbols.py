"""What every coder needs: symbols checked and counted, and the length of the data that they become."""

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_integers, whole_number
from compressor.jit import Arg, kernel

MOST_SYMBOL_BITS = 8
"""A symbol is at most a byte."""

_COUNTERS = 4

Bytes = NDArray[np.uint8]


def check_symbols(symbols: NDArray[np.uint8], symbol_bits: int) -> Bytes:
    """`symbols` as contiguous uint8 (n,), each below ``2**symbol_bits``.

    Raises
    ------
    ValueError
        If one is not, or `symbol_bits` is not 1 .. 8.
    """
    n_symbols = 1 << whole_number("symbol_bits", symbol_bits, 1, MOST_SYMBOL_BITS)
    values = check_bytes("symbols", symbols)
    if values.size and values.max() >= n_symbols:
        raise ValueError(f"symbols: {values.max()}, but {symbol_bits} bits end at {n_symbols - 1}")
    return values


def check_bytes(name: str, values: NDArray[np.uint8]) -> Bytes:
    """`values` as contiguous uint8 (n,); a ValueError that begins with `name` if they are something else."""
    array = as_integers(name, values, np.uint8)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape {array.shape}, but it must be (n,)")
    return array


def check_data_bytes(data: Bytes, n_bits: int) -> None:
    """Raise a ValueError unless `data` is as long as `n_bits` bits, rounded up to bytes."""
    if len(data) != -(-n_bits // 8):
        raise ValueError(f"data: {len(data)} bytes, but {n_bits} bits take {-(-n_bits // 8)}")


def no_table() -> Bytes:
    """The table of a coder that needs none."""
    return np.zeros(0, np.uint8)


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
