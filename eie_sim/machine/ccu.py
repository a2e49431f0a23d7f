"""The central control unit: broadcasts active inputs to all PEs at once (EIE section IV)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from eie_sim.machine.broadcast_pipeline import BroadcastPipeline
from eie_sim.machine.clock import Clock, Unit
from eie_sim.machine.lnzd import LNZD
from eie_sim.machine.pe import PE


class Broadcast(NamedTuple):
    """One activation sent: its column, and the edge at which it left; without a pipeline every queue took it there."""

    column: int
    push_cycle: int


NoPush = Literal["stall", "bubble", "idle"]
"""Why nothing is pushed: a queue is full; the row has nothing left; no row is left either."""


class CCU(Unit):
    """Takes what the LNZD finds and pushes it into every queue, when no queue is full.

    Parameters
    ----------
    clock : Clock
    lnzd : LNZD
    pes : sequence of PE
    pipeline : BroadcastPipeline or None
        What is between it and the queues; None: nothing.

    Attributes
    ----------
    broadcasts : list of Broadcast
    broadcast_stalls, scan_bubbles, idle_cycles : int
        Cycles without a push, by the reasons of `NoPush`.
    """

    def __init__(self, clock: Clock, lnzd: LNZD, pes: Sequence[PE], pipeline: BroadcastPipeline | None = None) -> None:
        self.clock = clock
        self.pipeline = pipeline
        self.lnzd = lnzd
        self.pes = pes
        self.broadcasts: list[Broadcast] = []
        self.broadcast_stalls = 0
        self.scan_bubbles = 0
        self.idle_cycles = 0
        self._decision: Broadcast | NoPush = "idle"

    def sample(self) -> None:
        """Broadcast, stall, have the next row loaded, or do nothing."""
        found = self.lnzd.found
        if found is None and self.lnzd.has_next_row:
            self.lnzd.load_next_row()
            self._decision = "bubble"
        elif found is None:
            self._decision = "idle"
        elif any(pe.full for pe in self.pes) if self.pipeline is None else not self.pipeline.has_credit:
            self._decision = "stall"
        else:
            if self.pipeline is None:
                for pe in self.pes:
                    pe.act_queue.push(found)
            else:
                self.pipeline.send(found)
            self.lnzd.take()
            self._decision = Broadcast(found.column, self.clock.cycle + 1)

    def commit(self) -> None:
        """Count the cycle as what it was."""
        if isinstance(self._decision, Broadcast):
            self.broadcasts.append(self._decision)
        elif self._decision == "stall":
            self.broadcast_stalls += 1
        elif self._decision == "bubble":
            self.scan_bubbles += 1
        else:
            self.idle_cycles += 1
