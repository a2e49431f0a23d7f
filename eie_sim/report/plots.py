"""Draws the figures of `figures` and `reproduction` beside it; the only file of the project that imports matplotlib.

Figures are plain `matplotlib.figure.Figure` objects: no window, no display and no global state is needed. The same data
gives the same bytes: `save` and `as_png` write no date and no version.

Colours are told apart by their lightness too, so that the figures can be read in grey and by the colour-blind.
"""

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from eie_sim.report import block_diagram, compression_figures, figures, reproduction, sweep_figures

P = ParamSpec("P")
R = TypeVar("R")

WIDTH_IN = 8.0
"""Width of every figure in inches; a README shows it at 800 pixels."""

DPI = 200
"""Pixels an inch of a PNG: twice what a README shows, for screens of high resolution."""

INK, SOFT, GRID, PAPER = "#1f2a36", "#5b6875", "#d9dfe5", "#ffffff"
NAVY, SKY, RUST, SAND, MIST = "#0b3a5e", "#7fb2d9", "#c2571a", "#f6cf8f", "#e9ecef"
GREY = "#a3adb8"

_EDGE = 0.012
"""Where text at the left edge of a figure begins, as a share of its width."""

_LONGEST_NAME = 20
"""Characters of a layer's name beside a plot."""

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


def _style() -> AbstractContextManager[None]:
    """Our settings over matplotlib's defaults, whatever the user's own are, and these again afterwards."""
    return mpl.style.context(["default", _STYLE])


def _styled(draw: Callable[P, R]) -> Callable[P, R]:
    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> R:
        with _style():
            return draw(*args, **kwargs)

    return in_style


def _new_figure(height_in: float, layout: Any = "constrained") -> Figure:
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor=PAPER, layout=layout)
    FigureCanvasAgg(figure)
    return figure


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
    target.write_bytes(_rendered(figure, kind, DPI))
    return target


def as_png(figure: Figure, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a PNG, `dpi` pixels an inch."""
    return _rendered(figure, "png", dpi)


@_styled
def _rendered(figure: Figure, kind: str, dpi: int) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format=kind, dpi=dpi, **_SETTINGS[kind])
    return written.getvalue()


# Layers side by side --------------------------------------------------------------------------------------------------


@_styled
def layer_times(data: figures.LayerTimes) -> Figure:
    """Time of each layer beside the paper's, and where its PE-cycles go."""
    header_in, body_in = 0.55, 0.85 + 0.3 * len(data.layers)
    figure = _new_figure(header_in + body_in)
    grid = figure.add_gridspec(2, 1, height_ratios=(header_in, body_in))
    header, body = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    times, shares = body.subplots(1, 2, sharey=True, width_ratios=(1, 1.15))
    _draw_times(times, data)
    _draw_shares(shares, data)
    times.set_ylim(len(data.layers) - 0.4, -0.6)
    header.text(_EDGE, 0.72, data.finding, fontsize=10, weight="bold", va="center")
    _legend_in_row(header, times, "lower left")
    _legend_in_row(header, shares, "lower right")
    if data.note:
        body.supxlabel(data.note, x=_EDGE, ha="left", fontsize=7.5, color=SOFT)
    return figure


def _draw_times(axes: Axes, data: figures.LayerTimes) -> None:
    rows = range(len(data.layers))
    ours = [x.time_us for x in data.layers]
    compared = [(row, x.paper_us) for row, x in zip(rows, data.layers, strict=True) if x.paper_us is not None]
    if compared:
        at, paper_us = zip(*compared, strict=True)
        axes.scatter(
            paper_us, at, s=90, facecolor="none", edgecolor=RUST, linewidth=1.4, label="EIE Table IV", zorder=3
        )
    axes.scatter(ours, rows, s=22, color=NAVY, label="simulated", zorder=4)
    for row, layer in zip(rows, data.layers, strict=True):
        axes.annotate(_time_label(layer), (layer.time_us, row), (9, 0), textcoords="offset points", va="center")
    axes.set_xscale("log")
    low = 0.8 * min(ours)
    # The dots take the left 62 %: their labels stand right of them. A span of 4 holds at least one tick.
    axes.set_xlim(low, low * max(4.0, (max(ours) / low) ** (1 / 0.62)))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("time of one input vector (µs, log scale)")
    axes.set_yticks(rows, [_short(x.layer) for x in data.layers])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.6)
    axes.spines["left"].set_visible(False)


def _short(name: str) -> str:
    """A name that leaves room for the figure: its end, which tells layers of a network apart."""
    return name if len(name) <= _LONGEST_NAME else "…" + name[1 - _LONGEST_NAME :]


def _time_label(layer: figures.LayerTime) -> str:
    if layer.deviation_pct is None:
        return figures.microseconds(layer.time_us)
    return f"{figures.microseconds(layer.time_us)}  ({layer.deviation_pct:+.1f} %)".replace("-", "\N{MINUS SIGN}")


def _legend_in_row(header: SubFigure, axes: Axes, corner: Literal["lower left", "lower right"]) -> None:
    """The legend of `axes` in one row of the header, whatever room long names leave to the axes."""
    header.legend(
        *axes.get_legend_handles_labels(), loc=corner, ncols=5, fontsize=8, handlelength=0.8, handletextpad=0.5,
        columnspacing=1.1, borderpad=0.2, borderaxespad=0.9,
    )  # fmt: skip


def _draw_shares(axes: Axes, data: figures.LayerTimes) -> None:
    rows = np.arange(len(data.layers))
    left = np.zeros(len(rows))
    for at, (name, colour) in enumerate(CLASS_COLOURS.items()):
        width = np.array([layer.shares[at] for layer in data.layers])
        axes.barh(rows, width, left=left, height=0.7, color=colour, label=name)
        left += width
    for row, layer in enumerate(data.layers):
        axes.text(1.02, row, f"{100 * layer.busy:.0f} % busy", va="center")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_xlabel("share of all PE-cycles")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


# PEs over time --------------------------------------------------------------------------------------------------------


@_styled
def utilisation_map(data: figures.UtilisationMap) -> Figure:
    """How busy each PE is over time; above it all PEs over time, beside it each PE over the whole time."""
    figure = _new_figure(4.2)
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 0.16, 0.025), height_ratios=(0.2, 1))
    heat = figure.add_subplot(grid[1, 0])
    over_time = figure.add_subplot(grid[0, 0], sharex=heat)
    of_pe = figure.add_subplot(grid[1, 1], sharey=heat)
    n_pe = len(data.busy_share)
    pe_edges = np.arange(n_pe + 1) - 0.5
    mesh = heat.pcolormesh(data.time_us, pe_edges, data.busy_share, cmap="cividis_r", vmin=0, vmax=1, rasterized=True)
    heat.set_xlabel("time (µs)")
    heat.set_ylabel("PE")
    heat.set_ylim(n_pe - 0.5, -0.5)
    over_time.stairs(data.busy_share_of_bin, data.time_us, fill=True, color=NAVY)
    over_time.set_title(data.finding)
    over_time.set_ylabel("all PEs")
    of_pe.barh(np.arange(n_pe), data.busy_share_of_pe, height=1, color=NAVY)
    of_pe.set_xlabel("whole time")
    for axis in (over_time.yaxis, of_pe.xaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    over_time.set_ylim(0, 1)
    of_pe.set(xlim=(0, 1), xticks=(0, 1))
    over_time.tick_params(labelbottom=False)
    of_pe.tick_params(labelleft=False, length=0)
    figure.colorbar(
        mesh, cax=figure.add_subplot(grid[1, 2]), format=PercentFormatter(1, symbol=" %"), label="busy cycles"
    )
    return figure


# A network's answers --------------------------------------------------------------------------------------------------

_DIGITS_IN_A_ROW = 12


@_styled
def answered_digits(data: figures.AnsweredDigits) -> Figure:
    """Images with a network's answers, and how long the machine takes for an image."""
    rows = max(1, -(-len(data.images) // _DIGITS_IN_A_ROW))
    figure = _new_figure(2.6 + 0.75 * rows)
    grid = figure.add_gridspec(2, 1, height_ratios=(0.75 * rows + 0.3, 2.3))
    above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    above.suptitle(data.finding, x=_EDGE, ha="left", fontsize=10, fontweight="bold")
    for at, axes in enumerate(above.subplots(rows, _DIGITS_IN_A_ROW, squeeze=False).flat):
        axes.axis("off")
        if at < len(data.images):
            _draw_digit(axes, data, at)
    _draw_latencies(below.subplots(), data)
    return figure


def _draw_digit(axes: Axes, data: figures.AnsweredDigits, at: int) -> None:
    answer, right = int(data.predicted[at]), int(data.labels[at])
    axes.imshow(data.images[at], cmap="gray_r", vmin=0, vmax=255)
    text = f"{answer}" if answer == right else f"{answer}, not {right}"
    axes.set_title(text, fontsize=8, fontweight="normal", loc="center", pad=2, color=INK if answer == right else RUST)


def _draw_latencies(axes: Axes, data: figures.AnsweredDigits) -> None:
    times = np.concatenate(list(data.latencies_us.values()))
    edges = np.linspace(times.min(), times.max() + 1e-9, 41)
    for (name, of_run), colour, filled in zip(
        data.latencies_us.items(), (NAVY, RUST, SOFT), (True, False, False), strict=False
    ):
        counts, _ = np.histogram(of_run, edges)
        axes.stairs(counts, edges, fill=filled, color=SKY if filled else colour, linewidth=1.4, label=name)
    axes.set_title(data.latency_finding)
    axes.set_xlabel("latency, us (all layers on the machine)")
    axes.set_ylabel("images")
    axes.grid(axis="y", linewidth=0.6)
    axes.legend(loc="upper right")


# What compression makes of a layer ------------------------------------------------------------------------------------


@_styled
def weight_histogram(data: figures.WeightHistogram) -> Figure:
    """Weights before and after pruning, with the values that the kept ones share."""
    figure = _new_figure(2.9)
    axes = figure.subplots()
    axes.stairs(data.kept + data.pruned, data.edges, fill=True, color=SAND, label="pruned")
    axes.stairs(data.kept, data.edges, fill=True, color=NAVY, label="kept")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)
    # A short mark for each value, on the axis: lines over the whole height would hide the bars.
    axes.vlines(
        data.shared_values, 0, 0.07, transform=axes.get_xaxis_transform(), color=RUST, linewidth=2, label="shared value"
    )
    axes.set_title(data.finding)
    axes.set_xlabel("weight")
    axes.set_ylabel("weights (log scale)")
    axes.legend(loc="upper right")
    return figure


@_styled
def run_histogram(data: figures.RunHistogram) -> Figure:
    """Zero runs of a packed layer, real weights and fillers."""
    figure = _new_figure(2.7)
    axes = figure.subplots()
    runs = np.arange(len(data.real))
    axes.bar(runs, data.real, color=NAVY, label="real weight")
    axes.bar(runs[-1:], data.fillers, bottom=data.real[-1:], color=SKY, label="filler")
    axes.set_title(data.finding)
    axes.set_xlim(-0.7, len(runs) - 0.3)
    axes.set_xticks(runs[:: max(1, len(runs) // 16)])
    axes.set_xlabel("zeros before the weight, among the rows of its PE")
    axes.set_ylabel("entries")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", linewidth=0.6)
    axes.legend(loc="upper center")  # short runs are many, and the longest one has the fillers
    return figure


@_styled
def stored_sizes(data: figures.StoredSizes) -> Figure:
    """What a layer takes after each step of its compression."""
    figure = _new_figure(1.2 + 0.42 * len(data.steps))
    axes = figure.subplots()
    rows = np.arange(len(data.steps))
    left = np.zeros(len(rows))
    parts = {"weights": NAVY, "indices": SKY, "pointers": RUST}
    for name, colour in parts.items():
        width = np.array([getattr(step, f"{name}_bits") for step in data.steps]) / 8e6
        axes.barh(rows, width, left=left, height=0.66, color=colour, label=name)
        left += width
    for row, step in zip(rows, data.steps, strict=True):
        times = f"  ({data.times_smaller(step):.1f}x smaller)" if row else ""
        axes.annotate(
            f"{figures.megabytes(step)}{times}", (left[row], row), (5, 0), textcoords="offset points", va="center"
        )
    axes.set_title(data.finding)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, left.max() * 1.12)
    axes.set_yticks(rows, [step.step for step in data.steps])
    axes.set_xlabel("size of the layer (MB)")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right")
    return figure


# Compression: curves, sizes, weights and seeds ------------------------------------------------------------------------

_CURVE_COLOURS = (NAVY, RUST, SKY, "#c79a3a", GREY, INK)
_SMALL_PANELS = 3
"""Panels side by side from which on they are small."""

_NARROW = 150.0
"""Ends of a logarithmic axis that are less than this many times apart leave room for ticks between the decades."""

_CURVE_MARKS = ("o", "s", "^", "D", "v", "x")


@_styled
def curve_panels(data: compression_figures.CurvePanels) -> Figure:
    """Curves with a mark at each point that was measured."""
    n_rows, small = -(-len(data.panels) // data.columns), data.columns >= _SMALL_PANELS
    figure = _new_figure((2.1 if small else 3.3) * n_rows + 0.2)
    grid = figure.subplots(n_rows, data.columns, squeeze=False)
    for at, axes in enumerate(grid.flat):
        if at < len(data.panels):
            _draw_curves(axes, data.panels[at], with_legend=not small or at == 0, small=small)
            if small and at < len(data.panels) - data.columns:
                axes.set_xlabel("")
            if small and at % data.columns:
                axes.set_ylabel("")
        else:
            axes.set_axis_off()
    _foot(figure, data.note)
    return figure


def _draw_curves(axes: Axes, panel: compression_figures.CurvePanel, with_legend: bool, small: bool) -> None:
    for at, curve in enumerate(panel.curves):
        which = (at if curve.colour is None else curve.colour) % len(_CURVE_COLOURS)
        colour, hollow = _CURVE_COLOURS[which], PAPER if curve.dashed else _CURVE_COLOURS[which]
        line = (0, (4, 2)) if curve.dashed else "-"
        axes.plot(
            curve.x, curve.y, color=colour, linestyle=line, linewidth=1.4, marker=_CURVE_MARKS[which], markersize=4.5,
            markerfacecolor=hollow, label=curve.name,
        )  # fmt: skip
    if panel.level is not None:
        axes.axhline(panel.level, color=SOFT, linewidth=0.9, linestyle=":", label=panel.level_name)
    if panel.log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=4) if small else LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if panel.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if panel.y_limits is not None:
        axes.set_ylim(*panel.y_limits)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    axes.set_title(panel.finding)
    axes.grid(linewidth=0.6)
    if with_legend:
        axes.legend(fontsize=8, handlelength=2.4)


@_styled
def dot_panels(data: reproduction.DotPanels) -> Figure:
    """Values beside the paper's, a line for each, on logarithmic axes where all are positive."""
    n_rows = -(-len(data.panels) // data.columns)
    most = max(len(panel.rows) for panel in data.panels)
    figure = _new_figure((0.21 * most + 0.9) * n_rows + 0.5)
    grid = figure.subplots(n_rows, data.columns, squeeze=False)
    made = list(dict.fromkeys(made for panel in data.panels for row in panel.rows for made in row.here))
    for at, axes in enumerate(grid.flat):
        if at < len(data.panels):
            _draw_dots(axes, data.panels[at], made)
        else:
            axes.set_axis_off()
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=8)
    _foot(figure, data.note)
    return figure


def _draw_dots(axes: Axes, panel: reproduction.DotPanel, made: Sequence[str]) -> None:
    places = np.arange(len(panel.rows))
    paper = [np.nan if row.paper is None else row.paper for row in panel.rows]
    if not np.all(np.isnan(paper)):
        axes.plot(paper, places, "s", color=RUST, markerfacecolor=PAPER, markersize=7, label="paper")
    for at, name in enumerate(made):
        ours = [row.here.get(name, np.nan) for row in panel.rows]
        which = (0, 2, 3, 4, 5)[at % 5]
        axes.plot(ours, places, _CURVE_MARKS[which], color=_CURVE_COLOURS[which], markersize=4, label=name)
    if min(value for row in panel.rows for value in row.here.values()) > 0:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < _NARROW * low else (1,)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_yticks(places, [row.name for row in panel.rows])
    axes.set_ylim(len(panel.rows) - 0.4, -0.6)
    axes.set_xlabel(panel.x_label)
    axes.set_title(panel.finding)
    axes.grid(linewidth=0.6)


def _foot(figure: Figure, note: str) -> None:
    if note:
        figure.supxlabel(note, x=_EDGE, ha="left", fontsize=7.5, color=SOFT)


@_styled
def size_panels(data: compression_figures.SizePanels) -> Figure:
    """Sizes of layers beside the paper's, before and after Huffman coding, a panel for each network."""
    rows = [len(panel.layers) + 3.0 for panel in data.panels]
    figure = _new_figure(0.24 * sum(rows) + 0.3)
    grid = figure.subplots(len(rows), 1, squeeze=False, height_ratios=rows)
    for at, (axes, panel) in enumerate(zip(grid.flat, data.panels, strict=True)):
        _draw_size_pairs(axes, panel, with_legend=at == 0)
    _foot(figure, data.note)
    return figure


def _draw_size_pairs(axes: Axes, panel: compression_figures.SizePanel, with_legend: bool) -> None:
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
        axes.annotate(text, (end, at), (7, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set(xscale="log", xlim=(0.8, 250), ylim=(len(places) - 0.4, -0.6), xlabel="size, % of the dense layer")
    axes.set_yticks(places, [layer.name for layer in panel.layers])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title(panel.finding)
    if with_legend:
        axes.legend(loc="lower right", fontsize=8)


@_styled
def weights_panels(data: compression_figures.WeightsPanels) -> Figure:
    """Histograms of a layer's weights one below the other, over the same axis."""
    figure = _new_figure(1.9 * len(data.panels) + 0.4)
    grid = figure.subplots(len(data.panels), 1, squeeze=False, sharex=True)
    for axes, panel in zip(grid.flat, data.panels, strict=True):
        axes.stairs(panel.counts, panel.edges, fill=True, color=NAVY)
        if panel.values.size:
            place = axes.get_xaxis_transform()
            axes.vlines(panel.values, 0, 0.08, transform=place, color=RUST, linewidth=1.6, label="shared value")
            axes.legend(loc="upper right", fontsize=8)
        axes.set_title(panel.finding)
        axes.set_ylabel("weights")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.grid(axis="y", linewidth=0.6)
    grid[-1, 0].set_xlabel("weight (zeros are not shown)")
    _foot(figure, data.note)
    return figure


@_styled
def spread_panels(data: compression_figures.SpreadPanels) -> Figure:
    """The error of each seed by ways of training, those of one seed joined."""
    figure = _new_figure(3.4)
    grid = figure.subplots(1, len(data.panels), squeeze=False)
    for axes, panel in zip(grid.flat, data.panels, strict=True):
        _draw_spread(axes, panel)
    grid[0, 0].set_ylabel("test error %")
    _foot(figure, data.note)
    return figure


def _draw_spread(axes: Axes, panel: compression_figures.SpreadPanel) -> None:
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


@_styled
def stage_sizes(data: compression_figures.StageSizes) -> Figure:
    """Size of a network after each stage of its compression, and its error."""
    figure = _new_figure(1.3 + 0.36 * len(data.stages))
    axes = figure.subplots()
    places = np.arange(len(data.stages))
    sizes = [stage.size_kb for stage in data.stages]
    axes.barh(places, sizes, 0.62, color=NAVY)
    for at, stage in enumerate(data.stages):
        times = f"  ({sizes[0] / stage.size_kb:.1f}x smaller)" if at else ""
        error = "" if stage.error_pct is None else f"  error {stage.error_pct:.2f} %"
        text = f"{stage.size_kb:,.1f} kB{times}{error}"
        axes.annotate(text, (stage.size_kb, at), (5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set(xlim=(0, 1.45 * max(sizes)), ylim=(len(places) - 0.5, -0.5), xlabel="size, kB")
    axes.set_yticks(places, [stage.stage for stage in data.stages])
    axes.tick_params(axis="y", length=0)
    axes.set_title(data.finding)
    _foot(figure, data.note)
    return figure


# The machine ----------------------------------------------------------------------------------------------------------


@_styled
def machine() -> Figure:
    """The block diagram of the machine; a box is a file of `eie_sim/machine`."""
    figure = _new_figure(WIDTH_IN * block_diagram.HEIGHT / block_diagram.WIDTH, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, block_diagram.WIDTH), ylim=(0, block_diagram.HEIGHT))
    axes.axis("off")
    axes.text(2.5, block_diagram.HEIGHT - 4.5, "EIE, unit by unit", fontsize=12, weight="bold", va="center")
    axes.text(
        block_diagram.WIDTH - 8, block_diagram.HEIGHT - 4.5, "each box is one file of eie_sim/machine/",
        color=SOFT, ha="right", va="center",
    )  # fmt: skip
    _draw_pe_frames(axes)
    for box in block_diagram.BOXES:
        _draw_box(axes, box)
    for wire in block_diagram.WIRES:
        _draw_wire(axes, wire)
    for draw in (_draw_tree, _draw_queue, _draw_banks, _draw_spmat_row, _draw_arithmetic, _draw_registers):
        draw(axes)
    return figure


_BOX = {box.unit: box for box in block_diagram.BOXES}


def _rounded(axes: Axes, box: block_diagram.Box, face: str, edge: str, shift: float = 0.0, width: float = 1.2) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (box.x + shift, box.y - shift), box.width, box.height, boxstyle="round,pad=0,rounding_size=1.6",
            facecolor=face, edgecolor=edge, linewidth=width,
        )
    )  # fmt: skip


def _draw_pe_frames(axes: Axes) -> None:
    frame = block_diagram.PE
    for shift in (4.0, 2.0, 0.0):  # the PEs behind it
        _rounded(axes, frame, "#f4f6f8" if shift == 0 else MIST, SOFT, shift, 0.9)
    top = frame.y + frame.height - 3.6
    axes.text(frame.x + 28, top, frame.unit, family="monospace", weight="bold", fontsize=10, va="center", color=NAVY)
    axes.text(frame.x + 34, top, frame.does[0], color=SOFT, va="center", fontsize=8.5)


def _draw_box(axes: Axes, box: block_diagram.Box) -> None:
    _rounded(axes, box, PAPER, NAVY)
    top = box.y + box.height
    axes.text(box.x + 2, top - 3.6, box.unit, family="monospace", weight="bold", fontsize=10, va="center", color=NAVY)
    for line, text in enumerate(box.does):
        axes.text(box.x + 2, top - 8.6 - 3.6 * line, text, va="center", fontsize=8.5)
    if box.when:
        middle = box.x + box.width / 2
        axes.text(middle, block_diagram.PE.y + 4.2, box.when, ha="center", va="center", fontsize=8.5, color=SOFT)


def _draw_wire(axes: Axes, wire: block_diagram.Wire) -> None:
    colour, line = (INK, "-") if wire.kind == "data" else (RUST, (0, (3, 2)))
    *before, last = wire.points
    axes.plot(*zip(*wire.points, strict=True), color=colour, linestyle=line, linewidth=1.3, solid_joinstyle="round")
    axes.annotate(
        "", last, before[-1], arrowprops={"arrowstyle": "-|>,head_width=0.22,head_length=0.45", "color": colour,
                                          "linewidth": 0, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 11},
    )  # fmt: skip
    axes.text(*wire.label_at, wire.label, color=colour, va="center", fontsize=8.5)


def _cells(axes: Axes, x: float, y: float, size: tuple[float, float], faces: list[str]) -> None:
    """A row of memory cells."""
    for at, face in enumerate(faces):
        axes.add_patch(
            Rectangle((x + at * size[0], y), *size, facecolor=face, edgecolor=NAVY, linewidth=0.8)
        )  # fmt: skip


def _draw_tree(axes: Axes) -> None:
    """Detection nodes, the root on the left, and the lanes."""
    box = _BOX["lnzd"]
    lanes, fanin = block_diagram.LANES, block_diagram.FANIN
    step = (box.height - 3) / lanes
    x_lane, x_node, x_root = box.x + box.width - 5, box.x + box.width - 17, box.x + box.width - 29
    lane_y = [box.y + 1.5 + step * (at + 0.5) for at in range(lanes)]
    node_y = [sum(lane_y[at : at + fanin]) / fanin for at in range(0, lanes, fanin)]
    root_y = sum(node_y) / len(node_y)
    active = {2, 7, 8, 13}
    for at, y in enumerate(lane_y):
        axes.plot([x_node, x_lane], [node_y[at // fanin], y], color=SOFT, linewidth=0.7, zorder=1)
        face = NAVY if at in active else PAPER
        axes.add_patch(Rectangle((x_lane, y - step * 0.42), 2.6, step * 0.84, facecolor=face, edgecolor=NAVY, lw=0.7))
    for y in node_y:
        axes.plot([x_root, x_node], [root_y, y], color=SOFT, linewidth=0.7, zorder=1)
        axes.add_patch(Circle((x_node, y), 1.3, facecolor=SKY, edgecolor=NAVY, linewidth=0.8, zorder=2))
    axes.add_patch(Circle((x_root, root_y), 1.3, facecolor=SKY, edgecolor=NAVY, linewidth=0.8, zorder=2))


def _draw_queue(axes: Axes) -> None:
    box = _BOX["act_queue"]
    # Of a depth of 8, 7 inputs wait; the eighth is in service.
    _cells(axes, box.x + 2.5, box.y + 4, (2.86, 4.4), [PAPER] * 3 + [SAND] * 4)


def _draw_banks(axes: Axes) -> None:
    box = _BOX["ptr_read"]
    for at, name in enumerate(("even", "odd")):
        x = box.x + 2.5 + 10.4 * at
        axes.add_patch(Rectangle((x, box.y + 3), 9.6, 6.4, facecolor=SAND, edgecolor=NAVY, linewidth=0.8))
        axes.text(x + 4.8, box.y + 6.1, name, ha="center", va="center", fontsize=8.5)


def _draw_spmat_row(axes: Axes) -> None:
    box = _BOX["spmat_read"]
    for y in (2.6, 6.8):
        _cells(axes, box.x + 2.5, box.y + y, (2.5, 3.2), [SAND, SKY] * 4)


def _draw_arithmetic(axes: Axes) -> None:
    box = _BOX["arithmetic"]
    y = box.y + 6.2
    for at, sign in enumerate(("S", "\N{MULTIPLICATION SIGN}", "+")):
        x = box.x + 4.9 + 7.6 * at
        axes.add_patch(Circle((x, y), 2.5, facecolor=SKY if at else SAND, edgecolor=NAVY, linewidth=0.8))
        axes.text(x, y - 0.1, sign, ha="center", va="center", fontsize=9)
        if at:
            axes.plot([x - 5.1, x - 2.5], [y, y], color=INK, linewidth=1)


def _draw_registers(axes: Axes) -> None:
    box = _BOX["act_rw"]
    for at, (name, face) in enumerate((("a", SAND), ("b", SKY))):
        y = box.y + 6.6 - 4.4 * at
        axes.text(box.x + 3.4, y + 1.6, name, ha="center", va="center", fontsize=8.5)
        _cells(axes, box.x + 5.5, y, (2.2, 3.2), [face] * 8)


# A reproduction beside the paper --------------------------------------------------------------------------------------


@_styled
def reproduced_networks(data: reproduction.ReproducedNetworks) -> Figure:
    """Sizes of the layers beside the paper's, and the errors before and after, a row for each network."""
    rows = [len(network.layers) + 3.2 for network in data.networks]
    figure = _new_figure(0.25 * sum(rows) + 0.5)
    grid = figure.add_gridspec(len(rows), 2, width_ratios=(3, 2), height_ratios=rows)
    for at, network in enumerate(data.networks):
        _draw_layer_sizes(figure.add_subplot(grid[at, 0]), network, at == 0)
        _draw_errors(figure.add_subplot(grid[at, 1]), network)
    figure.supxlabel(data.note, x=_EDGE, ha="left", fontsize=7.5, color=SOFT)
    return figure


def _draw_layer_sizes(axes: Axes, network: reproduction.ReproducedNetwork, with_legend: bool) -> None:
    sizes = [layer.size_pct for layer in network.layers]
    papers = [layer.paper_pct for layer in network.layers]
    places = np.arange(len(sizes))
    axes.barh(places, sizes, 0.62, color=[SKY] * (len(sizes) - 1) + [NAVY], label="here, mean")
    axes.scatter(papers, places, marker="D", s=26, color=RUST, zorder=3, label="paper")
    for at, layer in enumerate(network.layers):
        end = max(layer.size_pct, layer.paper_pct)
        text = f"{layer.size_pct:.2f} ({layer.paper_pct:.2f})"
        axes.annotate(text, (end, at), (6, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set(xscale="log", xlim=(1, 350), ylim=(len(sizes) - 0.4, -0.6))
    axes.set_yticks(places, [layer.name for layer in network.layers])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("size, % of the dense layer")
    axes.set_title(network.finding)
    if with_legend:
        axes.legend(loc="lower right", fontsize=8)


def _draw_errors(axes: Axes, network: reproduction.ReproducedNetwork) -> None:
    for pair in network.seeds:
        axes.plot([0, 1], [pair.before_pct, pair.after_pct], "o-", color=NAVY, linewidth=1.2, markersize=4)
    paper = network.paper
    axes.plot([0, 1], [paper.before_pct, paper.after_pct], "D--", color=RUST, linewidth=1, markersize=4)
    errors = [error for pair in (*network.seeds, paper) for error in (pair.before_pct, pair.after_pct)]
    axes.set(xlim=(-0.3, 1.3), ylim=(0, 1.25 * max(errors)), ylabel="error %")
    axes.set_xticks([0, 1], ["dense control", "compressed"])
    axes.set_title(network.error_finding)
    axes.grid(axis="y")


# Sweeps ---------------------------------------------------------------------------------------------------------------


@_styled
def pareto_front(data: sweep_figures.ParetoFront) -> Figure:
    """Machines between two objectives, and the front."""
    figure = _new_figure(4.2)
    axes = figure.subplots()
    axes.plot(*zip(*data.points, strict=True), "o", color=GREY, markersize=3, alpha=0.5, label="all machines")
    axes.plot(*zip(*data.front, strict=True), "s-", color=RUST, markersize=4.5, linewidth=1.2, label="beaten by none")
    for at in sorted({0, len(data.front) // 2, len(data.front) - 1}):
        axes.annotate(data.names[at], data.front[at], xytext=(5, 5), textcoords="offset points", fontsize=7, color=SOFT)
    _log_where_wide(axes, "x", [x for x, _ in data.points])
    _log_where_wide(axes, "y", [y for _, y in data.points])
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    axes.set_title(data.finding)
    axes.grid(linewidth=0.6)
    axes.legend(fontsize=8)
    return figure


def _log_where_wide(axes: Axes, which: Literal["x", "y"], values: Sequence[float]) -> None:
    """A logarithmic axis, where values above 0 are far apart."""
    low, high = min(values), max(values)
    if low > 0 and high >= _WIDE * low:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        axis = axes.xaxis if which == "x" else axes.yaxis
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < _NARROW * low else (1,)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


_WIDE = 8.0
"""Ends of an axis that are this many times apart are easier to read on a logarithmic one."""


@_styled
def axis_curve(data: sweep_figures.AxisCurve) -> Figure:
    """One metric over one axis: the median of all machines, and from the least to the largest."""
    figure = _new_figure(3.4)
    axes = figure.subplots()
    places = np.arange(len(data.x))
    axes.fill_between(places, data.least, data.largest, color=SKY, alpha=0.45, linewidth=0, label="least to largest")
    axes.plot(places, data.median, "o-", color=NAVY, markersize=4.5, linewidth=1.4, label="median")
    axes.set_xticks(places, [_tick(value) for value in data.x])
    _log_where_wide(axes, "y", [*data.least, *data.largest])
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    axes.set_title(data.finding)
    axes.grid(linewidth=0.6)
    axes.legend(fontsize=8)
    return figure


def _tick(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@_styled
def sweep_map(data: sweep_figures.HeatMap) -> Figure:
    """The best of one metric over two axes."""
    figure = _new_figure(0.32 * len(data.y) + 1.6)
    axes = figure.subplots()
    values = np.array(data.values)
    mesh = axes.pcolormesh(values, cmap="cividis", edgecolors=PAPER, linewidth=0.8)
    axes.set_xticks(np.arange(len(data.x)) + 0.5, [_tick(value) for value in data.x])
    axes.set_yticks(np.arange(len(data.y)) + 0.5, [_tick(value) for value in data.y])
    axes.add_patch(Rectangle(data.best, 1, 1, fill=False, edgecolor=RUST, linewidth=2.2))
    low, high = np.nanmin(values), np.nanmax(values)
    for (row, column), value in np.ndenumerate(values) if values.size <= _MOST_NUMBERS else ():
        dark = value < low + 0.55 * (high - low)
        axes.text(
            column + 0.5,
            row + 0.5,
            sweep_figures.number(value),
            ha="center",
            va="center",
            fontsize=7,
            color=PAPER if dark else INK,
        )
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    axes.set_title(data.finding)
    figure.colorbar(mesh, label=data.value_label)
    return figure


_MOST_NUMBERS = 120
"""Cells of a map that have their number written in them."""


@_styled
def parallel_coordinates(data: sweep_figures.ParallelCoordinates) -> Figure:
    """Machines as lines over their axes and metrics; those of the front stand out."""
    figure = _new_figure(4.4)
    axes = figure.subplots()
    places = np.arange(len(data.columns))
    for front in (False, True):
        lines = [line for line, on_front in zip(data.lines, data.on_front, strict=True) if on_front is front]
        colour, width, alpha = (RUST, 1.3, 0.9) if front else (GREY, 0.5, 0.25)
        for line in lines:
            axes.plot(places, line, color=colour, linewidth=width, alpha=alpha, zorder=2 + front)
    for place, ticks in zip(places, data.ticks, strict=True):
        axes.axvline(float(place), color=SOFT, linewidth=0.8, zorder=4)
        for share, text in ticks:
            axes.annotate(
                text, (place, share), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7, zorder=5,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
            )  # fmt: skip
    axes.set_xticks(places, [name.replace(", ", "\n") for name in data.columns], fontsize=7.5)
    axes.set(xlim=(-0.1, len(places) - 0.55), ylim=(-0.05, 1.05), yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(data.finding)
    return figure
