"""Draws curves."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from eie_sim.report import figures
from eie_sim.report.plots.styles import (
    CURVE_COLOURS,
    CURVE_MARKS,
    PAPER,
    SOFT,
    foot,
    new_figure,
    points,
    styled,
)

_SMALL_PANELS = 3
"""Panels side by side from which on they are small."""


@styled
def curve_panels(data: figures.CurvePanels) -> Figure:
    """Curves with a mark at each point that was measured."""
    n_rows, small = -(-len(data.panels) // data.columns), data.columns >= _SMALL_PANELS
    figure = new_figure((2.1 if small else 3.3) * n_rows + 0.2)
    grid = figure.subplots(n_rows, data.columns, squeeze=False)
    for at, axes in enumerate(grid.flat):
        if at < len(data.panels):
            _draw_curves(axes, data.panels[at], with_legend=not small or at == 0, small=small)
            if small and at < len(data.panels) - data.columns:
                axes.set_xlabel("")
            if small and at % data.columns:
                axes.set_ylabel("")
        else:
            axes.set_axis_off()
    foot(figure, data.note)
    return figure


def _draw_curves(axes: Axes, panel: figures.CurvePanel, with_legend: bool, small: bool) -> None:
    for at, curve in enumerate(panel.curves):
        which = (at if curve.colour is None else curve.colour) % len(CURVE_COLOURS)
        colour, hollow = CURVE_COLOURS[which], PAPER if curve.dashed else CURVE_COLOURS[which]
        line = (0, (4, 2)) if curve.dashed else "-"
        axes.plot(
            curve.x, curve.y, color=colour, linestyle=line, linewidth=1.4, marker=CURVE_MARKS[which], markersize=4.5,
            markerfacecolor=hollow, label=curve.name,
        )  # fmt: skip
    if panel.level is not None:
        axes.axhline(panel.level, color=SOFT, linewidth=0.9, linestyle=":", label=panel.level_name)
    if panel.log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=4) if small else LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if panel.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if panel.y_limits is not None:
        axes.set_ylim(*panel.y_limits)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    axes.set_title(panel.finding)
    axes.grid(linewidth=0.6)
    if with_legend:
        axes.legend(fontsize=points(8), handlelength=2.4)
