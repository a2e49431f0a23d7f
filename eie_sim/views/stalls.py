"""Which PEs stall the broadcast, because their queues are full; with a broadcast latency, without a credit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.checks import whole_number
from eie_sim.result import Schedule
from eie_sim.views.broadcast import scan
from eie_sim.views.parts import Integers, Window, chosen_pes, cycles_of, window_of


def full_queues(
    schedule: Schedule, act_queue_depth: int, window: Window | None = None, pes: Sequence[int] | None = None
) -> NDArray[np.bool_]:
    """Whether the queue of each PE stalls the broadcast in each cycle.

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
        True only in stall cycles, and in each of them for at least one PE.

    Raises
    ------
    ValueError
        If the window or a PE is not in the run, or the machine had another depth.
    """
    begin, end = window_of(schedule, window)
    chosen = chosen_pes(schedule, pes)
    stalls, last = (np.clip(cycle, begin, end) for cycle in _stalls(schedule, act_queue_depth, chosen))
    full = np.zeros((len(chosen), end - begin), np.bool_)
    pe = np.repeat(np.arange(len(chosen)), np.maximum(last - stalls, 0).sum(axis=1))
    full[pe, cycles_of(np.broadcast_to(stalls, last.shape).ravel(), last.ravel()) - begin] = True
    return full


@dataclass(frozen=True, eq=False)
class BroadcastStalls:
    """How long each PE stalled the broadcast.

    Attributes
    ----------
    cycles : int
        Stall cycles of the run, the counter ``broadcast_stalls``.
    full : ndarray of int64, shape (n_pe,)
        Stall cycles in which the queue of each PE was full; several can be full at once.
    alone : ndarray of int64, shape (n_pe,)
        Those in which no other queue was full.
    """

    cycles: int
    full: Integers
    alone: Integers


def broadcast_stalls(schedule: Schedule, act_queue_depth: int) -> BroadcastStalls:
    """Which PEs stalled the broadcast, and for how long.

    Parameters
    ----------
    schedule : Schedule
    act_queue_depth : int
        That of the machine that was run.

    Raises
    ------
    ValueError
        If the machine had another depth.
    """
    begin, last = _stalls(schedule, act_queue_depth, np.arange(schedule.n_pe))
    longest = last.max(axis=0, initial=0)
    # Every queue that stalls a broadcast is full from its first stall cycle on; so the one that frees last is alone
    # from the cycle in which the last but one frees.
    second = np.sort(last, axis=0)[-2] if schedule.n_pe > 1 else begin
    alone = np.where(last == longest, np.maximum(longest - np.maximum(second, begin), 0), 0)
    full = np.maximum(last - begin, 0)
    return BroadcastStalls(int((longest - begin).clip(0).sum()), full.sum(axis=1), alone.sum(axis=1))


def _stalls(schedule: Schedule, act_queue_depth: int, pes: Integers) -> tuple[Integers, Integers]:
    """First stall cycle of each broadcast (J,), and the first cycle in which each PE stalls it no more (PEs, J).

    Where a PE does not stall a broadcast, the second is not after the first.
    """
    depth = whole_number("act_queue_depth", act_queue_depth, 1)
    earliest, _ = scan(schedule)
    begin, push = earliest - 1, schedule.push_cycle
    until = np.ones((schedule.n_pe, len(push)), np.int64)
    if depth == 1:
        # Lock-step: what is left of the service after the cycle, with the latched activation, is at most 1 cycle.
        until[:, 1:] = (schedule.pop_cycle + np.maximum(1, schedule.entries))[:, :-1] - 2 + schedule.broadcast_latency
    else:
        # depth - 1 activations may wait: broadcast j finds a place when broadcast j - depth + 1 has been popped, and
        # that is known.
        popped = schedule.pop_cycle[:, : max(0, len(push) - depth + 1)]
        until[:, depth - 1 :] = popped + schedule.broadcast_latency
    # Stalls explain every push to the cycle, or the machine was another one.
    last = until.max(axis=0)
    if not np.array_equal(np.maximum(last, begin) + 1, push):
        raise ValueError(f"act_queue_depth: {depth}, but the schedule is of a machine with another depth")
    return begin, until[pes]
