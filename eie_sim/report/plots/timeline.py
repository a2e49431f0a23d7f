"""Draws every cycle of a window, unit by unit."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from eie_sim.report.figures.timeline import Span, Timeline
from eie_sim.report.plots.styles import (
    INK,
    PAPER,
    RUST,
    SOFT,
    STATE_COLOURS,
    STATE_HATCHES,
    foot,
    in_lines,
    new_figure,
    points,
    styled,
)
from eie_sim.views import BROADCAST_STATES, PE_STATES

_FACES = dict(zip(PE_STATES, STATE_COLOURS.values(), strict=True))
_HATCHES = dict(zip(PE_STATES, STATE_HATCHES.values(), strict=True))
_LIKE = dict(zip(BROADCAST_STATES, ("entry", "bubble", "starved", "drain"), strict=True))
"""State of a PE that looks like each state of the broadcast."""

_ON_ANY_COLOUR = [withStroke(linewidth=1.4, foreground=INK)]

_SHARE_OF_WIDTH = 0.88
"""Of a figure, that the lanes take; names of lanes stand beside them."""

_LANE = 0.62
"""Height of a lane of states; below it stands what waits."""

_WIDEST_LABELLED = 70
"""Cycles side by side that leave room for text in each."""


@styled
def timeline(data: Timeline) -> Figure:
    """Lanes of the broadcast and of each PE, a cell a cycle; in the cells the column that is pushed or processed.

    Below a PE's lane stands how many activations wait in its queue, in bold where it stalls the broadcast.
    """
    n_lanes = len(data.pes) + 1
    figure = new_figure(1.5 + 0.42 * n_lanes)
    axes = figure.add_subplot()
    labelled = len(data.broadcast) <= _WIDEST_LABELLED
    edge = 0.4 if labelled else 0.0  # of many cells, edges would be all that is seen
    _lane(axes, 0, data, [_LIKE[BROADCAST_STATES[state]] for state in data.broadcast], edge)
    if labelled:
        _labels(axes, 0, data, data.pushes)
    for lane in range(1, n_lanes):
        states = [PE_STATES[state] for state in data.states[lane - 1]]
        _lane(axes, lane, data, states, edge)
        if labelled:
            for span in data.services[lane - 1]:
                box, width = (span.cycle - 0.5, lane), span.end - span.cycle
                axes.add_patch(Rectangle(box, width, _LANE, fill=False, edgecolor=PAPER, linewidth=1.6))
            _labels(axes, lane, data, data.services[lane - 1])
            queue = zip(data.waiting[lane - 1].tolist(), data.full[lane - 1].tolist(), strict=True)
            for cycle, (waits, full) in enumerate(queue, data.first_cycle):
                if waits:
                    axes.text(
                        cycle, lane + _LANE + 0.17, str(waits), fontsize=points(6), ha="center", va="center",
                        color=RUST if full else SOFT, weight="bold" if full else "normal",
                    )  # fmt: skip
    axes.set(xlim=(data.first_cycle - 0.5, data.end - 0.5), ylim=(n_lanes - 0.1, -0.25))
    axes.set_yticks([lane + _LANE / 2 for lane in range(n_lanes)], ["broadcast", *(f"PE {k}" for k in data.pes)])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("cycle")
    axes.set_title(in_lines(data.finding, axes), pad=points(24))
    _legend(axes)
    note = (
        data.note
        if labelled
        else f"{data.pes_told}; columns and queues are written in {_WIDEST_LABELLED} cycles at most"
    )
    foot(figure, in_lines(note, axes, size=7.5))
    return figure


def _lane(axes: Axes, lane: int, data: Timeline, states: list[str], edge: float) -> None:
    for cycle, state in enumerate(states, data.first_cycle):
        axes.add_patch(
            Rectangle(
                (cycle - 0.5, lane), 1, _LANE, facecolor=_FACES[state], edgecolor=PAPER, linewidth=edge,
                hatch=_HATCHES[state],
            )
        )  # fmt: skip


def _labels(axes: Axes, lane: int, data: Timeline, spans: tuple[Span, ...]) -> None:
    """The column in the middle of each span: upright where the span is wide enough for it, else turned."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    letters_a_cycle = _SHARE_OF_WIDTH * 72 * figure.get_figwidth() / len(data.broadcast) / (0.62 * points(7))
    for span in spans:
        begin, end = max(span.cycle, data.first_cycle), min(span.end, data.end)
        fits = len(span.label) <= (end - begin) * letters_a_cycle
        axes.text(
            (begin + end - 1) / 2, lane + _LANE / 2, span.label, color=PAPER, fontsize=points(7), ha="center",
            va="center", clip_on=True, rotation=0 if fits else 90, path_effects=_ON_ANY_COLOUR,
        )  # fmt: skip


def _legend(axes: Axes) -> None:
    names = {
        "entry": "entry, or push", "filler": "filler", "bubble": "empty column, or stall",
        "starved": "starved, or scan bubble", "fill": "not begun", "drain": "done, or idle",
    }  # fmt: skip
    axes.legend(
        handles=[
            Patch(facecolor=_FACES[state], hatch=_HATCHES[state], edgecolor=PAPER, label=name)
            for state, name in names.items()
        ],
        loc="lower left", bbox_to_anchor=(0, 1), ncols=6, fontsize=points(7.5), handlelength=1.2, columnspacing=1.2,
        borderpad=0.2, borderaxespad=0.2,
    )  # fmt: skip
