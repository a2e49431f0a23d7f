"""Words of a canonical Huffman code out of a stream of bits, several at a time, by tables.

A window of the next 64 bits is looked at 12 bits at a time: a table says which words those begin with, up to three. A
longer word is found in a second table, of all sequences of 15 bits, which is too large for the first-level cache.
"""

import numpy as np
from numpy.typing import NDArray

from compressor.coding.symbols import Bytes
from compressor.jit import Arg, kernel

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


def decode_words(lengths: Bytes, data: Bytes, symbols: Bytes) -> int:
    """Fill `symbols` with those whose words stand in `data`.

    Parameters
    ----------
    lengths : ndarray of uint8
        Of a complete code of two symbols or more: with a Kraft sum of 1.
    data : ndarray of uint8
        Whatever it holds, nothing beyond it is read.
    symbols : ndarray of uint8
        Written.

    Returns
    -------
    int
        Bits that the symbols take; more than `data` has when it ends before.
    """
    # As 64-bit words, first byte highest, and zeros behind them that the kernel may read without a test.
    padded = np.zeros(8 * (len(data) // 8 + 3), np.uint8)
    padded[: len(data)] = data
    words = padded.view(">u8").astype(np.uint64)
    return int(_fill(words, 8 * len(data), *_lookup_tables(lengths), symbols))


def canonical_order(lengths: Bytes) -> NDArray[np.intp]:
    """The symbols that have words, in the order of these."""
    if lengths.size and lengths.max() > LONGEST:
        raise ValueError(f"lengths: {lengths.max()} bits, but they must be at most {LONGEST}")
    order = np.argsort(lengths, kind="stable")
    return order[lengths[order] > 0]


def spans(lengths: Bytes) -> NDArray[np.int64]:
    """How many of all sequences of 15 bits begin with a word of each length."""
    return np.int64(1) << (LONGEST - lengths.astype(np.int64))


def _lookup_tables(lengths: Bytes) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """What the next 15 bits begin with, ``symbol << 4 | length``; and up to 3 symbols that the next 12 begin with.

    An entry of the second is, from its low bits: bits used (4), symbols (4; 0 when the first word is longer than 12
    bits), the symbols (8 each).
    """
    order = canonical_order(lengths)
    first = np.repeat(order.astype(np.uint16) << 4 | lengths[order], spans(lengths[order]))
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


@kernel
def _fill(words: Arg, n_bits: Arg, first: Arg, many: Arg, symbols: Arg) -> int:
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
