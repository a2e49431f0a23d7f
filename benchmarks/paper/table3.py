"""Table III: sizes and densities of the nine layers, as they are drawn."""

import statistics

from benchmarks.paper.bench import Bench
from benchmarks.paper.reproduced import Point, Reproduced, dots_beside
from eie_sim.paper import LAYERS, table_iii

WHY_APART = (
    "The densities of the drawn layers are fitted to Table IV and the figures, within 12 % of the printed ones, "
    "because the paper's cycles are of one image and its densities rounded averages (the real Alex-8: 42.9 % active "
    "inputs, printed 37.5)."
)


def reproduce(bench: Bench) -> Reproduced:
    """Density of weights and of active inputs, mean of the seeds, both fits."""
    published = table_iii()
    points = []
    for fit in bench.fits:
        for layer in LAYERS:
            found = bench.densities(layer, fit)
            for column, value in zip(("weight_pct", "act_pct"), found, strict=True):
                error = published.error if column == "weight_pct" else 0.05
                points.append(Point(layer, column, value, published.at(layer, column), "%", error, fit))
    measures = {
        f"{fit}: mean deviation of {column} %": statistics.fmean(
            abs(p.deviation_pct or 0.0) for p in points if (p.made, p.column) == (fit, column)
        )
        for fit in bench.fits
        for column in ("weight_pct", "act_pct")
    }
    drawn = dots_beside(points, bench.note, columns=2)
    return Reproduced("table3", published, tuple(points), measures, drawn, (bench.note, WHY_APART))
