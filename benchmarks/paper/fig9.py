"""Fig. 9: rows read from the sparse-matrix SRAM against their width, and the energy of reading them."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.paper.bench import ALEX8, Bench, Machine
from benchmarks.paper.reproduced import Point, Reproduced, curves_beside
from eie_sim import preset
from eie_sim.cost.technology import memory
from eie_sim.paper import (
    FIG_9_IMPLIED_PJ,
    FIG_9_LEFT_ENERGY,
    FIG_9_LEFT_READS,
    FIG_9_RIGHT,
    LAYERS,
    MACHINE,
    REAL_ALEX8_ROW_READS,
    SPMAT_WIDTHS_BITS,
)

MACHINES = tuple(Machine(spmat_width_bits=width) for width in SPMAT_WIDTHS_BITS)
ASIDE = "VGG-7"
"""Its published energies fit no layer of its size: at 512 bits more rows than all its weights fill."""

KEPT, UNKEPT = "row kept between columns, as the authors' simulator counts", "row dropped at the end of a column"


def reproduce(bench: Bench) -> Reproduced:
    """Reads by both reuse rules, energies with the energy of a read that the right panel implies; the best widths."""
    bench.run(MACHINES)
    points: list[Point] = []
    for fit in bench.fits:
        for layer in LAYERS:
            reads = [bench.mean(layer, fit, m, lambda r: float(r.counts.spmat_row_reads.sum())) for m in MACHINES]
            points += _energy_points(layer, reads, fit)
    measures = {f"{fit}: mean % without {ASIDE}": _mean_pct(points, fit) for fit in bench.fits}
    real = bench.real_alex8(MACHINES)
    notes = [bench.note, f"{ASIDE} is not judged: the figure has more reads at 512 bits than its weights fill rows."]
    if real is not None:
        reads = [int(real[machine].counts.spmat_row_reads.sum()) for machine in MACHINES]
        for width, ours, theirs in zip(SPMAT_WIDTHS_BITS, reads, REAL_ALEX8_ROW_READS, strict=True):
            points.append(Point(ALEX8, str(width), ours, theirs, "reads", 0.0, "the authors' data"))
        measures["real Alex-8: reads that differ"] = float(
            sum(a != b for a, b in zip(reads, REAL_ALEX8_ROW_READS, strict=True))
        )
    else:
        notes.append("The real Alex-8 was not run: its data is not here (--alex8 DIR).")
    notes += best_widths(bench)
    drawn = curves_beside(
        FIG_9_RIGHT, [p for p in points if p.unit == "nJ"], "bits of a row", "nJ", bench.note, percent=True
    )
    return Reproduced("fig9", FIG_9_RIGHT, tuple(points), measures, drawn, tuple(notes))


def _energy_points(layer: str, reads: Sequence[float], fit: str) -> list[Point]:
    points = []
    for width, number, pj in zip(SPMAT_WIDTHS_BITS, reads, FIG_9_IMPLIED_PJ, strict=True):
        printed = FIG_9_RIGHT.at(layer, width)
        aside = "not judged, see the notes" if layer == ASIDE else ""
        points.append(
            Point(layer, str(width), number * pj * 1e-3, printed, "nJ", FIG_9_RIGHT.error, fit, not aside, aside)
        )
        if layer == "Alex-6":
            error, curve = FIG_9_LEFT_READS.error, FIG_9_LEFT_READS.at("AlexNet", width)
            points.append(Point("Alex-6, left curve", str(width), number, curve, "reads", error, fit))
    return points


def best_widths(bench: Bench) -> list[str]:
    """The width of least energy over the nine layers, by both reuse rules and three energies of a read."""
    fit, spmat_bytes = bench.fits[0], preset(MACHINE).spmat_bytes
    bars = [FIG_9_LEFT_ENERGY.given("energy", width) for width in SPMAT_WIDTHS_BITS]
    energies: Mapping[str, Sequence[float]] = {
        "the figure's bars": bars,
        "what its right panel implies": FIG_9_IMPLIED_PJ,
        "CACTI 7": [memory(spmat_bytes, width).read_pj for width in SPMAT_WIDTHS_BITS],
    }
    kept = [
        sum(bench.mean(layer, fit, m, lambda r: float(r.counts.spmat_row_reads.sum())) for layer in LAYERS)
        for m in MACHINES
    ]
    of_layers = [bench.unkept_row_reads(layer, fit) for layer in LAYERS]
    unkept = [sum(of_width) for of_width in zip(*of_layers, strict=True)]
    lines = []
    for rule, reads in ((KEPT, kept), (UNKEPT, unkept)):
        for source, pj in energies.items():
            total = [number * each for number, each in zip(reads, pj, strict=True)]
            best = SPMAT_WIDTHS_BITS[total.index(min(total))]
            told = ", ".join(f"{value * 1e-6:.1f}" for value in total)
            lines.append(f"Least energy over the nine layers at {best} bits: {rule}; {source} ({told} uJ).")
    return lines


def _mean_pct(points: Sequence[Point], fit: str) -> float:
    judged = [p for p in points if p.made == fit and p.judged and p.unit == "nJ"]
    return statistics.fmean(abs(p.deviation_pct or 0.0) for p in judged)
