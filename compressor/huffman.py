"""Canonical Huffman coding of codes and runs (Deep Compression, section 4): storage only, the machine never sees it.

A code is given by the length of each symbol's word alone: words of one length count upwards with the symbol, shorter
words before longer ones. No word is longer than 15 bits, so that a length takes four.
"""

import numpy as np
from bitarray import bitarray
from bitarray.util import int2ba
from numpy.typing import ArrayLike, NDArray

from compressor._jit import Arg, kernel
from compressor.checks import as_integers, whole_number
from compressor.streams import Bytes, check_data_bytes, check_symbols, no_table

LONGEST = 15
"""Bits of the longest word: the most that four bits can say."""

_DIRECT_BITS = 12
"""Bits that one look-up of the decoder sees; its table takes 16 KiB, half of a usual first-level cache."""

_LOOKUPS = 4
"""Look-ups from one 64-bit window: 4 words of at most 15 bits always fit."""

_WORDS_EACH = 3
"""Most symbols that one look-up gives."""


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
    order = _canonical_order(bits)
    spans = _spans(bits[order])
    if spans.sum() > 1 << LONGEST:
        raise ValueError(f"lengths: Kraft sum {spans.sum()} / {1 << LONGEST}, but it must be at most 1")
    words = np.zeros(len(bits), np.uint32)
    words[order] = (np.cumsum(spans) - spans) >> (LONGEST - bits[order].astype(np.int64))
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
    lengths = code_lengths(np.bincount(values, minlength=1 << symbol_bits))
    words = canonical_codes(lengths)
    code = {s: int2ba(int(words[s]), int(lengths[s]), endian="big") for s in np.flatnonzero(lengths).tolist()}
    bits = bitarray(endian="big")
    if code:
        bits.encode(code, values.tobytes())
    return _encode_lengths(lengths), np.frombuffer(bits.tobytes(), np.uint8)


def decode(table: Bytes, data: Bytes, n_symbols: int, symbol_bits: int) -> Bytes:
    """The symbols, uint8 (n_symbols,).

    Raises
    ------
    ValueError
        When the table gives no complete code, a word runs beyond the data, or bytes or spare bits are left over.
    """
    lengths = _decode_lengths(table, 1 << symbol_bits)
    if n_symbols > 8 * len(data):  # before memory is taken for them
        raise ValueError(f"data: {len(data)} bytes, but {n_symbols} symbols take at least {-(-n_symbols // 8)}")
    used = np.flatnonzero(lengths)
    if len(used) < 2:
        return _decode_alone(used, data, n_symbols)
    symbols = np.empty(n_symbols, np.uint8)
    n_bits = int(_decode_words(_windows(data), 8 * len(data), *_lookup_tables(lengths), symbols))
    if n_bits > 8 * len(data):
        raise ValueError(f"data: {len(data)} bytes, but the words of {n_symbols} symbols run beyond them")
    check_data_bytes(data, n_bits)
    spare = -n_bits % 8
    if spare and data[-1] & ((1 << spare) - 1):
        raise ValueError(f"data: last byte {data[-1]}, but its {spare} spare bits must be zero")
    return symbols


def _decode_alone(used: NDArray[np.intp], data: Bytes, n_symbols: int) -> Bytes:
    """A stream of one symbol, whose word is a zero bit, or of none."""
    if (len(used) == 0) != (n_symbols == 0):
        raise ValueError(f"table: {len(used)} symbols have words, but the stream has {n_symbols} symbols")
    check_data_bytes(data, n_symbols)
    if data.any():
        raise ValueError("data: a bit is set, but the word of a symbol that occurs alone is zero")
    return np.repeat(used.astype(np.uint8), n_symbols)


def _encode_lengths(lengths: Bytes) -> Bytes:
    """The lengths up to the last symbol that has a word, four bits each."""
    used = np.trim_zeros(lengths, "b")
    padded = np.append(used, np.zeros(len(used) % 2, np.uint8)).astype(np.uint8)
    nibbles: Bytes = padded[0::2] | (padded[1::2] << 4)
    return nibbles


def _decode_lengths(table: Bytes, n_symbols: int) -> Bytes:
    """The lengths of a complete code of `n_symbols` symbols, or of a code of one symbol or none."""
    lengths = np.stack([table & 15, table >> 4], axis=1).reshape(-1)
    if len(table) and not table[-1]:
        raise ValueError("table: its last byte is zero, but it must end with the last symbol that has a word")
    if lengths[n_symbols:].any():
        raise ValueError(f"table: {len(np.trim_zeros(lengths, 'b'))} symbols, but there are {n_symbols}")
    lengths = np.append(lengths, np.zeros(n_symbols, np.uint8))[:n_symbols].astype(np.uint8)
    kraft = int(_spans(lengths[lengths > 0]).sum())
    alone = len(np.trim_zeros(lengths)) == 1 and lengths.max() == 1
    if len(table) and not alone and kraft != 1 << LONGEST:
        raise ValueError(f"table: Kraft sum {kraft} / {1 << LONGEST}, but a code must use all words")
    return lengths


def _canonical_order(lengths: Bytes) -> NDArray[np.intp]:
    """The symbols that have words, in the order of these."""
    if lengths.size and lengths.max() > LONGEST:
        raise ValueError(f"lengths: {lengths.max()} bits, but they must be at most {LONGEST}")
    order = np.argsort(lengths, kind="stable")
    return order[lengths[order] > 0]


def _spans(lengths: Bytes) -> NDArray[np.int64]:
    """How many of all sequences of 15 bits begin with a word of each length."""
    return np.int64(1) << (LONGEST - lengths.astype(np.int64))


def _lookup_tables(lengths: Bytes) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """What the next 15 bits begin with, ``symbol << 4 | length``; and up to 3 symbols that the next 12 begin with.

    An entry of the second is, from its low bits: bits used (4), symbols (4; 0 when the first word is longer than 12
    bits), the symbols (8 each).
    """
    order = _canonical_order(lengths)
    first = np.repeat(order.astype(np.uint16) << 4 | lengths[order], _spans(lengths[order]))
    one = first[:: 1 << (LONGEST - _DIRECT_BITS)].astype(np.uint32)
    window = np.arange(len(one))
    used = np.zeros(len(one), np.uint32)
    many = np.zeros(len(one), np.uint32)
    fits = np.ones(len(one), np.bool_)
    for n in range(_WORDS_EACH):
        following = one[(window << used) & (len(one) - 1)]
        fits &= used + (following & 15) <= _DIRECT_BITS
        many += fits * ((1 << 4) | (following >> 4 << (8 * n + 8)))
        used += fits * (following & 15)
    return first, many | used


def _windows(data: Bytes) -> NDArray[np.uint64]:
    """`data` as 64-bit words, first byte highest, and zeros behind them that the decoder may read."""
    padded = np.zeros(8 * (len(data) // 8 + 3), np.uint8)
    padded[: len(data)] = data
    return padded.view(">u8").astype(np.uint64)


@kernel
def _decode_words(words: Arg, n_bits: Arg, first: Arg, many: Arg, symbols: Arg) -> int:
    """Fill `symbols`; the number of bits they took, more than `n_bits` when these ended before.

    Every window has an entry, for the code is complete; and no window is read that begins beyond `n_bits`.
    """
    at = 0
    position = 0
    last_block = len(symbols) - _LOOKUPS * _WORDS_EACH
    while at < len(symbols) and position < n_bits:
        word = position >> 6
        shift = np.uint64(position & 63)
        window = (words[word] << shift) | ((words[word + 1] >> np.uint64(1)) >> (np.uint64(63) - shift))
        if at <= last_block and position + 64 <= n_bits:
            for _ in range(_LOOKUPS):
                entry = many[window >> np.uint64(64 - _DIRECT_BITS)]
                n = (entry >> 4) & 15
                if n == 0:
                    entry = np.uint32(first[window >> np.uint64(64 - LONGEST)])
                    symbols[at] = entry >> 4
                    n = np.uint32(1)
                else:
                    symbols[at] = (entry >> 8) & 255
                    symbols[at + 1] = (entry >> 16) & 255
                    symbols[at + 2] = entry >> 24
                at += int(n)
                position += int(entry & 15)
                window <<= np.uint64(entry & 15)
        else:
            code = first[window >> np.uint64(64 - LONGEST)]
            symbols[at] = code >> 4
            at += 1
            position += int(code & 15)
    return position if at == len(symbols) else n_bits + 1
