from itertools import product

import numpy as np
import pytest
from bitarray import bitarray
from bitarray.util import canonical_decode, huffman_code
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.coding.huffman import canonical_codes, code_lengths, decode, encode, encoded_bits, mean_length
from compressor.coding.huffman_lookup import LONGEST
from compressor.coding.small_numbers import as_table, push_numbers
from tests.examples import examples

COUNTS = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 10**6)), min_size=1, max_size=40)


def fibonacci(n):
    """Counts whose Huffman code has words of up to n - 1 bits."""
    counts = [1, 1]
    while len(counts) < n:
        counts.append(counts[-1] + counts[-2])
    return counts


def stream_of(counts, seed=0):
    """Symbols that occur `counts` times, shuffled; uint8."""
    symbols = np.repeat(np.arange(len(counts)), counts).astype(np.uint8)
    return np.random.default_rng(seed).permutation(symbols)


def kraft(lengths):
    """Kraft sum times 2**15 of the words in use."""
    return sum(1 << (LONGEST - n) for n in lengths if n)


def table_of(lengths, n_symbols=16):
    """The code table of any lengths, valid or not."""
    padded = np.append(lengths, np.zeros(n_symbols - len(lengths))).astype(np.uint8)
    return as_table(push_numbers(0, padded, LONGEST + 1))


def by_bitarray(lengths, data, n_symbols):
    """The symbols by bitarray's own canonical decoder: the independent check."""
    order = sorted((n, s) for s, n in enumerate(lengths.tolist()) if n)
    n_of_length = [sum(n == length for n, _ in order) for length in range(LONGEST + 1)]
    bits = bitarray(endian="big")
    bits.frombytes(data.tobytes())
    symbols = canonical_decode(bits, n_of_length, [s for _, s in order])
    return [next(symbols) for _ in range(n_symbols)]


def least_bits(counts, longest):
    """Fewest bits of any prefix code with words of at most `longest` bits, by trying all lengths."""
    used = [count for count in counts if count]
    lengths = product(range(1, longest + 1), repeat=len(used))
    allowed = (each for each in lengths if sum(2.0**-n for n in each) <= 1)
    return min((sum(c * n for c, n in zip(used, each, strict=True)) for each in allowed), default=0)


def test_the_code_of_a_textbook():
    # Cormen, Leiserson, Rivest, Stein, Introduction to Algorithms, Huffman codes: a..f of a file of 100,000 characters.
    counts = [45, 13, 12, 16, 9, 5]
    assert code_lengths(counts).tolist() == [1, 3, 3, 3, 4, 4]
    assert encoded_bits(counts, code_lengths(counts)) == 224
    assert mean_length(counts, code_lengths(counts)) == 2.24


def test_words_of_one_length_count_upwards_and_shorter_ones_come_first():
    assert canonical_codes([2, 1, 3, 0, 3]).tolist() == [0b10, 0b0, 0b110, 0, 0b111]


@settings(deadline=None, max_examples=examples(100))
@given(COUNTS)
def test_a_code_takes_as_many_bits_as_the_one_of_bitarray(counts):
    lengths = code_lengths(counts, longest=40)
    theirs = huffman_code({s: n for s, n in enumerate(counts) if n}) if any(counts) else {}
    assert encoded_bits(counts, lengths) == sum(counts[s] * len(word) for s, word in theirs.items())
    assert [s for s, n in enumerate(lengths) if n] == sorted(theirs)


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(st.integers(0, 200), min_size=1, max_size=5), st.integers(3, 4))
def test_a_limited_code_is_the_best_of_all_within_the_limit(counts, longest):
    lengths = code_lengths(counts, longest)
    assert lengths.max() <= longest
    assert encoded_bits(counts, lengths) == least_bits(counts, longest)


@settings(deadline=None, max_examples=examples(60))
@given(COUNTS, st.integers(6, 15))
def test_a_code_uses_all_words(counts, longest):
    lengths = code_lengths(counts, longest)
    assert lengths.max() <= longest
    if np.count_nonzero(lengths) > 1:
        assert kraft(lengths.tolist()) == 1 << LONGEST


@pytest.mark.parametrize("longest", [0, -1, 64])
def test_words_have_1_to_63_bits(longest):
    with pytest.raises(ValueError, match=f"longest: {longest}, but it must be 1 to 63"):
        code_lengths([1, 2], longest=longest)
    assert code_lengths([1, 2], longest=1).tolist() == [1, 1]
    assert code_lengths([1, 2, 4], longest=63).tolist() == [2, 2, 1]


def test_a_limit_that_no_code_meets_is_refused():
    assert code_lengths([1] * 8, longest=3).tolist() == [3] * 8
    with pytest.raises(ValueError, match="9 symbols occur, but words of 3 bits tell 8 apart"):
        code_lengths([1] * 9, longest=3)


def test_codes_of_one_symbol_and_of_none():
    assert code_lengths([0, 7, 0]).tolist() == [0, 1, 0]
    assert code_lengths([0, 0]).tolist() == [0, 0]
    assert code_lengths([]).tolist() == []
    assert mean_length([0, 0], [0, 0]) == 0


def test_counts_are_not_negative():
    with pytest.raises(ValueError, match="counts: -1"):
        code_lengths([3, -1])


def test_lengths_of_no_prefix_code_are_refused():
    with pytest.raises(ValueError, match="lengths: Kraft sum"):
        canonical_codes([1, 1, 1])
    with pytest.raises(ValueError, match="lengths: 16 bits, but they must be at most 15"):
        canonical_codes([16, 1])


def test_the_words_stand_first_bit_highest_and_the_last_byte_ends_in_zeros():
    table, data = encode(np.array([0, 1, 2, 0, 0, 0, 1, 1], np.uint8), 2)
    assert data.tolist() == [0b0_10_11_0_0_0, 0b10_10_0000]
    assert np.array_equal(table, table_of([1, 2, 2], 4))


@settings(deadline=None, max_examples=examples(30))
@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from([1, 3, 9]))
def test_bitarray_decodes_the_same_symbols(seed, symbol_bits, skew):
    symbols = (np.random.default_rng(seed).random(700) ** skew * (1 << symbol_bits)).astype(np.uint8)
    table, data = encode(symbols, symbol_bits)
    lengths = code_lengths(np.bincount(symbols, minlength=1 << symbol_bits))
    assert by_bitarray(lengths, data, len(symbols)) == symbols.tolist()
    assert decode(table, data, len(symbols), symbol_bits).tolist() == symbols.tolist()


def test_words_longer_than_one_look_up_are_decoded():
    counts = fibonacci(20)
    symbols = stream_of(counts)
    lengths = code_lengths(np.append(counts, np.zeros(12, np.int64)))
    assert code_lengths(counts, longest=40).max() == 19
    assert lengths.max() == LONGEST
    table, data = encode(symbols, 5)
    assert by_bitarray(lengths, data, 2000) == symbols[:2000].tolist()
    assert np.array_equal(decode(table, data, len(symbols), 5), symbols)


def test_long_words_are_decoded_at_every_place_of_a_window():
    # Words of 15 bits one after another, then short ones: each begins at another bit of its 64.
    counts = fibonacci(16)
    for n_before in range(0, 64, 5):
        rare = np.arange(8, dtype=np.uint8)
        symbols = np.concatenate([np.full(n_before, 15), np.tile(rare, 9), stream_of(counts)]).astype(np.uint8)
        table, data = encode(symbols, 4)
        assert np.array_equal(decode(table, data, len(symbols), 4), symbols)


def test_the_mean_length_is_within_a_bit_of_the_entropy():
    counts = np.random.default_rng(1).integers(1, 5000, 256)
    shares = counts / counts.sum()
    entropy = -(shares * np.log2(shares)).sum()
    assert entropy <= mean_length(counts, code_lengths(counts)) < entropy + 0.05


def test_a_table_takes_less_than_four_bits_a_symbol():
    smooth = np.exp(-np.abs(np.arange(-128, 128)) / 20) * 10_000
    table, _ = encode(stream_of(smooth.astype(np.int64) + 1), 8)
    assert len(table) < 256 * 1.25 / 8
    table, _ = encode(stream_of(np.random.default_rng(2).integers(1, 60, 256)), 8)
    assert len(table) < 256 * 3 / 8


# What is no stream


SYMBOLS = np.array([0, 1, 2, 0, 0, 0, 1, 1], np.uint8)


@pytest.mark.parametrize("lengths", [[1], [1, 2, 3], [2, 2, 2], [1, 1, 1], [1, 2, 2, 15], [2], [15] * 16])
def test_a_code_that_is_not_complete_is_refused(lengths):
    _, data = encode(SYMBOLS, 4)
    with pytest.raises(ValueError, match=r"table: Kraft sum|data: a bit is set"):
        decode(table_of(lengths), data, 8, 4)


def test_a_code_that_is_not_the_one_of_the_symbols_is_refused():
    # By hand: words 0, 10, 11; the symbols 2, 1, 0, 0 in them would take fewer bits in another code.
    with pytest.raises(ValueError, match="not the one that these symbols get"):
        decode(table_of([1, 2, 2]), np.array([0b11_10_11_0_0], np.uint8), 5, 4)


def test_words_beyond_the_data_are_refused():
    symbols = np.arange(200, dtype=np.uint8)
    table, data = encode(symbols, 8)
    for n_bytes in (len(data) - 1, len(data) - 3):
        with pytest.raises(ValueError, match=f"data: {n_bytes} bytes, but the words of 200 symbols run beyond them"):
            decode(table, data[:n_bytes], 200, 8)


def test_bytes_left_over_are_refused():
    table, data = encode(SYMBOLS, 4)
    with pytest.raises(ValueError, match="data: 3 bytes, but 12 bits take 2"):
        decode(table, np.append(data, np.uint8(0)), 8, 4)


def test_spare_bits_are_zero():
    table, data = encode(SYMBOLS, 4)
    with pytest.raises(ValueError, match="its 4 spare bits must be zero"):
        decode(table, data | np.array([0, 1], np.uint8), 8, 4)


def test_more_symbols_than_bits_are_refused_before_memory_is_taken():
    table, data = encode(SYMBOLS, 4)
    with pytest.raises(ValueError, match="data: 2 bytes, but 1152921504606846976 symbols take at least"):
        decode(table, data, 1 << 60, 4)


def test_a_stream_of_one_symbol_takes_a_zero_bit_each():
    table, data = encode(np.full(9, 5, np.uint8), 4)
    assert data.tolist() == [0, 0]
    assert decode(table, data, 9, 4).tolist() == [5] * 9
    with pytest.raises(ValueError, match="a bit is set"):
        decode(table, np.array([0, 128], np.uint8), 9, 4)


def test_a_long_table_is_refused_before_it_is_read():
    with pytest.raises(ValueError, match="table: 1000000 bytes, but it can have at most 32"):
        decode(np.ones(1_000_000, np.uint8), np.zeros(2, np.uint8), 9, 4)
