"""Derived views: what every PE did over time, as functions of a `Schedule`.

Nothing here knows an engine, and nothing is sampled: every cycle of the run is counted once, so that a view sums
exactly to the counters of the same run.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.checks import whole_number
from eie_sim.result import Schedule

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Utilisation:
    """What the PEs did in each of some stretches of time (bins).

    Attributes
    ----------
    first_cycle : ndarray of int64, shape (bins + 1,)
        Bin ``b`` holds the cycles ``first_cycle[b] .. first_cycle[b + 1] - 1``. The first begins with cycle 1, the last
        ends with the last cycle of the run.
    busy_cycles, bubble_cycles, starved_cycles, fill_cycles, drain_cycles : ndarray of int64, shape (n_pe, bins)
        Cycles of each class, as in `eie_sim.result.Counts`. Over all bins they sum to the counters of these names, over
        the five classes to `width_cycles`.
    """

    first_cycle: Integers
    busy_cycles: Integers
    bubble_cycles: Integers
    starved_cycles: Integers
    fill_cycles: Integers
    drain_cycles: Integers

    @property
    def width_cycles(self) -> Integers:
        """Cycles in each bin; int64, shape (bins,). Any two differ by at most 1."""
        return np.diff(self.first_cycle)

    @property
    def busy_share(self) -> NDArray[np.float64]:
        """Busy cycles over all cycles, 0 .. 1; float64, shape (n_pe, bins)."""
        return np.asarray(self.busy_cycles / self.width_cycles, np.float64)


def utilisation(schedule: Schedule, bins: int) -> Utilisation:
    """What every PE did in each of `bins` stretches of time of the same length.

    Parameters
    ----------
    schedule : Schedule
    bins : int
        At least 1. A run of fewer cycles gets one bin a cycle.

    Raises
    ------
    ValueError
        When `bins` is no whole number of at least 1.
    """
    bins = min(whole_number("bins", bins, 1), schedule.cycles)
    first_cycle = 1 + np.arange(bins + 1, dtype=np.int64) * schedule.cycles // bins
    busy = _served_before(first_cycle, schedule, schedule.entries)
    bubble = _served_before(first_cycle, schedule, (schedule.entries == 0).astype(np.int64))
    first_pop, free = _service_span(schedule)
    fill = np.minimum(first_cycle, first_pop) - 1
    drain = np.maximum(first_cycle - free, 0)
    starved = (first_cycle - 1) - (busy + bubble + fill + drain)
    return Utilisation(first_cycle, *(np.diff(before, axis=1) for before in (busy, bubble, starved, fill, drain)))


def _service_span(schedule: Schedule) -> tuple[Integers, Integers]:
    """First cycle of service, and the first one after the last service, of every PE; shape (n_pe, 1) each.

    Without any broadcast every cycle is drain.
    """
    if not len(schedule.column):
        begin = np.ones((schedule.n_pe, 1), np.int64)
        return begin, begin
    return schedule.pop_cycle[:, :1], schedule.pop_cycle[:, -1:] + np.maximum(1, schedule.entries[:, -1:])


def _served_before(cycles: Integers, schedule: Schedule, duration: Integers) -> Integers:
    """How many of the cycles ``pop_cycle .. pop_cycle + duration - 1`` of every PE lie before each of `cycles`.

    int64, shape (n_pe, len(cycles)). A service begins when the one before it has ended, so only the last that began
    can reach beyond.
    """
    n_pe, n_served = schedule.pop_cycle.shape
    # Every PE is moved to a stretch of time of its own: one search does for all.
    own_time = np.arange(n_pe, dtype=np.int64)[:, None] * (schedule.cycles + 2)
    began = np.searchsorted((schedule.pop_cycle + own_time).ravel(), (cycles + own_time).ravel(), side="left")
    began = began.reshape(n_pe, -1) - np.arange(n_pe)[:, None] * n_served
    # A column of zeros in front: nothing has been served when nothing has begun.
    total = np.zeros((n_pe, n_served + 1), np.int64)
    np.cumsum(duration, axis=1, out=total[:, 1:])
    end = np.zeros((n_pe, n_served + 1), np.int64)
    np.add(schedule.pop_cycle, duration, out=end[:, 1:])
    beyond = np.maximum(np.take_along_axis(end, began, axis=1) - cycles, 0)
    return np.asarray(np.take_along_axis(total, began, axis=1) - beyond, np.int64)
