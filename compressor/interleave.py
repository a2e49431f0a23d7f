"""Row interleaving: row ``i`` (in stored order) lives in PE ``i mod N``, at local row ``i // N`` (EIE section III-C).

A row permutation moves rows between PEs: ``row_permutation[i]`` is the original row stored at ``i``.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_integers


def rows_in_pe(n_rows: int, n_pe: int) -> NDArray[np.int64]:
    """How many rows each PE holds; int64, shape (n_pe,)."""
    return (n_rows - np.arange(n_pe, dtype=np.int64) + n_pe - 1) // n_pe


def check_row_permutation(permutation: ArrayLike, n_rows: int) -> NDArray[np.uint32]:
    """`permutation` as uint32, shape (n_rows,).

    Raises
    ------
    ValueError
        When it does not name every row exactly once.
    """
    order = as_integers("row_permutation", permutation, np.uint32)
    if order.shape != (n_rows,):
        raise ValueError(f"row_permutation: shape {order.shape}, but {n_rows} rows need ({n_rows},)")
    if order.max() >= n_rows or len(np.unique(order)) < n_rows:
        raise ValueError(f"row_permutation: must name each of the rows 0 to {n_rows - 1} exactly once")
    return order


def stored_row_of(permutation: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The inverse: ``stored_row_of(p)[original row]`` is where that row is stored; uint32, shape (n_rows,)."""
    inverse = np.empty_like(permutation)
    inverse[permutation] = np.arange(len(permutation), dtype=np.uint32)
    return inverse
