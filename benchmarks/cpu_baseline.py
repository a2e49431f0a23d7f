"""Dense and sparse times of the nine layers on this CPU, beside the paper's CPU and EIE's simulated time.

The paper's baseline (EIE Table IV) is MKL on a Core i7-5930K, dense GEMV and sparse CSRMV. Here the same pair of
kernels runs on this host: numpy's dense and scipy's sparse, and torch's of both, which run on MKL where torch was built
with it. Batch 1, one thread, cold caches is the condition in which a host of today repeats itself, and in which the
ratio of dense to sparse time is the paper's; both kernels read their weights from memory once. At batch 64 the ratio is
another: the paper's sparse kernel of 2016 is gone.

The times of two runs differ by some ten percent a cell; the spread is that of the samples of this run alone.
"""

import argparse
import statistics
import sys

import numpy as np
from rich.console import Console

from benchmarks.harness import Figure, Report, Table, as_if_it_fitted, command, geometric_mean, positive
from eie_sim import preset, simulate
from eie_sim.baselines.cpu_measurement import LEAST_SAMPLES, CacheState, CpuMeasurement
from eie_sim.baselines.measure_cpu import LIMIT_S, measure_cpu
from eie_sim.paper import HEADLINES, LAYERS, MACHINE, TABLE_IV
from eie_sim.workload import Workload, calibrated_layer

LEAST_RATIO, MOST_RATIO = 1.5, 6.0
"""The geometric mean of dense over sparse time is 2.97 in Table IV; on one host of today it was 2.4 to 4.0, depending
on library and caches."""

BATCH, THREADS = 1, 1
CACHE: CacheState = "cold"

DRAWS = 2000
"""Resamplings behind the spread of the geometric mean."""

SKIPPING = "numba-csc"


def paper_ratio(layer: str, batch: int = BATCH) -> float:
    """Dense over sparse time of the paper's CPU."""
    return TABLE_IV.given(f"cpu batch {batch} dense", layer) / TABLE_IV.given(f"cpu batch {batch} sparse", layer)


def eie_us(workload: Workload) -> float:
    """Simulated time of one input vector."""
    with as_if_it_fitted():
        acts = workload.acts[0] if workload.is_batch else workload.acts
        return simulate(workload.layer, acts, preset(MACHINE), output=False).time_us


def spread(measurement: CpuMeasurement, pair: tuple[str, str]) -> tuple[float, float]:
    """5 % and 95 % of the geometric mean of the ratios, when the samples of each cell are drawn again."""
    rng = np.random.default_rng(0)

    def medians(layer: str, method: str) -> np.ndarray:
        samples = np.array(measurement.cell(layer, method, BATCH, THREADS, CACHE).samples_us)
        return np.median(rng.choice(samples, (DRAWS, len(samples))), axis=1)

    logs = [np.log(medians(layer.name, pair[0])) - np.log(medians(layer.name, pair[1])) for layer in measurement.layers]
    low, high = np.exp(np.quantile(np.mean(logs, axis=0), (0.05, 0.95)))
    return float(low), float(high)


def figures(measurement: CpuMeasurement, pair: tuple[str, str], eie: dict[str, float]) -> list[Figure]:
    """The figures of one pair of methods, with their bars."""
    names = [layer.name for layer in measurement.layers]
    ratio = geometric_mean([measurement.ratio(name, pair, BATCH, THREADS, CACHE) for name in names])
    low, high = spread(measurement, pair)
    title = f"{pair[0]} / {pair[1]}, geometric mean"
    printed = geometric_mean([paper_ratio(name) for name in names])
    note = f"samples drawn again: {low:.2f} to {high:.2f}; paper {printed:.2f}"
    found = [
        Figure(title, ratio, "x", LEAST_RATIO, "at least", note),
        Figure(title, ratio, "x", MOST_RATIO, "at most", note),
    ]
    return [*found, *(speed_up(measurement, method, eie) for method in pair)]


def speed_up(measurement: CpuMeasurement, method: str, eie: dict[str, float]) -> Figure:
    """How many times faster EIE is; geometric mean."""
    names = list(eie)
    speed = geometric_mean([measurement.median_us(n, method, BATCH, THREADS, CACHE) / eie[n] for n in names])
    dense = method.endswith("dense")
    printed = geometric_mean(
        [TABLE_IV.given(f"cpu batch {BATCH} dense", n) / TABLE_IV.given("eie actual", n) for n in names]
    )
    paper = f"paper, from Table IV: {printed:.1f} x; abstract, nine layers: {HEADLINES['speed_vs_cpu']:g} x"
    return Figure(f"EIE speed-up over {method}", speed, "x", note=paper if dense else "")


def ratio_table(measurement: CpuMeasurement, pair: tuple[str, str], eie: dict[str, float]) -> Table:
    """Each layer's times and ratio beside the paper's."""
    dense, sparse = pair
    rows = []
    for layer in measurement.layers:
        cells = [measurement.cell(layer.name, method, BATCH, THREADS, CACHE) for method in pair]
        medians = [measurement.median_us(layer.name, method, BATCH, THREADS, CACHE) for method in pair]
        paper = [TABLE_IV.given(f"cpu batch {BATCH} {kind}", layer.name) for kind in ("dense", "sparse")]
        # Both medians at the quartile that makes the ratio small, and large.
        low = (cells[0].q1_us or 0) / (cells[1].q3_us or 1)
        high = (cells[0].q3_us or 0) / (cells[1].q1_us or 1)
        rows.append(
            (
                layer.name,
                *(round(value, 1) for value in (medians[0], paper[0], medians[1], paper[1])),
                round(medians[0] / medians[1], 2),
                f"{low:.2f} to {high:.2f}",
                round(paper[0] / paper[1], 2),
                round(eie[layer.name], 2),
                round(medians[0] / eie[layer.name], 1),
            )
        )
    columns = (
        "layer", f"{dense} us", "paper dense us", f"{sparse} us", "paper sparse us", "ratio", "of quartiles",
        "paper ratio", "EIE us", "dense / EIE",
    )  # fmt: skip
    return Table(f"Batch {BATCH}, {THREADS} thread, {CACHE} caches: {dense} and {sparse}", columns, tuple(rows))


def times_table(measurement: CpuMeasurement, batch: int, threads: int, cache: str) -> Table:
    """Median us of every method under one condition."""
    methods = [method.name for method in measurement.methods]
    rows = [
        (layer.name, *(_rounded(measurement.cell(layer.name, m, batch, threads, cache).median_us) for m in methods))
        for layer in measurement.layers
    ]
    title = f"Median us of one input vector: batch {batch}, {threads} thread{'s' if threads > 1 else ''}, {cache}"
    return Table(title, ("layer", *methods), tuple(rows))


def _rounded(value: float | None) -> float | str:
    return "none quiet" if value is None else round(value, 1)


def report(measurement: CpuMeasurement, eie: dict[str, float]) -> Report:
    """Everything there is to say of one measurement."""
    fewest = min(measurement.cells, key=lambda cell: len(cell.samples_us))
    quiet = Figure(
        "fewest quiet samples of a cell", len(fewest.samples_us), "", LEAST_SAMPLES, "at least", fewest.condition
    )
    found: list[Figure] = []
    tables: list[Table] = []
    pairs = measurement.pairs()
    if not pairs:
        how = "; ".join(measurement.absent.values())
        return Report((Figure("dense / sparse", None, "x", LEAST_RATIO, "at least", f"no sparse library: {how}"),))
    # With no quiet sample there is no time.
    untimed = {
        cell.method
        for cell in measurement.cells
        if (cell.batch, cell.threads, cell.cache) == (BATCH, THREADS, CACHE) and not cell.samples_us
    }
    for pair in pairs:
        if untimed & set(pair):
            found.append(Figure(f"{pair[0]} / {pair[1]}", None, "x", LEAST_RATIO, "at least", "no quiet sample"))
            continue
        found += figures(measurement, pair, eie)
        tables.append(ratio_table(measurement, pair, eie))
    if SKIPPING not in untimed:
        found.append(speed_up(measurement, SKIPPING, eie))
    for threads in measurement.threads:
        for batch in measurement.batches:
            tables += [times_table(measurement, batch, threads, cache) for cache in measurement.caches]
    return Report((*found, quiet), tuple(tables), facts(measurement))


def facts(measurement: CpuMeasurement) -> dict[str, object]:
    """What the times depend on."""
    blas = {f"{b.library} {b.version} {b.kernel}": None for p in measurement.processes for b in p.blas}
    return {
        "caches": ", ".join(f"L{c.level} {c.kind} {c.size_bytes // 1024} KB" for c in measurement.host.caches),
        "blas": "; ".join(blas),
        **{method.library: method.version for method in measurement.methods},
        "not installed": ", ".join(measurement.absent) or "nothing",
        "samples": sum(len(cell.samples_us) for cell in measurement.cells),
        "thrown away": sum(cell.thrown_away for cell in measurement.cells),
        "median thrown away of a cell": statistics.median(cell.thrown_away for cell in measurement.cells),
        "streamed MB": measurement.flush_bytes // 2**20,
    }


def measure(options: argparse.Namespace) -> Report:
    """Draw the layers, time them here, simulate them."""
    workloads = [calibrated_layer(name, n_vectors=max(options.batch)) for name in options.layers]
    console = Console(stderr=True)
    with console.status("") as status:
        measurement = measure_cpu(
            workloads,
            batches=sorted({BATCH, *options.batch}),
            threads=None if options.all_threads else [THREADS],
            caches=("cold", "hot") if options.hot else (CACHE,),
            samples=options.samples,
            limit_s=options.limit,
            progress=lambda done, total, doing: status.update(f"{done} of {total}: {doing}"),
        )
    return report(measurement, {workload.name: eie_us(workload) for workload in workloads})


def layer_names(text: str) -> list[str]:
    """Layers from the command line, in the paper's order."""
    wanted = [part.strip() for part in text.split(",")]
    for name in wanted:
        if name not in LAYERS:
            raise argparse.ArgumentTypeError(f"{name!r}, but the layers are {', '.join(LAYERS)}")
    return [name for name in LAYERS if name in wanted]


def batch_sizes(text: str) -> list[int]:
    """Batch sizes from the command line."""
    return [positive(part) for part in text.split(",")]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark alone."""
    parser.add_argument("--layers", type=layer_names, default=list(LAYERS), help="a,b,c (default: all nine)")
    parser.add_argument("--samples", type=positive, default=LEAST_SAMPLES, help="quiet samples of a cell (default 20)")
    parser.add_argument("--limit", type=positive, default=LIMIT_S, help="seconds a cell may take (default 30)")
    parser.add_argument("--batch", type=batch_sizes, default=[BATCH], help="sizes beside 1, such as 64")
    parser.add_argument("--hot", action="store_true", help="hot caches too")
    parser.add_argument("--all-threads", action="store_true", help="one thread a core too")


if __name__ == "__main__":
    sys.exit(command("cpu_baseline", __doc__, measure, add_options=add_options))
