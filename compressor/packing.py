"""Packing codes for a machine: from a matrix of codes, dense or sparse, to a `PackedLayer`."""

import numpy as np
from numpy.typing import ArrayLike

from compressor.checks import as_integers, whole_number
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import MAX_SIZE
from compressor.types.sparse import SparseColumns, checked_columns, sparse_codes


def with_bias(matrix: SparseColumns, bias_codes: ArrayLike | None) -> SparseColumns:
    """`matrix` and, where there are `bias_codes`, one more column of them; `shape` stays that of the matrix.

    Raises
    ------
    ValueError
        When their number is not that of the rows.
    """
    if bias_codes is None:
        return matrix
    bias = as_integers("bias_codes", bias_codes, np.uint8)
    if bias.shape != (matrix.shape[0],):
        raise ValueError(f"bias_codes: shape {bias.shape}, but {matrix.shape[0]} rows need ({matrix.shape[0]},)")
    rows = np.flatnonzero(bias).astype(np.uint32)
    return SparseColumns(
        np.append(matrix.indptr, matrix.indptr[-1] + len(rows)),
        np.concatenate([matrix.rows, rows]),
        np.concatenate([matrix.values, bias[rows]]),
        matrix.shape,
    )


def pack_codes(
    codes: ArrayLike,
    codebook: ArrayLike,
    n_pe: int = 64,
    index_bits: int = 4,
    bias_codes: ArrayLike | None = None,
    name: str = "layer",
    row_permutation: ArrayLike | None = None,
    bias: ArrayLike | None = None,
) -> PackedLayer:
    """Pack a dense matrix of codes.

    Parameters
    ----------
    codes : array_like of int, shape (n_rows, n_cols)
        Codes into `codebook`; 0 = no weight.
    codebook : array_like of float32, shape (2**weight_bits,)
        Shared weights, ``codebook[0] == 0``; its length gives the weight bits.
    n_pe, index_bits : int
    bias_codes : array_like of int, shape (n_rows,), or None
        Codes of the bias, packed as one more column.
    name : str
    row_permutation : array_like of int, shape (n_rows,), or None
        ``row_permutation[i]`` = original row stored at ``i``.
    bias : array_like of float, shape (n_rows,), or None
        The bias itself, for machines that preload it.

    Raises
    ------
    ValueError
        When a shape, a code or a width is out of its limits.

    Examples
    --------
    The column printed in section III-B of the EIE paper, [0, 0, 1, 2, 0 (18 times), 3]:

    >>> layer = pack_codes([[0], [0], [1], [2], *[[0]] * 18, [3]], [0, 1, 2, 3], n_pe=1)
    >>> layer.codes.tolist(), layer.runs.tolist()
    ([1, 2, 0, 3], [2, 0, 15, 2])
    """
    matrix = with_bias(sparse_codes(codes), bias_codes)
    return PackedLayer.from_columns(
        matrix, codebook, n_pe=n_pe, index_bits=index_bits, row_permutation=row_permutation, name=name, bias=bias
    )


def pack_sparse(
    indptr: ArrayLike,
    rows: ArrayLike,
    codes: ArrayLike,
    shape: tuple[int, int],
    codebook: ArrayLike,
    n_pe: int = 64,
    index_bits: int = 4,
    bias_codes: ArrayLike | None = None,
    name: str = "layer",
    row_permutation: ArrayLike | None = None,
    bias: ArrayLike | None = None,
) -> PackedLayer:
    """Pack a matrix of codes given as compressed sparse columns, for layers too big to be dense.

    Parameters
    ----------
    indptr : array_like of int, shape (n_cols + 1,)
    rows, codes : array_like of int, shape (n,)
        Row and code of each entry; rows may come in any order inside a column, code 0 is dropped.
    shape : (int, int)
        ``(n_rows, n_cols)``.
    codebook, n_pe, index_bits, bias_codes, name, row_permutation, bias
        As for `pack_codes`.

    Raises
    ------
    ValueError
        When the arrays do not fit each other, or a value is out of its limits.
    """
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise ValueError(f"shape: {shape!r}, but it must be (n_rows, n_cols)")
    n_rows, n_cols = (whole_number("shape", size, 1, MAX_SIZE) for size in shape)
    matrix = with_bias(checked_columns(indptr, rows, codes, (n_rows, n_cols)), bias_codes)
    return PackedLayer.from_columns(
        matrix, codebook, n_pe=n_pe, index_bits=index_bits, row_permutation=row_permutation, name=name, bias=bias
    )
