"""How fast `simulate_batch` is, beside numpy's SGEMM of the same dense layers and vectors in the same run.

Every layer of the paper and, where its data is found, the real Alex-8, with 64 vectors; small layers with 3,000
vectors, beside a loop of `simulate`; one core, samples taken in turn, medians. Then two cores, every kind of SRAM
row, a million vectors with summed counters, and how the cost grows with vectors, rows, columns and PEs.

Each part runs in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine_speed import blas_facts, workloads
from benchmarks.harness import (
    Figure,
    Report,
    Table,
    add_alex8_option,
    as_if_it_fitted,
    blas_environment,
    command,
    geometric_mean,
    positive,
    timings,
)
from compressor import pack_codes
from compressor.jit import available_cores, in_threads
from compressor.types.packed import PackedLayer
from eie_sim import ArchConfig, simulate, simulate_batch
from eie_sim.networks import published_layers

VECTORS = 64
SMALL_VECTORS = 3000
MILLION = 10**6
US, MB = 1e6, 1e6

SMALL: dict[tuple[int, int, float], float] = {
    (64, 16, 0.33): 10,
    (64, 144, 0.33): 15,
    (256, 512, 0.08): 40,
    (300, 784, 0.08): 45,
}
"""Rows, columns and density of the small layers, and the microseconds a vector that each may take."""

ENTRIES = [(4, 4, 64), (4, 4, 32), (4, 4, 48), (8, 4, 64), (4, 3, 64), (5, 8, 512), (2, 4, 64), (8, 8, 24), (4, 4, 8)]
"""Bits of a weight, of an index and of an SRAM row; the first is the paper's."""

Facts = dict[str, Any]


def sampled(
    rows: int, columns: int, density: float, vectors: int, n_pe: int = 64, weight_bits: int = 4, index_bits: int = 4
) -> tuple[PackedLayer, NDArray[np.float32]]:
    """A layer and inputs of which half are zero."""
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 2**weight_bits, (rows, columns), np.uint8) * (rng.random((rows, columns)) < density)
    book = np.append(0, rng.normal(size=2**weight_bits - 1))
    acts = rng.normal(size=(vectors, columns)) * (rng.random((vectors, columns)) < 0.5)
    return pack_codes(codes.astype(np.uint8), book, n_pe, index_bits), acts.astype(np.float32)


def measure_layers(options: argparse.Namespace) -> Facts:
    """Each layer: SGEMM, outputs, counters alone, and 16-bit fixed point."""
    rows = []
    fixed = ArchConfig(arithmetic="fixed16")
    for name, layer, few in workloads(options.layers, options.alex8):
        dense, acts = layer.dense(), np.resize(few, (VECTORS, layer.n_cols))
        # Every vector differs, so that none is left out as a repetition.
        acts = acts * (1 + np.arange(VECTORS, dtype=np.float32)[:, np.newaxis] / 1024)
        functions: dict[str, Callable[[], object]] = {
            "sgemm": lambda d=dense, a=acts: d @ a.T,
            "outputs": lambda x=layer, a=acts: simulate_batch(x, a),
            "counts": lambda x=layer, a=acts: simulate_batch(x, a, output=False),
            "fixed16": lambda x=layer, a=acts: simulate_batch(x, a, fixed),
        }
        found = timings(functions, options.repeats)
        rows.append({"layer": name, **{what: one.median_s / VECTORS * US for what, one in found.items()}})
    return {"rows": rows, "facts": blas_facts()}


def measure_small(options: argparse.Namespace) -> Facts:
    """Small layers: a batch, and a loop of `simulate`."""
    rows = []
    for (n_rows, n_cols, density), bar in SMALL.items():
        layer, acts = sampled(n_rows, n_cols, density, SMALL_VECTORS)

        def loop(layer: PackedLayer = layer, acts: NDArray[np.float32] = acts) -> None:
            for vector in acts:
                simulate(layer, vector)

        functions = {"batch": lambda x=layer, a=acts: simulate_batch(x, a), "loop": loop}
        found = timings(functions, options.repeats)
        row = {what: one.median_s / SMALL_VECTORS * US for what, one in found.items()}
        rows.append({"layer": f"{n_rows} x {n_cols}", **row, "bar": bar})
    return {"rows": rows}


def measure_batch_alone(options: argparse.Namespace) -> Facts:
    """One of the large layers and a small one, on the cores that this process has."""
    _, large, acts = next(workloads(["Alex-7"], None))
    work = [(large, np.resize(acts, (4 * VECTORS, large.n_cols)) * np.float32(1.5)), sampled(300, 784, 0.08, 3000)]
    work[0][1][:] *= 1 + np.arange(4 * VECTORS, dtype=np.float32)[:, np.newaxis] / 1024
    seconds = [timings({"": lambda x=x, a=a: simulate_batch(x, a)}, options.repeats)[""].median_s for x, a in work]
    return {"seconds": seconds}


def measure_numpy(options: argparse.Namespace) -> Facts:
    """What two cores give to two processes that share nothing: the seconds of one, and of two at once."""
    command_line = (
        "import time, numpy as np; a = np.random.default_rng(0).random((600, 600), np.float32); a @ a;"
        "b = time.perf_counter(); [a @ a for _ in range(200)]; print(time.perf_counter() - b)"
    )

    def run(core: int) -> float:
        code = f"import os; os.sched_setaffinity(0, {{{core}}});" if hasattr(os, "sched_setaffinity") else ""
        done = subprocess.run([sys.executable, "-c", code + command_line], check=True, stdout=subprocess.PIPE)
        return float(done.stdout)

    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else [0, 1]
    alone, together = [], []
    for _ in range(options.repeats):
        alone.append(run(cores[0]))
        together.append(max(in_threads(run, cores, 2)))
    return {"gain": 2 * float(np.median(alone)) / float(np.median(together))}


def measure_widths(options: argparse.Namespace) -> Facts:
    """Nanoseconds a broadcast for several sizes of entries and SRAM rows."""
    functions: dict[str, Callable[[], object]] = {}
    broadcasts: dict[str, int] = {}
    for weight_bits, index_bits, width in ENTRIES:
        layer, acts = sampled(600, 4096, 0.1, 64, weight_bits=weight_bits, index_bits=index_bits)
        arch = ArchConfig(weight_bits=weight_bits, index_bits=index_bits, spmat_width_bits=width)
        name = f"{weight_bits} + {index_bits} bits in {width}"
        functions[name] = lambda x=layer, a=acts, m=arch: simulate_batch(x, a, m, output=False, counts="sum")
        broadcasts[name] = int(np.count_nonzero(acts))
    found = timings(functions, options.repeats)
    return {"rows": [{"entries": name, "ns": one.median_s / broadcasts[name] * 1e9} for name, one in found.items()]}


def measure_million(_: argparse.Namespace) -> Facts:
    """A million vectors with summed counters: seconds, and the most memory above what was there before."""
    layer, acts = sampled(64, 16, 0.33, MILLION)
    simulate_batch(layer, acts[:100])
    began = time.perf_counter()
    simulate_batch(layer, acts, counts="sum")
    seconds = time.perf_counter() - began
    tracemalloc.start()  # numpy reports its arrays to it
    simulate_batch(layer, acts, counts="sum")
    return {"seconds": seconds, "mb": tracemalloc.get_traced_memory()[1] / MB}


def measure_growth(options: argparse.Namespace) -> Facts:
    """Cost of a batch while one size of it grows."""
    rows = []
    sizes: list[tuple[str, int, tuple[int, int, int, int]]] = []
    sizes += [("vectors", n, (64, 16, n, 64)) for n in (1, 10, 100, 1000, 10_000, 100_000, MILLION)]
    sizes += [("rows", n, (n, 256, 64, 64)) for n in (16, 64, 256, 1024, 4096, 16_384)]
    sizes += [("columns", n, (256, n, 64, 64)) for n in (16, 64, 256, 1024, 4096, 16_384)]
    sizes += [("PEs", n, (1024, 256, 64, n)) for n in (1, 4, 16, 64, 256, 1024)]
    for what, size, (n_rows, n_cols, vectors, n_pe) in sizes:
        layer, acts = sampled(n_rows, n_cols, 0.1, vectors, n_pe)
        arch = ArchConfig(n_pe=n_pe)
        functions: dict[str, Callable[[], object]] = {
            "outputs": lambda x=layer, a=acts, m=arch: simulate_batch(x, a, m, counts="sum"),
            "counts": lambda x=layer, a=acts, m=arch: simulate_batch(x, a, m, output=False, counts="sum"),
        }
        found = timings(functions, min(options.repeats, 3))
        pe_cycles = int(simulate_batch(layer, acts, arch, output=False, counts="sum").cycles.sum()) * n_pe
        one = {name: timing.median_s for name, timing in found.items()}
        rows.append(
            {
                "grows": what,
                "to": size,
                **{f"{name} us a vector": seconds / vectors * US for name, seconds in one.items()},
                **{f"{name} ns a PE-cycle": seconds / pe_cycles * 1e9 for name, seconds in one.items()},
            }
        )
    return {"rows": rows}


PARTS: dict[str, Callable[[argparse.Namespace], Facts]] = {
    "layers": measure_layers,
    "small": measure_small,
    "batch alone": measure_batch_alone,
    "numpy": measure_numpy,
    "widths": measure_widths,
    "million": measure_million,
    "growth": measure_growth,
}


def _in_child(part: str, options: argparse.Namespace, cores: int = 1) -> Facts:
    arguments = ["--repeats", str(options.repeats), "--layers", ",".join(options.layers)]
    if options.alex8 is not None:
        arguments += ["--alex8", str(options.alex8)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch_speed", "--part", part, "--cores", str(cores), *arguments],
        env=blas_environment(1), check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    print(f"{part} measured", file=sys.stderr)
    found: Facts = json.loads(done.stdout)
    return found


def measure(options: argparse.Namespace) -> Report:
    """Every part in a process of its own, on one core but where two are compared with it."""
    layers, small = _in_child("layers", options), _in_child("small", options)
    widths, million = _in_child("widths", options), _in_child("million", options)

    def parts(what: str, of: str) -> float:
        return geometric_mean([row[what] / row[of] for row in layers["rows"]])

    figures = [
        Figure("outputs: part of the SGEMM", parts("outputs", "sgemm"), "", 0.8),
        Figure("counters alone: part of the SGEMM", parts("counts", "sgemm"), "", 0.25),
        Figure("16-bit fixed point: times float32", parts("fixed16", "outputs"), "", 2),
    ]
    for row in small["rows"]:
        figures.append(Figure(f"{row['layer']}: a vector", row["batch"], "us", row["bar"]))
        figures.append(Figure(f"{row['layer']}: part of a loop of simulate", row["batch"] / row["loop"], "", 0.6))
    times = [row["ns"] / widths["rows"][0]["ns"] for row in widths["rows"]]
    figures.append(Figure("a broadcast, any entries in any SRAM row: times the paper's", max(times), "", 1.3))
    figures.append(Figure("a million vectors, counters summed: memory", million["mb"], "MB", 600))
    figures.append(Figure("a million vectors, counters summed", million["seconds"], "s"))
    tables = [
        _table("64 vectors, us a vector", layers["rows"]),
        _table("3,000 vectors, us a vector", small["rows"]),
        _table("ns a broadcast", widths["rows"]),
    ]
    if available_cores() > 1:
        one, two = _in_child("batch alone", options), _in_child("batch alone", options, 2)
        gain = geometric_mean([a / b for a, b in zip(one["seconds"], two["seconds"], strict=True)])
        plain = _in_child("numpy", options, 2)["gain"]
        shared = "" if plain >= 1.8 else "no bar: here two processes of numpy gain less than 1.8"
        figures.append(Figure("two processes of numpy: times one", plain))
        figures.append(Figure("a batch on two cores: times one", gain, "", None if shared else 1.7, "at least", shared))
    if not options.no_growth:
        tables.append(_table("growth", _in_child("growth", options)["rows"]))
    return Report(tuple(figures), tuple(tables), {**layers["facts"], "repeats": options.repeats})


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    lines = [tuple(float(f"{cell:.4g}") if isinstance(cell, float) else cell for cell in row.values()) for row in rows]
    return Table(title, tuple(rows[0]), tuple(lines))


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=positive, default=7, help="samples of every timing")
    parser.add_argument("--layers", type=lambda text: text.split(","), default=list(published_layers()), help="a,b,c")
    parser.add_argument("--no-growth", action="store_true", help="leave out the growth, which has no bar")
    add_alex8_option(parser)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=positive, default=1, help=argparse.SUPPRESS)


def main() -> int:
    """Run as a command; the measuring child prints its figures as JSON."""
    parser = argparse.ArgumentParser(add_help=False)
    _add_options(parser)
    options, _ = parser.parse_known_args()
    if options.part:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
        with as_if_it_fitted():
            print(json.dumps(PARTS[options.part](options)))
        return 0
    return command("batch_speed", __doc__, measure, add_options=_add_options)


if __name__ == "__main__":
    sys.exit(main())
