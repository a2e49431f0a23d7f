"""What each PE does: in every cycle, in bins, over the whole run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, kernel
from compressor.types.packed import PackedLayer
from eie_sim.result import Schedule
from eie_sim.views.parts import Integers, Window, check_together, chosen_pes, limits, stored_columns, window_of

States = NDArray[np.uint8]

PE_STATES = ("entry", "filler", "bubble", "starved", "fill", "drain")
"""What a PE does in a cycle: a weight issued, a filler issued, an empty column, nothing to do, before its first
activation, after its last. Entry and filler are together the counter ``busy_cycles``."""

ENTRY, FILLER, BUBBLE, STARVED, FILL, DRAIN = range(len(PE_STATES))


def pe_states(
    schedule: Schedule, layer: PackedLayer, window: Window | None = None, pes: Sequence[int] | None = None
) -> States:
    """State of each PE in each cycle.

    Parameters
    ----------
    schedule : Schedule
    layer : PackedLayer
        The layer that was run; it knows where its fillers are.
    window : (int, int) or None
        First cycle, and the first one after the last; None: the run.
    pes : sequence of int or None
        Which PEs; None: all.

    Returns
    -------
    ndarray of uint8, shape (PEs, cycles)
        Positions in `PE_STATES`.

    Raises
    ------
    ValueError
        If the schedule is of another layer, or the window or a PE is not in the run.
    """
    begin, end = window_of(schedule, window)
    chosen = chosen_pes(schedule, pes)
    check_together(schedule, layer)
    states = np.empty((len(chosen), end - begin), np.uint8)
    _write_states(*_services(schedule, layer, chosen), begin, end, states)
    return states


def _services(
    schedule: Schedule, layer: PackedLayer, pes: Integers
) -> tuple[Integers, Integers, Integers, NDArray[np.uint8]]:
    """Of each broadcast in each of `pes`: its first cycle of service, its entries, and where they begin in the codes.

    int64, shape (PEs, J) each; and the codes.
    """
    begin = np.asarray(layer.pointers[stored_columns(schedule, layer)][:, pes].T, np.int64, order="C")
    # Pointers are local to a PE; its entries follow those of the PEs before it.
    begin += (np.cumsum(layer.pointers[-1], dtype=np.int64) - layer.pointers[-1])[pes, None]
    return schedule.pop_cycle[pes], schedule.entries[pes], begin, np.asarray(layer.codes)


@kernel
def _write_states(pop: Arg, entries: Arg, address: Arg, codes: Arg, begin: Arg, end: Arg, states: Arg) -> None:
    """Write the state of each PE in the cycles ``begin .. end - 1``."""
    n_pe, n_served = pop.shape
    for pe in range(n_pe):
        # `at`: the first cycle not written yet; `pause`: what the PE does until its next service begins.
        at, pause = begin, FILL
        for served in range(n_served):
            first, n = pop[pe, served], entries[pe, served]
            states[pe, at - begin : max(at, min(first, end)) - begin] = pause
            pause = STARVED
            at = max(at, min(first, end))
            if first >= end:
                break
            if n == 0 and first >= begin:
                states[pe, first - begin] = BUBBLE
                at = first + 1
            for cycle in range(max(first, begin), min(first + n, end)):
                states[pe, cycle - begin] = FILLER if codes[address[pe, served] + cycle - first] == 0 else ENTRY
                at = cycle + 1
        states[pe, at - begin :] = DRAIN


@dataclass(frozen=True, eq=False)
class Utilisation:
    """What the PEs did in each of several bins of time.

    Attributes
    ----------
    first_cycle : ndarray of int64, shape (bins + 1,)
        Bin ``b`` holds the cycles ``first_cycle[b] .. first_cycle[b + 1] - 1``. The first begins with cycle 1, the last
        ends with the last cycle of the run.
    busy_cycles, bubble_cycles, starved_cycles, fill_cycles, drain_cycles : ndarray of int64, shape (n_pe, bins)
        Cycles of each class, as in `eie_sim.result.Counts`. Over all bins they sum to the counters of these names, over
        the five classes to `width_cycles`.
    filler_cycles : ndarray of int64, shape (n_pe, bins), or None
        Of the busy cycles, those that issue a filler; None where the layer was not given.
    """

    first_cycle: Integers
    busy_cycles: Integers
    bubble_cycles: Integers
    starved_cycles: Integers
    fill_cycles: Integers
    drain_cycles: Integers
    filler_cycles: Integers | None = None

    @property
    def width_cycles(self) -> Integers:
        """Cycles in each bin; int64, shape (bins,). Any two differ by at most 1."""
        return np.diff(self.first_cycle)

    @property
    def busy_share(self) -> NDArray[np.float64]:
        """Busy cycles over all cycles, 0 .. 1; float64, shape (n_pe, bins)."""
        return np.asarray(self.busy_cycles / self.width_cycles, np.float64)


_CLASSES = ("busy_cycles", "bubble_cycles", "starved_cycles", "fill_cycles", "drain_cycles")


def utilisation(schedule: Schedule, bins: int, layer: PackedLayer | None = None) -> Utilisation:
    """What every PE did in each of `bins` bins of the same length.

    Parameters
    ----------
    schedule : Schedule
    bins : int
        At least 1. A run of fewer cycles gets one bin a cycle.
    layer : PackedLayer or None
        The layer that was run: then fillers are counted apart from weights.

    Raises
    ------
    ValueError
        If `bins` is not an integer of at least 1, or the schedule is of another layer.
    """
    # Every class is first counted from cycle 1 up to each limit, then subtracted: no limit is searched twice.
    first_cycle = limits(schedule, bins)
    busy = _served_before(first_cycle, schedule, schedule.entries)
    bubble = _served_before(first_cycle, schedule, (schedule.entries == 0).astype(np.int64))
    if len(schedule.column):
        first_pop = schedule.pop_cycle[:, :1]
        free = schedule.pop_cycle[:, -1:] + np.maximum(1, schedule.entries[:, -1:])
    else:  # without any broadcast every cycle is drain
        first_pop = free = np.ones((schedule.n_pe, 1), np.int64)
    fill = np.minimum(first_cycle, first_pop) - 1
    drain = np.maximum(first_cycle - free, 0)
    # What is left: a PE between its first and its last activation that neither issues nor sees an empty column.
    starved = (first_cycle - 1) - (busy + bubble + fill + drain)
    fillers = None
    if layer is not None:
        check_together(schedule, layer)
        fillers = np.zeros((schedule.n_pe, len(first_cycle) - 1), np.int64)
        _count_fillers(*_services(schedule, layer, np.arange(schedule.n_pe)), first_cycle, fillers)
    classes = dict(zip(_CLASSES, (busy, bubble, starved, fill, drain), strict=True))
    in_bins = {name: np.diff(before, axis=1) for name, before in classes.items()}
    return Utilisation(first_cycle, **in_bins, filler_cycles=fillers)


def _served_before(cycles: Integers, schedule: Schedule, duration: Integers) -> Integers:
    """How many of the cycles ``pop_cycle .. pop_cycle + duration - 1`` of every PE lie before each of `cycles`.

    int64, shape (n_pe, len(cycles)). A service begins when the one before it has ended, so only the last that began
    can reach beyond.
    """
    n_pe, n_served = schedule.pop_cycle.shape
    # The cycles of each PE are moved to a range of their own, so that one sorted search serves all PEs.
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


@kernel
def _count_fillers(pop: Arg, entries: Arg, address: Arg, codes: Arg, first_cycle: Arg, found: Arg) -> None:
    """Count the fillers that each PE issues in each bin."""
    n_pe, n_served = pop.shape
    for pe in range(n_pe):
        at = 0
        for served in range(n_served):
            for nth in range(entries[pe, served]):
                while first_cycle[at + 1] <= pop[pe, served] + nth:
                    at += 1
                if codes[address[pe, served] + nth] == 0:
                    found[pe, at] += 1


@dataclass(frozen=True, eq=False)
class PETotals:
    """Cycles of each PE in each state; int64, shape (n_pe,) each.

    Over the states they sum to the run's cycles. ``entry + filler`` is the counter ``busy_cycles`` and ``filler`` the
    counter ``fillers``; the others are the counters of their names.
    """

    entry: Integers
    filler: Integers
    bubble: Integers
    starved: Integers
    fill: Integers
    drain: Integers


def pe_totals(schedule: Schedule, layer: PackedLayer) -> PETotals:
    """Cycles of each PE in each state.

    Raises
    ------
    ValueError
        If the schedule is of another layer.
    """
    whole = utilisation(schedule, 1, layer)
    assert whole.filler_cycles is not None
    fillers = whole.filler_cycles[:, 0]
    classes = (whole.bubble_cycles, whole.starved_cycles, whole.fill_cycles, whole.drain_cycles)
    return PETotals(whole.busy_cycles[:, 0] - fillers, fillers, *(found[:, 0] for found in classes))
