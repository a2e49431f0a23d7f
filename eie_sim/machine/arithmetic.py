"""The arithmetic unit: ``b[x] += S[v] * a`` in three pipelined cycles, with a bypass (EIE section IV).

An entry issued by the pointer read in cycle c comes here at edge c+2:

=====  ==================================================================
cycle  what happens
=====  ==================================================================
c+2    the code is looked up in the codebook, the run added to the row
c+3    the destination is read, the weight multiplied
c+4    the product is shifted and added
c+5    the sum stands at the write port of the destination registers
=====  ==================================================================
"""

from typing import NamedTuple

from eie_sim.machine.act_rw import ActRW
from eie_sim.machine.clock import Unit
from eie_sim.machine.datapath import Datapath, Number
from eie_sim.machine.spmat_read import Entry, SpmatRead

FILLER = 0
"""The code that stands for no weight; its entry only moves the row on."""


class Operand(NamedTuple):
    """Ready to multiply. A filler has no `row`: it flows through, and reads and writes nothing."""

    row: int | None
    weight: Number
    value: Number


class Product(NamedTuple):
    """Ready to add. Without an `accumulator` the adder takes its own last output (bypass)."""

    row: int | None
    product: Number
    accumulator: Number | None


class Arithmetic(Unit):
    """Multiplies and accumulates the entries of one PE.

    Parameters
    ----------
    spmat_read : SpmatRead
    act_rw : ActRW
    datapath : Datapath

    Attributes
    ----------
    row : int
        Address accumulator: local row of the last entry looked up.
    operand : Operand or None
        What is being multiplied in this cycle.
    product : Product or None
        What is being added in this cycle.
    sum : Number
        The last output of the adder.
    """

    def __init__(self, spmat_read: SpmatRead, act_rw: ActRW, datapath: Datapath) -> None:
        self.spmat_read = spmat_read
        self.act_rw = act_rw
        self.datapath = datapath
        self.row = -1
        self.operand: Operand | None = None
        self.product: Product | None = None
        self.sum = datapath.zero
        self.fillers = 0
        self.bypasses = 0
        self.saturations = 0
        self._next_row = self.row
        self._next_operand: Operand | None = None
        self._next_product: Product | None = None
        self._next_sum = (self.sum, False)

    @property
    def active(self) -> bool:
        """Whether an entry is in the multiplier or the adder."""
        return self.operand is not None or self.product is not None

    def sample(self) -> None:
        """Move what each stage holds one stage on."""
        entry, operand, product = self.spmat_read.entry, self.operand, self.product
        self._next_operand = None if entry is None else self._look_up(entry)
        self._next_product = None if operand is None else self._multiply(operand)
        if product is not None and product.row is not None:
            self._add(product.row, product)

    def _look_up(self, entry: Entry) -> Operand:
        self._next_row = (-1 if entry.first_of_column else self.row) + entry.run + 1
        row = None if entry.code == FILLER else self._next_row
        return Operand(row, self.datapath.weights[entry.code], entry.value)

    def _multiply(self, operand: Operand) -> Product:
        """Multiply, and read the destination unless the entry just ahead, now in the adder, has the same one.

        The shift of fixed point belongs to the next cycle; `fixed_point.multiply` defines both together.
        """
        row = operand.row
        if row is None:
            return Product(None, self.datapath.zero, None)
        product = self.datapath.multiply(operand.weight, operand.value)
        bypass = self.product is not None and self.product.row == row
        return Product(row, product, None if bypass else self.act_rw.read(row))

    def _add(self, row: int, product: Product) -> None:
        accumulator = self.sum if product.accumulator is None else product.accumulator
        self._next_sum = self.datapath.add(accumulator, product.product)
        self.act_rw.write(row, self._next_sum[0])

    def commit(self) -> None:
        """Latch the pipeline registers and count what they got."""
        self.row = self._next_row
        self.operand = self._next_operand
        self.product = self._next_product
        self.sum, saturated = self._next_sum
        self.saturations += saturated
        self._next_sum = self.sum, False
        if self.operand is not None and self.operand.row is None:
            self.fillers += 1
        if self.product is not None and self.product.row is not None and self.product.accumulator is None:
            self.bypasses += 1
