"""What every PE did over the time of a layer, small enough for a page: bytes that the page's script draws."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from eie_sim.columns import Row
from eie_sim.report.figures.over_time import scheduled
from eie_sim.report.html.markup import Markup, element, join
from eie_sim.report.html.tables import data_table
from eie_sim.report.report_columns import Definitions
from eie_sim.result import SimResult
from eie_sim.views import broadcast_stalls, pe_totals, queue_occupancy, utilisation

BINS = 160
"""Bins of time of a map."""

MOST_LINES = 128
"""Lines of a map; of more PEs, neighbours share one."""

SLICES = 8
"""Bins of time of the table that says what the map shows."""

BUSY_LEVELS = 100
"""A share of 0 .. 1 is kept in whole percent: what is shown, and more than shades can tell."""

WAITING_LEVELS = 10
"""Steps that an activation in a queue is kept in: what is shown of a mean has one decimal."""

_MOST_LEVELS = 65535
"""Of a queue: numbers of 16 bits, be the queue as deep as it may."""


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Two maps of one layer, PEs by time.

    Attributes
    ----------
    layer : str
    first_pe : ndarray of int64, shape (lines + 1,)
        Line ``i`` holds the PEs ``first_pe[i] .. first_pe[i + 1] - 1``.
    first_cycle : ndarray of int64, shape (bins + 1,)
        As in `eie_sim.views.Utilisation`.
    us_a_cycle : float
    busy : ndarray of uint8, shape (lines, bins)
        Busy cycles over cycles, in steps of 1 / `BUSY_LEVELS`.
    waiting : ndarray of uint8 or little-endian uint16, shape (lines, bins)
        Mean of the activations that wait in a queue, in steps of 1 / `levels_a_place`.
    most_waiting : int
        Activations that a queue can hold.
    levels_a_place : int
        `WAITING_LEVELS`, or 1 for queues of thousands.
    """

    layer: str
    first_pe: NDArray[np.int64]
    first_cycle: NDArray[np.int64]
    us_a_cycle: float
    busy: NDArray[np.uint8]
    waiting: NDArray[np.uint8] | NDArray[np.uint16]
    most_waiting: int
    levels_a_place: int

    def data(self) -> dict[str, object]:
        """What the page's script needs, for JSON."""
        return {
            "layer": self.layer,
            "pes": self.first_pe.tolist(),
            "cycles": self.first_cycle.tolist(),
            "us": self.us_a_cycle,
            "most": self.most_waiting,
            "steps": self.levels_a_place,
            "wide": self.waiting.itemsize > 1,
            "busy": base64.b64encode(self.busy.tobytes()).decode(),
            "waiting": base64.b64encode(self.waiting.tobytes()).decode(),
        }


def heat_map(result: SimResult) -> HeatMap:
    """The maps of a result.

    Raises
    ------
    ValueError
        If the result has no schedule.
    """
    schedule = scheduled(result)
    used, queues = utilisation(schedule, BINS), queue_occupancy(schedule, BINS)
    first_pe = lines_of(schedule.n_pe)
    most = max(1, result.arch.act_queue_depth - 1)
    # Queues of thousands would need more than 16 bits in tenths.
    steps = WAITING_LEVELS if most * WAITING_LEVELS <= _MOST_LEVELS else 1
    return HeatMap(
        result.layer,
        first_pe,
        used.first_cycle,
        1e6 / result.arch.clock_hz,
        _levels(used.busy_share, first_pe, BUSY_LEVELS).astype(np.uint8),
        _levels(queues.mean, first_pe, steps).astype(np.uint8 if most * steps <= 255 else "<u2"),
        most,
        steps,
    )


def lines_of(n_pe: int) -> NDArray[np.int64]:
    """First PE of each line of a map or a table, and the number of PEs."""
    lines = min(n_pe, MOST_LINES)
    return np.arange(lines + 1, dtype=np.int64) * n_pe // lines


def _levels(of_pes: NDArray[np.float64], first_pe: NDArray[np.int64], steps: int) -> NDArray[np.float64]:
    """Values of PEs as whole numbers of steps for each line, which has the mean of its PEs."""
    means = np.add.reduceat(of_pes, first_pe[:-1], axis=0) / np.diff(first_pe)[:, None]
    return np.asarray(np.rint(np.minimum(means * steps, _MOST_LEVELS)))


def line_names(first_pe: NDArray[np.int64]) -> list[str | int]:
    """A PE by its number, neighbours as ``0-7``."""
    pairs = zip(first_pe[:-1].tolist(), (first_pe[1:] - 1).tolist(), strict=True)
    return [first if first == last else f"{first}-{last}" for first, last in pairs]


# As elements of the page ----------------------------------------------------------------------------------------------


def drawn_by_script(name: str, layer: str) -> Markup:
    """The place where the page's script draws the map that `name` is the data of."""
    how = "Point at it, or move with the arrow keys, Home, End, Page Up and Page Down when it has the focus."
    return element(
        "figure",
        element("figcaption", f"{layer}: PEs over time. {how}"),
        class_="heat",
        data_heat=name,
    )


def _told(unit: str, definition: str) -> Mapping[str, str]:
    return {"unit": unit, "definition": definition}


SLICE_COLUMNS: Definitions = {
    "from_us": _told("us", "Where the stretch of time begins."),
    "to_us": _told("us", "Where it ends."),
    "busy": _told("ratio", "Busy cycles over cycles, all PEs."),
    "least_busy": _told("ratio", "The same of the PE that was least busy in this stretch."),
    "least_busy_pe": _told("", "Number of that PE."),
    "waiting": _told("activations", "Mean of the activations that wait in a queue, all PEs."),
}


def in_words(name: str, result: SimResult) -> Markup:
    """What the map shows, as a table of a few bins of time."""
    schedule = scheduled(result)
    used, queues = utilisation(schedule, SLICES), queue_occupancy(schedule, SLICES)
    at_us = ((used.first_cycle - 1) / result.arch.clock_hz * 1e6).tolist()
    share = used.busy_share
    rows: list[Row] = [
        {
            "from_us": at_us[at],
            "to_us": at_us[at + 1],
            "busy": float(share[:, at].mean()),
            "least_busy": float(share[:, at].min()),
            "least_busy_pe": int(share[:, at].argmin()),
            "waiting": float(queues.mean[:, at].mean()),
        }
        for at in range(share.shape[1])
    ]
    table = data_table(name, f"{result.layer} over time", SLICE_COLUMNS, rows)
    return element("details", element("summary", "The map as a table"), table)


PE_COLUMNS: Definitions = {
    "PE": _told("", "Number of the PE; of more than 128, neighbours together."),
    "entry": _told("cycles", "A weight was issued."),
    "filler": _told("cycles", "A filler zero was issued."),
    "bubble": _told("cycles", "The column had no entry in this PE."),
    "starved": _told("cycles", "Nothing to serve yet: no activation, or one that came in this cycle."),
    "fill": _told("cycles", "Before the first activation."),
    "drain": _told("cycles", "After the last. The six sum to the cycles of the layer."),
    "held_up": _told("cycles", "The broadcast stood still and this PE's queue was full; several can be at once."),
    "held_up_alone": _told("cycles", "Those in which no other queue was full."),
}


def each_pe(name: str, layer: PackedLayer, result: SimResult) -> Markup:
    """Cycles of every PE by what it did, and how long it held the broadcast up."""
    schedule = scheduled(result)
    totals, stalls = pe_totals(schedule, layer), broadcast_stalls(schedule, result.arch.act_queue_depth)
    first_pe = lines_of(schedule.n_pe)
    columns = [
        np.add.reduceat(of_pe, first_pe[:-1]).tolist()
        for of_pe in (*(getattr(totals, state) for state in list(PE_COLUMNS)[1:7]), stalls.full, stalls.alone)
    ]
    rows = [dict(zip(PE_COLUMNS, cells, strict=True)) for cells in zip(line_names(first_pe), *columns, strict=True)]
    table = data_table(name, f"{result.layer}: cycles of each PE", PE_COLUMNS, rows)
    return element("details", element("summary", "Every PE"), join(table))
