"""The relative index of a whole tensor: runs of zeros, fillers, and what their sizes follow from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.coding.flat_index import FlatEntries, decode_flat, encode_flat, flat_statistics
from tests.examples import examples


def naive_entries(cells, index_bits):
    """(code, run) by the words of the paper: count zeros, and put a filler where the count would not fit."""
    entries, zeros, longest = [], 0, 2**index_bits - 1
    pending = []
    for cell in cells:
        if cell:
            entries += [*pending, (cell, zeros)]
            pending, zeros = [], 0
        elif zeros == longest:
            pending.append((0, longest))  # this zero itself is the filler
            zeros = 0
        else:
            zeros += 1
    return entries


@st.composite
def all_cells(draw):
    """Cells with gaps of all sizes around the powers of two."""
    gaps = st.one_of(st.integers(0, 20), st.sampled_from([255, 256, 257, 511, 512, 513, 1023]))
    parts = draw(st.lists(st.tuples(gaps, st.integers(1, 255)), max_size=20))
    cells = [value for gap, code in parts for value in [0] * gap + [code]]
    return np.array(cells + [0] * draw(gaps), np.uint8)


@given(all_cells(), st.integers(2, 8))
@settings(deadline=None, max_examples=examples(80))
def test_entries_are_those_of_the_paper_and_decode_to_the_cells(cells, index_bits):
    entries = encode_flat(cells, index_bits)
    assert list(zip(*map(np.ndarray.tolist, entries), strict=True)) == naive_entries(cells.tolist(), index_bits)
    assert np.array_equal(decode_flat(entries, index_bits, len(cells)), cells)


@given(all_cells(), st.integers(2, 8))
@settings(deadline=None, max_examples=examples(80))
def test_the_statistics_foretell_the_entries(cells, index_bits):
    statistics = flat_statistics(cells)
    codes, runs = encode_flat(cells, index_bits)
    assert statistics.entries(index_bits) == len(codes)
    assert np.array_equal(statistics.code_counts, np.bincount(cells, minlength=256))
    assert np.array_equal(statistics.entry_code_counts(index_bits), np.bincount(codes, minlength=256))
    assert np.array_equal(statistics.run_counts(index_bits), np.bincount(runs, minlength=2**index_bits))


def test_no_filler_stands_behind_the_last_weight():
    codes, runs = encode_flat(np.array([0, 7] + [0] * 100, np.uint8), 2)
    assert (codes.tolist(), runs.tolist()) == ([7], [1])


def test_the_example_of_the_paper_needs_one_filler():
    # Deep Compression figure 2: weights at cells 1, 4 and 15 with 3 bits; 10 zeros before the last are more than 7.
    cells = np.zeros(16, np.uint8)
    cells[[1, 4, 15]] = [1, 2, 3]
    codes, runs = encode_flat(cells, 3)
    assert (codes.tolist(), runs.tolist()) == ([1, 2, 0, 3], [1, 2, 7, 2])


@pytest.mark.parametrize(
    ("codes", "runs", "match"),
    [
        ([1], [4], "runs: 4, but 2 index bits hold at most 3"),
        ([1, 1], [3, 3], "entry 1: stands in cell 7, but the tensor ends at cell 6"),
        ([0, 1], [2, 0], "entry 0: code 0 with run 2, but a filler's run is 3"),
        ([1, 0], [0, 3], "entry 1: a filler, but no weight follows it"),
    ],
)
def test_entries_of_no_tensor_are_refused(codes, runs, match):
    with pytest.raises(ValueError, match=match):
        decode_flat(FlatEntries(np.array(codes, np.uint8), np.array(runs, np.uint8)), 2, 7)
