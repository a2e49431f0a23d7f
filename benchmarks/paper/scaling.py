"""What Figs 11, 12 and 13 share: the nine layers on 1 to 256 PEs."""

from collections.abc import Callable

from benchmarks.paper.bench import Bench, Machine
from benchmarks.paper.reproduced import Point, Reproduced, beside, curves_beside, point_measures
from eie_sim.paper import LAYERS, PES, Published
from eie_sim.result import SimResult

MACHINES = tuple(Machine(n_pe=n_pe) for n_pe in PES)


def points_over_pes(bench: Bench, published: Published, value: Callable[[SimResult], float]) -> list[Point]:
    """A value of every layer on every number of PEs, both fits."""
    bench.run(MACHINES)
    points: list[Point] = []
    for fit in bench.fits:
        here = {layer: [bench.mean(layer, fit, machine, value) for machine in MACHINES] for layer in LAYERS}
        points += beside(published, here, fit)
    return points


def share_over_pes(
    bench: Bench, name: str, published: Published, y_label: str, value: Callable[[SimResult], float]
) -> Reproduced:
    """A figure whose values are percents, judged in points."""
    points = points_over_pes(bench, published, value)
    measures: dict[str, float] = {}
    for fit in bench.fits:
        measures |= point_measures([point for point in points if point.made == fit], fit)
    drawn = curves_beside(published, points, "PEs", y_label, bench.note)
    return Reproduced(name, published, tuple(points), measures, drawn, (bench.note,))
