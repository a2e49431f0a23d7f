"""What the broadcast does in every cycle."""

import numpy as np

from eie_sim.result import Schedule
from eie_sim.views.parts import Integers, Window, cycles_of, limits, window_of
from eie_sim.views.pes import States

BROADCAST_STATES = ("push", "stall", "scan bubble", "idle")
"""What the broadcast does in a cycle, as in the counters ``broadcasts``, ``broadcast_stalls``, ``scan_bubbles`` and
``idle_cycles``."""

PUSH, STALL, SCAN_BUBBLE, IDLE = range(len(BROADCAST_STATES))


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
        If the window is not in the run.
    """
    begin, end = window_of(schedule, window)
    states = np.full(schedule.cycles + 2, IDLE, np.uint8)  # by cycle
    earliest, scan_bubbles = scan(schedule)
    # A push at edge w belongs to cycle w - 1, in which the lanes were searched (rule 6).
    states[cycles_of(earliest - 1, schedule.push_cycle - 1)] = STALL
    states[schedule.push_cycle - 1] = PUSH
    states[scan_bubbles] = SCAN_BUBBLE
    return states[begin:end]


def broadcast_cycles(schedule: Schedule, bins: int) -> Integers:
    """Cycles of the broadcast in each state in each of `bins` bins of time.

    Returns
    -------
    ndarray of int64, shape (len(BROADCAST_STATES), bins)
        Over the bins they sum to the counters.

    Raises
    ------
    ValueError
        If `bins` is not an integer of at least 1.
    """
    first_cycle = limits(schedule, bins)
    states = broadcast_states(schedule)
    return np.stack([np.add.reduceat((states == s).astype(np.int64), first_cycle[:-1] - 1) for s in range(4)])


def scan(schedule: Schedule) -> tuple[Integers, Integers]:
    """Earliest edge at which each broadcast could have been pushed, and the cycles that are scan bubbles."""
    n_rows = schedule.n_rows_of_inputs + schedule.has_bias
    row, lane = np.divmod(schedule.column, schedule.n_pe)
    # Edge at which the row after each row is loaded: a cycle after the last push of a row with broadcasts (rule 2), or
    # with that push where it took the last lane (rule 3); a row without broadcasts takes one cycle.
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
