"""3 x 3 convolutions by Winograd's minimal filtering F(2 x 2, 3 x 3): 16 products for each 2 x 2 outputs.

EIE, section VII-B, names it as a way to run convolutions. The matrices are those of Lavin and Gray, "Fast Algorithms
for Convolutional Neural Networks", section 4.1; transforms are computed on the host in float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.lowering.convolution import ConvWindow, output_sizes, with_channels, with_zeros
from compressor.lowering.product import Array, Call, Cut, Operands, Run, Vectors, given, needed

_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float64)
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float64)
_A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float64)

N_ELEMENTS = 16
"""Of a transformed kernel."""

_OF_BIAS = 5
"""Element (1, 1), row by row: the output transform adds it to all four outputs, each with a factor of 1."""


def transformed(kernels: Array) -> NDArray[np.float64]:
    """The 16 matrices (outputs, inputs) of kernels (outputs, inputs, 3, 3), element by element."""
    found: NDArray[np.float64] = np.einsum("ij,rcjk,lk->ilrc", _G, kernels.astype(np.float64), _G)
    return found.reshape(N_ELEMENTS, *kernels.shape[:2])


@dataclass(frozen=True)
class Winograd:
    """A convolution as products in the transformed domain.

    Its tensors are the 16 of `transformed`, which are compressed as such.

    Attributes
    ----------
    window : ConvWindow
    """

    window: ConvWindow

    @staticmethod
    def fits(window: ConvWindow, groups: int) -> bool:
        """Whether a convolution can be computed so."""
        return (window.kernel, window.strides, window.dilations, groups) == ((3, 3), (1, 1), (1, 1), 1)

    def matrices(self, tensors: Sequence[Array]) -> list[Cut]:
        """Each tensor as it is."""
        return [Cut(number, tensor, tensor.size) for number, tensor in enumerate(tensors)]

    def biases(self, tensors: Sequence[Array | None]) -> list[NDArray[np.float32] | None]:
        """That of the convolution starts the products of one element."""
        return [tensors[0] if number == _OF_BIAS else None for number in range(N_ELEMENTS)]

    def run(self, operands: Operands) -> Run:
        """For each 2 x 2 patch of outputs, row by row, a product of each element."""
        data = needed(operands, 0)
        padded = self.window.padded(data)
        n_images, n_channels, height, width = padded.shape
        sizes = output_sizes(self.window, (height, width))
        # Patches at the edge read zeros, and their surplus outputs are dropped.
        rows, columns = (-(-size // 2) for size in sizes)
        padded = with_zeros(padded, (1, 1), ((0, 2 * rows + 2 - height), (0, 2 * columns + 2 - width)))
        patches = np.lib.stride_tricks.sliding_window_view(padded.astype(np.float64), (4, 4), (2, 3))[:, :, ::2, ::2]
        inputs = np.einsum("ij,ncyxjk,lk->ilnyxc", _B, patches, _B, optimize=True)
        inputs = inputs.reshape(N_ELEMENTS, -1, n_channels)
        products = []
        for number in range(N_ELEMENTS):
            vectors = Vectors.of(inputs[number])
            products.append((yield Call(number, vectors, len(vectors))))
        square = np.stack(products).reshape(4, 4, n_images, rows, columns, -1).astype(np.float64)
        outputs = np.einsum("ij,jknyxr,lk->nyixlr", _A, square, _A, optimize=True)
        outputs = outputs.reshape(n_images, 2 * rows, 2 * columns, -1)[:, : sizes[0], : sizes[1]]
        sums = outputs.reshape(-1, outputs.shape[-1])
        return [with_channels(sums, (n_images, *sizes), given(operands, 2), data)]
