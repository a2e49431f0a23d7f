"""Columns that have no entry in a PE, passed over."""

from benchmarks.studies.study import Bench, Gain, Study, rounded, saved_pct
from eie_sim.report import plots
from eie_sim.report.figures import DotPanel, DotPanels, DotRow
from eie_sim.studies.empty_columns import EmptyColumns, skip_empty_columns
from eie_sim.workload import Workload


def study(bench: Bench) -> Study:
    """Every layer on 64 PEs, and on 256, where more columns are empty."""
    numbers = (bench.arch.n_pe, 256)
    found: dict[int, dict[str, EmptyColumns]] = {}
    for n_pe in numbers:

        def run(workload: Workload, n_pe: int = n_pe) -> EmptyColumns:
            layer = workload.layer.repack(n_pe=n_pe)
            return skip_empty_columns(layer, workload.acts, bench.arch.replace(n_pe=n_pe))

        found[n_pe] = bench.each(run)
    rows = tuple(
        rounded(layer, n, one.cycles, one.skipping_cycles, one.saved_pct, 100 * one.bubble_share, one.index_bytes)
        for n, of in found.items()
        for layer, one in of.items()
    )
    gains = tuple(
        Gain(
            f"empty columns take no cycle, {n} PEs",
            {layer: one.skipping_cycles / one.cycles for layer, one in of.items()},
            {},
            f"a bit a column and PE: up to {max(one.index_bytes for one in of.values()):,} bytes a layer",
        )
        for n, of in found.items()
    )
    dots = tuple(
        DotRow(layer, {f"{n} PEs": found[n][layer].saved_pct for n in numbers}, None) for layer in bench.workloads
    )
    few, many = (f"{saved_pct(gain.cycles):.1f} % on {n}" for gain, n in zip(gains, numbers, strict=True))
    panel = DotPanel(f"Passing over empty columns saves {few} PEs and {many}", "cycles saved, %", dots)
    notes = (
        "An empty column still takes a place in the PE's queue until the PE reaches it; it takes no cycle there.",
        "A PE with few entries waits for the others anyway, so that most of the cycles of empty columns are idle "
        "ones: their share of the PE-cycles (in the table) is far above what passing over them saves.",
    )
    columns = ("layer", "PEs", "cycles", "cycles skipping", "fewer cycles %", "empty columns % of PE-cycles", "bytes")
    drawn = plots.dot_panels(DotPanels((panel,), bench.note))
    return Study("empty_columns", "Passing over empty columns", columns, rows, drawn, gains, notes)
