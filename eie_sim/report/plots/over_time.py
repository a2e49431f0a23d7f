"""Draws what the units do over time."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from eie_sim.report import figures
from eie_sim.report.plots.styles import (
    MIST,
    NAVY,
    RUST,
    SAND,
    SKY,
    SOFT,
    in_lines,
    legend_above,
    new_figure,
    points,
    stairs,
    styled,
)


@styled
def utilisation_map(data: figures.UtilisationMap) -> Figure:
    """How busy each PE is over time; above it all PEs over time, beside it each PE over the whole time."""
    figure = new_figure(4.2)
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 0.16, 0.025), height_ratios=(0.2, 1))
    heat = figure.add_subplot(grid[1, 0])
    over_time = figure.add_subplot(grid[0, 0], sharex=heat)
    of_pe = figure.add_subplot(grid[1, 1], sharey=heat)
    n_pe = len(data.busy_share)
    pe_edges = np.arange(n_pe + 1) - 0.5
    mesh = heat.pcolormesh(data.time_us, pe_edges, data.busy_share, cmap="cividis_r", vmin=0, vmax=1, rasterized=True)
    heat.set_xlabel("time (µs)")
    heat.set_ylabel("PE")
    heat.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    heat.set_ylim(n_pe - 0.5, -0.5)
    stairs(over_time, data.busy_share_of_bin, data.time_us, NAVY)
    over_time.set_title(in_lines(data.finding, over_time))
    over_time.set_ylabel("all PEs")
    of_pe.barh(np.arange(n_pe), data.busy_share_of_pe, height=1, color=NAVY)
    of_pe.set_xlabel("whole time")
    for axis in (over_time.yaxis, of_pe.xaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    over_time.set_ylim(0, 1)
    of_pe.set(xlim=(0, 1), xticks=(0, 1))
    over_time.tick_params(labelbottom=False)
    of_pe.tick_params(labelleft=False, length=0)
    figure.colorbar(
        mesh, cax=figure.add_subplot(grid[1, 2]), format=PercentFormatter(1, symbol=" %"), label="busy cycles"
    )
    return figure


@styled
def queue_map(data: figures.QueueMap) -> Figure:
    """How many activations wait for each PE over time; below it percentiles over all PEs."""
    figure = new_figure(4.8)
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 0.025), height_ratios=(1, 0.5))
    heat = figure.add_subplot(grid[0, 0])
    over_time = figure.add_subplot(grid[1, 0], sharex=heat)
    n_pe = len(data.mean)
    pe_edges = np.arange(n_pe + 1) - 0.5
    mesh = heat.pcolormesh(
        data.time_us, pe_edges, data.mean, cmap="cividis_r", vmin=0, vmax=data.places, rasterized=True
    )
    heat.set_ylabel("PE")
    heat.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    heat.set_ylim(n_pe - 0.5, -0.5)
    heat.set_title(in_lines(data.finding, heat))
    heat.tick_params(labelbottom=False)
    # Bands from least to most and from the 10th to the 90th percentile, and the median.
    least, low, median, high, most = data.percentiles
    stairs(over_time, most, data.time_us, MIST, least, label="least to most")
    stairs(over_time, high, data.time_us, SKY, low, label="10th to 90th percentile")
    stairs(over_time, median, data.time_us, NAVY, None, linewidth=1.4, label="median")
    over_time.set_ylim(0, 1.08 * data.places)
    over_time.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    over_time.set_xlabel("time (µs)")
    over_time.set_ylabel("waiting activations")
    over_time.grid(axis="y", linewidth=0.6)
    legend_above(over_time)
    figure.colorbar(mesh, cax=figure.add_subplot(grid[0, 1]), label="waiting activations")
    return figure


_BROADCAST = (
    ("an activation is sent", NAVY, ""),
    ("held up by a full queue", SAND, ""),
    ("no active input found yet", RUST, ""),
    ("idle", MIST, "////"),
)
"""Names, colours and hatches of the states of the broadcast."""


@styled
def broadcast_rate(data: figures.BroadcastRate) -> Figure:
    """What the broadcast does over time."""
    figure = new_figure(2.9)
    axes = figure.subplots()
    below = np.zeros(len(data.time_us) - 1)
    for share, (label, colour, hatch) in zip(data.shares, _BROADCAST, strict=True):
        stairs(axes, below + share, data.time_us, colour, below, hatch=hatch, edgecolor=SOFT, label=label)
        below = below + share
    axes.set(xlim=(0, data.time_us[-1]), ylim=(0, 1), xlabel="time (µs)", ylabel="share of the cycles")
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_title(in_lines(data.finding, axes), pad=points(24))
    legend_above(axes)
    return figure
