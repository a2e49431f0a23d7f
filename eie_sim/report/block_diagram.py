"""The block diagram of EIE as data: one box for each unit's file in `eie_sim/machine`, and the wires between them.

Coordinates are in twentieths of an inch, from the lower left corner.
"""

from dataclasses import dataclass
from typing import Literal

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
