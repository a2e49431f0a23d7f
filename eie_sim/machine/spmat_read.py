"""The sparse-matrix read unit: rows of (code, run) entries from a wide SRAM (EIE section IV, Fig. 9)."""

from typing import NamedTuple

from eie_sim.machine.clock import Unit
from eie_sim.machine.datapath import Number
from eie_sim.machine.ptr_read import Issue, PtrRead


class Entry(NamedTuple):
    """One entry as it stands in the SRAM, with the activation it multiplies."""

    code: int
    run: int
    value: Number
    first_of_column: bool


class SpmatRead(Unit):
    """Reads the entry that the pointer read has issued in the cycle before.

    Entries lie side by side in rows. A row is read from the SRAM only when it is not in the row buffer already; the
    buffer is kept from column to column.

    Parameters
    ----------
    ptr_read : PtrRead
    codes, runs : bytes
        The contents of the SRAM, one byte for a code and one for a run.
    entries_per_row : int
        Entries side by side in one row of the SRAM.

    Attributes
    ----------
    request : Issue or None
        The entry whose row is being read in this cycle.
    entry : Entry or None
        The entry read in the cycle before.
    buffered_row : int or None
        Address of the row in the row buffer; None at the start of a layer.
    row_buffer : tuple of bytes
        Its codes and its runs.
    """

    def __init__(self, ptr_read: PtrRead, codes: bytes, runs: bytes, entries_per_row: int) -> None:
        self.ptr_read = ptr_read
        self.codes = codes
        self.runs = runs
        self.entries_per_row = entries_per_row
        self.request: Issue | None = None
        self.entry: Entry | None = None
        self.buffered_row: int | None = None
        self.row_buffer = (b"", b"")
        self.spmat_row_reads = 0
        self.entries = 0
        self._next_request: Issue | None = None
        self._next_entry: Entry | None = None
        self._next_row: tuple[int, tuple[bytes, bytes]] | None = None

    @property
    def active(self) -> bool:
        """Whether an entry is being read, or has just been."""
        return self.request is not None or self.entry is not None

    def read_row(self, row: int) -> tuple[bytes, bytes]:
        """Codes and runs of one row of the SRAM."""
        begin, end = row * self.entries_per_row, (row + 1) * self.entries_per_row
        return self.codes[begin:end], self.runs[begin:end]

    def sample(self) -> None:
        """Pick the entry of `request` from its row; listen to the pointer read."""
        self._next_request = self.ptr_read.issue
        if self.request is None:
            self._next_entry = None
            return
        row, place = divmod(self.request.address, self.entries_per_row)
        codes, runs = self.row_buffer
        if row != self.buffered_row:  # only then does the SRAM cost a read
            codes, runs = self.read_row(row)
            self._next_row = row, (codes, runs)
        self._next_entry = Entry(codes[place], runs[place], self.request.value, self.request.first_of_column)

    def commit(self) -> None:
        """Hand the entry on; keep its row."""
        self.request = self._next_request
        self.entry = self._next_entry
        if self.entry is not None:
            self.entries += 1
        if self._next_row is not None:
            self.buffered_row, self.row_buffer = self._next_row
            self.spmat_row_reads += 1
            self._next_row = None
