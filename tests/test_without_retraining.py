"""The benchmark of compression without retraining: its inputs, its bars, and what it says of a small network."""

import numpy as np
import pytest

from benchmarks.without_retraining import (
    LOSS_BARS,
    Case,
    Outcome,
    Score,
    drawn_speech,
    figures_of,
    file_features,
    large_layer,
    largest_reduction,
    measured,
)
from tests.compressor.calibration.small_graphs import matrices


def an_outcome(density, calibrated=90.0, magnitude=80.0):
    return Outcome("a network", density, 400, 91.0, magnitude, calibrated, 2.9, 1.0)


def test_features_of_a_file_are_its_begin_without_blanks_before_it_and_its_end_without_those_after_it():
    found = file_features(b"\n ab  ")
    assert found.shape == (2048,)
    assert bytes(found[:4].tolist()) == b"ab  "
    assert bytes(found[-4:].tolist()) == b"\n ab"
    assert (found == 256).sum() == 2048 - 8


def test_speech_is_the_same_for_a_seed_and_windows_overlap():
    first, second, other = (drawn_speech(20, seed) for seed in (0, 0, 1))
    assert first.shape == (20, 576)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first[1:, :64], first[:-1, -64:])
    assert np.abs(first).max() < 10


def test_the_bars_are_those_of_half_and_of_a_third_of_the_weights():
    assert LOSS_BARS == {0.5: 1.0, 0.3: 3.0}
    half, tenth = (figures_of(an_outcome(density))[0] for density in (0.5, 0.1))
    assert half.value == pytest.approx(1.0)
    assert half.met
    assert half.note == "magnitude loses 11.0; 95 % within 2.9"
    assert not figures_of(an_outcome(0.5, 89.9))[0].met
    assert tenth.bar is None


def test_the_interval_of_a_mean_over_rare_and_common_answers_is_that_of_the_rare_ones():
    plain = Score.of((0.9, 400))
    assert plain.percent == pytest.approx(90)
    assert plain.interval == pytest.approx(100 * 1.96 * (0.9 * 0.1 / 400) ** 0.5)
    both = Score.of((0.5, 25), (0.98, 2500))
    assert both.percent == pytest.approx(74)
    assert both.interval == pytest.approx(100 * 1.96 / 2 * (0.25 / 25 + 0.98 * 0.02 / 2500) ** 0.5)


def test_the_largest_reduction_ends_where_a_density_first_loses_more():
    curve = [an_outcome(0.5), an_outcome(0.25, 90.5), an_outcome(0.2, 80.0), an_outcome(0.1, 90.5)]
    assert largest_reduction(curve, "calibrated") == 4
    assert largest_reduction(curve, "magnitude") is None


def test_a_network_is_measured_by_agreement_where_there_are_no_labels(tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(0))
    case = Case("small", network, {"x": inputs[:100]}, {"x": inputs[100:]})
    found = measured(case, 0.8)
    assert (found.n, found.before) == (100, 100.0)
    assert 80 <= found.calibrated <= 100


def test_a_large_layer_is_timed_with_its_peak_memory():
    seconds, peak = large_layer(64)
    assert 0 < seconds < 60
    assert peak is None or peak > 0
