"""Gemm and MatMul as products: one for each row, or each column, of the other operand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.lowering.product import Array, Call, Cut, Operands, Run, Vectors, as_type_of, given, needed


@dataclass(frozen=True)
class MatrixProduct:
    """A product of stored matrices (rows, columns) with the other operand.

    Attributes
    ----------
    side : int
        Which operand the weights are, 0 or 1.
    shape : tuple of int
        Of the weights as the operator takes them: one axis, two, or those of a stack before the two.
    flipped : bool
        Whether the other operand of a Gemm is transposed.
    beta : float or None
        Factor of a Gemm's C; None of a MatMul.
    """

    side: int
    shape: tuple[int, ...]
    flipped: bool = False
    beta: float | None = None

    @classmethod
    def of_gemm(cls, attributes: Mapping[str, Any], side: int, shape: tuple[int, ...]) -> "MatrixProduct":
        """That of a Gemm, whose alpha and transposition of the weights are in its tensor."""
        flipped = bool(attributes["transA" if side else "transB"])
        return cls(side, shape, flipped, float(attributes["beta"]))

    def matrices(self, tensors: Sequence[Array]) -> list[Cut]:
        """Each tensor as it is."""
        return [Cut(number, tensor, tensor.size) for number, tensor in enumerate(tensors)]

    def biases(self, tensors: Sequence[Array | None]) -> list[NDArray[np.float32] | None]:
        """Those of the tensors."""
        return list(tensors)

    def run(self, operands: Operands) -> Run:
        """One product for each index of the leading axes, then each row (weights on the right) or column."""
        data = needed(operands, 1 - self.side)
        # Rows of vectors and the length of one are the last two axes; which is which depends on the side.
        grid = data if data.ndim > 1 else data[np.newaxis] if self.side else data[:, np.newaxis]
        by_column = (self.side == 0) ^ self.flipped
        lead, (n, width) = grid.shape[:-2], grid.shape[-2:][:: -1 if by_column else 1]
        step, tap = (1, n) if by_column else (width, 1)
        stack = self.shape[:-2]
        leading = np.broadcast_shapes(lead, stack)
        of_data, of_stack = (
            np.broadcast_to(np.arange(prod(sizes)).reshape(sizes), leading).reshape(-1) for sizes in (lead, stack)
        )
        result: Array | None = None
        for number in range(prod(stack)):
            places = np.flatnonzero(of_stack == number)
            starts = (of_data[places, np.newaxis] * (n * width) + np.arange(n) * step).reshape(-1)
            vectors = Vectors(np.ascontiguousarray(grid), starts, np.arange(width) * tap)
            sums = yield Call(number, vectors, len(vectors))
            if result is None:
                result = np.empty((len(of_stack), n, sums.shape[1]), sums.dtype)
            result[places] = sums.reshape(len(places), n, sums.shape[1])
        assert result is not None
        result = result.reshape(*leading, *result.shape[1:])
        # An operand of one axis gives the result no axis of its own.
        if data.ndim == 1:
            result = result[..., 0, :]
        elif self.side == 0 and len(self.shape) > 1:
            result = result.swapaxes(-1, -2)
        if len(self.shape) == 1:
            result = result[..., 0]
        added = given(operands, 2)
        if added is not None and self.beta is not None:
            result = result + self.beta * added.astype(np.float64)
        return [as_type_of(result, data)]
