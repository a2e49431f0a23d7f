"""Pruning and sharing one matrix on the vectors that it multiplies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.calibration import compress_problem, matrix_problem
from compressor.calibration.moments import Moments
from compressor.calibration.sharing import share
from compressor.calibration.surgeon import largest, prune, readjusted
from compressor.prune import find_cut, prune_columns
from compressor.weight_sharing import assign_codes, cluster
from tests.compressor.calibration.small_graphs import correlated


def a_problem(seed, n_rows=12, n_cols=20, n=100, damping=0.01):
    rng = np.random.default_rng(seed)
    vectors = correlated(rng, n, n_cols).astype(np.float64)
    weights = rng.normal(size=(n_rows, n_cols)).astype(np.float32)
    return matrix_problem(weights, vectors.T @ vectors / n, damping)


def by_magnitude(problem, density, bits=4):
    weights = problem.blocks[0].weights
    kept = prune_columns(weights, find_cut(weights, density, None, None)).dense()
    book = cluster(kept[kept != 0], bits).codebook
    return np.where(kept != 0, book[assign_codes(kept, book)], 0).astype(np.float32)


@given(st.integers(0, 1000), st.floats(0.1, 0.9))
def test_kept_weights_are_those_of_least_squares_for_what_is_kept(seed, density):
    problem = a_problem(seed)
    (block,) = problem.blocks
    ((kept, _),) = prune(problem, density)
    found = readjusted(block, kept, block.weights, 400)
    hessian = block.hessian.astype(np.float64)
    for row, mask, weights in zip(found, kept, block.weights, strict=True):
        if not mask.any():
            continue
        brute = np.zeros(mask.size)
        brute[mask] = np.linalg.solve(hessian[np.ix_(mask, mask)], hessian[mask] @ weights)
        errors = [(weights - one) @ hessian @ (weights - one) for one in (row, brute)]
        assert errors[0] <= errors[1] * 1.001 + 1e-5 * (weights @ hessian @ weights)


@given(st.integers(0, 1000), st.floats(0, 1), st.sampled_from([1, 2, 4, 8]))
def test_the_number_of_weights_is_exact_and_the_codes_fit(seed, density, bits):
    problem = a_problem(seed)
    found = compress_problem(problem, density, bits)
    assert np.count_nonzero(found.codes) == round(density * found.codes.size)
    assert found.codebook.shape == (1 << bits,)
    assert found.codebook[0] == 0
    assert (np.diff(found.codebook[1:]) >= 0).all()
    assert found.error == pytest.approx(problem.error([found.weights]))


@given(st.integers(0, 1000), st.sampled_from([0.1, 0.3, 0.5, 0.8]))
def test_outputs_are_nearer_than_those_of_magnitude_and_k_means(seed, density):
    problem = a_problem(seed)
    assert compress_problem(problem, density).error <= problem.error([by_magnitude(problem, density)])


@given(st.integers(0, 1000))
def test_sharing_is_no_worse_than_the_nearest_centroids(seed):
    problem = a_problem(seed)
    pruned = prune(problem, 0.4)
    book, codes = share(problem, pruned, 3)
    kept = pruned[0].weights[pruned[0].kept]
    plain = cluster(kept, 3).codebook
    nearest = pruned[0].weights.copy()
    nearest[pruned[0].kept] = plain[assign_codes(kept, plain)]
    assert problem.error([book[codes[0]]]) <= problem.error([nearest])


def test_what_was_zero_stays_zero():
    weights = np.array([[1, 0, 2], [0, 3, 0]], np.float32)
    found = compress_problem(matrix_problem(weights, np.eye(3)), 1.0)
    assert (found.codes != 0).tolist() == (weights != 0).tolist()
    np.testing.assert_allclose(found.weights, weights)


def test_the_largest_are_counted_over_all_blocks_and_the_first_of_equal_ones_taken():
    masks = largest([np.array([[1, 3, 3]], np.float32), np.array([[3], [0]], np.float32)], 2)
    assert [mask.tolist() for mask in masks] == [[[False, True, True]], [[False], [False]]]


def test_vectors_that_are_all_zero_leave_pruning_by_magnitude():
    problem = matrix_problem(np.array([[1.0, -5.0, 2.0, 4.0]], np.float32), np.zeros((4, 4)))
    assert (compress_problem(problem, 0.5).codes != 0).tolist() == [[False, True, False, True]]


@pytest.mark.parametrize("density", [-0.1, 1.1, float("nan")])
def test_a_density_out_of_its_limits_is_refused(density):
    with pytest.raises(ValueError, match=r"^density: .*, but it must be 0 to 1$"):
        prune(a_problem(0), density)


@pytest.mark.parametrize("damping", [0.0, -1.0])
def test_damping_must_be_more_than_zero(damping):
    with pytest.raises(ValueError, match=r"^damping: .*, but it must be more than 0$"):
        a_problem(0, damping=damping)


@given(st.integers(0, 1000), st.booleans(), st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_moments_are_those_of_all_vectors_in_whatever_pieces(seed, has_bias, sizes):
    rng = np.random.default_rng(seed)
    n, size = sum(sizes), 6
    vectors = (rng.normal(size=(n, size)) + 5).astype(np.float32)
    moments, first = Moments(size), 0
    for step in sizes:
        moments.add(vectors[first : first + step], vectors[first : first + step])
        first += step
    weights = rng.normal(size=(3, size)).astype(np.float32)
    block = moments.block(weights, np.arange(3), np.arange(size), has_bias, 0.01)
    wide = vectors.astype(np.float64)
    wanted = wide.T @ wide / n - (np.outer(wide.mean(0), wide.mean(0)) if has_bias else 0)
    wanted[np.diag_indices(size)] += 0.01 * np.diag(wanted).mean() or 1
    np.testing.assert_allclose(block.hessian, wanted, rtol=1e-3, atol=1e-3)
    # Both networks have the same vectors: nothing is to be made up for.
    np.testing.assert_allclose(block.weights, weights, rtol=1e-3, atol=1e-4)
