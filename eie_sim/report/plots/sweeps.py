"""Draws the machines of a sweep."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from eie_sim.columns import digits
from eie_sim.report.figures import sweeps
from eie_sim.report.plots.styles import (
    GREY,
    INK,
    MIST,
    NARROW,
    NAVY,
    PAPER,
    RUST,
    SKY,
    SOFT,
    foot,
    new_figure,
    points,
    styled,
    without_long_names,
)


@styled
def pareto_front(data: sweeps.ParetoFront) -> Figure:
    """Machines between two objectives, and the front."""
    figure = new_figure(4.2)
    axes = figure.subplots()
    axes.plot(*zip(*data.points, strict=True), "o", color=GREY, markersize=3, alpha=0.5, label="all machines")
    axes.plot(*zip(*data.front, strict=True), "s-", color=RUST, markersize=4.5, linewidth=1.2, label="beaten by none")
    _log_where_wide(axes, "x", [x for x, _ in data.points])
    _log_where_wide(axes, "y", [y for _, y in data.points])
    for axis, text, scale in (
        (axes.xaxis, data.x_label, axes.get_xscale()),
        (axes.yaxis, data.y_label, axes.get_yscale()),
    ):
        axis.set_label_text(f"{text} (log scale)" if scale == "log" else text)
    axes.set_title(without_long_names(data.finding))
    axes.grid(linewidth=0.6)
    axes.legend(fontsize=points(8))
    _name_some(axes, data)
    if data.named_by:
        foot(figure, f"beside points of the front: {', '.join(data.named_by)}")
    return figure


def _name_some(axes: Axes, data: sweeps.ParetoFront) -> None:
    """Names of the two ends and of the middle of a front, those that have room."""
    named: list[tuple[float, float]] = []
    for at in (0, len(data.front) - 1, len(data.front) // 2):
        x, y = axes.transAxes.inverted().transform(axes.transData.transform(data.front[at]))
        if any(abs(x - there) < _NAME[0] and abs(y - other) < _NAME[1] for there, other in named):
            continue
        named.append((x, y))
        to_the_left = x > 1 - _NAME[0]
        axes.annotate(
            data.names[at], data.front[at], xytext=(-5 if to_the_left else 5, 5), textcoords="offset points",
            ha="right" if to_the_left else "left", fontsize=points(7), color=SOFT,
        )  # fmt: skip


_NAME = (0.25, 0.05)
"""Width and height of a name beside a point, as fractions of those of the axes."""


def _log_where_wide(axes: Axes, which: Literal["x", "y"], values: Sequence[float]) -> None:
    """A logarithmic axis, where values above 0 are far apart."""
    low, high = min(values), max(values)
    if low > 0 and high >= _WIDE * low:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        axis = axes.xaxis if which == "x" else axes.yaxis
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < NARROW * low else (1,)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


_WIDE = 8.0
"""Ends of an axis that are this many times apart are easier to read on a logarithmic one."""


@styled
def axis_curve(data: sweeps.AxisCurve) -> Figure:
    """One metric over one axis: the median of all machines, and from the least to the largest."""
    figure = new_figure(3.4)
    axes = figure.subplots()
    places = np.arange(len(data.x))
    axes.fill_between(places, data.least, data.largest, color=SKY, alpha=0.45, linewidth=0, label="least to largest")
    axes.plot(places, data.median, "o-", color=NAVY, markersize=4.5, linewidth=1.4, label="median")
    axes.set_xticks(places, [sweeps.short(value) for value in data.x])
    _log_where_wide(axes, "y", [*data.least, *data.largest])
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    axes.set_title(without_long_names(data.finding))
    axes.grid(linewidth=0.6)
    axes.legend(fontsize=points(8))
    return figure


@styled
def sweep_map(data: sweeps.SweepMap) -> Figure:
    """The best of one metric over two axes."""
    figure = new_figure(0.32 * len(data.y) + 1.6)
    axes = figure.subplots()
    values = np.array(data.values)
    mesh = axes.pcolormesh(values, cmap="cividis", edgecolors=PAPER, linewidth=0.8)
    axes.set_xticks(np.arange(len(data.x)) + 0.5, [sweeps.short(value) for value in data.x])
    axes.set_yticks(np.arange(len(data.y)) + 0.5, [sweeps.short(value) for value in data.y])
    axes.add_patch(Rectangle(data.best, 1, 1, fill=False, edgecolor=RUST, linewidth=2.2))
    low, high = np.nanmin(values), np.nanmax(values)
    axes.set_facecolor(MIST)  # where no machine has both values
    for (row, column), value in np.ndenumerate(values) if values.size <= _MOST_NUMBERS else ():
        if np.isnan(value):
            continue
        dark = value < low + 0.55 * (high - low)
        axes.text(
            column + 0.5,
            row + 0.5,
            digits(value),
            ha="center",
            va="center",
            fontsize=points(7),
            color=PAPER if dark else INK,
        )
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    axes.set_title(without_long_names(data.finding))
    figure.colorbar(mesh, label=data.value_label, format=FuncFormatter(lambda value, _: digits(value)))
    return figure


_MOST_NUMBERS = 120
"""Cells of a map that have their number written in them."""


@styled
def parallel_coordinates(data: sweeps.ParallelCoordinates) -> Figure:
    """Machines as lines over their axes and metrics; those of the front stand out."""
    figure = new_figure(4.4)
    axes = figure.subplots()
    places = np.arange(len(data.columns))
    for front in (False, True):
        lines = [line for line, on_front in zip(data.lines, data.on_front, strict=True) if on_front is front]
        colour, width, alpha = (RUST, 1.3, 0.9) if front else (GREY, 0.5, 0.25)
        for line in lines:
            axes.plot(places, line, color=colour, linewidth=width, alpha=alpha, zorder=2 + front)
    for place, ticks in zip(places, data.ticks, strict=True):
        axes.axvline(float(place), color=SOFT, linewidth=0.8, zorder=4)
        for share, text in ticks:
            axes.annotate(
                text, (place, share), xytext=(3, 0), textcoords="offset points", va="center", fontsize=points(7),
                zorder=5,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
            )  # fmt: skip
    axes.set_xticks(places, [name.replace(", ", "\n") for name in data.columns], fontsize=points(7.5))
    axes.set(xlim=(-0.1, len(places) - 0.55), ylim=(-0.05, 1.05), yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(without_long_names(data.finding))
    return figure
