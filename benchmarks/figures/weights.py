"""Weights of a layer before and after pruning and sharing."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from eie_sim.report.plots.styles import (
    NAVY,
    RUST,
    foot,
    new_figure,
    points,
    styled,
)


@dataclass(frozen=True, eq=False)
class WeightsPanel:
    """A histogram of the weights of a layer that are not zero.

    Attributes
    ----------
    finding : str
    edges : ndarray of float, shape (n_bins + 1,)
    counts : ndarray of int, shape (n_bins,)
    values : ndarray of float
        Shared values, where weights are shared; else empty.
    """

    finding: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WeightsPanels:
    """Histograms one below the other, over the same weights.

    Attributes
    ----------
    panels : tuple of WeightsPanel
    note : str
    """

    panels: tuple[WeightsPanel, ...]
    note: str = ""


@styled
def weights_panels(data: WeightsPanels) -> Figure:
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
