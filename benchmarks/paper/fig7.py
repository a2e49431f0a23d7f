"""Fig. 7: energy efficiency against the CPU with dense weights, batch 1."""

import statistics

from benchmarks.paper.bench import Bench, Machine, of_energy
from benchmarks.paper.reproduced import Point, Reproduced, beyond_print, dots_beside
from eie_sim.cost import CALIBRATIONS
from eie_sim.paper import FIG_7, FIG_7_EIE_POWER_W, LAYERS, POWER_PER_LAYER, TABLE_IV

FROM_PRINT = "printed times and powers"
BY_MODEL = "our energy model at the activity of the drawn layer"
CONSTANT = "the paper's method, constant power x time, on the drawn layer"


def reproduce(bench: Bench) -> Reproduced:
    """From printed times and powers, where both are printed; EIE also by every calibration of the energy model."""
    points = []
    for row in FIG_7.rows:
        for layer in POWER_PER_LAYER.columns:
            here = dense_uj(str(layer)) / _energy_uj(row, str(layer))
            points.append(Point(row, str(layer), here, FIG_7.at(row, layer), "x", FIG_7.error, FROM_PRINT))
    bench.run([Machine()])
    fit = bench.fits[0]
    for name in CALIBRATIONS:
        for layer in POWER_PER_LAYER.columns:
            ours_nj = bench.mean(str(layer), fit, Machine(), of_energy("total_nj", name))
            here, printed = dense_uj(str(layer)) / (ours_nj * 1e-3), FIG_7.at("eie", layer)
            remark = CONSTANT if name.startswith("paper-constant") else BY_MODEL
            points.append(Point("eie", str(layer), here, printed, "x", FIG_7.error, name, False, remark))
    judged = [point for point in points if point.judged]
    simulated = [point for point in points if point.made == "paper-constant"]
    measures = {
        "beyond print %": beyond_print(judged),
        "mean of eie %": _mean_pct(judged),
        "mean of eie, simulated at constant power %": _mean_pct(simulated),
    }
    notes = (
        "The CNN layers alone: no power of the CPU is printed for the NeuralTalk layers.",
        f"EIE's energies by our model are of layers drawn by the fit {fit}.",
    )
    drawn = dots_beside(points, bench.note, columns=2, by_row=True, x_label="times the CPU's efficiency, dense")
    return Reproduced("fig7", FIG_7, tuple(points), measures, drawn, notes)


def dense_uj(layer: str) -> float:
    """Energy of the CPU with dense weights."""
    return _energy_uj("cpu dense", layer)


def _energy_uj(row: str, layer: str) -> float:
    if row == "eie":
        return TABLE_IV.given("eie actual", layer) * FIG_7_EIE_POWER_W
    name = row.replace(" ", " batch 1 ")
    return TABLE_IV.given(name, layer) * POWER_PER_LAYER.given(name, layer)


def _mean_pct(points: list[Point]) -> float:
    return statistics.fmean(abs(p.deviation_pct or 0.0) for p in points if p.row == "eie" and p.column in LAYERS)
