"""Matrices as their non-zeros: the one sparse form that passes between the steps (compressed sparse columns, CSC).

A layer goes from dense weights to this form once, in the pruning step, and stays in it until it is packed; nothing
after the pruning makes a dense copy of a layer again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_integers, integer_matrix
from compressor.jit import Arg, available_cores, in_threads, kernel

# Columns in one piece of work of the dense-to-sparse scan, at most: the places where its columns go on writing
# stay in the L2 cache, and a row of the piece is many whole cache lines.
_COLUMNS_PER_CHUNK = 1024

LEAST_FOR_THREADS = 1 << 19
"""Fewer weights or entries than this are gone through in the time that threads take to begin."""


@dataclass(frozen=True, eq=False)
class SparseColumns:
    """A matrix as compressed sparse columns.

    Attributes
    ----------
    indptr : ndarray of int64, shape (n_cols + 1,)
        The entries of column ``j`` are ``indptr[j] .. indptr[j + 1] - 1``.
    rows : ndarray of uint32, shape (n,)
        Row of each entry, rising inside a column.
    values : ndarray, shape (n,)
        Value of each entry: a float32 weight, or a uint8 code.
    shape : (int, int)
        ``(n_rows, n_cols)`` = (outputs, inputs).
    """

    indptr: NDArray[np.int64]
    rows: NDArray[np.uint32]
    values: NDArray[np.generic]
    shape: tuple[int, int]

    def dense(self) -> NDArray[np.generic]:
        """The matrix in full, zeros where there is no entry; shape ``shape``, dtype of `values`."""
        out = np.zeros(self.shape, self.values.dtype)
        columns = np.repeat(np.arange(self.shape[1]), np.diff(self.indptr))
        out[self.rows, columns] = self.values
        return out


# A row is scanned in two parts, so that no weight is compared twice: up to `split` the ties are kept, from there not.
# Both kernels work on slices, whose indices begin at 0: only so are their loops compiled to vector instructions.


@kernel
def _count_kept(matrix: Arg, threshold: Arg, tie_limit: Arg, first: Arg, last: Arg, counts: Arg) -> None:
    """Add up how many entries of the columns ``first .. last - 1`` stay."""
    n_rows, n_cols = matrix.shape
    part = counts[first:last]
    for i in range(n_rows):
        row = matrix[i, first:last]
        split = min(max(tie_limit - (i * n_cols + first), 0), last - first)
        for j in range(split):
            part[j] += abs(row[j]) >= threshold
        for j in range(split, last - first):
            part[j] += abs(row[j]) > threshold


@kernel
def _fill_kept(
    matrix: Arg,
    threshold: Arg,
    tie_limit: Arg,
    first: Arg,
    last: Arg,
    kept: Arg,
    position: Arg,
    rows: Arg,
    values: Arg,
) -> None:
    """Write the entries that stay; `kept` is scratch for the columns of one row, `position` where each column goes on.

    The first two loops write every column number and step on only past those that stay: no branch to mispredict.
    """
    n_rows, n_cols = matrix.shape
    next_of = position[first:last]
    for i in range(n_rows):
        row = matrix[i, first:last]
        split = min(max(tie_limit - (i * n_cols + first), 0), last - first)
        n = 0
        for j in range(split):
            kept[n] = j
            n += abs(row[j]) >= threshold
        for j in range(split, last - first):
            kept[n] = j
            n += abs(row[j]) > threshold
        for m in range(n):
            j = kept[m]
            at = next_of[j]
            rows[at] = i
            values[at] = row[j]
            next_of[j] = at + 1


def sparse_columns(matrix: NDArray[np.generic], threshold: float = 0, tie_limit: int = 0) -> SparseColumns:
    """The entries of `matrix` whose size is above `threshold`, as sparse columns.

    Parameters
    ----------
    matrix : ndarray, shape (n_rows, n_cols), float or unsigned integer, in C order
    threshold : float
        Entries with ``abs(value) > threshold`` are kept; 0 keeps the non-zeros.
    tie_limit : int
        Of the entries with ``abs(value) == threshold``, those whose flat index in C order is below `tie_limit` are kept
        too: how a pruning to an exact count settles ties in the same way every time.

    Returns
    -------
    SparseColumns
        `values` in the dtype of `matrix`. The same bytes whatever the number of cores.
    """
    n_rows, n_cols = matrix.shape
    limit = matrix.dtype.type(threshold)
    step = max(1, min(_COLUMNS_PER_CHUNK, -(-n_cols // available_cores())))
    chunks = [(at, min(at + step, n_cols)) for at in range(0, n_cols, step)]
    workers = 1 if matrix.size < LEAST_FOR_THREADS else None
    # Counted first, filled afterwards: the arrays are made at their final size, and the pieces write apart.
    counts = np.zeros(n_cols, np.int32)
    in_threads(lambda c: _count_kept(matrix, limit, tie_limit, *c, counts), chunks, workers)
    indptr = np.zeros(n_cols + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    rows = np.empty(indptr[-1], np.uint32)
    values = np.empty(indptr[-1], matrix.dtype)
    position = indptr[:-1].copy()

    def fill(chunk: tuple[int, int]) -> None:
        _fill_kept(matrix, limit, tie_limit, *chunk, np.empty(step, np.int32), position, rows, values)

    in_threads(fill, chunks, workers)
    return SparseColumns(indptr, rows, values, (n_rows, n_cols))


@kernel
def _sort_columns(
    indptr: Arg, rows: Arg, codes: Arg, column: Arg, sorted_indptr: Arg, sorted_rows: Arg, sorted_codes: Arg
) -> int:
    """Sort every column by row and drop code 0; returns the first column that names a row twice, or -1.

    `column` is a scratch column of zeros, as long as the matrix has rows.
    """
    n_rows = len(column)
    at = 0
    for j in range(len(indptr) - 1):
        sorted_indptr[j] = at
        for e in range(indptr[j], indptr[j + 1]):
            if codes[e] != 0:
                if column[rows[e]] != 0:
                    return j
                column[rows[e]] = codes[e]
        # A sort by counting, as rows are small numbers; the scratch column is cleared on the way.
        for i in range(n_rows):
            if column[i] != 0:
                sorted_rows[at] = i
                sorted_codes[at] = column[i]
                column[i] = 0
                at += 1
    sorted_indptr[len(indptr) - 1] = at
    return -1


@kernel
def _is_canonical(indptr: Arg, rows: Arg, codes: Arg) -> bool:
    for j in range(len(indptr) - 1):
        for e in range(indptr[j], indptr[j + 1]):
            if codes[e] == 0 or (e > indptr[j] and rows[e] <= rows[e - 1]):
                return False
    return True


def checked_columns(indptr: ArrayLike, rows: ArrayLike, codes: ArrayLike, shape: tuple[int, int]) -> SparseColumns:
    """Sparse columns of codes from arrays of a caller: checked, rows sorted inside each column, code 0 dropped.

    Parameters
    ----------
    indptr : array_like of int, shape (n_cols + 1,)
    rows : array_like of int, shape (n,)
    codes : array_like of int, shape (n,), 0 .. 255
    shape : (int, int)
        ``(n_rows, n_cols)``.

    Raises
    ------
    ValueError
        When the arrays do not fit each other or `shape`, a row lies outside the matrix, or a column names a row twice.
    """
    n_rows, n_cols = shape
    pointers = as_integers("indptr", indptr, np.int64)
    row_of = as_integers("rows", rows, np.uint32)
    code_of = as_integers("codes", codes, np.uint8)
    if pointers.shape != (n_cols + 1,):
        raise ValueError(f"indptr: shape {pointers.shape}, but {n_cols} columns need ({n_cols + 1},)")
    if row_of.ndim != 1 or row_of.shape != code_of.shape:
        raise ValueError(f"rows and codes: shapes {row_of.shape} and {code_of.shape}, but both must be the same (n,)")
    if pointers[0] != 0 or pointers[-1] != len(row_of) or np.any(np.diff(pointers) < 0):
        raise ValueError(f"indptr: must rise from 0 to the number of entries, {len(row_of)}")
    if len(row_of) and row_of.max() >= n_rows:
        raise ValueError(f"rows: row {row_of.max()} lies outside the matrix of {n_rows} rows")
    # Looking costs one pass over the entries; sorting costs one over every row of every column.
    if _is_canonical(pointers, row_of, code_of):
        return SparseColumns(pointers, row_of, code_of, shape)
    return sort_columns(pointers, row_of, code_of, shape)


def sort_columns(
    indptr: NDArray[np.int64], rows: NDArray[np.uint32], codes: NDArray[np.uint8], shape: tuple[int, int]
) -> SparseColumns:
    """Sparse columns with the rows of each column in rising order, code 0 dropped; the arrays are trusted to fit.

    Raises
    ------
    ValueError
        When a column names a row twice.
    """
    sorted_indptr = np.empty_like(indptr)
    sorted_rows = np.empty_like(rows)
    sorted_codes = np.empty_like(codes)
    scratch = np.zeros(shape[0], np.uint8)
    twice = _sort_columns(indptr, rows, codes, scratch, sorted_indptr, sorted_rows, sorted_codes)
    if twice >= 0:
        raise ValueError(f"rows: column {twice} names the same row twice")
    kept = sorted_indptr[-1]
    return SparseColumns(sorted_indptr, sorted_rows[:kept], sorted_codes[:kept], shape)


def sparse_codes(codes: ArrayLike) -> SparseColumns:
    """The non-zero codes of a dense matrix of codes, shape (n_rows, n_cols), as sparse columns of uint8."""
    return sparse_columns(integer_matrix("codes", codes, np.uint8))
