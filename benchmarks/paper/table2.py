"""Table II: power and area of one PE, by unit, and what 64 of them come to."""

import numpy as np

from benchmarks.paper.bench import Bench
from benchmarks.paper.reproduced import Point, Reproduced, beyond_print, dots_beside
from eie_sim import ArchConfig, preset
from eie_sim.cost import CostTable, area, calibration, energy
from eie_sim.cost.calibrations import ALEX_7, EVERY_8_CYCLES, Activity
from eie_sim.cost.prices import UNITS
from eie_sim.paper import MACHINE, TABLE_II, TABLE_V
from eie_sim.result import PER_PE, Counts, SimResult

ACTIVITIES = {"table2-8cycle": EVERY_8_CYCLES, "table2-alex7": ALEX_7}
KINDS = ("memory", "clock network", "register", "combinational")
TIMES = 1000
NOTE = (
    "The units are those of the cost model at the activity that each calibration states; at another activity, as in "
    "any simulated layer, they take another power."
)


def run_of(activity: Activity, arch: ArchConfig) -> SimResult:
    """A run in which every PE did what `activity` says, many times over."""
    per_pe = {name: np.zeros(arch.n_pe, np.int64) for name in PER_PE}
    for name, number in activity.events.items():
        if name != "broadcasts":
            per_pe[name] = np.full(arch.n_pe, round(number * TIMES))
    counts = Counts(round(activity.events["broadcasts"] * TIMES), 0, 0, 0, **per_pe)
    return SimResult(round(activity.cycles * TIMES), None, counts, None, arch, "", 1, 1, "", "")


def powers_mw(table: CostTable, activity: Activity) -> dict[str, float]:
    """Power of each unit of one PE, and of the tree for the whole machine."""
    arch = preset(MACHINE)
    result = run_of(activity, arch)
    return {
        unit: nj / result.time_us / (arch.n_pe if unit in UNITS else 1)
        for unit, nj in energy(result, table).by_unit_nj.items()
    }


def reproduce(_bench: Bench) -> Reproduced:
    """Units by the model, totals of the kinds of cells by addition, the machine of 64 PEs."""
    arch, of_pe = preset(MACHINE), area(preset(MACHINE)).pe_um2
    points = []
    for name, activity in ACTIVITIES.items():
        powers = powers_mw(calibration(name), activity)
        points += [_point(unit, "power_mw", powers[unit], name) for unit in UNITS]
        points.append(_point("total", "power_mw", sum(powers[unit] for unit in UNITS), name))
        whole_w = (arch.n_pe * sum(powers[unit] for unit in UNITS) + powers["lnzd"]) * 1e-3
        points.append(Point("64 PEs", "power_w", whole_w, TABLE_V.at("power_w", "EIE 64 PEs"), "W", 0.005, name))
    added = sum(TABLE_II.given(kind, "power_mw") for kind in KINDS)
    points.append(_point("total", "power_mw", added, "kinds of cells added up"))
    points += [_point(unit, "area_um2", of_pe[unit], "area model") for unit in UNITS]
    points.append(_point("total", "area_um2", sum(of_pe.values()), "area model"))
    total_mm2 = area(arch).total_mm2
    points.append(
        Point("64 PEs", "area_mm2", total_mm2, TABLE_V.at("area_mm2", "EIE 64 PEs"), "mm2", 0.05, "area model")
    )
    drawn = dots_beside([p for p in points if p.row != "64 PEs"], "at the activity of the calibration", columns=2)
    measures = {"beyond print %": beyond_print(points)}
    return Reproduced("table2", TABLE_II, tuple(points), measures, drawn, (NOTE,))


def _point(row: str, column: str, here: float, made: str) -> Point:
    unit, error = ("mW", 0.0005) if column == "power_mw" else ("um2", 0.5)
    return Point(row, column, here, TABLE_II.at(row, column), unit, error, made)
