import os

import numpy as np
import pytest

from benchmarks import kmeans_speed
from benchmarks.harness import Report
from benchmarks.kmeans_speed import (
    N_CENTROIDS,
    Case,
    Comparison,
    cases_of,
    compare,
    inertia_of,
    initialisations,
    iterations_to,
    pruned_weights,
    start_of,
)
from compressor.jit import available_cores
from compressor.weight_sharing import INITIALISATIONS, cluster
from tests.extras import needs

needs("sklearn", "dev")
from sklearn.cluster import KMeans  # noqa: E402

WEIGHTS = pruned_weights(3000)


def test_the_weights_are_as_many_as_asked_and_none_is_small():
    assert (WEIGHTS.shape, WEIGHTS.dtype) == ((3000,), np.float32)
    assert np.abs(WEIGHTS).min() > 0.5 * WEIGHTS.std()
    assert np.array_equal(WEIGHTS, pruned_weights(3000))


def test_both_sides_begin_at_the_same_centroids_and_do_the_same_iterations():
    start = start_of(WEIGHTS, "density")
    for rounds in (1, 2, 7):
        theirs = KMeans(N_CENTROIDS, init=start[:, None], n_init=1, tol=0, max_iter=rounds).fit(WEIGHTS[:, None])
        ours = cluster(WEIGHTS, 4, "density", max_iter=rounds)
        # Their distances are float32: a weight or two at a boundary may fall to the other side.
        assert np.sort(theirs.cluster_centers_.reshape(-1)) == pytest.approx(ours.codebook[1:], rel=1e-3)


def test_the_linear_start_reaches_from_the_smallest_to_the_largest_weight():
    start = start_of(WEIGHTS, "linear")
    assert (start[0], start[-1], start.size) == (WEIGHTS.min(), WEIGHTS.max(), N_CENTROIDS)
    assert np.diff(start) == pytest.approx(np.diff(start).mean(), rel=1e-4)


def test_inertia_is_the_squared_distance_to_the_nearest_centroid():
    assert inertia_of(np.array([0, 1, 2, 9], np.float32), np.array([[8.0], [1.0]])) == 1 + 0 + 1 + 1
    ours = cluster(WEIGHTS)
    assert inertia_of(WEIGHTS, ours.codebook[1:]) == pytest.approx(ours.inertia, rel=1e-9)


def test_the_first_iteration_that_is_as_good_is_found():
    rounds, end = iterations_to(WEIGHTS, "density"), cluster(WEIGHTS, 4, "density")
    assert 1 < rounds < end.iterations
    assert cluster(WEIGHTS, 4, "density", max_iter=rounds).inertia <= end.inertia * (1 + kmeans_speed.SAME_INERTIA)
    assert cluster(WEIGHTS, 4, "density", max_iter=rounds - 1).inertia > end.inertia * (1 + kmeans_speed._STOP_BELOW)


def test_a_comparison_tells_the_inertia_of_the_other_side():
    same, default, linear = (compare(case, available_cores(), 1) for case in cases_of(WEIGHTS))
    assert abs(same.more) <= kmeans_speed.SAME_INERTIA
    assert default.more > same.more
    assert linear.case.init == "linear"
    assert len(same.row) == len(kmeans_speed.COLUMNS)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen on this system")
def test_one_core_is_used_for_a_while_only():
    before = available_cores()
    with kmeans_speed._on_cores(1):
        assert available_cores() == 1
    assert available_cores() == before


@pytest.mark.compiled_only
def test_every_initialisation_has_a_row_and_the_best_is_at_zero():
    rows = initialisations(WEIGHTS, 1)
    assert [row[1] for row in rows] == list(INITIALISATIONS)
    assert min(row[-1] for row in rows) == 0


def comparison(stop, ratio, more):
    case = Case(WEIGHTS, "density", WEIGHTS[:15], stop, {})
    return Comparison(case, 1, ratio, more, ())


@pytest.mark.parametrize(
    ("ratio", "more", "is_met"), [(20, 1e-3, True), (19.9, 0, False), (900, -2e-3, False), (900, 2e-3, False)]
)
def test_the_bar_is_on_the_worst_ratio_at_the_same_inertia(ratio, more, is_met):
    found = [comparison("same inertia", 100, 0), comparison("same inertia", ratio, more), comparison("default", 2, 0.3)]
    assert Report(kmeans_speed._figures(found)).met == is_met
