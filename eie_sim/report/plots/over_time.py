"""Draws what the units do over time."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from eie_sim.report import figures
from eie_sim.report.plots.styles import NAVY, new_figure, styled


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
    heat.set_ylim(n_pe - 0.5, -0.5)
    over_time.stairs(data.busy_share_of_bin, data.time_us, fill=True, color=NAVY)
    over_time.set_title(data.finding)
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
