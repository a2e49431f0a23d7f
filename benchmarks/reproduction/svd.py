"""Low-rank factors of a matrix by its singular values: what pruning and sharing are compared with (Fig. 6).

A layer of ``outputs x inputs`` weights becomes two, of ``rank x inputs`` and ``outputs x rank``, with nothing between.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats, real_number, whole_number


class LowRank(NamedTuple):
    """A matrix as the product of two.

    Attributes
    ----------
    left : ndarray of float32, shape (n_rows, rank)
    right : ndarray of float32, shape (rank, n_cols)
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32]

    @property
    def n_parameters(self) -> int:
        """Numbers that are stored: ``rank * (n_rows + n_cols)``."""
        return self.left.size + self.right.size

    def dense(self) -> NDArray[np.float32]:
        """The product; float32, shape (n_rows, n_cols)."""
        return self.left @ self.right


def truncated(weights: ArrayLike, rank: int) -> LowRank:
    """The matrix of `rank` that is nearest to `weights` in the sum of squared differences (Eckart and Young, 1936).

    Each factor gets the root of the singular values, so that the two are of one size and can be trained or coded alike.

    Parameters
    ----------
    weights : array_like of float32, shape (n_rows, n_cols)
    rank : int
        1 .. ``min(n_rows, n_cols)``.

    Returns
    -------
    LowRank
        Of the two signs that a pair of factors may have, the one with a positive largest number in its left column.

    Raises
    ------
    ValueError
        When `weights` is no matrix of finite numbers, or the rank is out of its limits.
    """
    matrix = as_floats("weights", weights, np.float64)
    n_rows, n_cols = _matrix_shape(matrix.shape)
    rank = whole_number("rank", rank, 1, min(n_rows, n_cols))
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    largest = np.argmax(np.abs(left[:, :rank]), axis=0)
    scale = np.sqrt(values[:rank]) * np.where(left[largest, np.arange(rank)] < 0, -1, 1)
    factors = left[:, :rank] * scale, right[:rank] * scale[:, None]
    return LowRank(*(np.ascontiguousarray(factor, np.float32) for factor in factors))


def rank_for_share(shape: tuple[int, int], share: float) -> int:
    """The largest rank whose factors have at most `share` of the parameters of a matrix of `shape`.

    Parameters
    ----------
    shape : tuple of int
        (n_rows, n_cols).
    share : float
        Above 0 and at most 1; times the size of the matrix, rounded, it is the number of parameters.

    Raises
    ------
    ValueError
        When the shape is no matrix's, or the share is out of its limits or too small for rank 1.
    """
    n_rows, n_cols = _matrix_shape(shape)
    if not 0 < real_number("share", share) <= 1:
        raise ValueError(f"share: {share}, but it must be above 0 and at most 1")
    n_parameters = round(share * n_rows * n_cols)
    if n_parameters < n_rows + n_cols:
        least = f"rank 1 of {n_rows} x {n_cols} has {n_rows + n_cols}"
        raise ValueError(f"share: {share} of the parameters are {n_parameters}, but {least}")
    return n_parameters // (n_rows + n_cols)


def _matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape: {shape}, but it must be (rows, columns), both at least 1")
    return shape[0], shape[1]
