"""Table V: platforms on AlexNet FC7, recomputed from what is printed; EIE's own rows also by the models."""

from benchmarks.paper.bench import Bench, Machine, of_energy
from benchmarks.paper.reproduced import Point, Reproduced, beyond_print, dots_beside
from eie_sim import preset
from eie_sim.cost import CALIBRATIONS, area
from eie_sim.paper import (
    MACHINE,
    TABLE_IV,
    TABLE_IV_PLATFORMS,
    TABLE_V,
    TABLE_V_CLOCK_FACTOR,
    TABLE_V_SPEED_OF_256_PES,
)

FC7 = "Alex-7"
SMALL, LARGE = "EIE 64 PEs", "EIE 256 PEs"
FROM_PRINT = "printed inputs"
ROUNDED = "from printed values that are rounded themselves"
AREA = "the paper's own deviation: (28/45)^2 of four times its 64 PEs is less than it prints"
PROJECTED = (
    "ours at the printed clock with the simulated speed of 256 PEs; the paper's at "
    f"{TABLE_V_CLOCK_FACTOR:g} times the clock and {TABLE_V_SPEED_OF_256_PES:g} times the speed of 64"
)
ACTIVITY = "at the activity of the simulated layer; the paper's power is of an activity that it does not state"
QUOTIENTS = {"frames_per_s_per_mm2": "area_mm2", "frames_per_j": "power_w"}
"""Rows that are frames a second over another row."""


def reproduce(bench: Bench) -> Reproduced:
    """Rows that follow from others, of every platform; EIE's frames, power and area by our own model."""
    points = [*_from_print(), *_by_model(bench)]
    judged = [point for point in points if point.made == FROM_PRINT]
    notes = (AREA, "TrueNorth's and DaDianNao's frames are the paper's estimates; they are not made again.")
    drawn = dots_beside([p for p in points if p.column in ("frames_per_s", "frames_per_j")], bench.note)
    modelled = {(p.row, p.column, p.made): p.deviation_pct or 0.0 for p in points if p.made != FROM_PRINT}
    measures = {
        "beyond print %": beyond_print(judged),
        "area of 64 PEs by the model %": abs(modelled[SMALL, "area_mm2", "area model"]),
        "area of 256 PEs by the model %": abs(modelled[LARGE, "area_mm2", "area model"]),
        "frames of 64 PEs, simulated %": max(abs(modelled[SMALL, "frames_per_s", fit]) for fit in bench.fits),
    }
    return Reproduced("table5", TABLE_V, tuple(points), measures, drawn, notes)


def _from_print() -> list[Point]:
    frames = {
        platform: 1e6 / TABLE_IV.given(f"{row} batch 1 dense", FC7) for platform, row in TABLE_IV_PLATFORMS.items()
    }
    frames[SMALL] = 1e6 / TABLE_IV.given("eie actual", FC7)
    frames[LARGE] = frames[SMALL] * TABLE_V_SPEED_OF_256_PES * TABLE_V_CLOCK_FACTOR
    points = [_point(name, "frames_per_s", value, 0.5) for name, value in frames.items()]
    for name in TABLE_V.columns:
        for row, divisor in QUOTIENTS.items():
            if TABLE_V.at(row, name) is not None:  # and then its two parts are printed too
                over, under = TABLE_V.given("frames_per_s", name), TABLE_V.given(divisor, name)
                open_by = over / under * (_half_digit(over) / over + _half_digit(under) / under)
                open_by += _half_digit(TABLE_V.given(row, name))
                points.append(_point(str(name), row, over / under, open_by, ROUNDED))
    points.append(_point(LARGE, "power_w", 4 * TABLE_V.given("power_w", SMALL), 0.005))
    shrunk = 4 * (28 / 45) ** 2 * TABLE_V.given("area_mm2", SMALL)
    points.append(_point(LARGE, "area_mm2", shrunk, 0.05, AREA, judged=False))
    return points


def _by_model(bench: Bench) -> list[Point]:
    machines = {SMALL: preset(MACHINE), LARGE: preset("eie-256pe-28nm")}
    bench.run([Machine(), Machine(n_pe=256)])
    points = []
    for name, arch in machines.items():
        for fit in bench.fits:
            cycles = bench.mean(FC7, fit, Machine(n_pe=arch.n_pe), lambda r: float(r.cycles))
            remark = "" if name == SMALL else PROJECTED
            frames = arch.clock_hz / cycles
            points.append(_point(name, "frames_per_s", frames, 0.5, remark, made=fit, judged=False))
        points.append(_point(name, "area_mm2", area(arch).total_mm2, 0.05, made="area model", judged=False))
    for made in CALIBRATIONS:
        power_w, energy_nj = (
            bench.mean(FC7, bench.fits[0], Machine(), of_energy(name, made)) for name in ("power_w", "total_nj")
        )
        points.append(_point(SMALL, "power_w", power_w, 0.005, ACTIVITY, made=made, judged=False))
        points.append(_point(SMALL, "frames_per_j", 1e9 / energy_nj, 0.5, ACTIVITY, made=made, judged=False))
    return points


def _half_digit(printed: float) -> float:
    """Half of the last digit of a printed number."""
    digits = str(printed).partition(".")[2]
    return 0.5 if digits in ("", "0") else 0.5 * 10.0 ** -len(digits)


def _point(
    name: str, row: str, here: float, error: float, remark: str = "", made: str = FROM_PRINT, judged: bool = True
) -> Point:
    units = {"power_w": "W", "area_mm2": "mm2", "frames_per_s": "1/s", "frames_per_j": "1/J"}
    printed = TABLE_V.at(row, name)
    return Point(name, row, here, printed, units.get(row, "1/s/mm2"), error, made, judged, remark)
