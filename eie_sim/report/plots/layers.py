"""Draws times of layers beside the paper's."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from eie_sim.columns import digits
from eie_sim.report import figures
from eie_sim.report.plots.styles import (
    CLASS_COLOURS,
    CLASS_HATCHES,
    EDGE,
    NAVY,
    RUST,
    SOFT,
    new_figure,
    points,
    short_names,
    styled,
)


@styled
def layer_times(data: figures.LayerTimes) -> Figure:
    """Time of each layer beside the paper's, and where its PE-cycles go."""
    header_in, body_in = 0.55, 0.85 + 0.3 * len(data.layers)
    figure = new_figure(header_in + body_in)
    grid = figure.add_gridspec(2, 1, height_ratios=(header_in, body_in))
    header, body = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    times, shares = body.subplots(1, 2, sharey=True, width_ratios=(1, 1.15))
    _draw_times(times, data)
    _draw_shares(shares, data)
    times.set_ylim(len(data.layers) - 0.4, -0.6)
    header.text(EDGE, 0.72, data.finding, fontsize=points(10), weight="bold", va="center")
    _legend_in_row(header, times, "lower left")
    _legend_in_row(header, shares, "lower right")
    if data.note:
        body.supxlabel(data.note, x=EDGE, ha="left", fontsize=points(7.5), color=SOFT)
    return figure


def _draw_times(axes: Axes, data: figures.LayerTimes) -> None:
    rows = range(len(data.layers))
    ours = [x.time_us for x in data.layers]
    compared = [(row, x.paper_us) for row, x in zip(rows, data.layers, strict=True) if x.paper_us is not None]
    if compared:
        at, paper_us = zip(*compared, strict=True)
        axes.scatter(
            paper_us, at, s=90, facecolor="none", edgecolor=RUST, linewidth=1.4, label="EIE Table IV", zorder=3
        )
    axes.scatter(ours, rows, s=22, color=NAVY, label="simulated", zorder=4)
    for row, layer in zip(rows, data.layers, strict=True):
        label = digits(layer.time_us)
        if layer.deviation_pct is not None:
            label = f"{label}  ({layer.deviation_pct:+.1f} %)".replace("-", "\N{MINUS SIGN}")
        axes.annotate(label, (layer.time_us, row), (9, 0), textcoords="offset points", va="center")
    axes.set_xscale("log")
    low = 0.8 * min(ours)
    # The dots take the left 62 %: their labels stand right of them. A span of 4 holds at least one tick.
    axes.set_xlim(low, low * max(4.0, (max(ours) / low) ** (1 / 0.62)))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("time of one input vector (µs, log scale)")
    axes.set_yticks(rows, short_names(x.layer for x in data.layers))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.6)
    axes.spines["left"].set_visible(False)


def _legend_in_row(header: SubFigure, axes: Axes, corner: Literal["lower left", "lower right"]) -> None:
    """The legend of `axes` in one row of the header, whatever room long names leave to the axes."""
    header.legend(
        *axes.get_legend_handles_labels(), loc=corner, ncols=5, fontsize=points(8), handlelength=0.8, handletextpad=0.5,
        columnspacing=1.1, borderpad=0.2, borderaxespad=0.9,
    )  # fmt: skip


def _draw_shares(axes: Axes, data: figures.LayerTimes) -> None:
    rows = np.arange(len(data.layers))
    left = np.zeros(len(rows))
    # The shares of a layer are stacked from left to right: each begins where the one before ends.
    for at, (name, colour) in enumerate(CLASS_COLOURS.items()):
        width = np.array([layer.shares[at] for layer in data.layers])
        axes.barh(
            rows, width, left=left, height=0.7, color=colour, hatch=CLASS_HATCHES[name], label=name, linewidth=0,
            edgecolor=SOFT,
        )  # fmt: skip
        left += width
    for row, layer in enumerate(data.layers):
        axes.text(1.02, row, f"{100 * layer.busy:.0f} % busy", va="center")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_xlabel("share of all PE-cycles")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
