"""The timing of the cycle contract with another cost of a column, for machines that EIE is not.

With EIE's own cost, the larger of 1 and the number of entries, it gives the cycles of the engines: a test keeps it so.
"""

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, kernel
from eie_sim.result import Schedule

_PIPELINE_EDGES = 5
"""After its last entry a PE is seen complete this many edges after it is free (contract, PE rule 3)."""


@kernel
def _timing(columns: Arg, cost: Arg, walks: Arg, shape: Arg, free: Arg, ended: Arg, pop: Arg) -> int:
    n_pe, input_rows, has_bias, depth, latency = shape
    rows, total = input_rows + has_bias, len(columns)
    j, load, edge = 0, 1, 0
    for r in range(rows):
        row_end = (r + 1) * n_pe
        earliest = load + 1
        last_lane, pushed = False, False
        while j < total and columns[j] < row_end:
            edge = earliest
            if j >= depth - 1:  # a place is free once the last PE has popped it (scan rule 4)
                edge = max(edge, 1 + latency + pop[j - (depth - 1)])
            arrival = edge + latency
            latest = arrival + 1
            for k in range(n_pe):
                start = max(free[k], arrival + 1)
                latest = max(latest, start)
                free[k] = start + cost[k, j]
                if walks[k, j]:  # only what has entries is in the pipeline after the PE is free
                    ended[k] = free[k]
            pop[j] = latest
            last_lane, pushed = columns[j] == row_end - 1, True
            earliest = edge + 1
            j += 1
        if r < rows - 1:  # scan rule 3: behind the last lane the next row loads at the same edge
            load = edge if pushed and last_lane else (edge if pushed else load) + 1
    return int(load)


def cycles_with(schedule: Schedule, cost: NDArray[np.int64], depth: int) -> int:
    """Cycles of a run in which column j costs PE k ``cost[k, j]`` cycles.

    Parameters
    ----------
    schedule : Schedule
        Of a run of the machine as it is: which columns are broadcast, and the entries of each.
    cost : ndarray of int64, shape (n_pe, J)
        0: the PE passes the column over.
    depth : int
        Queue depth, at least 2; lock-step (1) is another rule.

    Raises
    ------
    ValueError
        When `cost` has another shape than the entries, or `depth` is less than 2.
    """
    if cost.shape != schedule.entries.shape:
        raise ValueError(f"cost: shape {cost.shape}, but the schedule has {schedule.entries.shape}")
    if depth < 2:
        raise ValueError(f"depth: {depth}, but it must be at least 2")
    free = np.ones(schedule.n_pe, np.int64)
    ended = np.zeros(schedule.n_pe, np.int64)
    pop = np.zeros(len(schedule.column), np.int64)
    latency = schedule.broadcast_latency
    shape = (schedule.n_pe, schedule.n_rows_of_inputs, int(schedule.has_bias), depth, latency)
    load = _timing(schedule.column, cost, schedule.entries > 0, shape, free, ended, pop)
    drained = np.where(ended > 0, ended + _PIPELINE_EDGES, 0)
    return int(max(load, free.max(), drained.max()))
