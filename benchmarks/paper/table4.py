"""Table IV: wall-clock time of one input vector, EIE's rows; those of the other platforms stand in baseline_models."""

import statistics
from operator import attrgetter

from benchmarks.paper.bench import ALEX8, Bench, Machine
from benchmarks.paper.reproduced import Point, Reproduced, dots_beside
from eie_sim.paper import LAYERS, REAL_ALEX8_CYCLES, TABLE_IV, published_cycles, published_entries

COUNTED = {"entries": ("entries_walked", published_entries), "cycles": ("cycles", published_cycles)}
ROWS = {"eie theoretical": "theoretical_us", "eie actual": "time_us"}


def reproduce(bench: Bench) -> Reproduced:
    """Every layer, both fits; the real Alex-8 where its data is."""
    bench.run([Machine()])
    points, measures = [], {}
    for fit in bench.fits:
        for row, name in ROWS.items():
            for layer in LAYERS:
                here = bench.mean(layer, fit, Machine(), attrgetter(name))
                points.append(Point(row, layer, here, TABLE_IV.at(row, layer), "us", TABLE_IV.error, fit))
        for what, (name, published) in COUNTED.items():
            off = [abs(bench.mean(layer, fit, Machine(), attrgetter(name)) / published(layer) - 1) for layer in LAYERS]
            measures[f"{fit}: worst layer's {what} %"] = 100 * max(off)
            measures[f"{fit}: mean {what} %"] = 100 * statistics.fmean(off)
    notes = [bench.note]
    real = bench.real_alex8([Machine()])
    if real is None:
        notes.append("The real Alex-8 was not run: its data is not here (--alex8 DIR).")
    else:
        cycles, time_us = real[Machine()].cycles, real[Machine()].time_us
        remark = f"{cycles:,} cycles; the authors' simulator: {REAL_ALEX8_CYCLES:,}"
        printed = TABLE_IV.at("eie actual", "Alex-8")
        points.append(Point("eie actual", "Alex-8", time_us, printed, "us", TABLE_IV.error, ALEX8, True, remark))
        measures["real Alex-8: cycles off"] = float(abs(cycles - REAL_ALEX8_CYCLES))
    drawn = dots_beside(points, bench.note, columns=2, by_row=True)
    return Reproduced("table4", TABLE_IV, tuple(points), measures, drawn, tuple(notes))
