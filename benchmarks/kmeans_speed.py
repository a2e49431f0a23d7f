"""1-D k-means against scikit-learn's ``KMeans``: ``python -m benchmarks.kmeans_speed`` (extra ``dev``).

The same float32 weights, what pruning to 9 % leaves of layers drawn as `benchmarks.alexnet_fc` says; the same 15
centroids to begin with, at the middles of 15 equal shares of the sorted weights ("density"). From there no cluster runs
empty, so both sides do the same Lloyd iterations. Both find the centroids, a label for every weight and the inertia;
here `share_weights`, sort and all, until nothing moves any more, there ``KMeans(n_init=1, algorithm="lloyd")``, stopped
in two ways:

- *same inertia*: at the first iteration whose inertia is within 0.1 % of ours. The bar is on this, and on the smallest
  of the ratios. To run scikit-learn on until nothing moves would only make them larger.
- *default*: by its default tolerance, which ends the iterations far earlier, at a worse inertia: how much is told.

"density" is not our default: from "linear" some clusters begin empty, which the two mend each in its own way, and so
end in different optima; those rows (default tolerance) are for information. Each on all cores of this process and on
one, where the processor's time is taken, not the clock's. Medians; the two sides take turns. Other work on the machine
slows a side that takes long, or whose threads wait for each other, more than ours: only on a quiet machine are the rows
of several cores worth reading.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.alexnet_fc import trained_like
from benchmarks.harness import Figure, Report, Table, command, positive, timings
from compressor.jit import available_cores
from compressor.prune import cut_to_density, prune_mask
from compressor.weight_sharing import INITIALISATIONS, cluster, share_weights

WEIGHT_BITS = 4
N_CENTROIDS = 2**WEIGHT_BITS - 1
DENSITY = 0.09
SIZES = (20_000, 1_000_000, 5_000_000)
"""Weights after pruning: a small layer; between AlexNet's fc8 and fc7; more than its fc6."""

LEAST_RATIO = 20.0
SAME_INERTIA = 1e-3
_STOP_BELOW = 0.9 * SAME_INERTIA  # float32 sums inside scikit-learn shall not carry it beyond

COLUMNS = (
    "weights", "start", "scikit-learn stops", "cores", "ours ms", "iterations", "scikit-learn ms", "its iterations",
    "ratio", "its inertia more %",
)  # fmt: skip


class Case(NamedTuple):
    """One comparison.

    Attributes
    ----------
    weights : ndarray of float32, shape (n,)
    init : str
        Our initialisation, to which `start` belongs.
    start : ndarray of float32, shape (N_CENTROIDS,)
    stop : str
        How scikit-learn ends: "same inertia" or "default".
    settings : dict
        Of ``KMeans``, for that.
    """

    weights: NDArray[np.float32]
    init: str
    start: NDArray[np.float32]
    stop: str
    settings: dict[str, Any]


class Comparison(NamedTuple):
    """What a case comes to: `ratio` is scikit-learn's time over ours, `more` its inertia over ours, less 1."""

    case: Case
    cores: int
    ratio: float
    more: float
    row: tuple[object, ...]


def pruned_weights(n: int) -> NDArray[np.float32]:
    """`n` weights that pruning to `DENSITY` leaves of a layer; float32, in the order of the layer."""
    layer = trained_like((1, -(-n * 100 // round(DENSITY * 100))), seed=n)
    return np.asarray(layer[prune_mask(layer, cut_to_density(layer, DENSITY))][:n])


def start_of(weights: NDArray[np.float32], init: str) -> NDArray[np.float32]:
    """The centroids that `share_weights` begins with, found anew; "density" or "linear"."""
    ordered = np.sort(weights)
    if init == "linear":
        return np.linspace(ordered[0], ordered[-1], N_CENTROIDS, dtype=np.float64).astype(np.float32)
    return ordered[[(2 * share + 1) * ordered.size // (2 * N_CENTROIDS) for share in range(N_CENTROIDS)]]


def inertia_of(weights: NDArray[np.float32], centroids: NDArray[np.floating]) -> float:
    """Sum of the squared distances to the nearest centroid in float64: one measure for both sides."""
    rising = np.sort(centroids.reshape(-1).astype(np.float64))
    nearest = rising[np.searchsorted((rising[1:] + rising[:-1]) / 2, weights)]
    return float(np.square(nearest - weights).sum())


def iterations_to(weights: NDArray[np.float32], init: str) -> int:
    """Lloyd iterations until the inertia is as good as that of the end, which it nears without ever rising."""
    found = cluster(weights, WEIGHT_BITS, init)
    low, high = 1, max(found.iterations, 1)
    while low < high:
        middle = (low + high) // 2
        if cluster(weights, WEIGHT_BITS, init, max_iter=middle).inertia <= found.inertia * (1 + _STOP_BELOW):
            high = middle
        else:
            low = middle + 1
    return low


def cases_of(weights: NDArray[np.float32]) -> list[Case]:
    """What is compared on these weights."""
    density, linear = start_of(weights, "density"), start_of(weights, "linear")
    same = {"tol": 0, "max_iter": iterations_to(weights, "density")}
    return [
        Case(weights, "density", density, "same inertia", same),
        Case(weights, "density", density, "default", {}),
        Case(weights, "linear", linear, "default", {}),
    ]


def compare(case: Case, cores: int, repeats: int) -> Comparison:
    """Time both sides in turn."""
    from sklearn.cluster import KMeans

    points, start = case.weights[:, None], case.start[:, None]
    theirs = KMeans(N_CENTROIDS, init=start, n_init=1, algorithm="lloyd", **case.settings)

    ours = partial(share_weights, case.weights, WEIGHT_BITS, case.init)
    clock = time.process_time if cores == 1 else time.perf_counter
    with _on_cores(cores):
        ours_ms, theirs_ms = _medians_ms([ours, lambda: theirs.fit(points)], repeats, clock)
    found = ours()
    # Ours by the same measure, so that a wrong sum of ours would show.
    more = inertia_of(case.weights, theirs.cluster_centers_) / inertia_of(case.weights, found.codebook[1:]) - 1
    ratio = theirs_ms / ours_ms
    row = (
        case.weights.size, case.init, case.stop, cores, ours_ms, found.iterations, theirs_ms, theirs.n_iter_, ratio,
        more * 100,
    )  # fmt: skip
    return Comparison(case, cores, ratio, more, row)


def _medians_ms(sides: list[Callable[[], object]], repeats: int, clock: Callable[[], float]) -> list[float]:
    """Median milliseconds of each side by `clock`, in turn, after a first call that does not count."""
    samples: list[list[float]] = [[] for _ in sides]
    for _ in range(1 + repeats):
        for side, of_side in zip(sides, samples, strict=True):
            began = clock()
            side()
            of_side.append(1e3 * (clock() - began))
    return [statistics.median(of_side[1:]) for of_side in samples]


@contextmanager
def _on_cores(n: int) -> Iterator[None]:
    """Both sides on `n` of the cores of this process: ours count them, scikit-learn's threads are told."""
    from threadpoolctl import threadpool_limits

    if n == available_cores():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:n])
    try:
        with threadpool_limits(n):
            yield
    finally:
        os.sched_setaffinity(0, before)


def initialisations(weights: NDArray[np.float32], repeats: int) -> list[tuple[object, ...]]:
    """One row for each of our initialisations: how long it takes, and how near the best of them it comes."""
    timing = timings({init: partial(share_weights, weights, WEIGHT_BITS, init) for init in INITIALISATIONS}, repeats)
    found = {init: cluster(weights, WEIGHT_BITS, init) for init in INITIALISATIONS}
    best = min(one.inertia for one in found.values())
    return [
        (weights.size, init, timing[init].median_s * 1e3, one.iterations, (one.inertia / best - 1) * 100)
        for init, one in found.items()
    ]


def measure(options: argparse.Namespace) -> Report:
    """Take all figures."""
    import sklearn

    can_choose = hasattr(os, "sched_setaffinity")
    all_cores = sorted({1, available_cores()} if can_choose else {available_cores()}, reverse=True)
    found: list[Comparison] = []
    starts: list[tuple[object, ...]] = []
    for n in options.sizes:
        weights = pruned_weights(n)
        repeats = options.repeats if n >= SIZES[1] else 5 * options.repeats  # milliseconds: more of them
        found += [compare(case, cores, repeats) for case in cases_of(weights) for cores in all_cores]
        starts += initialisations(weights, options.repeats)
    tables = (
        Table("k-means to 15 centroids", COLUMNS, tuple(one.row for one in found)),
        Table("initialisations", ("weights", "init", "ms", "iterations", "inertia above the best %"), tuple(starts)),
    )
    facts = {"scikit-learn": sklearn.__version__, "density": DENSITY, "weights": "drawn, with seeds"}
    return Report(_figures(found), tables, facts)


def _figures(found: list[Comparison]) -> tuple[Figure, ...]:
    same = [one for one in found if one.case.stop == "same inertia"]
    default = [one for one in found if one.case.stop == "default"]
    worst = min(same, key=lambda one: one.ratio)
    where = f"{worst.case.weights.size} weights, {worst.cores} cores; all: {_ratios(same)}"
    return (
        Figure("scikit-learn's time over ours, the least", worst.ratio, "x", LEAST_RATIO, "at least", where),
        Figure("inertia apart, the most", 100 * max(abs(one.more) for one in same), "%", 100 * SAME_INERTIA),
        Figure("with its default tolerance, the least", min(one.ratio for one in default), "x", note=_ratios(default)),
    )


def _ratios(found: list[Comparison]) -> str:
    return ", ".join(f"{one.ratio:.0f}" for one in found)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=positive, default=3, help="samples of each; five times as many of 20000 (3)")
    parser.add_argument("--sizes", type=positive, nargs="+", default=SIZES, help="weights (20000 1000000 5000000)")


if __name__ == "__main__":
    sys.exit(command("kmeans_speed", __doc__, measure, add_options=_options))
