"""How every figure looks, and how it becomes a file.

Colours are told apart by their lightness too, so that the figures can be read in grey and by the colour-blind.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eie_sim.report import figures

P = ParamSpec("P")
R = TypeVar("R")

WIDTH_IN = 8.0
"""Width of every figure in inches; a README shows it at 800 pixels."""

DPI = 200
"""Pixels an inch of a PNG: twice what a README shows, for screens of high resolution."""

INK, SOFT, GRID, PAPER = "#1f2a36", "#5b6875", "#d9dfe5", "#ffffff"
NAVY, SKY, RUST, SAND, MIST = "#0b3a5e", "#7fb2d9", "#c2571a", "#f6cf8f", "#e9ecef"
GREY = "#a3adb8"

EDGE = 0.012
"""Where text at the left edge of a figure begins, as a share of its width."""

CURVE_COLOURS = (NAVY, RUST, SKY, "#c79a3a", GREY, INK)
NARROW = 150.0
"""Ends of a logarithmic axis that are less than this many times apart leave room for ticks between the decades."""

CURVE_MARKS = ("o", "s", "^", "D", "v", "x")

CLASS_COLOURS = dict(zip(figures.CYCLE_CLASSES, (NAVY, SKY, RUST, SAND, GREY), strict=True))

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.color": SOFT,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "svg.hashsalt": "eie-sim",  # names inside an SVG are random without it
}

_SETTINGS: dict[str, dict[str, Any]] = {
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"optimize": True}},
    "svg": {"metadata": {"Date": None, "Creator": None}},
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}

FORMATS = tuple(_SETTINGS)
"""What `save` writes, by the ending of the file's name."""


def _in_style() -> AbstractContextManager[None]:
    """Our settings over matplotlib's defaults, whatever the user's own are, and these again afterwards."""
    return mpl.style.context(["default", _STYLE])


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A drawing function that draws in our style."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> R:
        with _in_style():
            return draw(*args, **kwargs)

    return in_style


def new_figure(height_in: float, layout: Any = "constrained") -> Figure:
    """An empty figure of the style's width."""
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor=PAPER, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def foot(figure: Figure, note: str) -> None:
    """A note at the foot of a figure."""
    if note:
        figure.supxlabel(note, x=EDGE, ha="left", fontsize=7.5, color=SOFT)


# Files ----------------------------------------------------------------------------------------------------------------


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF, by the ending of `path`; the same figure gives the same bytes.

    Raises
    ------
    ValueError
        When the ending is another.
    OSError
        When the file cannot be written.
    """
    target = Path(path)
    kind = target.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise ValueError(f"{target}: a figure is written as one of {', '.join(FORMATS)}, not as {kind!r}")
    target.write_bytes(rendered(figure, kind, DPI))
    return target


def as_png(figure: Figure, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a PNG, `dpi` pixels an inch."""
    return rendered(figure, "png", dpi)


@styled
def rendered(figure: Figure, kind: str, dpi: int) -> bytes:
    """A figure as the bytes of a file of one of `FORMATS`, `dpi` pixels an inch where it has pixels."""
    written = io.BytesIO()
    figure.savefig(written, format=kind, dpi=dpi, **_SETTINGS[kind])
    return written.getvalue()
