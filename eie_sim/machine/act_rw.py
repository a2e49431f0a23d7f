"""The activation read/write unit: source and destination register files of one PE (EIE section IV).

The source registers hold the PE's share of the inputs, for the LNZD to scan; the destination registers accumulate its
rows of the output.
"""

from typing import NamedTuple

from eie_sim.machine.clock import Unit
from eie_sim.machine.datapath import Number


class Write(NamedTuple):
    """A sum on its way into a destination register."""

    row: int
    value: Number


class ActRW(Unit):
    """Register files of one PE. The destination registers are write-first: a read sees the write of its own cycle.

    Parameters
    ----------
    source : list of Number
        Inputs of this PE: ``a[k], a[k + N], ...``.
    n_rows : int
        Rows of the output in this PE.
    zero : Number
        What every destination register begins with.

    Attributes
    ----------
    source, destination : list of Number
    bias_writes : int
        Registers that were preloaded.
    write_port : Write or None
        The write of this cycle.
    """

    def __init__(self, source: list[Number], n_rows: int, zero: Number) -> None:
        self.source = source
        self.destination = [zero] * n_rows
        self.write_port: Write | None = None
        self.acc_reads = 0
        self.acc_writes = 0
        self.bias_writes = 0
        self._reads = 0
        self._next_write: Write | None = None

    @property
    def active(self) -> bool:
        """Whether a write is under way."""
        return self.write_port is not None

    def preload(self, values: list[Number]) -> None:
        """Start every destination register at a value of its own, before the first cycle.

        The registers are those that the layer before does not use, so that writing them takes no cycle of this one.
        """
        self.destination = list(values)
        self.bias_writes = len(values)

    def read(self, row: int) -> Number:
        """Command of the arithmetic unit: the accumulator of local row `row`, in the same cycle."""
        self._reads += 1
        port = self.write_port
        return port.value if port is not None and port.row == row else self.destination[row]

    def write(self, row: int, value: Number) -> None:
        """Command of the arithmetic unit: put `value` on the write port at the edge."""
        self._next_write = Write(row, value)

    def commit(self) -> None:
        """Finish the write of this cycle; the next one comes to the port."""
        if self.write_port is not None:
            self.destination[self.write_port.row] = self.write_port.value
        self.write_port = self._next_write
        if self._next_write is not None:
            self.acc_writes += 1
            self._next_write = None
        self.acc_reads += self._reads
        self._reads = 0
