"""The data of figures that show a reproduction beside the published values; `eie_sim.report.plots` draws them."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass


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


@dataclass(frozen=True)
class DotRow:
    """One value, made in one or several ways, and the paper's.

    Attributes
    ----------
    name : str
    here : mapping of str to float
        By what it was made from.
    paper : float or None
    """

    name: str
    here: Mapping[str, float]
    paper: float | None


@dataclass(frozen=True)
class DotPanel:
    """Values of one unit.

    Attributes
    ----------
    finding : str
    x_label : str
    rows : tuple of DotRow
    """

    finding: str
    x_label: str
    rows: tuple[DotRow, ...]


@dataclass(frozen=True)
class DotPanels:
    """Panels side by side, and below each other.

    Attributes
    ----------
    panels : tuple of DotPanel
    note : str
    columns : int
    """

    panels: tuple[DotPanel, ...]
    note: str = ""
    columns: int = 1
