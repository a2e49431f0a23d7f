"""The data of a sweep's figures, from its machines; `eie_sim.report.plots` draws them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from eie_sim.columns import Cell, digits
from eie_sim.sweep.columns import METRICS
from eie_sim.sweep.select import LARGER_IS_BETTER, Candidate, cell_order, pareto

MOST_LINES = 2000
"""Lines of a figure of parallel coordinates; of more machines, those of the front and an even sample of the rest."""


def label(name: str) -> str:
    """Name and unit of a metric or an axis."""
    unit = _unit(name)
    return f"{_bare(name)}{f', {unit}' if unit else ''}"


def _unit(name: str) -> str:
    return METRICS[name]["unit"] if name in METRICS else ""


def _bare(name: str) -> str:
    """A metric or an axis without its unit."""
    return name.removesuffix("_" + _unit(name).lower().replace(" ", "_"))


@dataclass(frozen=True)
class ParetoFront:
    """Machines between two objectives.

    Attributes
    ----------
    finding : str
    x_label, y_label : str
    points : tuple of (float, float)
        Of all machines.
    front : tuple of (float, float)
        Of those that are Pareto-optimal, in order of the first objective.
    names : tuple of str
        What distinguishes the machines of the front.
    named_by : tuple of str
        The columns that these values are of.
    """

    finding: str
    x_label: str
    y_label: str
    points: tuple[tuple[float, float], ...]
    front: tuple[tuple[float, float], ...]
    names: tuple[str, ...]
    named_by: tuple[str, ...] = ()


def pareto_front(machines: Sequence[Candidate], x: str, y: str, varying: Sequence[str]) -> ParetoFront:
    """The front between two metrics."""
    best = pareto(machines, (x, y))
    are = "is" if len(best) == 1 else "are"
    return ParetoFront(
        f"{len(best):,} of {len(machines):,} machines {are} beaten by none in {_bare(x)} and {_bare(y)}",
        label(x),
        label(y),
        tuple((one.values[x], one.values[y]) for one in machines),
        tuple((one.values[x], one.values[y]) for one in best),
        tuple(", ".join(short(one.inputs[name]) for name in varying) for one in best),
        tuple(varying),
    )


def short(value: Cell) -> str:
    """A value of an axis; clocks in millions."""
    if isinstance(value, float):
        return f"{value / 1e6:g}M" if value >= 1e6 else f"{value:g}"
    return str(value)


@dataclass(frozen=True)
class AxisCurve:
    """One metric over one axis, and how far it spreads over all others.

    Attributes
    ----------
    finding, x_label, y_label : str
    x : tuple of float or str
        Values of the axis, in order.
    least, median, largest : tuple of float
        Over the machines that have each value.
    """

    finding: str
    x_label: str
    y_label: str
    x: tuple[Cell, ...]
    least: tuple[float, ...]
    median: tuple[float, ...]
    largest: tuple[float, ...]


def axis_curve(machines: Sequence[Candidate], axis: str, metric: str) -> AxisCurve:
    """One metric over the values of one axis.

    Raises
    ------
    ValueError
        When the axis has one value.
    """
    groups = _by(machines, axis)
    x = tuple(groups)
    values = [[one.values[metric] for one in groups[value]] for value in x]
    medians = [statistics.median(of) for of in values]
    better = max if metric in LARGER_IS_BETTER else min
    best = x[medians.index(better(medians))]
    same = max(medians) - min(medians) <= _SAME * abs(max(medians))
    return AxisCurve(
        f"{_bare(metric)}: the same at every {axis}, by the median"
        if same
        else f"{_bare(metric)}: best at {axis} {short(best)}, by the median",
        axis,
        label(metric),
        x,
        tuple(map(min, values)),
        tuple(medians),
        tuple(map(max, values)),
    )


_SAME = 1e-12
"""Medians that differ by less than this share are the same: they are geometric means of the same numbers."""


def _by(machines: Sequence[Candidate], axis: str) -> dict[Cell, list[Candidate]]:
    groups: dict[Cell, list[Candidate]] = {}
    for one in machines:
        groups.setdefault(one.inputs[axis], []).append(one)
    if len(groups) < 2:
        raise ValueError(f"axis {axis!r}: has one value in this sweep")
    return {value: groups[value] for value in sorted(groups, key=cell_order)}


@dataclass(frozen=True)
class SweepMap:
    """The best of one metric for each pair of values of two axes.

    Attributes
    ----------
    finding, x_label, y_label, value_label : str
    x, y : tuple
        Values of the axes.
    values : tuple of tuple of float
        One row for each y; NaN where no machine has both values.
    best : (int, int)
        Place in x and y of the best.
    """

    finding: str
    x_label: str
    y_label: str
    value_label: str
    x: tuple[Cell, ...]
    y: tuple[Cell, ...]
    values: tuple[tuple[float, ...], ...]
    best: tuple[int, int]


def heat_map(machines: Sequence[Candidate], x_axis: str, y_axis: str, metric: str) -> SweepMap:
    """The best of one metric over two axes, the other axes free.

    Raises
    ------
    ValueError
        When an axis has one value, or both are one.
    """
    if x_axis == y_axis:
        raise ValueError(f"axis {x_axis!r}: is both axes of the map")
    better = max if metric in LARGER_IS_BETTER else min
    x, y = tuple(_by(machines, x_axis)), tuple(_by(machines, y_axis))
    cells: dict[tuple[Cell, Cell], float] = {}
    for one in machines:
        key = one.inputs[x_axis], one.inputs[y_axis]
        cells[key] = better(cells.get(key, one.values[metric]), one.values[metric])
    best = better(cells, key=cells.__getitem__)
    return SweepMap(
        f"{_bare(metric)}: best at {x_axis} {short(best[0])}, {y_axis} {short(best[1])}",
        x_axis,
        y_axis,
        label(metric),
        x,
        y,
        tuple(tuple(cells.get((at_x, at_y), float("nan")) for at_x in x) for at_y in y),
        (x.index(best[0]), y.index(best[1])),
    )


@dataclass(frozen=True)
class ParallelCoordinates:
    """Machines as lines over their axes and metrics.

    Attributes
    ----------
    finding : str
    columns : tuple of str
    ticks : tuple of tuple of (float, str)
        For each column, places 0 .. 1 and their labels.
    lines : tuple of tuple of float
        Places 0 .. 1 of each machine, column after column.
    on_front : tuple of bool
        Whether each is on the front of the metrics.
    """

    finding: str
    columns: tuple[str, ...]
    ticks: tuple[tuple[tuple[float, str], ...], ...]
    lines: tuple[tuple[float, ...], ...]
    on_front: tuple[bool, ...]


def parallel_coordinates(
    machines: Sequence[Candidate], axes: Sequence[str], metrics: Sequence[str]
) -> ParallelCoordinates:
    """Machines over some axes and metrics; an axis has its values at even distances, a metric a scale of its own."""
    best = {id(one) for one in pareto(machines, metrics)}
    step = max(1, -(-len(machines) // MOST_LINES))
    shown = [one for at, one in enumerate(machines) if at % step == 0 or id(one) in best]
    places: list[list[float]] = []
    ticks: list[tuple[tuple[float, str], ...]] = []
    for name in axes:
        values = list(_by(machines, name))
        at = {value: place / (len(values) - 1) for place, value in enumerate(values)}
        places.append([at[one.inputs[name]] for one in shown])
        ticks.append(tuple((at[value], short(value)) for value in values))
    for name in metrics:
        low, high = min(one.values[name] for one in machines), max(one.values[name] for one in machines)
        width = (high - low) or 1.0
        places.append([(one.values[name] - low) / width for one in shown])
        ticks.append(tuple((share, digits(low + share * width)) for share in (0.0, 0.5, 1.0)))
    return ParallelCoordinates(
        f"{len(best)} machines of the front among {len(machines):,}",
        (*axes, *map(label, metrics)),
        tuple(ticks),
        tuple(zip(*places, strict=True)),
        tuple(id(one) in best for one in shown),
    )
