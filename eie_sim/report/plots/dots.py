"""Draws values beside the published ones."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from eie_sim.report import figures
from eie_sim.report.plots.styles import (
    CURVE_COLOURS,
    CURVE_MARKS,
    NARROW,
    PAPER,
    RUST,
    foot,
    new_figure,
    points,
    styled,
)


@styled
def dot_panels(data: figures.DotPanels) -> Figure:
    """Values beside the paper's, a line for each, on logarithmic axes where all are positive."""
    n_rows = -(-len(data.panels) // data.columns)
    most = max(len(panel.rows) for panel in data.panels)
    figure = new_figure((0.21 * most + 0.9) * n_rows + 0.5)
    grid = figure.subplots(n_rows, data.columns, squeeze=False)
    made = list(dict.fromkeys(made for panel in data.panels for row in panel.rows for made in row.here))
    for axes in grid.flat[len(data.panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, data.panels, strict=False):
        places = np.arange(len(panel.rows))
        paper = [np.nan if row.paper is None else row.paper for row in panel.rows]
        if not np.all(np.isnan(paper)):
            axes.plot(paper, places, "s", color=RUST, markerfacecolor=PAPER, markersize=7, label="paper")
        for at, name in enumerate(made):
            ours = [row.here.get(name, np.nan) for row in panel.rows]
            which = (0, 2, 3, 4, 5)[at % 5]  # the second mark and colour are the paper's
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
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=points(8))
    foot(figure, data.note)
    return figure
