"""Coding by asymmetric numeral systems (ANS), through the library constriction (extra ``ans``).

Unlike a Huffman code it does not round a symbol to whole bits. The table holds how often each symbol occurs, as the
power of two below and as many binary digits behind it as pay for themselves.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.coding.small_numbers import as_table, check_popped, from_table, pop_numbers, push, push_numbers
from compressor.coding.streams import Bytes, check_symbols, count_symbols

PRECISION_BITS = 24
"""Probabilities are multiples of ``2**-24``: what constriction's coders work with (its ``Categorical``)."""

_MOST_DIGITS = 16
"""Binary digits of a count behind the first: at most 24 can matter to a probability, and 16 never were worth it."""

_MOST_EXPONENTS = 48
"""Counts stay below ``2**47``; as in the exponent of a small float, 0 stands for no occurrence."""

_MOST_TABLE_BYTES_EACH = 4
"""Of a symbol: less than 2 for the exponent, 2 for the digits."""

_LOG_BITS = 16
_LOG_UNIT = 1 << _LOG_BITS

_CHUNK = 1 << 20
"""Symbols that pass through constriction at once: it takes them as int32, four times their size."""


def encode(symbols: Bytes, symbol_bits: int) -> tuple[Bytes, Bytes]:
    """`symbols`, uint8 (n,), as (table, data): the 32-bit words of the coder, lowest byte first, without zeros behind.

    Raises
    ------
    ValueError
        When a symbol needs more than `symbol_bits`.
    ImportError
        When constriction is not installed.
    """
    constriction = _constriction()
    values = check_symbols(symbols, symbol_bits)
    counts = count_symbols(values, symbol_bits)
    used, table, spans = _best_table(counts)
    coder = constriction.stream.stack.AnsCoder()
    if len(used) > 1:
        model = _model(constriction, spans)
        rank = np.zeros(len(counts), np.int32)
        rank[used] = np.arange(len(used))
        for start in reversed(range(0, len(values), _CHUNK)):
            coder.encode_reverse(rank[values[start : start + _CHUNK]], model)
    data = coder.get_compressed().astype("<u4").view(np.uint8)
    n_zeros = int(np.argmax(data[:-5:-1] > 0)) if len(data) else 0  # the last word is never zero
    return table, data[: len(data) - n_zeros]


def decode(table: Bytes, data: Bytes, n_symbols: int, symbol_bits: int) -> Bytes:
    """The symbols, uint8 (n_symbols,).

    A symbol may take any fraction of a bit, so `n_symbols` is not limited by the length of table and data: who reads a
    file checks it against what else is known.

    Raises
    ------
    ValueError
        When table or data are not the ones that `encode` makes of these symbols. So a stream has one representation.
    ImportError
        When constriction is not installed.
    """
    constriction = _constriction()
    counts = _decode_table(table, 1 << symbol_bits)  # doubled; a count is 2/3 to 4/3 of what its first digit tells
    used = np.flatnonzero(counts)
    if not sum(counts) <= 3 * n_symbols <= 2 * sum(counts):  # before memory is taken for them
        raise ValueError(f"table: about {sum(counts) // 2} symbols, but the stream has {n_symbols}")
    if len(data) and not data[-1]:
        raise ValueError("data: the last byte is zero, which says nothing")
    symbols = np.repeat(used[:1].astype(np.uint8), n_symbols)
    words = np.append(data, np.zeros(-len(data) % 4, np.uint8)).view("<u4").astype(np.uint32)
    coder = constriction.stream.stack.AnsCoder(words)
    if len(used) > 1:
        model = _model(constriction, _spans([counts[s] for s in used]))
        for start in range(0, n_symbols, _CHUNK):
            ranks = coder.decode(model, min(_CHUNK, n_symbols - start))
            symbols[start : start + _CHUNK] = used[ranks]
    if not coder.is_empty():
        raise ValueError(f"data: {len(data)} bytes, but not all are used up by {n_symbols} symbols")
    if not np.array_equal(table, _best_table(count_symbols(symbols, symbol_bits)).table):
        raise ValueError("table: its probabilities are not the ones that these symbols get")
    return symbols


def _constriction() -> Any:
    try:
        import constriction
    except ImportError:
        raise ImportError("the coder 'ans' needs constriction: pip install 'eie-sim[ans]'") from None
    return constriction


def _model(constriction: Any, spans: NDArray[np.int64]) -> Any:
    """The library's model in which each symbol has exactly its span of the ``2**24`` numbers.

    With ``perfect=False`` the library gives every symbol a span of 1 and shares the rest in proportion, rounding sums
    down. As these shares add up to the rest and are whole, nothing is rounded, on no machine.
    """
    return constriction.stream.model.Categorical((spans - 1).astype(np.float64), perfect=False)


class _Table(NamedTuple):
    used: NDArray[np.intp]
    table: Bytes
    spans: NDArray[np.int64]


def _best_table(counts: NDArray[np.int64]) -> _Table:
    """The symbols that occur, the cheapest table for them, and the spans that it gives them."""
    used = np.flatnonzero(counts)
    best, least_bits = _Table(used, as_table(0), np.zeros(0, np.int64)), None
    for n_digits in range(_MOST_DIGITS + 1 if len(used) else 0):
        table = _encode_table(counts, n_digits)
        spans = _spans(_rounded(counts[used].tolist(), n_digits))
        bits = 8 * len(table) + _data_bits(counts[used], spans)
        if least_bits is not None and bits >= least_bits:  # digits beyond the first useless one are useless too
            break
        best, least_bits = _Table(used, table, spans), bits
    return best


def _encode_table(counts: NDArray[np.int64], n_digits: int) -> Bytes:
    """The counts cut to `n_digits` binary digits behind the first, as bytes."""
    state = 0
    for count in reversed(counts.tolist()):
        n_kept = _kept(count.bit_length(), n_digits)
        if n_kept:
            state = push(state, count >> (count.bit_length() - 1 - n_kept) & ((1 << n_kept) - 1), 1, 1 << n_kept)
    exponents = np.array([count.bit_length() for count in counts.tolist()], np.uint8)
    state = push_numbers(state, exponents, _MOST_EXPONENTS)
    return as_table(push(state, n_digits, 1, _MOST_DIGITS + 1))


def _decode_table(table: Bytes, n_symbols: int) -> list[int]:
    """Twice the counts that the table of `n_symbols` symbols stands for, in the middle of what was cut."""
    state = from_table(table, _MOST_TABLE_BYTES_EACH * n_symbols)
    state, n_digits = divmod(state, _MOST_DIGITS + 1)
    exponents, state = pop_numbers(state, n_symbols, _MOST_EXPONENTS)
    doubled = []
    for n_bits in exponents.tolist():
        n_kept = _kept(n_bits, n_digits)
        state, digits = divmod(state, 1 << n_kept)
        doubled.append(_middle(1 << n_kept | digits, n_bits - 1 - n_kept) if n_bits else 0)
    check_popped(state)
    return doubled


def _kept(n_bits: int, n_digits: int) -> int:
    """Digits behind the first that are kept of a count of `n_bits` bits."""
    return min(n_bits - 1, n_digits) if n_bits else 0


def _rounded(counts: list[int], n_digits: int) -> list[int]:
    """Twice the counts that are left of `counts` in a table of `n_digits` digits."""
    cut = [count.bit_length() - 1 - _kept(count.bit_length(), n_digits) for count in counts]
    return [_middle(count >> n_cut, n_cut) for count, n_cut in zip(counts, cut, strict=True)]


def _middle(kept: int, n_cut: int) -> int:
    """Twice a count of which `n_cut` digits were cut off: they are taken for half of what they can be."""
    return (2 * kept + 1) << n_cut if n_cut else 2 * kept


def _spans(weights: list[int]) -> NDArray[np.int64]:
    """Spans in proportion to `weights`, each at least 1; the first largest gets what rounding leaves of ``2**24``."""
    shared = (1 << PRECISION_BITS) - len(weights)
    total = sum(weights)
    spans = np.array([1 + weight * shared // total for weight in weights], np.int64)
    if len(spans):
        spans[spans.argmax()] += (1 << PRECISION_BITS) - spans.sum()
    return spans


def _data_bits(counts: NDArray[np.int64], spans: NDArray[np.int64]) -> int:
    """Bits that symbols occurring `counts` times take, but for rounding."""
    lengths = [PRECISION_BITS * _LOG_UNIT - log for log in _log2(spans)]
    bits = sum(count * length for count, length in zip(counts.tolist(), lengths, strict=True))
    return int(bits) // _LOG_UNIT


def _log2(numbers: NDArray[np.int64]) -> list[int]:
    """Binary logarithms in units of ``2**-16``, rounded down; by squaring, for `math.log2` differs among machines."""
    whole = np.array([number.bit_length() - 1 for number in numbers.tolist()], np.uint64)
    one = np.uint64(1)
    mantissa = numbers.astype(np.uint64) << (np.uint64(31) - whole)  # 1 <= mantissa / 2**31 < 2
    logarithm = whole
    for _ in range(_LOG_BITS):
        mantissa = mantissa * mantissa >> np.uint64(31)
        is_two = mantissa >> np.uint64(32)
        mantissa >>= is_two
        logarithm = logarithm << one | is_two
    return [int(log) for log in logarithm]
