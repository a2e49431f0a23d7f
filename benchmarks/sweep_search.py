"""Optuna against the whole grid: the part of its hypervolume that a tenth of its points reach, by NSGA-II and TPE.

Objectives are latency, energy and area, in log10; the reference point is the worst value of each on the grid.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import Figure, Report, Table, as_if_it_fitted, command, positive
from benchmarks.hypervolume import hypervolume
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.search import SAMPLERS, search
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store

LEAST_PART = 95.0
MOST_TRIED = 0.1

OBJECTIVES = ("time_us", "energy_nj", "area_mm2")

SPACE = Space(
    name="grid",
    axes={
        "workload": "NT-We",
        "n_pe": {"from": 8, "to": 256, "factor": 2},
        "act_queue_depth": [2, 3, 4, 6, 8, 12, 16, 24, 32, 64],
        "spmat_width_bits": [32, 64, 128, 256],
        "index_bits": [3, 4, 5],
        "clock_hz": [4e8, 8e8, 1.2e9],
    },
)


def measure(options: argparse.Namespace) -> Report:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name, as_if_it_fitted():
        store = Path(name) / "grid.sqlite"
        whole = run_sweep(SPACE, store, jobs=1)
        with Store(store) as opened:
            rows = opened.rows(OBJECTIVES, done_only=True)
            grid = np.log10(np.array([list(row.values()) for row in rows], np.float64))
        reference = grid.max(axis=0)
        best = hypervolume(grid, reference)
        trials = int(MOST_TRIED * whole.points)
        parts: dict[str, list[float]] = {sampler: [] for sampler in SAMPLERS}
        for sampler in SAMPLERS:
            for seed in range(options.seeds):
                found = search(SPACE, store, OBJECTIVES, trials, sampler, seed)
                reached = hypervolume(np.log10(np.array(found.tried)), reference)
                parts[sampler].append(100 * reached / best)
                print(f"{sampler}, seed {seed}: {parts[sampler][-1]:.1f} %", file=sys.stderr)
    figures = tuple(
        Figure(f"{sampler}: hypervolume, median", statistics.median(of), "% of the grid's", LEAST_PART, "at least")
        for sampler, of in parts.items()
    )
    table = Table(
        "hypervolume, % of the grid's",
        ("sampler", *(f"seed {seed}" for seed in range(options.seeds))),
        tuple((sampler, *(round(part, 1) for part in of)) for sampler, of in parts.items()),
    )
    facts = {"grid": whole.points, "trials": trials, "seconds": round(time.perf_counter() - began, 1)}
    return Report(figures, (table,), facts)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=positive, default=5, help="of each sampler (default 5)")


if __name__ == "__main__":
    sys.exit(command("sweep_search", __doc__, measure, add_options=add_options))
