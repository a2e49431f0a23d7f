"""What a sweep costs: its time a row, less that of `simulate` and the cost model called directly.

Same process, same layers (made and packed before the clock starts), same points; medians of several turns.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Figure, Report, as_if_it_fitted, command, positive, timings
from eie_sim import simulate
from eie_sim.arch import ArchConfig
from eie_sim.cost import area, energy
from eie_sim.result import SimResult
from eie_sim.sweep.columns import MACHINE
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.workloads import WorkloadName

MOST_MS = 0.5

LAYER = "Alex-7"


def space(rows: int) -> Space:
    """About `rows` points of one layer on one packing, five of each simulation."""
    clocks = [4e8, 6e8, 8e8, 1e9, 1.2e9]
    depths = max(rows // (5 * len(clocks)), 1)
    return Space(
        name="overhead",
        axes={
            "workload": LAYER,
            "act_queue_depth": {"from": 2, "to": depths + 1},
            "spmat_width_bits": [32, 64, 128, 256, 512],
            "clock_hz": clocks,
        },
    )


def measure(options: argparse.Namespace) -> Report:
    swept = space(options.rows)
    points = swept.points()
    work = WorkloadName(LAYER).work()  # kept for the sweeps, too

    def directly() -> None:
        done: dict[object, SimResult] = {}
        for at in range(len(points)):
            arch = ArchConfig(**{name: points.value(name, at) for name in MACHINE})
            if arch.timed_by not in done:
                done[arch.timed_by] = simulate(work.layers[0], work.acts, arch, output=False)
            result = done[arch.timed_by].on(arch)
            energy(result)
            area(arch)

    with tempfile.TemporaryDirectory() as folder, as_if_it_fitted():
        numbers = iter(range(1_000_000))

        def sweep() -> None:
            run_sweep(swept, Path(folder) / f"{next(numbers)}.sqlite", jobs=1)

        began = time.perf_counter()
        found = timings({"directly": directly, "sweep": sweep}, options.repeats)
        seconds = time.perf_counter() - began
    n = len(points)
    direct_ms, sweep_ms = (1e3 * found[name].median_s / n for name in ("directly", "sweep"))
    figures = (
        Figure("the sweep's own time", sweep_ms - direct_ms, "ms a row", MOST_MS),
        Figure("a row of the sweep", sweep_ms, "ms"),
        Figure("simulate and the cost model, directly", direct_ms, "ms a row"),
    )
    return Report(figures, (), {"rows": n, "simulations": n // 5, "repeats": options.repeats, "seconds": seconds})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=positive, default=5000, help="rows of a sweep (default 5000)")
    parser.add_argument("--repeats", type=positive, default=5, help="turns (default 5)")


if __name__ == "__main__":
    sys.exit(command("sweep_overhead", __doc__, measure, add_options=add_options))
