"""Weight sharing: 1-D k-means per layer, to a codebook and a code for every weight (Deep Compression, section 3).

Code 0 is reserved for the value 0, so ``2**weight_bits - 1`` centroids share the weights. The weights are sorted once;
in sorted order a cluster is a stretch between two boundaries and its mean a difference of two running sums, so that a
Lloyd iteration costs a binary search for each boundary, not a pass over the weights.

Rules that make a result reproducible
-------------------------------------
- A weight midway between two centroids belongs to the lower one.
- A centroid is rounded to float32 in every iteration: what has settled is the codebook that is stored.
- A cluster that runs empty waits where it is. When the others have settled, each empty one moves to the weight that is
  farthest from its centroid (the lower one, where two are equally far), and the iterations go on. So the result is
  never worse than that of plain Lloyd iterations, and every code is used where there are enough distinct weights.
- Fewer distinct weights than centroids: each gets a centroid of its own, the error is 0, and the codes left over repeat
  the largest value.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats, whole_number
from compressor.jit import Arg, available_cores, in_threads, kernel
from compressor.types.sparse import LEAST_FOR_THREADS

INITIALISATIONS = ("linear", "density", "forgy", "exact")
"""Where the centroids begin; see `share_weights`."""

MAX_ITERATIONS = 10_000
"""Lloyd iterations before it is left at that; a settled assignment ends them long before."""

EXACT_POINTS = 1 << 17
"""The optimum is found for this many sorted weights; more are first joined in this many groups of neighbours."""


class SharingResult(NamedTuple):
    """What weight sharing finds.

    Attributes
    ----------
    codebook : ndarray of float32, shape (2**weight_bits,)
        Rising from code 1 on; ``codebook[0] == 0``.
    codes : ndarray of uint8, the shape of the weights
        1 and up: the nearest centroid of each weight.
    inertia : float
        Sum of the squared differences between the weights and their codebook values.
    iterations : int
        Lloyd iterations until the assignment stood still, or `max_iter`.
    """

    codebook: NDArray[np.float32]
    codes: NDArray[np.uint8]
    inertia: float
    iterations: int


class Clustering(NamedTuple):
    """A codebook and how good it is; the attributes of `SharingResult` of the same names."""

    codebook: NDArray[np.float32]
    inertia: float
    iterations: int


# Lloyd iterations on sorted weights -----------------------------------------------------------------------------------


@kernel
def _first_above(values: Arg, limit: Arg, low: Arg, high: Arg) -> int:
    """How many of the sorted `values` are not above `limit`, known to be `low` to `high`."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] > limit:
            high = middle
        else:
            low = middle + 1
    return int(low)


@kernel
def _first_above_near(values: Arg, limit: Arg, guess: Arg) -> int:
    """As `_first_above`, in growing steps from a guess: soon found when it is not far."""
    low, high, step = guess, guess, 1
    while low > 0 and values[low - 1] > limit:
        high = low - 1
        low = max(low - step, 0)
        step *= 2
    while high < len(values) and values[high] <= limit:
        low = high + 1
        high = min(high + step, len(values))
        step *= 2
    return _first_above(values, limit, low, high)


@kernel
def _lloyd(values: Arg, sums: Arg, max_iter: Arg, centroids: Arg, starts: Arg) -> int:
    """Move sorted `centroids` until the boundaries stand still; returns the iterations.

    Cluster ``c`` is ``values[starts[c] : starts[c + 1]]``; ``sums[i]`` is the running sum before value ``i``.
    """
    n_clusters = len(centroids)
    starts[0], starts[n_clusters] = 0, len(values)
    for iteration in range(max_iter):
        moved = iteration == 0  # the means must be taken once, even where the boundaries are right from the start
        for c in range(1, n_clusters):
            middle = (np.float64(centroids[c - 1]) + np.float64(centroids[c])) / 2
            # Boundaries move little from one iteration to the next: the search begins where this one was.
            at = _first_above_near(values, middle, starts[c])
            moved |= starts[c] != at
            starts[c] = at
        if not moved:
            return iteration
        for c in range(n_clusters):
            count = starts[c + 1] - starts[c]
            if count > 0:  # an empty cluster waits where it is
                centroids[c] = (sums[starts[c + 1]] - sums[starts[c]]) / count
    return int(max_iter)


@kernel
def _squared_error(values: Arg, centroid: Arg) -> float:
    error = 0.0
    for i in range(len(values)):
        difference = np.float64(values[i]) - np.float64(centroid)
        error += difference * difference
    return error


@kernel
def _assign(values: Arg, limits: Arg, codes: Arg) -> None:
    """The code of each value: 1 + the number of `limits` below it.

    Block by block and limit by limit: the block stays in the L1 cache and the inner loop is vector instructions, which
    beats a binary search.
    """
    for at in range(0, len(values), 2048):
        block, block_codes = values[at : at + 2048], codes[at : at + 2048]
        for i in range(len(block)):
            block_codes[i] = 1
        for m in range(len(limits)):
            limit = limits[m]
            for i in range(len(block)):
                block_codes[i] += block[i] > limit


@kernel
def _add_up(values: Arg, zero: Arg, sums: Arg) -> None:
    """Sums of the sorted `values` before each, up to a constant: from index `zero` upwards, and from it downwards."""
    total = 0.0
    sums[zero] = 0
    for i in range(zero, len(values)):
        total += np.float64(values[i])
        sums[i + 1] = total
    total = 0.0
    for i in range(zero - 1, -1, -1):
        total += np.float64(values[i])
        sums[i] = -total


def _settle(
    values: NDArray[np.float32], sums: NDArray[np.float64], start: NDArray[np.float32], max_iter: int
) -> Clustering:
    """Lloyd iterations from `start` until nothing moves, the empty clusters put to use as the module says."""
    centroids = np.sort(start)
    starts = np.zeros(centroids.size + 1, np.int64)
    iterations = 0
    while True:
        iterations += _lloyd(values, sums, max_iter - iterations, centroids, starts)
        empty = np.flatnonzero(starts[1:] == starts[:-1])
        if iterations == max_iter or not empty.size:
            break
        # There is one: an empty cluster leaves another with two distinct values, of which one is not its centroid.
        far = _farthest(values, centroids, starts, empty.size)
        centroids[empty[: far.size]] = far
        centroids.sort()
    # The error is that of the nearest centroids, to which `starts` may not have settled where `max_iter` ended it.
    middles = _middles(centroids)
    ends = [0, *(int(_first_above(values, middle, 0, values.size)) for middle in middles), values.size]
    clusters = [(values[ends[c] : ends[c + 1]], centroid) for c, centroid in enumerate(centroids)]
    workers = 1 if values.size < LEAST_FOR_THREADS else None
    errors = in_threads(lambda cluster: float(_squared_error(*cluster)), clusters, workers)
    return Clustering(_codebook(centroids), float(sum(errors)), iterations)


def _farthest(
    values: NDArray[np.float32], centroids: NDArray[np.float32], starts: NDArray[np.int64], wanted: int
) -> NDArray[np.float32]:
    """Up to `wanted` distinct values farthest from their centroids, farthest first: a cluster's are at its two ends."""
    used = np.flatnonzero(starts[1:] > starts[:-1])
    ends = np.concatenate([values[starts[used]], values[starts[used + 1] - 1]])
    distance = np.abs(ends - np.tile(centroids[used].astype(np.float64), 2))
    order = np.lexsort((ends, -distance))  # by distance, descending; of equal ones the lower value first
    farthest = ends[order[distance[order] > 0]]
    _, first = np.unique(farthest, return_index=True)  # one empty cluster for each value, however often it is there
    return np.asarray(farthest[np.sort(first)][:wanted], np.float32)


def _middles(centroids: NDArray[np.float32]) -> NDArray[np.float64]:
    """Midway between neighbours, exactly: a sum of two float32s fits a float64 or is out of reach of float32s."""
    return (centroids[1:].astype(np.float64) + centroids[:-1]) / 2


def _codebook(centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(1, np.float32), centroids])


# Where the centroids begin --------------------------------------------------------------------------------------------


def _linear(values: NDArray[np.float32], n_clusters: int) -> NDArray[np.float32]:
    """Evenly from the smallest to the largest weight."""
    if n_clusters == 1:
        return np.array([(np.float64(values[0]) + values[-1]) / 2], np.float32)
    return np.linspace(values[0], values[-1], n_clusters, dtype=np.float64).astype(np.float32)


def _density(values: NDArray[np.float32], n_clusters: int) -> NDArray[np.float32]:
    """Evenly over the cumulative distribution: the weights at the middles of `n_clusters` equal shares."""
    return values[(2 * np.arange(n_clusters) + 1) * values.size // (2 * n_clusters)]


# The optimum ----------------------------------------------------------------------------------------------------------


@kernel
def _next_layer(count: Arg, total: Arg, square: Arg, clusters: Arg, before: Arg, after: Arg, split: Arg) -> None:
    """Least cost ``after[j]`` of the first j points in `clusters` clusters, from `before`, that of one cluster fewer.

    ``split[j]`` is where the last cluster begins; it never falls as j grows, so those of j - step and j + step enclose
    it: the j are visited in halving steps and every level costs one pass (divide and conquer, without recursion).
    """
    n = len(after) - 1
    step = 1
    while step <= n:
        step *= 2
    while step > 0:
        for j in range(step, n + 1, 2 * step):
            if j < clusters:
                continue
            low = max(clusters - 1, split[j - step])
            high = min(j - 1, split[j + step]) if j + step <= n else j - 1
            best, at = np.inf, low
            for i in range(low, high + 1):
                # The squared error of the points i .. j - 1 about their mean, from the running sums; where all are
                # equal, rounding could make it less than 0.
                sum_of_points = total[j] - total[i]
                of_mean = sum_of_points * sum_of_points / (count[j] - count[i])
                cost = before[i] + max(square[j] - square[i] - of_mean, 0.0)
                if cost < best:
                    best, at = cost, i
            after[j], split[j] = best, at
        step //= 2


def _optimal_starts(values: NDArray[np.float32], n_clusters: int) -> NDArray[np.int64]:
    """Where the clusters of least squared error begin in the sorted `values`; int64, shape (n_clusters + 1,).

    Dynamic programming over the number of clusters: ``O(n_clusters * n * log n)`` time. More than `EXACT_POINTS` values
    are joined in that many groups of neighbours, which stay together.
    """
    edges = np.linspace(0, values.size, min(values.size, EXACT_POINTS) + 1).astype(np.int64)
    # About the mean, so that the squares do not swallow the differences that decide.
    centred = values - values.mean(dtype=np.float64)
    count = edges.astype(np.float64)
    total = np.concatenate([[0.0], np.cumsum(centred)])[edges]
    square = np.concatenate([[0.0], np.cumsum(np.square(centred))])[edges]
    n = edges.size - 1
    split = np.zeros((n_clusters, n + 1), np.int32)
    before = np.full(n + 1, np.inf)
    before[0] = 0
    for clusters in range(1, n_clusters + 1):
        after = np.full(n + 1, np.inf)
        _next_layer(count, total, square, clusters, before, after, split[clusters - 1])
        before = after
    starts = [n]  # from the last cluster back to the first: each split says where the cluster before it ends
    for clusters in range(n_clusters, 0, -1):
        starts.append(int(split[clusters - 1, starts[-1]]))
    return edges[starts[::-1]]


def _starts(
    values: NDArray[np.float32], sums: NDArray[np.float64], n_clusters: int, init: str, seed: int
) -> list[NDArray[np.float32]]:
    """The centroids to begin with; where "exact" joins weights in groups, it shall not lose to a simpler start."""
    if init == "linear":
        return [_linear(values, n_clusters)]
    if init == "density":
        return [_density(values, n_clusters)]
    if init == "forgy":
        return [values[np.random.default_rng(seed).choice(values.size, n_clusters, replace=False)]]
    starts = _optimal_starts(values, n_clusters)
    means = ((sums[starts[1:]] - sums[starts[:-1]]) / np.diff(starts)).astype(np.float32)
    simpler = [_linear(values, n_clusters), _density(values, n_clusters)] if values.size > EXACT_POINTS else []
    return [means, *simpler]


# The public face ------------------------------------------------------------------------------------------------------


def cluster(
    weights: ArrayLike, weight_bits: int = 4, init: str = "linear", seed: int = 0, max_iter: int = MAX_ITERATIONS
) -> Clustering:
    """The codebook of `weights`, without their codes; arguments as for `share_weights`."""
    bits = whole_number("weight_bits", weight_bits, 1, 8)
    rounds = whole_number("max_iter", max_iter, 1)
    seed = whole_number("seed", seed, 0)
    if init not in INITIALISATIONS:
        raise ValueError(f"init: {init!r}, but it must be one of {', '.join(INITIALISATIONS)}")
    values = np.sort(as_floats("weights", weights), axis=None)
    n_clusters = (1 << bits) - 1
    distinct = _few_distinct(values, n_clusters)
    if distinct is not None:
        last = distinct[-1:] if distinct.size else np.zeros(1, np.float32)
        return Clustering(_codebook(np.append(distinct, last.repeat(n_clusters - distinct.size))), 0.0, 0)
    # Summed from zero outwards: the small weights add up before the large ones can swallow their digits.
    sums = np.empty(values.size + 1)
    _add_up(values, int(np.searchsorted(values, 0)), sums)
    starts = _starts(values, sums, n_clusters, init, seed)
    found = [_settle(values, sums, start, rounds) for start in starts]
    return min(found, key=lambda one: one.inertia)


def _few_distinct(values: NDArray[np.float32], limit: int) -> NDArray[np.float32] | None:
    """The distinct of the sorted `values`, or None when there are more than `limit`; stops looking when it knows."""
    found: list[np.float32] = []
    at = 0
    while at < values.size:
        if len(found) == limit:
            return None
        found.append(values[at])
        at = int(_first_above(values, values[at], at, values.size))
    return np.array(found, np.float32)


def assign_codes(weights: ArrayLike, codebook: ArrayLike) -> NDArray[np.uint8]:
    """The code of the nearest of ``codebook[1:]``, which rise, for each weight; the lower where two are equally near.

    Code 0 is never given: a weight that was kept stays a weight.

    Returns
    -------
    ndarray of uint8, the shape of `weights`
    """
    values = np.asarray(weights, np.float32)
    middles = _middles(as_floats("codebook", codebook)[1:])
    limits = middles.astype(np.float32)
    above = limits > middles  # of float32s, those above the middle are those above the float32 at or below it
    limits[above] = np.nextafter(limits[above], np.float32(-np.inf))
    flat = np.ascontiguousarray(values).reshape(-1)
    codes = np.empty(flat.size, np.uint8)
    step = max(1, flat.size if flat.size < LEAST_FOR_THREADS else -(-flat.size // available_cores()))
    parts = [slice(at, at + step) for at in range(0, flat.size, step)]
    in_threads(lambda part: _assign(flat[part], limits, codes[part]), parts)
    return codes.reshape(values.shape)


def share_weights(
    weights: ArrayLike, weight_bits: int = 4, init: str = "linear", seed: int = 0, max_iter: int = MAX_ITERATIONS
) -> SharingResult:
    """Share weights by 1-D k-means.

    Parameters
    ----------
    weights : array_like of float32, any shape
        The weights that were kept: each gets a code of 1 and up, also one that is 0.
    weight_bits : int
        1 .. 8; there are ``2**weight_bits - 1`` centroids beside the value 0.
    init : {"linear", "density", "forgy", "exact"}
        Where the centroids begin. *linear*: evenly from the smallest to the largest weight, which Deep Compression
        finds best for accuracy. *density*: evenly over the cumulative distribution. *forgy*: weights picked at random
        by `seed`. *exact*: at the optimum, found by dynamic programming, for up to `EXACT_POINTS` weights. More are
        joined in that many groups of neighbours in sorted order, the optimum over the groups is found and improved by
        Lloyd iterations over the weights, and what linear and density starts reach is taken where it is better. The
        inertia is then above the optimum by at most ``2 * m * h * d`` for each of the boundaries, a group being of m
        weights and width h, and d the distance of the two centroids of that boundary in the optimum.
    seed : int
        For *forgy*.
    max_iter : int
        Most Lloyd iterations.

    Returns
    -------
    SharingResult

    Raises
    ------
    ValueError
        When an argument is out of its limits or a weight is not finite.
    """
    values = as_floats("weights", weights)
    found = cluster(values, weight_bits, init, seed, max_iter)
    return SharingResult(found.codebook, assign_codes(values, found.codebook), found.inertia, found.iterations)
