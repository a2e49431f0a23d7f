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
from compressor.small_numbers import as_table, check_popped, from_table, pop_numbers, push_numbers
from compressor.streams import Bytes, check_data_bytes, check_symbols, count_symbols

LONGEST = 15
"""Bits of the longest word: the most that four bits can say."""

_DIRECT_BITS = 12
"""Bits that one look-up of the decoder sees; its table takes 16 KiB, half of a usual first-level cache."""

_LOOKUPS = 64 // _DIRECT_BITS
"""Look-ups from one 64-bit window."""

_WORDS_EACH = 3
"""Most symbols that one look-up gives."""

_ZERO, _ONE, _TWO, _FOUR, _NIBBLE, _BYTE = (np.uint64(n) for n in (0, 1, 2, 4, 15, 255))
_WORD_SHIFT, _WORD_MASK, _WORD_BITS = (np.uint64(n) for n in (6, 63, 64))
_DIRECT_SHIFT, _FULL_SHIFT = np.uint64(64 - _DIRECT_BITS), np.uint64(64 - LONGEST)
_BLOCK_SYMBOLS = np.uint64(_LOOKUPS * _WORDS_EACH)


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
    lengths = code_lengths(count_symbols(values, symbol_bits))
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
        When the table gives no complete code, a word runs beyond the data, bytes or spare bits are left over, or
        another code is the one of `code_lengths` for these symbols. So a stream has one representation.
    """
    lengths = _decode_lengths(table, 1 << symbol_bits)
    if n_symbols > 8 * len(data):  # before memory is taken for them
        raise ValueError(f"data: {len(data)} bytes, but {n_symbols} symbols take at least {-(-n_symbols // 8)}")
    used = np.flatnonzero(lengths)
    if n_symbols and not len(used):
        raise ValueError(f"table: no symbol has a word, but the stream has {n_symbols} symbols")
    symbols = np.repeat(used[:1].astype(np.uint8), n_symbols)
    n_bits = n_symbols
    if len(used) > 1:
        n_bits = int(_decode_words(_windows(data), 8 * len(data), *_lookup_tables(lengths), symbols))
    elif data.any():
        raise ValueError("data: a bit is set, but the word of a symbol that occurs alone is zero")
    check_data_bytes(data, n_bits)
    spare = -n_bits % 8
    if spare and data[-1] & ((1 << spare) - 1):
        raise ValueError(f"data: last byte {data[-1]}, but its {spare} spare bits must be zero")
    if not np.array_equal(lengths, code_lengths(count_symbols(symbols, symbol_bits))):
        raise ValueError("table: its code is not the one that these symbols get")
    return symbols


def _encode_lengths(lengths: Bytes) -> Bytes:
    """The lengths of all symbols, as small numbers that are likely to be alike."""
    return as_table(push_numbers(0, lengths, LONGEST + 1))


def _decode_lengths(table: Bytes, n_symbols: int) -> Bytes:
    """The lengths of a complete code of `n_symbols` symbols, or of a code of one symbol or none."""
    lengths, left = pop_numbers(from_table(table, 2 * n_symbols), n_symbols, LONGEST + 1)
    check_popped(left)
    used = lengths[lengths > 0]
    kraft = int(_spans(used).sum())
    if kraft != 1 << LONGEST and used.tolist() not in ([], [1]):
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

    Every window has an entry, for the code is complete; none is read that begins beyond `n_bits`, and `words` goes on
    behind them. Numbers are unsigned throughout: numba then neither turns them into floats nor looks for negative
    indices.
    """
    at = np.uint64(0)
    position = np.uint64(0)
    n_symbols = np.uint64(len(symbols))
    end = np.uint64(n_bits)
    while at < n_symbols and position < end:
        word = position >> _WORD_SHIFT
        shift = position & _WORD_MASK
        # In two steps, for a shift by all 64 bits is none.
        window = (words[word] << shift) | ((words[word + _ONE] >> _ONE) >> (_WORD_MASK - shift))
        is_far_from_end = at + _BLOCK_SYMBOLS <= n_symbols and position + _WORD_BITS <= end
        for _ in range(_LOOKUPS):
            entry = np.uint64(many[window >> _DIRECT_SHIFT])
            n = (entry >> _FOUR) & _NIBBLE
            if n == _ZERO or not is_far_from_end:
                entry = np.uint64(first[window >> _FULL_SHIFT])
                symbols[at] = entry >> _FOUR
                at += _ONE
                position += entry & _NIBBLE
                break
            symbols[at] = (entry >> np.uint64(8)) & _BYTE
            symbols[at + _ONE] = (entry >> np.uint64(16)) & _BYTE
            symbols[at + _TWO] = (entry >> np.uint64(24)) & _BYTE
            used = entry & _NIBBLE
            at += n
            position += used
            window <<= used
    return int(position) if at == n_symbols else int(end) + 1
