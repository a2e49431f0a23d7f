"""A stream of symbols in a fixed number of bits each, packed low bits first: what a machine would store uncoded."""

import numpy as np

from compressor.coding.symbols import Bytes, check_data_bytes, check_symbols, no_table


def encode(symbols: Bytes, symbol_bits: int) -> tuple[Bytes, Bytes]:
    """`symbols`, uint8 (n,), as (no table, data of ``ceil(n * symbol_bits / 8)`` bytes); spare bits are zero.

    Raises
    ------
    ValueError
        When a symbol needs more than `symbol_bits`.
    """
    values = check_symbols(symbols, symbol_bits)
    if symbol_bits == 8:  # bytes as they are; the caller may change his
        return no_table(), values.copy()
    bits = np.unpackbits(values[:, None], axis=1, count=symbol_bits, bitorder="little")
    return no_table(), np.packbits(bits.reshape(-1), bitorder="little")


def decode(table: Bytes, data: Bytes, n_symbols: int, symbol_bits: int) -> Bytes:
    """The symbols, uint8 (n_symbols,).

    Raises
    ------
    ValueError
        When there is a table, a byte too many or too few, or a spare bit is not zero.
    """
    if len(table):
        raise ValueError(f"table: {len(table)} bytes, but a stream of fixed width has none")
    n_bits = n_symbols * symbol_bits
    check_data_bytes(data, n_bits)
    if symbol_bits == 8:
        return data.copy()
    bits = np.unpackbits(data, count=n_bits, bitorder="little").reshape(-1, symbol_bits)
    if n_bits % 8 and data[-1] >> (n_bits % 8):
        raise ValueError(f"data: last byte {data[-1]}, but its bits beyond symbol {n_symbols - 1} must be zero")
    return np.packbits(bits, axis=1, bitorder="little").reshape(-1)
