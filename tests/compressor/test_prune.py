import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compressor import prune
from compressor.prune import (
    cut_to_density,
    cut_to_quality,
    cut_to_threshold,
    find_cut,
    prune_columns,
    prune_mask,
    standard_deviation,
)
from tests.examples import examples

# Few values, so that most cuts fall among ties; next to them any float32 at all.
TIED = st.sampled_from([0.0, -0.0, 0.25, -0.25, 0.5, -0.5, 1.0, 1e-45, -1e-45, 3e38])
ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=7)
TENSORS = hnp.arrays(np.float32, SHAPES, elements=TIED) | hnp.arrays(np.float32, SHAPES, elements=ANY)
MATRICES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=TIED)
DENSITIES = st.floats(0, 1)
COMMON = settings(deadline=None, max_examples=examples(100))


def naive_mask(weights, density):
    """Sort by magnitude, the first in C order first; keep the count; a zero is no weight."""
    flat = weights.reshape(-1)
    order = np.argsort(-np.abs(flat.astype(np.float64)), kind="stable")
    mask = np.zeros(flat.size, bool)
    mask[order[: round(density * flat.size)]] = True
    return (mask & (flat != 0)).reshape(weights.shape)


@COMMON
@given(TENSORS, DENSITIES)
def test_a_density_keeps_what_a_stable_sort_by_magnitude_puts_first(weights, density):
    mask = prune_mask(weights, cut_to_density(weights, density))
    assert np.array_equal(mask, naive_mask(weights, density))


@COMMON
@given(TENSORS, DENSITIES)
def test_a_density_keeps_exactly_its_count_or_every_non_zero(weights, density):
    mask = prune_mask(weights, cut_to_density(weights, density))
    assert mask.sum() == min(round(density * weights.size), np.count_nonzero(weights))


@COMMON
@given(MATRICES, DENSITIES)
def test_the_sparse_columns_are_the_weights_under_the_mask(weights, density):
    cut = cut_to_density(weights, density)
    columns = prune_columns(weights, cut)
    mask = prune_mask(weights, cut)
    assert np.array_equal(columns.dense(), np.where(mask, weights, 0))
    assert len(columns.rows) == mask.sum()
    assert all(np.all(np.diff(part.astype(int)) > 0) for part in np.split(columns.rows, columns.indptr[1:-1]))


@COMMON
@given(TENSORS, st.floats(0, 4))
def test_a_threshold_removes_what_is_below_it_and_every_zero(weights, threshold):
    mask = prune_mask(weights, cut_to_threshold(weights, threshold))
    assert np.array_equal(mask, (np.abs(weights.astype(np.float64)) >= threshold) & (weights != 0))


@COMMON
@given(TENSORS, st.floats(0, 4))
def test_a_quality_is_a_threshold_in_standard_deviations(weights, quality):
    limit = quality * standard_deviation(weights)
    assert np.array_equal(
        prune_mask(weights, cut_to_quality(weights, quality)),
        (np.abs(weights.astype(np.float64)) >= limit) & (weights != 0),
    )


@COMMON
@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(-8, 8, width=32)))
def test_the_standard_deviation_is_that_of_float64(weights):
    assert standard_deviation(weights) == pytest.approx(np.std(weights.astype(np.float64)), rel=1e-12, abs=1e-12)


def test_the_standard_deviation_of_many_blocks_is_that_of_one(monkeypatch):
    weights = np.random.default_rng(0).standard_normal(1000).astype(np.float32) + 5
    monkeypatch.setattr(prune, "_BLOCK", 64)
    assert standard_deviation(weights) == pytest.approx(np.std(weights.astype(np.float64)), rel=1e-12)


def test_ties_are_kept_in_c_order():
    weights = np.array([[1, -1, 1], [-1, 1, 2]], np.float32)
    assert prune_mask(weights, cut_to_density(weights, 0.5)).tolist() == [[True, True, False], [False, False, True]]


def test_magnitudes_that_differ_in_the_last_bit_are_told_apart():
    one = np.float32(1)
    weights = np.array([one, np.nextafter(one, np.float32(2)), np.nextafter(one, np.float32(0))])
    assert prune_mask(weights, cut_to_density(weights, 1 / 3)).tolist() == [False, True, False]
    assert prune_mask(weights, cut_to_density(weights, 2 / 3)).tolist() == [True, True, False]


def test_a_threshold_between_two_float32s_divides_them():
    below = np.float32(0.1)
    weights = np.array([below, np.nextafter(below, np.float32(1))])
    between = (float(weights[0]) + float(weights[1])) / 2
    assert prune_mask(weights, cut_to_threshold(weights, between)).tolist() == [False, True]


def test_a_threshold_beyond_float32_keeps_nothing():
    weights = np.array([np.finfo(np.float32).max, 1], np.float32)
    assert not prune_mask(weights, cut_to_threshold(weights, 1e300)).any()
    assert prune_mask(weights, cut_to_threshold(weights, float(weights[0]))).tolist() == [True, False]


def test_density_zero_keeps_nothing_and_density_one_every_non_zero():
    weights = np.array([0, 1, -2, np.finfo(np.float32).max], np.float32)
    assert prune_mask(weights, cut_to_density(weights, 0)).tolist() == [False] * 4
    assert prune_mask(weights, cut_to_density(weights, 1)).tolist() == [False, True, True, True]


def test_all_zeros_leave_nothing():
    weights = np.zeros((3, 4), np.float32)
    for cut in (cut_to_density(weights, 1), cut_to_threshold(weights, 0), cut_to_quality(weights, 1)):
        assert not prune_mask(weights, cut).any()
        assert len(prune_columns(weights, cut).rows) == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8])
def test_other_types_are_pruned_as_their_float32_values(dtype):
    weights = np.array([[3, 1], [2, -4]], dtype)
    columns = prune_columns(weights, cut_to_density(weights, 0.5))
    assert columns.values.dtype == np.float32
    assert columns.dense().tolist() == [[3, 0], [0, -4]]


def test_a_transposed_matrix_is_pruned_by_its_own_order():
    weights = np.ones((2, 3), np.float32).T
    assert prune_columns(weights, cut_to_density(weights, 0.5)).dense().tolist() == [[1, 1], [1, 0], [0, 0]]


@pytest.mark.parametrize("cores", [1, 2, 3, 7])
def test_the_number_of_cores_changes_nothing(monkeypatch, cores):
    weights = np.random.default_rng(1).integers(-4, 5, (13, 29)).astype(np.float32)
    cut, columns = cut_to_density(weights, 0.37), prune_columns(weights, cut_to_density(weights, 0.37))
    for module in ("compressor.prune", "compressor.types.sparse"):
        monkeypatch.setattr(f"{module}.LEAST_FOR_THREADS", 1)
    for module in ("compressor.prune", "compressor.types.sparse", "compressor.jit"):
        monkeypatch.setattr(f"{module}.available_cores", lambda: cores)
    again = prune_columns(weights, cut_to_density(weights, 0.37))
    assert cut_to_density(weights, 0.37) == cut
    assert np.array_equal(again.rows, columns.rows)
    assert np.array_equal(again.values, columns.values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("find", [{"density": 0.5}, {"threshold": 0.1}, {"quality": 1.0}])
def test_a_weight_that_is_not_finite_is_named(bad, find):
    weights = np.ones((3, 4), np.float32)
    weights[1, 2] = bad
    with pytest.raises(ValueError, match=rf"^weights: {bad} at \(1, 2\), but every number must be finite$"):
        find_cut(weights, **find)


@pytest.mark.parametrize(
    ("settings_of_cut", "message"),
    [
        ({"density": 1.01}, "density: 1.01, but it must be 0 to 1"),
        ({"density": -0.1}, "density: -0.1, but it must be 0 to 1"),
        ({"density": float("nan")}, "density: nan, but it must be finite"),
        ({"threshold": -1}, "threshold: -1, but it must be at least 0"),
        ({"threshold": float("nan")}, "threshold: nan, but it must be finite"),
        ({"quality": float("inf")}, "quality: inf, but it must be finite"),
        ({"threshold": 1, "quality": 1}, "threshold and quality: 1 and 1, but only one of the two can cut"),
    ],
)
def test_a_setting_out_of_its_limits_is_named(settings_of_cut, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        find_cut(np.ones(3, np.float32), **settings_of_cut)


def test_nothing_to_prune_is_an_error():
    with pytest.raises(ValueError, match="there must be at least one dimension and one number"):
        cut_to_density(np.zeros((0, 4), np.float32), 0.5)
    with pytest.raises(ValueError, match=r"must be \(outputs, inputs\)"):
        prune_columns(np.ones(3, np.float32), cut_to_density(np.ones(3, np.float32), 1))
    with pytest.raises(ValueError, match="dtype <U1, but it must hold numbers"):
        cut_to_density(["a"], 0.5)
