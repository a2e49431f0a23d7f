"""The block diagram of EIE: one box for each unit's file in `eie_sim/machine`, and the wires between them.

Coordinates are in twentieths of an inch, from the lower left corner.
"""

from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from eie_sim.report.plots.styles import (
    INK,
    MIST,
    NAVY,
    PAPER,
    RUST,
    SAND,
    SKY,
    SOFT,
    WIDTH_IN,
    new_figure,
    points,
    styled,
)

WIDTH, HEIGHT = 160.0, 98.0
"""Of the whole diagram."""


@dataclass(frozen=True)
class Box:
    """One unit.

    Attributes
    ----------
    unit : str
        The file of `eie_sim/machine`, and the unit's name in the paper.
    does : tuple of str
        What it does, line by line.
    x, y, width, height : float
        Lower left corner and size.
    when : str
        What happens to an entry that `ptr_read` issues in cycle c; "" where that is no matter.
    """

    unit: str
    does: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    when: str = ""


@dataclass(frozen=True)
class Wire:
    """One connection, drawn as an arrow along `points`; its label stands left aligned at `label_at`."""

    points: tuple[tuple[float, float], ...]
    label: str = ""
    label_at: tuple[float, float] = (0.0, 0.0)
    kind: Literal["data", "control"] = "data"


_PE_Y, _PE_HEIGHT, _PE_WIDTH, _PE_STEP = 18.0, 27.0, 25.0, 30.2
_TOP_Y, _TOP_HEIGHT = 66.0, 22.0


def _in_pe(place: int, unit: str, does: tuple[str, ...], when: str) -> Box:
    return Box(unit, does, 6.0 + place * _PE_STEP, _PE_Y, _PE_WIDTH, _PE_HEIGHT, when)


PE = Box("pe", ("processing element k of N: holds the weights of the rows i with i mod N = k",), 2.5, 6.5, 150.0, 47.5)
"""The frame around the units of one PE."""

BOXES = (
    Box("ccu", ("sends each input that", "is not zero, with its", "column, to every PE"),
        6.0, _TOP_Y, 40.0, _TOP_HEIGHT),
    Box("lnzd", ("leading non-zero", "detection: a tree finds", "the next one to send"),
        76.0, _TOP_Y, 75.8, _TOP_HEIGHT),
    _in_pe(0, "act_queue", ("inputs wait", "for the PE"), "an entry's cycles:"),
    _in_pe(1, "ptr_read", ("p[j], p[j+1] at", "once: two banks"), "cycle c"),
    _in_pe(2, "spmat_read", ("entries (code v,", "run z) in rows"), "c+1"),
    _in_pe(3, "arithmetic", ("b[i] += S[v] · a", "with bypass"), "c+2  c+3  c+4"),
    _in_pe(4, "act_rw", ("source a and", "destination b"), "written at c+5"),
)  # fmt: skip
"""The units, in the order in which an input meets them."""

_QUEUE, _READ, _SPMAT, _ARITHMETIC, _RW = (box.x for box in BOXES[2:])
_MIDDLE = _PE_Y + 12.5
_TOP_OF_PE = _PE_Y + _PE_HEIGHT


def _between(left: float) -> Wire:
    return Wire(((left + _PE_WIDTH, _MIDDLE), (left + _PE_STEP, _MIDDLE)))


WIRES = (
    Wire(((76.0, 77.0), (46.0, 77.0)), "next: (a, j)", (52.5, 79.3)),
    Wire(((12.0, _TOP_Y), (12.0, _TOP_OF_PE)), "(a, j)", (13.5, 60.0)),
    Wire(((26.0, _TOP_OF_PE), (26.0, _TOP_Y)), "stall: a queue is full", (27.5, 60.0), "control"),
    *(_between(left) for left in (_QUEUE, _READ, _SPMAT, _ARITHMETIC)),
    Wire(((_RW + 12.5, _TOP_OF_PE), (_RW + 12.5, _TOP_Y)), "inputs, one lane from each PE", (_RW - 31.0, 60.0)),
)  # fmt: skip
"""How they are connected."""

LANES, FANIN = 16, 4
"""Lanes of the drawn tree, and the inputs of a node; the paper's machine has 64 lanes (EIE section IV)."""


# Drawing --------------------------------------------------------------------------------------------------------------


@styled
def machine() -> Figure:
    """The block diagram of the machine; a box is a file of `eie_sim/machine`."""
    figure = new_figure(WIDTH_IN * HEIGHT / WIDTH, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    axes.text(2.5, HEIGHT - 4.5, "EIE, unit by unit", fontsize=points(12), weight="bold", va="center")
    axes.text(
        WIDTH - 8, HEIGHT - 4.5, "each box is one file of eie_sim/machine/",
        color=SOFT, ha="right", va="center",
    )  # fmt: skip
    _draw_pe_frames(axes)
    for box in BOXES:
        _draw_box(axes, box)
    for wire in WIRES:
        _draw_wire(axes, wire)
    for draw in (_draw_tree, _draw_queue, _draw_banks, _draw_spmat_row, _draw_arithmetic, _draw_registers):
        draw(axes)
    return figure


_BOX = {box.unit: box for box in BOXES}


def _rounded(axes: Axes, box: Box, face: str, edge: str, shift: float = 0.0, width: float = 1.2) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (box.x + shift, box.y - shift), box.width, box.height, boxstyle="round,pad=0,rounding_size=1.6",
            facecolor=face, edgecolor=edge, linewidth=width,
        )
    )  # fmt: skip


def _draw_pe_frames(axes: Axes) -> None:
    frame = PE
    for shift in (4.0, 2.0, 0.0):  # the PEs behind it
        _rounded(axes, frame, "#f4f6f8" if shift == 0 else MIST, SOFT, shift, 0.9)
    top = frame.y + frame.height - 3.6
    axes.text(
        frame.x + 28, top, frame.unit, family="monospace", weight="bold", fontsize=points(10), va="center", color=NAVY
    )
    axes.text(frame.x + 34, top, frame.does[0], color=SOFT, va="center", fontsize=points(8.5))


def _draw_box(axes: Axes, box: Box) -> None:
    _rounded(axes, box, PAPER, NAVY)
    top = box.y + box.height
    axes.text(
        box.x + 2, top - 3.6, box.unit, family="monospace", weight="bold", fontsize=points(10), va="center", color=NAVY
    )
    for line, text in enumerate(box.does):
        axes.text(box.x + 2, top - 8.6 - 3.6 * line, text, va="center", fontsize=points(8.5))
    if box.when:
        middle = box.x + box.width / 2
        axes.text(middle, PE.y + 4.2, box.when, ha="center", va="center", fontsize=points(8.5), color=SOFT)


def _draw_wire(axes: Axes, wire: Wire) -> None:
    colour, line = (INK, "-") if wire.kind == "data" else (RUST, (0, (3, 2)))
    *before, last = wire.points
    axes.plot(*zip(*wire.points, strict=True), color=colour, linestyle=line, linewidth=1.3, solid_joinstyle="round")
    axes.annotate(
        "", last, before[-1], arrowprops={"arrowstyle": "-|>,head_width=0.22,head_length=0.45", "color": colour,
                                          "linewidth": 0, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 11},
    )  # fmt: skip
    axes.text(*wire.label_at, wire.label, color=colour, va="center", fontsize=points(8.5))


def _cells(axes: Axes, x: float, y: float, size: tuple[float, float], faces: list[str]) -> None:
    """A row of memory cells."""
    for at, face in enumerate(faces):
        axes.add_patch(
            Rectangle((x + at * size[0], y), *size, facecolor=face, edgecolor=NAVY, linewidth=0.8)
        )  # fmt: skip


def _draw_tree(axes: Axes) -> None:
    """Detection nodes, the root on the left, and the lanes."""
    box = _BOX["lnzd"]
    lanes, fanin = LANES, FANIN
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
        axes.text(x + 4.8, box.y + 6.1, name, ha="center", va="center", fontsize=points(8.5))


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
        axes.text(x, y - 0.1, sign, ha="center", va="center", fontsize=points(9))
        if at:
            axes.plot([x - 5.1, x - 2.5], [y, y], color=INK, linewidth=1)


def _draw_registers(axes: Axes) -> None:
    box = _BOX["act_rw"]
    for at, (name, face) in enumerate((("a", SAND), ("b", SKY))):
        y = box.y + 6.6 - 4.4 * at
        axes.text(box.x + 3.4, y + 1.6, name, ha="center", va="center", fontsize=points(8.5))
        _cells(axes, box.x + 5.5, y, (2.2, 3.2), [face] * 8)
