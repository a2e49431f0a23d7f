"""How fast a run can be looked at: ``python -m benchmarks.views_speed``.

- Alex-8 of the EIE authors (drawn with the statistics of the published layer where their data are not there): the
  pictures of utilisation, queues and stalls, from the result to the PNG in its full size.
- The HTML report of the nine layers: ``eie-sim report --html``, a process of its own; the second counts, for
  the first may compile kernels.
- VGG-6, the largest layer of the paper: every view of `eie_sim.views`, over the whole run, one after
  another.

The medians of several runs count, after one that is not counted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.harness import (
    Figure,
    Report,
    Table,
    Timing,
    add_alex8_option,
    as_if_it_fitted,
    command,
    positive,
    timings,
)
from compressor.importers.eie_simulator import read_eie_simulator
from compressor.types.packed import PackedLayer
from eie_sim import SimResult, preset, simulate, views
from eie_sim.paper import MACHINE
from eie_sim.report import figures, plots
from eie_sim.workload import Workload, calibrated_layer

BINS = 160
MOST_PICTURES_S, MOST_VIEWS_S, MOST_PAGE_S, MOST_PAGE_MB = 3.0, 0.5, 8.0, 3.0
SEED = 0

Work = Mapping[str, Callable[[], object]]


def alex8(folder: Path | None) -> Workload:
    """The authors' layer with its input, or a drawn one."""
    if folder is None:
        return calibrated_layer("Alex-8", SEED)
    layer, acts = read_eie_simulator(folder, n_rows=1000, n_pe=64, name="Alex-8")
    return Workload(layer, acts, "the EIE authors' data")


def run(workload: Workload) -> tuple[PackedLayer, SimResult]:
    with as_if_it_fitted():
        return workload.layer, simulate(workload.layer, workload.acts, preset(MACHINE), output=False, schedule=True)


def pictures(layer: PackedLayer, result: SimResult, folder: Path) -> Work:
    """Data, drawing and writing of each picture."""

    def written(name: str, draw: Callable[[], plots.Figure]) -> Callable[[], object]:
        return lambda: plots.save(draw(), folder / f"{name}.png")

    return {
        "utilisation": written("utilisation", lambda: plots.utilisation_map(figures.utilisation_map(result, BINS))),
        "queues": written("queues", lambda: plots.queue_map(figures.queue_map(result, BINS))),
        "stalls": written("stalls", lambda: plots.stall_breakdown(figures.stall_breakdown(result, layer))),
    }


def derived_views(layer: PackedLayer, result: SimResult) -> Work:
    """Each view of a whole run."""
    schedule, depth = result.schedule, result.arch.act_queue_depth
    assert schedule is not None
    return {
        "pe_states": lambda: views.pe_states(schedule, layer),
        "pe_totals": lambda: views.pe_totals(schedule, layer),
        "waiting": lambda: views.waiting(schedule),
        f"queue_occupancy, {BINS} bins": lambda: views.queue_occupancy(schedule, BINS),
        "broadcast_states": lambda: views.broadcast_states(schedule),
        "broadcast_stalls": lambda: views.broadcast_stalls(schedule, depth),
        "full_queues": lambda: views.full_queues(schedule, depth),
        f"broadcast_cycles, {BINS} bins": lambda: views.broadcast_cycles(schedule, BINS),
        f"utilisation, {BINS} bins, with the layer": lambda: views.utilisation(schedule, BINS, layer),
        "walk": lambda: views.walk(schedule, layer),
    }


def page(folder: Path) -> tuple[float, float]:
    """Seconds that a process takes for the page of the nine layers, start and all, and the page's size in MB."""
    target = folder / "report.html"
    command_line = [sys.executable, "-m", "eie_sim", "report", "--html", str(target)]
    for _ in range(2):
        began = time.perf_counter()
        subprocess.run(command_line, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    return time.perf_counter() - began, target.stat().st_size / 1e6


def measure(options: argparse.Namespace) -> Report:
    small, large = alex8(options.alex8), calibrated_layer("VGG-6", SEED)
    with tempfile.TemporaryDirectory() as folder:
        drawn = timings(pictures(*run(small), Path(folder)), options.repeats)
        page_s, page_mb = page(Path(folder))
    viewed = timings(derived_views(*run(large)), options.repeats)
    figures_found = (
        Figure(
            "Alex-8: pictures of utilisation, queues and stalls", _together(drawn), "s", MOST_PICTURES_S,
            note=str(small.origin),
        ),
        Figure("VGG-6: all derived views", _together(viewed), "s", MOST_VIEWS_S, note=str(large.origin)),
        Figure("HTML report of the nine layers", page_s, "s", MOST_PAGE_S),
        Figure("HTML report of the nine layers, size", page_mb, "MB", MOST_PAGE_MB),
    )  # fmt: skip
    return Report(figures_found, (_table("pictures", drawn), _table("derived views", viewed)), {"bins": BINS})


def _together(of_all: Mapping[str, Timing]) -> float:
    return sum(timing.median_s for timing in of_all.values())


def _table(title: str, of_all: Mapping[str, Timing]) -> Table:
    rows = tuple((name, one.median_s * 1e3, one.least_s * 1e3, one.spread) for name, one in of_all.items())
    return Table(title, ("what", "median ms", "least ms", "largest / least"), rows)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_alex8_option(parser)
    parser.add_argument("--repeats", type=positive, default=7, help="samples of each picture and view (7)")


if __name__ == "__main__":
    sys.exit(command("views_speed", __doc__, measure, add_options=add_options))
