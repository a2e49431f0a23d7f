"""Writes the pages of `eie_sim.report.html`; makes layers of kept results again where it can."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from compressor.jit import available_cores
from eie_sim.arch import ArchConfig
from eie_sim.capacity import CapacityWarning
from eie_sim.cli.console import Printer
from eie_sim.columns import Row
from eie_sim.engines.base import simulate
from eie_sim.report.comparison import RunReport
from eie_sim.report.html.album import OF_A_LAYER, Album
from eie_sim.report.html.details import Detail
from eie_sim.report.html.report_page import report_page
from eie_sim.report.results_file import Results, write_text
from eie_sim.workload import redrawn

_KEPT = (
    "No schedule, no map and no capacity of {layers}: a results file keeps counts, not every cycle; eie-sim report "
    "with the model in place of its results shows them."
)


def write_report_page(
    path: Path,
    results: Results,
    report: RunReport,
    details: Sequence[Detail],
    printer: Printer,
    album: Album | None = None,
) -> None:
    """Write the page of a run; of results from a file, the layers that can be drawn again are shown cycle by cycle.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    layers = list(dict.fromkeys(str(row["layer"]) for row in results.rows))
    shown = list(details) or [one for row in results.rows if (one := _again(row, results, report.machine)) is not None]
    without = [name for name in layers if name not in {one.layer.name for one in shown}]
    left_out = _KEPT.format(layers=", ".join(without)) if without else ""
    album = album or Album(available_cores(), OF_A_LAYER * len(shown))
    write_text(report_page(results, report, shown, left_out, album), path)
    printer.note(f"wrote {path}" + (f"; {left_out}" if left_out else ""))


def _again(row: Row, results: Results, machine: ArchConfig) -> Detail | None:
    """A layer of kept results, simulated again: only one that is drawn from a seed, and that runs as it ran then."""
    name = str(row["layer"])
    if row["input"] != 0:
        return None
    origin = results.origins.get(name)
    workload = None if origin is None else redrawn(name, origin, machine.n_pe, machine.index_bits)
    if workload is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapacityWarning)  # the results say so
        result = simulate(workload.layer, workload.acts, machine, output=False, schedule=True)
    # Another release of NumPy may draw other weights.
    same = (result.cycles, result.entries_walked) == (row["cycles"], row["entries"])
    return Detail(workload.layer, result) if same else None
