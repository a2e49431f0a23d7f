"""The data of figures about compression: curves, sizes beside the paper's, weights before and after, spread of seeds.

`eie_sim.report.plots` draws them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Curves ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """Points that belong together.

    Attributes
    ----------
    name : str
    x, y : tuple of float
    dashed : bool
        A variant of the curve of the same `colour`.
    colour : int or None
        Which of the colours; None: the next one.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    dashed: bool = False
    colour: int | None = None


@dataclass(frozen=True)
class CurvePanel:
    """Curves over one pair of axes.

    Attributes
    ----------
    finding : str
        What is seen, for the title.
    x_label, y_label : str
    curves : tuple of Curve
    log_x, log_y : bool
    y_limits : (float, float) or None
        What is drawn; points outside are left out. None: everything.
    level : float or None
        A level of y to compare with, drawn across.
    level_name : str
    """

    finding: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False
    y_limits: tuple[float, float] | None = None
    level: float | None = None
    level_name: str = ""


@dataclass(frozen=True)
class CurvePanels:
    """Panels one below the other, or several side by side.

    Attributes
    ----------
    panels : tuple of CurvePanel
    note : str
        What was run on which data, for the foot of the figure.
    columns : int
        Panels side by side. From three on they are small: one legend serves all.
    """

    panels: tuple[CurvePanel, ...]
    note: str = ""
    columns: int = 1


# Sizes ----------------------------------------------------------------------------------------------------------------


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


# Weights --------------------------------------------------------------------------------------------------------------


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


# Seeds ----------------------------------------------------------------------------------------------------------------


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


# Stages ---------------------------------------------------------------------------------------------------------------


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
