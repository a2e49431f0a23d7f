"""The data of values beside the published ones, a line for each."""

from collections.abc import Mapping
from dataclasses import dataclass


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
