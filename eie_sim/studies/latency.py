"""A broadcast that takes several cycles to reach the queues: what it costs, and how deep a queue hides it."""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines.base import simulate

LATENCIES = (0, 1, 2, 4, 8)
"""Cycles of `broadcast_latencies`."""

DEPTHS = (2, 4, 8, 16, 32)
"""Queue depths of `broadcast_latencies`; lock-step (1) is another machine."""


@dataclass(frozen=True)
class LatencyPoint:
    """One layer on a machine with one broadcast latency and one queue depth.

    Attributes
    ----------
    broadcast_latency : int
        Cycles.
    act_queue_depth : int
    cycles : int
    broadcast_stalls : int
        Cycles in which a credit was missing.
    """

    broadcast_latency: int
    act_queue_depth: int
    cycles: int
    broadcast_stalls: int


def broadcast_latencies(
    layer: PackedLayer,
    acts: ArrayLike,
    arch: ArchConfig,
    latencies: Sequence[int] = LATENCIES,
    depths: Sequence[int] = DEPTHS,
) -> list[LatencyPoint]:
    """The same layer and inputs with every broadcast latency and every queue depth.

    A queue of depth D hides a latency of B cycles from layers whose PEs take an activation in each cycle where
    D - 1 >= 2 B + 2, the round trip of a credit (``docs/cycle-contract.md``, "Broadcast latency").

    Raises
    ------
    ValueError
        As for `ArchConfig` and `eie_sim.simulate`.
    """
    found = []
    for depth in depths:
        for latency in latencies:
            machine = arch.replace(act_queue_depth=depth, broadcast_latency=latency)
            result = simulate(layer, acts, machine, output=False)
            found.append(LatencyPoint(latency, depth, result.cycles, result.counts.broadcast_stalls))
    return found
