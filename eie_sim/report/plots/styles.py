"""How every figure looks, and how it becomes a file.

Colours are told apart by their lightness too, so that the figures can be read in grey and by the colour-blind; where
neighbours are alike, by hatches.

    with plots.style("paper"):
        figure = plots.queue_map(data)
"""

import io
import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Figure
from matplotlib.figure import SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import StepPatch
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from compressor.messages import printable
from compressor.storage.files import replacing
from eie_sim.report import figures

P = ParamSpec("P")
R = TypeVar("R")

Values = NDArray[Any]
"""Cycles, shares or any other numbers."""

WIDTH_IN = 8.0
"""Width of every figure of the style "screen" in inches; a README shows it at 800 pixels."""

DPI = 200
"""Pixels an inch of a PNG: twice what a README shows, for screens of high resolution."""

INK, SOFT, GRID, PAPER = "#1f2a36", "#5b6875", "#d9dfe5", "#ffffff"
NAVY, SKY, RUST, SAND, MIST = "#0b3a5e", "#7fb2d9", "#c2571a", "#f6cf8f", "#e9ecef"
GREY = "#a3adb8"

EDGE = 0.012
"""Where text at the left edge of a figure begins, as a share of its width."""

PLUM, MOSS = "#6a4a80", "#7d9a58"

DEVICE_COLOURS = (NAVY, SKY, RUST, SAND, PLUM, MOSS)
"""Six lightnesses, a dark one beside a light one."""


def device_colour(name: str, baselines: Sequence[str]) -> str:
    """The colour of a baseline, the same in all pictures of a report; EIE, which is none of them, is dark as text."""
    return DEVICE_COLOURS[baselines.index(name) % len(DEVICE_COLOURS)] if name in baselines else INK


CURVE_COLOURS = (NAVY, RUST, SKY, "#c79a3a", GREY, INK)
NARROW = 150.0
"""Ends of a logarithmic axis that are less than this many times apart leave room for ticks between the decades."""

CURVE_MARKS = ("o", "s", "^", "D", "v", "x")

CLASS_COLOURS = dict(zip(figures.CYCLE_CLASSES, (NAVY, SKY, RUST, SAND, GREY), strict=True))

CLASS_HATCHES = dict(zip(figures.CYCLE_CLASSES, ("", "", "", "", "////"), strict=True))

STATE_COLOURS = dict(zip(figures.STATE_NAMES, (NAVY, SKY, RUST, SAND, GREY, MIST), strict=True))
STATE_HATCHES = dict(zip(figures.STATE_NAMES, ("", "", "", "", "////", "\\\\\\\\"), strict=True))


# Styles ---------------------------------------------------------------------------------------------------------------

_POINTS = 9.0
"""Size of text on the screen; all other sizes are given beside it."""


@dataclass(frozen=True)
class Style:
    """A medium that figures are drawn for.

    Attributes
    ----------
    name : str
    widths_in : (float, float)
        Width of a figure that fits one column, and of one that takes two; inches.
    points : float
        Size of text.
    """

    name: str
    widths_in: tuple[float, float]
    points: float

    @property
    def settings(self) -> dict[str, Any]:
        """What it sets of matplotlib's parameters."""
        scale = self.points / _POINTS
        return {**_STYLE, "font.size": self.points, "axes.titlesize": 10 * scale, "axes.titlepad": 9 * scale}


STYLES = {
    style.name: style
    for style in (
        Style("screen", (WIDTH_IN, WIDTH_IN), _POINTS),
        # One column and two of the pages of IEEE and ACM.
        Style("paper", (3.5, 7.16), 8.0),
    )
}
"""What `style` takes."""

_CURRENT = ContextVar("style", default=STYLES["screen"])


@contextmanager
def style(name: str) -> Iterator[None]:
    """Figures that are drawn inside are of this style.

    Parameters
    ----------
    name : str
        ``"screen"``: 8 inches wide, text of 9 points. ``"paper"``: 3.5 or 7.16 inches wide, as the figure needs one
        column of a page or two; text of 8 points, notes of 6.7.

    Raises
    ------
    ValueError
        If there is no such style.
    """
    if name not in STYLES:
        raise ValueError(f"style: {name!r}, but it must be one of {', '.join(STYLES)}")
    token = _CURRENT.set(STYLES[name])
    try:
        yield
    finally:
        _CURRENT.reset(token)


def points(on_screen: float) -> float:
    """A size of text or of a mark in the style in use, from that on the screen; points."""
    return on_screen * _CURRENT.get().points / _POINTS


_STYLE: dict[str, Any] = {
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    # Else every drawing measures all labels of the y axis, in case the title has to move above some of them.
    "axes.titley": 1.0,
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
    "text.parse_math": False,  # a dollar in the name of a layer is a dollar
    "svg.hashsalt": "eie-sim",  # names inside an SVG are random without it
    "pdf.fonttype": 42,  # TrueType: IEEE and ACM refuse papers with Type 3 fonts
    "ps.fonttype": 42,
}

_SETTINGS: dict[str, dict[str, Any]] = {
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"optimize": True}},
    "svg": {"metadata": {"Date": None, "Creator": None}},
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}

FORMATS = tuple(_SETTINGS)
"""What `save` writes, by the ending of the file's name."""


@contextmanager
def _in(one: Style) -> Iterator[None]:
    """Our settings over matplotlib's defaults, whatever the user's own are, and these again afterwards.

    A letter that the font has not, in a name of the user's, is drawn as a box.
    """
    with mpl.style.context(["default", one.settings]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A drawing function that draws in the style in use."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> R:
        with _in(_CURRENT.get()):
            return draw(*args, **kwargs)

    return in_style


class _StyledFigure(Figure):
    """A figure that knows its style: some texts are made only when it is rendered."""

    style = STYLES["screen"]

    def draw(self, renderer: RendererBase) -> None:
        """Draw; where `savefig` draws into nothing, for the sake of the layout, do the layout alone."""
        layout = self.get_layout_engine()
        if self.axes and self.canvas.is_saving() and isinstance(layout, ConstrainedLayoutEngine):
            layout.execute(self)  # savefig draws again, then without the layout
        else:
            super().draw(renderer)


def new_figure(height_in: float, layout: Any = "constrained", columns: Literal[1, 2] = 2) -> Figure:
    """An empty figure of the width of the style in use.

    Parameters
    ----------
    height_in : float
        On the screen, inches. On paper it shrinks as text does, and by a tenth more in one column.
    layout
        As for `matplotlib.figure.Figure`.
    columns : {1, 2}
        How many columns of a page it takes.
    """
    chosen = _CURRENT.get()
    narrow = chosen.widths_in[columns - 1] < chosen.widths_in[1]
    height_in *= chosen.points / _POINTS * (0.9 if narrow else 1)
    if layout is None:  # drawn to scale
        height_in *= chosen.widths_in[1] / WIDTH_IN / (chosen.points / _POINTS)
    figure = _StyledFigure(figsize=(chosen.widths_in[columns - 1], height_in), facecolor=PAPER, layout=layout)
    figure.style = chosen
    FigureCanvasAgg(figure)
    return figure


_BESIDE = 74.0
"""Width of the labels of an axis beside a plot on the screen, points."""


def in_lines(text: str, axes: Axes | SubFigure, share: float = 1.0, size: float | None = None) -> str:
    """`text` in lines that have room beside the labels of an axis; no line breaks between a number and its unit.

    Parameters
    ----------
    text : str
    axes : Axes or SubFigure
    share : float
        Of the width of the figure.
    size : float or None
        Points on the screen, for plain text across the whole figure; None: a title.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    font = FontProperties(size=points(10 if size is None else size), weight="bold" if size is None else "normal")
    beside = points(_BESIDE) if size is None else points(14)
    room = share * 72 * figure.get_figwidth() - beside
    words = re.sub(r" (?=[%µ])", "\N{NO-BREAK SPACE}", without_long_names(text)).split(" ")
    lines: list[str] = []
    while words:
        fit = _fitting(words, " ", font, room)
        if not fit:  # not even one word: a line of its beginning
            fit, cut = 1, max(1, _fitting(words[0], "", font, room))
            words[:1] = [words[0][:cut], words[0][cut:]] if cut < len(words[0]) else words[:1]
        lines.append(" ".join(words[:fit]))
        del words[:fit]
    return "\n".join(lines)


_LONGEST_WORD, _LONGEST_TEXT = 48, 400
"""Characters of a word, and of a sentence, in a picture: a name from a file may have a megabyte."""


def without_long_names(text: str) -> str:
    """A sentence whose names have room in a picture: of a long word its ends, of a very long text its beginning."""
    half = (_LONGEST_WORD - 1) // 2
    found = re.sub(rf"\S{{{_LONGEST_WORD + 1},}}", lambda word: f"{word[0][:half]}…{word[0][-half:]}", text)
    return found if len(found) <= _LONGEST_TEXT else found[: _LONGEST_TEXT - 1] + "…"


def _fitting(parts: Sequence[str], between: str, font: FontProperties, room: float) -> int:
    """How many of the first parts have room; few lengths are tried, for each takes a fraction of a millisecond."""
    counts = range(1, len(parts) + 1)
    return bisect_right(counts, room, key=lambda count: _width(between.join(parts[:count]), font))


@lru_cache(maxsize=4096)
def _width(text: str, font: FontProperties) -> float:
    """In points."""
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def legend_above(axes: Axes, columns: int = 6) -> None:
    """A legend in a row above the axes, where it hides nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, fontsize=points(8), handlelength=1.0,
        handletextpad=0.5, columnspacing=1.1, borderpad=0.2, borderaxespad=0.2,
    )  # fmt: skip


def stairs(
    axes: Axes, values: Values, edges: Values, colour: str, baseline: Values | float | None = 0.0, **looks: Any
) -> None:
    """As `Axes.stairs`, which would go from corner to corner in Python to find the limits of the axes.

    Parameters
    ----------
    axes : Axes
    values, edges : ndarray
        A step of each value between two edges.
    colour : str
    baseline : ndarray, float or None
        The other end of the steps, which are filled; None: a line alone.
    **looks
        What else `matplotlib.patches.StepPatch` takes.
    """
    filled = baseline is not None
    shown: dict[str, Any] = {"facecolor": colour, "linewidth": 0} if filled else {"edgecolor": colour}
    patch = StepPatch(values, edges, fill=filled, **{"baseline": baseline, **shown, **looks})
    axes.add_artist(patch)
    ends = values if baseline is None else np.append(values, baseline)
    axes.update_datalim([(edges[0], ends.min()), (edges[-1], ends.max())])
    if baseline is not None:
        patch.sticky_edges.y.append(np.min(baseline))  # no margin below
    axes.autoscale_view()


_SHORTEST_CUT, _LONGEST_NAME = 20, 40
"""Characters of a layer's name beside a plot: usual, and where shorter ones would be the same."""


def short_names(names: Iterable[str]) -> list[str]:
    """Names that leave room for the figure: their ends, as long as it takes to tell them apart, else numbered."""
    of_all = [printable(name) for name in names]
    for longest in range(_SHORTEST_CUT, _LONGEST_NAME + 1):
        found = [name if len(name) <= longest else "…" + name[1 - longest :] for name in of_all]
        if len(set(found)) == len(set(of_all)):
            return found
    number = {name: at for at, name in enumerate(dict.fromkeys(of_all), 1)}
    end = _SHORTEST_CUT - 1
    return [name if len(name) <= _SHORTEST_CUT else f"{number[name]}: …{name[-end:]}" for name in of_all]


def foot(figure: Figure, note: str) -> None:
    """A note at the foot of a figure."""
    if note:
        figure.supxlabel(note, x=EDGE, ha="left", fontsize=points(7.5), color=SOFT)


# Files ----------------------------------------------------------------------------------------------------------------


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF, by the ending of `path`; the same figure gives the same bytes.

    Raises
    ------
    ValueError
        If the ending is another.
    OSError
        If the file cannot be written.
    """
    target = Path(path)
    kind = target.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise ValueError(f"{target}: a figure is written as one of {', '.join(FORMATS)}, not as {kind!r}")
    content = rendered(figure, kind, DPI)
    with replacing(target) as file:
        file.write(content)
    return target


def as_png(figure: Figure, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a PNG, `dpi` pixels an inch."""
    return rendered(figure, "png", dpi)


def rendered(figure: Figure, kind: str, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a file of one of `FORMATS`, `dpi` pixels an inch where it has pixels."""
    written = io.BytesIO()
    with _in(figure.style if isinstance(figure, _StyledFigure) else _CURRENT.get()):
        figure.savefig(written, format=kind, dpi=dpi, **_SETTINGS[kind])
    return written.getvalue()
