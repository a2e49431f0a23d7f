"""Draws where cycles and work go."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from eie_sim.report import figures
from eie_sim.report.plots.styles import (
    GREY,
    NAVY,
    RUST,
    SAND,
    SKY,
    SOFT,
    STATE_COLOURS,
    STATE_HATCHES,
    Values,
    in_lines,
    legend_above,
    new_figure,
    points,
    short_names,
    stairs,
    styled,
)  # fmt: skip


@styled
def stall_breakdown(data: figures.StallBreakdown) -> Figure:
    """Where the cycles of each PE go; below it for how long each PE stalls the broadcast."""
    figure = new_figure(5.2)
    grid = figure.add_gridspec(2, 1, height_ratios=(1.35, 1))
    above, below = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    pes = np.arange(data.states.shape[1])
    for axes in (above, below):
        axes.set(xlim=(-0.6, len(pes) - 0.4), xlabel="PE")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for name, top, bottom in _stacked(data.states):
        _steps(above, top, bottom, STATE_COLOURS[name], name, STATE_HATCHES[name])
    above.set_ylabel("cycles")
    above.set_title(in_lines(data.finding, above), pad=points(24))
    legend_above(above)
    _steps(below, data.alone, np.zeros(len(pes)), NAVY, "alone")
    _steps(below, data.alone + data.with_others, data.alone, SAND, "with other PEs")
    below.set_ylabel("cycles of the broadcast\nheld up")
    below.set_title(in_lines(data.stall_finding, below), pad=points(24))
    below.set_ylim(bottom=0)
    if not data.stall_cycles:  # an axis from 0 to 0 would have ticks without meaning
        below.set(ylim=(0, 1), yticks=(0,))
    below.grid(axis="y", linewidth=0.6)
    legend_above(below)
    return figure


def _steps(axes: Axes, top: Values, bottom: Values, colour: str, label: str, hatch: str = "") -> None:
    """A step for each PE; one path, where a bar for each would make a picture ten times as large."""
    stairs(axes, top, np.arange(len(top) + 1) - 0.5, colour, bottom, hatch=hatch, edgecolor=SOFT, label=label)


def _stacked(states: Values) -> Iterator[tuple[str, Values, Values]]:
    """Name, upper and lower end of each state, one upon the other."""
    upper = np.cumsum(states, axis=0)
    return zip(figures.STATE_NAMES, upper, upper - states, strict=True)


@styled
def layer_breakdown(data: figures.LayerBreakdown) -> Figure:
    """Where the PE-cycles of each layer go."""
    figure = new_figure(1.25 + 0.3 * len(data.layers))
    axes = figure.subplots()
    rows = np.arange(len(data.layers))
    for name, right, left in _stacked(data.shares):
        axes.barh(
            rows, right - left, left=left, height=0.7, color=STATE_COLOURS[name], hatch=STATE_HATCHES[name], label=name,
            linewidth=0, edgecolor=SOFT,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xlabel="share of all PE-cycles")
    axes.set_yticks(rows, short_names(data.layers))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_title(in_lines(data.finding, axes), pad=points(24))
    legend_above(axes)
    return figure


@styled
def load_balance(data: figures.LoadBalance) -> Figure:
    """The work of each PE, the busiest first, and the Lorenz curve with its Gini coefficient."""
    figure = new_figure(3.2)
    work, curve = figure.subplots(1, 2, width_ratios=(1.7, 1))
    places = np.arange(len(data.entries))
    _steps(work, data.entries, np.zeros(len(places)), SKY, "")
    work.axhline(float(data.entries.mean()), color=RUST, linewidth=1.4, linestyle="--", label="mean")
    work.set_ylim(bottom=0)
    work.set(xlim=(-0.6, len(places) - 0.4), xlabel="PEs, that with most work first", ylabel="entries walked")
    work.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    work.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    work.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    work.set_title(in_lines(data.finding, work, 0.6))
    work.legend(loc="lower left", fontsize=points(8), frameon=True, facecolor="white", edgecolor="none", framealpha=1)
    share_of_pes = np.linspace(0, 1, len(data.entries) + 1)
    curve.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="the same for all")
    curve.fill_between(share_of_pes, data.lorenz, share_of_pes, color=SAND, linewidth=0)
    curve.plot(share_of_pes, data.lorenz, color=NAVY, linewidth=1.6, label="this layer")
    for axis in (curve.xaxis, curve.yaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %", decimals=0))
    curve.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), box_aspect=1, anchor="N")
    curve.set(xlabel="share of the PEs", ylabel="share of the work")
    curve.set_title(f"Gini coefficient {data.gini:.3f}")
    curve.legend(loc="upper left", fontsize=points(8), handlelength=1.4)
    return figure
