"""Fig. 6: speed against the CPU with dense weights, batch 1."""

import statistics
from dataclasses import replace

from benchmarks.paper.bench import Bench, Machine
from benchmarks.paper.reproduced import Reproduced, beside, beyond_print, dots_beside
from eie_sim.paper import FIG_6, LAYERS, TABLE_IV

FROM_PRINT = "Table IV"
PAPER_ERROR = "the figure's own deviation from Table IV"
TENTH = 0.05
"""Half of the last printed digit of the one row that has a digit after the point."""

WRONG_BARS = {("eie", "NT-We"), ("eie", "NT-LSTM"), ("eie", "geomean")}


def reproduce(bench: Bench) -> Reproduced:
    """From Table IV; EIE also from the simulated layers."""
    dense = _times("cpu batch 1 dense")
    rows = {row: row.replace(" ", " batch 1 ") for row in FIG_6.rows if row != "eie"} | {"eie": "eie actual"}
    here = {row: _with_mean([a / b for a, b in zip(dense, _times(of), strict=True)]) for row, of in rows.items()}
    points = list(beside(FIG_6, here, FROM_PRINT, apart=lambda r, c: PAPER_ERROR if (r, c) in WRONG_BARS else ""))
    bench.run([Machine()])
    for fit in bench.fits:
        ours = [bench.mean(layer, fit, Machine(), lambda r: r.time_us) for layer in LAYERS]
        speeds = _with_mean([a / b for a, b in zip(dense, ours, strict=True)])
        points += beside(FIG_6, {"eie": speeds}, f"simulated, {fit}", apart=lambda *_: "see table4 for what is judged")
    points = [replace(p, error=TENTH) if p.row == "mgpu dense" else p for p in points]
    measures = {"beyond print %": beyond_print(points)}
    drawn = dots_beside(points, bench.note, columns=2, by_row=True, x_label="times faster than the CPU, dense")
    return Reproduced("fig6", FIG_6, tuple(points), measures, drawn, (bench.note,))


def _times(row: str) -> list[float]:
    return [value for layer in LAYERS if (value := TABLE_IV.at(row, layer)) is not None]


def _with_mean(values: list[float]) -> list[float]:
    return [*values, statistics.geometric_mean(values)]
