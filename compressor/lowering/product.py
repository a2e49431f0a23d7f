"""What every lowering has in common: matrices cut from tensors, calls of the machine, vectors that are gathered."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

Operands: TypeAlias = Sequence[Array | None]
"""The inputs of an operator; None where one is left out, holds the weights, or is a bias that the machine adds."""


class Cut(NamedTuple):
    """A matrix that is cut from a stored tensor.

    Attributes
    ----------
    tensor : int
        Number of the tensor, whose codebook is the matrix's too.
    entries : ndarray, shape (n_rows, n_cols)
        Weights or codes, as the tensor has them; 0 where there is no weight.
    n_weights : int
        Weights of the operator's own, zeros included: without those that only fill the matrix.
    """

    tensor: int
    entries: Array
    n_weights: int


@dataclass(frozen=True, eq=False)
class Vectors:
    """Input vectors of products, gathered when they are asked for: a photo has more of them than memory holds.

    Attributes
    ----------
    source : ndarray
        Read in C order.
    starts : ndarray of int64, shape (n,)
    taps : ndarray of int64, shape (n_cols,)
        Number ``j`` of vector ``i`` is at ``starts[i] + taps[j]`` of `source`.
    """

    source: Array
    starts: NDArray[np.int64]
    taps: NDArray[np.int64]

    @classmethod
    def of(cls, array: Array) -> "Vectors":
        """The rows of a matrix."""
        n, n_cols = array.shape
        return cls(array, np.arange(n, dtype=np.int64) * n_cols, np.arange(n_cols, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.starts)

    def block(self, first: int = 0, last: int | None = None) -> Array:
        """Vectors `first` to `last`, of shape (last - first, n_cols), in C order."""
        gathered: Array = self.source.reshape(-1)[self.starts[first:last, np.newaxis] + self.taps]
        return gathered


class Call(NamedTuple):
    """Products of one matrix, which the machine is to compute.

    Attributes
    ----------
    matrix : int
        Number of the matrix.
    vectors : Vectors
    uses : int
        How often the operator uses each weight of the matrix: once for each vector, but where zeros were put between
        inputs.
    """

    matrix: int
    vectors: Vectors
    uses: int


Run: TypeAlias = Generator[Call, Array, list[Array]]
"""Yields calls, takes the sums (n, n_rows) of each, and returns the results of the operator, one for each output."""


class Lowering(Protocol):
    """How an operator becomes products."""

    def matrices(self, tensors: Sequence[Array]) -> list[Cut]:
        """The matrices of the operator, cut from its tensors, of weights or of codes."""
        ...

    def biases(self, tensors: Sequence[Array | None]) -> list[NDArray[np.float32] | None]:
        """What the accumulators start at in the products of each matrix.

        Parameters
        ----------
        tensors : sequence of (ndarray or None)
            The bias of each tensor, (n_rows,); of a recurrent operator also Wb and Rb apart, (2, n_rows).
        """
        ...

    def run(self, operands: Operands) -> Run:
        """Compute the operator with the machine's help.

        Raises
        ------
        ValueError
            If the shape of an operand does not fit the operator.
        """
        ...


def given(operands: Operands, at: int) -> Array | None:
    """Operand `at`, None where the operator has fewer."""
    return operands[at] if at < len(operands) else None


def needed(operands: Operands, at: int) -> Array:
    """Operand `at`, which the operator cannot do without."""
    operand = given(operands, at)
    if operand is None:
        raise ValueError(f"operands: number {at} is missing")
    return operand


def as_type_of(result: Array, data: Array) -> Array:
    """A result in the type of the operator's data, which ONNX gives it."""
    with np.errstate(over="ignore"):
        return result.astype(data.dtype, copy=False)
