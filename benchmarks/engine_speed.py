"""How fast the fast engine is, beside numpy's dense float32 GEMV of the same layers in the same run.

Every layer of the paper (calibrated generator) and, where its data is found, the real Alex-8; one core; every call gets
other inputs. *Cold*: a large block of memory is streamed through the cache before every sample, for the engine and for
the GEMV alike. *Warm*: calls one after another. "Counts" is timing and every counter, "outputs" adds the numbers.

The floor is the bytes that the engine touches over the read bandwidth of one core, both of this run.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import (
    Figure,
    Report,
    Table,
    Timing,
    as_if_it_fitted,
    blas_environment,
    command,
    found_alex8,
    geometric_mean,
    timings,
)
from compressor.importers import read_eie_simulator
from compressor.jit import available_cores
from compressor.types.packed import PackedLayer
from eie_sim import simulate, simulate_batch
from eie_sim.baselines.host import cache_streamer, loaded_blas
from eie_sim.engines.prepared import prepared
from eie_sim.networks import published_layers
from eie_sim.workload import calibrated_layer

STREAMED_BYTES = 384 * 2**20
"""Streamed before a cold sample; the bar asks for at least 256 MB."""

BANDWIDTH_BYTES = 512 * 2**20
VECTORS = 24
"""Other inputs in every call, taken in turn."""


def read_bandwidth(repeats: int) -> float:
    """Bytes a second that one core reads from memory: the median over a dot product of a large array with itself."""
    block = np.ones(BANDWIDTH_BYTES // 4, np.float32)
    timing = timings({"read": lambda: block @ block}, repeats)["read"]
    return block.nbytes / timing.median_s


def bytes_touched(layer: PackedLayer, acts: NDArray[np.float32], outputs: bool) -> int:
    """Bytes of the layer and its inputs that a run must read."""
    streamed = prepared(layer)
    columns = np.flatnonzero(acts)
    if layer.has_bias:
        columns = np.append(columns, layer.n_cols)
    per_column = streamed.first_row[0].nbytes + streamed.last_row[0].nbytes
    if len(streamed.fillers):
        per_column += streamed.fillers[0].nbytes
    address_rows = len(np.union1d(columns, columns + 1))
    total = acts.nbytes + len(columns) * per_column + address_rows * streamed.address[0].nbytes
    if outputs:
        entries = int(np.diff(streamed.real_indptr)[columns].sum())
        total += entries * streamed.real_entries.itemsize + 16 * len(columns) + 4 * layer.n_rows
    return total


def workloads(names: list[str], alex8: Path | None) -> Iterator[tuple[str, PackedLayer, NDArray[np.float32]]]:
    """Name, layer and `VECTORS` input vectors of every layer to measure."""
    for name in names:
        drawn = calibrated_layer(name, seed=0, n_vectors=VECTORS)
        yield name, drawn.layer, drawn.acts
    if alex8 is not None:
        layer, acts = read_eie_simulator(alex8, n_rows=1000, n_pe=64)
        order = np.random.default_rng(0)
        yield "Alex-8 (real)", layer, np.stack([acts, *(order.permutation(acts) for _ in range(VECTORS - 1))])


def in_turn(function: Callable[[Any], object], vectors: NDArray[np.float32]) -> Callable[[], object]:
    """A function without arguments that calls `function` with the next of `vectors` each time."""
    following = cycle(vectors)
    return lambda: function(next(following))


def measure_layer(layer: PackedLayer, acts: NDArray[np.float32], repeats: int) -> dict[str, dict[str, Timing]]:
    """Cold and warm timings of the GEMV and the engine."""
    dense = layer.dense()
    functions = {
        "gemv": in_turn(lambda a: dense @ a, acts),
        "counts": in_turn(lambda a: simulate(layer, a, output=False), acts),
        "outputs": in_turn(lambda a: simulate(layer, a), acts),
    }
    return {
        "cold": timings(functions, repeats, before=cache_streamer(STREAMED_BYTES), warm_up=2),
        "warm": {name: timings({name: function}, 2 * repeats, warm_up=3)[name] for name, function in functions.items()},
    }


def measure_batch(layer: PackedLayer, acts: NDArray[np.float32], repeats: int) -> float:
    """Seconds for one vector of a batch on all cores, outputs included."""
    timing = timings({"batch": lambda: simulate_batch(layer, acts)}, max(3, repeats // 3))["batch"]
    return timing.median_s / len(acts)


def blas_facts() -> dict[str, object]:
    """The BLAS that numpy runs here, its kernel and its threads."""
    pools = [blas for blas in loaded_blas() if blas.library != "openmp"]
    return {
        "blas": "; ".join(f"{blas.library} {blas.version} kernel {blas.kernel}" for blas in pools),
        "blas threads": max((blas.threads or 0 for blas in pools), default=0),
    }


def _measure_here(options: argparse.Namespace) -> dict[str, Any]:
    rows = []
    bandwidth = read_bandwidth(options.repeats)
    for name, layer, acts in workloads(options.layers, options.alex8):
        streamed = prepared(layer)
        sample = simulate(layer, acts[0], output=False)
        row: dict[str, Any] = {
            "layer": name,
            "pe_cycles": sample.cycles * layer.n_pe,
            "prepare_ms": streamed.build_seconds * 1e3,
            "prepared_mb": streamed.nbytes / 1e6,
            "batch_us": measure_batch(layer, acts, options.repeats) * 1e6,
        }
        for state, of_state in measure_layer(layer, acts, options.repeats).items():
            row |= {f"{what}_{state}_us": timing.median_s * 1e6 for what, timing in of_state.items()}
        for what in ("counts", "outputs"):
            row[f"{what}_floor_us"] = bytes_touched(layer, acts[0], what == "outputs") / bandwidth * 1e6
        rows.append(row)
        print(f"{name} measured", file=sys.stderr)
    return {"rows": rows, "bandwidth": bandwidth, "facts": blas_facts()}


def _measure_in_child(options: argparse.Namespace, cores: int) -> dict[str, Any]:
    """Measure in a fresh process on `cores` cores."""
    arguments = ["--repeats", str(options.repeats), "--layers", ",".join(options.layers)]
    if options.alex8 is not None:
        arguments += ["--alex8", str(options.alex8)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine_speed", "--in-child", str(cores), *arguments],
        env=blas_environment(cores), check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def measure(options: argparse.Namespace) -> Report:
    """One core, then all cores, each in a fresh process."""
    one = _measure_in_child(options, 1)
    rows = one["rows"]

    def ratios(what: str, state: str) -> list[float]:
        return [row[f"{what}_{state}_us"] / row[f"gemv_{state}_us"] for row in rows]

    def rates(what: str, state: str = "cold") -> float:
        return geometric_mean([row["pe_cycles"] / row[f"{what}_{state}_us"] * 1e6 for row in rows])

    def over_floor(what: str) -> float:
        return geometric_mean([row[f"{what}_cold_us"] / row[f"{what}_floor_us"] for row in rows])

    percent = 100.0
    figures = [
        Figure("counts, cold: part of the GEMV", geometric_mean(ratios("counts", "cold")) * percent, "%", 25),
        Figure("counts, warm: part of the GEMV", geometric_mean(ratios("counts", "warm")) * percent, "%", 12),
        Figure("outputs, cold: part of the GEMV", geometric_mean(ratios("outputs", "cold")) * percent, "%", 50),
        Figure("outputs, cold: the worst layer", max(ratios("outputs", "cold")) * percent, "%", 150),
        Figure("PE-cycles a second with outputs", rates("outputs"), "1/s", 4e8, "at least"),
        Figure("PE-cycles a second, counts", rates("counts"), "1/s", 1.5e9, "at least"),
        Figure("PE-cycles a second with outputs, warm", rates("outputs", "warm"), "1/s"),
        Figure("PE-cycles a second, counts, warm", rates("counts", "warm"), "1/s"),
        Figure("counts, cold: times the floor", over_floor("counts")),
        Figure("outputs, cold: times the floor", over_floor("outputs")),
    ]
    tables = [_table("one core, microseconds (median)", rows)]
    facts = {**one["facts"], "read bandwidth GB/s": round(one["bandwidth"] / 1e9, 1), "repeats": options.repeats}
    cores = min(2, available_cores())
    if cores > 1:
        two = _measure_in_child(options, cores)
        tables.append(_table(f"{cores} cores, microseconds (median); GEMV on {cores} threads", two["rows"]))
        parts = [row["batch_us"] / row["gemv_warm_us"] for row in two["rows"]]
        name = f"a vector of a batch, {cores} cores: part of the GEMV"
        figures.append(Figure(name, geometric_mean(parts) * percent, "%"))
        gain = [a["batch_us"] / b["batch_us"] for a, b in zip(rows, two["rows"], strict=True)]
        figures.append(Figure(f"a batch on {cores} cores: times one core", geometric_mean(gain)))
    return Report(tuple(figures), tuple(tables), facts)


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    keys = ["gemv_cold", "counts_cold", "outputs_cold", "gemv_warm", "counts_warm", "outputs_warm"]
    keys += ["counts_floor", "outputs_floor", "batch"]
    columns = ("layer", *(key.replace("_", " ") for key in keys), "outputs/GEMV cold", "prepare ms", "prepared MB")
    lines = []
    for row in rows:
        ratio = row["outputs_cold_us"] / row["gemv_cold_us"]
        cells = (round(row[f"{key}_us"], 1) for key in keys)
        lines.append((row["layer"], *cells, round(ratio, 3), round(row["prepare_ms"], 1), round(row["prepared_mb"], 1)))
    return Table(title, columns, tuple(lines))


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=15, help="samples of every timing")
    parser.add_argument("--layers", type=lambda text: text.split(","), default=list(published_layers()), help="a,b,c")
    parser.add_argument("--alex8", type=Path, default=found_alex8(), help="folder of the EIE authors' Alex-8 data")
    parser.add_argument("--in-child", type=int, default=0, help=argparse.SUPPRESS)


def main() -> int:
    """Run as a command; the measuring child prints its figures as JSON."""
    parser = argparse.ArgumentParser(add_help=False)
    _add_options(parser)
    options, _ = parser.parse_known_args()
    if options.in_child:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.in_child])
        with as_if_it_fitted():
            print(json.dumps(_measure_here(options)))
        return 0
    return command("engine_speed", __doc__, measure, add_options=_add_options)


if __name__ == "__main__":
    sys.exit(main())
