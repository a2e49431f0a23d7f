import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.reproduction.svd import rank_for_share, truncated
from tests.examples import examples

SIZES = st.integers(1, 12)


def drawn(n_rows, n_cols, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_cols)).astype(np.float32)


def test_a_diagonal_matrix_keeps_its_largest_numbers():
    low = truncated(np.diag([1.0, -9.0, 4.0]), 2)
    np.testing.assert_allclose(low.dense(), np.diag([0.0, -9.0, 4.0]), atol=1e-6)
    np.testing.assert_allclose(low.left, [[0, 0], [3, 0], [0, 2]], atol=1e-6)
    np.testing.assert_allclose(low.right, [[0, -3, 0], [0, 0, 2]], atol=1e-6)


def test_a_product_of_two_vectors_is_given_back_at_rank_1():
    matrix = np.outer([1.0, -2, 3], [5.0, 0, 7, 2])
    np.testing.assert_allclose(truncated(matrix, 1).dense(), matrix, rtol=1e-6)


@settings(deadline=None, max_examples=examples(40))
@given(SIZES, SIZES, st.integers(0, 9), st.data())
def test_what_is_lost_are_the_singular_values_that_were_cut(n_rows, n_cols, seed, data):
    matrix = drawn(n_rows, n_cols, seed)
    rank = data.draw(st.integers(1, min(n_rows, n_cols)))
    low = truncated(matrix, rank)
    values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    assert low.left.shape == (n_rows, rank)
    assert low.right.shape == (rank, n_cols)
    assert low.n_parameters == rank * (n_rows + n_cols)
    np.testing.assert_allclose(np.linalg.norm(low.dense() - matrix), np.linalg.norm(values[rank:]), atol=1e-5)


def test_no_other_matrix_of_the_rank_is_nearer():
    matrix, rng = drawn(20, 30), np.random.default_rng(1)
    best = truncated(matrix, 3)
    for size in (1e-3, 1e-1):
        left, right = (factor + size * rng.normal(size=factor.shape) for factor in best)
        assert np.linalg.norm(left @ right - matrix) > np.linalg.norm(best.dense() - matrix)


def test_the_factors_are_float32_and_of_one_size():
    low = truncated(drawn(20, 30), 4)
    assert low.left.dtype == low.right.dtype == np.float32
    assert low.left.flags.c_contiguous
    assert low.right.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(low.left, axis=0), np.linalg.norm(low.right, axis=1), rtol=1e-5)


def test_the_sign_of_a_factor_does_not_hang_on_the_library():
    low = truncated(-np.abs(drawn(9, 5)), 1)
    assert low.left.min() > 0 > low.right.max()


@given(SIZES, SIZES, st.data())
def test_the_share_of_a_rank_gives_the_rank(n_rows, n_cols, data):
    size, step = n_rows * n_cols, n_rows + n_cols
    if step > size:
        with pytest.raises(ValueError, match=r"share: 1 of the parameters are \d+, but rank 1 of"):
            rank_for_share((n_rows, n_cols), 1)
        return
    rank = data.draw(st.integers(1, size // step))
    assert rank_for_share((n_rows, n_cols), rank * step / size) == rank
    # With one parameter more than it has, nothing changes before those of one rank more are there.
    assert rank_for_share((n_rows, n_cols), min(1, (rank * step + step - 1) / size)) == rank


def test_a_tenth_of_the_first_layer_of_lenet_300_100_is_rank_21():
    assert rank_for_share((300, 784), 0.1) == 21  # 23,520 // 1084


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: truncated([1.0, 2.0], 1), r"shape: \(2,\), but it must be \(rows, columns\)"),
        (lambda: truncated([[1.0, np.nan]], 1), r"weights: nan at \(0, 1\)"),
        (lambda: truncated([[1.0, 2.0]], 2), "rank: 2, but it must be 1 to 1"),
        (lambda: truncated([[1.0, 2.0]], 0), "rank: 0"),
        (lambda: rank_for_share((3, 0), 0.5), r"shape: \(3, 0\)"),
        (lambda: rank_for_share((30, 40), 0), "share: 0, but it must be above 0 and at most 1"),
        (lambda: rank_for_share((30, 40), 1.5), "share: 1.5"),
        (lambda: rank_for_share((30, 40), 0.05), "share: 0.05 of the parameters are 60, but rank 1 of 30 x 40 has 70"),
    ],
)
def test_a_bad_argument_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
