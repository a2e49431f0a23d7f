"""Table V: platforms on AlexNet FC7, recomputed from what is printed; EIE's own rows also by the models."""

from benchmarks.paper.bench import Bench, Machine
from benchmarks.paper.reproduced import Point, Reproduced, beyond_print, dots_beside
from eie_sim import preset
from eie_sim.cost import CALIBRATIONS, area, energy
from eie_sim.paper import MACHINE, TABLE_IV, TABLE_V

FC7 = "Alex-7"
SMALL, LARGE = "EIE 64 PEs", "EIE 256 PEs"
SPEED_OF_256_PES = 3.25
"""Speed of 256 PEs over 64 (footnote of Table V)."""

CLOCK_TO_28_NM = 1.6
"""Factor of the clock behind the printed frames of 256 PEs; the row of clocks says 1.5 (derived)."""

FROM_PRINT, BY_MODEL = "printed inputs", "model"
ROUNDED = "from printed values that are rounded themselves"
AREA = "the paper's own deviation: (28/45)^2 of four times 40.8 mm2 is 63.2"
PROJECTED = "ours at 1200 MHz with the simulated speed of 256 PEs; the paper's at 1.6 times 800 MHz and 3.25"
ACTIVITY = "at the activity of the simulated layer; the paper's power is of an activity that it does not state"
ROWS = ("frames_per_s", "frames_per_s_per_mm2", "frames_per_j")


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
        "i7-5930K": _per_s(TABLE_IV.at("cpu batch 1 dense", FC7)),
        "Titan X": _per_s(TABLE_IV.at("gpu batch 1 dense", FC7)),
        "Tegra K1": _per_s(TABLE_IV.at("mgpu batch 1 dense", FC7)),
        SMALL: _per_s(TABLE_IV.at("eie actual", FC7)),
    }
    frames[LARGE] = frames[SMALL] * SPEED_OF_256_PES * CLOCK_TO_28_NM
    points = [_point(name, "frames_per_s", value, 0.5) for name, value in frames.items()]
    for name in TABLE_V.columns:
        printed = {row: TABLE_V.at(row, name) for row in (*ROWS, "power_w", "area_mm2")}
        for row, divisor in (("frames_per_s_per_mm2", "area_mm2"), ("frames_per_j", "power_w")):
            over, under = printed["frames_per_s"], printed[divisor]
            if over is not None and under is not None and printed[row] is not None:
                open_by = over / under * (_half_digit(over) / over + _half_digit(under) / under)
                open_by += _half_digit(printed[row] or 0.0)
                points.append(_point(str(name), row, over / under, open_by, ROUNDED))
    power = 4 * (TABLE_V.at("power_w", SMALL) or 0.0)
    points.append(_point(LARGE, "power_w", power, 0.005))
    shrunk = 4 * (28 / 45) ** 2 * (TABLE_V.at("area_mm2", SMALL) or 0.0)
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
        power_w = bench.mean(FC7, bench.fits[0], Machine(), lambda r, made=made: energy(r, made).power_w)  # type: ignore[misc]
        frames_per_j = bench.mean(FC7, bench.fits[0], Machine(), lambda r, made=made: 1e9 / energy(r, made).total_nj)  # type: ignore[misc]
        points.append(_point(SMALL, "power_w", power_w, 0.005, ACTIVITY, made=made, judged=False))
        points.append(_point(SMALL, "frames_per_j", frames_per_j, 0.5, ACTIVITY, made=made, judged=False))
    return points


def _half_digit(printed: float) -> float:
    """Half of the last digit of a printed number."""
    digits = str(printed).partition(".")[2]
    return 0.5 if digits in ("", "0") else 0.5 * 10.0 ** -len(digits)


def _per_s(time_us: float | None) -> float:
    assert time_us is not None
    return 1e6 / time_us


def _point(
    name: str, row: str, here: float, error: float, remark: str = "", made: str = FROM_PRINT, judged: bool = True
) -> Point:
    units = {"power_w": "W", "area_mm2": "mm2", "frames_per_s": "1/s", "frames_per_j": "1/J"}
    printed = TABLE_V.at(row, name)
    return Point(name, row, here, printed, units.get(row, "1/s/mm2"), error, made, judged, remark)
