"""Draws curves, sizes, weights and seeds of compressed networks."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from eie_sim.report import compression_figures
from eie_sim.report.plots.styles import (
    CURVE_COLOURS,
    CURVE_MARKS,
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

_SMALL_PANELS = 3
"""Panels side by side from which on they are small."""


@styled
def curve_panels(data: compression_figures.CurvePanels) -> Figure:
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


def _draw_curves(axes: Axes, panel: compression_figures.CurvePanel, with_legend: bool, small: bool) -> None:
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


@styled
def size_panels(data: compression_figures.SizePanels) -> Figure:
    """Sizes of layers beside the paper's, before and after Huffman coding, a panel for each network."""
    rows = [len(panel.layers) + 3.0 for panel in data.panels]
    figure = new_figure(0.24 * sum(rows) + 0.3)
    grid = figure.subplots(len(rows), 1, squeeze=False, height_ratios=rows)
    for at, (axes, panel) in enumerate(zip(grid.flat, data.panels, strict=True)):
        _draw_size_pairs(axes, panel, with_legend=at == 0)
    foot(figure, data.note)
    return figure


def _draw_size_pairs(axes: Axes, panel: compression_figures.SizePanel, with_legend: bool) -> None:
    places = np.arange(len(panel.layers))
    axes.barh(places, [x.shared_pct for x in panel.layers], 0.66, color=SKY, label="pruned and shared")
    axes.barh(places, [x.huffman_pct for x in panel.layers], 0.3, color=NAVY, label="and Huffman coded")
    for values, face in (("paper_shared_pct", PAPER), ("paper_huffman_pct", RUST)):
        marks = [getattr(layer, values) for layer in panel.layers]
        name = "paper: pruned and shared" if face == PAPER else "paper: and Huffman coded"
        axes.scatter(marks, places, marker="D", s=22, facecolor=face, edgecolor=RUST, label=name, zorder=3)
    for at, layer in enumerate(panel.layers):
        text = f"{layer.huffman_pct:.2f} ({layer.paper_huffman_pct:.2f})"
        end = max(layer.shared_pct, layer.paper_shared_pct)
        axes.annotate(text, (end, at), (7, 0), textcoords="offset points", va="center", fontsize=points(8))
    axes.set(xscale="log", xlim=(0.8, 250), ylim=(len(places) - 0.4, -0.6), xlabel="size, % of the dense layer")
    axes.set_yticks(places, [layer.name for layer in panel.layers])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title(panel.finding)
    if with_legend:
        axes.legend(loc="lower right", fontsize=points(8))


@styled
def weights_panels(data: compression_figures.WeightsPanels) -> Figure:
    """Histograms of a layer's weights one below the other, over the same axis."""
    figure = new_figure(1.9 * len(data.panels) + 0.4)
    grid = figure.subplots(len(data.panels), 1, squeeze=False, sharex=True)
    for axes, panel in zip(grid.flat, data.panels, strict=True):
        axes.stairs(panel.counts, panel.edges, fill=True, color=NAVY)
        if panel.values.size:
            place = axes.get_xaxis_transform()
            axes.vlines(panel.values, 0, 0.08, transform=place, color=RUST, linewidth=1.6, label="shared value")
            axes.legend(loc="upper right", fontsize=points(8))
        axes.set_title(panel.finding)
        axes.set_ylabel("weights")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.grid(axis="y", linewidth=0.6)
    grid[-1, 0].set_xlabel("weight (zeros are not shown)")
    foot(figure, data.note)
    return figure


@styled
def spread_panels(data: compression_figures.SpreadPanels) -> Figure:
    """The error of each seed by ways of training, those of one seed joined."""
    figure = new_figure(3.4)
    grid = figure.subplots(1, len(data.panels), squeeze=False)
    for axes, panel in zip(grid.flat, data.panels, strict=True):
        _draw_spread(axes, panel)
    grid[0, 0].set_ylabel("test error %")
    foot(figure, data.note)
    return figure


def _draw_spread(axes: Axes, panel: compression_figures.SpreadPanel) -> None:
    places = np.arange(len(panel.ways))
    for of_seed in zip(*(way.errors_pct for way in panel.ways), strict=True):
        axes.plot(places, of_seed, "o-", color=SKY, linewidth=1, markersize=4)
    means = [float(np.mean(way.errors_pct)) for way in panel.ways]
    axes.hlines(means, places - 0.22, places + 0.22, color=RUST, linewidth=2, zorder=3)
    axes.set_xlim(-0.5, len(places) - 0.5)
    # Under the axis, for beside the bar a mean would hide points.
    axes.set_xticks(places, [f"{way.name}\n{mean:.2f}" for way, mean in zip(panel.ways, means, strict=True)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axes.set_title(panel.finding)
    axes.grid(axis="y", linewidth=0.6)


@styled
def stage_sizes(data: compression_figures.StageSizes) -> Figure:
    """Size of a network after each stage of its compression, and its error."""
    figure = new_figure(1.3 + 0.36 * len(data.stages))
    axes = figure.subplots()
    places = np.arange(len(data.stages))
    sizes = [stage.size_kb for stage in data.stages]
    axes.barh(places, sizes, 0.62, color=NAVY)
    for at, stage in enumerate(data.stages):
        times = f"  ({sizes[0] / stage.size_kb:.1f}x smaller)" if at else ""
        error = "" if stage.error_pct is None else f"  error {stage.error_pct:.2f} %"
        text = f"{stage.size_kb:,.1f} kB{times}{error}"
        axes.annotate(text, (stage.size_kb, at), (5, 0), textcoords="offset points", va="center", fontsize=points(8))
    axes.set(xlim=(0, 1.45 * max(sizes)), ylim=(len(places) - 0.5, -0.5), xlabel="size, kB")
    axes.set_yticks(places, [stage.stage for stage in data.stages])
    axes.tick_params(axis="y", length=0)
    axes.set_title(data.finding)
    foot(figure, data.note)
    return figure
