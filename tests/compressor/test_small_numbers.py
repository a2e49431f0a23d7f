import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compressor.coding.small_numbers import as_table, check_popped, from_table, pop_numbers, push, push_numbers
from tests.examples import examples


@settings(deadline=None, max_examples=examples(100))
@given(hnp.arrays(np.uint8, st.integers(0, 60), elements=st.integers(0, 15)), st.integers(0, 2**70))
def test_numbers_come_back_and_leave_the_state_below_them(numbers, below):
    state = push_numbers(below, numbers, 16)
    found, left = pop_numbers(state, len(numbers), 16)
    assert np.array_equal(found, numbers)
    assert left == below


@settings(deadline=None, max_examples=examples(100))
@given(st.integers(0, 2**200), st.integers(0, 30), st.integers(1, 16))
def test_every_integer_is_the_one_form_of_some_numbers(state, n_numbers, n_values):
    numbers, left = pop_numbers(state, n_numbers, n_values)
    assert push_numbers(left, numbers, n_values) == state


def test_two_numbers_by_hand():
    # The second, a 1 after a 1, has the numbers 1, 2, 3 of 22: all 16 values 1 each, 2 more for the 1 that was seen,
    # and 4 for a 2, the same step up as before. The first has the number 1 of 16.
    assert push_numbers(0, np.array([1, 1], np.uint8), 16) == push(push(0, 1, 3, 22), 1, 1, 16) == 17


def test_numbers_alike_take_fewer_bytes_than_their_bits():
    rng = np.random.default_rng(0)
    walk = np.clip(np.cumsum(rng.integers(-1, 2, 256)) + 8, 0, 15).astype(np.uint8)
    assert len(as_table(push_numbers(0, walk, 16))) < 256 * 2 / 8
    shuffled = rng.permutation(np.repeat(np.arange(7, 11, dtype=np.uint8), 64))
    assert len(as_table(push_numbers(0, shuffled, 16))) < 256 * 2.4 / 8


@settings(deadline=None)
@given(st.integers(0, 2**100))
def test_a_state_is_a_table_without_a_zero_at_its_end(state):
    table = as_table(state)
    assert not len(table) or table[-1]
    assert from_table(table, 13) == state


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="table: 3 bytes, but it can have at most 2"):
        from_table(np.ones(3, np.uint8), 2)
    with pytest.raises(ValueError, match="last byte is zero"):
        from_table(np.zeros(1, np.uint8), 2)
    with pytest.raises(ValueError, match="table: 2 bytes of it are left over"):
        check_popped(256)
    check_popped(0)
