"""Rows, columns or blocks of the matrix to a PE (EIE section VII-A)."""

from benchmarks.studies.study import Bench, Gain, Study, rounded
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels
from eie_sim.studies.partitioning import Partitioned, partitionings
from eie_sim.workload import Workload


def study(bench: Bench) -> Study:
    """Every layer divided in every way over the PEs of EIE."""

    def run(workload: Workload) -> list[Partitioned]:
        return partitionings(workload.layer, workload.acts, bench.arch)

    found = bench.each(run)
    rows = tuple(
        rounded(
            *(layer, p.name, p.cycles, p.work_cycles, p.broadcast_cycles, p.reduction_cycles, 100 * p.balance),
        )
        for layer, of in found.items()
        for p in of
    )
    panels = []
    for layer, of in found.items():
        sides = tuple(float(p.pe_columns) for p in of)
        least = min(of, key=lambda p: p.cycles)
        curves = (
            Curve("all", sides, tuple(p.cycles / of[0].cycles for p in of)),
            Curve("work of the busiest PE", sides, tuple(p.work_cycles / of[0].cycles for p in of)),
            Curve("broadcast", sides, tuple(p.broadcast_cycles / of[0].cycles for p in of)),
            Curve("reduction", sides, tuple(p.reduction_cycles / of[0].cycles for p in of)),
        )
        finding = f"{layer}: best by {least.name}"
        panels.append(CurvePanel(finding, "groups of columns", "cycles over those of rows", curves, log_x=True))
    rows_of = {layer: of[0].cycles for layer, of in found.items()}
    best = {layer: min(p.cycles for p in of) for layer, of in found.items()}
    pes = bench.arch.n_pe
    gains = (
        Gain(
            "columns to PEs instead of rows",
            {layer: of[-1].cycles / rows_of[layer] for layer, of in found.items()},
            {},
            f"a reduction over {pes} PEs, every PE holds a sum for every row",
        ),
        Gain(
            "the best blocks, layer by layer",
            {layer: best[layer] / rows_of[layer] for layer in found},
            {},
            "a broadcast and a reduction in groups",
        ),
    )
    notes = (
        "One model for all three: a PE takes a cycle for each weight of an active column that it holds; no fillers and "
        "no queues. Partial sums are added in a tree that takes a number a cycle.",
        f"Left is the division by rows (EIE), right that by columns, between them blocks; {pes} PEs.",
        "Few outputs and many active inputs favour blocks; the paper chose rows, for which no sum leaves its PE.",
    )
    columns = ("layer", "division", "cycles", "work", "broadcast", "reduction", "balance %")
    drawn = plots.curve_panels(CurvePanels(tuple(panels), bench.note, columns=3))
    return Study("partitioning", "Rows, columns or blocks", columns, rows, drawn, gains, notes)
