"""Errors of several seeds by ways of training."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from eie_sim.report.plots.styles import (
    RUST,
    SKY,
    foot,
    new_figure,
    styled,
)


@dataclass(frozen=True)
class Spread:
    """Errors of one way of training over seeds.

    Attributes
    ----------
    name : str
    errors_pct : tuple of float
        One a seed, in the same order for every way.
    """

    name: str
    errors_pct: tuple[float, ...]


@dataclass(frozen=True)
class SpreadPanel:
    """Ways of training one network.

    Attributes
    ----------
    finding : str
    ways : tuple of Spread
    """

    finding: str
    ways: tuple[Spread, ...]


@dataclass(frozen=True)
class SpreadPanels:
    """Networks side by side.

    Attributes
    ----------
    panels : tuple of SpreadPanel
    note : str
    """

    panels: tuple[SpreadPanel, ...]
    note: str = ""


@styled
def spread_panels(data: SpreadPanels) -> Figure:
    """The error of each seed by ways of training, those of one seed joined."""
    figure = new_figure(3.4)
    grid = figure.subplots(1, len(data.panels), squeeze=False)
    for axes, panel in zip(grid.flat, data.panels, strict=True):
        _draw_spread(axes, panel)
    grid[0, 0].set_ylabel("test error %")
    foot(figure, data.note)
    return figure


def _draw_spread(axes: Axes, panel: SpreadPanel) -> None:
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
