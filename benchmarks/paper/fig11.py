"""Fig. 11: speed against one PE, for numbers of PEs."""

import statistics
from dataclasses import replace

from benchmarks.paper.bench import Bench
from benchmarks.paper.reproduced import Point, Reproduced, curves_beside
from benchmarks.paper.scaling import points_over_pes
from eie_sim.paper import FIG_11


def reproduce(bench: Bench) -> Reproduced:
    """Every layer on 1 to 256 PEs, both fits; judged in percent of the published speed-up."""
    cycles = points_over_pes(bench, FIG_11, lambda result: float(result.cycles))
    alone = {(p.row, p.made): p.here for p in cycles if p.column == "1"}
    points = tuple(replace(p, here=alone[p.row, p.made] / p.here) for p in cycles)
    measures = {f"{fit}: mean %": _mean_pct(points, fit) for fit in bench.fits}
    drawn = curves_beside(FIG_11, points, "PEs", "speed-up", bench.note, percent=True, log_y=True)
    return Reproduced("fig11", FIG_11, points, measures, drawn, (bench.note,))


def _mean_pct(points: tuple[Point, ...], fit: str) -> float:
    """Of more than one PE: one is 1 by definition, here as there."""
    more = [p.deviation_pct for p in points if p.made == fit and p.column != "1"]
    return statistics.fmean(abs(value) for value in more if value is not None)
