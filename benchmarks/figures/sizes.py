"""Sizes of compressed networks: each layer beside the paper's, and a network after each stage."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from eie_sim.report.plots.styles import (
    NAVY,
    PAPER,
    RUST,
    SKY,
    foot,
    new_figure,
    points,
    styled,
)

# Beside the paper -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SizePair:
    """Size of a layer or a network here and in the paper.

    Attributes
    ----------
    name : str
    shared_pct, huffman_pct : float
        After pruning and sharing, and after Huffman coding too; percent of the dense size.
    paper_shared_pct, paper_huffman_pct : float
    """

    name: str
    shared_pct: float
    paper_shared_pct: float
    huffman_pct: float
    paper_huffman_pct: float


@dataclass(frozen=True)
class SizePanel:
    """The layers of a network, the total last.

    Attributes
    ----------
    finding : str
    layers : tuple of SizePair
    """

    finding: str
    layers: tuple[SizePair, ...]


@dataclass(frozen=True)
class SizePanels:
    """Networks one below the other.

    Attributes
    ----------
    panels : tuple of SizePanel
    note : str
    """

    panels: tuple[SizePanel, ...]
    note: str = ""


@styled
def size_panels(data: SizePanels) -> Figure:
    """Sizes of layers beside the paper's, before and after Huffman coding, a panel for each network."""
    rows = [len(panel.layers) + 3.0 for panel in data.panels]
    figure = new_figure(0.24 * sum(rows) + 0.3)
    grid = figure.subplots(len(rows), 1, squeeze=False, height_ratios=rows)
    for at, (axes, panel) in enumerate(zip(grid.flat, data.panels, strict=True)):
        _draw_size_pairs(axes, panel, with_legend=at == 0)
    foot(figure, data.note)
    return figure


def _draw_size_pairs(axes: Axes, panel: SizePanel, with_legend: bool) -> None:
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


# After each stage -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StageSize:
    """A network after one stage of its compression.

    Attributes
    ----------
    stage : str
    size_kb : float
    error_pct : float or None
        None where the stage does not change it.
    """

    stage: str
    size_kb: float
    error_pct: float | None = None


@dataclass(frozen=True)
class StageSizes:
    """A network after each stage.

    Attributes
    ----------
    finding : str
    stages : tuple of StageSize
    note : str
    """

    finding: str
    stages: tuple[StageSize, ...]
    note: str = ""


@styled
def stage_sizes(data: StageSizes) -> Figure:
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
