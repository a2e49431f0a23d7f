"""The signals of a value change dump, and their values in every cycle."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eie_sim.trace.cuts import ACT_RW, ARITHMETIC, SPMAT_READ, Cut, at_unit, entries
from eie_sim.views import BUBBLE, PUSH, SCAN_BUBBLE, STALL, Window, broadcast_states, pe_states, waiting

Integers = NDArray[np.int64]

NOTHING = -1
"""In values: ``x`` in the file."""

_AT_ONCE = 2**20  # values that are held at a time


@dataclass(frozen=True)
class Signal:
    """One variable of the file.

    Attributes
    ----------
    unit : str
        The file of `eie_sim.machine` it belongs to; "" for the PE itself.
    name : str
    largest : str
        What its largest value is, for the width: a key of `largest_values`; "flag" is one bit, "state" a text.
    means : str
    """

    unit: str
    name: str
    largest: str
    means: str


MACHINE_SIGNALS = (
    Signal("ccu", "state", "state", "push, stall, scan_bubble or idle"),
    Signal("ccu", "push", "flag", "value valid: an activation is sent, and in every queue from the next cycle on"),
    Signal("ccu", "column", "column", "its column; inputs rounded up to whole rows of lanes for the bias"),
    Signal("ccu", "stall", "flag", "an activation is ready and some queue is full"),
    Signal("lnzd", "found", "flag", "an active input was found in the lane register"),
    Signal("lnzd", "column", "column", "its column"),
    Signal("lnzd", "scan_bubble", "flag", "nothing left in the lane register: the next row is loaded"),
)

PE_SIGNALS = (
    Signal("", "state", "state", "entry, filler, bubble, starved, fill or drain"),
    Signal("act_queue", "waiting", "waiting", "activations in the queue, without the one in service"),
    Signal("act_queue", "full", "flag", "nothing more may be sent to this PE"),
    Signal("ptr_read", "column", "column", "the column in service"),
    Signal("ptr_read", "issue", "flag", "an entry is issued"),
    Signal("ptr_read", "address", "address", "its address in the sparse-matrix SRAM of the PE"),
    Signal("spmat_read", "row", "sram_row", "row of that SRAM that holds the entry issued a cycle before"),
    Signal("spmat_read", "row_read", "flag", "that row is read: it was not in the row buffer"),
    Signal("arithmetic", "multiply", "flag", "a weight is multiplied"),
    Signal("arithmetic", "filler", "flag", "a filler passes the multiplier"),
    Signal("arithmetic", "bypass", "flag", "the adder's output is taken in place of the destination register"),
    Signal("arithmetic", "row", "row", "destination register of the weight that is multiplied"),
    Signal("act_rw", "write", "flag", "a sum is written"),
    Signal("act_rw", "row", "row", "into this destination register"),
)


def largest_values(of: Cut) -> dict[str, int]:
    """Largest value of each kind of signal but states."""
    schedule = of.schedule
    address = max(0, int(of.layer.entries_per_pe.max()) - 1)
    return {
        "flag": 1,
        "column": schedule.n_rows_of_inputs * schedule.n_pe,
        "waiting": max(1, of.arch.act_queue_depth - 1),
        "address": address,
        "sram_row": address // of.arch.entries_per_spmat_row,
        "row": (of.layer.n_rows - 1) // of.layer.n_pe,
    }


def blocks(of: Cut, n_variables: int) -> Iterator[tuple[int, Integers]]:
    """The window in blocks of cycles: the first cycle of each, and the value of every variable in each of its cycles.

    int64, shape (variables, cycles): `MACHINE_SIGNALS`, then `PE_SIGNALS` of each PE.
    """
    (begin, end), pes = of.window, of.pes.tolist()
    length = max(1, _AT_ONCE // n_variables)  # memory stays bounded, be the run as long as it may
    for first in range(begin, end, length):
        window = first, min(first + length, end)
        states = pe_states(of.schedule, of.layer, window, pes).astype(np.int64)
        queued = waiting(of.schedule, window, pes).astype(np.int64)
        in_order = [states, queued, _full(of, window, queued), _column(of, window, states), *_of_entries(of, window)]
        of_pes = np.stack(in_order, axis=1).reshape(-1, states.shape[1])  # PE after PE
        yield first, np.concatenate([_of_machine(of, window), of_pes])


def _of_machine(of: Cut, window: Window) -> Integers:
    """Values of `MACHINE_SIGNALS`; shape (signals, cycles)."""
    states = broadcast_states(of.schedule, window).astype(np.int64)
    push, stall, scan_bubble = (states == state for state in (PUSH, STALL, SCAN_BUBBLE))
    # In a stall the activation is found and waits, so that lnzd shows its column all the while.
    found = push | stall
    column = np.full(len(states), NOTHING, np.int64)
    next_one = np.searchsorted(of.schedule.push_cycle - 1, np.arange(*window)[found])
    column[found] = of.schedule.column[next_one]
    return np.stack([states, push, np.where(push, column, NOTHING), stall, found, column, scan_bubble])


def _full(of: Cut, window: Window, queued: Integers) -> Integers:
    """Whether nothing more may be sent to a PE, wanted or not; shape (PEs, cycles)."""
    depth, latency = of.arch.act_queue_depth, of.schedule.broadcast_latency
    cycles = np.arange(*window)
    sent = np.searchsorted(of.schedule.push_cycle, cycles, side="right")
    if depth > 1:
        if not latency:
            return np.asarray(queued >= depth - 1, np.int64)
        back = [np.searchsorted(of.schedule.pop_cycle[k] + latency, cycles, side="right") for k in of.pes.tolist()]
        return np.asarray(sent - np.stack(back) >= depth - 1, np.int64)
    # Lock-step: more than one cycle of work is left after this one.
    latest = sent - 1
    if not len(of.schedule.push_cycle):
        return np.zeros_like(queued)
    work = of.free_cycle[of.pes][:, latest] - 2 + latency > cycles
    return np.asarray(work & (latest >= 0), np.int64)


def _column(of: Cut, window: Window, states: Integers) -> Integers:
    """Column that each PE serves; shape (PEs, cycles)."""
    column = np.full(states.shape, NOTHING, np.int64)
    cycles = np.arange(*window)
    for at, k in enumerate(of.pes.tolist()):
        served = states[at] <= BUBBLE  # an entry, a filler, or an empty column
        latest = np.searchsorted(of.schedule.pop_cycle[k], cycles[served], side="right") - 1
        column[at, served] = of.schedule.column[latest]
    return column


def _of_entries(of: Cut, window: Window) -> list[Integers]:
    """What each unit holds of the entries on their way, in the order of `PE_SIGNALS`; shape (PEs, cycles) each."""
    found = entries(of, window)
    shape = (len(of.pes), window[1] - window[0])

    def spread(delay: int, values: str, only: str | None = None, nothing: int = 0) -> Integers:
        here = at_unit(found, delay, window)
        chosen = slice(None) if only is None else getattr(here, only)
        out = np.full(shape, nothing, np.int64)
        out[here.pe[chosen], here.cycle[chosen] + delay - window[0]] = getattr(here, values)[chosen]
        return out

    # -1 in an address says that the unit holds no entry in that cycle; a filler has an address, but is not real.
    there = spread(0, "address", nothing=NOTHING)
    multiplied, passed = spread(ARITHMETIC, "real"), spread(ARITHMETIC, "address", nothing=NOTHING) >= 0
    return [
        (there >= 0).astype(np.int64),
        there,
        spread(SPMAT_READ, "sram_row", nothing=NOTHING),
        spread(SPMAT_READ, "reads_row"),
        multiplied,
        (passed & (multiplied == 0)).astype(np.int64),
        spread(ARITHMETIC, "bypass"),
        spread(ARITHMETIC, "row", "real", NOTHING),
        spread(ACT_RW, "real"),
        spread(ACT_RW, "row", "real", NOTHING),
    ]
