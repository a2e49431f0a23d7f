"""Compressed networks beside the paper's: sizes of their layers, and errors of every seed."""

import statistics
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from eie_sim.report.plots.styles import (
    EDGE,
    NAVY,
    RUST,
    SKY,
    SOFT,
    new_figure,
    points,
    styled,
)


@dataclass(frozen=True)
class ReproducedLayer:
    """The size of one layer after pruning, sharing and Huffman coding.

    Attributes
    ----------
    name : str
    size_pct : float
        Of the dense layer, percent; mean of the seeds.
    paper_pct : float
    """

    name: str
    size_pct: float
    paper_pct: float


@dataclass(frozen=True)
class ErrorPair:
    """Errors of one seed, or the paper's, in percent.

    Attributes
    ----------
    name : str
    before_pct, after_pct : float
    """

    name: str
    before_pct: float
    after_pct: float


@dataclass(frozen=True)
class ReproducedNetwork:
    """One network.

    Attributes
    ----------
    name : str
    layers : tuple of ReproducedLayer
        And the total at the end.
    seeds : tuple of ErrorPair
    paper : ErrorPair
    rate : float
        Times smaller, mean of the seeds.
    paper_rate : float
    """

    name: str
    layers: tuple[ReproducedLayer, ...]
    seeds: tuple[ErrorPair, ...]
    paper: ErrorPair
    rate: float
    paper_rate: float

    @property
    def finding(self) -> str:
        """How much smaller."""
        return f"{self.name}: {self.rate:.1f} times smaller (paper: {self.paper_rate:g})"

    @property
    def error_finding(self) -> str:
        """How the mean error changes."""
        before = statistics.fmean(seed.before_pct for seed in self.seeds)
        after = statistics.fmean(seed.after_pct for seed in self.seeds)
        return f"Error {before:.2f} % becomes {after:.2f} %"


@dataclass(frozen=True)
class ReproducedNetworks:
    """Networks one below the other.

    Attributes
    ----------
    networks : tuple of ReproducedNetwork
    note : str
        What was run on which data, for the foot of the figure.
    """

    networks: tuple[ReproducedNetwork, ...]
    note: str = ""


@styled
def reproduced_networks(data: ReproducedNetworks) -> Figure:
    """Sizes of the layers beside the paper's, and the errors before and after, a row for each network."""
    rows = [len(network.layers) + 3.2 for network in data.networks]
    figure = new_figure(0.25 * sum(rows) + 0.5)
    grid = figure.add_gridspec(len(rows), 2, width_ratios=(3, 2), height_ratios=rows)
    for at, network in enumerate(data.networks):
        _draw_layer_sizes(figure.add_subplot(grid[at, 0]), network, at == 0)
        _draw_errors(figure.add_subplot(grid[at, 1]), network)
    figure.supxlabel(data.note, x=EDGE, ha="left", fontsize=points(7.5), color=SOFT)
    return figure


def _draw_layer_sizes(axes: Axes, network: ReproducedNetwork, with_legend: bool) -> None:
    sizes = [layer.size_pct for layer in network.layers]
    papers = [layer.paper_pct for layer in network.layers]
    places = np.arange(len(sizes))
    axes.barh(places, sizes, 0.62, color=[SKY] * (len(sizes) - 1) + [NAVY], label="here, mean")
    axes.scatter(papers, places, marker="D", s=26, color=RUST, zorder=3, label="paper")
    for at, layer in enumerate(network.layers):
        end = max(layer.size_pct, layer.paper_pct)
        text = f"{layer.size_pct:.2f} ({layer.paper_pct:.2f})"
        axes.annotate(text, (end, at), (6, 0), textcoords="offset points", va="center", fontsize=points(8))
    axes.set(xscale="log", xlim=(1, 350), ylim=(len(sizes) - 0.4, -0.6))
    axes.set_yticks(places, [layer.name for layer in network.layers])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("size, % of the dense layer")
    axes.set_title(network.finding)
    if with_legend:
        axes.legend(loc="lower right", fontsize=points(8))


def _draw_errors(axes: Axes, network: ReproducedNetwork) -> None:
    for pair in network.seeds:
        axes.plot([0, 1], [pair.before_pct, pair.after_pct], "o-", color=NAVY, linewidth=1.2, markersize=4)
    paper = network.paper
    axes.plot([0, 1], [paper.before_pct, paper.after_pct], "D--", color=RUST, linewidth=1, markersize=4)
    errors = [error for pair in (*network.seeds, paper) for error in (pair.before_pct, pair.after_pct)]
    axes.set(xlim=(-0.3, 1.3), ylim=(0, 1.25 * max(errors)), ylabel="error %")
    axes.set_xticks([0, 1], ["dense control", "compressed"])
    axes.set_title(network.error_finding)
    axes.grid(axis="y")
