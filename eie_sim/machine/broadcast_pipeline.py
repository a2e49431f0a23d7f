"""The broadcast pipeline: registers between the leading-non-zero unit and the queues, and credits on the way back.

Ours, not the paper's: `ArchConfig.broadcast_latency`. A machine without latency does not have this unit.
"""

from collections import deque
from collections.abc import Sequence

from eie_sim.machine.act_queue import Activation
from eie_sim.machine.clock import Unit
from eie_sim.machine.pe import PE


class BroadcastPipeline(Unit):
    """Carries activations to the queues in `latency` cycles, and credits back in as many.

    Parameters
    ----------
    pes : sequence of PE
    latency : int
        At least 1.
    depth : int
        Queue depth as the paper labels it: ``depth - 1`` credits for each PE; with a depth of 1, one.

    Attributes
    ----------
    stages : deque of Activation or None
        The registers; the last one is pushed into every queue at the next edge.
    credits : list of int
        Of each PE, as the CCU sees them.
    """

    def __init__(self, pes: Sequence[PE], latency: int, depth: int) -> None:
        self.pes = pes
        self.stages: deque[Activation | None] = deque([None] * latency)
        self.credits = [max(depth - 1, 1)] * len(pes)
        # On their way back: which PEs gave a credit, oldest last. The counters are the last register.
        self._returns: deque[list[bool]] = deque([[False] * len(pes)] * (latency - 1))
        self._given = [0] * len(pes)
        self._sent: Activation | None = None
        self._giving: list[bool] = [False] * len(pes)

    @property
    def has_credit(self) -> bool:
        """Whether every PE has room for one more activation, as far as is known here."""
        return all(self.credits)

    @property
    def active(self) -> bool:
        """Whether an activation is on its way."""
        return any(stage is not None for stage in self.stages)

    def send(self, activation: Activation) -> None:
        """Command of the CCU: take `activation` into the first register at the edge, and a credit of every PE."""
        self._sent = activation

    def sample(self) -> None:
        """Push what has arrived, and see which PEs give a credit in this cycle."""
        arrived = self.stages[-1]
        if arrived is not None:
            for pe in self.pes:
                pe.act_queue.push(arrived)
        self._giving = [self._gives(k, pe) for k, pe in enumerate(self.pes)]

    def _gives(self, k: int, pe: PE) -> bool:
        popped = len(pe.ptr_read.pops)
        if not pe.lock_step:
            return popped > self._given[k]
        # Lock-step: when the activation is here, and the PE will be done with it as late as the next one can be here.
        return popped + len(pe.act_queue.waiting) > self._given[k] and not pe.full

    def commit(self) -> None:
        """Move both pipelines on by one register."""
        self.stages.pop()
        self.stages.appendleft(self._sent)
        self._given = [given + gives for given, gives in zip(self._given, self._giving, strict=True)]
        self._returns.appendleft(self._giving)
        back, taken = self._returns.pop(), self._sent is not None
        self.credits = [credit + one - taken for credit, one in zip(self.credits, back, strict=True)]
        self._sent = None
