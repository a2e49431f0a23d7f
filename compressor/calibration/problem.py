"""The least squares of a layer: which weights it would have, and what an error in them does to its outputs.

With x the vectors that a matrix W multiplies on the calibration inputs, and H their second moments, shared weights Q in
place of W make a mean squared error of ``tr((W - Q) H (W - Q)^T)``: every step of calibration makes this small. A
tensor is one or several such matrices, its blocks (the groups of a convolution, the gates of a GRU), which share a
codebook and a number of weights to keep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.checks import real_number

DAMPING = 0.01
"""What is added to the diagonal of a Hessian, as a fraction of its mean (GPTQ, Frantar et al. 2023, section 3.3)."""

_PENALTY = 0.1
"""Of the alternating directions, where the Hessian has a diagonal of 1: measured, see docs/how-to/calibrate.md."""


@dataclass(frozen=True, eq=False)
class Block:
    """A matrix of a tensor and the second moments of what it multiplies.

    Attributes
    ----------
    rows, columns : ndarray of int
        Where it is in its tensor.
    weights : ndarray of float32, shape (n, m)
        What it would have if nothing had to be pruned or shared.
    allowed : ndarray of bool, shape (n, m)
        Weights that may be kept; those that were zero before stay zero.
    hessian : ndarray of float32, shape (m, m)
        Second moments with their damping: positive definite.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    weights: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    hessian: NDArray[np.float32]

    @cached_property
    def scale(self) -> NDArray[np.float32]:
        """Root of the diagonal of the Hessian; float32, shape (m,)."""
        return np.sqrt(np.diag(self.hessian))

    @cached_property
    def product(self) -> NDArray[np.float32]:
        """The weights times the Hessian; float32, shape (n, m)."""
        return self.weights @ self.hessian

    @cached_property
    def scaled(self) -> NDArray[np.float32]:
        """The Hessian of weights times `scale`, with a diagonal of 1."""
        found: NDArray[np.float32] = self.hessian / self.scale / self.scale[:, np.newaxis]
        return found

    @cached_property
    def solver(self) -> NDArray[np.float32]:
        """The inverse of the scaled Hessian with the penalty on its diagonal; one for all densities."""
        matrix = self.scaled.astype(np.float64)
        matrix[np.diag_indices_from(matrix)] += _PENALTY
        return np.linalg.inv(matrix).astype(np.float32)

    @property
    def penalty(self) -> float:
        """The penalty that is in `solver`."""
        return _PENALTY

    @cached_property
    def factor(self) -> NDArray[np.float32]:
        """The upper Cholesky factor U of the inverse Hessian, ``H^-1 = U^T U``."""
        inverse = np.linalg.inv(self.hessian.astype(np.float64))
        return np.ascontiguousarray(np.linalg.cholesky((inverse + inverse.T) / 2).T.astype(np.float32))

    def error(self, weights: NDArray[np.float32]) -> float:
        """Mean squared error of the outputs, summed over the rows, with other weights."""
        return self.error_at(weights, self.gradient(weights))

    def gradient(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Half the gradient of the error, ``(weights - W) H``; float32, shape (n, m)."""
        return weights @ self.hessian - self.product

    def error_at(self, weights: NDArray[np.float32], gradient: NDArray[np.float32]) -> float:
        """As `error`, where the gradient is known."""
        return float(np.einsum("ij,ij->", weights - self.weights, gradient, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Problem:
    """A tensor that is to be pruned and shared.

    Attributes
    ----------
    shape : tuple of (int, int)
        Of the tensor as a matrix: a convolution has its kernels as rows.
    blocks : tuple of Block
        Every weight is in one of them.
    """

    shape: tuple[int, int]
    blocks: tuple[Block, ...]

    @cached_property
    def energy(self) -> float:
        """Mean square of the outputs, summed over the rows; errors are relative to it."""
        return sum(block.error_at(np.zeros_like(block.weights), -block.product) for block in self.blocks)

    def error(self, weights: Sequence[NDArray[np.float32]]) -> float:
        """Squared error of the outputs with other weights, one matrix for each block, relative to their square."""
        return self.relative(sum(block.error(of_one) for block, of_one in zip(self.blocks, weights, strict=True)))

    def relative(self, error: float) -> float:
        """A squared error over the squares of the outputs."""
        return max(error, 0.0) / self.energy if self.energy else 0.0


def damped(moments: NDArray[Any], damping: float) -> NDArray[np.float64]:
    """Second moments with `damping` times their mean diagonal added to it; 1 is added where all are 0.

    Parameters
    ----------
    moments : ndarray, shape (m, m)
    damping : float
        More than 0: fewer vectors than columns leave moments that have no inverse.
    """
    found = np.array(moments, np.float64)
    found[np.diag_indices_from(found)] += damping_of(moments, damping)
    return found


def damping_of(moments: NDArray[Any], damping: float) -> float:
    """What `damped` adds to the diagonal."""
    if real_number("damping", damping) <= 0:
        raise ValueError(f"damping: {damping}, but it must be more than 0")
    mean = float(np.mean(np.diag(moments)))
    return damping * mean if mean > 0 else 1.0


def matrix_problem(weights: NDArray[np.float32], moments: NDArray[Any], damping: float = DAMPING) -> Problem:
    """The problem of one matrix.

    Parameters
    ----------
    weights : ndarray of float32, shape (n, m)
    moments : ndarray, shape (m, m)
        ``X^T X / n`` of the vectors that it multiplies.
    damping : float

    Raises
    ------
    ValueError
        If `damping` is not more than 0.
    """
    n_rows, n_cols = weights.shape
    hessian = damped(moments, damping).astype(np.float32)
    block = Block(np.arange(n_rows), np.arange(n_cols), weights, weights != 0, hessian)
    return Problem((n_rows, n_cols), (block,))
