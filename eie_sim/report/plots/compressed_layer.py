"""Draws what compression makes of a layer."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from eie_sim.report import figures
from eie_sim.report.plots.styles import NAVY, RUST, SAND, SKY, SOFT, in_lines, legend_above, new_figure, points, styled


@styled
def weight_histogram(data: figures.WeightHistogram) -> Figure:
    """Weights before and after pruning, with the values that the kept ones share."""
    figure = new_figure(2.9, columns=1)
    axes = figure.subplots()
    axes.stairs(data.kept + data.pruned, data.edges, fill=True, color=SAND, label="pruned")
    axes.stairs(data.kept, data.edges, fill=True, color=NAVY, label="kept")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)  # below one weight, so that a bin with one has a bar
    # A short mark for each value, on the axis: lines over the whole height would hide the bars.
    axes.vlines(
        data.shared_values, 0, 0.07, transform=axes.get_xaxis_transform(), color=RUST, linewidth=2, label="shared value"
    )
    axes.set_title(in_lines(data.finding, axes))
    axes.set_xlabel("weight")
    axes.set_ylabel("weights (log scale)")
    axes.legend(loc="upper right")
    return figure


@styled
def shared_weights(data: figures.ValueHistogram) -> Figure:
    """How many weights of a packed layer have each value."""
    figure = new_figure(2.7, columns=1)
    _draw_shared_weights(figure.subplots(), data, 0.85)
    return figure


def _draw_shared_weights(axes: Axes, data: figures.ValueHistogram, share: float) -> None:
    # A line for each value, where it lies: bars as wide as the gaps would say that there is something between them.
    axes.vlines(data.values, 0, data.weights, color=NAVY, linewidth=points(4))
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set_ylim(bottom=0)
    axes.set_title(in_lines(data.finding, axes, share))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("value of a weight")
    axes.set_ylabel("weights")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", linewidth=0.6)


@styled
def run_histogram(data: figures.RunHistogram) -> Figure:
    """Zero runs of a packed layer, real weights and fillers."""
    figure = new_figure(2.7, columns=1)
    axes = figure.subplots()
    _draw_runs(axes, data, 1)
    axes.set_xlabel(in_lines("zeros before the weight, among the rows of its PE", axes))
    return figure


def _draw_runs(axes: Axes, data: figures.RunHistogram, share: float) -> None:
    runs = np.arange(len(data.real))
    # A filler has the longest run and no weight: all of them stand on one bar.
    axes.bar(runs, data.real, color=NAVY, label="real weight")
    axes.bar(runs[-1:], data.fillers, bottom=data.real[-1:], color=SKY, label="filler")
    axes.set_title(in_lines(data.finding, axes, share))
    axes.set_xlim(-0.7, len(runs) - 0.3)
    axes.set_xticks(runs[:: max(1, len(runs) // 16)])
    axes.set_ylabel("entries")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", linewidth=0.6)
    axes.legend(loc="upper center")  # short runs are many, and the longest one has the fillers


@styled
def packed_layer(data: figures.PackedHistograms) -> Figure:
    """The values of the weights and the zero runs of a packed layer, side by side."""
    figure = new_figure(3.0)
    weights, runs = figure.subplots(1, 2)
    _draw_shared_weights(weights, data.weights, 0.52)
    _draw_runs(runs, data.runs, 0.52)
    runs.set_xticks(np.arange(0, len(data.runs.real), max(1, len(data.runs.real) // 4)))
    runs.set_xlabel("zeros before the weight in its PE")
    return figure


@styled
def stored_sizes(data: figures.StoredSizes) -> Figure:
    """What a layer takes after each step of its compression."""
    figure = new_figure(1.2 + 0.42 * len(data.steps))
    axes = figure.subplots()
    rows = np.arange(len(data.steps))
    left = np.zeros(len(rows))
    unit, bits = ("MB", 8e6) if max(step.n_bytes for step in data.steps) >= 1e5 else ("kB", 8e3)
    parts = {"weights": NAVY, "indices": SKY, "pointers": RUST}
    for name, colour in parts.items():
        width = np.array([getattr(step, f"{name}_bits") for step in data.steps]) / bits
        axes.barh(rows, width, left=left, height=0.66, color=colour, label=name)
        left += width
    for row, step in zip(rows, data.steps, strict=True):
        times = f"  ({data.change(step)})" if row else ""
        axes.annotate(
            f"{figures.megabytes(step)}{times}", (left[row], row), (5, 0), textcoords="offset points", va="center"
        )
    axes.set_title(in_lines(data.finding, axes), pad=points(24))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    # Room for the text beside a bar, which is long beside all but the first.
    axes.set_xlim(0, max(left[0] * 1.12, left[1:].max(initial=0) * 1.45))
    axes.set_yticks(rows, [step.step for step in data.steps])
    axes.set_xlabel(f"size of the layer ({unit})")
    axes.tick_params(axis="y", length=0)
    legend_above(axes)
    return figure
