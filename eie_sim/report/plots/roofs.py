"""Draws a roofline."""

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from eie_sim.report import figures
from eie_sim.report.plots.styles import (
    CURVE_MARKS,
    PAPER,
    device_colour,
    foot,
    in_lines,
    new_figure,
    points,
    styled,
)

_LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
"""Of roofs, so that they differ in grey."""


@styled
def roofline(data: figures.Roofline) -> Figure:
    """Roofs of EIE and the devices, with the layers on them."""
    figure = new_figure(4.9)
    axes = figure.subplots()
    reached = [x for roof in data.roofs for of_kind in roof.points.values() for _, x, _ in of_kind]
    # Every ridge is in the picture, that of EIE first: without it a roof is a line.
    seen = [*reached, *(roof.peak_gops / roof.bandwidth_gb_s for roof in data.roofs)]
    low, high = min(seen) / 3, 4 * max(seen)
    for at, roof in enumerate(data.roofs):
        colour = device_colour(roof.name, data.baselines)
        # A roof is a slope up to its ridge, and flat from there on: three points draw it on logarithmic axes.
        x = [low, min(max(roof.peak_gops / roof.bandwidth_gb_s, low), high), high]
        reached_at_most = [roof.at(ops) for ops in x]
        label, line = f"{roof.name}: at most", _LINES[at % len(_LINES)]
        axes.plot(x, reached_at_most, color=colour, linestyle=line, linewidth=1.4, label=label)
        for kind, found in roof.points.items():
            _, ops_per_byte, gops = zip(*found, strict=True)
            label = "each layer" if kind == roof.name else f"each layer, {kind}"
            face = PAPER if kind == "sparse" else colour
            axes.plot(
                ops_per_byte, gops, CURVE_MARKS[at % len(CURVE_MARKS)], color=colour, markerfacecolor=face,
                markersize=5, linestyle="none", label=label, zorder=3,
            )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator())
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("operations a byte (operations/byte, log scale)")
    axes.set_ylabel("speed (GOP/s, log scale)")
    axes.set_title(in_lines(data.finding, axes, 0.8))
    axes.grid(linewidth=0.6)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=points(8))
    foot(figure, "\n".join(in_lines(line, axes, size=7.5) for line in data.note.splitlines()))
    return figure
