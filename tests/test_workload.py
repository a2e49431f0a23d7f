"""Drawn layers: what is promised of their bytes, their sizes and their statistics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import SeedSequence

from compressor import pack_codes
from eie_sim import simulate
from eie_sim.networks import generator
from eie_sim.networks.statistics import MAX_SPREAD, LayerStatistics
from eie_sim.workload import (
    CODEBOOK_STEP,
    MAX_CELLS,
    Workload,
    calibrated_layer,
    draw_workload,
    drawn_codebook,
    random_layer,
)
from tests.examples import examples

SMALLEST_LAYER = "NT-We"
ROUGH = LayerStatistics(
    0.2, 0.3, row_spread=0.3, column_spread=0.5, interaction=1.5, row_trend=0.4, block_columns=7, block_offset=2
)


def same(a, b):
    return a.layer == b.layer and np.array_equal(a.acts, b.acts)


def chance(factors):
    """P of every cell, shape (n_rows, n_cols)."""
    return np.minimum(1, factors.columns[:, np.newaxis] * factors.rows[factors.block_of]).T


@pytest.fixture(scope="module")
def calibrated():
    return calibrated_layer(SMALLEST_LAYER, seed=5)


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_the_number_of_cores_does_not_change_a_byte(monkeypatch, cores):
    def draw():
        return draw_workload("x", 300, 900, LayerStatistics(0.1, 0.5, interaction=1, block_columns=9), seed=3)

    here = draw()
    monkeypatch.setattr("compressor.jit.available_cores", lambda: cores)
    assert same(draw(), here)


@pytest.mark.compiled_only
def test_the_same_seed_draws_the_same_calibrated_layer(calibrated):
    assert same(calibrated_layer(SMALLEST_LAYER, seed=5), calibrated)


def test_another_seed_draws_another_layer():
    one, other = random_layer(50, 60, 0.3, 0.5, seed=1), random_layer(50, 60, 0.3, 0.5, seed=2)
    assert not np.array_equal(one.layer.decode(), other.layer.decode())
    assert not np.array_equal(one.acts, other.acts)


def test_layers_of_another_name_are_independent_draws():
    one, other = random_layer(50, 60, 0.3, name="fc1"), random_layer(50, 60, 0.3, name="fc2")
    both = (one.layer.decode() > 0) & (other.layer.decode() > 0)
    assert abs(both.mean() - 0.09) < 5 * np.sqrt(0.09 * 0.91 / both.size)


@pytest.mark.compiled_only
def test_another_machine_gets_the_same_matrix(calibrated):
    packed_anew = calibrated_layer(SMALLEST_LAYER, seed=5, n_pe=16, index_bits=6)
    assert packed_anew.layer == calibrated.layer.repack(n_pe=16, index_bits=6)
    assert np.array_equal(packed_anew.acts, calibrated.acts)


def test_a_calibrated_layer_has_the_size_and_activity_of_the_paper(calibrated):
    assert (calibrated.layer.n_rows, calibrated.layer.n_cols, calibrated.layer.n_pe) == (600, 4096, 64)
    assert np.count_nonzero(calibrated.acts) == 4096
    assert calibrated.name == SMALLEST_LAYER
    assert not calibrated.is_batch
    assert "all_points" in str(calibrated.origin)
    assert "seed 5" in str(calibrated.origin)


def test_a_calibrated_layer_has_the_fitted_density(calibrated):
    expected, cells = 0.10858, 600 * 4096
    assert abs(calibrated.layer.density - expected) < 5 * np.sqrt(expected / cells)


@pytest.mark.parametrize(("share", "inputs", "active"), [(0.34878, 9216, 3214), (0.5, 7, 4), (0, 9, 0), (1, 9, 9)])
def test_exactly_the_rounded_share_of_inputs_is_active(share, inputs, active):
    acts = generator.draw_acts(inputs, LayerStatistics(0.1, share, act_run=2), 2, SeedSequence(1))
    assert np.count_nonzero(acts, axis=1).tolist() == [active, active]
    assert acts.min() >= 0


def test_the_first_inputs_are_the_same_whatever_their_number():
    one, four = random_layer(5, 40, 0.5, 0.5), random_layer(5, 40, 0.5, 0.5, n_vectors=4)
    assert four.acts.shape == (4, 40)
    assert four.is_batch
    assert np.array_equal(four.acts[0], one.acts)
    assert len({tuple(vector) for vector in four.acts}) == 4


def test_activity_comes_in_runs_as_long_as_asked():
    acts = generator.draw_acts(20_000, LayerStatistics(0.1, 0.5, act_run=3), 1, SeedSequence(1))[0] > 0
    # Two normal variables of correlation c have the same sign with probability 1/2 + asin(c) / pi.
    alike = 0.5 + np.arcsin(np.exp(-1 / 3)) / np.pi
    assert abs(np.mean(acts[1:] == acts[:-1]) - alike) < 0.02


@settings(max_examples=examples(25))
@given(
    st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.floats(0, 3), st.integers(0, 2**70), st.integers(1, 70)
)  # fmt: skip
def test_the_density_is_the_one_asked_for(n_rows, n_cols, density, spread, seed, n_pe):
    statistics = LayerStatistics(density, 1, spread, spread)
    layer = draw_workload("x", n_rows, n_cols, statistics, seed, n_pe).layer
    cells = n_rows * n_cols
    assert abs(layer.density - density) * cells <= 6 * np.sqrt(cells * density * (1 - density)) + 1e-6 * cells


def test_density_one_is_a_dense_layer_and_density_zero_an_empty_one():
    assert random_layer(20, 30, 1.0).layer.density == 1
    empty = random_layer(20, 30, 0.0)
    assert empty.layer.n_entries == 0
    assert simulate(empty.layer, empty.acts).counts.entries.sum() == 0


@pytest.mark.parametrize("density", [0, 0.02, 0.2, 0.7, 0.97, 1])
@pytest.mark.parametrize("spread", [0, 0.5, MAX_SPREAD])
def test_the_mean_probability_over_all_cells_is_the_density(density, spread):
    statistics = LayerStatistics(density, 1, spread, spread, spread, block_columns=6)
    p = chance(generator.draw_factors(80, 50, statistics, SeedSequence(2)))
    assert p.mean() == pytest.approx(density, rel=1e-8)


def test_every_row_and_column_has_the_weights_its_probabilities_promise():
    seed_of_factors, _ = SeedSequence(8).spawn(2)
    p = chance(generator.draw_factors(300, 400, ROUGH, seed_of_factors))
    drawn = generator.draw_weights(300, 400, ROUGH, 4, SeedSequence(8)).dense() > 0
    for axis, cells in ((0, 400), (1, 300)):
        z = (drawn.sum(axis) - p.sum(axis)) / np.sqrt((p * (1 - p)).sum(axis))
        assert abs(np.mean(z**2) - 1) < 5 * np.sqrt(2 / cells)


def test_spreads_and_trend_are_those_asked_for():
    factors = generator.draw_factors(4000, 3000, LayerStatistics(0.01, 1, 0.2, 0.4, row_trend=0.5), SeedSequence(4))
    columns, rows = factors.columns / factors.columns.mean(), factors.rows[0]
    assert columns.std() == pytest.approx(0.4, rel=0.1)
    trend = 1 + 0.5 * (1 - 2 * np.arange(4000) / 4000)
    assert (rows / trend).std() == pytest.approx(0.2, rel=0.1)
    assert rows[:1000].mean() / rows[-1000:].mean() == pytest.approx(1.375 / 0.625, rel=0.05)


def test_columns_of_a_block_share_the_interaction_and_the_offset_goes_to_the_first():
    factors = generator.draw_factors(2000, 20, ROUGH, SeedSequence(1))
    assert factors.block_of.tolist() == [0] * 9 + [1] * 7 + [2] * 4
    logs = np.log(factors.rows)
    among = logs - logs.mean(axis=0)
    assert among.std() * np.sqrt(3 / 2) == pytest.approx(np.sqrt(np.log(1 + 1.5**2)), rel=0.05)


def test_codes_are_uniform_over_all_that_are_weights():
    counts = np.bincount(random_layer(200, 400, 0.5).layer.codes, minlength=16)[1:]
    assert len(counts) == 15
    mean = counts.sum() / 15
    assert np.all(abs(counts - mean) < 5 * np.sqrt(mean))


@pytest.mark.parametrize("bits", range(1, 9))
def test_no_weight_of_the_codebook_is_zero_or_there_twice(bits):
    book = drawn_codebook(bits)
    assert len(set(book.tolist())) == 2**bits
    assert book[0] == 0
    assert np.count_nonzero(book) == 2**bits - 1
    assert np.abs(book).max() == 2 ** (bits - 1) * CODEBOOK_STEP
    layer = random_layer(9, 9, 0.9, weight_bits=bits).layer
    assert layer.weight_bits == bits
    assert layer.codes.max() < 2**bits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_rows": 0}, "n_rows: 0, but it must be at least 1"),
        ({"n_cols": 2.5}, "n_cols: 2.5 is not an integer"),
        ({"n_rows": 2**20, "n_cols": 2**20}, f"at most {MAX_CELLS} can be drawn"),
        ({"weight_density": 1.2}, "weight_density: 1.2, but it must be 0 to 1"),
        ({"weight_density": float("nan")}, "weight_density: nan is not a finite number"),
        ({"weight_density": "0.1"}, "weight_density: '0.1' is not a finite number"),
        ({"act_density": -0.1}, "act_density: -0.1, but it must be 0 to 1"),
        ({"row_spread": -1}, "row_spread: -1, but it must be 0 to 10"),
        ({"seed": -1}, "seed: -1, but it must be at least 0"),
        ({"seed": None}, "seed: None is not an integer"),
        ({"weight_bits": 9}, "weight_bits: 9, but it must be 1 to 8"),
        ({"index_bits": 1}, "index_bits: 1, but it must be 2 to 8"),
        ({"n_pe": 0}, "n_pe: 0, but it must be 1 to 4294967295"),
        ({"n_vectors": 0}, "n_vectors: 0, but it must be 1 to"),
        ({"name": ""}, "name: ''"),
    ],
)
def test_a_number_out_of_its_limits_is_named(change, message):
    with pytest.raises(ValueError) as caught:
        random_layer(**{"n_rows": 300, "n_cols": 200, "weight_density": 0.1, **change})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"row_trend": 1}, "row_trend: 1, but it must be between -1 and 1, both excluded"),
        ({"row_trend": -1.5}, "row_trend: -1.5, but it must be -1 to 1"),
        ({"interaction": 0.3}, "interaction: 0.3, but without block_columns it must be 0"),
        ({"block_columns": 0}, "block_columns: 0, but it must be at least 1"),
        ({"block_columns": 4, "block_offset": -1}, "block_offset: -1, but it must be at least 0"),
        ({"act_run": float("inf")}, "act_run: inf is not a finite number"),
    ],
)
def test_statistics_that_mean_nothing_are_refused(numbers, message):
    with pytest.raises(ValueError) as caught:
        LayerStatistics(0.1, **numbers)
    assert message in str(caught.value)


def test_an_unknown_layer_or_fit_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="layer: 'Alex-9', but the published layers are Alex-6, Alex-7"):
        calibrated_layer("Alex-9")
    with pytest.raises(ValueError, match="fit: 'best', but it must be one of all_points, pe64"):
        calibrated_layer("Alex-6", fit="best")


def test_inputs_must_fit_the_layer():
    layer = pack_codes([[1, 0, 2]], drawn_codebook(2), n_pe=1, name="tiny")
    assert Workload(layer, [1, 2, 3], "here").acts.dtype == np.float32
    with pytest.raises(ValueError, match=r"acts: shape \(2,\), but layer 'tiny' takes \(3,\) or \(B, 3\)"):
        Workload(layer, [1, 2], "here")
    with pytest.raises(ValueError, match="must be finite"):
        Workload(layer, [1, np.inf, 3], "here")


def test_inputs_of_a_workload_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        random_layer(3, 3, 0.5).acts[0] = 1
