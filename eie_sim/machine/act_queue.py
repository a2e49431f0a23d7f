"""The activation queue: broadcast activations wait here until their PE is free (EIE section IV, Fig. 4a)."""

from collections import deque
from typing import NamedTuple

from eie_sim.machine.clock import Unit
from eie_sim.machine.datapath import Number


class Activation(NamedTuple):
    """What the CCU broadcasts: an active input, and the column of weights it multiplies."""

    column: int
    value: Number


class ActQueue(Unit):
    """A queue of activations.

    Parameters
    ----------
    depth : int
        As the paper labels it: activations outstanding in the PE. One of them is in service, so ``depth - 1`` wait
        here; a queue of depth 1 is a latch for one (see `PE.full`).

    Attributes
    ----------
    waiting : deque of Activation
    """

    def __init__(self, depth: int) -> None:
        self.slots = max(depth - 1, 1)
        self.waiting: deque[Activation] = deque()
        self._pushed: Activation | None = None
        self._popped = False

    @property
    def full(self) -> bool:
        """Whether every slot is taken. A pop that is decided in this cycle makes no room in it."""
        return len(self.waiting) >= self.slots

    @property
    def active(self) -> bool:
        """Whether an activation waits."""
        return bool(self.waiting)

    def push(self, activation: Activation) -> None:
        """Command of the CCU: take `activation` in at the edge."""
        self._pushed = activation

    def pop(self) -> None:
        """Command of the pointer read: drop the head at the edge."""
        self._popped = True

    def commit(self) -> None:
        """Drop the head if it was popped, then take in what was pushed."""
        if self._popped:
            self.waiting.popleft()
            self._popped = False
        if self._pushed is not None:
            self.waiting.append(self._pushed)
            self._pushed = None
