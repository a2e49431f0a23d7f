import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.coding import ans
from tests.extras import needs

constriction = needs("constriction", "ans")

COUNTS = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 10**6), st.integers(0, 2**40)), min_size=1, max_size=40)
TOTAL = 2**24


def naive_words(ranks, spans):
    """The 32-bit words of ANS with a state of 64 bits and probabilities in 2**-24, as published (Duda, 2013)."""
    starts = [sum(spans[:i]) for i in range(len(spans))]
    state, words = 0, []
    for rank in reversed(ranks):
        if state >> 40 >= spans[rank]:
            words.append(state % 2**32)
            state >>= 32
        state = state // spans[rank] * TOTAL + starts[rank] + state % spans[rank]
    while state:
        words.append(state % 2**32)
        state >>= 32
    return words


def skewed(seed, n_symbols, skew=3, symbol_bits=8):
    """Symbols of which the low ones are frequent; uint8."""
    return (np.random.default_rng(seed).random(n_symbols) ** skew * (1 << symbol_bits)).astype(np.uint8)


def entropy_bytes(symbols):
    """Fewest bytes that any code of single symbols takes."""
    counts = np.unique(symbols, return_counts=True)[1]
    return float(-(counts * np.log2(counts / counts.sum())).sum() / 8)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 30000), min_size=2, max_size=30), st.integers(0, 2**32))
def test_the_library_uses_exactly_the_spans_it_is_given(weights, seed):
    # The independent check: words of ANS in plain integers. One span off by one would change them.
    spans = ans._spans(weights if any(weights) else [1, *weights])
    ranks = np.random.default_rng(seed).integers(0, len(spans), 200)
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(ranks.astype(np.int32), ans._model(constriction, spans))
    assert coder.get_compressed().tolist() == naive_words(ranks.tolist(), spans.tolist())


@settings(deadline=None, max_examples=60)
@given(COUNTS.filter(any))
def test_spans_fill_all_numbers_and_none_is_empty(counts):
    spans = ans._spans([count for count in counts if count])
    assert spans.sum() == TOTAL
    assert spans.min() >= 1


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.integers(0, 16))
def test_a_table_says_the_counts_but_for_the_digits_that_were_cut(counts, n_digits):
    doubled = ans._decode_table(ans._encode_table(np.array(counts), n_digits), len(counts))
    for count, found in zip(counts, doubled, strict=True):
        assert abs(found / 2 - count) <= count * 2.0 ** (-n_digits - 1)
        if count < 2 ** (n_digits + 1):
            assert found == 2 * count
    assert doubled == [n for count in counts for n in (ans._rounded([count], n_digits) if count else [0])]


def test_logarithms_are_rounded_down_to_their_unit():
    numbers = np.array([1, 2, 3, 5, 255, 4097, 2**24 - 1, 2**24])
    assert ans._log2(numbers) == [math.floor(math.log2(n) * 65536) for n in numbers.tolist()]


@pytest.mark.parametrize(("n_symbols", "symbol_bits"), [(1500, 8), (16_000, 8), (100_000, 8), (16_000, 4)])
def test_a_stream_takes_little_more_than_its_entropy(n_symbols, symbol_bits):
    symbols = np.clip(np.random.default_rng(5).normal(0.5, 0.12, n_symbols) * (1 << symbol_bits), 0, 255)
    symbols = symbols.clip(0, (1 << symbol_bits) - 1).astype(np.uint8)
    table, data = ans.encode(symbols, symbol_bits)
    assert len(data) <= entropy_bytes(symbols) * 1.006 + 8
    assert len(table) + len(data) <= entropy_bytes(symbols) * 1.001 + (1 << symbol_bits) / 2 + 8


def test_a_table_has_more_digits_where_more_symbols_pay_for_them():
    few, many = (ans.encode(skewed(1, n), 8)[0] for n in (2_000, 200_000))
    assert len(few) < len(many)


def test_a_symbol_that_is_almost_certain_costs_almost_nothing():
    symbols = np.zeros(50_000, np.uint8)
    symbols[123] = 1
    table, data = ans.encode(symbols, 1)
    assert len(table) + len(data) < 12
    assert np.array_equal(ans.decode(table, data, 50_000, 1), symbols)


def test_a_stream_of_one_symbol_has_no_data():
    table, data = ans.encode(np.full(9, 5, np.uint8), 4)
    assert len(data) == 0
    assert ans.decode(table, data, 9, 4).tolist() == [5] * 9
    with pytest.raises(ValueError, match=r"table|data"):
        ans.decode(table, np.ones(1, np.uint8), 9, 4)


def test_more_symbols_than_the_table_tells_are_refused_before_memory_is_taken():
    table, data = ans.encode(np.full(9, 5, np.uint8), 4)
    with pytest.raises(ValueError, match="table: about 12 symbols, but the stream has 1152921504606846976"):
        ans.decode(table, data, 1 << 60, 4)
    assert all(ans.decode(*ans.encode(np.full(n, 5, np.uint8), 4), n, 4).tolist() == [5] * n for n in range(70))


def test_a_long_stream_passes_in_parts(monkeypatch):
    symbols = skewed(2, 1000)
    whole = ans.encode(symbols, 8)
    monkeypatch.setattr(ans, "_CHUNK", 64)
    parts = ans.encode(symbols, 8)
    assert all(np.array_equal(*both) for both in zip(whole, parts, strict=True))
    assert np.array_equal(ans.decode(*parts, 1000, 8), symbols)


def test_data_left_over_are_refused():
    symbols = skewed(3, 100)
    table, data = ans.encode(symbols, 8)
    with pytest.raises(ValueError, match="not all are used up by 80 symbols"):
        ans.decode(table, data, 80, 8)


def test_a_zero_at_the_end_of_the_data_is_refused():
    table, data = ans.encode(skewed(3, 100), 8)
    with pytest.raises(ValueError, match="data: the last byte is zero"):
        ans.decode(table, np.append(data, np.uint8(0)), 100, 8)


def test_probabilities_of_other_symbols_are_refused():
    symbols = skewed(4, 100, symbol_bits=2)
    counts = np.bincount(symbols, minlength=4)
    other = ans._encode_table(counts, 9)  # with digits that are not worth their bytes
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(symbols.astype(np.int32), ans._model(constriction, ans._spans(counts.tolist())))
    data = np.frombuffer(coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0"), np.uint8)
    with pytest.raises(ValueError, match="table: its probabilities are not the ones"):
        ans.decode(other, data, 100, 2)
