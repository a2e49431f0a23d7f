"""The interleaved CSC of EIE (section III-B): codes, zero runs of a few bits, filler zeros, pointers.

Inside a column and PE an entry is a pair (code ``v``, run ``z``): ``z`` zeros of that PE's rows stand before it. A run
longer than ``2**index_bits - 1`` is broken by fillers, pairs of code 0 and the longest run, each of which moves the row
address on by ``2**index_bits``. Fillers stand only before a real entry, so every column has exactly one encoding.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, available_cores, in_threads, kernel
from compressor.types.sparse import SparseColumns


class Encoding(NamedTuple):
    """Entries PE after PE, and the pointers to them; the arrays of a `PackedLayer` of the same names."""

    codes: NDArray[np.uint8]
    runs: NDArray[np.uint8]
    pointers: NDArray[np.uint32]


@kernel
def _count_entries(
    start: Arg, stop: Arg, indptr: Arg, rows: Arg, pe_of_row: Arg, local_row: Arg, index_bits: Arg, counts: Arg
) -> None:
    """Entries of the columns `start` .. `stop` in every PE, fillers included."""
    next_row = np.empty(counts.shape[1], np.int64)
    for j in range(start, stop):
        next_row[:] = 0
        for e in range(indptr[j], indptr[j + 1]):
            k = pe_of_row[rows[e]]
            row = int(local_row[rows[e]])
            # One filler for each 2**index_bits zeros before the entry, and the entry itself.
            counts[j, k] += ((row - next_row[k]) >> index_bits) + 1
            next_row[k] = row + 1


@kernel
def _fill_entries(
    start: Arg,
    stop: Arg,
    indptr: Arg,
    rows: Arg,
    values: Arg,
    pe_of_row: Arg,
    local_row: Arg,
    index_bits: Arg,
    position: Arg,
    codes: Arg,
    runs: Arg,
) -> None:
    """Write the entries of the columns `start` .. `stop`; `position` is where the next one of each PE goes."""
    longest_run = (1 << index_bits) - 1
    next_row = np.empty(len(position), np.int64)
    for j in range(start, stop):
        next_row[:] = 0  # no run goes on in the next column
        for e in range(indptr[j], indptr[j + 1]):
            k = pe_of_row[rows[e]]
            row = int(local_row[rows[e]])
            zeros = row - next_row[k]
            at = position[k]
            while zeros > longest_run:
                codes[at] = 0
                runs[at] = longest_run
                zeros -= longest_run + 1  # a filler is a stored zero: it takes the place of one itself
                at += 1
            codes[at] = values[e]
            runs[at] = zeros
            position[k] = at + 1
            next_row[k] = row + 1


def encode(matrix: SparseColumns, n_pe: int, index_bits: int) -> Encoding:
    """Encode sparse columns of codes for `n_pe` PEs.

    Parameters
    ----------
    matrix : SparseColumns of uint8 codes
        Rows in stored order, rising inside a column, no code 0.
    n_pe, index_bits : int

    Returns
    -------
    Encoding
        `codes` and `runs` uint8 (n_entries,); `pointers` uint32 (columns + 1, n_pe), addresses local to a PE.

    Raises
    ------
    ValueError
        When a PE would hold 2**32 entries or more.
    """
    n_rows, n_cols = matrix.shape
    row = np.arange(n_rows, dtype=np.uint32)
    where = (row % np.uint32(n_pe), row // np.uint32(n_pe))
    # Four pieces for each core, so that one of dense columns does not keep the others waiting for long.
    step = max(1, -(-n_cols // (4 * available_cores())))
    chunks = [(at, min(at + step, n_cols)) for at in range(0, n_cols, step)]
    # Counted first, filled afterwards: the arrays are made at their final size, and the pieces write apart.
    pointers = np.zeros((n_cols + 1, n_pe), np.uint32)
    in_threads(lambda c: _count_entries(*c, matrix.indptr, matrix.rows, *where, index_bits, pointers[1:]), chunks)
    per_pe = pointers.sum(axis=0, dtype=np.int64)
    if per_pe.max() >= 2**32:
        raise ValueError(f"entries of one PE: {per_pe.max()}, but a pointer counts to {2**32 - 1}")
    np.cumsum(pointers, axis=0, dtype=np.uint32, out=pointers)
    codes = np.empty(per_pe.sum(), np.uint8)
    runs = np.empty(per_pe.sum(), np.uint8)
    base = np.cumsum(per_pe) - per_pe

    def fill(chunk: tuple[int, int]) -> None:
        position = base + pointers[chunk[0]]
        _fill_entries(*chunk, matrix.indptr, matrix.rows, matrix.values, *where, index_bits, position, codes, runs)

    in_threads(fill, chunks)
    for array in (codes, runs, pointers):
        array.flags.writeable = False
    return Encoding(codes, runs, pointers)


@kernel
def _decode_entries(codes: Arg, runs: Arg, pointers: Arg, base: Arg, indptr: Arg, rows: Arg, values: Arg) -> None:
    """Real entries column by column, PE after PE inside a column; `rows` in stored order."""
    n_columns, n_pe = pointers.shape[0] - 1, pointers.shape[1]
    at = 0
    for j in range(n_columns):
        indptr[j] = at
        for k in range(n_pe):
            local = -1
            for e in range(base[k] + pointers[j, k], base[k] + pointers[j + 1, k]):
                local += int(runs[e]) + 1  # an int: uint8 would wrap around at 256
                if codes[e] != 0:  # a filler moves the row on, and is not a weight
                    rows[at] = local * n_pe + k
                    values[at] = codes[e]
                    at += 1
    indptr[n_columns] = at


def decode(encoding: Encoding, n_rows: int) -> SparseColumns:
    """The real entries of an encoding: columns of codes, each PE after PE (not sorted by row), rows in stored order.

    The inverse of `encode` but for the order inside a column. The encoding is trusted; `PackedLayer` has checked it.
    """
    codes, runs, pointers = encoding
    per_pe = pointers[-1].astype(np.int64)
    n_real = int(np.count_nonzero(codes))
    indptr = np.empty(pointers.shape[0], np.int64)
    rows = np.empty(n_real, np.uint32)
    values = np.empty(n_real, np.uint8)
    _decode_entries(codes, runs, pointers, np.cumsum(per_pe) - per_pe, indptr, rows, values)
    return SparseColumns(indptr, rows, values, (n_rows, pointers.shape[0] - 1))
