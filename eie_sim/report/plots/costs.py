"""Draws energy, and a run beside the baselines."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from eie_sim.columns import digits
from eie_sim.report import figures
from eie_sim.report.plots.styles import (
    EDGE,
    GREY,
    INK,
    MIST,
    NAVY,
    PAPER,
    RUST,
    SAND,
    SKY,
    SOFT,
    device_colour,
    foot,
    in_lines,
    legend_above,
    new_figure,
    points,
    short_names,
    styled,
)

_UNITS = ((NAVY, ""), (SKY, ""), (RUST, ""), (SAND, ""), (GREY, "////"), (MIST, "\\\\\\\\"), (INK, ""))
"""Colours and hatches of units, in their order."""


_FEW_NJ = 100.0
"""Less than this is given in nJ."""


@styled
def energy_breakdown(data: figures.EnergyBreakdown) -> Figure:
    """Energy of each unit, layer by layer."""
    figure = new_figure(1.45 + 0.3 * len(data.layers))
    axes = figure.subplots()
    rows = np.arange(len(data.layers))
    left = np.zeros(len(rows))
    in_microjoules = float(data.energy_nj.sum(axis=0).max()) >= _FEW_NJ
    label = f"energy of one input vector ({'µJ' if in_microjoules else 'nJ'})"
    energies = data.energy_nj / (1e3 if in_microjoules else 1)
    for at, (unit, of_unit) in enumerate(zip(data.units, energies, strict=True)):
        colour, hatch = _UNITS[at % len(_UNITS)]
        axes.barh(
            rows, of_unit, left=left, height=0.7, color=colour, hatch=hatch, label=unit, linewidth=0, edgecolor=SOFT
        )
        left = left + of_unit
    for row, total in zip(rows, left, strict=True):
        axes.annotate(digits(total), (total, row), (5, 0), textcoords="offset points", va="center")
    axes.set(
        ylim=(len(rows) - 0.5, -0.5),
        xlim=(0, 1.1 * float(left.max())),
        xlabel=label,
    )
    axes.set_yticks(rows, short_names(data.layers))
    axes.tick_params(axis="y", length=0)
    axes.set_title(in_lines(data.finding, axes), pad=points(24))
    legend_above(axes, 8)
    foot(figure, data.note)
    return figure


# Baselines ------------------------------------------------------------------------------------------------------------


@styled
def baseline_bars(data: figures.BaselineBars) -> Figure:
    """Times and energies of baselines over those of EIE, as logarithmic bars (EIE Figs 6 and 7)."""
    figure = new_figure(6.0)
    grid = figure.add_gridspec(2, 1, height_ratios=(0.1, 1))
    header, body = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    times, energy = body.subplots(2, 1)
    _draw_bars(times, data, [series.times_slower for series in data.series])
    times.set_ylabel("time over that of EIE\n(log scale)")
    times.set_title(in_lines(data.finding, times, 0.85))
    _draw_bars(energy, data, [series.times_energy for series in data.series])
    energy.set_ylabel("energy over that of EIE\n(log scale)")
    energy.set_title(in_lines(data.energy_finding, energy, 0.85))
    header.legend(*times.get_legend_handles_labels(), loc="upper left", ncols=3, fontsize=points(8), borderaxespad=0.2)
    body.supxlabel(data.note, x=EDGE, ha="left", fontsize=points(7.5), color=SOFT)
    return figure


def _draw_bars(axes: Axes, data: figures.BaselineBars, values: Sequence[Sequence[float | None]]) -> None:
    places = np.arange(len(data.layers))
    width = 0.84 / len(data.series)
    for at, (series, heights) in enumerate(zip(data.series, values, strict=True)):
        colour = device_colour(series.name, data.baselines)
        # What is sparse is hatched on white.
        face, hatch = (PAPER, "////////") if series.kind == "sparse" else (colour, "")
        # NaN draws no bar, but keeps its place.
        known = np.array([np.nan if height is None else height for height in heights])
        with mpl.rc_context({"hatch.color": colour}):
            # From the line of EIE up, or down where EIE is behind.
            axes.bar(
                places - 0.42 + width * (at + 0.5), known - 1, 0.9 * width, bottom=1, color=face, hatch=hatch,
                edgecolor=colour, linewidth=0.8, label=series.label,
            )  # fmt: skip
    axes.set_yscale("log")
    axes.axhline(1, color=INK, linewidth=1)
    axes.set_xlim(-0.6, len(places) - 0.4)
    axes.set_xticks(places, short_names(data.layers))
    axes.tick_params(axis="x", length=0)
    axes.yaxis.set_major_locator(LogLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}x" if value >= 1 else f"{value:g}x"))
    axes.grid(axis="y", linewidth=0.6)
