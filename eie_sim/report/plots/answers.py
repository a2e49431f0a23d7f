"""Draws a network's answers."""

import numpy as np
from matplotlib.figure import Figure

from eie_sim.report import figures
from eie_sim.report.plots.styles import EDGE, INK, NAVY, RUST, SKY, SOFT, new_figure, points, styled

_DIGITS_IN_A_ROW = 12


@styled
def answered_digits(data: figures.AnsweredDigits) -> Figure:
    """Images with a network's answers, and how long the machine takes for an image."""
    rows = max(1, -(-len(data.images) // _DIGITS_IN_A_ROW))
    figure = new_figure(2.6 + 0.75 * rows)
    grid = figure.add_gridspec(2, 1, height_ratios=(0.75 * rows + 0.3, 2.3))
    above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    above.suptitle(data.finding, x=EDGE, ha="left", fontsize=points(10), fontweight="bold")
    for at, axes in enumerate(above.subplots(rows, _DIGITS_IN_A_ROW, squeeze=False).flat):
        axes.axis("off")
        if at < len(data.images):
            answer, right = int(data.predicted[at]), int(data.labels[at])
            axes.imshow(data.images[at], cmap="gray_r", vmin=0, vmax=255)
            text, colour = (f"{answer}", INK) if answer == right else (f"{answer}, not {right}", RUST)
            axes.set_title(text, fontsize=points(8), fontweight="normal", loc="center", pad=2, color=colour)
    axes = below.subplots()
    times = np.concatenate(list(data.latencies_us.values()))
    # One set of bins for all runs; the last edge is moved, so that equal times make a bin too.
    edges = np.linspace(times.min(), times.max() + 1e-9, 41)
    for (name, of_run), colour, filled in zip(
        data.latencies_us.items(), (NAVY, RUST, SOFT), (True, False, False), strict=False
    ):
        counts, _ = np.histogram(of_run, edges)
        axes.stairs(counts, edges, fill=filled, color=SKY if filled else colour, linewidth=1.4, label=name)
    axes.set_title(data.latency_finding)
    axes.set_xlabel("latency (µs, all layers on the machine)")
    axes.set_ylabel("images")
    axes.grid(axis="y", linewidth=0.6)
    axes.legend(loc="upper right")
    return figure
