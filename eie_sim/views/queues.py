"""How many activations wait in the queue of each PE."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, kernel
from eie_sim.result import Schedule
from eie_sim.views.parts import Integers, Window, chosen_pes, limits, window_of

_MOST_AT_ONCE = 2**24
"""PE-cycles whose queues are held in memory at a time."""

PERCENTILES = (0, 10, 50, 90, 100)
"""Of `QueueOccupancy.percentiles`."""


def waiting(schedule: Schedule, window: Window | None = None, pes: Sequence[int] | None = None) -> NDArray[np.int32]:
    """Activations that wait in the queue of each PE in each cycle, without the one being served.

    Parameters
    ----------
    schedule : Schedule
    window, pes
        As in `pe_states`.

    Returns
    -------
    ndarray of int32, shape (PEs, cycles)
        At most ``act_queue_depth - 1``; with a depth of 1 the queue still latches one activation.

    Raises
    ------
    ValueError
        If the window or a PE is not in the run.
    """
    begin, end = window_of(schedule, window)
    chosen = chosen_pes(schedule, pes)
    pop = schedule.pop_cycle[chosen]
    own_row = np.arange(len(chosen))[:, None] * (end - begin + 1)
    if not len(chosen):
        return np.zeros((0, end - begin), np.int32)
    # A pop before the window counts at its first cycle, one after it in a column that is dropped.
    inside = np.minimum(np.maximum(pop - begin, 0), end - begin)
    taken = np.bincount((inside + own_row).ravel(), minlength=len(chosen) * (end - begin + 1))
    pushed = np.bincount(
        np.minimum(np.maximum(schedule.arrival_cycle - begin, 0), end - begin), minlength=end - begin + 1
    )
    change = pushed - taken.reshape(len(chosen), -1)
    return np.asarray(np.cumsum(change[:, :-1], axis=1, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class QueueOccupancy:
    """How full the activation queues were in each of several bins of time.

    Attributes
    ----------
    first_cycle : ndarray of int64, shape (bins + 1,)
        As in `Utilisation`.
    total : ndarray of int64, shape (n_pe, bins)
        Waiting activations, summed over the cycles of the bin.
    percentiles : ndarray of float64, shape (len(PERCENTILES), bins)
        Of the waiting activations of all PEs in all cycles of the bin.
    """

    first_cycle: Integers
    total: Integers
    percentiles: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Activations that wait, on average; float64, shape (n_pe, bins)."""
        return np.asarray(self.total / np.diff(self.first_cycle), np.float64)


def queue_occupancy(schedule: Schedule, bins: int) -> QueueOccupancy:
    """How full the queues were in each of `bins` bins of the same length.

    Raises
    ------
    ValueError
        If `bins` is not an integer of at least 1.
    """
    first_cycle = limits(schedule, bins)
    total = np.empty((schedule.n_pe, len(first_cycle) - 1), np.int64)
    percentiles = np.empty((len(PERCENTILES), len(first_cycle) - 1))
    # Whole bins at a time, as many as memory is allowed for: a percentile needs every cycle of its bin at once.
    together = max(1, _MOST_AT_ONCE // (schedule.n_pe * int(np.diff(first_cycle).max())))
    for some in range(0, total.shape[1], together):
        edges = first_cycle[some : some + together + 1]
        found = waiting(schedule, (int(edges[0]), int(edges[-1])))
        at = slice(some, some + len(edges) - 1)
        total[:, at] = np.add.reduceat(found, edges[:-1] - edges[0], axis=1, dtype=np.int64)
        percentiles[:, at] = _percentiles(found, np.diff(edges))
    return QueueOccupancy(first_cycle, total, percentiles)


def _percentiles(values: NDArray[np.int32], widths: Integers) -> NDArray[np.float64]:
    """`PERCENTILES` of each bin, a group of columns of `values`; float64, shape (len(PERCENTILES), bins).

    Equal to `numpy.percentile`, which sorts: counting small integers takes less time.
    """
    n_values = int(values.max(initial=0)) + 1
    counts = np.zeros((len(widths), n_values), np.int64)
    _count_values(values, np.cumsum(widths), counts)
    # How many values are at most each value, and the positions of the percentiles in sorted order, from 0.
    up_to = np.cumsum(counts, axis=1)
    place = np.multiply.outer(np.array(PERCENTILES) / 100, up_to[:, -1] - 1)
    below = np.floor(place).astype(np.int64)
    share = place - below
    low, high = (
        np.stack([(up_to <= at[:, None]).sum(axis=1) for at in some])
        for some in (below, np.minimum(below + 1, up_to[:, -1] - 1))
    )
    # The two forms of the interpolation that numpy uses, so that the last bit agrees.
    return np.asarray(np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share)), np.float64)


@kernel
def _count_values(values: Arg, ends: Arg, counts: Arg) -> None:
    """Count each value in each bin of columns."""
    for row in range(values.shape[0]):
        column = 0
        for at in range(len(ends)):
            while column < ends[at]:
                counts[at, values[row, column]] += 1
                column += 1
