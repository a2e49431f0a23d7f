"""A hundred thousand rows over the nine layers: time, memory, what a second process gains, and the cost of a row.

python -m benchmarks.sweep_scale             100,000 rows on two processes, then parts of them on one and two
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Figure, Report, Table, as_if_it_fitted, command, positive
from eie_sim.sweep.run import Summary, run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store
from eie_sim.sweep.workloads import WorkloadName

MOST_MINUTES = 10.0
LEAST_SIMULATIONS = 20_000
MOST_GB = 2.0
LEAST_GAIN = 1.7
MOST_GROWTH = 1.25
"""Cost of a row at 100,000 over that at 1,000: flat, but for what the host does to a short run."""

TURNS = 3

SMALL = "NT-We"
"""Layer of the sweeps whose rows are counted alone: it is made and packed before the clock starts."""

AXES = {
    "workload": "all",
    "seed": {"from": 0, "to": 1},
    "n_pe": {"from": 16, "to": 256, "factor": 2},
    "index_bits": [4, 5],
    "act_queue_depth": [2, 4, 8, 12, 16, 24, 32, 64, 128, 256, 3, 6],
    "spmat_width_bits": [32, 48, 64, 96, 128, 192, 256, 384, 512, 1024],
    "clock_hz": [6e8, 8e8, 1e9],
    "calibration": ["table2-8cycle", "bottom-up"],
}


def space(rows: int) -> Space:
    """About `rows` points with every axis; fewer of them by a sample of the same grid."""
    if rows >= 100_000:
        return Space(name="scale", axes=AXES)
    return Space(name="scale", axes=AXES, sampling="random", samples=rows)


def swept(rows: int, jobs: int, folder: Path) -> Summary:
    """One sweep into an empty store."""
    store = folder / f"{rows}-{jobs}-{time.monotonic_ns()}.sqlite"
    with as_if_it_fitted():
        summary = run_sweep(space(rows), store, jobs=jobs)
    with Store(store) as opened:
        assert opened.check() == "ok"
        assert len(opened) == summary.points
    return summary


def row_ms(rows: int, folder: Path, turn: int) -> float:
    """Milliseconds a row of a sweep of one small layer in this process."""
    depths = rows // 10
    small = Space(
        name="rows",
        axes={
            "workload": SMALL,
            "act_queue_depth": {"from": 2, "to": depths + 1},
            "clock_hz": [i * 1e8 for i in range(1, 11)],
        },
    )
    WorkloadName(SMALL).work()
    summary = run_sweep(small, folder / f"rows-{rows}-{turn}.sqlite", jobs=1)
    return 1e3 * summary.seconds / summary.points


def peak_gb(who: int) -> float:
    """Largest memory so far of this process, or of the largest of its children."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit / 1e9


def measure(options: argparse.Namespace) -> Report:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        swept(200, 2, folder)  # compiles
        whole = swept(options.rows, 2, folder)
        pair = {jobs: swept(options.part, jobs, folder) for jobs in (1, 2)}
        for jobs, one in ((2, whole), *pair.items()):
            rows.append((one.points, jobs, one.simulated, one.failed, one.seconds, 1e3 * one.seconds / one.points))
        # In turns, and the best of them: a host whose speed changes from minute to minute is the same for all.
        turns = [{count: row_ms(count, folder, turn) for count in (1_000, 10_000, 100_000)} for turn in range(TURNS)]
        each = {count: min(turn[count] for turn in turns) for count in turns[0]}
    figures = (
        Figure(f"{whole.points:,} rows, two processes", whole.seconds / 60, "minutes", MOST_MINUTES),
        Figure("simulations of their own", whole.simulated, "", LEAST_SIMULATIONS, "at least"),
        Figure("memory, the process that runs the sweep", peak_gb(resource.RUSAGE_SELF), "GB", MOST_GB),
        Figure("memory, the largest worker", peak_gb(resource.RUSAGE_CHILDREN), "GB", MOST_GB),
        Figure("two processes over one", pair[1].seconds / pair[2].seconds, "x", LEAST_GAIN, "at least"),
        Figure("a row among 1,000", each[1_000], "ms"),
        Figure("a row among 10,000", each[10_000], "ms"),
        Figure("a row among 100,000", each[100_000], "ms"),
        Figure("a row among 100,000 over one among 1,000", each[100_000] / each[1_000], "x", MOST_GROWTH),
        Figure("failed", whole.failed, "", 0),
    )
    columns = ("rows", "processes", "simulations", "failed", "seconds", "ms a row")
    return Report(figures, (Table("sweeps", columns, tuple(rows)),), {})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=positive, default=129_600, help="rows of the large sweep (default all)")
    parser.add_argument("--part", type=positive, default=40_000, help="rows for one process against two")


if __name__ == "__main__":
    sys.exit(command("sweep_scale", __doc__, measure, add_options=add_options))
