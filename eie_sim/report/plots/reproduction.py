"""Draws a reproduction beside the paper."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from eie_sim.report import reproduction
from eie_sim.report.plots.styles import (
    CURVE_COLOURS,
    CURVE_MARKS,
    EDGE,
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
)


@styled
def dot_panels(data: reproduction.DotPanels) -> Figure:
    """Values beside the paper's, a line for each, on logarithmic axes where all are positive."""
    n_rows = -(-len(data.panels) // data.columns)
    most = max(len(panel.rows) for panel in data.panels)
    figure = new_figure((0.21 * most + 0.9) * n_rows + 0.5)
    grid = figure.subplots(n_rows, data.columns, squeeze=False)
    made = list(dict.fromkeys(made for panel in data.panels for row in panel.rows for made in row.here))
    for at, axes in enumerate(grid.flat):
        if at < len(data.panels):
            _draw_dots(axes, data.panels[at], made)
        else:
            axes.set_axis_off()
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=points(8))
    foot(figure, data.note)
    return figure


def _draw_dots(axes: Axes, panel: reproduction.DotPanel, made: Sequence[str]) -> None:
    places = np.arange(len(panel.rows))
    paper = [np.nan if row.paper is None else row.paper for row in panel.rows]
    if not np.all(np.isnan(paper)):
        axes.plot(paper, places, "s", color=RUST, markerfacecolor=PAPER, markersize=7, label="paper")
    for at, name in enumerate(made):
        ours = [row.here.get(name, np.nan) for row in panel.rows]
        which = (0, 2, 3, 4, 5)[at % 5]
        axes.plot(ours, places, CURVE_MARKS[which], color=CURVE_COLOURS[which], markersize=4, label=name)
    if min(value for row in panel.rows for value in row.here.values()) > 0:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < NARROW * low else (1,)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_yticks(places, [row.name for row in panel.rows])
    axes.set_ylim(len(panel.rows) - 0.4, -0.6)
    axes.set_xlabel(panel.x_label + " (log scale)" * (axes.get_xscale() == "log"))
    axes.set_title(panel.finding)
    axes.grid(linewidth=0.6)


@styled
def reproduced_networks(data: reproduction.ReproducedNetworks) -> Figure:
    """Sizes of the layers beside the paper's, and the errors before and after, a row for each network."""
    rows = [len(network.layers) + 3.2 for network in data.networks]
    figure = new_figure(0.25 * sum(rows) + 0.5)
    grid = figure.add_gridspec(len(rows), 2, width_ratios=(3, 2), height_ratios=rows)
    for at, network in enumerate(data.networks):
        _draw_layer_sizes(figure.add_subplot(grid[at, 0]), network, at == 0)
        _draw_errors(figure.add_subplot(grid[at, 1]), network)
    figure.supxlabel(data.note, x=EDGE, ha="left", fontsize=points(7.5), color=SOFT)
    return figure


def _draw_layer_sizes(axes: Axes, network: reproduction.ReproducedNetwork, with_legend: bool) -> None:
    sizes = [layer.size_pct for layer in network.layers]
    papers = [layer.paper_pct for layer in network.layers]
    places = np.arange(len(sizes))
    axes.barh(places, sizes, 0.62, color=[SKY] * (len(sizes) - 1) + [NAVY], label="here, mean")
    axes.scatter(papers, places, marker="D", s=26, color=RUST, zorder=3, label="paper")
    for at, layer in enumerate(network.layers):
        end = max(layer.size_pct, layer.paper_pct)
        text = f"{layer.size_pct:.2f} ({layer.paper_pct:.2f})"
        axes.annotate(text, (end, at), (6, 0), textcoords="offset points", va="center", fontsize=points(8))
    axes.set(xscale="log", xlim=(1, 350), ylim=(len(sizes) - 0.4, -0.6))
    axes.set_yticks(places, [layer.name for layer in network.layers])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("size, % of the dense layer")
    axes.set_title(network.finding)
    if with_legend:
        axes.legend(loc="lower right", fontsize=points(8))


def _draw_errors(axes: Axes, network: reproduction.ReproducedNetwork) -> None:
    for pair in network.seeds:
        axes.plot([0, 1], [pair.before_pct, pair.after_pct], "o-", color=NAVY, linewidth=1.2, markersize=4)
    paper = network.paper
    axes.plot([0, 1], [paper.before_pct, paper.after_pct], "D--", color=RUST, linewidth=1, markersize=4)
    errors = [error for pair in (*network.seeds, paper) for error in (pair.before_pct, pair.after_pct)]
    axes.set(xlim=(-0.3, 1.3), ylim=(0, 1.25 * max(errors)), ylabel="error %")
    axes.set_xticks([0, 1], ["dense control", "compressed"])
    axes.set_title(network.error_finding)
    axes.grid(axis="y")
