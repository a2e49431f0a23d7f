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
    CURVE_MARKS,
    DEVICE_COLOURS,
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
"""Less than this is told in nJ."""


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


def _colour_of(name: str, baselines: Sequence[str]) -> str:
    """The same in both pictures; EIE, which is none of them, is as dark as text."""
    return DEVICE_COLOURS[baselines.index(name) % len(DEVICE_COLOURS)] if name in baselines else INK


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
        colour = _colour_of(series.name, data.baselines)
        # What is sparse is hatched on white.
        face, hatch = (PAPER, "////////") if series.kind == "sparse" else (colour, "")
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
    axes.yaxis.set_major_formatter(FuncFormatter(_times))
    axes.grid(axis="y", linewidth=0.6)


def _times(value: float, _: object) -> str:
    return f"{value:,.0f}x" if value >= 1 else f"{value:g}x"


# Roofline -------------------------------------------------------------------------------------------------------------


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
        _draw_roof(axes, roof, at, _colour_of(roof.name, data.baselines), (low, high))
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


_LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))


def _draw_roof(axes: Axes, roof: figures.Roof, at: int, colour: str, limits: tuple[float, float]) -> None:
    ridge = min(max(roof.peak_gops / roof.bandwidth_gb_s, limits[0]), limits[1])
    x = [limits[0], ridge, limits[1]]
    line = _LINES[at % len(_LINES)]
    label = f"{roof.name}: at most"
    axes.plot(x, [roof.at(ops) for ops in x], color=colour, linestyle=line, linewidth=1.4, label=label)
    for kind, found in roof.points.items():
        _, ops_per_byte, gops = zip(*found, strict=True)
        label = "each layer" if kind == roof.name else f"each layer, {kind}"
        face = PAPER if kind == "sparse" else colour
        axes.plot(
            ops_per_byte, gops, CURVE_MARKS[at % len(CURVE_MARKS)], color=colour, markerfacecolor=face, markersize=5,
            linestyle="none", label=label, zorder=3,
        )  # fmt: skip
