from itertools import combinations

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compressor import weight_sharing
from compressor.types.coded import nearest_codes
from compressor.weight_sharing import INITIALISATIONS, assign_codes, cluster, share_weights
from tests.examples import examples

# Multiples of 1/8: sums, means of few and squares are exact, so that equal means equal.
EIGHTHS = st.integers(-40, 40).map(lambda n: n / 8)
WEIGHTS = hnp.arrays(np.float32, st.integers(1, 60), elements=EIGHTHS)
ANY = hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(-1e4, 1e4, width=32))
DISTINCT = hnp.arrays(np.float32, st.integers(16, 50), elements=st.integers(-999, 999).map(float), unique=True)
BITS = st.integers(1, 5)
COMMON = settings(deadline=None, max_examples=examples(60))

needs_compiled_kernels = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too many weights for plain Python")


def error_of(weights, codebook):
    """The squared error when every weight takes the nearest real centroid."""
    distance = np.abs(weights.astype(np.float64)[:, None] - codebook[1:].astype(np.float64))
    return float((distance.min(axis=1) ** 2).sum())


def naive_lloyd(weights, centroids):
    """Lloyd iterations in plain numpy; the lower centroid at a tie, an empty cluster stays. Returns the codebook."""
    centroids = np.sort(centroids.astype(np.float32))
    codes = None
    while True:
        found = np.abs(weights.astype(np.float64)[:, None] - centroids).argmin(axis=1)
        if np.array_equal(found, codes):
            return np.append(np.float32(0), centroids)
        codes = found
        for c in range(len(centroids)):
            if np.any(codes == c):
                centroids[c] = weights[codes == c].mean(dtype=np.float64)


def naive_optimum(weights, n_clusters):
    """Least squared error over every way to cut the sorted weights into stretches."""
    ordered = np.sort(weights.astype(np.float64))
    best = np.inf
    for cuts in combinations(range(1, ordered.size), n_clusters - 1):
        parts = np.split(ordered, cuts)
        best = min(best, sum(float(((part - part.mean()) ** 2).sum()) for part in parts))
    return best


START_OF = {
    "linear": lambda values, k: np.linspace(values.min(), values.max(), k) if k > 1 else values[:1],
    "density": lambda values, k: np.sort(values)[[int((i + 0.5) * values.size / k) for i in range(k)]],
}


@COMMON
@given(WEIGHTS, BITS, st.sampled_from(sorted(START_OF)))
def test_the_result_is_never_worse_than_plain_lloyd_from_the_same_start(weights, bits, init):
    n_clusters = (1 << bits) - 1
    assume(np.unique(weights).size > n_clusters)
    naive = naive_lloyd(weights, START_OF[init](weights, n_clusters))
    assert share_weights(weights, bits, init).inertia <= error_of(weights, naive) * (1 + 1e-6) + 1e-12


@COMMON
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from(sorted(START_OF)))
def test_without_an_empty_cluster_it_is_plain_lloyd_exactly(seed, bits, init):
    weights = (np.random.default_rng(seed).standard_normal(300) * 256).round().astype(np.float32) / 256
    naive = naive_lloyd(weights, START_OF[init](weights, (1 << bits) - 1))
    assume(np.unique(assign_codes(weights, naive)).size == (1 << bits) - 1)
    assert np.array_equal(share_weights(weights, bits, init).codebook, naive)


@COMMON
@given(WEIGHTS, BITS)
def test_exact_is_never_worse_than_any_other_initialisation(weights, bits):
    error = {init: cluster(weights, bits, init).inertia for init in INITIALISATIONS}
    assert error["exact"] <= min(error.values()) * (1 + 1e-6) + 1e-12


@COMMON
@given(hnp.arrays(np.float32, st.integers(1, 9), elements=EIGHTHS), st.integers(1, 3))
def test_exact_is_the_optimum_over_every_partition(weights, bits):
    n_clusters = min((1 << bits) - 1, weights.size)
    assert cluster(weights, bits, "exact").inertia == pytest.approx(naive_optimum(weights, n_clusters), abs=1e-9)


@settings(deadline=None, max_examples=examples(10))
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_exact_is_the_optimum_of_a_plain_dynamic_programme(seed, bits):
    weights = np.sort(np.random.default_rng(seed).standard_normal(40).astype(np.float32))
    values = weights.astype(np.float64)
    best = [0.0] + [np.inf] * values.size
    for _ in range((1 << bits) - 1):
        best = [np.inf] + [
            min(best[i] + ((values[i:j] - values[i:j].mean()) ** 2).sum() for i in range(j))
            for j in range(1, values.size + 1)
        ]
    assert cluster(weights, bits, "exact").inertia == pytest.approx(best[-1], rel=1e-6)


def test_exact_in_groups_stays_within_its_bound_and_beats_the_simple_starts(monkeypatch):
    weights = np.sort(np.random.default_rng(3).laplace(size=2000).astype(np.float32))
    optimum = cluster(weights, 3, "exact")
    groups = 100
    monkeypatch.setattr(weight_sharing, "EXACT_POINTS", groups)
    grouped = cluster(weights, 3, "exact")
    m = weights.size // groups
    per_boundary = []
    for left, right in zip(optimum.codebook[1:], optimum.codebook[2:], strict=False):
        at = np.searchsorted(weights, (float(left) + float(right)) / 2) // m * m
        per_boundary.append(2 * m * float(weights[at + m - 1] - weights[at]) * float(right - left))
    assert optimum.inertia * (1 - 1e-6) <= grouped.inertia <= optimum.inertia + sum(per_boundary)
    assert grouped.inertia <= min(cluster(weights, 3, init).inertia for init in ("linear", "density"))


@needs_compiled_kernels
def test_exact_finds_the_optimum_of_a_hundred_thousand_weights():
    # Seven far clusters, each mirror-symmetric about its centre: the optimum is known.
    offsets = np.arange(1, 7501) / 2**15
    centres = np.array([-40, -20, -11, 1, 8, 30, 64])
    weights = np.concatenate([centre + side * offsets for centre in centres for side in (-1, 1)]).astype(np.float32)
    found = cluster(weights, 3, "exact")
    assert weights.size > 100_000
    assert found.codebook[1:].tolist() == centres.tolist()
    assert found.inertia == pytest.approx(14 * float((offsets**2).sum()), rel=1e-9)


@COMMON
@given(ANY, BITS, st.sampled_from(INITIALISATIONS))
def test_every_codebook_is_finite_rising_and_begins_with_zero(weights, bits, init):
    shared = share_weights(weights, bits, init)
    assert shared.codebook.dtype == np.float32
    assert shared.codebook.shape == (1 << bits,)
    assert shared.codebook[0] == 0
    assert np.isfinite(shared.codebook).all()
    assert np.all(np.diff(shared.codebook[1:]) >= 0)


@COMMON
@given(ANY, BITS, st.sampled_from(INITIALISATIONS))
def test_every_code_is_the_nearest_centroid_and_never_zero(weights, bits, init):
    shared = share_weights(weights, bits, init)
    assert np.all((shared.codes >= 1) & (shared.codes < 1 << bits))
    taken = np.abs(weights.astype(np.float64) - shared.codebook[shared.codes])
    nearest = np.abs(weights.astype(np.float64)[:, None] - shared.codebook[1:]).min(axis=1, initial=np.inf)
    assert np.array_equal(taken, nearest)
    assert shared.inertia == pytest.approx(float((taken**2).sum()), rel=1e-9, abs=1e-30)


@COMMON
@given(DISTINCT, st.integers(1, 4), st.sampled_from(INITIALISATIONS))
def test_every_code_is_used_where_there_are_enough_distinct_weights(weights, bits, init):
    assert np.unique(share_weights(weights, bits, init).codes).size == (1 << bits) - 1


@COMMON
@given(WEIGHTS, st.integers(3, 8), st.sampled_from(INITIALISATIONS))
def test_fewer_distinct_weights_than_centroids_are_kept_as_they_are(weights, bits, init):
    assume(np.unique(weights).size < 1 << bits)
    shared = share_weights(weights, bits, init)
    assert np.array_equal(shared.codebook[shared.codes], weights)
    assert (shared.inertia, shared.iterations) == (0, 0)
    assert np.all(shared.codebook[1 + np.unique(weights).size :] == weights.max())


def test_a_weight_midway_belongs_to_the_lower_centroid():
    assert assign_codes([1.5, np.nextafter(np.float32(1.5), np.float32(2))], [0, 1, 2, 3]).tolist() == [1, 2]


def test_neighbouring_float32s_with_no_float32_midway_each_belong_to_themselves():
    neighbours = [np.float32(1)]
    for _ in range(2):  # of two middles one rounds down to float32 and the other up
        neighbours.append(np.nextafter(neighbours[-1], np.float32(2)))
    assert assign_codes(neighbours, [0, *neighbours]).tolist() == [1, 2, 3]


@COMMON
@given(ANY, BITS)
def test_nearest_codes_agree_where_zero_is_not_the_nearest(weights, bits):
    shared = share_weights(weights, bits)
    with_zero = nearest_codes(weights, shared.codebook)
    assert np.array_equal(with_zero[with_zero != 0], shared.codes[with_zero != 0])


def test_an_empty_cluster_moves_to_the_farthest_weight():
    # The linear start has its middle centroid at 5, where no weight is; plain Lloyd would leave it there. Weights 0 and
    # 2 are equally far from their centroid 1: the lower one gets it.
    weights = np.array([0, 1, 2, 10, 10], np.float32)
    shared = share_weights(weights, 2, "linear")
    assert shared.codes.tolist() == [1, 2, 2, 3, 3]
    assert shared.codebook.tolist() == [0, 0, 1.5, 10]


def test_small_weights_keep_their_digits_beside_a_huge_one():
    weights = np.array([-1e30, 0.25, 0.5, 0.5, 0.75, 1e30], np.float32)
    assert cluster(weights, 2, "linear").codebook.tolist() == [0, np.float32(-1e30), 0.5, np.float32(1e30)]


def test_forgy_depends_on_its_seed_alone():
    weights = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    books = [cluster(weights, 4, "forgy", seed).codebook for seed in (1, 1, 2)]
    assert np.array_equal(books[0], books[1])
    assert not np.array_equal(books[0], books[2])


def test_max_iter_ends_the_iterations_with_codes_that_fit_the_codebook():
    weights = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    shared = share_weights(weights, 4, max_iter=3)
    assert shared.iterations == 3
    assert share_weights(weights, 4).inertia < shared.inertia
    assert shared.inertia == pytest.approx(error_of(weights, shared.codebook), rel=1e-9)


def test_nothing_to_share_gives_a_codebook_of_zeros():
    shared = share_weights(np.zeros((0, 3), np.float32))
    assert shared.codebook.tolist() == [0.0] * 16
    assert shared.codes.shape == (0, 3)


def test_codes_have_the_shape_of_the_weights():
    weights = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    shared = share_weights(weights, 3)
    assert shared.codes.shape == weights.shape
    assert shared.codes.dtype == np.uint8


@pytest.mark.parametrize("cores", [1, 3, 5])
@pytest.mark.parametrize("init", INITIALISATIONS)
def test_the_number_of_cores_changes_nothing(monkeypatch, cores, init):
    weights = np.random.default_rng(0).standard_normal(700).astype(np.float32)
    expected = share_weights(weights, 3, init)
    monkeypatch.setattr(weight_sharing, "LEAST_FOR_THREADS", 1)
    for module in ("compressor.weight_sharing", "compressor.jit"):
        monkeypatch.setattr(f"{module}.available_cores", lambda: cores)
    found = share_weights(weights, 3, init)
    assert np.array_equal(found.codes, expected.codes)
    assert np.array_equal(found.codebook, expected.codebook)
    assert found.inertia == expected.inertia


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight_bits": 0}, "weight_bits: 0, but it must be 1 to 8"),
        ({"weight_bits": 9}, "weight_bits: 9, but it must be 1 to 8"),
        ({"init": "kmeans++"}, "init: 'kmeans\\+\\+', but it must be one of linear, density, forgy, exact"),
        ({"max_iter": 0}, "max_iter: 0, but it must be at least 1"),
        ({"weights": [1, np.nan]}, r"weights: nan at \(1,\), but every number must be finite"),
    ],
)
def test_an_argument_out_of_its_limits_is_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        share_weights(**{"weights": [1.0, 2.0], **arguments})
