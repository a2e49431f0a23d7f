"""Derived views: what every unit did over time, as functions of a `Schedule` and its `PackedLayer`.

Nothing here knows an engine, and nothing is sampled: every cycle of the run is counted once, so that a view sums
exactly to the counters of the same run. Where a view has one number for every cycle, a *window* of cycles and some of
the PEs can be asked for, so that a long run fits into memory.

The rules are those of ``docs/cycle-contract.md``: "Scan and broadcast", "A PE" and "Counters".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.checks import whole_number
from compressor.jit import Arg, kernel
from compressor.types.packed import PackedLayer
from eie_sim.result import Schedule

Integers = NDArray[np.int64]
States = NDArray[np.uint8]
Window = tuple[int, int]
"""First cycle, and the first one after the last; cycles are counted from 1."""

PE_STATES = ("entry", "filler", "bubble", "starved", "fill", "drain")
"""What a PE does in a cycle: a weight issued, a filler issued, an empty column, nothing to do, before its first
activation, after its last. Entry and filler are together the counter ``busy_cycles``."""

ENTRY, FILLER, BUBBLE, STARVED, FILL, DRAIN = range(len(PE_STATES))

BROADCAST_STATES = ("push", "stall", "scan bubble", "idle")
"""What the broadcast does in a cycle, as in the counters ``broadcasts``, ``broadcast_stalls``, ``scan_bubbles`` and
``idle_cycles``."""

PUSH, STALL, SCAN_BUBBLE, IDLE = range(len(BROADCAST_STATES))


# Every cycle ----------------------------------------------------------------------------------------------------------


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
        When the schedule is of another layer, or the window or a PE is not in the run.
    """
    begin, end = window_of(schedule, window)
    chosen = chosen_pes(schedule, pes)
    check_together(schedule, layer)
    states = np.empty((len(chosen), end - begin), np.uint8)
    _write_states(*_services(schedule, layer, chosen), begin, end, states)
    return states


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
        When the window or a PE is not in the run.
    """
    begin, end = window_of(schedule, window)
    chosen = chosen_pes(schedule, pes)
    pop = schedule.pop_cycle[chosen]
    own_row = np.arange(len(chosen))[:, None] * (end - begin + 1)
    if not len(chosen):
        return np.zeros((0, end - begin), np.int32)
    inside = np.minimum(np.maximum(pop - begin, 0), end - begin)
    taken = np.bincount((inside + own_row).ravel(), minlength=len(chosen) * (end - begin + 1))
    pushed = np.bincount(np.minimum(np.maximum(schedule.push_cycle - begin, 0), end - begin), minlength=end - begin + 1)
    change = pushed - taken.reshape(len(chosen), -1)
    return np.asarray(np.cumsum(change[:, :-1], axis=1, dtype=np.int32))


def broadcast_states(schedule: Schedule, window: Window | None = None) -> States:
    """State of the broadcast in each cycle.

    Parameters
    ----------
    schedule : Schedule
    window : (int, int) or None
        As in `pe_states`.

    Returns
    -------
    ndarray of uint8, shape (cycles,)
        Positions in `BROADCAST_STATES`.

    Raises
    ------
    ValueError
        When the window is not in the run.
    """
    begin, end = window_of(schedule, window)
    states = np.full(schedule.cycles + 2, IDLE, np.uint8)  # by cycle
    earliest, scan_bubbles = _scan(schedule)
    states[_cycles_of(earliest - 1, schedule.push_cycle - 1)] = STALL
    states[schedule.push_cycle - 1] = PUSH
    states[scan_bubbles] = SCAN_BUBBLE
    return states[begin:end]


def full_queues(
    schedule: Schedule, act_queue_depth: int, window: Window | None = None, pes: Sequence[int] | None = None
) -> NDArray[np.bool_]:
    """Whether the queue of each PE holds the broadcast up in each cycle.

    Parameters
    ----------
    schedule : Schedule
    act_queue_depth : int
        That of the machine that was run.
    window, pes
        As in `pe_states`.

    Returns
    -------
    ndarray of bool, shape (PEs, cycles)
        True in stall cycles alone, and in each of them for one PE at least.

    Raises
    ------
    ValueError
        When the window or a PE is not in the run, or the machine had another depth.
    """
    begin, end = window_of(schedule, window)
    chosen = chosen_pes(schedule, pes)
    stalls, last = (np.clip(cycle, begin, end) for cycle in _stalls(schedule, act_queue_depth, chosen))
    found = np.zeros((len(chosen), end - begin), np.bool_)
    pe = np.repeat(np.arange(len(chosen)), np.maximum(last - stalls, 0).sum(axis=1))
    found[pe, _cycles_of(np.broadcast_to(stalls, last.shape).ravel(), last.ravel()) - begin] = True
    return found


# Totals ---------------------------------------------------------------------------------------------------------------


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
        When the schedule is of another layer.
    """
    whole = utilisation(schedule, 1, layer)
    assert whole.filler_cycles is not None
    fillers = whole.filler_cycles[:, 0]
    classes = (whole.bubble_cycles, whole.starved_cycles, whole.fill_cycles, whole.drain_cycles)
    return PETotals(whole.busy_cycles[:, 0] - fillers, fillers, *(found[:, 0] for found in classes))


@dataclass(frozen=True, eq=False)
class BroadcastStalls:
    """Who held the broadcast up.

    Attributes
    ----------
    cycles : int
        Stall cycles of the run, the counter ``broadcast_stalls``.
    full : ndarray of int64, shape (n_pe,)
        Stall cycles in which the queue of each PE was full; several can be at once.
    alone : ndarray of int64, shape (n_pe,)
        Those in which no other one was.
    """

    cycles: int
    full: Integers
    alone: Integers


def broadcast_stalls(schedule: Schedule, act_queue_depth: int) -> BroadcastStalls:
    """Which PEs held the broadcast up, and for how long.

    Parameters
    ----------
    schedule : Schedule
    act_queue_depth : int
        That of the machine that was run.

    Raises
    ------
    ValueError
        When the machine had another depth.
    """
    begin, last = _stalls(schedule, act_queue_depth, np.arange(schedule.n_pe))
    longest = last.max(axis=0, initial=0)
    # Of those of one broadcast, all full from its first stall cycle on, the last is alone after the last but one.
    second = np.sort(last, axis=0)[-2] if schedule.n_pe > 1 else begin
    alone = np.where(last == longest, np.maximum(longest - np.maximum(second, begin), 0), 0)
    full = np.maximum(last - begin, 0)
    return BroadcastStalls(int((longest - begin).clip(0).sum()), full.sum(axis=1), alone.sum(axis=1))


# Stretches of time ----------------------------------------------------------------------------------------------------


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
    """What every PE did in each of `bins` stretches of time of the same length.

    Parameters
    ----------
    schedule : Schedule
    bins : int
        At least 1. A run of fewer cycles gets one bin a cycle.
    layer : PackedLayer or None
        The layer that was run: then fillers are told from weights.

    Raises
    ------
    ValueError
        When `bins` is no whole number of at least 1, or the schedule is of another layer.
    """
    first_cycle = limits(schedule, bins)
    busy = _served_before(first_cycle, schedule, schedule.entries)
    bubble = _served_before(first_cycle, schedule, (schedule.entries == 0).astype(np.int64))
    first_pop, free = _service_span(schedule)
    fill = np.minimum(first_cycle, first_pop) - 1
    drain = np.maximum(first_cycle - free, 0)
    starved = (first_cycle - 1) - (busy + bubble + fill + drain)
    fillers = None if layer is None else _fillers_in(first_cycle, schedule, layer)
    classes = dict(zip(_CLASSES, (busy, bubble, starved, fill, drain), strict=True))
    in_bins = {name: np.diff(before, axis=1) for name, before in classes.items()}
    return Utilisation(first_cycle, **in_bins, filler_cycles=fillers)


def limits(schedule: Schedule, bins: int) -> Integers:
    """First cycle of each of `bins` stretches of time, and the first one after the run; int64, shape (bins + 1,).

    Raises
    ------
    ValueError
        When `bins` is no whole number of at least 1.
    """
    bins = min(whole_number("bins", bins, 1), schedule.cycles)
    return 1 + np.arange(bins + 1, dtype=np.int64) * schedule.cycles // bins


def _fillers_in(first_cycle: Integers, schedule: Schedule, layer: PackedLayer) -> Integers:
    check_together(schedule, layer)
    found = np.zeros((schedule.n_pe, len(first_cycle) - 1), np.int64)
    _count_fillers(*_services(schedule, layer, np.arange(schedule.n_pe)), first_cycle, found)
    return found


@dataclass(frozen=True, eq=False)
class QueueOccupancy:
    """How full the activation queues were in each of some stretches of time (bins).

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


_MOST_AT_ONCE = 2**24
"""States of PEs in cycles that are held at a time."""

PERCENTILES = (0, 10, 50, 90, 100)
"""Of `QueueOccupancy.percentiles`."""


def queue_occupancy(schedule: Schedule, bins: int) -> QueueOccupancy:
    """How full the queues were in each of `bins` stretches of time of the same length.

    Raises
    ------
    ValueError
        When `bins` is no whole number of at least 1.
    """
    first_cycle = limits(schedule, bins)
    total = np.empty((schedule.n_pe, len(first_cycle) - 1), np.int64)
    percentiles = np.empty((len(PERCENTILES), len(first_cycle) - 1))
    together = max(1, _MOST_AT_ONCE // (schedule.n_pe * int(np.diff(first_cycle).max())))
    for some in range(0, total.shape[1], together):
        edges = first_cycle[some : some + together + 1]
        found = waiting(schedule, (int(edges[0]), int(edges[-1])))
        at = slice(some, some + len(edges) - 1)
        total[:, at] = np.add.reduceat(found, edges[:-1] - edges[0], axis=1, dtype=np.int64)
        percentiles[:, at] = _percentiles(found, np.diff(edges))
    return QueueOccupancy(first_cycle, total, percentiles)


def _percentiles(values: NDArray[np.int32], widths: Integers) -> NDArray[np.float64]:
    """`PERCENTILES` of stretches of columns of `values`; float64, shape (len(PERCENTILES), stretches).

    As `numpy.percentile` has them, which sorts: small whole numbers are counted in less time.
    """
    n_values = int(values.max(initial=0)) + 1
    counts = np.zeros((len(widths), n_values), np.int64)
    _count_values(values, np.cumsum(widths), counts)
    # How many are smaller than, or equal to, each value; and the places of the percentiles among all, from 0.
    up_to = np.cumsum(counts, axis=1)
    place = np.multiply.outer(np.array(PERCENTILES) / 100, up_to[:, -1] - 1)
    below = np.floor(place).astype(np.int64)
    share = place - below
    low, high = (
        np.stack([(up_to <= at[:, None]).sum(axis=1) for at in some])
        for some in (below, np.minimum(below + 1, up_to[:, -1] - 1))
    )
    return np.asarray(np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share)), np.float64)


@kernel
def _count_values(values: Arg, ends: Arg, counts: Arg) -> None:
    """Count each value in each stretch of columns."""
    for row in range(values.shape[0]):
        column = 0
        for stretch in range(len(ends)):
            while column < ends[stretch]:
                counts[stretch, values[row, column]] += 1
                column += 1


def broadcast_cycles(schedule: Schedule, bins: int) -> Integers:
    """Cycles of the broadcast in each state in each of `bins` stretches of time.

    Returns
    -------
    ndarray of int64, shape (len(BROADCAST_STATES), bins)
        Over the bins they sum to the counters.

    Raises
    ------
    ValueError
        When `bins` is no whole number of at least 1.
    """
    first_cycle = limits(schedule, bins)
    states = broadcast_states(schedule)
    return np.stack([np.add.reduceat((states == s).astype(np.int64), first_cycle[:-1] - 1) for s in range(4)])


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


# Entries --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Walk:
    """Entries issued in a window, PE after PE, each PE's in order; int64, shape (entries,) each, codes uint8.

    Attributes
    ----------
    pe : ndarray
        Place of the PE among those asked for.
    served : ndarray
        For which broadcast.
    cycle : ndarray
        In which it was issued.
    address, address_before : ndarray
        Its local address in the sparse-matrix SRAM, and that of the entry which the PE issued before it, be it before
        the window; -1 where there was none.
    code : ndarray
        0 for a filler.
    row : ndarray
        Where its sum belongs, or where a filler has moved to: the row in the PE, counted from 0.
    """

    pe: Integers
    served: Integers
    cycle: Integers
    address: Integers
    address_before: Integers
    code: NDArray[np.uint8]
    row: Integers


def walk(
    schedule: Schedule, layer: PackedLayer, window: Window | None = None, pes: Sequence[int] | None = None
) -> Walk:
    """Every entry that the pointer read of each PE issues, with its address and its row of the output.

    Parameters
    ----------
    schedule, layer, window, pes
        As in `pe_states`.

    Raises
    ------
    ValueError
        As for `pe_states`.
    """
    begin, end = window_of(schedule, window)
    chosen = chosen_pes(schedule, pes)
    check_together(schedule, layer)
    pe, served, first, lengths = _services_in(schedule, layer, (begin, end), chosen)
    address = _cycles_of(first, first + lengths)
    stored = address + np.repeat(layer.entry_base[chosen[pe]], lengths)
    starts = np.cumsum(lengths) - lengths
    before = address - 1
    before[starts] = _last_address_before(schedule, layer, chosen)[pe, served]
    steps = np.concatenate([[0], np.cumsum(layer.runs[stored].astype(np.int64) + 1)])
    row = steps[1:] - np.repeat(steps[starts], lengths) - 1
    pop = schedule.pop_cycle[chosen[pe], served]
    cycle = _cycles_of(pop, pop + lengths)
    inside = (cycle >= begin) & (cycle < end)
    return Walk(
        np.repeat(pe, lengths)[inside],
        np.repeat(served, lengths)[inside],
        cycle[inside],
        address[inside],
        before[inside],
        layer.codes[stored][inside],
        row[inside],
    )


def _last_address_before(schedule: Schedule, layer: PackedLayer, pes: Integers) -> Integers:
    """Local address of the last entry issued before each service, -1 where there is none; shape (PEs, J)."""
    places = np.arange(len(schedule.column))
    latest = np.full((len(pes), len(places) + 1), -1, np.int64)
    latest[:, 1:] = np.maximum.accumulate(np.where(schedule.entries[pes] > 0, places, -1), axis=1)
    latest = latest[:, :-1]
    end = layer.pointers[_stored_columns(schedule, layer)[latest] + 1, pes[:, None]].astype(np.int64)
    return np.where(latest >= 0, end - 1, -1)


# What the schedule does not hold itself -------------------------------------------------------------------------------


def check_together(schedule: Schedule, layer: PackedLayer) -> None:
    """Refuse a schedule that is not one of this layer.

    Raises
    ------
    ValueError
        Naming what differs.
    """
    if schedule.n_pe != layer.n_pe:
        raise ValueError(f"schedule: of {schedule.n_pe} PEs, but {layer.name} is packed for {layer.n_pe}")
    columns = _stored_columns(schedule, layer)
    if columns.size and columns.max() >= len(layer.pointers) - 1:
        raise ValueError(f"schedule: broadcasts column {columns.max()}, which {layer.name} does not have")
    lengths = layer.pointers[columns + 1].astype(np.int64) - layer.pointers[columns]
    if not np.array_equal(lengths.T, schedule.entries):
        raise ValueError(f"schedule: walks other entries than {layer.name} has: it is the schedule of another layer")


def _stored_columns(schedule: Schedule, layer: PackedLayer) -> Integers:
    """Where the pointers of each broadcast stand in the layer; the bias stands there without a gap."""
    return np.asarray(np.where(schedule.column == schedule.bias_column, layer.n_cols, schedule.column), np.int64)


def _services(
    schedule: Schedule, layer: PackedLayer, pes: Integers
) -> tuple[Integers, Integers, Integers, NDArray[np.uint8]]:
    """Of each broadcast in each of `pes`: its first cycle of service, its entries, and where they begin in the codes.

    int64, shape (PEs, J) each; and the codes.
    """
    begin = np.asarray(layer.pointers[_stored_columns(schedule, layer)][:, pes].T, np.int64, order="C")
    begin += (np.cumsum(layer.pointers[-1], dtype=np.int64) - layer.pointers[-1])[pes, None]
    return schedule.pop_cycle[pes], schedule.entries[pes], begin, np.asarray(layer.codes)


@kernel
def _write_states(pop: Arg, entries: Arg, address: Arg, codes: Arg, begin: Arg, end: Arg, states: Arg) -> None:
    """Write the state of each PE in the cycles ``begin .. end - 1``."""
    n_pe, n_served = pop.shape
    for pe in range(n_pe):
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


def _services_in(
    schedule: Schedule, layer: PackedLayer, window: Window, pes: Integers
) -> tuple[Integers, Integers, Integers, Integers]:
    """Services with entries that reach into a window: place in `pes`, broadcast, first local address, entries."""
    begin, end = window
    pop, entries = schedule.pop_cycle[pes], schedule.entries[pes]
    pe, served = np.nonzero((entries > 0) & (pop < end) & (pop + entries > begin))
    first = layer.pointers[_stored_columns(schedule, layer)[served], pes[pe]].astype(np.int64)
    return pe, served, first, entries[pe, served]


def _cycles_of(first: Integers, end: Integers) -> Integers:
    """``first[0] .. end[0] - 1, first[1] .. end[1] - 1, ...``; where an end is not behind its first, nothing."""
    lengths = np.maximum(end - first, 0)
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    return np.asarray(np.arange(total) + np.repeat(first - (ends - lengths), lengths), np.int64)


def _scan(schedule: Schedule) -> tuple[Integers, Integers]:
    """Earliest edge at which each broadcast could have been pushed, and the cycles that are scan bubbles."""
    n_rows = schedule.n_rows_of_inputs + schedule.has_bias
    row, lane = np.divmod(schedule.column, schedule.n_pe)
    # Edge at which the row after each row with a broadcast is loaded, and the same for those without one: a cycle each.
    last_of_row = np.full(n_rows, -1, np.int64)
    last_of_row[row] = np.arange(len(row))
    active = last_of_row >= 0
    last = last_of_row[active]
    next_load = np.zeros(n_rows, np.int64)
    next_load[active] = schedule.push_cycle[last] + (lane[last] != schedule.n_pe - 1)
    rows = np.arange(n_rows)
    before = np.maximum.accumulate(np.where(active, rows, -1))
    loaded_after = np.where(before >= 0, next_load[before] + rows - before, 2 + rows)
    load = np.concatenate([[1], loaded_after[:-1]])
    first_of_row = np.ones(len(row), np.bool_)
    first_of_row[1:] = row[1:] != row[:-1]
    earliest = np.empty(len(row), np.int64)
    earliest[1:] = schedule.push_cycle[:-1] + 1
    earliest[first_of_row] = load[row[first_of_row]] + 1
    # The bubble of a row is the cycle before the next row is loaded, unless its last lane loaded it.
    by_last_lane = np.zeros(n_rows, np.bool_)
    by_last_lane[row[lane == schedule.n_pe - 1]] = True
    return earliest, (loaded_after - 1)[:-1][~by_last_lane[:-1]]


def _stalls(schedule: Schedule, act_queue_depth: int, pes: Integers) -> tuple[Integers, Integers]:
    """First stall cycle of each broadcast (J,), and the first cycle in which each PE holds it up no more (PEs, J).

    Where a PE does not hold a broadcast up, the second is not behind the first.
    """
    depth = whole_number("act_queue_depth", act_queue_depth, 1)
    earliest, _ = _scan(schedule)
    begin, push = earliest - 1, schedule.push_cycle
    until = np.ones((schedule.n_pe, len(push)), np.int64)
    if depth == 1:
        # Lock-step: what is left after the cycle, and the latched activation, must be 1 cycle at most.
        until[:, 1:] = (schedule.pop_cycle + np.maximum(1, schedule.entries))[:, :-1] - 2
    else:
        until[:, depth - 1 :] = schedule.pop_cycle[:, : max(0, len(push) - depth + 1)]
    last = until.max(axis=0)
    if not np.array_equal(np.maximum(last, begin) + 1, push):
        raise ValueError(f"act_queue_depth: {depth}, but the schedule is of a machine with another depth")
    return begin, until[pes]


def window_of(schedule: Schedule, window: Window | None) -> Window:
    """`window`, checked; None: the run.

    Raises
    ------
    ValueError
        When it is not in the run.
    """
    if window is None:
        return 1, schedule.cycles + 1
    begin, end = (whole_number("window", one, 1) for one in window)
    if end <= begin:
        raise ValueError(f"window: ends with cycle {end - 1}, before its first cycle {begin}")
    if end > schedule.cycles + 1:
        raise ValueError(f"window: cycles {begin} to {end - 1}, but the run has cycles 1 to {schedule.cycles}")
    return begin, end


def chosen_pes(schedule: Schedule, pes: Sequence[int] | None) -> Integers:
    """`pes` as an array, checked; None: all.

    Raises
    ------
    ValueError
        When one is not in the machine.
    """
    if pes is None:
        return np.arange(schedule.n_pe)
    return np.array([whole_number("pes", pe, 0, schedule.n_pe - 1) for pe in pes], np.int64)
