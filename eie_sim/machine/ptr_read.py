"""The pointer read unit: takes an activation, finds its column, issues one entry a cycle (EIE section IV)."""

from typing import NamedTuple

from eie_sim.machine.act_queue import Activation, ActQueue
from eie_sim.machine.clock import Clock, Unit
from eie_sim.machine.datapath import Number


class Issue(NamedTuple):
    """An entry to be read: its local address in the sparse-matrix SRAM, and the activation it multiplies."""

    address: int
    value: Number
    first_of_column: bool


class Pop(NamedTuple):
    """One activation taken into service: the edge, and the entries of its column in this PE."""

    cycle: int
    entries: int


class PtrRead(Unit):
    """Walks the columns of one PE.

    Parameters
    ----------
    clock : Clock
    act_queue : ActQueue
    pointers : list of int
        Local addresses ``p[k, j]`` of this PE, one for each column index that can be broadcast, and one more.

    Attributes
    ----------
    even_bank, odd_bank : list of int
        The pointer SRAM. ``p[j]`` and ``p[j + 1]`` always lie in different banks, so both are read at once.
    issue : Issue or None
        The entry issued in this cycle.
    cycles_left : int
        Cycles of service left, this one included; 0 when the unit is free. In service without an `issue`: the column
        has no entry in this PE, which costs one cycle.
    pops : list of Pop
        Every activation served, in order.
    """

    def __init__(self, clock: Clock, act_queue: ActQueue, pointers: list[int]) -> None:
        self.clock = clock
        self.act_queue = act_queue
        self.even_bank = pointers[0::2]
        self.odd_bank = pointers[1::2]
        self.issue: Issue | None = None
        self.cycles_left = 0
        self.ptr_reads = 0
        self.pops: list[Pop] = []
        self._next: tuple[Issue | None, int] = (None, 0)
        self._pop: Pop | None = None

    @property
    def active(self) -> bool:
        """Whether a column is in service."""
        return self.cycles_left > 0

    def read_pointers(self, column: int) -> tuple[int, int]:
        """``p[column]`` and ``p[column + 1]``, one from each bank."""
        even, odd = self.even_bank[(column + 1) // 2], self.odd_bank[column // 2]
        return (even, odd) if column % 2 == 0 else (odd, even)

    def service_cycles(self, activation: Activation) -> int:
        """How long `activation` will be served: a cycle an entry, and one cycle when there is none."""
        begin, end = self.read_pointers(activation.column)
        return max(1, end - begin)

    def sample(self) -> None:
        """Go on in the column; at its end take the next activation."""
        if self.cycles_left > 1:
            assert self.issue is not None
            self._next = Issue(self.issue.address + 1, self.issue.value, False), self.cycles_left - 1
        elif self.act_queue.waiting:
            # Popped at the coming edge, so that the last cycle of one column and the first of the next are neighbours.
            activation = self.act_queue.waiting[0]
            self.act_queue.pop()
            begin, end = self.read_pointers(activation.column)
            self._pop = Pop(self.clock.cycle + 1, end - begin)
            # An empty column costs one cycle, in which nothing is issued.
            self._next = (None, 1) if begin == end else (Issue(begin, activation.value, True), end - begin)
        else:
            self._next = None, 0

    def commit(self) -> None:
        """Issue the next entry; note what was popped."""
        self.issue, self.cycles_left = self._next
        if self._pop is not None:
            self.ptr_reads += 1
            self.pops.append(self._pop)
            self._pop = None
