"""The data of curves over one or several pairs of axes: any values against any other."""

from dataclasses import dataclass


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
