"""Canonical Huffman coding of codes and runs (Deep Compression, section 4): storage only, the machine never sees it.

A code is given by the length of each symbol's word alone: words of one length count upwards with the symbol, shorter
words before longer ones. No word is longer than 15 bits, so that a length takes four.
"""

import numpy as np
from bitarray import bitarray
from bitarray.util import int2ba
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_integers, whole_number
from compressor.coding.huffman_lookup import LONGEST, canonical_order, decode_words, spans
from compressor.coding.small_numbers import as_table, check_popped, from_table, pop_numbers, push_numbers
from compressor.coding.symbols import Bytes, check_data_bytes, check_symbols, count_symbols


def code_lengths(counts: ArrayLike, longest: int = LONGEST) -> Bytes:
    """Lengths of the words of an optimal prefix code with no word longer than `longest`, by package-merge.

    Parameters
    ----------
    counts : array_like of int, shape (n_symbols,)
        How often each symbol occurs.
    longest : int
        Bits; 1 .. 63. Where Huffman's own code keeps to it, this one needs as many bits in all.

    Returns
    -------
    ndarray of uint8, shape (n_symbols,)
        Bits; 0 for a symbol that does not occur, 1 for one that occurs alone.

    Raises
    ------
    ValueError
        When more symbols occur than there are words of `longest` bits, or a count is negative.

    Notes
    -----
    Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman codes", 1990. Where sums tie, a symbol
    goes before a package and a lower symbol before a higher one, so that counts have one code on every machine.
    """
    whole_number("longest", longest, 1, 63)
    counted = as_integers("counts", counts, np.int64)
    if counted.size and counted.min() < 0:
        raise ValueError(f"counts: {counted.min()}, but they must be at least 0")
    lengths = np.zeros(len(counted), np.uint8)
    used = np.flatnonzero(counted)
    used = used[np.argsort(counted[used], kind="stable")]
    if len(used) > 1 << longest:
        raise ValueError(f"counts: {len(used)} symbols occur, but words of {longest} bits tell {1 << longest} apart")
    if len(used) == 1:  # a bit a symbol says nothing, but keeps a short file from asking for unlimited memory
        lengths[used] = 1
        return lengths
    # The 2n - 2 lightest of the last level make the code; each package among them stands for two of the level before.
    taken = max(0, 2 * len(used) - 2)
    for is_package in reversed(_package_merge(counted[used], longest)):
        n_packages = int(np.count_nonzero(is_package[:taken]))
        lengths[used[: taken - n_packages]] += 1
        taken = 2 * n_packages
    return lengths


def _package_merge(counts: NDArray[np.int64], longest: int) -> list[NDArray[np.bool_]]:
    """For each length, longest first: symbols and packages of the length before in order of weight; which are packages?

    `counts` rise.
    """
    levels = []
    packages = counts[:0]
    for _ in range(longest):
        weights = np.concatenate([counts, packages])
        order = np.argsort(weights, kind="stable")
        levels.append(order >= len(counts))
        pairs = weights[order][: len(weights) // 2 * 2].reshape(-1, 2)
        packages = pairs.sum(axis=1)
    return levels


def canonical_codes(lengths: ArrayLike) -> NDArray[np.uint32]:
    """The words of the canonical code, each in its low bits; 0 for a symbol without one.

    Parameters
    ----------
    lengths : array_like of uint8, shape (n_symbols,)
        Bits; at most 15.

    Returns
    -------
    ndarray of uint32, shape (n_symbols,)

    Raises
    ------
    ValueError
        When there is no prefix code of these lengths.
    """
    bits = as_integers("lengths", lengths, np.uint8)
    order = canonical_order(bits)
    each = spans(bits[order])  # a word begins where the spans of those before it end
    if each.sum() > 1 << LONGEST:
        raise ValueError(f"lengths: Kraft sum {each.sum()} / {1 << LONGEST}, but it must be at most 1")
    words = np.zeros(len(bits), np.uint32)
    words[order] = (np.cumsum(each) - each) >> (LONGEST - bits[order].astype(np.int64))
    return words


def encoded_bits(counts: ArrayLike, lengths: ArrayLike) -> int:
    """Bits of a stream in which each symbol occurs `counts` times, in words of `lengths` bits."""
    return int(np.dot(as_integers("counts", counts, np.int64), as_integers("lengths", lengths, np.int64)))


def mean_length(counts: ArrayLike, lengths: ArrayLike) -> float:
    """Bits a symbol, on average: the wH and iH of the Deep Compression tables; 0 for an empty stream."""
    total = int(as_integers("counts", counts, np.int64).sum())
    return encoded_bits(counts, lengths) / total if total else 0.0


def encode(symbols: Bytes, symbol_bits: int) -> tuple[Bytes, Bytes]:
    """`symbols`, uint8 (n,), as (code table, data): the words one after the other, first bit highest, zeros to a byte.

    Raises
    ------
    ValueError
        When a symbol needs more than `symbol_bits`.
    """
    values = check_symbols(symbols, symbol_bits)
    lengths = code_lengths(count_symbols(values, symbol_bits))
    words = canonical_codes(lengths)
    code = {s: int2ba(int(words[s]), int(lengths[s]), endian="big") for s in np.flatnonzero(lengths).tolist()}
    bits = bitarray(endian="big")
    if code:
        bits.encode(code, values.tobytes())
    table = as_table(push_numbers(0, lengths, LONGEST + 1))  # the lengths of all symbols, likely to be alike
    return table, np.frombuffer(bits.tobytes(), np.uint8)


def decode(table: Bytes, data: Bytes, n_symbols: int, symbol_bits: int) -> Bytes:
    """The symbols, uint8 (n_symbols,).

    Raises
    ------
    ValueError
        When the table gives no complete code, a word runs beyond the data, bytes or spare bits are left over, or
        another code is the one of `code_lengths` for these symbols. So a stream has one representation.
    """
    lengths, left = pop_numbers(from_table(table, 2 << symbol_bits), 1 << symbol_bits, LONGEST + 1)
    check_popped(left)
    # A complete code, or one of one symbol or none: `decode_words` looks for no word that the table lacks.
    kraft = int(spans(lengths[lengths > 0]).sum())
    if kraft != 1 << LONGEST and lengths[lengths > 0].tolist() not in ([], [1]):
        raise ValueError(f"table: Kraft sum {kraft} / {1 << LONGEST}, but a code must use all words")
    # Attack: a number of symbols by which memory is taken for a stream of no bytes. Each takes a bit at least.
    if n_symbols > 8 * len(data):
        raise ValueError(f"data: {len(data)} bytes, but {n_symbols} symbols take at least {-(-n_symbols // 8)}")
    used = np.flatnonzero(lengths)
    if n_symbols and not len(used):
        raise ValueError(f"table: no symbol has a word, but the stream has {n_symbols} symbols")
    symbols = np.repeat(used[:1].astype(np.uint8), n_symbols)
    n_bits = n_symbols
    if len(used) > 1:
        n_bits = decode_words(lengths, data, symbols)
    elif data.any():
        raise ValueError("data: a bit is set, but the word of a symbol that occurs alone is zero")
    if n_bits > 8 * len(data):
        raise ValueError(f"data: {len(data)} bytes, but the words of {n_symbols} symbols run beyond them")
    check_data_bytes(data, n_bits)
    spare = -n_bits % 8
    if spare and data[-1] & ((1 << spare) - 1):
        raise ValueError(f"data: last byte {data[-1]}, but its {spare} spare bits must be zero")
    # A stream has one form, so that a model has one file: a worse code for the same symbols is refused.
    if not np.array_equal(lengths, code_lengths(count_symbols(symbols, symbol_bits))):
        raise ValueError("table: its code is not the one that these symbols get")
    return symbols
