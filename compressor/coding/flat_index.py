"""The relative index of Deep Compression (section 3): one run of zeros before each weight of a whole tensor.

The tensor is taken as one row of cells in C order. An entry is a pair (code, run): `run` cells of code 0 stand before
it. A run longer than ``2**index_bits - 1`` is broken by fillers, pairs of code 0 and the longest run; no filler stands
behind the last weight. `compressor.relative_index` is the same for the columns and PEs of EIE.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.coding.symbols import Bytes
from compressor.jit import Arg, kernel
from compressor.types.packed_format import MAX_INDEX_BITS, MIN_INDEX_BITS

Counts = NDArray[np.int64]

_SYMBOLS = 256  # of 8 bits, the widest code and index


class FlatEntries(NamedTuple):
    """Codes and runs of the entries, uint8 (n_entries,) each."""

    codes: Bytes
    runs: Bytes


class FlatStatistics(NamedTuple):
    """What the sizes of all encodings of a tensor follow from.

    Attributes
    ----------
    code_counts : ndarray of int64, shape (256,)
        Cells of each code.
    low_gap_counts : ndarray of int64, shape (256,)
        Weights by the last 8 bits of the number of zeros before them.
    fillers : ndarray of int64, shape (9,)
        Fillers that an index of 2 .. 8 bits needs; 0 for a width that no index has.
    """

    code_counts: Counts
    low_gap_counts: Counts
    fillers: Counts

    def entries(self, index_bits: int) -> int:
        """Weights and fillers."""
        return int(self.code_counts[1:].sum() + self.fillers[index_bits])

    def entry_code_counts(self, index_bits: int) -> Counts:
        """Entries of each code, those of code 0 being the fillers; int64 (256,)."""
        counts = self.code_counts.copy()
        counts[0] = self.fillers[index_bits]
        return counts

    def run_counts(self, index_bits: int) -> Counts:
        """Entries of each run; int64 (2**index_bits,)."""
        counts: Counts = self.low_gap_counts.reshape(-1, 1 << index_bits).sum(axis=0)
        counts[-1] += self.fillers[index_bits]
        return counts


@kernel
def _count(cells: Arg, code_counts: Arg, low_gap_counts: Arg, fillers: Arg) -> None:
    gap = 0
    for cell in cells:
        code_counts[cell] += 1
        if cell == 0:
            gap += 1
            continue
        low_gap_counts[gap & 255] += 1
        for bits in range(MIN_INDEX_BITS, MAX_INDEX_BITS + 1):
            fillers[bits] += gap >> bits  # each steps over 2**bits cells: the longest run, and its own
        gap = 0


@kernel
def _fill(cells: Arg, longest_run: Arg, codes: Arg, runs: Arg) -> None:
    at = 0
    gap = 0
    for cell in cells:
        if cell == 0:
            gap += 1
            continue
        while gap > longest_run:
            codes[at] = 0
            runs[at] = longest_run
            gap -= longest_run + 1  # a filler takes a cell of its own
            at += 1
        codes[at] = cell
        runs[at] = gap
        at += 1
        gap = 0


@kernel
def _scatter(codes: Arg, runs: Arg, longest_run: Arg, cells: Arg) -> int:
    """Write the weights into `cells`; the number of the first entry that cannot be, or -1."""
    at = -1
    for e in range(len(codes)):
        at += int(runs[e]) + 1  # in 64 bits, for a forged stream of runs may lead beyond 2**32
        # One encoding for each tensor: a filler has the longest run, and a weight after it.
        if at >= len(cells) or (codes[e] == 0 and (runs[e] != longest_run or e == len(codes) - 1)):
            return e
        if codes[e] != 0:
            cells[at] = codes[e]
    return -1


def flat_statistics(cells: Bytes) -> FlatStatistics:
    """Count codes, gaps and fillers of `cells`, uint8 (n_cells,), in one pass."""
    found = FlatStatistics(
        np.zeros(_SYMBOLS, np.int64), np.zeros(_SYMBOLS, np.int64), np.zeros(MAX_INDEX_BITS + 1, np.int64)
    )
    _count(cells, *found)
    return found


def encode_flat(cells: Bytes, index_bits: int, n_entries: int | None = None) -> FlatEntries:
    """The entries of `cells`, uint8 (n_cells,) of codes in C order, with runs of `index_bits` bits.

    `n_entries` spares a pass over the cells where it is known from `flat_statistics`.
    """
    if n_entries is None:
        n_entries = flat_statistics(cells).entries(index_bits)
    codes, runs = np.empty(n_entries, np.uint8), np.empty(n_entries, np.uint8)
    _fill(cells, (1 << index_bits) - 1, codes, runs)
    return FlatEntries(codes, runs)


def decode_flat(entries: FlatEntries, index_bits: int, n_cells: int) -> Bytes:
    """The cells whose entries these are; uint8 (n_cells,). The inverse of `encode_flat`.

    Raises
    ------
    ValueError
        When `encode_flat` gives such entries for no `n_cells` cells.
    """
    codes, runs = entries
    longest = (1 << index_bits) - 1
    if runs.max(initial=0) > longest:
        raise ValueError(f"runs: {runs.max()}, but {index_bits} index bits hold at most {longest}")
    cells = np.zeros(n_cells, np.uint8)
    bad = int(_scatter(codes, runs, longest, cells))
    if bad < 0:
        return cells
    if codes[bad] == 0 and runs[bad] != longest:
        raise ValueError(f"entry {bad}: code 0 with run {runs[bad]}, but a filler's run is {longest}")
    at = int(runs[: bad + 1].sum(dtype=np.int64)) + bad
    if at >= n_cells:
        raise ValueError(f"entry {bad}: stands in cell {at}, but the tensor ends at cell {n_cells - 1}")
    raise ValueError(f"entry {bad}: a filler, but no weight follows it")
